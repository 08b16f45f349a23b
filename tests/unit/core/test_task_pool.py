"""Test the task pool: its limits, the order of results, errors, cancellation, and what remains at the end."""

from __future__ import annotations

import gc
import math
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import pytest

from wheel_uploader.core import cancellation
from wheel_uploader.core.cancellation import CancellationToken, RunCancelled
from wheel_uploader.core.task_pool import TaskPool, start_call, wait_for_call

#: Seconds within which everything here ends, even on a slow machine.
TIMEOUT = 30.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Yield an event for tasks to wait for; it is set at the end, so that no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def token() -> Iterator[CancellationToken]:
    token = CancellationToken()
    with cancellation.use_token(token):
        yield token


def ignore_stop() -> None:
    """Do nothing to make the running calls end."""


def pool_threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("max_threads", [1, 3, 8])
def test_runs_as_many_tasks_at_a_time_as_it_has_threads(max_threads: int) -> None:
    lock, running, seen = threading.Lock(), [0], [0]
    full = threading.Barrier(max_threads)

    def work(number: int) -> int:
        with lock:
            running[0] += 1
            seen[0] = max(seen[0], running[0])
        full.wait(TIMEOUT)
        with lock:
            running[0] -= 1
        return number

    with TaskPool("full", max_threads) as pool:
        assert pool.map(work, range(3 * max_threads), stop=full.abort) == list(range(3 * max_threads))
    assert seen == [max_threads]


def test_starts_tasks_in_the_order_of_their_submission() -> None:
    started: list[int] = []
    with TaskPool("order", 1) as pool:
        pool.map(started.append, range(50), stop=ignore_stop)
    assert started == list(range(50))


def test_starts_a_thread_only_if_none_is_idle() -> None:
    with TaskPool("few", 8) as pool:
        names = {pool.submit(lambda: threading.current_thread().name).result(TIMEOUT) for _ in range(20)}
    assert names == {"few-0"}


def test_maps_no_items_without_a_thread() -> None:
    with TaskPool("none", 0) as pool:
        assert pool.map(math.sqrt, [], stop=ignore_stop) == []
    assert not pool_threads("none")


def test_leaves_no_thread_behind() -> None:
    for _ in range(50):
        with TaskPool("gone", 4) as pool:
            pool.map(time.sleep, [0.0] * 8, stop=ignore_stop)
        assert not pool_threads("gone")


def test_keeps_no_result() -> None:
    class Result:
        """An object that can be watched."""

    with TaskPool("result", 2) as pool:
        results = [weakref.ref(pool.submit(Result).result(TIMEOUT)) for _ in range(4)]
        gc.collect()
        wait_until(lambda: not any(result() for result in results))


# --- errors ----------------------------------------------------------------------------------------


def test_an_error_stops_the_others_at_once(gate: threading.Event) -> None:
    started: list[int] = []

    def work(number: int) -> None:
        started.append(number)
        if number == 1:
            raise ValueError("the second")
        gate.wait(TIMEOUT)

    before = time.monotonic()
    with pytest.raises(ValueError, match="the second"), TaskPool("error", 2, grace=TIMEOUT) as pool:
        pool.map(work, range(50), stop=gate.set)
    assert time.monotonic() - before < TIMEOUT / 2
    # The thread that failed may have taken other tasks before the main thread noticed.
    assert len(started) < 50
    assert not pool_threads("error")


def test_raises_errors_that_do_not_derive_from_exception() -> None:
    def exit_thread(_: object) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit), TaskPool("exit", 1) as pool:
        pool.map(exit_thread, [1], stop=ignore_stop)


def test_cancels_waiting_tasks_when_it_is_closed(gate: threading.Event) -> None:
    pool = TaskPool("closed", 1)
    started = threading.Event()

    def work() -> bool:
        started.set()
        return gate.wait(TIMEOUT)

    running = pool.submit(work)
    assert started.wait(TIMEOUT)
    waiting = pool.submit(gate.wait, TIMEOUT)
    waiter = start_call(waiting.result, "waiter")
    before = time.monotonic()
    pool.close()
    assert isinstance(waiter.exception(TIMEOUT), CancelledError)
    assert time.monotonic() - before < TIMEOUT / 2
    with pytest.raises(RuntimeError, match="the pool closed is closed"):
        pool.submit(gate.wait)
    gate.set()
    assert running.result(TIMEOUT)
    wait_until(lambda: not pool_threads("closed"))


def test_reports_that_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    stopped: list[bool] = []
    with pytest.raises(RuntimeError, match="new thread"), TaskPool("refused", 2) as pool:
        pool.map(math.sqrt, [1.0], stop=lambda: stopped.append(True))
    assert stopped == [True]


# --- cancellation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [True, False], ids=["cooperative", "blocked"])
def test_a_signal_ends_the_pool_within_its_grace_period(
    gate: threading.Event, token: CancellationToken, ends: bool
) -> None:
    stopped: list[bool] = []

    def stop() -> None:
        stopped.append(True)
        if ends:
            gate.set()

    def work(number: int) -> None:
        if number == 0:
            token.record_signal(signal.SIGTERM)
        gate.wait(TIMEOUT)

    before = time.monotonic()
    with pytest.raises(RunCancelled), TaskPool("signal", 2, grace=TIMEOUT if ends else 0.3) as pool:
        pool.map(work, range(9), stop=stop)
    assert time.monotonic() - before < TIMEOUT / 2
    assert stopped == [True]
    assert bool(pool_threads("signal")) != ends


def test_only_the_main_thread_is_cancelled(token: CancellationToken) -> None:
    def work() -> list[float]:
        with TaskPool("inner", 1) as pool:
            return pool.map(math.sqrt, [4.0], stop=ignore_stop)

    token.record_signal(signal.SIGTERM)
    assert start_call(work, "outer").result(TIMEOUT) == [2.0]


def test_waits_for_a_call_for_a_limited_time(gate: threading.Event, token: CancellationToken) -> None:
    call = start_call(lambda: gate.wait(TIMEOUT), "call")
    assert not wait_for_call(call, 0.0)
    assert not wait_for_call(call, 0.2)
    token.record_signal(signal.SIGTERM)
    with pytest.raises(RunCancelled):
        wait_for_call(call)
    gate.set()
    assert wait_for_call(call, TIMEOUT)
    assert call.result()


_BLOCKED = """
import os, signal, sys, threading
from wheel_uploader.core.task_pool import TaskPool, start_call

read_end, write_end = os.pipe()
started = threading.Event()
def block(_):
    started.set()
    os.read(read_end, 1)
start_call(lambda: block(0), "call")
started.wait()
started.clear()
if sys.argv[1] == "interrupt":
    start_call(lambda: (started.wait(), os.kill(os.getpid(), signal.SIGINT)), "killer")
try:
    with TaskPool("blocked", 2) as pool:
        if sys.argv[1] == "interrupt":
            pool.map(block, range(5), stop=lambda: print("stopped"))
        pool.submit(block, 0)
        started.wait()
except KeyboardInterrupt:
    sys.exit(130)
sys.exit(3)
"""


@pytest.mark.parametrize(("cause", "code", "output"), [("exit", 3, ""), ("interrupt", 130, "stopped\n")])
def test_blocked_threads_do_not_keep_the_process_alive(cause: str, code: int, output: str) -> None:
    """A ThreadPoolExecutor fails this: the interpreter waits for its threads at exit."""
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED, cause],
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, output)
