"""A pool of few, long-lived threads that unpack files, because each keeps the memory of its largest file."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

#: More would need more memory, and Python runs only one at a time outside of decompression.
_MAX_THREADS = 2


class VerificationPool:
    """Two threads, or one on a machine with one processor, inside the ``with`` statement."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # Daemon threads, so that unpacking a file does not delay the exit of an interrupted process.
        self._threads = [
            threading.Thread(target=self._run_tasks, name=f"verify-{number}", daemon=True)
            for number in range(min(_MAX_THREADS, os.cpu_count() or 1))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._tasks.put(None)
        if error is None:
            for thread in self._threads:
                thread.join()

    def run(self, function: Callable[[], T]) -> T:
        """Call ``function`` in one of the threads; return its result or raise its exception."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                result.set_exception(error)

        self._tasks.put(run)
        return result.result()

    def _run_tasks(self) -> None:
        while task := self._tasks.get():
            task()
