"""The checkers of the field, as commands: they are installed, told apart, run and understood here alone.

They come from PyPI into a virtual environment of the benchmark's own, but for twine, which is the one that we
depend on. A peer that cannot be installed is absent, and is said to be.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from wheel_uploader.platforms import families


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
            case "twine" | "pydistcheck" | "uv":
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
_COMMANDS = (*_IN_TURN, *_BESIDES)
IN_TURN = tuple(each.name for each in _IN_TURN)
NAMES = tuple(each.name for each in _COMMANDS)


@contextlib.contextmanager
def installed(home: Path | None = None, names: Collection[str] = NAMES) -> Iterator[tuple[Peer, ...]]:
    """Those of the peers that are there. ``home`` keeps their virtual environment for another run."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        root = home or Path(folder) / "venv"
        if not root.exists():
            venv.create(root, with_pip=True)
        yield tuple(_peers(root, [each for each in _COMMANDS if each.name in names]))


def in_this_python() -> tuple[Peer, ...]:
    """Those of the peers that are installed beside us, as they are for the tests."""

    def version(package: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return ""

    return tuple(_peer(each, sys.executable, there) for each in _COMMANDS if (there := version(each.package)))


def _peer(each: _Command, python: str, version: str) -> Peer:
    return Peer(
        name=each.name,
        package=each.package,
        command=(python, *each.arguments),
        version=version,
        many=each.many,
    )


def _peers(root: Path, commands: Iterable[_Command]) -> Iterator[Peer]:
    python = str(root / ("Scripts" if os.name == "nt" else "bin") / "python")
    for each in commands:
        is_ours = each.package == "twine"
        version = metadata.version("twine") if is_ours else _install(python, each.package)
        if version:
            yield _peer(each, sys.executable if is_ours else python, version)


def against(peer: Peer, path: Path) -> frozenset[str]:
    """What a peer has against one file: see ``meaning``."""
    (command,) = peer.commands([path])
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    return meaning(peer, path.name, done.returncode, done.stdout + done.stderr)


def meaning(peer: Peer, filename: str, code: int, said: str) -> frozenset[str]:
    """What a peer has against a file: ``exit`` for a code that is not 0, and what its words mean.

    These are the codes of check-wheel-contents and pydistcheck; what twine misses; the platform that
    auditwheel finds, when it asks for more than one of the file name (it ends with 0 all the same); and the
    violations that abi3audit counts.
    """
    words = " ".join(said.split())
    found = set() if code == 0 else {"exit"}
    match peer.package:
        case "check-wheel-contents":
            found.update(re.findall(r": (W\d{3}|invalid wheel):", words))
        case "twine":
            found.update(re.findall(r"`(long_description\w*)` missing", words))
            if "`long_description" in words and "FAILED due to warnings" not in words:
                found.add("rendering")
        case "pydistcheck":
            found.update(re.findall(r"\d+\. \[([a-z-]+)\]", words))
        case "auditwheel":
            platforms = filename.removesuffix(".whl").rpartition("-")[2].split(".")
            (tag,) = re.findall(r'is consistent with the following platform tag: "(\w+)"', words) or ("",)
            if tag and _demand(tag) > min(map(_demand, platforms)):
                found.add(tag)
        case "abi3audit":
            found.update(re.findall(r"[1-9]\d* ABI (?:version mismatch|violation)", words))
        case _:
            # Of uv the exit code is all there is.
            pass
    return frozenset(found)


def against_each(peer: Peer, paths: Sequence[Path]) -> list[frozenset[str]]:
    """What a peer has against each of many small files; it is started once, and forks for each of them."""
    if peer.package == "uv":
        return [against(peer, path) for path in paths]
    command = [peer.command[0], str(Path(__file__).with_name("forking.py")), *peer.command[1:]]
    told = "\n".join(map(str, paths))
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=told)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [meaning(peer, path.name, code, said) for path, (code, said) in zip(paths, answers, strict=True)]


def _demand(platform: str) -> tuple[int, ...]:
    """What a platform tag of Linux asks for, to be compared; ``linux`` is more than any policy promises."""
    return families.parse(platform)[1] or (99,)


def _install(python: str, package: str) -> str:
    """Its version, or nothing where PyPI cannot be reached."""
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", package]
    version = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    subprocess.run(pip, check=False, capture_output=True)
    return subprocess.run(version, check=False, capture_output=True, text=True).stdout.strip()
