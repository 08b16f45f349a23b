"""What all our checks cost, beside the checkers of the field and beside merely unpacking.

``python -m benchmarks.checks FOLDER...`` takes folders with the wheels of one release each. It runs, on
one core, in turn, ``--runs`` times: ``wheel-uploader --until check`` as a whole process on the files where
they lie; check-wheel-contents, ``twine check --strict``, ``auditwheel show`` (on wheels for Linux) and
abi3audit (on abi3 wheels) as whole processes. For one wheel it compares, in this process, our pass and all
checks with inflating every member with zipfile and hashing it. Prints medians as Markdown, and how they
came; seconds of CPU (user and system) say the same on a machine that has other work too; with
``--all-cores``, on one that has none, the seconds that pass are what a person waits.
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

from benchmarks import peer_tools
from benchmarks.native import inflated
from wheel_uploader import __version__, archive, checks, names
from wheel_uploader.models import Profile, WheelContent, WheelName

OURS = "wheel-uploader --until check"
#: Of what takes no time to speak of.
REPEATS = 9
#: Exit codes of a checker that came to its end: 6 is ours for a finding, 1 that of the others.
_JUDGED = (0, 1, 6)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One run of one or more processes: wall and CPU seconds, and how many ended with another code than 0."""

    wall: float
    cpu: float
    failed: int
    processes: int


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--one", type=click.Path(path_type=Path, exists=True), help="The wheel to compare unpacking with."
)
@click.option("--runs", default=3, show_default=True, help="Rounds, of which the median counts.")
@click.option("--all-cores", is_flag=True, help="As everybody runs it: what passes counts, not only CPU.")
@click.option("--venv", type=click.Path(path_type=Path), help="Keep the peers here, for another run.")
def main(folders: tuple[Path, ...], one: Path | None, runs: int, all_cores: bool, venv: Path | None) -> None:
    """Compare what checking the wheels of FOLDERS costs."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    with peer_tools.installed(venv, peer_tools.IN_TURN) as peers:
        core = "on all cores" if all_cores else on_one_core()
        releases = [sorted(folder.glob("*.whl")) for folder in folders]
        all_costs = []
        for files in releases:
            costs = measured(files, peers, runs)
            show(files[0].name.partition("-")[0], files, peers, costs)
            all_costs.append(costs)
        together = {name: total(costs[name] for costs in all_costs) for name in all_costs[0]}
        show("together", [path for files in releases for path in files], peers, together)
        unpacking(one or typical(folders))
        print(how(peers, core, load, runs))


def on_one_core() -> str:
    """Keep this process, and all that it starts, on one core where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return "on all cores"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return "on one core"


def measured(files: Sequence[Path], peers: Sequence[peer_tools.Peer], runs: int) -> dict[str, Cost]:
    """What each costs on the wheels of one release."""
    ours = [sys.executable, "-m", "wheel_uploader", "--until", "check"]
    ours += [part for path in files for part in ("-u", str(path))]
    commands = {OURS: [ours], **{peer.name: peer.commands(list(files)) for peer in peers}}
    # Round by round: what disturbs the machine for a while disturbs each of them.
    rounds = [{name: cost(each) for name, each in commands.items()} for _ in range(runs)]
    return {name: median([each[name] for each in rounds]) for name in commands}


def show(title: str, files: Sequence[Path], peers: Sequence[peer_tools.Peer], costs: dict[str, Cost]) -> None:
    """Print the table of one release, or of all together."""
    print(f"{title}: {len(files)} wheels, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB\n")
    print("| checker | wheels | CPU seconds | times ours | seconds passed | times ours | not 0 |")
    print("|---|---|---|---|---|---|---|")
    print(row(OURS, len(files), costs[OURS], costs[OURS]))
    for peer in peers:
        if takes := sum(peer.takes(path.name) for path in files):
            print(row(peer.name, takes, costs[peer.name], costs[OURS]))
        else:
            print(f"| {peer.name} | none is for it | | | | | |")
    for name in set(peer_tools.IN_TURN) - {peer.name for peer in peers}:
        print(f"| {name} | absent | | | | | |")
    in_turn = total(costs[peer.name] for peer in peers)
    print(row("the peers in turn", len(files), in_turn, costs[OURS]) + "\n", flush=True)


def row(name: str, wheels: int, cost: Cost, ours: Cost) -> str:
    ended = f"{cost.failed} of {cost.processes}"
    times = f"{cost.cpu / ours.cpu:.1f}"
    passed = f"{cost.wall / ours.wall:.1f}"
    return f"| {name} | {wheels} | {cost.cpu:.1f} | {times} | {cost.wall:.1f} | {passed} | {ended} |"


def cost(commands: Iterable[list[str]]) -> Cost:
    """Run the commands one after another."""
    return total(_cost(command) for command in commands)


def _cost(command: list[str]) -> Cost:
    before, begun = os.times(), time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    if b"Traceback (most recent call last)" in done.stderr or done.returncode not in _JUDGED:
        # What broke off says nothing of what the whole work costs.
        raise click.ClickException(f"{command[2]} broke off: {done.stderr.decode(errors='replace')[-300:]}")
    return Cost(wall=wall, cpu=cpu, failed=done.returncode != 0, processes=1)


def total(costs: Iterable[Cost]) -> Cost:
    every = list(costs)
    return Cost(
        wall=sum(each.wall for each in every),
        cpu=sum(each.cpu for each in every),
        failed=sum(each.failed for each in every),
        processes=sum(each.processes for each in every),
    )


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=statistics.median(each.wall for each in costs),
        cpu=statistics.median(each.cpu for each in costs),
        failed=costs[0].failed,
        processes=costs[0].processes,
    )


# --- one wheel ---------------------------------------------------------------------------------------


def typical(folders: Iterable[Path]) -> Path:
    """A wheel for Linux on x86_64, where there is one."""
    files = [path for folder in folders for path in sorted(folder.glob("*.whl"))]
    return next((path for path in files if "manylinux" in path.name and "x86_64" in path.name), files[0])


def unpacking(path: Path) -> None:
    """Print what our pass and all checks cost beside inflating and hashing one wheel."""
    name = names.parse(path.name)
    if not isinstance(name, WheelName):
        raise click.UsageError(f"{path.name} is no wheel")
    judge(path, name)  # what is imported and compiled once is not the wheel's
    inflating = statistics.median(cpu(lambda: inflated(path)) for _ in range(REPEATS))
    judging = statistics.median(cpu(lambda: judge(path, name)) for _ in range(REPEATS))
    print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB, in this process\n")
    print("| work | CPU seconds | times inflating |")
    print("|---|---|---|")
    print(f"| inflate every member with zipfile, and hash it | {inflating:.3f} | 1.00 |")
    print(f"| our pass over the file, and all checks of it | {judging:.3f} | {judging / inflating:.2f} |\n")


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def judge(path: Path, name: WheelName) -> None:
    content = archive.read(path, name)
    if not isinstance(content, WheelContent):
        raise click.UsageError(f"{path.name} is no wheel")
    checks.run([content], profile=Profile.PYPI)


def how(peers: Sequence[peer_tools.Peer], core: str, load: float, runs: int) -> str:
    versions = ", ".join(f"{peer.package} {peer.version}" for peer in peers)
    return (
        f"Medians of {runs} (one wheel: {REPEATS}), {core} of {os.cpu_count()} ({machine()}), "
        f"{platform.system()}, Python {platform.python_version()}, load before {load:.1f}; whole processes "
        f"unless said, files in the page cache, no network.\nwheel-uploader {__version__}, {versions}."
    )


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


if __name__ == "__main__":
    main()
