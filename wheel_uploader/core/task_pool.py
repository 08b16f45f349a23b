"""Daemon threads for tasks: a pool with a limit, and single calls; their results are futures.

``concurrent.futures.ThreadPoolExecutor`` is not used, because the interpreter waits at exit until its threads
have ended: one that is blocked in a read would keep alive a process that a signal has ended.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from wheel_uploader.core import cancellation

T = TypeVar("T")
Item = TypeVar("Item")


class TaskPool:
    """Threads that run tasks in the order of their submission; they are started on demand.

    The end of the ``with`` block, or ``close``, cancels the tasks that have not started, waits for the others
    for up to ``grace`` seconds, and ends the threads. Tasks that take longer are abandoned.
    """

    def __init__(self, name: str, max_threads: int, *, grace: float = 0.0) -> None:
        self._name, self._max_threads, self._grace = name, max_threads, grace
        self._threads: list[threading.Thread] = []
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        #: The number of tasks that are running.
        self._running = 0
        self._is_closed = False
        #: Guards the fields above; notified when one of them changes.
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, function: Callable[..., T], *arguments: object) -> Future[T]:
        """Call ``function`` in one of the threads, as soon as one is free; raise RuntimeError if closed."""
        call: Future[T] = Future()
        with self._changed:
            if self._is_closed:
                raise RuntimeError(f"the pool {self._name} is closed")
            idle = len(self._threads) - self._running
            if idle <= len(self._queue) and len(self._threads) < self._max_threads:
                name = f"{self._name}-{len(self._threads)}"
                thread = threading.Thread(target=self._run_tasks, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
            self._queue.append((call, functools.partial(function, *arguments)))
            self._changed.notify()
        return call

    def map(
        self, function: Callable[[Item], T], items: Iterable[Item], *, stop: Callable[[], object]
    ) -> list[T]:
        """Return the results of ``function`` for each item, in the order of the items.

        Raises the error of a call as soon as it fails, and RunCancelled in the main thread; before that,
        ``stop`` is called to make the running calls end.
        """
        try:
            calls = [self.submit(function, item) for item in items]
            waiting = set(calls)
            while waiting:
                waiting = wait(waiting, cancellation.POLL_INTERVAL, FIRST_EXCEPTION).not_done
                for call in calls:
                    if call.done():
                        call.result()
                cancellation.raise_if_cancelled()
            return [call.result() for call in calls]
        except BaseException:
            stop()
            raise

    def close(self) -> None:
        """Cancel the tasks that have not started, wait for the others, and end the threads."""
        with self._changed:
            self._is_closed = True
            while self._queue:
                self._queue.pop()[0].cancel()
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: not self._running, min(self._grace, threading.TIMEOUT_MAX)):
                return
        # Only when all tasks have ended: a join that Ctrl-C interrupts marks a running thread as ended
        # (Python 3.11, 3.12).
        for thread in self._threads:
            thread.join()

    def _run_tasks(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Wait for a task and run it; return False if the pool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closed)
            if not self._queue:
                return False
            call, function = self._queue.popleft()
            self._running += 1
        _settle(call, lambda: self._run(function))
        return True

    def _run(self, function: Callable[[], T]) -> T:
        try:
            return function()
        finally:
            # Before the result is set, so that whoever waits for it finds this thread idle.
            with self._changed:
                self._running -= 1
                self._changed.notify_all()


def start_call(function: Callable[[], T], name: str) -> Future[T]:
    """Start to call ``function`` in a separate daemon thread named ``name``."""
    call: Future[T] = Future()
    threading.Thread(target=_settle, args=(call, function), name=name, daemon=True).start()
    return call


def wait_for_call(call: Future[Any], timeout: float = math.inf) -> bool:
    """Return whether a call ended within ``timeout`` seconds.

    Raises RunCancelled in the main thread as soon as the run has been cancelled.
    """
    end = time.monotonic() + timeout
    while not wait([call], min(cancellation.POLL_INTERVAL, max(0.0, end - time.monotonic()))).done:
        cancellation.raise_if_cancelled()
        if time.monotonic() >= end:
            return False
    return True


def call_in_thread(function: Callable[[], T]) -> T:
    """Call a function that may block in C (name lookup, prompt); raise RunCancelled in the meantime.

    From the main thread, it is called in a daemon thread, which is abandoned when RunCancelled is raised.
    """
    if not cancellation.can_raise_here():
        return function()
    cancellation.raise_if_cancelled()
    call = start_call(function, "aside")
    wait_for_call(call)
    cancellation.raise_if_cancelled()
    return call.result()


def _settle(call: Future[T], function: Callable[[], T]) -> None:
    """Set the result of ``call`` to that of ``function``, or to its exception."""
    try:
        call.set_result(function())
    except BaseException as error:  # noqa: BLE001 - raised again by Future.result
        call.set_exception(error)
