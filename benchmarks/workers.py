"""Compares threads and processes for the checks: ``python -m benchmarks.workers FOLDER``.

It inspects every wheel in FOLDER (reading and all checks) one by one, in threads, in running processes, and
in new processes, one per core. It prints the medians of three rounds as Markdown.
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

import click

from wheel_uploader import checks
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, CheckResult
from wheel_uploader.facts.archive import decompress
from wheel_uploader.facts.archive import reader as archive_reader

ROUNDS = 3


def inspect_wheel(path: Path) -> CheckResult:
    """Read and check one wheel; the result must be picklable, to be returned from another process."""
    content = archive_reader.read_archive(path, filenames.parse_filename(path.name))
    archive_reader.describe_damage(content)
    return checks.inspect_content(content, profile=CheckProfile.PYPI)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Compare threads and processes for the checks of the wheels in FOLDER."""
    paths = sorted(folder.glob("*.whl"), key=lambda path: -path.stat().st_size)
    cores = os.cpu_count() or 1
    spawn = get_context("spawn")

    def run_in_new_processes() -> None:
        with ProcessPoolExecutor(cores, mp_context=spawn) as pool:
            list(pool.map(inspect_wheel, paths))

    with ThreadPoolExecutor(cores) as threads, ProcessPoolExecutor(cores, mp_context=spawn) as processes:
        methods: dict[str, Callable[[], object]] = {
            "one by one": lambda: [inspect_wheel(path) for path in paths],
            f"{cores} threads": lambda: map_paths(threads, paths),
            f"{cores} processes, ready": lambda: map_paths(processes, paths),
            f"{cores} processes, started for it": run_in_new_processes,
        }
        for work in methods.values():
            work()
        rounds = [{name: measure_seconds(work) for name, work in methods.items()} for _ in range(ROUNDS)]
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(f"{len(paths)} wheels, {size:.0f} MB, with {decompress.zlib_module.__name__}\n")
    print("| method | seconds | times one by one |")
    print("|---|---|---|")
    medians = {name: statistics.median(times[name] for times in rounds) for name in methods}
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / medians['one by one']:.2f} |")
    print(f"\nPython {sys.version.split()[0]}, {cores} cores, load {os.getloadavg()[0]:.1f}.")


def map_paths(pool: Executor, paths: list[Path]) -> object:
    return list(pool.map(inspect_wheel, paths))


def measure_seconds(work: Callable[[], object]) -> float:
    started_at = time.perf_counter()
    work()
    return time.perf_counter() - started_at


if __name__ == "__main__":
    main()
