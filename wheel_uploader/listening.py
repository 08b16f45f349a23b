"""Signal handlers, which pass the signals of this process to the run's Watch and its watchdog."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from wheel_uploader import stopping, watchdog

#: Signals that ask a program to end; Windows has Ctrl-Break (SIGBREAK), but no SIGHUP.
_TERMINATION_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def listen(last_words: watchdog.LastWords = lambda *_: None) -> stopping.Watch:
    """Install the signal handlers and return the Watch that they notify. Call this in the main thread.

    For ``last_words`` see watchdog.start.
    """
    token = stopping.Watch()
    # Signals that nohup, or a shell for a background job, has set to be ignored remain ignored.
    available = [getattr(signal, name) for name in _TERMINATION_SIGNALS if hasattr(signal, name)]
    token.heard = [number for number in available if signal.getsignal(number) is not signal.SIG_IGN]
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
    token.terminal = watchdog.read_terminal(terminals)

    def handle_signal(number: int, _frame: object) -> None:
        _redirect_closed_terminals(terminals)
        token.signalled(number)

    with _block_signals(token.heard):
        codes = [*(128 + number for number in token.heard), watchdog.TIME_LIMIT]
        token.dog = watchdog.start(token.grace, codes, last_words)
        if token.dog:
            signal.set_wakeup_fd(token.dog.wakeup, warn_on_full_buffer=False)
        for number in token.heard:
            signal.signal(number, handle_signal)
    token.guard()
    stopping.install(token)
    return token


@contextlib.contextmanager
def _block_signals(numbers: list[int]) -> Iterator[None]:
    """Block signals during setup, so that none is lost or handled by an incomplete setup."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)


def _redirect_closed_terminals(terminals: list[int]) -> None:
    """Redirect terminals that have been closed to the null device, because writing to them would fail."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            null_device = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null_device, descriptor)
            os.close(null_device)
