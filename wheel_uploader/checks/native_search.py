"""Where the loaders of Linux, macOS and Windows look for a library, played through on a wheel's members."""

from __future__ import annotations

import enum
import itertools
import posixpath
import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from wheel_uploader.checks.native_code import Code, loaded
from wheel_uploader.models import NativeFormat, NativeKind, WheelContent
from wheel_uploader.platforms import promises

_ORIGIN = re.compile(r"\$ORIGIN\b|\$\{ORIGIN\}")
_PROJECT = re.compile(r"[A-Za-z0-9._-]+")
#: Search paths of one wheel that are followed.
MAX_FOLDERS = 64
_RPATH = "@rpath/"
#: Letters that make a project's name one that no library has by chance.
_DISTINCT = 5
#: What stands for the directory of the program that runs, which is Python's.
_PROGRAM = "@executable_path"


class Found(enum.Enum):
    """What became of the search for a library."""

    THERE = enum.auto()
    #: In another wheel, which this one requires.
    ELSEWHERE = enum.auto()
    #: In the wheel, and no loader would look there.
    UNREACHABLE = enum.auto()
    MISSING = enum.auto()


class Search:
    """The members of one wheel as they lie in site-packages, and the directories that its code looks into."""

    def __init__(self, wheel: WheelContent) -> None:
        #: Every path of a name, whatever its case.
        self._paths: dict[str, list[str]] = {}
        for member in wheel.members:
            path = _installed(member.name)
            self._paths.setdefault(path.rpartition("/")[2].lower(), []).append(path)
        self._names = {code.slice.name for code in loaded(wheel) if code.slice.name}
        # What one library loads, another finds: the search paths of all are taken together.
        folders = (
            folder for code in loaded(wheel) for rpath in code.slice.rpaths for folder in _expand(rpath, code)
        )
        self._folders = tuple(itertools.islice(dict.fromkeys(folders), MAX_FOLDERS))
        own = {path.rpartition("/")[0] for paths in self._paths.values() for path in paths}
        self._others = _Others(own, _required(wheel))
        self._leads_to_others = any(self._others.have(folder) for folder in self._folders)
        self._budget = wheel.budget
        #: Units of work for one search.
        self._cost = 1 + len(self._folders) + self._others.count // 8

    def where(self, library: str) -> str:
        """A member of this name, wherever it lies; empty when there is none."""
        return next(iter(self._called(library)), "")

    def find(self, library: str, code: Code) -> Found:
        """What happens when ``code`` asks for ``library``."""
        self._budget.tick(self._cost)
        there = self._called(library)
        if code.facts.format is NativeFormat.PE:
            # DLLs are found by name, in directories that the package itself adds at run time.
            return Found.THERE if there else self._missing(library)
        if "/" in library and not library.startswith(_RPATH):
            folders = tuple(_expand(posixpath.dirname(library), code))
            rest = posixpath.basename(library)
            leads_to_others = any(self._others.have(folder) for folder in folders)
        else:
            folders, rest = self._folders, library.removeprefix(_RPATH)
            leads_to_others = self._leads_to_others
        if code.facts.format is NativeFormat.MACHO and any(
            promises.has_macos(f"{path}/{rest}") for path in folders
        ):
            return Found.THERE
        if there and any(posixpath.normpath(posixpath.join(folder, rest)) in there for folder in folders):
            return Found.THERE
        if leads_to_others:
            return Found.ELSEWHERE
        if not there:
            return self._missing(library)
        # A soname that is loaded already is not searched; and outside site-packages paths are not known.
        is_outside = any(".data/" in path for path in (*there, _installed(code.member)))
        is_loaded = code.facts.format is NativeFormat.ELF and library in self._names
        return Found.THERE if is_outside or is_loaded else Found.UNREACHABLE

    def _missing(self, library: str) -> Found:
        return Found.ELSEWHERE if self._others.are_called(library) else Found.MISSING

    def _called(self, library: str) -> list[str]:
        return self._paths.get(posixpath.basename(library).lower(), [])


class _Others:
    """The packages of other wheels, which are installed beside this one."""

    def __init__(self, own: set[str], required: frozenset[str]) -> None:
        self._own = own
        self._required = required

    @property
    def count(self) -> int:
        return len(self._required)

    def have(self, folder: str) -> bool:
        """Whether ``folder`` is none of this wheel's, and is called after a project that it requires."""
        top = folder.partition("/")[0]
        if top in {"", ".."} or folder in self._own:
            return False
        name = canonicalize_name(top)
        return any(project == name or project.startswith(f"{name}-") for project in self._required)

    def are_called(self, library: str) -> bool:
        """Whether a library is called after a project that this wheel requires: shiboken6.abi3.dll."""
        stem = posixpath.basename(library).lower().removeprefix("lib").replace("_", "-")
        return any(
            len(project) >= _DISTINCT and stem.startswith((f"{project}.", f"{project}-"))
            for project in self._required
        )


def _installed(member: str) -> str:
    """Return where a member is below site-packages: two folders of ``NAME.data`` are put there, too."""
    top, _, rest = member.partition("/")
    folder, _, below = rest.partition("/")
    is_there = top.endswith(".data") and top != ".data" and folder in {"purelib", "platlib"}
    return below if is_there and below else member


def _expand(path: str, code: Code) -> Iterator[str]:
    """The directory or file that ``path`` stands for in ``code``: below site-packages, or absolute."""
    here = posixpath.dirname(_installed(code.member))
    if code.facts.format is NativeFormat.ELF:
        path = _ORIGIN.sub(lambda _: f"./{here}", path, count=1)
    elif path.startswith("@loader_path"):
        path = f"./{here}{path.removeprefix('@loader_path')}"
    elif path.startswith(_PROGRAM):
        if code.slice.kind is not NativeKind.EXECUTABLE:
            return
        path = f"./{here}{path.removeprefix(_PROGRAM)}"
    folder = posixpath.normpath(path)
    yield "" if folder == "." else folder


def _required(wheel: WheelContent) -> frozenset[str]:
    """The projects that the wheel requires."""
    lines = (wheel.pkginfo or {}).get("requires-dist", ())
    return frozenset(canonicalize_name(found[0]) for line in lines if (found := _PROJECT.match(line.strip())))
