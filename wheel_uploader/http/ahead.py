"""Connections to a host that are opened while its first one still waits for the listing."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from wheel_uploader.http.hosts import NotAUrl, place_of

#: Seconds: how long one is kept for somebody to take it.
KEPT = 10.0
#: Seconds that one is waited for at most, however long the first connection took.
LONGEST_WAIT = 1.0


class Connection(Protocol):
    """An open connection whose TLS is done."""

    def close(self) -> None: ...

    def get_extra_info(self, info: str) -> Any: ...


C = TypeVar("C", bound=Connection)


def places_of(ahead: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """How many connections each host and port gets that is asked by https; ``ahead`` has them by URL."""
    found = {}
    for url, count in ahead.items():
        with contextlib.suppress(NotAUrl):
            place = place_of(url)
            if place.scheme == "https":
                found[place.host, place.port] = count
    return found


class Stash(Generic[C]):
    """The connections ahead of one host, opened once; what goes wrong with them is nobody's trouble.

    Each is held by a thread of its own, until it is taken, too old, or dropped.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = threading.Condition()
        #: Those that nobody has taken yet, in the order in which the server gets them.
        self._free: list[_Opening[C]] = []
        self._patience = LONGEST_WAIT

    def open(self, connect: Callable[[], C]) -> None:
        """Begin to open them, each by ``connect``; the second call does nothing."""
        with self._changed:
            count, self._count = self._count, 0
            # A system that has no thread left gets no connection ahead.
            with contextlib.suppress(RuntimeError):
                for _ in range(count):
                    opening = _Opening[C]()
                    threading.Thread(target=self._hold, args=(opening, connect), daemon=True).start()
                    self._free.append(opening)

    def first_took(self, seconds: float) -> None:
        """How long an ordinary connection takes: longer than that, none of these is waited for."""
        self._patience = min(seconds, LONGEST_WAIT)

    def take(self, limit: float | None) -> C | None:
        """One that is open, or will be before a new one would; None: open one yourself."""
        end = time.monotonic() + min(self._patience, LONGEST_WAIT if limit is None else limit)
        while opening := self._next(end):
            if opening.connection:
                if _is_open(opening.connection):
                    return opening.connection
                opening.connection.close()
        return None

    def close(self) -> None:
        """Close what nobody took; what is still being opened closes itself as soon as it is open."""
        with self._changed:
            self._count = 0
            free, self._free = self._free, []
            for opening in free:
                opening.dropped = not opening.done
            self._changed.notify_all()
        for opening in free:
            if not opening.dropped:
                opening.close()

    def _hold(self, opening: _Opening[C], connect: Callable[[], C]) -> None:
        # Whatever it is, who opens a connection instead meets it too, and says so.
        with contextlib.suppress(Exception):
            opening.connection = connect()
        with self._changed:
            opening.done = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: opening not in self._free, KEPT):
                self._free.remove(opening)
                opening.dropped = True
        if opening.dropped:
            opening.close()

    def _next(self, end: float) -> _Opening[C] | None:
        with self._changed:
            if not self._free:
                return None
            opening = next((each for each in self._free if each.done), self._free[0])
            self._free.remove(opening)
            self._changed.notify_all()
            if self._changed.wait_for(lambda: opening.done, end - time.monotonic()):
                return opening
            # It is late, and so are those that were begun with it: nobody shall wait for another one.
            for late in [opening, *(each for each in self._free if not each.done)]:
                late.dropped = True
            self._free = [each for each in self._free if each.done]
            return None


class _Opening(Generic[C]):
    """One connection from the moment when its thread starts."""

    def __init__(self) -> None:
        self.connection: C | None = None
        #: It is open, or will never be.
        self.done = False
        #: Nobody will take it any more: its thread closes it.
        self.dropped = False

    def close(self) -> None:
        if self.connection:
            # Unread bytes, such as the tickets of TLS 1.3, would make a reset of the end.
            _is_open(self.connection)
            self.connection.close()


def _is_open(connection: Connection) -> bool:
    """Whether the server neither closed it nor said anything on it.

    Not told by whether there is something to read, as with a connection that was used: a server of
    TLS 1.3 sends its tickets right after the handshake.
    """
    held = connection.get_extra_info("socket")
    try:
        held.settimeout(0)
        held.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        pass
    return False
