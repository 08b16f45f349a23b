"""The four checkers of the field, as commands: they are installed, told apart and run here, and nowhere else.

check-wheel-contents, auditwheel and abi3audit come from PyPI into a virtual environment of the benchmark's
own; twine is the one that we depend on. A peer that cannot be installed is absent, and is said to be.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One checker: what it is called, and the command that judges files."""

    name: str
    package: str
    command: tuple[str, ...]
    version: str
    #: Takes several files at once; the others are started for each file.
    many: bool

    def takes(self, filename: str) -> bool:
        """Whether the file is one that this checker is for."""
        platform = filename.removesuffix(".whl").rpartition("-")[2]
        match self.package:
            case "twine":
                return True
            case "auditwheel":
                return filename.endswith(".whl") and "linux" in platform
            case "abi3audit":
                return filename.endswith(".whl") and "-abi3-" in filename
            case _:
                return filename.endswith(".whl")

    def commands(self, files: list[Path]) -> list[list[str]]:
        """What has to be run, one after another, for these files."""
        taken = [str(path) for path in files if self.takes(path.name)]
        if self.many:
            return [[*self.command, *taken]] if taken else []
        return [[*self.command, path] for path in taken]


#: Name, package, module, arguments, and whether it takes several files.
_PEERS = (
    ("check-wheel-contents", "check-wheel-contents", "check_wheel_contents", (), True),
    ("twine check --strict", "twine", "twine", ("check", "--strict"), True),
    ("auditwheel show", "auditwheel", "auditwheel", ("show",), False),
    ("abi3audit", "abi3audit", "abi3audit", (), True),
)
NAMES = tuple(name for name, *_ in _PEERS)


@contextlib.contextmanager
def installed(home: Path | None = None) -> Iterator[tuple[Peer, ...]]:
    """The peers that are there. ``home`` keeps their virtual environment for another run."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        root = home or Path(folder) / "venv"
        if not root.exists():
            venv.create(root, with_pip=True)
        yield tuple(_peers(root))


def _peers(root: Path) -> Iterator[Peer]:
    python = str(root / ("Scripts" if os.name == "nt" else "bin") / "python")
    for name, package, module, arguments, many in _PEERS:
        own = sys.executable if package == "twine" else python
        version = metadata.version(package) if package == "twine" else _install(python, package)
        if version:
            yield Peer(
                name=name,
                package=package,
                command=(own, "-m", module, *arguments),
                version=version,
                many=many,
            )


def _install(python: str, package: str) -> str:
    """Its version, or nothing where PyPI cannot be reached."""
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", package]
    version = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    subprocess.run(pip, check=False, capture_output=True)
    return subprocess.run(version, check=False, capture_output=True, text=True).stdout.strip()
