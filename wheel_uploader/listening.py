"""The signals of the process: from the start of a run they go to its Watch and its watchdog."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from wheel_uploader import stopping, watchdog

#: Those that ask a program to end: Windows has Ctrl-Break instead of a terminal that hangs up.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


def listen(last_words: watchdog.LastWords = lambda *_: None) -> stopping.Watch:
    """Return a Watch that hears the signals of this process from now on; call it in the main thread.

    ``last_words``: see watchdog.start.
    """
    watch = stopping.Watch()
    # What nohup, or a shell for its background jobs, ignores stays ignored.
    there = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    watch.heard = [number for number in there if signal.getsignal(number) is not signal.SIG_IGN]
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
    watch.terminal = watchdog.read_terminal(terminals)

    def stop(number: int, _frame: object) -> None:
        _let_go(terminals)
        watch.signalled(number)

    with _blocked(watch.heard):
        codes = [*(128 + number for number in watch.heard), watchdog.TIME_LIMIT]
        watch.dog = watchdog.start(watch.grace, codes, last_words)
        if watch.dog:
            signal.set_wakeup_fd(watch.dog.wakeup, warn_on_full_buffer=False)
        for number in watch.heard:
            signal.signal(number, stop)
    watch.guard()
    stopping.install(watch)
    return watch


@contextlib.contextmanager
def _blocked(numbers: list[int]) -> Iterator[None]:
    """Hold signals back; none is lost or met by half of what is being set up."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _let_go(terminals: list[int]) -> None:
    """Where a terminal has gone, let what is still said go nowhere: writing to it would fail."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
