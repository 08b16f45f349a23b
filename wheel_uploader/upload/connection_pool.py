"""Connections to the index that are reused for the next file, as long as the server keeps them open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

#: In seconds. Servers keep idle connections open for longer; if one closed a connection during an upload, it
#: would be unclear whether the file was stored.
_MAX_IDLE = 1.0


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Close the connection."""
        ...


C = TypeVar("C", bound=Closable)


class ConnectionPool(Generic[C]):
    """Idle connections whose last upload succeeded; safe for threads."""

    def __init__(self, connect: Callable[[], C], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._idle: list[tuple[float, C]] = []
        self._lock = threading.Lock()

    def acquire(self) -> C:
        """Return the connection that was used last, if it has not been idle for long, or a new one."""
        with self._lock:
            since, connection = self._idle.pop() if self._idle else (0.0, None)
        if connection and self._clock() - since <= _MAX_IDLE:
            return connection
        if connection:
            connection.close()
        return self._connect()

    def release(self, connection: C) -> None:
        """Keep a connection for the next file."""
        with self._lock:
            self._idle.append((self._clock(), connection))

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
