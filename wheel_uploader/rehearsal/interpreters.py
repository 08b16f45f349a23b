"""The Pythons of this machine, from PATH, pyenv and uv, and the wheels that each can install."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

import packaging
from packaging.specifiers import InvalidSpecifier

from wheel_uploader.core import bounds
from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import WheelName

#: In seconds; a slower interpreter is not used.
_LIMIT = 60
_EXECUTABLE_NAME = re.compile(r"(?:python|pypy|graalpy)(?:3(?:\.\d+)?t?)?(?:\.exe)?\Z")
#: Matches a version; the group is the version without its patch level.
_PATCH = re.compile(r"(?<!\d)(\d++\.\d++)\.\w+")
_DESCRIBE_SCRIPT = """\
import json, platform, sys
sys.path.append(sys.argv[1])
from packaging.tags import sys_tags
threads = "" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", free-threaded"
# A development build ends with a plus, which is not valid in a version.
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

    def can_install(self, wheel: WheelName, requires_python: str = "") -> bool:
        """Return whether it can install a wheel with these tags and this Requires-Python."""
        with contextlib.suppress(InvalidSpecifier):
            if not bounds.parse_specifiers(requires_python).contains(self.version, prereleases=True):
                return False
        return any(str(tag) in self.tags for tag in wheel.tags)


def find_interpreters() -> tuple[Interpreter, ...]:
    """Return one interpreter for each implementation and minor version, the current one first."""
    by_name: dict[str, Interpreter] = {}
    seen: set[Path] = set()
    for path in (Path(sys.executable), *_other_executables()):
        # Not resolved, because the path of a link decides which environment a Python belongs to.
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        interpreter = _describe(path)
        if interpreter:
            by_name.setdefault(_PATCH.sub(r"\1", interpreter.name), interpreter)
    return tuple(by_name.values())


def _other_executables() -> Iterator[Path]:
    yield from (*_on_path(), *_in_pyenv(), *_in_uv())


def _on_path() -> Iterator[Path]:
    for folder in map(Path, os.get_exec_path()):
        # A shim of pyenv starts the selected version or fails; _in_pyenv finds the real executables.
        if folder.name != "shims":
            with contextlib.suppress(OSError):
                yield from sorted(path for path in folder.iterdir() if _EXECUTABLE_NAME.match(path.name))


def _in_pyenv() -> Iterator[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    yield from sorted(root.glob("versions/*/bin/python3"))


def _in_uv() -> Iterator[Path]:
    install_dir = os.environ.get("UV_PYTHON_INSTALL_DIR")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    root = Path(install_dir) if install_dir else Path(data, "uv", "python")
    yield from sorted(root.expanduser().glob("*/bin/python3*"))


def _describe(path: Path) -> Interpreter | None:
    """Return the interpreter at ``path``; None if it is too old, broken, or not Python."""
    library = str(Path(packaging.__file__).parent.parent)
    try:
        done = child_process.run_child(
            [str(path), "-I", "-c", _DESCRIBE_SCRIPT, library], ChildKind.PYTHON, timeout=_LIMIT
        )
        if done.exit_status or done.timed_out:
            return None
        description = bounds.load_json(bytes(done.output))
        return Interpreter(
            name=description["name"],
            path=str(path),
            version=description["version"],
            tags=frozenset(description["tags"]),
        )
    except (ChildStartError, OSError, ValueError, KeyError, TypeError):
        return None
