"""List every CPython 3.11 to 3.15 on this machine: ``python tools/pythons.py``. Nothing is downloaded.

It finds the interpreters on PATH, those of pyenv, and those that ``uv python list --only-installed`` knows.
With ``--newest`` the list has the newest patch release of each minor version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OLDEST, NEWEST = (3, 11), (3, 15)
_ASK = (
    "import platform, sys;"
    "print(platform.python_implementation(), *sys.version_info[:3], sys.version_info[3], sys.base_prefix)"
)


class Python(NamedTuple):
    """An interpreter that is not of a virtual environment."""

    version: tuple[int, int, int]
    path: str

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[:2]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def installed() -> list[Python]:
    """Return one interpreter for each release, in order of version."""
    found: dict[tuple[int, int, int], Python] = {}
    asked: set[Path] = set()
    for candidate in _candidates():
        if not candidate.is_file() or (real := candidate.resolve()) in asked:
            continue
        asked.add(real)
        python = _ask(candidate)
        if python and OLDEST <= python.minor <= NEWEST:
            found.setdefault(python.version, python)
    return [found[version] for version in sorted(found)]


def newest_of_each(pythons: list[Python]) -> list[Python]:
    """Return the newest patch release of each minor version."""
    return list({python.minor: python for python in sorted(pythons)}.values())


def _candidates() -> Iterator[Path]:
    names = [f"python{OLDEST[0]}.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    yield Path(getattr(sys, "_base_executable", sys.executable))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.*/bin/python"))
    # The shims of pyenv are slow, and lead to what was found already.
    for folder in (folder for folder in os.get_exec_path() if Path(folder).name != "shims"):
        yield from (Path(folder) / name for name in names)
    if uv := shutil.which("uv"):
        listed = subprocess.run(
            [uv, "python", "list", "--only-installed", "--offline", "--no-python-downloads"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        for line in listed.stdout.splitlines():
            yield from (Path(word) for word in line.split()[1:2])


def _ask(path: Path) -> Python | None:
    """Ask an interpreter for its version; None if it is not a final CPython, or does not run."""
    try:
        done = subprocess.run(
            [str(path), "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.split(maxsplit=5)
    if done.returncode or len(said) != 6 or said[0] != "CPython" or said[4] not in {"final", "candidate"}:
        return None
    return Python((int(said[1]), int(said[2]), int(said[3])), str(path))


def main() -> None:
    """Print version and path of each, one a line."""
    pythons = installed()
    for python in newest_of_each(pythons) if "--newest" in sys.argv[1:] else pythons:
        print(python, python.path)


if __name__ == "__main__":
    main()
