"""A simulation of how the loaders of Linux, macOS and Windows find a library among a wheel's members."""

from __future__ import annotations

import enum
import itertools
import posixpath
import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from wheel_uploader.checks.native_code import LoadableCode, iter_loadable_code
from wheel_uploader.core.models import BinaryFormat, BinaryKind, WheelContent
from wheel_uploader.core.platforms import policies

_ORIGIN = re.compile(r"\$ORIGIN\b|\$\{ORIGIN\}")
_PROJECT_NAME = re.compile(r"[A-Za-z0-9._-]+")
#: Maximum number of search paths that are followed for one wheel.
MAX_SEARCH_PATHS = 64
_RPATH = "@rpath/"
#: Minimum length of a project's name; the name of a library may match a shorter one by coincidence.
_MIN_DISTINCTIVE_NAME = 5
#: The directory of the running program, which for an extension module is Python's.
_EXECUTABLE_PATH = "@executable_path"


class LibraryLocation(enum.Enum):
    """Result of the search for a library."""

    REACHABLE = enum.auto()
    #: In another wheel that this one requires.
    OTHER_WHEEL = enum.auto()
    #: In the wheel, but where no loader looks.
    UNREACHABLE = enum.auto()
    MISSING = enum.auto()


class LibrarySearch:
    """Index of a wheel's members as installed in site-packages, with the search paths of its code."""

    def __init__(self, wheel: WheelContent) -> None:
        #: Lower-case file name to every path with that name.
        self._paths: dict[str, list[str]] = {}
        for member in wheel.members:
            path = _get_installed_path(member.name)
            self._paths.setdefault(path.rpartition("/")[2].lower(), []).append(path)
        self._sonames = {
            code.slice.library_name for code in iter_loadable_code(wheel) if code.slice.library_name
        }
        # A library that is loaded once is available to all others, so all search paths are combined.
        folders = (
            folder
            for code in iter_loadable_code(wheel)
            for rpath in code.slice.rpaths
            for folder in _expand_search_path(rpath, code)
        )
        self._folders = tuple(itertools.islice(dict.fromkeys(folders), MAX_SEARCH_PATHS))
        directories = {path.rpartition("/")[0] for paths in self._paths.values() for path in paths}
        self._required = _RequiredProjects(directories, _read_required_projects(wheel))
        self._leads_to_required = any(self._required.has_folder(folder) for folder in self._folders)
        self._budget = wheel.budget
        #: Units of work for one search.
        self._cost = 1 + len(self._folders) + self._required.count // 8

    def find_member(self, library: str) -> str:
        """Return the path of a member with this name, in any directory; empty if there is none."""
        return next(iter(self._find_paths(library)), "")

    def locate(self, library: str, code: LoadableCode) -> LibraryLocation:
        """Return the result of the loader's search for ``library`` on behalf of ``code``."""
        self._budget.count_work(self._cost)
        paths = self._find_paths(library)
        if code.binary.format is BinaryFormat.PE:
            # DLLs are found by name, in directories that the package itself adds at run time.
            return LibraryLocation.REACHABLE if paths else self._classify_missing(library)
        if "/" in library and not library.startswith(_RPATH):
            folders = tuple(_expand_search_path(posixpath.dirname(library), code))
            name = posixpath.basename(library)
            leads_to_required = any(self._required.has_folder(folder) for folder in folders)
        else:
            folders, name = self._folders, library.removeprefix(_RPATH)
            leads_to_required = self._leads_to_required
        if code.binary.format is BinaryFormat.MACHO and any(
            policies.macos_provides(f"{folder}/{name}") for folder in folders
        ):
            return LibraryLocation.REACHABLE
        if paths and any(posixpath.normpath(posixpath.join(folder, name)) in paths for folder in folders):
            return LibraryLocation.REACHABLE
        if leads_to_required:
            return LibraryLocation.OTHER_WHEEL
        if not paths:
            return self._classify_missing(library)
        # Loaders do not search for a loaded soname, and paths outside site-packages are unknown here.
        is_outside = any(".data/" in path for path in (*paths, _get_installed_path(code.member)))
        is_loaded = code.binary.format is BinaryFormat.ELF and library in self._sonames
        return LibraryLocation.REACHABLE if is_outside or is_loaded else LibraryLocation.UNREACHABLE

    def _classify_missing(self, library: str) -> LibraryLocation:
        return LibraryLocation.OTHER_WHEEL if self._required.has_library(library) else LibraryLocation.MISSING

    def _find_paths(self, library: str) -> list[str]:
        return self._paths.get(posixpath.basename(library).lower(), [])


class _RequiredProjects:
    """The packages of other wheels that are installed alongside this one."""

    def __init__(self, directories: set[str], names: frozenset[str]) -> None:
        self._directories = directories
        self._names = names

    @property
    def count(self) -> int:
        return len(self._names)

    def has_folder(self, folder: str) -> bool:
        """Return whether ``folder`` is outside this wheel and named after a project that it requires."""
        top = folder.partition("/")[0]
        if top in {"", ".."} or folder in self._directories:
            return False
        name = canonicalize_name(top)
        return any(project == name or project.startswith(f"{name}-") for project in self._names)

    def has_library(self, library: str) -> bool:
        """Return whether a library is named after a required project, like shiboken6.abi3.dll."""
        stem = posixpath.basename(library).lower().removeprefix("lib").replace("_", "-")
        return any(
            len(project) >= _MIN_DISTINCTIVE_NAME and stem.startswith((f"{project}.", f"{project}-"))
            for project in self._names
        )


def _get_installed_path(member: str) -> str:
    """Return the path below site-packages, where two directories of ``NAME.data`` are installed too."""
    top, _, rest = member.partition("/")
    folder, _, below = rest.partition("/")
    is_library = top.endswith(".data") and top != ".data" and folder in {"purelib", "platlib"}
    return below if is_library and below else member


def _expand_search_path(path: str, code: LoadableCode) -> Iterator[str]:
    """Yield the directory or file that ``path`` denotes in ``code``: below site-packages, or absolute."""
    origin = posixpath.dirname(_get_installed_path(code.member))
    if code.binary.format is BinaryFormat.ELF:
        path = _ORIGIN.sub(lambda _: f"./{origin}", path, count=1)
    elif path.startswith("@loader_path"):
        path = f"./{origin}{path.removeprefix('@loader_path')}"
    elif path.startswith(_EXECUTABLE_PATH):
        if code.slice.kind is not BinaryKind.EXECUTABLE:
            return
        path = f"./{origin}{path.removeprefix(_EXECUTABLE_PATH)}"
    folder = posixpath.normpath(path)
    yield "" if folder == "." else folder


def _read_required_projects(wheel: WheelContent) -> frozenset[str]:
    """Return the normalized names of the projects that the wheel requires."""
    lines = (wheel.pkginfo_metadata or {}).get("requires-dist", ())
    return frozenset(
        canonicalize_name(match[0]) for line in lines if (match := _PROJECT_NAME.match(line.strip()))
    )
