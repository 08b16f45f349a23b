"""Other checkers of wheels, as commands: installs and runs them, and parses their output.

They are installed from PyPI into a separate virtual environment, except twine, which is our dependency. A
peer that cannot be installed is reported as absent.
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

from wheel_uploader.core.platforms import platform_tags


@dataclass(frozen=True, kw_only=True)
class PeerSpec:
    """The name of a peer, and how to start it."""

    name: str
    package: str
    #: Arguments of the Python interpreter that it is installed for.
    arguments: tuple[str, ...]
    #: True if it accepts several files; otherwise it is started once per file.
    accepts_many: bool = True


@dataclass(frozen=True, kw_only=True)
class Peer(PeerSpec):
    """An installed checker."""

    python: str
    version: str

    @property
    def command(self) -> tuple[str, ...]:
        """The command that checks the files named after it."""
        return (self.python, *self.arguments)

    def takes(self, filename: str) -> bool:
        """Return whether this checker applies to the file."""
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
        """Return the commands to run, one after another, to check these files."""
        accepted = [str(path) for path in files if self.takes(path.name)]
        if self.accepts_many:
            return [[*self.command, *accepted]] if accepted else []
        return [[*self.command, path] for path in accepted]


#: Nothing listens on this port; a dry run without an index to compare with sends no request.
_UNUSED_URL = "http://127.0.0.1:9/legacy/"
_UV_ARGUMENTS = (
    "publish",
    "--dry-run",
    "--publish-url",
    _UNUSED_URL,
    "--username",
    "nobody",
    "--password",
    "none",
)


#: Peers that are run one after another and compared with ours.
_SEQUENTIAL = (
    PeerSpec(
        name="check-wheel-contents",
        package="check-wheel-contents",
        arguments=("-m", "check_wheel_contents"),
    ),
    PeerSpec(name="twine check --strict", package="twine", arguments=("-m", "twine", "check", "--strict")),
    PeerSpec(
        name="auditwheel show",
        package="auditwheel",
        arguments=("-m", "auditwheel", "show"),
        accepts_many=False,
    ),
    PeerSpec(name="abi3audit", package="abi3audit", arguments=("-m", "abi3audit")),
)
_ADDITIONAL = (
    PeerSpec(
        name="pydistcheck",
        package="pydistcheck",
        arguments=("-c", "from pydistcheck.cli import check; check()"),
    ),
    PeerSpec(name="uv publish --dry-run", package="uv", arguments=("-m", "uv", *_UV_ARGUMENTS)),
)
_SPECS = (*_SEQUENTIAL, *_ADDITIONAL)
IN_TURN = tuple(spec.name for spec in _SEQUENTIAL)
NAMES = tuple(spec.name for spec in _SPECS)


@contextlib.contextmanager
def installed(home: Path | None = None, names: Collection[str] = NAMES) -> Iterator[tuple[Peer, ...]]:
    """Install the peers and yield those that are available; ``home`` keeps their virtual environment."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        root = home or Path(folder) / "venv"
        if not root.exists():
            venv.create(root, with_pip=True)
        yield tuple(_install_peers(root, [spec for spec in _SPECS if spec.name in names]))


def in_this_python() -> tuple[Peer, ...]:
    """Return the peers that are installed in this Python environment, as for the tests."""

    def find_version(package: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return ""

    return tuple(
        _create_peer(spec, sys.executable, version)
        for spec in _SPECS
        if (version := find_version(spec.package))
    )


def _create_peer(spec: PeerSpec, python: str, version: str) -> Peer:
    return Peer(**vars(spec), python=python, version=version)


def _install_peers(root: Path, specs: Iterable[PeerSpec]) -> Iterator[Peer]:
    python = str(root / ("Scripts" if os.name == "nt" else "bin") / "python")
    for spec in specs:
        is_ours = spec.package == "twine"
        version = metadata.version("twine") if is_ours else _install(python, spec.package)
        if version:
            yield _create_peer(spec, sys.executable if is_ours else python, version)


def against(peer: Peer, path: Path) -> frozenset[str]:
    """Return the complaints of a peer about one file; see ``parse_complaints``."""
    (command,) = peer.commands([path])
    completed = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    return parse_complaints(peer, path.name, completed.returncode, completed.stdout + completed.stderr)


def parse_complaints(peer: Peer, filename: str, code: int, output: str) -> frozenset[str]:
    """Return the complaints in a peer's output about a file, with ``exit`` for a nonzero exit code.

    They are the codes of check-wheel-contents and pydistcheck, the fields that twine misses, the platform
    that auditwheel determines if it is newer than one in the file name (with exit code 0 all the same), and
    the violations that abi3audit counts.
    """
    text = " ".join(output.split())
    complaints = set() if code == 0 else {"exit"}
    match peer.package:
        case "check-wheel-contents":
            complaints.update(re.findall(r": (W\d{3}|invalid wheel):", text))
        case "twine":
            complaints.update(re.findall(r"`(long_description\w*)` missing", text))
            if "`long_description" in text and "FAILED due to warnings" not in text:
                complaints.add("rendering")
        case "pydistcheck":
            complaints.update(re.findall(r"\d+\. \[([a-z-]+)\]", text))
        case "auditwheel":
            platforms = filename.removesuffix(".whl").rpartition("-")[2].split(".")
            (tag,) = re.findall(r'is consistent with the following platform tag: "(\w+)"', text) or ("",)
            if tag and _policy_version(tag) > min(map(_policy_version, platforms)):
                complaints.add(tag)
        case "abi3audit":
            complaints.update(re.findall(r"[1-9]\d* ABI (?:version mismatch|violation)", text))
        case _:
            # uv reports nothing but its exit code.
            pass
    return frozenset(complaints)


def against_each(peer: Peer, paths: Sequence[Path]) -> list[frozenset[str]]:
    """Return the complaints of a peer about many small files; it is started once, and forks per file."""
    if peer.package == "uv":
        return [against(peer, path) for path in paths]
    command = [peer.command[0], str(Path(__file__).with_name("forking.py")), *peer.command[1:]]
    file_list = "\n".join(map(str, paths))
    completed = subprocess.run(command, check=True, capture_output=True, text=True, input=file_list)
    results = [json.loads(line) for line in completed.stdout.splitlines()]
    return [
        parse_complaints(peer, path.name, code, output)
        for path, (code, output) in zip(paths, results, strict=True)
    ]


def _policy_version(platform: str) -> tuple[int, ...]:
    """Return the policy version of a Linux platform tag, to compare; ``linux`` is newer than any policy."""
    return platform_tags.parse_platform_family(platform)[1] or (99,)


def _install(python: str, package: str) -> str:
    """Install a package, and return its version; empty if PyPI cannot be reached."""
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", package]
    version = [python, "-c", f"from importlib.metadata import version; print(version({package!r}))"]
    subprocess.run(pip, check=False, capture_output=True)
    return subprocess.run(version, check=False, capture_output=True, text=True).stdout.strip()
