"""The points at which a process can be killed: before, in the middle of, and after each of its operations.

Instead, an operation that writes can fail at such a point.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from typing import Any

#: Operations on files and sockets, by the object that has them; those in ``SPLIT`` can also be done by half.
FILES = (
    *("open", "mkdir", "replace", "rename", "unlink", "fsync", "fchmod", "ftruncate", "close", "read"),
    *("write", "stat", "scandir", "listdir", "link"),
)
SOCKETS = ("connect", "sendall", "send", "recv_into", "recv", "shutdown")
SPLIT = {"write", "sendall", "send"}
#: Operations that can fail because of the disk.
WRITES = {"mkdir", "replace", "rename", "unlink", "fsync", "ftruncate", "write", "link"}


class Counter:
    """Counts the points at which a process can be killed, and kills it at one of them.

    ``fails``: count the operations that write, and let one of them fail instead.
    """

    def __init__(self, kill_at: int, *, fails: bool = False) -> None:
        self._kill_at = kill_at
        self._fails = fails
        # next() of itertools.count is atomic.
        self._points = itertools.count(1)

    def is_reached(self) -> bool:
        """Count a point; return True if it is the one to be killed at."""
        return next(self._points) == self._kill_at

    @property
    def passed(self) -> int:
        return next(self._points) - 1

    def counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with a point before it, one after it, and one after half of its data."""

        def call(*arguments: Any, **settings: Any) -> Any:
            if self._fails:
                if name in WRITES and self.is_reached():
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return function(*arguments, **settings)
            if self.is_reached():
                kill_self()
            if name in SPLIT and self.is_reached():
                *first, data = arguments
                function(*first, bytes(data)[: len(data) // 2], **settings)
                kill_self()
            result = function(*arguments, **settings)
            if self.is_reached():
                kill_self()
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


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(counter: Counter) -> None:
    """Count every operation that has an effect outside of this process."""
    fdopen = os.fdopen
    for name in FILES:
        setattr(os, name, counter.counted(name, getattr(os, name)))
    for name in SOCKETS:
        setattr(socket.socket, name, counter.counted(name, getattr(socket.socket, name)))
    fcntl.flock = counter.counted("flock", fcntl.flock)
    os.fdopen = lambda *arguments, **settings: Stream(fdopen(*arguments, **settings), counter)  # type: ignore[assignment]
    popen: Any = subprocess.Popen
    popen.__init__ = counter.counted("Popen", popen.__init__)
