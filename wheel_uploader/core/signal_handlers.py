"""Signal handlers, which pass the signals of this process to the run's CancellationToken and its watchdog."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from wheel_uploader.core import cancellation, watchdog

#: Signals that ask a program to end; Windows has Ctrl-Break (SIGBREAK), but no SIGHUP.
_TERMINATION_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def install_signal_handlers(
    write_final_report: watchdog.FinalReportWriter = lambda *_: None,
) -> cancellation.CancellationToken:
    """Install the signal handlers and return the token that they notify. Call this in the main thread.

    For ``write_final_report`` see watchdog.start_watchdog.
    """
    token = cancellation.CancellationToken()
    # Signals that nohup, or a shell for a background job, has set to be ignored remain ignored.
    available = [getattr(signal, name) for name in _TERMINATION_SIGNALS if hasattr(signal, name)]
    token.signals = [number for number in available if signal.getsignal(number) is not signal.SIG_IGN]
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
    token.terminal_settings = watchdog.read_terminal_settings(terminals)

    def handle_signal(number: int, _frame: object) -> None:
        _redirect_closed_terminals(terminals)
        token.record_signal(number)

    with _block_signals(token.signals):
        codes = [*(128 + number for number in token.signals), watchdog.TIME_LIMIT_EXIT_CODE]
        token.watchdog_handle = watchdog.start_watchdog(token.grace_seconds, codes, write_final_report)
        if token.watchdog_handle:
            signal.set_wakeup_fd(token.watchdog_handle.wakeup_fd, warn_on_full_buffer=False)
        for number in token.signals:
            signal.signal(number, handle_signal)
    token.start_guard_thread()
    cancellation.install_token(token)
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
