"""Connections that are opened ahead of use, while the first connection to the host waits for the listing."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from wheel_uploader.http.host_policy import InvalidUrl, parse_origin

#: Seconds after which an unused connection is closed.
MAX_UNUSED_SECONDS = 10.0
#: Longest wait for one of these connections in seconds, even if the first connection took longer.
MAX_WAIT_SECONDS = 1.0


class Connection(Protocol):
    """An open connection after its TLS handshake."""

    def close(self) -> None:
        """Close the connection."""

    def get_extra_info(self, info: str) -> Any:
        """Return the object that httpcore knows as ``info``, such as "socket"."""


ConnectionT = TypeVar("ConnectionT", bound=Connection)


def count_connections(preconnect: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """Return the number of connections for each https host and port; ``preconnect`` gives them by URL."""
    counts = {}
    for url, count in preconnect.items():
        with contextlib.suppress(InvalidUrl):
            origin = parse_origin(url)
            if origin.scheme == "https":
                counts[origin.host, origin.port] = count
    return counts


class ConnectionStash(Generic[ConnectionT]):
    """The connections opened ahead to one host, once per run; errors in opening them are ignored.

    Each is held by its own thread until it is taken, has become too old, or is dropped: a pool of threads
    would be occupied by connections that are not used.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()
        #: Connections that have not been taken yet, in the order in which they were requested.
        self._available: list[_PendingConnection[ConnectionT]] = []
        self._max_wait = MAX_WAIT_SECONDS

    def start_connecting(self, connect: Callable[[], ConnectionT]) -> None:
        """Start to open all connections, each by calling ``connect``; a second call does nothing."""
        with self._changed:
            count, self._count = self._count, 0
            # If no more threads can be started, the run continues without these connections.
            with contextlib.suppress(RuntimeError):
                for _ in range(count):
                    pending = _PendingConnection[ConnectionT]()
                    threading.Thread(target=self._open_and_hold, args=(pending, connect), daemon=True).start()
                    self._available.append(pending)

    def record_connect_time(self, seconds: float) -> None:
        """Record how long the first connection took: no connection is waited for any longer than that."""
        self._max_wait = min(seconds, MAX_WAIT_SECONDS)

    def take_connection(self, limit: float | None) -> ConnectionT | None:
        """Return a connection, or None if opening one would be faster; wait at most ``limit`` seconds."""
        end = time.monotonic() + min(self._max_wait, MAX_WAIT_SECONDS if limit is None else limit)
        while pending := self._claim_next(end):
            if pending.connection:
                if _is_open(pending.connection):
                    return pending.connection
                pending.connection.close()
        return None

    def close(self) -> None:
        """Close the unused connections; those still being opened are closed by their threads."""
        with self._changed:
            self._count = 0
            unused, self._available = self._available, []
            for pending in unused:
                pending.dropped = not pending.done
            self._changed.notify_all()
        for pending in unused:
            if not pending.dropped:
                pending.close()

    def _open_and_hold(
        self, pending: _PendingConnection[ConnectionT], connect: Callable[[], ConnectionT]
    ) -> None:
        # The same error will occur, and be reported, when the caller opens a connection instead.
        with contextlib.suppress(Exception):
            pending.connection = connect()
        with self._changed:
            pending.done = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: pending not in self._available, MAX_UNUSED_SECONDS):
                self._available.remove(pending)
                pending.dropped = True
        if pending.dropped:
            pending.close()

    def _claim_next(self, end: float) -> _PendingConnection[ConnectionT] | None:
        with self._changed:
            if not self._available:
                return None
            pending = next((candidate for candidate in self._available if candidate.done), self._available[0])
            self._available.remove(pending)
            self._changed.notify_all()
            if self._changed.wait_for(lambda: pending.done, end - time.monotonic()):
                return pending
            # Connections opened together are late together: stop waiting for any of them.
            for late in [pending, *(other for other in self._available if not other.done)]:
                late.dropped = True
            self._available = [other for other in self._available if other.done]
            return None


class _PendingConnection(Generic[ConnectionT]):
    """One connection, from the start of its thread."""

    def __init__(self) -> None:
        self.connection: ConnectionT | None = None
        #: True once the attempt to open it has ended, successfully or not.
        self.done = False
        #: True once it is no longer wanted: its thread closes it.
        self.dropped = False

    def close(self) -> None:
        if self.connection:
            # Read first: closing a socket with unread bytes, such as TLS 1.3 tickets, resets the connection.
            _is_open(self.connection)
            self.connection.close()


def _is_open(connection: Connection) -> bool:
    """Return whether the server has neither closed the connection nor sent application data.

    A readable socket does not answer that, as it does for a used connection: a TLS 1.3 server sends its
    tickets right after the handshake.
    """
    socket = connection.get_extra_info("socket")
    try:
        socket.settimeout(0)
        socket.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        pass
    return False
