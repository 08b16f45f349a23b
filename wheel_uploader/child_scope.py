"""A group of child processes that are started by several threads and end together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from wheel_uploader import stopping

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Terminable(Protocol):
    def terminate(self) -> None: ...


class Scope:
    """A group of children that are started by several threads and end together."""

    def __init__(self) -> None:
        #: True once the scope has ended: no more children are started.
        self.ended = False
        self.children: set[_Terminable] = set()

    def end(self) -> None:
        """Ask the children of this scope to end, and prevent new ones."""
        self.ended = True
        for child in self.children.copy():
            child.terminate()

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, jobs: int | None = None
    ) -> list[Result]:
        """Return the result of ``function`` for each item, in ``jobs`` threads (default: CPU count).

        If a call fails or the run is cancelled, the children are ended and no further calls are started.
        """
        pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
        try:
            calls = [pool.submit(function, item) for item in items]
            waiting: set[Future[Result]] = set(calls)
            while waiting:
                done, waiting = wait(waiting, timeout=stopping.LOOK, return_when=FIRST_EXCEPTION)
                for call in done:
                    call.result()
                stopping.check()
            return [call.result() for call in calls]
        except BaseException:
            self.end()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
