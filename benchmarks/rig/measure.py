"""Commands that are run in turn and measured as whole processes: seconds, CPU seconds, peak memory."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import click

#: Seconds between two looks at how much memory a process has taken at most.
_LOOK = 0.1
_TAIL = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took; ``files`` says how many of the wanted files it brought."""

    wall: float
    cpu: float
    megabytes: float
    files: int = 0
    #: Seconds between the first file that was to be seen on the index and the last.
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do the job."""

    name: str
    #: Does it once, in a folder of its own that is empty but for what ``prepare`` put there.
    run: Callable[[Path], Cost]
    #: Once only: for those that take very long.
    once: bool = False


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
) -> Cost:
    """One process, from its start to its end; an end that is not allowed ends the benchmark."""
    with tempfile.TemporaryFile() as talk:
        begun = perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=talk, stderr=talk, cwd=cwd, env=environment,
            start_new_session=True,
        )  # fmt: skip
        with watched(process.pid) as peak:
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                process.wait()
                raise
        wall = perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            talk.seek(0)
            said = talk.read()[-_TAIL:].decode(errors="replace")
            raise click.ClickException(f"{' '.join(command)[:300]} ended with {process.returncode}: {said}")
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, megabytes=max(peak, default=0) / 1e6)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """The most memory that the process and those that it begun had, in bytes, once the block is done.

    Each process with its own peak, as the kernel counts it. Not what wait4 says: a child begins with the
    peak of the process that started it.
    """
    peak: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK):
            peak[:] = [max([_peak(pid), *peak])]

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _peak(pid: int) -> int:
    """The most that a process had at any time, and with it the processes that it has begun."""
    begun: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
            begun.setdefault(int(parent), []).append(int(path.parent.name))
    todo, peak = [pid], 0
    while todo:
        each = todo.pop()
        todo += begun.get(each, [])
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{each}/status").read_text(encoding="ascii", errors="replace").splitlines()
            peak += next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
    return peak


def rounds(contenders: Sequence[Contender], count: int, scratch: Path | None) -> dict[str, Cost]:
    """The medians of ``count`` rounds, in each of which every contender has its turn.

    Round by round, for what disturbs the machine for a while disturbs each of them.
    """
    costs: dict[str, list[Cost]] = {each.name: [] for each in contenders}
    for number in range(count):
        for each in contenders:
            if number and each.once:
                continue
            with tempfile.TemporaryDirectory(prefix="run-", dir=scratch) as folder:
                cost = each.run(Path(folder))
                # What it left to be written is not the next one's to wait for.
                os.sync()
            costs[each.name].append(cost)
            print(f"  {number + 1}: {each.name}: {cost.wall:.2f} s", file=sys.stderr, flush=True)
    return {name: median(each) for name, each in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=statistics.median(each.wall for each in costs),
        cpu=statistics.median(each.cpu for each in costs),
        megabytes=max(each.megabytes for each in costs),
        files=min(each.files for each in costs),
        spread=statistics.median(each.spread for each in costs),
    )


def machine() -> str:
    """The machine and its system, in a line for under a table."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    load = f", load before {_load_before:.1f}" if _load_before == _load_before else ""
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}{load}"


_load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def version(*command: str) -> str:
    """The first line of what a program says of its version; empty when there is none."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if lines and not done.returncode else ""
