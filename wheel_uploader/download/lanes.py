"""How many connections work at once: a file has a lane while its bytes come, not while it is verified."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Seconds between two looks whether to go on waiting.
_LOOK = 0.2


class Lanes:
    """The lanes that the files of a run share; whoever waits for one comes before who wants a second."""

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._waiting = 0
        self._changed = threading.Condition()

    def take(self, check: Callable[[], None]) -> None:
        """Wait for a lane; ``check`` may end that by raising."""
        with self._changed:
            self._waiting += 1
            try:
                while not self._free:
                    check()
                    self._changed.wait(_LOOK)
                self._free -= 1
            finally:
                self._waiting -= 1

    @property
    def are_used(self) -> bool:
        return self._free < self._count

    def has_spare(self) -> bool:
        """Whether one could be taken that nobody waits for."""
        return self._free > 0 and not self._waiting

    def take_spare(self) -> bool:
        """Take one more, when nobody waits for it; it has to be given back."""
        with self._changed:
            if self._waiting or not self._free:
                return False
            self._free -= 1
            return True

    def give_back(self) -> None:
        with self._changed:
            self._free += 1
            self._changed.notify()


class Lane:
    """The lane of one file, from the moment that it is that file's turn."""

    def __init__(self, lanes: Lanes, check: Callable[[], None]) -> None:
        """Wait for it; ``check`` may end that by raising."""
        self.all = lanes
        self._is_held = False
        self.enter(check)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Let the next file have it; twice is once."""
        if self._is_held:
            self._is_held = False
            self.all.give_back()

    def enter(self, check: Callable[[], None]) -> None:
        """Wait for one again, if it was left."""
        if not self._is_held:
            self.all.take(check)
            self._is_held = True
