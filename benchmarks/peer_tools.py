"""The checkers of the field, as commands: they are installed, told apart and run here, and nowhere else.

They come from PyPI into a virtual environment of the benchmark's own, but for twine, which is the one that we
depend on. A peer that cannot be installed is absent, and is said to be.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Collection, Iterable, Iterator
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


#: Nothing listens there, and nothing is asked: a dry run without an index to compare with stays at home.
_NOWHERE = "http://127.0.0.1:9/legacy/"
_UV = ("publish", "--dry-run", "--publish-url", _NOWHERE, "--username", "nobody", "--password", "none")


@dataclass(frozen=True, kw_only=True)
class _Command:
    """How a peer is called here, and started."""

    name: str
    package: str
    #: What follows the Python that it is installed for.
    arguments: tuple[str, ...]
    many: bool


#: Those whose work ours is compared with, one after another.
_IN_TURN = (
    _Command(
        name="check-wheel-contents",
        package="check-wheel-contents",
        arguments=("-m", "check_wheel_contents"),
        many=True,
    ),
    _Command(
        name="twine check --strict",
        package="twine",
        arguments=("-m", "twine", "check", "--strict"),
        many=True,
    ),
    _Command(
        name="auditwheel show", package="auditwheel", arguments=("-m", "auditwheel", "show"), many=False
    ),
    _Command(name="abi3audit", package="abi3audit", arguments=("-m", "abi3audit"), many=True),
)
_BESIDES = (
    _Command(
        name="pydistcheck",
        package="pydistcheck",
        arguments=("-c", "from pydistcheck.cli import check; check()"),
        many=True,
    ),
    _Command(name="uv publish --dry-run", package="uv", arguments=("-m", "uv", *_UV), many=True),
)
IN_TURN = tuple(each.name for each in _IN_TURN)
NAMES = (*IN_TURN, *(each.name for each in _BESIDES))


@contextlib.contextmanager
def installed(home: Path | None = None, names: Collection[str] = NAMES) -> Iterator[tuple[Peer, ...]]:
    """Those of the peers that are there. ``home`` keeps their virtual environment for another run."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        root = home or Path(folder) / "venv"
        if not root.exists():
            venv.create(root, with_pip=True)
        yield tuple(_peers(root, [each for each in (*_IN_TURN, *_BESIDES) if each.name in names]))


def _peers(root: Path, commands: Iterable[_Command]) -> Iterator[Peer]:
    python = str(root / ("Scripts" if os.name == "nt" else "bin") / "python")
    for each in commands:
        is_ours = each.package == "twine"
        version = metadata.version("twine") if is_ours else _install(python, each.package)
        if version:
            yield Peer(
                name=each.name,
                package=each.package,
                command=(sys.executable if is_ours else python, *each.arguments),
                version=version,
                many=each.many,
            )


def _install(python: str, package: str) -> str:
    """Its version, or nothing where PyPI cannot be reached."""
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", package]
    version = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    subprocess.run(pip, check=False, capture_output=True)
    return subprocess.run(version, check=False, capture_output=True, text=True).stdout.strip()
