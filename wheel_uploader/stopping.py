"""Cancellation of a run by a signal or by its time limit.

Signal handlers never raise an exception, which could leave a lock held or a module half imported. They only
record the signal; the main thread calls ``check``, which raises Stop, between stages and wherever it waits.
Code that waits uses ``sleep``, ``wait`` and ``aside``, which call it several times a second. If the main
thread does not call it in time, the watchdog ends the run (watchdog.py).
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

#: Seconds that uploads in progress get to finish once the run has been cancelled.
GRACE = 30.0
#: Seconds between two checks for cancellation in code that waits.
LOOK = 0.1


class Stop(KeyboardInterrupt):
    """The run was cancelled; a KeyboardInterrupt, so that ``except Exception`` does not swallow it."""

    def __init__(self, error: ReleaseError) -> None:
        super().__init__(error.message)
        self.error = error


class Watch:
    """The state of cancellation of one run: whether, why, and how urgently it must end."""

    def __init__(self, *, grace: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        #: The reason for cancellation, Interrupted or DeadlineError; None if the run has not been cancelled.
        self.error: ReleaseError | None = None
        #: Set by a second signal: do not wait for uploads any longer.
        self.now = False
        #: Called before a forced exit, to clear the progress display.
        self.leave: Callable[[], None] = lambda: None
        #: Writes the report of a run that is forced to exit; called in a separate thread.
        self.report: Callable[[ReleaseError], None] = _print_error
        #: The numbers of the signals that this object handles.
        self.heard: list[int] = []
        self.dog: watchdog.Watchdog | None = None
        self.terminal: dict[int, Any] = {}
        self._deferred = self._reporting = self._finished = False
        self.grace = GRACE if grace is None else grace
        self._time_limit = 0.0
        self._clock = clock
        self._stop_time: float | None = None

    @contextlib.contextmanager
    def gently(self) -> Iterator[None]:
        """Return a context in which Stop is not raised, and the caller checks the state itself."""
        self._deferred = True
        self._send_to_watchdog("uploading", value=True)
        try:
            yield
        finally:
            self._deferred = False
            self._send_to_watchdog("uploading", value=False)

    def ending(self) -> None:
        """Record that only the report remains to be written: ``check`` no longer raises."""
        self._reporting = True

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Return a context that cancels the run after ``seconds``; 0 means no limit."""
        if not seconds:
            yield
            return
        self._time_limit = seconds
        self._send_to_watchdog("limit", value=seconds)
        with used(self), _set_alarm(seconds, lambda: self.expired(seconds)):
            yield

    def finished(self, code: int = 0) -> None:
        """Record that all work and output is complete: from now on a signal cannot change the exit code."""
        self._finished = True
        self._send_to_watchdog("finished", value=code)
        for number in self.heard:
            # Ignored rather than reset: the interpreter's shutdown resets all signals that are not ignored.
            signal.signal(number, signal.SIG_IGN)

    def left(self) -> float:
        """Return the seconds that uploads in progress may still take."""
        if self.now:
            return 0.0
        return self.grace if self._stop_time is None else self.grace - (self._clock() - self._stop_time)

    def check(self) -> None:
        """Raise Stop if the run has been cancelled and this is the main thread."""
        if self.error and not (self._deferred or self._reporting) and _is_main_thread():
            raise Stop(self.error)

    def signalled(self, number: int) -> None:
        """Record a signal; exit at once on the second one, or on the third while files are uploaded."""
        if self._finished:
            return
        is_repeated = isinstance(self.error, Interrupted)
        if is_repeated and (self.now or not self._deferred):
            self._exit_now(number)
        self.now = is_repeated
        self._record_error(Interrupted(number))

    def expired(self, seconds: float) -> None:
        """Record that the time limit of ``seconds`` has expired."""
        if self.error or self._finished:
            return
        self._record_error(_time_limit_error(seconds))

    def arm(self) -> None:
        """Let the watchdog exit the process even during a C call; called before untrusted data is read."""
        if self.dog:
            self.dog.arm()

    def about(self, state_json: str) -> None:
        """Send the watchdog the information about the run that its report needs, as one line of JSON."""
        self._send_to_watchdog("context", value=state_json)

    def guard(self) -> None:
        """Start a thread that exits the process on the watchdog's order, or, without one, when time is up."""
        _thread.start_new_thread(self._guard_run, ())

    def end_by_force(self, code: int) -> None:
        """Write the report and exit the process, although the main thread does not respond."""
        error = forced(code, self.grace, self._time_limit)
        with contextlib.suppress(Exception):
            self._prepare_exit()
        with contextlib.suppress(Exception):
            self.report(error)
        self._send_to_watchdog("reported")
        os._exit(code)

    def _record_error(self, error: ReleaseError) -> None:
        self.error = error
        if self._stop_time is None:
            self._stop_time = self._clock()

    def _exit_now(self, number: int) -> None:
        """Exit the process because of a second signal, without a report."""
        with contextlib.suppress(Exception):
            self._prepare_exit()
        watchdog.say_at_once(number)
        self._send_to_watchdog("reported")
        os._exit(128 + number)

    def _prepare_exit(self) -> None:
        for kill in list(_kill_callbacks.values()):
            with contextlib.suppress(Exception):
                kill()
        if self.dog:
            watchdog.kill_descendants(os.getpid(), spared=self.dog.pid)
        watchdog.restore_terminal(self.terminal)
        self.leave()

    def _guard_run(self) -> None:
        if self.dog:
            if code := self.dog.order():
                self.end_by_force(code)
            return
        timeout = self.grace + watchdog.MARGIN
        while not self._finished and (self._stop_time is None or self._clock() - self._stop_time < timeout):
            time.sleep(LOOK)
        if not self._finished and self.error:
            self.end_by_force(self.error.exit_code)

    def _send_to_watchdog(self, word: str, *, value: object = "") -> None:
        if self.dog:
            self.dog.tell(word, value)


def _print_error(error: ReleaseError) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"error: {error.message}\nnext: {error.hint}\n".encode())


def forced(code: int, grace: float, limit: float) -> ReleaseError:
    """Return the error of a run that was forced to exit with ``code``; ``limit``: that of --max-duration."""
    error: ReleaseError = Interrupted(code - 128) if code > 128 else _time_limit_error(limit)
    error.message += f": it did not stop within {grace:.0f} s and was terminated"
    error.args = (error.message,)
    return error


def _time_limit_error(seconds: float) -> DeadlineError:
    return DeadlineError(f"timed out after {seconds:.0f} s (--max-duration)")


@contextlib.contextmanager
def _set_alarm(seconds: float, callback: Callable[[], None]) -> Iterator[None]:
    """Call ``callback`` in the main thread after ``seconds``."""
    number = getattr(signal, "SIGALRM", signal.SIGABRT)
    previous_handler = signal.signal(number, lambda *_: callback())
    with contextlib.ExitStack() as stack:
        stack.callback(signal.signal, number, previous_handler)
        if hasattr(signal, "setitimer"):
            stack.callback(signal.setitimer, signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        else:
            # Windows has no alarm: the handler runs once the main thread's current read or sleep has ended.
            import threading

            timer = threading.Timer(seconds, _thread.interrupt_main, [number])
            timer.daemon = True
            stack.callback(timer.cancel)
            timer.start()
        yield


# --- for code that waits ---------------------------------------------------------------------------

#: The token of the run in this process; global, because signals and alarms are per process.
_current_token: Watch | None = None
_main_thread = _thread.get_ident()
#: The functions that kill the child processes of the run.
_kill_callbacks: dict[int, Callable[[], object]] = {}


class Event(Protocol):
    """An object to wait for, such as a threading.Event."""

    def wait(self, timeout: float) -> bool:
        """Return whether the event has happened, after waiting for at most ``timeout`` seconds."""


@contextlib.contextmanager
def used(token: Watch) -> Iterator[None]:
    """Return a context in which ``check`` uses this token."""
    global _current_token  # noqa: PLW0603 - see above
    previous, _current_token = _current_token, token
    try:
        yield
    finally:
        _current_token = previous


def install(token: Watch) -> None:
    """Make ``check`` use this token from now on."""
    global _current_token  # noqa: PLW0603 - see above
    _current_token = token


def check() -> None:
    """Raise Stop if the run has been cancelled; call this in each waiting loop of the main thread.

    In other threads it does nothing: the main thread stops them.
    """
    if _current_token is not None:
        _current_token.check()


def can_stop_here() -> bool:
    """Return whether ``check`` can raise in this thread."""
    return _current_token is not None and _is_main_thread()


def sleep(seconds: float) -> None:
    """Sleep for ``seconds``; raise Stop as soon as the run has been cancelled."""
    end = time.monotonic() + seconds
    check()
    while (remaining := end - time.monotonic()) > 0:
        time.sleep(min(remaining, LOOK))
        check()


def wait(event: Event) -> None:
    """Wait for an event; raise Stop as soon as the run has been cancelled."""
    while not event.wait(LOOK):
        check()


def aside(function: Callable[[], T]) -> T:
    """Call a function that may block in C (name lookup, prompt); raise Stop in the meantime.

    From the main thread, it is called in a daemon thread, which is abandoned when Stop is raised.
    """
    if not can_stop_here():
        return function()
    check()
    done_lock = _thread.allocate_lock()
    done_lock.acquire()
    results: list[Any] = []

    def call_function() -> None:
        try:
            results.extend([True, function()])
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            results.extend([False, error])
        finally:
            done_lock.release()

    import threading

    threading.Thread(target=call_function, name="aside", daemon=True).start()
    while not done_lock.acquire(timeout=LOOK):
        check()
    check()
    if results[0]:
        return results[1]  # type: ignore[no-any-return]
    raise results[1]


@contextlib.contextmanager
def on_kill(kill: Callable[[], object]) -> Iterator[None]:
    """Return a context in which ``kill`` is called before an immediate or forced exit of the process.

    It must end a child process and all of its descendants, quickly and without waiting for a lock: it may be
    called in a signal handler or in another thread. It is not called when Stop is raised.
    """
    key = id(kill)
    _kill_callbacks[key] = kill
    try:
        yield
    finally:
        _kill_callbacks.pop(key, None)


def _is_main_thread() -> bool:
    return _thread.get_ident() == _main_thread
