"""When a run has to end before it is done: by a signal, or because its time is over."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from wheel_uploader.errors import DeadlineError, Interrupted, ReleaseError

#: Seconds that what is in flight gets to arrive once the run has to end.
GRACE = 30.0

#: Those that ask a program to end: Windows has Ctrl-Break instead of a terminal that hangs up.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Stop(KeyboardInterrupt):
    """Ends the run from its main thread; like Ctrl-C, nothing on the way takes it for its own failure."""

    def __init__(self, error: ReleaseError) -> None:
        super().__init__(error.message)
        self.error = error


class Watch:
    """What a run is asked from outside: to end, and how soon."""

    def __init__(self, *, grace: float = GRACE, clock: Callable[[], float] = time.monotonic) -> None:
        #: Why the run has to end: Interrupted or DeadlineError; None as long as it may go on.
        self.error: ReleaseError | None = None
        #: Whether to wait for nothing any more: asked a second time.
        self.now = False
        self._gentle = False
        self._grace = grace
        self._clock = clock
        self._since: float | None = None

    @contextlib.contextmanager
    def gently(self) -> Iterator[None]:
        """Within it nothing is raised: who works there looks at ``error``, ``now`` and ``left``."""
        self._gentle = True
        try:
            yield
        finally:
            self._gentle = False

    def left(self) -> float:
        """Seconds that what is in flight may still take."""
        if self.now:
            return 0.0
        return self._grace if self._since is None else self._grace - (self._clock() - self._since)

    def signalled(self, number: int) -> None:
        """A signal: the first is noted, or raises Stop; the second ends at once whatever goes on."""
        again = isinstance(self.error, Interrupted)
        if again and (self.now or not self._gentle):
            # Without a word: somebody has lost patience with what goes on here, whatever it is.
            os._exit(128 + number)
        self.now = again
        self._note(Interrupted(number))

    def expired(self, seconds: float) -> None:
        """The time of the run is over."""
        if self.error:
            return
        self._note(DeadlineError(f"the run is not done after {seconds:.0f} s (--max-duration)"))

    def _note(self, error: ReleaseError) -> None:
        self.error = error
        if self._since is None:
            self._since = self._clock()
        if not self._gentle:
            raise Stop(error)


@contextlib.contextmanager
def watching(max_duration: float = 0.0) -> Iterator[Watch]:
    """A Watch that signals reach, and the end of ``max_duration`` seconds (0: none), while the block lasts.

    Only the main thread gets signals: begun in another one, the watch sees nothing.
    """
    watch = Watch()
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    with contextlib.ExitStack() as stack:
        terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

        def stop(number: int, _frame: object) -> None:
            _let_go(terminals)
            watch.signalled(number)

        for name in _SIGNALS:
            number = getattr(signal, name, None)
            # What nohup, or a shell for its background jobs, ignores stays ignored.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                stack.callback(signal.signal, number, signal.signal(number, stop))
        if max_duration:
            stack.enter_context(_alarm(max_duration, lambda: watch.expired(max_duration)))
        yield watch


def _let_go(terminals: list[int]) -> None:
    """Where a terminal has gone, let what is still said go nowhere: writing to it would fail."""
    for descriptor in terminals:
        if not os.isatty(descriptor):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextlib.contextmanager
def _alarm(seconds: float, ring: Callable[[], None]) -> Iterator[None]:
    """Call ``ring`` in the main thread after ``seconds``, whatever it waits for."""
    number = getattr(signal, "SIGALRM", signal.SIGABRT)
    before = signal.signal(number, lambda *_: ring())
    with contextlib.ExitStack() as stack:
        stack.callback(signal.signal, number, before)
        if hasattr(signal, "setitimer"):
            stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        else:
            # Windows has no alarm: the main thread hears of it when the read or the pause that it is in ends.
            timer = threading.Timer(seconds, _thread.interrupt_main, [number])
            timer.daemon = True
            stack.callback(timer.cancel)
            timer.start()
        yield
