"""A group of child processes that are started by several threads and end together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from wheel_uploader.core import cancellation

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
        pool = ThreadPoolExecutor(max_threads or os.cpu_count() or 1)
        try:
            calls = [pool.submit(function, item) for item in items]
            waiting: set[Future[Result]] = set(calls)
            while waiting:
                done, waiting = wait(waiting, timeout=cancellation.POLL_INTERVAL, return_when=FIRST_EXCEPTION)
                for call in done:
                    call.result()
                cancellation.raise_if_cancelled()
            return [call.result() for call in calls]
        except BaseException:
            self.end_children()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
