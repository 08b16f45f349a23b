"""Child processes: started, bounded and ended here, and nowhere else.

Each child is in a session (and process group) of its own, gets the environment of its :class:`Kind` and has a
time limit. Its output is read to the end, and a bounded part of it is kept. It is ended with everything that
it started when its block is left, when :func:`terminate_all` or :func:`kill_all` is called, and, on POSIX, by
a small watcher process when this process is gone, even by SIGKILL.
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

#: For a stream of a child that this process reads or writes.
PIPE = subprocess.PIPE
#: Seconds between SIGTERM and SIGKILL.
GRACE = 2.0
#: Seconds to read what is left in a pipe after the child and its process group are gone.
_DRAIN = 5.0
#: Kinds whose descendants are ended wherever they are. gpg is not one: its agent lives on for the user.
_SWEPT = frozenset({Kind.PIP, Kind.OFFLINE, Kind.COMMAND, Kind.INDEX})

#: Every child that runs. A set of CPython needs no lock for what is done here, so a signal handler may look
#: at it.
_running: set[Child] = set()
#: Grows whenever all children are ended: one that was being started then was not in the set yet.
_ended: list[None] = []
_watcher = child_watcher.Watcher()


class Child:
    """A running child; ended, with what it started, at the end of its ``with`` block."""

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

        ``variables`` are set in addition to what the kind allows; ``passed`` names more variables to inherit.
        """
        self.scope = scope
        #: When the child was asked to end, by the monotonic clock.
        self._asked: float | None = None
        self._mark = (
            f"{child_watcher.run_mark}-{secrets.token_hex(4)}"
            if kind in _SWEPT and child_watcher.HAS_PROC
            else ""
        )
        marks = {child_watcher.MARK: self._mark} if self._mark else {}
        if scope and scope.ended:
            raise Stopped
        ended_before = len(_ended)
        _watcher.start(sweeps=bool(marks))
        try:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**environment(kind, passed), **(variables or {}), **marks},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                # Without a controlling terminal a child cannot prompt, and Ctrl-C reaches this process alone.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except (OSError, ValueError) as error:
            raise CannotStart(command[0], error) from error
        self.pid = self._process.pid
        started = self._process
        self.stdin, self.stdout, self.stderr = started.stdin, started.stdout, started.stderr
        _running.add(self)
        _watcher.add(self.pid)
        self._on_kill = stopping.on_kill(self.kill)
        self._on_kill.__enter__()
        if scope:
            scope.children.add(self)
        if len(_ended) != ended_before or (scope and scope.ended):
            # The end came while the child was being started, and may have missed it.
            self.terminate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def status(self) -> int | None:
        """The exit status; None while the child has not been waited for."""
        return self._process.returncode

    def is_running(self) -> bool:
        """Tell whether the child has not exited; it stays a zombie, so that its number is not used again."""
        if self._process.returncode is not None:
            return False
        if not hasattr(os, "waitid"):
            return self._process.poll() is None
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def wait(self, seconds: float, reader: threading.Thread | None = None) -> bool:
        """Wait until the child exits; return False if it still runs after ``seconds``.

        ``reader`` reads its output: when that is over, the child is about to exit. Raises Stop in the main
        thread if the run has been asked to end.
        """
        return self._await(seconds, reader, stopping.check)

    def _await(
        self,
        seconds: float,
        reader: threading.Thread | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> bool:
        deadline, pause = time.monotonic() + seconds, 0.0005
        while self.is_running():
            check()
            now = time.monotonic()
            if self._asked is not None and now >= self._asked + GRACE:
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
        """Ask the child and its process group to end; safe in a signal handler, returns at once."""
        if self._asked is None:
            self._asked = time.monotonic()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child and its process group; safe in a signal handler, returns at once."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def kill_rest(self) -> None:
        """Kill what the child has left behind: a process group outlives its leader, and may be left."""
        self.kill()
        if self._mark:
            child_watcher.sweep(self._mark)

    def end(self, grace: float = GRACE) -> None:
        """End the child and everything that it started: SIGTERM, ``grace`` seconds, SIGKILL."""
        try:
            if grace and self.is_running():
                self.terminate()
                self._await(grace)
        finally:
            self.kill_rest()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DRAIN)
            _watcher.remove(self.pid)
            _running.discard(self)
            self._on_kill.__exit__(None, None, None)
            if self.scope:
                self.scope.children.discard(self)
            for stream in (self.stdin, self.stdout, self.stderr):
                with contextlib.suppress(OSError):
                    if stream:
                        stream.close()

    def give_stdin(self) -> IO[bytes]:
        """Return the pipe to write to; the caller closes it."""
        assert self.stdin  # noqa: S101
        pipe, self.stdin, self._process.stdin = self.stdin, None, None
        return pipe

    def leave_open(self) -> None:
        """Keep the output pipes open, because another thread still reads them."""
        self.stdout = self.stderr = self._process.stdout = self._process.stderr = None

    def _signal(self, number: int) -> None:
        # Once it was waited for, the number may belong to another process.
        if self._process.returncode is not None and hasattr(os, "waitid"):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self.pid, number)
            elif self._process.poll() is None:
                child_watcher.kill_tree(self.pid)
                self._process.kill()


def terminate_all() -> None:
    """Ask every child to end. Returns at once and takes no lock, so a signal handler may call it."""
    _ended.append(None)
    for child in _running.copy():
        child.terminate()


def kill_all() -> None:
    """Kill every child. Returns at once and takes no lock: for a process that is about to exit by force."""
    _ended.append(None)
    for child in _running.copy():
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
    """Run ``command`` to its end and return how it ended and what it printed; it reads ``stdin`` or ``feed``.

    ``limit`` bytes of each output stream are kept (with ``ends_at_limit`` the child is ended when it writes
    more); ``merged`` sends standard error to the output. Raises CannotStart; OSError if there is no place for
    a temporary file; Stopped if ``scope`` ends first; whatever ``feed`` raises.
    """
    with _input(stdin) as given:
        child = Child(
            command,
            kind,
            variables=variables,
            passed=passed,
            cwd=cwd,
            stdin=given if feed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            scope=scope,
        )
    with child:
        feeder = Feeder(child.give_stdin(), feed, child.kill) if feed is not None else None
        done = _to_its_end(child, seconds, limit, ends_at_limit)
        if feeder:
            feeder.finish()
        return done


def _to_its_end(child: Child, seconds: float, limit: int, ends_at_limit: bool) -> Completed:
    outputs = Output(limit), Output(limit)
    flooded = threading.Event()

    def drain(descriptor: int, into: Output) -> None:
        try:
            while chunk := os.read(descriptor, 65536):
                into.add(chunk)
                if ends_at_limit and into.dropped:
                    flooded.set()
                    child.kill()
                    return
        except OSError:
            pass
        finally:
            os.close(descriptor)

    readers = [
        # A descriptor of its own: the child's are closed when it is ended, which may be during a read.
        threading.Thread(target=drain, args=(os.dup(stream.fileno()), into), daemon=True)
        for stream, into in zip((child.stdout, child.stderr), outputs, strict=True)
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
        # It would keep the pipes open.
        child.kill_rest()
        end = time.monotonic() + _DRAIN
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
def _input(data: bytes) -> Iterator[IO[bytes]]:
    """Yield a nameless file to read ``data`` from: unlike a pipe it never blocks and never breaks."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file
