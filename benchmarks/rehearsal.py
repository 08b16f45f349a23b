"""Measures rehearsals: ``python -m benchmarks.rehearsal dipy==1.11.0 numpy==2.3.4 --cache DIR``.

Each release is read from a local folder and compared with a previous release on a pypiserver, of small wheels
with the same tags. The wall and CPU seconds are those of the whole process with its children.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.rig import measure, releases
from benchmarks.rig.measure import Contender, Cost
from tools.testing import indexes, wheels
from wheel_uploader import __version__
from wheel_uploader.core import filenames
from wheel_uploader.core.models import WheelName


@contextlib.contextmanager
def serve_previous_release(files: list[Path], folder: Path) -> Iterator[str]:
    """Serve version 0.1, of small wheels with the tags of ``files``, and yield the upload URL."""
    for file in files:
        name = filenames.parse_filename(file.name)
        assert isinstance(name, WheelName)
        tag = "-".join(".".join(part) for part in (name.pythons, name.abis, name.platforms))
        wheels.make_wheel(folder, name.project, "0.1", tag)
    with indexes.pypiserver(folder) as url:
        yield url


def rehearse(files: list[Path], url: str, report: Path, folder: Path) -> Cost:
    """Rehearse the release, and write its report as JSON to ``report``."""
    name = filenames.parse_filename(files[0].name)
    command = [sys.executable, "-m", "wheel_uploader", "--rehearse", "-u", str(files[0].parent)]
    command += ["--repository-url", url, "--ignore", "native", "--ignore", "release"]
    command += ["--ignore", "metadata", "--report", str(report), name.project, str(name.version)]
    return measure.run(command, cwd=folder)


@click.command()
@click.argument("requirements", nargs=-1)
@click.option("--cache", type=click.Path(path_type=Path), default=Path("cache"), help="Keep the wheels here.")
@click.option("--runs", type=int, default=3, show_default=True)
def main(requirements: tuple[str, ...], cache: Path, runs: int) -> None:
    """Rehearse each PROJECT==VERSION (default: dipy==1.11.0 numpy==2.3.4)."""
    print("| release | wheels | MB | environments | seconds | check stage | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for requirement in requirements or ("dipy==1.11.0", "numpy==2.3.4"):
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-")))
            project, _, version = requirement.partition("==")
            files = releases.get_wheels(project, version, cache.absolute())
            url = stack.enter_context(serve_previous_release(files, folder / "previous"))
            report = folder / "report.json"
            contender = Contender(name=requirement, run=functools.partial(rehearse, files, url, report))
            cost = measure.run_rounds([contender], runs, None)[requirement]
            document = json.loads(report.read_text())
        size = sum(file.stat().st_size for file in files) / 1e6
        print(
            f"| {requirement} | {len(files)} | {size:.0f} | {len(document['rehearsal'])} | {cost.wall:.1f} "
            f"| {document['timings']['check']:.1f} | {cost.cpu:.1f} | {cost.megabytes:.0f} |",
            flush=True,
        )
    print(
        f"\nMedians of {runs}. {measure.describe_machine()}. wheel-uploader {__version__}; "
        f"Python {sys.version.split()[0]}; {measure.get_version(*releases.PIP[:3], '--version')}."
    )


if __name__ == "__main__":
    main()
