"""The Pythons of this machine: on PATH, of pyenv and of uv, and what each of them installs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import packaging
from packaging.specifiers import InvalidSpecifier

from wheel_uploader import bounded, child_processes
from wheel_uploader.child_environment import Kind
from wheel_uploader.child_outcome import CannotStart
from wheel_uploader.models import WheelName

#: Seconds: one that does not answer in this time is not used.
_LIMIT = 60
_NAME = re.compile(r"(?:python|pypy|graalpy)(?:3(?:\.\d+)?t?)?(?:\.exe)?\Z")
#: The last part of a version, which no tag has.
_PATCH = re.compile(r"(?<!\d)(\d++\.\d++)\.\w+")
_ASK = """\
import json, platform, sys
sys.path.append(sys.argv[1])
from packaging.tags import sys_tags
threads = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", free-threaded"
# A build between two releases ends with a plus, which is no version.
version = platform.python_version().rstrip("+")
name = f"{platform.python_implementation()} {version}{threads}"
print(json.dumps({"name": name, "version": version, "tags": [str(tag) for tag in sys_tags()]}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python of this machine."""

    #: ``CPython 3.13.1``.
    name: str
    path: str
    #: ``3.13.1``.
    version: str
    tags: frozenset[str] = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def installs(self, wheel: WheelName, requires: str = "") -> bool:
        """Whether a wheel with these tags, and with this Requires-Python, is one for it."""
        with contextlib.suppress(InvalidSpecifier):
            if not bounded.specifiers(requires).contains(self.version, prereleases=True):
                return False
        return any(str(tag) in self.tags for tag in wheel.tags)


def found() -> tuple[Interpreter, ...]:
    """One of each implementation and minor version, the one that runs this program first."""
    by_name: dict[str, Interpreter] = {}
    asked: set[Path] = set()
    for path in (Path(sys.executable), *_others()):
        # Not resolved: what a link is called decides which environment a Python thinks that it is in.
        if path in asked or not path.is_file():
            continue
        asked.add(path)
        interpreter = _asked(path)
        if interpreter:
            by_name.setdefault(_PATCH.sub(r"\1", interpreter.name), interpreter)
    return tuple(by_name.values())


def _others() -> Iterator[Path]:
    yield from (*_on_path(), *_of_pyenv(), *_of_uv())


def _on_path() -> Iterator[Path]:
    for folder in map(Path, os.get_exec_path()):
        # A shim of pyenv starts whatever is chosen, or fails: its real ones are looked at below.
        if folder.name != "shims":
            with contextlib.suppress(OSError):
                yield from sorted(path for path in folder.iterdir() if _NAME.match(path.name))


def _of_pyenv() -> Iterator[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from sorted(root.glob("versions/*/bin/python3"))


def _of_uv() -> Iterator[Path]:
    given = os.environ.get("UV_PYTHON_INSTALL_DIR")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    root = Path(given) if given else Path(data, "uv", "python")
    yield from sorted(root.expanduser().glob("*/bin/python3*"))


def _asked(path: Path) -> Interpreter | None:
    """What an interpreter says of itself; None for one that is too old, broken, or no Python."""
    library = str(Path(packaging.__file__).parent.parent)
    try:
        done = child_processes.run([str(path), "-I", "-c", _ASK, library], Kind.PYTHON, seconds=_LIMIT)
        if done.status or done.timed_out:
            return None
        said = bounded.load_json(bytes(done.output))
        return Interpreter(
            name=said["name"], path=str(path), version=said["version"], tags=frozenset(said["tags"])
        )
    except (CannotStart, OSError, ValueError, KeyError, TypeError):
        return None
