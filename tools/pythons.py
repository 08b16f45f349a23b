"""Lists every CPython 3.11 to 3.15 on this machine: ``python -m tools.pythons``. It downloads nothing.

It finds the interpreters on PATH, those of pyenv, and those that ``uv python list --only-installed`` lists.
With ``--newest``, it lists only the newest patch release of each minor version.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.uv_program import find_uv_program

OLDEST, NEWEST = (3, 11), (3, 15)
_VERSION_SCRIPT = (
    "import platform, sys;"
    "print(platform.python_implementation(), *sys.version_info[:3], sys.version_info[3], sys.base_prefix)"
)


class Python(NamedTuple):
    """A Python interpreter outside of virtual environments."""

    version: tuple[int, int, int]
    path: str

    @property
    def minor(self) -> tuple[int, int]:
        """Major and minor version."""
        return self.version[:2]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def installed() -> list[Python]:
    """Return one interpreter for each release, sorted by version."""
    by_version: dict[tuple[int, int, int], Python] = {}
    seen: set[Path] = set()
    for candidate in _list_candidates():
        if not candidate.is_file() or (real := candidate.resolve()) in seen:
            continue
        seen.add(real)
        python = _inspect(candidate)
        if python and OLDEST <= python.minor <= NEWEST:
            by_version.setdefault(python.version, python)
    return [by_version[version] for version in sorted(by_version)]


def select_newest(pythons: list[Python]) -> list[Python]:
    """Return the newest patch release of each minor version."""
    return list({python.minor: python for python in sorted(pythons)}.values())


def _list_candidates() -> Iterator[Path]:
    names = [f"python{OLDEST[0]}.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    yield Path(getattr(sys, "_base_executable", sys.executable))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.*/bin/python"))
    # The shims of pyenv are slow, and lead to interpreters that are already listed.
    for folder in (folder for folder in os.get_exec_path() if Path(folder).name != "shims"):
        yield from (Path(folder) / name for name in names)
    if uv := find_uv_program():
        completed = subprocess.run(
            [uv, "python", "list", "--only-installed", "--offline", "--no-python-downloads"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        for line in completed.stdout.splitlines():
            yield from (Path(path) for path in line.split()[1:2])


def _inspect(path: Path) -> Python | None:
    """Ask an interpreter for its version; None if it is not a final CPython, or does not run."""
    try:
        completed = subprocess.run(
            [str(path), "-I", "-S", "-c", _VERSION_SCRIPT],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    fields = completed.stdout.split(maxsplit=5)
    if (
        completed.returncode
        or len(fields) != 6
        or fields[0] != "CPython"
        or fields[4] not in {"final", "candidate"}
    ):
        return None
    return Python((int(fields[1]), int(fields[2]), int(fields[3])), str(path))


def main() -> None:
    """Print the version and path of each interpreter, one per line."""
    pythons = installed()
    for python in select_newest(pythons) if "--newest" in sys.argv[1:] else pythons:
        print(python, python.path)


if __name__ == "__main__":
    main()
