"""Measures the cost of all checks, compared with other checkers of wheels and with unpacking alone.

``python -m benchmarks.checks FOLDER...`` takes folders with the wheels of one release each. On one core, in
turn and ``--runs`` times, it runs as whole processes: ``wheel-uploader --until check`` on the files in place,
check-wheel-contents, ``twine check --strict``, ``auditwheel show`` (on wheels for Linux) and abi3audit (on
abi3 wheels). For one wheel it compares, in this process, reading the archive and running all checks with
inflating every member with zipfile and hashing it. It prints medians as Markdown, and how they were measured.
CPU seconds (user and system) are comparable even on a busy machine; with ``--all-cores``, on an idle one, the
elapsed seconds are what a user waits.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.native import inflate_and_hash
from tools.testing import peer_tools
from wheel_uploader import __version__, checks
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, WheelContent, WheelName
from wheel_uploader.facts.archive import reader as archive_reader

OURS = "wheel-uploader --until check"
#: Repetitions of measurements that take little time.
REPEATS = 9
#: Exit codes of a checker that completed: for findings, ours exits with 6 and the others with 1.
_COMPLETED_EXIT_CODES = (0, 1, 6)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of running one or more processes: wall and CPU seconds, and the number of nonzero exits."""

    wall: float
    cpu: float
    failed: int
    processes: int


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--one", type=click.Path(path_type=Path, exists=True), help="Wheel for the comparison with unpacking."
)
@click.option("--runs", default=3, show_default=True, help="Number of rounds; the median is printed.")
@click.option(
    "--all-cores", is_flag=True, help="Run on all cores, to measure elapsed time as well as CPU time."
)
@click.option(
    "--venv", type=click.Path(path_type=Path), help="Keep the virtual environment of the peers here."
)
def main(folders: tuple[Path, ...], one: Path | None, runs: int, all_cores: bool, venv: Path | None) -> None:
    """Compare the cost of checking the wheels in FOLDERS."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with peer_tools.installed(venv, peer_tools.IN_TURN) as peers:
        core = "on all cores" if all_cores else pin_to_one_core()
        releases = [sorted(folder.glob("*.whl")) for folder in folders]
        all_costs = []
        for files in releases:
            costs = measure_release(files, peers, runs)
            print_table(files[0].name.partition("-")[0], files, peers, costs)
            all_costs.append(costs)
        together = {name: total(costs[name] for costs in all_costs) for name in all_costs[0]}
        print_table("together", [path for files in releases for path in files], peers, together)
        print_unpacking(one or choose_typical(folders))
        print(describe_setup(peers, core, load, runs))


def pin_to_one_core() -> str:
    """Pin this process and its children to one core, if the system can; describe the result."""
    if not hasattr(os, "sched_setaffinity"):
        return "on all cores"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return "on one core"


def measure_release(files: Sequence[Path], peers: Sequence[peer_tools.Peer], runs: int) -> dict[str, Cost]:
    """Return the cost of each checker on the wheels of one release."""
    ours = [sys.executable, "-m", "wheel_uploader", "--until", "check"]
    ours += [part for path in files for part in ("-u", str(path))]
    commands = {OURS: [ours], **{peer.name: peer.commands(list(files)) for peer in peers}}
    # In rounds, so that a temporary disturbance of the machine affects all of them.
    rounds = [
        {name: measure_commands(command_list) for name, command_list in commands.items()} for _ in range(runs)
    ]
    return {name: median([costs[name] for costs in rounds]) for name in commands}


def print_table(
    title: str, files: Sequence[Path], peers: Sequence[peer_tools.Peer], costs: dict[str, Cost]
) -> None:
    """Print the table of one release, or the total of all releases."""
    print(f"{title}: {len(files)} wheels, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB\n")
    print("| checker | wheels | CPU seconds | times ours | elapsed seconds | times ours | nonzero exits |")
    print("|---|---|---|---|---|---|---|")
    print(format_row(OURS, len(files), costs[OURS], costs[OURS]))
    for peer in peers:
        if count := sum(peer.takes(path.name) for path in files):
            print(format_row(peer.name, count, costs[peer.name], costs[OURS]))
        else:
            print(f"| {peer.name} | not applicable | | | | | |")
    for name in set(peer_tools.IN_TURN) - {peer.name for peer in peers}:
        print(f"| {name} | absent | | | | | |")
    in_turn = total(costs[peer.name] for peer in peers)
    print(format_row("the peers in turn", len(files), in_turn, costs[OURS]) + "\n", flush=True)


def format_row(name: str, wheels: int, cost: Cost, ours: Cost) -> str:
    nonzero = f"{cost.failed} of {cost.processes}"
    cpu_ratio = f"{cost.cpu / ours.cpu:.1f}"
    wall_ratio = f"{cost.wall / ours.wall:.1f}"
    return (
        f"| {name} | {wheels} | {cost.cpu:.1f} | {cpu_ratio} | {cost.wall:.1f} | {wall_ratio} | {nonzero} |"
    )


def measure_commands(commands: Iterable[list[str]]) -> Cost:
    """Run the commands one after another, and return their total cost."""
    return total(_measure_command(command) for command in commands)


def _measure_command(command: list[str]) -> Cost:
    before, started_at = os.times(), time.perf_counter()
    completed = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    wall, after = time.perf_counter() - started_at, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    if (
        b"Traceback (most recent call last)" in completed.stderr
        or completed.returncode not in _COMPLETED_EXIT_CODES
    ):
        # The cost of a run that failed midway is meaningless.
        raise click.ClickException(f"{command[2]} failed: {completed.stderr.decode(errors='replace')[-300:]}")
    return Cost(wall=wall, cpu=cpu, failed=completed.returncode != 0, processes=1)


def total(costs: Iterable[Cost]) -> Cost:
    all_costs = list(costs)
    return Cost(
        wall=sum(cost.wall for cost in all_costs),
        cpu=sum(cost.cpu for cost in all_costs),
        failed=sum(cost.failed for cost in all_costs),
        processes=sum(cost.processes for cost in all_costs),
    )


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=statistics.median(cost.wall for cost in costs),
        cpu=statistics.median(cost.cpu for cost in costs),
        failed=costs[0].failed,
        processes=costs[0].processes,
    )


# --- one wheel ---------------------------------------------------------------------------------------


def choose_typical(folders: Iterable[Path]) -> Path:
    """Return a wheel for Linux on x86_64 if there is one, or else the first wheel."""
    files = [path for folder in folders for path in sorted(folder.glob("*.whl"))]
    return next((path for path in files if "manylinux" in path.name and "x86_64" in path.name), files[0])


def print_unpacking(path: Path) -> None:
    """Print the cost of reading and checking one wheel, compared with inflating and hashing it."""
    name = filenames.parse_filename(path.name)
    if not isinstance(name, WheelName):
        raise click.UsageError(f"{path.name} is not a wheel")
    check_wheel(path, name)  # warm up: imports and compiled patterns are not measured
    inflating = statistics.median(measure_cpu(lambda: inflate_and_hash(path)) for _ in range(REPEATS))
    checking = statistics.median(measure_cpu(lambda: check_wheel(path, name)) for _ in range(REPEATS))
    print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, in this process\n")
    print("| work | CPU seconds | times inflating |")
    print("|---|---|---|")
    print(f"| inflate every member with zipfile and hash it | {inflating:.3f} | 1.00 |")
    print(f"| read the archive and run all checks | {checking:.3f} | {checking / inflating:.2f} |\n")


def measure_cpu(work: Callable[[], object]) -> float:
    """Return the CPU seconds that ``work`` takes in this process."""
    started_at = time.process_time()
    work()
    return time.process_time() - started_at


def check_wheel(path: Path, name: WheelName) -> None:
    content = archive_reader.read_archive(path, name)
    if not isinstance(content, WheelContent):
        raise click.UsageError(f"{path.name} is not a wheel")
    checks.check_contents([content], profile=CheckProfile.PYPI)


def describe_setup(peers: Sequence[peer_tools.Peer], core: str, load: float, runs: int) -> str:
    versions = ", ".join(f"{peer.package} {peer.version}" for peer in peers)
    return (
        f"Medians of {runs} (one wheel: {REPEATS}), {core} of {os.cpu_count()} ({describe_machine()}), "
        f"{platform.system()}, Python {platform.python_version()}, load before {load:.1f}; whole processes "
        f"unless stated otherwise, files in the page cache, no network.\n"
        f"wheel-uploader {__version__}, {versions}."
    )


def describe_machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


if __name__ == "__main__":
    main()
