"""Cancellation of a run by a signal or by its time limit.

Signal handlers never raise an exception, which could leave a lock held or a module half imported. They only
record the signal; the main thread calls ``raise_if_cancelled``, which raises RunCancelled, between stages and
wherever it waits. Code that waits uses ``sleep_unless_cancelled`` or task_pool.py, which call it several
times a second. If the main thread does not call it in time, the watchdog ends the run (watchdog.py).
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from wheel_uploader.core import watchdog
from wheel_uploader.core.errors import DeadlineError, ReleaseError, RunInterrupted
from wheel_uploader.core.formatting import format_duration

#: Seconds that uploads in progress get to finish once the run has been cancelled.
UPLOAD_GRACE_SECONDS = 30.0
#: Seconds between two checks for cancellation in code that waits.
POLL_INTERVAL = 0.1


class RunCancelled(KeyboardInterrupt):
    """The run was cancelled; a KeyboardInterrupt, so that ``except Exception`` does not swallow it."""

    def __init__(self, error: ReleaseError) -> None:
        super().__init__(error.message)
        self.error = error


class CancellationToken:
    """The state of cancellation of one run: whether, why, and how urgently it must end."""

    def __init__(
        self, *, grace_seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        #: The reason for cancellation, RunInterrupted or DeadlineError; None if the run was not cancelled.
        self.error: ReleaseError | None = None
        #: Set by a second signal: do not wait for uploads any longer.
        self.immediate = False
        #: Called before a forced exit, to clear the progress display.
        self.clear_display: Callable[[], None] = lambda: None
        #: Writes the report of a run that is forced to exit; called in a separate thread.
        self.write_report: Callable[[ReleaseError], None] = _print_error
        #: The numbers of the signals that this object handles.
        self.signals: list[int] = []
        self.watchdog_handle: watchdog.Watchdog | None = None
        self.terminal_settings: dict[int, Any] = {}
        self._deferred = self._reporting = self._finished = False
        self.grace_seconds = UPLOAD_GRACE_SECONDS if grace_seconds is None else grace_seconds
        self._time_limit = 0.0
        self._clock = clock
        self._stop_time: float | None = None

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Return a context in which RunCancelled is not raised, and the caller checks the state itself."""
        self._deferred = True
        self._send_to_watchdog("uploading", value=True)
        try:
            yield
        finally:
            self._deferred = False
            self._send_to_watchdog("uploading", value=False)

    def finish(self) -> None:
        """Record that only the report remains to be written: ``raise_if_cancelled`` no longer raises."""
        self._reporting = True

    @contextlib.contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """Return a context that cancels the run after ``seconds``; 0 means no limit."""
        if not seconds:
            yield
            return
        self._time_limit = seconds
        self._send_to_watchdog("limit", value=seconds)
        with use_token(self), _set_alarm(seconds, lambda: self.record_timeout(seconds)):
            yield

    def mark_output_complete(self, exit_code: int = 0) -> None:
        """Record that all work and output is complete: from now on a signal cannot change the exit code."""
        self._finished = True
        self._send_to_watchdog("finished", value=exit_code)
        for number in self.signals:
            # Ignored rather than reset: the interpreter's shutdown resets all signals that are not ignored.
            signal.signal(number, signal.SIG_IGN)

    def grace_remaining(self) -> float:
        """Return the seconds that uploads in progress may still take."""
        if self.immediate:
            return 0.0
        return (
            self.grace_seconds
            if self._stop_time is None
            else self.grace_seconds - (self._clock() - self._stop_time)
        )

    def raise_if_cancelled(self) -> None:
        """Raise RunCancelled if the run has been cancelled and this is the main thread."""
        if self.error and not (self._deferred or self._reporting) and _is_main_thread():
            raise RunCancelled(self.error)

    def record_signal(self, number: int) -> None:
        """Record a signal; exit at once on the second one, or on the third while files are uploaded."""
        if self._finished:
            return
        is_repeated = isinstance(self.error, RunInterrupted)
        if is_repeated and (self.immediate or not self._deferred):
            self._exit_now(number)
        self.immediate = is_repeated
        self._record_error(RunInterrupted(number))

    def record_timeout(self, seconds: float) -> None:
        """Record that the time limit of ``seconds`` has expired."""
        if self.error or self._finished:
            return
        self._record_error(_time_limit_error(seconds))

    def arm_hard_exit(self) -> None:
        """Let the watchdog exit the process even during a C call; called before untrusted data is read."""
        if self.watchdog_handle:
            self.watchdog_handle.arm_hard_exit()

    def send_report_context(self, state_json: str) -> None:
        """Send the watchdog the information about the run that its report needs, as one line of JSON."""
        self._send_to_watchdog("context", value=state_json)

    def start_guard_thread(self) -> None:
        """Start a thread that exits the process on the watchdog's order, or, without one, when time is up."""
        _thread.start_new_thread(self._guard_run, ())

    def force_exit(self, code: int) -> None:
        """Write the report and exit the process, although the main thread does not respond."""
        error = make_forced_exit_error(code, self.grace_seconds, self._time_limit)
        with contextlib.suppress(Exception):
            self._prepare_exit()
        with contextlib.suppress(Exception):
            self.write_report(error)
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
        watchdog.print_second_signal(number)
        self._send_to_watchdog("reported")
        os._exit(128 + number)

    def _prepare_exit(self) -> None:
        for kill in list(_kill_callbacks.values()):
            with contextlib.suppress(Exception):
                kill()
        if self.watchdog_handle:
            watchdog.kill_descendants(os.getpid(), except_pid=self.watchdog_handle.pid)
        watchdog.restore_terminal_settings(self.terminal_settings)
        self.clear_display()

    def _guard_run(self) -> None:
        if self.watchdog_handle:
            if code := self.watchdog_handle.wait_for_order():
                self.force_exit(code)
            return
        timeout = self.grace_seconds + watchdog.REPORT_SECONDS
        while not self._finished and (self._stop_time is None or self._clock() - self._stop_time < timeout):
            time.sleep(POLL_INTERVAL)
        if not self._finished and self.error:
            self.force_exit(self.error.exit_code)

    def _send_to_watchdog(self, word: str, *, value: object = "") -> None:
        if self.watchdog_handle:
            self.watchdog_handle.send(word, value)


def _print_error(error: ReleaseError) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"error: {error.message}\nnext: {error.hint}\n".encode())


def make_forced_exit_error(code: int, grace: float, limit: float) -> ReleaseError:
    """Return the error of a run that was forced to exit with ``code``; ``limit``: that of --max-duration."""
    error: ReleaseError = RunInterrupted(code - 128) if code > 128 else _time_limit_error(limit)
    forced = f"it did not stop within {format_duration(grace)} and was terminated"
    return error.with_details(message=f"{error.message}: {forced}")


def _time_limit_error(seconds: float) -> DeadlineError:
    return DeadlineError(f"timed out after {format_duration(seconds)} (--max-duration)")


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
_current_token: CancellationToken | None = None
_main_thread = _thread.get_ident()
#: The functions that kill the child processes of the run.
_kill_callbacks: dict[int, Callable[[], object]] = {}


@contextlib.contextmanager
def use_token(token: CancellationToken) -> Iterator[None]:
    """Return a context in which ``raise_if_cancelled`` uses this token."""
    global _current_token  # noqa: PLW0603 - see above
    previous, _current_token = _current_token, token
    try:
        yield
    finally:
        _current_token = previous


def install_token(token: CancellationToken) -> None:
    """Make ``raise_if_cancelled`` use this token from now on."""
    global _current_token  # noqa: PLW0603 - see above
    _current_token = token


def raise_if_cancelled() -> None:
    """Raise RunCancelled if the run has been cancelled; call this in each waiting loop of the main thread.

    In other threads it does nothing: the main thread stops them.
    """
    if _current_token is not None:
        _current_token.raise_if_cancelled()


def can_raise_here() -> bool:
    """Return whether ``raise_if_cancelled`` can raise in this thread."""
    return _current_token is not None and _is_main_thread()


def sleep_unless_cancelled(seconds: float) -> None:
    """Sleep for ``seconds``; raise RunCancelled as soon as the run has been cancelled."""
    end = time.monotonic() + seconds
    raise_if_cancelled()
    while (remaining := end - time.monotonic()) > 0:
        time.sleep(min(remaining, POLL_INTERVAL))
        raise_if_cancelled()


@contextlib.contextmanager
def register_kill(kill: Callable[[], object]) -> Iterator[None]:
    """Return a context in which ``kill`` is called before an immediate or forced exit of the process.

    It must end a child process and all of its descendants, quickly and without waiting for a lock: it may be
    called in a signal handler or in another thread. It is not called when RunCancelled is raised.
    """
    key = id(kill)
    _kill_callbacks[key] = kill
    try:
        yield
    finally:
        _kill_callbacks.pop(key, None)


def _is_main_thread() -> bool:
    return _thread.get_ident() == _main_thread
