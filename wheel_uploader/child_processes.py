"""Child processes with limits, which end with this process; all child processes are started here.

Each child has its own session (and process group), the environment of its :class:`Kind`, and a time limit.
Its output is read completely, and a bounded part of it is kept. The child and its descendants are ended when
its ``with`` block is left, when :func:`terminate_all` or :func:`kill_all` is called, and, on POSIX, by a
small watcher process once this process has ended, even by SIGKILL.
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

from wheel_uploader import child_watcher, stopping
from wheel_uploader.child_environment import Kind, environment
from wheel_uploader.child_feeding import Feeder
from wheel_uploader.child_outcome import KEPT, CannotStart, Completed, Output, Stopped
from wheel_uploader.child_scope import Scope

#: Requests a pipe for a stream that this process reads or writes.
PIPE = subprocess.PIPE
#: Seconds between SIGTERM and SIGKILL.
GRACE = 2.0
#: Seconds to read the rest of a pipe after the child and its process group have ended.
_DRAIN_TIMEOUT = 5.0
#: Kinds whose descendants are ended even outside their process group. Not gpg: its agent stays for the user.
_SWEPT_KINDS = frozenset({Kind.PIP, Kind.OFFLINE, Kind.COMMAND, Kind.INDEX})

#: The running children. The operations used here are atomic in CPython, so a signal handler may use them.
_running_children: set[Child] = set()
#: Grows with each request to end all children, for a child that is being started and not yet in the set.
_end_requests: list[None] = []
_watcher = child_watcher.Watcher()


class Child:
    """A child process, which is ended together with its descendants when its ``with`` block is left."""

    def __init__(
        self,
        command: Sequence[str],
        kind: Kind,
        *,
        variables: Mapping[str, str] | None = None,
        passed: Iterable[str] = (),
        cwd: Path | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | None = subprocess.DEVNULL,
        stderr: int | None = subprocess.DEVNULL,
        scope: Scope | None = None,
    ) -> None:
        """Start ``command``. Raises CannotStart, or Stopped if ``scope`` has ended.

        ``variables`` are set in addition to those that ``kind`` allows; ``passed`` names more to inherit.
        """
        self.scope = scope
        #: The monotonic time of the first request to end.
        self._terminated_at: float | None = None
        self._mark = (
            f"{child_watcher.run_mark}-{secrets.token_hex(4)}"
            if kind in _SWEPT_KINDS and child_watcher.HAS_PROC
            else ""
        )
        marks = {child_watcher.MARK: self._mark} if self._mark else {}
        if scope and scope.ended:
            raise Stopped
        ended_before = len(_end_requests)
        _watcher.start(sweeps=bool(marks))
        try:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**environment(kind, passed), **(variables or {}), **marks},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                # Without a controlling terminal, a child cannot prompt, and Ctrl-C reaches only this process.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except (OSError, ValueError) as error:
            raise CannotStart(command[0], error) from error
        self.pid = self._process.pid
        started = self._process
        self.stdin, self.stdout, self.stderr = started.stdin, started.stdout, started.stderr
        _running_children.add(self)
        _watcher.add(self.pid)
        self._kill_callback = stopping.on_kill(self.kill)
        self._kill_callback.__enter__()
        if scope:
            scope.children.add(self)
        if len(_end_requests) != ended_before or (scope and scope.ended):
            # A request to end all children may have missed this one, which was being started.
            self.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def status(self) -> int | None:
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

    def wait(self, seconds: float, reader: threading.Thread | None = None) -> bool:
        """Wait until the child exits; return False if it is still running after ``seconds``.

        ``reader`` is a thread that reads its output: when it ends, the child is about to exit. Raises Stop in
        the main thread if the run has been cancelled.
        """
        return self._wait_until_exit(seconds, reader, stopping.check)

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
            if self._terminated_at is not None and now >= self._terminated_at + GRACE:
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

    def kill_rest(self) -> None:
        """Kill remaining descendants: those in the process group, and those that have left it."""
        self.kill()
        if self._mark:
            child_watcher.sweep(self._mark)

    def end(self, grace: float = GRACE) -> None:
        """End the child and its descendants: SIGTERM, then SIGKILL after ``grace`` seconds."""
        try:
            if grace and self.is_running():
                self.terminate()
                self._wait_until_exit(grace)
        finally:
            self.kill_rest()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DRAIN_TIMEOUT)
            _watcher.remove(self.pid)
            _running_children.discard(self)
            self._kill_callback.__exit__(None, None, None)
            if self.scope:
                self.scope.children.discard(self)
            for stream in (self.stdin, self.stdout, self.stderr):
                with contextlib.suppress(OSError):
                    if stream:
                        stream.close()

    def give_stdin(self) -> IO[bytes]:
        """Return the pipe to the child's standard input; the caller must close it."""
        assert self.stdin  # noqa: S101
        pipe, self.stdin, self._process.stdin = self.stdin, None, None
        return pipe

    def leave_open(self) -> None:
        """Give up the output pipes without closing them, because another thread still reads them."""
        self.stdout = self.stderr = self._process.stdout = self._process.stderr = None

    def _signal(self, number: int) -> None:
        # Once the child has been waited for, its ID may belong to another process.
        if self._process.returncode is not None and hasattr(os, "waitid"):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.pid, number)
            elif self._process.poll() is None:
                child_watcher.kill_tree(self.pid)
                self._process.kill()


def terminate_all() -> None:
    """Ask every child to end, without waiting or taking a lock; safe in a signal handler."""
    _end_requests.append(None)
    for child in _running_children.copy():
        child.terminate()


def kill_all() -> None:
    """Kill every child, without waiting or taking a lock; for a forced exit."""
    _end_requests.append(None)
    for child in _running_children.copy():
        child.kill()


def run(
    command: Sequence[str],
    kind: Kind,
    *,
    seconds: float,
    stdin: bytes = b"",
    feed: Iterable[bytes] | None = None,
    limit: int = KEPT,
    ends_at_limit: bool = False,
    merged: bool = False,
    variables: Mapping[str, str] | None = None,
    passed: Iterable[str] = (),
    cwd: Path | None = None,
    scope: Scope | None = None,
) -> Completed:
    """Run ``command`` with ``stdin`` or ``feed`` as its input; return its exit status and output.

    Up to ``limit`` bytes of each output stream are kept (with ``ends_at_limit``, the child is ended when it
    writes more); ``merged`` merges standard error into the output. Raises CannotStart; OSError if no
    temporary file can be written; Stopped if ``scope`` ends first; any exception of ``feed``.
    """
    with _temporary_input(stdin) as input_file:
        child = Child(
            command,
            kind,
            variables=variables,
            passed=passed,
            cwd=cwd,
            stdin=input_file if feed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            scope=scope,
        )
    with child:
        feeder = Feeder(child.give_stdin(), feed, child.kill) if feed is not None else None
        completed = _collect_output(child, seconds, limit, ends_at_limit)
        if feeder:
            feeder.finish()
        return completed


def _collect_output(child: Child, seconds: float, limit: int, ends_at_limit: bool) -> Completed:
    outputs = Output(limit), Output(limit)
    flooded = threading.Event()

    def read_stream(descriptor: int, output: Output) -> None:
        try:
            while chunk := os.read(descriptor, 65536):
                output.add(chunk)
                if ends_at_limit and output.dropped:
                    flooded.set()
                    child.kill()
                    return
        except OSError:
            pass
        finally:
            os.close(descriptor)

    readers = [
        # Duplicated, because the child's descriptors are closed when it is ended, possibly during a read.
        threading.Thread(target=read_stream, args=(os.dup(stream.fileno()), output), daemon=True)
        for stream, output in zip((child.stdout, child.stderr), outputs, strict=True)
        if stream
    ]
    for reader in readers:
        reader.start()
    try:
        in_time = child.wait(seconds, readers[0])
        if not in_time:
            child.terminate()
            child.end()
    finally:
        # Descendants would keep the pipes open.
        child.kill_rest()
        end = time.monotonic() + _DRAIN_TIMEOUT
        for reader in readers:
            reader.join(max(0.0, end - time.monotonic()))
        if any(reader.is_alive() for reader in readers):
            child.leave_open()
    child.end(0)
    if child.scope and child.scope.ended:
        raise Stopped
    status = child.status
    return Completed(
        -signal.SIGTERM if status is None else status,
        *outputs,
        timed_out=not in_time,
        flooded=flooded.is_set(),
    )


@contextlib.contextmanager
def _temporary_input(data: bytes) -> Iterator[IO[bytes]]:
    """Yield an unnamed temporary file with ``data``, which, unlike a pipe, neither blocks nor breaks."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file
