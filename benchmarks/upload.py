"""How fast a release goes up over a long line, beside twine and uv, in one run.

``python -m benchmarks.upload orjson 3.11.4 --cache DIR`` starts, for each contender in turn, three times, an
empty index behind nginx with TLS and a line of 80 ms and 1 Gbit/s, and lets it upload the wheels. Ours looks
at the index, checks every file, uploads, and with ``--until confirm`` looks again; its upload stage alone
stands in a row of its own. The index: one that models the time that PyPI takes for a file, pypiserver, devpi.
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
AGAIN = "the same again, all there"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is uploaded, and to which kind of index."""

    staged: Staged
    folder: Path
    kind: str
    think: float
    #: The seconds of each of our upload stages.
    stages: list[Cost]

    @contextlib.contextmanager
    def fresh(self, folder: Path) -> Iterator[Index]:
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
    yield Contender(name=OURS, run=functools.partial(_ours, job))
    yield Contender(name="twine upload", run=functools.partial(_theirs, job, _twine))
    if shutil.which("uv"):
        yield Contender(name="uv publish", run=functools.partial(_theirs, job, _uv))
    yield Contender(name=AGAIN, run=functools.partial(_again, job))


def _theirs(job: Job, write: Callable[[Job, Index], list[str]], folder: Path) -> Cost:
    with job.fresh(folder) as index:
        return job.run(write(job, index), index, folder)


def _twine(job: Job, index: Index) -> list[str]:
    files = [str(path) for path in job.staged.files]
    command = [sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
    return [*command, "--cert", str(job.staged.tls.cert), "--repository-url", index.upload_url, *files]


def _uv(job: Job, index: Index) -> list[str]:
    command = ["uv", "publish", "--no-config", "--trusted-publishing", "never"]
    command += ["--allow-insecure-host", index.upload_url.split("/")[2]]
    return [*command, "--publish-url", index.upload_url, *(str(path) for path in job.staged.files)]


def _ours(job: Job, folder: Path) -> Cost:
    with job.fresh(folder) as index:
        cost = job.run(ours(job, index, folder), index, folder)
        job.stages.append(_stage(cost, folder))
        return cost


def _again(job: Job, folder: Path) -> Cost:
    with job.fresh(folder) as index:
        job.run(ours(job, index, folder), index, folder)
        return job.run(ours(job, index, folder), index, folder)


def ours(job: Job, index: Index, folder: Path) -> list[str]:
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
    # Real releases have real faults, which are accepted here.
    command += ["--ignore", "native", "--cert", str(job.staged.tls.cert)]
    return [*command, job.staged.project, job.staged.version]


def _stage(cost: Cost, folder: Path) -> Cost:
    """Our upload stage alone, as our own report has it."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return replace(cost, wall=float(report["timings"]["upload"]))


# --- one run ---------------------------------------------------------------------------------------


@click.command()
@click.argument("project", default="orjson")
@click.argument("version", default="3.11.4")
@options.of_a_line
@options.of_an_index
@click.option("--svg", type=click.Path(path_type=Path), help="Draw it as well.")
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
    """Upload the wheels of PROJECT VERSION in every way that is installed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    line = lines.Line(delay=delay / 1000, rate=rate * 1e6)
    files = releases.wheels(project, version, cache)
    payload = sum(path.stat().st_size for path in files)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="release-", dir=scratch)))
        for path in files:
            shutil.copyfile(path, folder / path.name)
        link = stack.enter_context(lines.joined(line, proxy=proxy))
        tls = stack.enter_context(places.certified(link))
        staged = Staged(
            link=link,
            url="",
            tls=tls,
            files=tuple(sorted(folder.iterdir())),
            project=project,
            version=version,
        )
        job = Job(staged=staged, folder=folder, kind=kind, think=think, stages=[])
        chosen = [each for each in contenders(job) if not only or re.search(only, each.name)]
        costs = measure.rounds(chosen, runs, scratch)
    if job.stages:
        costs[STAGE] = measure.median(job.stages)
    title = f"{project} {version}: {len(files)} wheels, {payload / 1e6:.0f} MB, to {called(job)}; {line}"
    print(f"{title}\n\n{_table(costs, len(files), rst=rst)}\n")
    print(_how(runs, link))
    if svg:
        walls = {name: cost.wall for name, cost in costs.items()}
        svg.write_text(tables.bars(f"Upload, {title}", walls, (OURS, STAGE, AGAIN)), encoding="utf-8")


def called(job: Job) -> str:
    return f"an index of {job.think} s a file" if job.kind == "slow" else job.kind


def _table(costs: Mapping[str, Cost], wanted: int, *, rst: bool) -> str:
    twine = costs.get("twine upload")
    head = ["way", "seconds", "of twine's", "first to last", "CPU s", "peak MB", "files"]
    rows = [
        [
            name,
            f"{cost.wall:.2f}",
            f"{cost.wall / twine.wall:.2f}" if twine else "",
            f"{cost.spread:.2f}" if cost.spread and name != AGAIN else "",
            f"{cost.cpu:.2f}" if name != STAGE else "",
            f"{cost.megabytes:.0f}" if name != STAGE else "",
            f"{cost.files} of {wanted}" if cost.files else "",
        ]
        for name, cost in costs.items()
    ]
    return tables.table(head, rows, rst=rst)


def _how(runs: int, link: lines.Link) -> str:
    versions = [
        measure.version(sys.executable, "-m", "twine", "--version"),
        measure.version("uv", "--version"),
    ]
    said = "; ".join(" ".join(each.split()[:3]) for each in versions if each)
    return (
        f"Medians of {runs}, contenders in turn, a fresh index for each; whole processes. 'First to last': "
        f"seconds between the first file on the index and the last.\n{link.kind}; nginx with TLS before the "
        f"index, HTTP/1.1. {measure.machine()}. wheel-uploader {__version__}; {said}; Python "
        f"{sys.version.split()[0]}."
    )


if __name__ == "__main__":
    main()
