"""A group of child processes that are started by several threads and end together."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from wheel_uploader.core.task_pool import TaskPool

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Terminable(Protocol):
    def terminate(self) -> None: ...


class ChildScope:
    """A group of children that are started by several threads and end together."""

    def __init__(self) -> None:
        #: True once the scope has ended: no more children are started.
        self.has_ended = False
        self.children: set[_Terminable] = set()

    def end_children(self) -> None:
        """Ask the children of this scope to end, and prevent new ones."""
        self.has_ended = True
        for child in self.children.copy():
            child.terminate()

    def map_in_threads(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, max_threads: int | None = None
    ) -> list[Result]:
        """Return the result of ``function`` for each item, in ``max_threads`` threads (default: CPU count).

        If a call fails or the run is cancelled, the children are ended and no further calls are started.
        """
        # No limit: the threads end with their children, and then remove the files that those used.
        with TaskPool("child", max_threads or os.cpu_count() or 1, grace=math.inf) as pool:
            return pool.map(function, items, stop=self.end_children)
