"""Connections to the index that are open between two files, for as long as nobody can have closed them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

#: Seconds: a server that closes a silent connection waits longer. One that has been closed under a file
#: leaves unclear what became of it.
_FRESH = 1.0


class Closable(Protocol):
    """What has to be closed."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class Connections(Generic[C]):
    """Those that the last file went over without any trouble; any thread may take one for the next file."""

    def __init__(self, connect: Callable[[], C], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._idle: list[tuple[float, C]] = []
        self._lock = threading.Lock()

    def take(self) -> C:
        """The one that was used last, if that was a moment ago, or a new one."""
        with self._lock:
            since, connection = self._idle.pop() if self._idle else (0.0, None)
        if connection and self._clock() - since <= _FRESH:
            return connection
        if connection:
            connection.close()
        return self._connect()

    def keep(self, connection: C) -> None:
        """Have it ready for the next file."""
        with self._lock:
            self._idle.append((self._clock(), connection))

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
