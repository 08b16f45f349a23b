"""Checks released wheels and sdists of many projects, and prints every error and warning.

``python -m benchmarks.released FOLDER`` fetches the files of benchmarks/released.txt into the folder, those
that are missing, with pip by name and hash. It checks each release as ``--until check`` does with the rules
of PyPI, and prints the errors and warnings by check. benchmarks/released_verdicts.txt argues for each pair of
check and project: the finding is true, or tolerated. The command exits with 1 if an accusation has no
argument, or if more than 0.5 % of the wheels have an error that is not argued as true.

To download an sdist, pip runs its build system, in a temporary environment.
"""

from __future__ import annotations

import platform
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from benchmarks.rig import releases
from tools.testing import released_files
from wheel_uploader import __version__
from wheel_uploader.core import filenames

FILES = Path(__file__).with_name("released.txt")
ARGUMENTS = Path(__file__).with_name("released_verdicts.txt")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", multiple=True, help="Fetch and check only this project; may be repeated.")
@click.option("--jobs", default=2, show_default=True, help="Number of files that pip fetches in parallel.")
def main(folder: Path, only: tuple[str, ...], jobs: int) -> None:
    """Check the released files in FOLDER, and fetch those that are missing there."""
    listed = released_files.read_list(FILES)
    files = [file for file in listed if not only or file.project in only]
    arguments = released_files.read_arguments(ARGUMENTS)
    if only:
        arguments = {key: value for key, value in arguments.items() if key[1] in only}
    fetch_missing(files, folder, jobs)
    outcome = released_files.judge(files, folder, arguments)
    for line in released_files.format_outcome(outcome):
        print(line)
    size = sum((folder / file.filename).stat().st_size for file in files)
    print(f"{size / 1e6:.0f} MB, wheel-uploader {__version__}, Python {platform.python_version()}")
    if outcome.failures:
        raise click.ClickException("; ".join(outcome.failures))


def fetch_missing(files: Sequence[released_files.ReleasedFile], folder: Path, jobs: int) -> None:
    """Fetch the files that ``folder`` lacks with pip, and fail if pip cannot fetch one of them."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [file for file in files if not file.is_in(folder)]
    with ThreadPoolExecutor(jobs) as pool:
        failures = [message for message in pool.map(lambda file: _fetch(file, folder), missing) if message]
    if failures:
        raise click.ClickException("\n".join([f"pip did not fetch {len(failures)} files", *failures]))


def _fetch(file: released_files.ReleasedFile, folder: Path) -> str:
    """Fetch one file with pip; return a message if that failed."""
    command = releases.build_download_command(filenames.parse_filename(file.filename), folder)
    with tempfile.TemporaryDirectory() as scratch:
        # pip accepts hashes only in a file of requirements.
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(file.requirement, encoding="utf-8")
        command += ["-r", str(requirements)]
        completed = subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
    if file.is_in(folder):
        return ""
    errors = [line for line in completed.stderr.splitlines() if line.startswith("ERROR")]
    return f"{file.filename}: {errors[-1] if errors else 'pip fetched another file'}"


if __name__ == "__main__":
    main()
