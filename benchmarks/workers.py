"""Threads or processes for the checks: ``python -m benchmarks.workers FOLDER``.

Judges every wheel of FOLDER (one pass, all checks) one by one, in threads, and in processes that are there
already and that are begun for it, as many as there are cores; three rounds of all, medians as Markdown.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from wheel_uploader import archive, checks, names
from wheel_uploader.archive import inflate
from wheel_uploader.models import Inspection, Profile

ROUNDS = 3


def judge(path: Path) -> Inspection:
    """The work for one wheel; the result goes back to who asked, from another process as well."""
    content = archive.read(path, names.parse(path.name))
    archive.damage(content)
    return checks.inspect(content, profile=Profile.PYPI)


def main() -> None:
    paths = sorted(Path(sys.argv[1]).glob("*.whl"), key=lambda path: -path.stat().st_size)
    cores = os.cpu_count() or 1
    spawn = get_context("spawn")

    def fresh() -> None:
        with ProcessPoolExecutor(cores, mp_context=spawn) as pool:
            list(pool.map(judge, paths))

    with ThreadPoolExecutor(cores) as threads, ProcessPoolExecutor(cores, mp_context=spawn) as processes:
        ways: dict[str, Callable[[], object]] = {
            "one by one": lambda: [judge(path) for path in paths],
            f"{cores} threads": lambda: mapped(threads, paths),
            f"{cores} processes, ready": lambda: mapped(processes, paths),
            f"{cores} processes, begun for it": fresh,
        }
        for work in ways.values():
            work()
        rounds = [{name: seconds(work) for name, work in ways.items()} for _ in range(ROUNDS)]
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(f"{len(paths)} wheels, {size:.0f} MB, with {inflate.codec.__name__}\n")
    print("| way | seconds | times one by one |")
    print("|---|---|---|")
    medians = {name: statistics.median(each[name] for each in rounds) for name in ways}
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / medians['one by one']:.2f} |")
    print(f"\nPython {sys.version.split()[0]}, {cores} cores, load {os.getloadavg()[0]:.1f}.")


def mapped(pool: Executor, paths: list[Path]) -> object:
    return list(pool.map(judge, paths))


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
