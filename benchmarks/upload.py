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
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks.download import Staged
from benchmarks.rig import indexes, measure, options, places, releases, tables
from benchmarks.rig import link as lines
from benchmarks.rig.indexes import Index
from benchmarks.rig.measure import Contender, Cost
from wheel_uploader import __version__

OURS, STAGE = "wheel-uploader, checked and confirmed", "its upload stage alone"
AGAIN = "run again, nothing to do"


@dataclass(frozen=True, kw_only=True)
class Job:
    """The release to upload, and the kind of index."""

    staged: Staged
    folder: Path
    kind: str
    think: float
    #: The cost of our upload stage in each round.
    stages: list[Cost]

    @contextlib.contextmanager
    def fresh_index(self, folder: Path) -> Iterator[Index]:
        staged = self.staged
        with indexes.index(self.kind, staged.link, staged.tls, folder, think=self.think) as index:
            yield index

    def run(self, command: list[str], index: Index, folder: Path) -> Cost:
        environment = {**self.staged.environment, "XDG_CACHE_HOME": str(folder / "cache")}
        environment |= {"TWINE_USERNAME": index.username, "TWINE_PASSWORD": index.password}
        environment |= {"UV_PUBLISH_USERNAME": index.username, "UV_PUBLISH_PASSWORD": index.password}
        cost = measure.run(self.staged.link.client(command), cwd=folder, environment=environment)
        return replace(cost, files=index.count(self.staged.names), spread=index.spread())


# --- the contenders --------------------------------------------------------------------------------


def contenders(job: Job) -> Iterator[Contender]:
    yield Contender(name=OURS, run=functools.partial(_run_ours, job))
    yield Contender(name="twine upload", run=functools.partial(_run_peer, job, _build_twine))
    if shutil.which("uv"):
        yield Contender(name="uv publish", run=functools.partial(_run_peer, job, _build_uv))
    yield Contender(name=AGAIN, run=functools.partial(_run_again, job))


def _run_peer(job: Job, build: Callable[[Job, Index], list[str]], folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        return job.run(build(job, index), index, folder)


def _build_twine(job: Job, index: Index) -> list[str]:
    files = [str(path) for path in job.staged.files]
    command = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
    return [*command, "--cert", str(job.staged.tls.cert), "--repository-url", index.upload_url, *files]


def _build_uv(job: Job, index: Index) -> list[str]:
    command = ["uv", "publish", "--no-config", "--trusted-publishing", "never"]
    command += ["--allow-insecure-host", index.upload_url.split("/")[2]]
    return [*command, "--publish-url", index.upload_url, *(str(path) for path in job.staged.files)]


def _run_ours(job: Job, folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        cost = job.run(build_command(job, index, folder), index, folder)
        job.stages.append(_get_upload_stage(cost, folder))
        return cost


def _run_again(job: Job, folder: Path) -> Cost:
    with job.fresh_index(folder) as index:
        job.run(build_command(job, index, folder), index, folder)
        return job.run(build_command(job, index, folder), index, folder)


def build_command(job: Job, index: Index, folder: Path) -> list[str]:
    report = str(folder / "report.json")
    command = [
        sys.executable,
        "-m",
        "wheel_uploader",
        "-u",
        str(job.folder),
        "-w",
        str(folder / "wheelhouse"),
    ]
    command += ["--repository-url", index.upload_url, "--index-url", index.simple_url, "--report", report]
    # Some real releases have faults in compiled code; they are accepted here.
    command += ["--ignore", "native", "--cert", str(job.staged.tls.cert)]
    return [*command, job.staged.project, job.staged.version]


def _get_upload_stage(cost: Cost, folder: Path) -> Cost:
    """Return the cost with the seconds of the upload stage, from the report of the run."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return replace(cost, wall=float(report["timings"]["upload"]))


# --- one run ---------------------------------------------------------------------------------------


@click.command()
@click.argument("project", default="orjson")
@click.argument("version", default="3.11.4")
@options.add_line_options
@options.add_index_options
@click.option("--svg", type=click.Path(path_type=Path), help="Also write a bar chart to this file.")
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
    svg: Path | None,
    scratch: Path | None,
) -> None:
    """Upload the wheels of PROJECT VERSION with every installed contender."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = lines.Line(delay=delay / 1000, rate=rate * 1e6)
    files = releases.get_wheels(project, version, cache)
    total_size = sum(path.stat().st_size for path in files)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="release-", dir=scratch)))
        for path in files:
            shutil.copyfile(path, folder / path.name)
        link = stack.enter_context(lines.open_link(line, proxy=proxy))
        tls = stack.enter_context(places.make_certificate(link))
        staged = Staged(
            link=link,
            url="",
            tls=tls,
            files=tuple(sorted(folder.iterdir())),
            project=project,
            version=version,
        )
        job = Job(staged=staged, folder=folder, kind=kind, think=think, stages=[])
        selected = [contender for contender in contenders(job) if not only or re.search(only, contender.name)]
        costs = measure.run_rounds(selected, runs, scratch)
    if job.stages:
        costs[STAGE] = measure.median(job.stages)
    size = f"{len(files)} wheels, {total_size / 1e6:.0f} MB"
    title = f"{project} {version}: {size}, to {describe_index(job)}; {line}"
    print(f"{title}\n\n{_build_table(costs, len(files), rst=rst)}\n")
    print(_describe_setup(runs, link))
    if svg:
        walls = {name: cost.wall for name, cost in costs.items()}
        svg.write_text(tables.draw_bars(f"Upload, {title}", walls, (OURS, STAGE, AGAIN)), encoding="utf-8")


def describe_index(job: Job) -> str:
    return f"an index that takes {job.think} s per file" if job.kind == "slow" else job.kind


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


def _describe_setup(runs: int, link: lines.Link) -> str:
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
