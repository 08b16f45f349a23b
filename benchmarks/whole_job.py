"""Measures a complete run over a line with high latency, compared with numpy's script and twine.

``python -m benchmarks.whole_job numpy 2.3.4 --cache DIR`` serves the wheels with nginx and TLS behind a line
of 80 ms and 1 Gbit/s, with an empty index on the same side. In turn, ours lists, downloads, verifies, checks,
uploads and confirms; and numpy's script downloads one file after another and twine uploads, without checks. A
third row is a second run of ours, which finds everything done.
"""

from __future__ import annotations

import functools
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.rig import jobs, measure, options, releases, tables
from benchmarks.rig.indexes import Index
from benchmarks.rig.jobs import Job
from benchmarks.rig.measure import Contender, Cost
from wheel_uploader import __version__

OURS, THEIRS, AGAIN = (
    "wheel-uploader, complete run",
    "numpy's script, then twine",
    "wheel-uploader again, nothing to do",
)


def build_peer_command(job: Job, index: Index, folder: Path) -> list[str]:
    downloads = folder / "downloads"
    downloads.mkdir()
    fetch = [sys.executable, "-m", "benchmarks.rig.ways", "numpy", job.staged.url, str(downloads)]
    post = f"{shlex.join(job.build_twine(index))} {shlex.quote(str(downloads))}/*.whl"
    return ["sh", "-c", f"{shlex.join(fetch)} && {post}"]


def _run_contender(job: Job, contender: str, folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        if contender == THEIRS:
            return job.run(build_peer_command(job, index, folder), index, folder)
        if contender == AGAIN:
            job.run_ours(index, folder)
        return job.run_ours(index, folder)


@click.command()
@click.argument("project", default="numpy")
@click.argument("version", default="2.3.4")
@options.add_line_options
@options.add_index_options
def main(**values: Any) -> None:
    """Publish the wheels of PROJECT VERSION from a staging server to an index, with each contender."""
    settings = options.Settings(**values)
    files = releases.get_wheels(settings.project, settings.version, settings.cache)
    with jobs.open_release(settings, files, served=True) as staged:
        job = Job(staged=staged, source=staged.url, kind=settings.kind, think=settings.think)
        contenders = [
            Contender(name=name, run=functools.partial(_run_contender, job, name))
            for name in (OURS, THEIRS, AGAIN)
        ]
        costs = measure.run_rounds(settings.select(contenders), settings.runs, settings.scratch)
    print(f"{staged.title}, to {job.index_description}; {settings.line}\n")
    table = tables.format_costs(
        costs,
        costs.get(OURS),
        len(files),
        digits=1,
        files_are_known=job.kind != "devpi",
        rst=settings.rst,
    )
    print(table)
    print(
        f"\nMedians of {settings.runs}, in turn, a fresh index for each; whole processes; "
        "numpy's script and twine check nothing."
        f"\n{staged.link.kind}; nginx with TLS, HTTP/1.1. {measure.describe_machine()}. "
        f"wheel-uploader {__version__}; Python {sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
