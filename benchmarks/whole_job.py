"""The whole job over a long line: from the staging place to an index that confirms, beside numpy's way.

``python -m benchmarks.whole_job numpy 2.3.4 --cache DIR`` serves the wheels with nginx and TLS behind a line
of 80 ms and 1 Gbit/s, with an empty index on the same side, and lets, in turn, ours list, download, verify,
check, upload and confirm; and numpy's script download, one file after another, and twine upload, which check
nothing. A third row is our second run, when everything is everywhere already.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

from benchmarks import upload
from benchmarks.download import Staged
from benchmarks.rig import link as lines
from benchmarks.rig import measure, options, places, releases, tables
from benchmarks.rig.indexes import Index
from benchmarks.rig.measure import Contender, Cost
from benchmarks.upload import Job
from wheel_uploader import __version__

OURS, THEIRS, AGAIN = (
    "wheel-uploader, all of it",
    "numpy's script, then twine",
    "wheel-uploader again, all there",
)


def ours(job: Job, index: Index, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "wheel_uploader", "-u", job.staged.url, "-w", str(folder / "wheelhouse")]
    command += ["--repository-url", index.upload_url, "--index-url", index.simple_url, "--ignore", "native"]
    return [*command, "--cert", str(job.staged.tls.cert), job.staged.project, job.staged.version]


def theirs(job: Job, index: Index, folder: Path) -> list[str]:
    brought = folder / "brought"
    brought.mkdir()
    fetch = [sys.executable, "-m", "benchmarks.rig.ways", "numpy", job.staged.url, str(brought)]
    post = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--cert"]
    post += [str(job.staged.tls.cert), "--repository-url", index.upload_url]
    return ["sh", "-c", f"{shlex.join(fetch)} && {shlex.join(post)} {shlex.quote(str(brought))}/*.whl"]


def _once(job: Job, way: str, folder: Path) -> Cost:
    with job.fresh(folder) as index:
        command = theirs if way == THEIRS else ours
        if way == AGAIN:
            job.run(ours(job, index, folder), index, folder)
        return job.run(command(job, index, folder), index, folder)


@click.command()
@click.argument("project", default="numpy")
@click.argument("version", default="2.3.4")
@options.of_a_line
@options.of_an_index
def main(
    project: str,
    version: str,
    cache: Path,
    kind: str,
    think: float,
    delay: float,
    rate: float,
    runs: int,
    only: str | None,
    proxy: bool,
    rst: bool,
    scratch: Path | None,
) -> None:
    """Take the wheels of PROJECT VERSION from staging to an index, in both ways."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = lines.Line(delay=delay / 1000, rate=rate * 1e6)
    files = tuple(releases.wheels(project, version, cache))
    payload = sum(path.stat().st_size for path in files)
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(lines.joined(line, proxy=proxy))
        tls = stack.enter_context(places.certified(link))
        staged = Staged(link=link, url="", tls=tls, files=files, project=project, version=version)
        staged = replace(staged, url=stack.enter_context(places.staging(link, tls, files)))
        job = Job(staged=staged, folder=Path(), kind=kind, think=think, stages=[])
        ways = [way for way in (OURS, THEIRS, AGAIN) if not only or re.search(only, way)]
        chosen = [Contender(name=way, run=functools.partial(_once, job, way)) for way in ways]
        costs = measure.rounds(chosen, runs, scratch)
    head = ["way", "seconds", "times ours", "CPU s", "peak MB", "files"]
    own = costs.get(OURS)
    rows = [
        [
            name,
            f"{cost.wall:.1f}",
            f"{cost.wall / own.wall:.2f}" if own else "",
            f"{cost.cpu:.1f}",
            f"{cost.megabytes:.0f}",
            f"{cost.files} of {len(files)}" if cost.files else "",
        ]
        for name, cost in costs.items()
    ]
    called = upload.called(job)
    print(f"{project} {version}: {len(files)} wheels, {payload / 1e6:.0f} MB, to {called}; {line}\n")
    print(tables.table(head, rows, rst=rst))
    print(
        f"\nMedians of {runs}, in turn, a fresh index for each; whole processes; numpy's way checks nothing."
        f"\n{link.kind}; nginx with TLS, HTTP/1.1. {measure.machine()}. wheel-uploader {__version__}; Python "
        f"{sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
