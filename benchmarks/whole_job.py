"""Measures a complete run over a line with high latency, compared with numpy's script and twine.

``python -m benchmarks.whole_job numpy 2.3.4 --cache DIR`` serves the wheels with nginx and TLS behind a line
of 80 ms and 1 Gbit/s, with an empty index on the same side. In turn, ours lists, downloads, verifies, checks,
uploads and confirms; and numpy's script downloads one file after another and twine uploads, without checks. A
third row is a second run of ours, which finds everything done.
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
    "wheel-uploader, complete run",
    "numpy's script, then twine",
    "wheel-uploader again, nothing to do",
)


def build_command(job: Job, index: Index, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "wheel_uploader", "-u", job.staged.url, "-w", str(folder / "wheelhouse")]
    command += ["--repository-url", index.upload_url, "--index-url", index.simple_url, "--ignore", "native"]
    return [*command, "--cert", str(job.staged.tls.cert), job.staged.project, job.staged.version]


def build_peer_command(job: Job, index: Index, folder: Path) -> list[str]:
    downloads = folder / "downloads"
    downloads.mkdir()
    fetch = [sys.executable, "-m", "benchmarks.rig.ways", "numpy", job.staged.url, str(downloads)]
    post = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar", "--cert"]
    post += [str(job.staged.tls.cert), "--repository-url", index.upload_url]
    return ["sh", "-c", f"{shlex.join(fetch)} && {shlex.join(post)} {shlex.quote(str(downloads))}/*.whl"]


def _run_contender(job: Job, contender: str, folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        command = build_peer_command if contender == THEIRS else build_command
        if contender == AGAIN:
            job.run(build_command(job, index, folder), index, folder)
        return job.run(command(job, index, folder), index, folder)


@click.command()
@click.argument("project", default="numpy")
@click.argument("version", default="2.3.4")
@options.add_line_options
@options.add_index_options
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
    """Publish the wheels of PROJECT VERSION from a staging server to an index, with each contender."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = lines.Line(delay=delay / 1000, rate=rate * 1e6)
    files = tuple(releases.get_wheels(project, version, cache))
    total_size = sum(path.stat().st_size for path in files)
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(lines.open_link(line, proxy=proxy))
        tls = stack.enter_context(places.make_certificate(link))
        staged = Staged(link=link, url="", tls=tls, files=files, project=project, version=version)
        staged = replace(staged, url=stack.enter_context(places.serve_files(link, tls, files)))
        job = Job(staged=staged, folder=Path(), kind=kind, think=think, stages=[])
        names = [name for name in (OURS, THEIRS, AGAIN) if not only or re.search(only, name)]
        selected = [Contender(name=name, run=functools.partial(_run_contender, job, name)) for name in names]
        costs = measure.run_rounds(selected, runs, scratch)
    head = ["tool", "seconds", "times ours", "CPU s", "peak MB", "files"]
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
    index_name = upload.describe_index(job)
    print(f"{project} {version}: {len(files)} wheels, {total_size / 1e6:.0f} MB, to {index_name}; {line}\n")
    print(tables.format_table(head, rows, rst=rst))
    print(
        f"\nMedians of {runs}, in turn, a fresh index for each; whole processes; "
        "numpy's script and twine check nothing."
        f"\n{link.kind}; nginx with TLS, HTTP/1.1. {measure.describe_machine()}. "
        f"wheel-uploader {__version__}; Python {sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
