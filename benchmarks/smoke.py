"""Measures smoke tests: ``python -m benchmarks.smoke dipy 1.11.0 --cache DIR``.

The wheels of a release that the Pythons of this machine can install are tested with an import, by a run that
finds uv on PATH, and by one that finds only pip. The caches of pip and uv are as an earlier run left them.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.rig import measure, releases
from benchmarks.rig.measure import Contender, Cost
from wheel_uploader import __version__
from wheel_uploader.core import filenames
from wheel_uploader.core.models import WheelName
from wheel_uploader.rehearsal import interpreters


def choose_wheels(files: list[Path], folder: Path) -> list[Path]:
    """Link the wheels that a Python of this machine can install into ``folder``, and return the links."""
    pythons = interpreters.find_interpreters()
    folder.mkdir()
    links = []
    for file in files:
        name = filenames.parse_filename(file.name)
        if isinstance(name, WheelName) and any(python.can_install(name) for python in pythons):
            links.append(folder / file.name)
            shutil.copyfile(file, links[-1])
    return links


def run_smoke_tests(release: tuple[str, str], wheels: Path, path: str, folder: Path) -> Cost:
    """Check the wheels and import the project from each of them."""
    script = shlex.join(["python", "-c", f"import {release[0]}"])
    command = [
        sys.executable,
        "-m",
        "wheel_uploader",
        "--until",
        "check",
        "-u",
        str(wheels),
        "--smoke",
        script,
    ]
    command += ["--ignore", "native", "--ignore", "release", "--ignore", "metadata", *release]
    return measure.run(command, cwd=folder, environment={**os.environ, "PATH": path})


@click.command()
@click.argument("project", default="dipy")
@click.argument("version", default="1.11.0")
@click.option("--cache", type=click.Path(path_type=Path), default=Path("cache"), help="Keep the wheels here.")
@click.option("--runs", type=int, default=3, show_default=True)
@click.option("--only", type=click.Choice(["uv", "pip"]), help="Run only with one of them.")
def main(project: str, version: str, cache: Path, runs: int, only: str | None) -> None:
    """Install and import the wheels of PROJECT VERSION, with uv and with pip."""
    path = os.environ.get("PATH", os.defpath)
    without_uv = os.pathsep.join(each for each in path.split(os.pathsep) if not Path(each, "uv").exists())
    files = releases.get_wheels(project, version, cache.absolute())
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        wheels = choose_wheels(files, Path(folder) / "wheels")
        run = functools.partial(run_smoke_tests, (project, version), Path(folder) / "wheels")
        contenders = [
            Contender(name=name, run=functools.partial(run, found))
            for name, found in (("uv", path), ("pip", without_uv))
            if only in {None, name}
        ]
        costs = measure.run_rounds(contenders, runs, None)
    print("| installed by | wheels | seconds | CPU s | peak MB |")
    print("|---|---|---|---|---|")
    for name, cost in costs.items():
        print(f"| {name} | {len(wheels)} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.megabytes:.0f} |")
    print(
        f"\nMedians of {runs}, whole processes with the checks. {measure.describe_machine()}. "
        f"wheel-uploader {__version__}; Python {sys.version.split()[0]}; "
        f"{measure.get_version('uv', '--version')}."
    )


if __name__ == "__main__":
    main()
