"""A process that runs the command again and again, each time in a fork that dies at its k-th operation.

It imports everything once and has a single thread, so that a fork of it is sound and quick. Reads one JSON
object for each run from standard input (arguments, folder, environment, k) and answers with one.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

#: Operations on files and sockets, by where they are looked up; those in ``TORN`` are killed half way too.
FILES = (
    *("open", "mkdir", "replace", "rename", "unlink", "fsync", "fchmod", "ftruncate", "close", "read"),
    *("write", "stat", "scandir", "listdir"),
)
SOCKETS = ("connect", "sendall", "send", "recv_into", "recv", "shutdown")
TORN = {"write", "sendall", "send"}


class Counter:
    """Counts the points at which a process can die, and dies at one of them."""

    def __init__(self, kill_at: int) -> None:
        self._kill_at = kill_at
        # next() of a count is one step even when threads meet.
        self._points = itertools.count(1)

    def point(self) -> bool:
        """Pass one point: True when this is the one."""
        return next(self._points) == self._kill_at

    @property
    def passed(self) -> int:
        return next(self._points) - 1

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` with a point before it, one after it, and one in the middle of what it writes."""

        def call(*arguments: Any, **settings: Any) -> Any:
            if self.point():
                die()
            if name in TORN and self.point():
                *first, data = arguments
                function(*first, bytes(data)[: len(data) // 2], **settings)
                die()
            result = function(*arguments, **settings)
            if self.point():
                die()
            return result

        return call


class Stream:
    """A file object whose writes are counted."""

    def __init__(self, inner: Any, counter: Counter) -> None:
        self._inner = inner
        flushed = counter.counted("write", lambda data: (inner.write(data), inner.flush())[0])
        self.write = flushed
        self.close = counter.counted("close", inner.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(counter: Counter) -> None:
    """Put the counter before everything that leaves a trace outside of this process."""
    fdopen = os.fdopen
    for name in FILES:
        setattr(os, name, counter.counted(name, getattr(os, name)))
    for name in SOCKETS:
        setattr(socket.socket, name, counter.counted(name, getattr(socket.socket, name)))
    fcntl.flock = counter.counted("flock", fcntl.flock)
    os.fdopen = lambda *arguments, **settings: Stream(fdopen(*arguments, **settings), counter)  # type: ignore[assignment]
    popen: Any = subprocess.Popen
    popen.__init__ = counter.counted("Popen", popen.__init__)


def run(task: dict[str, Any]) -> None:
    """In the fork: the command with its output in a file; never returns."""
    from wheel_uploader.cli import main

    os.chdir(task["folder"])
    os.environ.update(task["environment"])
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    sys.argv = ["wheel-uploader", *task["arguments"]]
    counter = Counter(task["kill_at"])
    install(counter)
    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    with open("points", "w") as file:  # noqa: PTH123 - what pathlib would call is counted
        file.write(str(counter.passed))
    os._exit(code)


def serve() -> None:
    """Answer one task after the other until there is none."""
    from wheel_uploader import pipeline, report  # noqa: F401 - imported once, not in each fork
    from wheel_uploader.publish import upload  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    serve()
