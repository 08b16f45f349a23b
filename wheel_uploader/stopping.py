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
        #: Called before a second signal ends the process.
        self.leave: Callable[[], None] = lambda: None
        #: The signals that come here.
        self.heard: list[int] = []
        self._gentle = self._over = False
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

    def ending(self) -> None:
        """The run ends by itself, only its report is still to be written: nothing is raised any more."""
        self._gentle = True

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Within it the run has so many seconds; 0: as many as it needs."""
        with _alarm(seconds, lambda: self.expired(seconds)) if seconds else contextlib.nullcontext():
            yield

    def finished(self) -> None:
        """All is done and told: there is nothing left that could be stopped."""
        self._over = True
        for number in self.heard:
            # Even while the interpreter goes down, which takes a while, and which resets what is not ignored.
            signal.signal(number, signal.SIG_IGN)

    def left(self) -> float:
        """Seconds that what is in flight may still take."""
        if self.now:
            return 0.0
        return self._grace if self._since is None else self._grace - (self._clock() - self._since)

    def signalled(self, number: int) -> None:
        """A signal: the first is noted, or raises Stop; the second ends at once whatever goes on."""
        if self._over:
            return
        again = isinstance(self.error, Interrupted)
        if again and (self.now or not self._gentle):
            # Without a word: somebody has lost patience with what goes on here, whatever it is.
            self.leave()
            os._exit(128 + number)
        self.now = again
        self._note(Interrupted(number))

    def expired(self, seconds: float) -> None:
        """The time of the run is over."""
        if self.error or self._over:
            return
        self._note(DeadlineError(f"the run is not done after {seconds:.0f} s (--max-duration)"))

    def _note(self, error: ReleaseError) -> None:
        self.error = error
        if self._since is None:
            self._since = self._clock()
        if not self._gentle:
            raise Stop(error)


def listen() -> Watch:
    """A Watch that hears the signals of this process from now on; to be called in the main thread."""
    watch = Watch()
    terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]

    def stop(number: int, _frame: object) -> None:
        _let_go(terminals)
        watch.signalled(number)

    for name in _SIGNALS:
        number = getattr(signal, name, None)
        # What nohup, or a shell for its background jobs, ignores stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
            watch.heard.append(number)
    return watch


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
