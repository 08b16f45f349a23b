"""Child processes with limits, which end with this process; all child processes are started here.

Each child has its own session (and process group), the environment of its :class:`ChildKind`, and a time
limit. Its output is read completely, and a bounded part of it is kept. The child and its descendants are
ended when its ``with`` block is left, when :func:`terminate_all_children` or :func:`kill_all_children` is
called, and, on POSIX, by a small watcher process once this process has ended, even by SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wheel_uploader.core import cancellation
from wheel_uploader.core.child_processes import watcher
from wheel_uploader.core.child_processes.environment import ChildKind, build_environment
from wheel_uploader.core.child_processes.outcome import (
    MAX_OUTPUT_SIZE,
    ChildScopeEnded,
    ChildStartError,
    CompletedChild,
)
from wheel_uploader.core.child_processes.pipes import InputWriter, OutputReader, open_pipe
from wheel_uploader.core.child_processes.scope import ChildScope

#: Seconds between SIGTERM and SIGKILL.
TERMINATION_GRACE_SECONDS = 2.0
#: Seconds to read the rest of a pipe after the child and its process group have ended.
_DRAIN_TIMEOUT = 5.0
#: Kinds whose descendants are ended even outside their process group. Not gpg: its agent stays for the user.
_SWEPT_KINDS = frozenset(
    {ChildKind.PIP, ChildKind.PIP_LOCAL_INDEX, ChildKind.SMOKE_COMMAND, ChildKind.LOCAL_INDEX}
)

#: The running children. The operations used here are atomic in CPython, so a signal handler may use them.
_running_children: set[ChildProcess] = set()
#: Grows with each request to end all children, for a child that is being started and not yet in the set.
_end_requests: list[None] = []
_watcher = watcher.ChildWatcher()


class ChildProcess:
    """A child process, which is ended together with its descendants when its ``with`` block is left."""

    def __init__(
        self,
        command: Sequence[str],
        kind: ChildKind,
        *,
        variables: Mapping[str, str] | None = None,
        extra_names: Iterable[str] = (),
        cwd: Path | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = subprocess.DEVNULL,
        stderr: int | IO[bytes] | None = subprocess.DEVNULL,
        scope: ChildScope | None = None,
    ) -> None:
        """Start ``command``. Raises ChildStartError, or ChildScopeEnded if ``scope`` has ended.

        ``variables`` are set in addition to those that ``kind`` allows; ``extra_names`` names more to
        inherit. The caller closes the streams, also the child's ends of pipes.
        """
        self.scope = scope
        #: The monotonic time of the first request to end.
        self._terminated_at: float | None = None
        mark = f"{watcher.RUN_MARK}-{secrets.token_hex(4)}"
        if kind not in _SWEPT_KINDS:
            mark = f"started-{mark}"  # A sweep of all marks of this run must not find its descendants.
        self._mark = mark if kind in _SWEPT_KINDS and watcher.HAS_PROC else ""
        marks = {watcher.MARK_VARIABLE: mark} if watcher.HAS_PROC else {}
        if scope and scope.has_ended:
            raise ChildScopeEnded
        ended_before = len(_end_requests)
        _watcher.start(sweep_marked=bool(self._mark))
        _watcher.announce_start(mark)
        try:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**build_environment(kind, extra_names), **(variables or {}), **marks},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                # Without a controlling terminal, a child cannot prompt, and Ctrl-C reaches only this process.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except (OSError, ValueError) as error:
            _watcher.withdraw(mark)
            raise ChildStartError(command[0], error) from error
        self.pid = self._process.pid
        _running_children.add(self)
        _watcher.add_group(self.pid, mark)
        self._kill_callback = cancellation.register_kill(self.kill)
        self._kill_callback.__enter__()
        if scope:
            scope.children.add(self)
        if len(_end_requests) != ended_before or (scope and scope.has_ended):
            # A request to end all children may have missed this one, which was being started.
            self.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_tree()

    @property
    def exit_status(self) -> int | None:
        """The exit status; None until the child has been waited for."""
        return self._process.returncode

    def is_running(self) -> bool:
        """Return whether the child is running; an exited child remains a zombie, so its ID is not reused."""
        if self._process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):
            return self._process.poll() is None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def wait(self, timeout: float, reader: threading.Thread | None = None) -> bool:
        """Wait until the child exits; return False if it is still running after ``timeout``.

        ``reader`` is a thread that reads its output: when it ends, the child is about to exit. Raises
        RunCancelled in the main thread if the run has been cancelled.
        """
        return self._wait_until_exit(timeout, reader, cancellation.raise_if_cancelled)

    def _wait_until_exit(
        self,
        seconds: float,
        reader: threading.Thread | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> bool:
        deadline, pause = time.monotonic() + seconds, 0.0005
        while self.is_running():
            check()
            now = time.monotonic()
            if self._terminated_at is not None and now >= self._terminated_at + TERMINATION_GRACE_SECONDS:
                self.kill()
            if now >= deadline:
                return False
            pause = min(pause * 2, 0.05, deadline - now)
            if reader and reader.is_alive():
                reader.join(pause)
            else:
                time.sleep(pause)
        return True

    def terminate(self) -> None:
        """Ask the child and its process group to end, without waiting; safe in a signal handler."""
        if self._terminated_at is None:
            self._terminated_at = time.monotonic()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child and its process group, without waiting; safe in a signal handler."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def kill_remaining(self) -> None:
        """Kill remaining descendants: those in the process group, and those that have left it."""
        self.kill()
        if self._mark:
            watcher.kill_marked(self._mark)

    def end_tree(self, grace_seconds: float = TERMINATION_GRACE_SECONDS) -> None:
        """End the child and its descendants: SIGTERM, then SIGKILL after ``grace_seconds`` seconds."""
        try:
            if grace_seconds and self.is_running():
                self.terminate()
                self._wait_until_exit(grace_seconds)
        finally:
            self.kill_remaining()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DRAIN_TIMEOUT)
            _watcher.remove_group(self.pid)
            _running_children.discard(self)
            self._kill_callback.__exit__(None, None, None)
            if self.scope:
                self.scope.children.discard(self)

    def _signal(self, number: int) -> None:
        # Once the child has been waited for, its ID may belong to another process.
        if self._process.returncode is not None and hasattr(os, "waitid"):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.pid, number)
            elif self._process.poll() is None:
                watcher.kill_windows_tree(self.pid)
                self._process.kill()


def terminate_all_children() -> None:
    """Ask every child to end, without waiting or taking a lock; safe in a signal handler."""
    _end_requests.append(None)
    for child in _running_children.copy():
        child.terminate()


def kill_all_children() -> None:
    """Kill every child, without waiting or taking a lock; for a forced exit."""
    _end_requests.append(None)
    for child in _running_children.copy():
        child.kill()


def run_child(
    command: Sequence[str],
    kind: ChildKind,
    *,
    timeout: float,
    stdin: bytes = b"",
    stdin_pieces: Iterable[bytes] | None = None,
    max_output_size: int = MAX_OUTPUT_SIZE,
    kill_at_limit: bool = False,
    merge_stderr: bool = False,
    variables: Mapping[str, str] | None = None,
    extra_names: Iterable[str] = (),
    cwd: Path | None = None,
    scope: ChildScope | None = None,
) -> CompletedChild:
    """Run ``command`` with ``stdin`` or ``stdin_pieces`` as its input; return its exit status and output.

    Up to ``max_output_size`` bytes of each output stream are kept (with ``kill_at_limit``, the child is ended
    when it writes more); ``merge_stderr`` merges standard error into the output. Raises ChildStartError;
    OSError if no temporary file can be written or no pipe opened; ChildScopeEnded if ``scope`` ends first;
    any exception of ``stdin_pieces``.
    """
    with contextlib.ExitStack() as own_ends, contextlib.ExitStack() as child_ends:
        writer = None
        if stdin_pieces is None:
            child_stdin = child_ends.enter_context(_temporary_input(stdin))
        else:
            child_stdin, stdin_pipe = open_pipe(child_ends, own_ends)
            writer = InputWriter(stdin_pipe, stdin_pieces)
        stdout_pipe, child_stdout = open_pipe(own_ends, child_ends)
        stderr_pipe, child_stderr = open_pipe(own_ends, child_ends)
        child = ChildProcess(
            command,
            kind,
            variables=variables,
            extra_names=extra_names,
            cwd=cwd,
            stdin=child_stdin,
            stdout=child_stdout,
            stderr=subprocess.STDOUT if merge_stderr else child_stderr,
            scope=scope,
        )
        with child:
            child_ends.close()
            if writer:
                writer.start(child.kill)
            kill = child.kill if kill_at_limit else None
            readers = [OutputReader(pipe, max_output_size, kill) for pipe in (stdout_pipe, stderr_pipe)]
            # Each thread closes its end: closing one during a read or write would block.
            own_ends.pop_all()
            completed = _wait_for_output(child, timeout, *readers)
            if writer:
                writer.finish()
            return completed


def _wait_for_output(
    child: ChildProcess, seconds: float, stdout: OutputReader, stderr: OutputReader
) -> CompletedChild:
    try:
        in_time = child.wait(seconds, stdout.thread)
        if not in_time:
            child.terminate()
            child.end_tree()
    finally:
        # Descendants would keep the pipes open.
        child.kill_remaining()
        end = time.monotonic() + _DRAIN_TIMEOUT
        for reader in (stdout, stderr):
            reader.thread.join(max(0.0, end - time.monotonic()))
    child.end_tree(0)
    if child.scope and child.scope.has_ended:
        raise ChildScopeEnded
    status = child.exit_status
    return CompletedChild(
        -signal.SIGTERM if status is None else status,
        stdout.output,
        stderr.output,
        timed_out=not in_time,
        exceeded_limit=stdout.exceeded_limit or stderr.exceeded_limit,
    )


@contextlib.contextmanager
def _temporary_input(data: bytes) -> Iterator[IO[bytes]]:
    """Yield an unnamed temporary file with ``data``, which, unlike a pipe, neither blocks nor breaks."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file
