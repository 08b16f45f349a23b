"""Measures uploads of a release over a line with high latency, compared with twine and uv.

``python -m benchmarks.upload orjson 3.11.4 --cache DIR`` starts, for each contender in turn, three times, an
empty index behind nginx with TLS and a line of 80 ms and 1 Gbit/s, and lets it upload the wheels. Ours reads
the index, checks every file, uploads, and confirms; its upload stage has a separate row. The index is a model
of the time that PyPI takes for a file, or pypiserver, or devpi.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from benchmarks.rig import jobs, measure, options, releases, tables
from benchmarks.rig.indexes import Index
from benchmarks.rig.jobs import Job
from benchmarks.rig.link import Link
from benchmarks.rig.measure import Contender, Cost
from tools.uv_program import find_uv_program
from wheel_uploader import __version__

OURS, STAGE = "wheel-uploader, checked and confirmed", "its upload stage alone"
AGAIN = "run again, nothing to do"


# --- the contenders --------------------------------------------------------------------------------


def contenders(job: Job) -> Iterator[Contender]:
    yield Contender(name=OURS, run=functools.partial(_run_ours, job))
    yield Contender(name="twine upload", run=functools.partial(_run_peer, job, _build_twine))
    if find_uv_program():
        yield Contender(name="uv publish", run=functools.partial(_run_peer, job, _build_uv))
    yield Contender(name=AGAIN, run=functools.partial(_run_again, job))


def _run_peer(job: Job, build: Callable[[Job, Index], list[str]], folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        return job.run(build(job, index), index, folder)


def _build_twine(job: Job, index: Index) -> list[str]:
    return [*job.build_twine(index), *(str(path) for path in job.staged.files)]


def _build_uv(job: Job, index: Index) -> list[str]:
    command = ["uv", "publish", "--no-config", "--trusted-publishing", "never"]
    command += ["--allow-insecure-host", index.upload_url.split("/")[2]]
    return [*command, "--publish-url", index.upload_url, *(str(path) for path in job.staged.files)]


def _run_ours(job: Job, folder: Path) -> Cost:
    report = folder / "report.json"
    with job.fresh_index(folder) as index:
        cost = job.run_ours(index, folder, "--report", str(report))
    seconds = json.loads(report.read_text(encoding="utf-8"))["timings"]["upload"]
    job.stages.append(replace(cost, wall=float(seconds)))
    return cost


def _run_again(job: Job, folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        job.run_ours(index, folder)
        return job.run_ours(index, folder)


# --- one run ---------------------------------------------------------------------------------------


@click.command()
@click.argument("project", default="orjson")
@click.argument("version", default="3.11.4")
@options.add_line_options
@options.add_index_options
@options.add_chart_option
def main(**values: Any) -> None:
    """Upload the wheels of PROJECT VERSION with every installed contender."""
    settings = options.Settings(**values)
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="release-", dir=settings.scratch))
        )
        for path in releases.get_wheels(settings.project, settings.version, settings.cache):
            shutil.copyfile(path, folder / path.name)
        files = sorted(folder.iterdir())
        staged = stack.enter_context(jobs.open_release(settings, files, served=False))
        job = Job(staged=staged, source=str(folder), kind=settings.kind, think=settings.think)
        title = f"{staged.title}, to {job.index_description}; {settings.line}"
        costs = measure.run_rounds(settings.select(contenders(job)), settings.runs, settings.scratch)
    if job.stages:
        costs[STAGE] = measure.median(job.stages)
    print(f"{title}\n\n{_build_table(costs, len(files), rst=settings.rst)}\n")
    print(_describe_setup(settings.runs, staged.link))
    if settings.svg:
        chart = tables.draw_costs(f"Upload, {title}", costs, (OURS, STAGE, AGAIN))
        settings.svg.write_text(chart, encoding="utf-8")


def _build_table(costs: Mapping[str, Cost], file_count: int, *, rst: bool) -> str:
    twine = costs.get("twine upload")
    head = ["tool", "seconds", "of twine's", "first to last", "CPU s", "peak MB", "files"]
    rows = [
        [
            name,
            f"{cost.wall:.2f}",
            f"{cost.wall / twine.wall:.2f}" if twine else "",
            f"{cost.spread:.2f}" if cost.spread and name != AGAIN else "",
            f"{cost.cpu:.2f}" if name != STAGE else "",
            f"{cost.megabytes:.0f}" if name != STAGE else "",
            f"{cost.files} of {file_count}" if cost.files else "",
        ]
        for name, cost in costs.items()
    ]
    return tables.format_table(head, rows, rst=rst)


def _describe_setup(runs: int, link: Link) -> str:
    versions = [
        measure.get_version(sys.executable, "-m", "twine", "--version"),
        measure.get_version("uv", "--version"),
    ]
    tools = "; ".join(" ".join(version.split()[:3]) for version in versions if version)
    return (
        f"Medians of {runs}, contenders in turn, a fresh index for each; whole processes. 'First to last': "
        f"seconds between the first and the last file on the index.\n{link.kind}; nginx with TLS in front of "
        f"the index, HTTP/1.1. {measure.describe_machine()}. wheel-uploader {__version__}; {tools}; Python "
        f"{sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
