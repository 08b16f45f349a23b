"""Runs commands in turn, and measures whole processes: wall seconds, CPU seconds, peak memory."""

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

#: Seconds between two samples of the peak memory of a process.
_SAMPLE_INTERVAL = 0.1
#: Bytes of a failed command's output to print.
_OUTPUT_TAIL = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of one run; ``files`` is the number of files that it transferred completely."""

    wall: float
    cpu: float
    megabytes: float
    files: int = 0
    #: Seconds between the first and the last file on the index.
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A tool, or a way to use it, that takes part in a benchmark."""

    name: str
    #: Runs it once, in a new and empty folder.
    run: Callable[[Path], Cost]
    #: Run in one round only, because it is very slow.
    once: bool = False


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
) -> Cost:
    """Run a command and return its cost. Raises ClickException for an exit code that is not allowed."""
    with tempfile.TemporaryFile() as log:
        started_at = perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, env=environment,
            start_new_session=True,
        )  # fmt: skip
        with watch_memory(process.pid) as peak:
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                process.wait()
                raise
        wall = perf_counter() - started_at
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            log.seek(0)
            output = log.read()[-_OUTPUT_TAIL:].decode(errors="replace")
            raise click.ClickException(
                f"{' '.join(command)[:300]} exited with {process.returncode}: {output}"
            )
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, megabytes=max(peak, default=0) / 1e6)


@contextlib.contextmanager
def watch_memory(pid: int) -> Iterator[list[int]]:
    """Yield a list that will hold the peak memory, in bytes, of a process and its descendants.

    It is the sum of the peaks that the kernel counts for each process. wait4 is not used, because a child
    starts with the peak of its parent.
    """
    peak: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_INTERVAL):
            peak[:] = [max([_measure_peak(pid), *peak])]

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def _measure_peak(pid: int) -> int:
    """Return the sum of the peak memory of a process and its descendants, in bytes."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(path.parent.name))
    pending, peak = [pid], 0
    while pending:
        current = pending.pop()
        pending += children.get(current, [])
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{current}/status").read_text(encoding="ascii", errors="replace").splitlines()
            peak += next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
    return peak


def run_rounds(contenders: Sequence[Contender], count: int, scratch: Path | None) -> dict[str, Cost]:
    """Run every contender once per round, and return the medians of ``count`` rounds.

    In rounds, so that a temporary disturbance of the machine affects all contenders.
    """
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for number in range(count):
        for contender in contenders:
            if number and contender.once:
                continue
            with tempfile.TemporaryDirectory(prefix="run-", dir=scratch) as folder:
                cost = contender.run(Path(folder))
                # Flush its writes, so that the next contender does not wait for them.
                os.sync()
            costs[contender.name].append(cost)
            print(f"  {number + 1}: {contender.name}: {cost.wall:.2f} s", file=sys.stderr, flush=True)
    return {name: median(runs) for name, runs in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=statistics.median(cost.wall for cost in costs),
        cpu=statistics.median(cost.cpu for cost in costs),
        megabytes=max(cost.megabytes for cost in costs),
        files=min(cost.files for cost in costs),
        spread=statistics.median(cost.spread for cost in costs),
    )


def describe_machine() -> str:
    """Return one line about the machine and its system, for the note below a table."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    load = f", load before {_load_before:.1f}" if _load_before == _load_before else ""
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}{load}"


_load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def get_version(*command: str) -> str:
    """Return the first line that a command prints about its version; empty if it fails."""
    try:
        completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (completed.stdout or completed.stderr).strip().splitlines()
    return lines[0].strip() if lines and not completed.returncode else ""
