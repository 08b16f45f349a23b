"""The few threads that unpack files, always the same: each keeps the memory that its largest file needed."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

#: For each needs memory, and Python runs one at a time of what is not unpacking.
_MOST = 2


class Readers:
    """Two threads, or one on a machine with one processor, for as long as the ``with`` lasts."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # Daemons: what they do to a file must not keep an interrupted process from ending.
        self._threads = [
            threading.Thread(target=self._serve, name=f"verify-{number}", daemon=True)
            for number in range(min(_MOST, os.cpu_count() or 1))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._work.put(None)
        if error is None:
            for thread in self._threads:
                thread.join()

    def call(self, function: Callable[[], T]) -> T:
        """What ``function`` returns or raises, when one of the threads has called it."""
        result: Future[T] = Future()

        def work() -> None:
            try:
                result.set_result(function())
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
                result.set_exception(error)

        self._work.put(work)
        return result.result()

    def _serve(self) -> None:
        while work := self._work.get():
            work()
