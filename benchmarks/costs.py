"""Compares the CPU time of common runs with stored figures, so that a slower one is noticed before a release.

``python -m benchmarks.costs`` runs ``--help``, a listing of 2,000 files, the checks of a wheel with modules
of the standard library, and the download of a large wheel from a server on loopback. It divides the CPU time
(user and system) of each by that of a reference in the same rounds, which does the same kind of work: imports
modules of the standard library; inflates and hashes the members of that wheel; receives and hashes the large
one. So a quotient depends little on the machine, with or without instructions for sha256, and on its load; of
each command the fastest round counts. The command exits with 1 if a quotient exceeds the one in
benchmarks/costs.json by more than 10 % (``--tolerance``: on another kind of machine more is needed); more
rounds are run first, since only those without disturbance count. ``--update`` stores the quotients of this
run.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.loopback import loopback
from benchmarks.rig import releases
from tools.testing import wheels

FIGURES = Path(__file__).with_name("costs.json")
ROUNDS, MAX_ROUNDS = 8, 40
OTHER_FILES = 2_000
DOWNLOAD_BYTES = 50_000_000

_IMPORTS = """
import asyncio, concurrent.futures, decimal, email.message, fractions, http.client, json, logging, sqlite3
import ssl, tarfile, typing, unittest.mock, urllib.request, xml.etree.ElementTree
import hashlib, sys, zipfile
"""
#: The references, as scripts with the path of the wheel, or the URL of the download, as their argument.
_REFERENCES = {
    "imports": _IMPORTS,
    "inflate and hash": f"""{_IMPORTS}
for _ in range(5):
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        for name in wheel.namelist():
            hashlib.sha256(wheel.read(name)).digest()
""",
    "receive and hash": f"""{_IMPORTS}
digest = hashlib.sha256()
with urllib.request.urlopen(sys.argv[1]) as response, open("file", "wb") as file:
    while chunk := response.read(1 << 18):
        digest.update(chunk)
        file.write(chunk)
""",
}
#: The reference of each command.
_REFERENCE_OF = {
    "--help": "imports",
    "--until list": "imports",
    "--until check": "inflate and hash",
    "--until download": "receive and hash",
}


@click.command()
@click.option("--update", is_flag=True, help="Store the figures of this run.")
@click.option(
    "--tolerance",
    default=10.0,
    show_default=True,
    help="Percent that a figure may be over the stored one.",
)
def main(update: bool, tolerance: float) -> None:
    """Compare the CPU time of common runs with the stored figures."""
    stored = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    # Installed packages have compiled bytecode; here the first run may write it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        limits = {command: figure * (1 + tolerance / 100) for command, figure in stored.items()}
        seconds, rounds = measure_all(Path(name), {} if update else limits)
    quotients = compute_quotients(seconds)
    print(f"| run | CPU seconds | reference | its CPU seconds | quotient | stored |\n{'|---' * 6}|")
    for command, quotient in quotients.items():
        reference = _REFERENCE_OF[command]
        print(
            f"| {command} | {seconds[command]:.3f} | {reference} | {seconds[reference]:.3f} "
            f"| {quotient:.2f} | {stored.get(command, '')} |"
        )
    print(f"\n{rounds} rounds, Python {sys.version.split()[0]}")
    if update:
        rounded = {command: round(quotient, 2) for command, quotient in quotients.items()}
        FIGURES.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
    elif costly := find_costly(quotients, limits):
        raise click.ClickException(f"more than {tolerance:g} % over the stored figure: {', '.join(costly)}")


def measure_all(folder: Path, limits: Mapping[str, float]) -> tuple[dict[str, float], int]:
    """Return the fewest CPU seconds of each command, and the number of rounds."""
    source_wheel, staged = make_source_wheel(folder / "source"), folder / "staged"
    large_wheel = releases.generate_wheel(staged, DOWNLOAD_BYTES)
    program = [sys.executable, "-m", "wheel_uploader"]
    with loopback(staged) as server:
        server.other_files = OTHER_FILES
        arguments = {
            "inflate and hash": str(source_wheel),
            "receive and hash": f"{server.files}{large_wheel.name}",
        }
        commands = {
            name: [sys.executable, "-c", script, arguments.get(name, "")]
            for name, script in _REFERENCES.items()
        } | {
            "--help": [*program, "--help"],
            "--until list": [*program, "--until", "list", "-u", f"{server.files}html/", "dipy", "1.20.0"],
            "--until check": [*program, "--until", "check", "-u", str(source_wheel), "--ignore", "content"],
            "--until download": [*program, "--until", "download", "-u", server.files, "made", "1.0"],
        }
        for command in commands.values():
            measure(command, folder / "run")  # warm up: the first run writes bytecode
        fewest: dict[str, float] = dict.fromkeys(commands, math.inf)
        for count in range(1, MAX_ROUNDS + 1):
            for name, command in commands.items():
                fewest[name] = min(fewest[name], measure(command, folder / "run"))
            if count >= ROUNDS and not find_costly(compute_quotients(fewest), limits):
                break
    return fewest, count


def make_source_wheel(folder: Path) -> Path:
    """Write a wheel with the modules of the packages of the standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    packages = ("asyncio", "concurrent", "email", "html", "http", "importlib", "json", "logging", "unittest")
    files = {
        f"made/{path.relative_to(library).as_posix()}": path.read_bytes()
        for package in packages
        for path in sorted((library / package).rglob("*.py"))
    }
    return wheels.make_wheel(folder, "made", "1.0", files=files)


def measure(command: list[str], folder: Path) -> float:
    """Run a command in ``folder``, which is empty, and return its CPU seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    completed = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if completed.returncode:
        output = (completed.stdout + completed.stderr)[-1000:]
        raise click.ClickException(f"{' '.join(command)} exited with {completed.returncode}: {output}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compute_quotients(seconds: Mapping[str, float]) -> dict[str, float]:
    return {command: seconds[command] / seconds[reference] for command, reference in _REFERENCE_OF.items()}


def find_costly(quotients: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    """Return the commands whose quotients exceed their limits."""
    return [command for command, quotient in quotients.items() if quotient > limits.get(command, math.inf)]


if __name__ == "__main__":
    main()
