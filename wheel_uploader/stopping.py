"""When a run has to end before it is done: because of a signal, or because its time limit has expired.

No exception is raised from a signal handler: it could leave a lock held or a module half imported. The
handler notes the signal; the main thread calls ``check`` wherever it waits and between stages, and ``check``
raises Stop. Code that waits uses ``sleep``, ``wait`` and ``aside``, which call it several times a second. A
run that does not get there in time is ended by the watchdog (watchdog.py).
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from wheel_uploader import watchdog
from wheel_uploader.errors import DeadlineError, Interrupted, ReleaseError

T = TypeVar("T")

#: Seconds that uploads in progress get once the run has to end.
GRACE = 30.0
#: Seconds between two checks of code that waits.
LOOK = 0.1


class Stop(KeyboardInterrupt):
    """Ends the run; a KeyboardInterrupt so that ``except Exception`` does not swallow it."""

    def __init__(self, error: ReleaseError) -> None:
        super().__init__(error.message)
        self.error = error


class Watch:
    """Whether a run has been asked to end, and how soon."""

    def __init__(self, *, grace: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        #: Why the run has to end: Interrupted or DeadlineError; None as long as it may go on.
        self.error: ReleaseError | None = None
        #: Whether a second signal has come: do not wait for uploads any longer.
        self.now = False
        #: Called before the process is ended by force, to clear what is drawn on the terminal.
        self.leave: Callable[[], None] = lambda: None
        #: Writes the report of a run that is ended by force; called in a thread of its own.
        self.report: Callable[[ReleaseError], None] = _say
        #: The signals that come here.
        self.heard: list[int] = []
        self.dog: watchdog.Watchdog | None = None
        self.terminal: dict[int, Any] = {}
        self._gentle = self._ending = self._over = False
        self.grace = GRACE if grace is None else grace
        self._limit = 0.0
        self._clock = clock
        self._since: float | None = None

    @contextlib.contextmanager
    def gently(self) -> Iterator[None]:
        """Return a context without Stop, in which the caller reads ``error``, ``now`` and ``left``."""
        self._gentle = True
        self._tell("uploading", value=True)
        try:
            yield
        finally:
            self._gentle = False
            self._tell("uploading", value=False)

    def ending(self) -> None:
        """Note that only the report is left to be written: ``check`` raises no more."""
        self._ending = True

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Return a context in which the run has that many seconds; 0: no limit."""
        if not seconds:
            yield
            return
        self._limit = seconds
        self._tell("limit", value=seconds)
        with used(self), _alarm(seconds, lambda: self.expired(seconds)):
            yield

    def finished(self, code: int = 0) -> None:
        """Note that everything has been done and printed: a signal cannot change the exit code any more."""
        self._over = True
        self._tell("finished", value=code)
        for number in self.heard:
            # Also during the interpreter's shutdown, which resets all signals that are not ignored.
            signal.signal(number, signal.SIG_IGN)

    def left(self) -> float:
        """Return the seconds that uploads in progress may still take."""
        if self.now:
            return 0.0
        return self.grace if self._since is None else self.grace - (self._clock() - self._since)

    def check(self) -> None:
        """Raise Stop in the main thread if the run has been asked to end."""
        if self.error and not (self._gentle or self._ending) and _is_main_thread():
            raise Stop(self.error)

    def signalled(self, number: int) -> None:
        """Note a first signal; end the process on the second, but for uploads in progress on the third."""
        if self._over:
            return
        again = isinstance(self.error, Interrupted)
        if again and (self.now or not self._gentle):
            self._abandon(number)
        self.now = again
        self._note(Interrupted(number))

    def expired(self, seconds: float) -> None:
        """Note that the time limit has expired."""
        if self.error or self._over:
            return
        self._note(_expired(seconds))

    def arm(self) -> None:
        """Prepare for data from outside: let the watchdog end even a C call with an exit code."""
        if self.dog:
            self.dog.arm()

    def about(self, told: str) -> None:
        """Tell the watchdog what it has to know of the run to write its report; one line of JSON."""
        self._tell("about", value=told)

    def guard(self) -> None:
        """Have a thread that ends the process when the watchdog says so, or, without one, when it is time."""
        _thread.start_new_thread(self._obey, ())

    def end_by_force(self, code: int) -> None:
        """End the process, with a report of what has been done, while the main thread is stuck."""
        error = forced(code, self.grace, self._limit)
        with contextlib.suppress(Exception):
            self._clean_up()
        with contextlib.suppress(Exception):
            self.report(error)
        self._tell("said")
        os._exit(code)

    def _note(self, error: ReleaseError) -> None:
        self.error = error
        if self._since is None:
            self._since = self._clock()

    def _abandon(self, number: int) -> None:
        """End the process now."""
        with contextlib.suppress(Exception):
            self._clean_up()
        watchdog.say_at_once(number)
        self._tell("said")
        os._exit(128 + number)

    def _clean_up(self) -> None:
        for kill in list(_kills.values()):
            with contextlib.suppress(Exception):
                kill()
        if self.dog:
            watchdog.kill_descendants(os.getpid(), spared=self.dog.pid)
        watchdog.restore_terminal(self.terminal)
        self.leave()

    def _obey(self) -> None:
        if self.dog:
            if code := self.dog.order():
                self.end_by_force(code)
            return
        late = self.grace + watchdog.MARGIN
        while not self._over and (self._since is None or self._clock() - self._since < late):
            time.sleep(LOOK)
        if not self._over and self.error:
            self.end_by_force(self.error.exit_code)

    def _tell(self, word: str, *, value: object = "") -> None:
        if self.dog:
            self.dog.tell(word, value)


def _say(error: ReleaseError) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"error: {error.message}\nnext: {error.hint}\n".encode())


def forced(code: int, grace: float, limit: float) -> ReleaseError:
    """Return the error of a run that was ended by force with this exit code; ``limit``: of --max-duration."""
    error: ReleaseError = Interrupted(code - 128) if code > 128 else _expired(limit)
    error.message += f": it did not end within {grace:.0f} s and was ended by force"
    error.args = (error.message,)
    return error


def _expired(seconds: float) -> DeadlineError:
    return DeadlineError(f"the run is not done after {seconds:.0f} s (--max-duration)")


@contextlib.contextmanager
def _alarm(seconds: float, ring: Callable[[], None]) -> Iterator[None]:
    """Call ``ring`` in the main thread after ``seconds``."""
    number = getattr(signal, "SIGALRM", signal.SIGABRT)
    before = signal.signal(number, lambda *_: ring())
    with contextlib.ExitStack() as stack:
        stack.callback(signal.signal, number, before)
        if hasattr(signal, "setitimer"):
            stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        else:
            # Windows has no alarm: the main thread hears of it when the read or the pause that it is in ends.
            import threading

            timer = threading.Timer(seconds, _thread.interrupt_main, [number])
            timer.daemon = True
            stack.callback(timer.cancel)
            timer.start()
        yield


# --- for code that waits ---------------------------------------------------------------------------

#: The watch of the run in this process: signals and alarms belong to the process, not to one of its objects.
_watch: Watch | None = None
_main_thread = _thread.get_ident()
#: What ends the child processes of the run.
_kills: dict[int, Callable[[], object]] = {}


class Event(Protocol):
    """What can be waited for: threading.Event, subprocess.Popen with its timeout, and the like."""

    def wait(self, timeout: float) -> bool: ...


@contextlib.contextmanager
def used(watch: Watch) -> Iterator[None]:
    """Return a context in which ``check`` asks this watch."""
    global _watch  # noqa: PLW0603 - see above
    before, _watch = _watch, watch
    try:
        yield
    finally:
        _watch = before


def install(watch: Watch) -> None:
    """Let ``check`` ask this watch from now on."""
    global _watch  # noqa: PLW0603 - see above
    _watch = watch


def check() -> None:
    """Raise Stop if the run has been asked to end. Call this in every loop of the main thread that waits.

    In other threads it does nothing: the main thread tells them.
    """
    if _watch is not None:
        _watch.check()


def can_stop_here() -> bool:
    """Return whether ``check`` can raise in this thread."""
    return _watch is not None and _is_main_thread()


def sleep(seconds: float) -> None:
    """Sleep; raise Stop as soon as the run has been asked to end."""
    end = time.monotonic() + seconds
    check()
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, LOOK))
        check()


def wait(event: Event) -> None:
    """Wait for an event; raise Stop as soon as the run has been asked to end."""
    while not event.wait(LOOK):
        check()


def aside(function: Callable[[], T]) -> T:
    """Call a function that may block in C (a name lookup, a connection, a prompt); raise Stop meanwhile.

    In the main thread it is called in a daemon thread, which is left behind when Stop is raised.
    """
    if not can_stop_here():
        return function()
    check()
    lock = _thread.allocate_lock()
    lock.acquire()
    results: list[Any] = []

    def work() -> None:
        try:
            results.extend([True, function()])
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            results.extend([False, error])
        finally:
            lock.release()

    import threading

    threading.Thread(target=work, name="aside", daemon=True).start()
    while not lock.acquire(timeout=LOOK):
        check()
    check()
    if results[0]:
        return results[1]  # type: ignore[no-any-return]
    raise results[1]


@contextlib.contextmanager
def on_kill(kill: Callable[[], object]) -> Iterator[None]:
    """Return a context in which ``kill`` is called before the process is ended at once or by force.

    It must end a child process and everything that belongs to it, quickly and without waiting for a lock: it
    may be called in a signal handler or in another thread. It is not called when a Stop is raised.
    """
    key = id(kill)
    _kills[key] = kill
    try:
        yield
    finally:
        _kills.pop(key, None)


def _is_main_thread() -> bool:
    return _thread.get_ident() == _main_thread
