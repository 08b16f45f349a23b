"""Connection slots, which limit the connections of a download; a file has none while it is verified."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Seconds between two calls of ``check`` while waiting.
_POLL_INTERVAL = 0.2


class ConnectionSlots:
    """The connection slots of a run; a file that waits for its first goes before one that wants another."""

    def __init__(self, count: int) -> None:
        #: The number of slots, free or not.
        self.count = self._free = count
        self._waiting = 0
        self._changed = threading.Condition()

    def acquire(self, check: Callable[[], None]) -> None:
        """Wait for a slot and acquire it; ``check`` is called while waiting and may raise."""
        with self._changed:
            self._waiting += 1
            try:
                while not self._free:
                    check()
                    self._changed.wait(_POLL_INTERVAL)
                self._free -= 1
            finally:
                self._waiting -= 1

    @property
    def any_in_use(self) -> bool:
        """True if any slot is in use."""
        return self._free < self.count

    def has_spare(self) -> bool:
        """Return whether a slot is free and no file waits for it."""
        return self._free > 0 and not self._waiting

    def try_acquire_extra(self) -> bool:
        """Acquire one more slot if no file waits for it; the caller must give it back."""
        with self._changed:
            if self._waiting or not self._free:
                return False
            self._free -= 1
            return True

    def release(self) -> None:
        """Release one slot."""
        with self._changed:
            self._free += 1
            self._changed.notify()


class ConnectionSlot:
    """The connection slot of one file, inside the ``with`` statement or until it is released earlier."""

    def __init__(self, slots: ConnectionSlots, check: Callable[[], None]) -> None:
        """Wait for a slot; ``check`` is called while waiting and may raise."""
        self.slots = slots
        self._is_held = False
        self.acquire(check)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Release the slot, if it is held."""
        if self._is_held:
            self._is_held = False
            self.slots.release()

    def acquire(self, check: Callable[[], None]) -> None:
        """Wait for a slot again, if it was released."""
        if not self._is_held:
            self.slots.acquire(check)
            self._is_held = True
