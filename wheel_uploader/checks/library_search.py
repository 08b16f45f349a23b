"""A simulation of how the loaders of Linux, macOS and Windows find a library among a wheel's members."""

from __future__ import annotations

import enum
import functools
import itertools
import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.utils import canonicalize_name

from wheel_uploader.checks.module_suffixes import parse_suffix_tag
from wheel_uploader.checks.native_code import LoadableCode, iter_loadable_code
from wheel_uploader.core.models import BinaryFormat, BinaryKind, WheelContent
from wheel_uploader.core.platforms import platforms as platforms_platforms
from wheel_uploader.core.platforms import policies
from wheel_uploader.core.platforms.platforms import GLIBC_SYSTEMS
from wheel_uploader.facts.binaries import module_names
from wheel_uploader.facts.binaries.search_paths import (
    RPATH,
    expand_search_path,
    get_installed_path,
    iter_search_folders,
)

#: Beginnings of text files that only a linker understands, and no loader.
_LINKER_SCRIPTS = (b"/* GNU ld script", b"INPUT", b"GROUP", b"OUTPUT_FORMAT")
_PROJECT_NAME = re.compile(r"[A-Za-z0-9._-]+")
#: Maximum number of search paths that are followed for one wheel.
MAX_SEARCH_PATHS = 64
#: Minimum length of a project's name; the name of a library may match a shorter one by coincidence.
_MIN_DISTINCTIVE_NAME = 5
#: The same for what distinguishes a project from another one whose name it begins with.
_MIN_COMPANION_NAME = 3
#: Beginnings of the names of the libraries of CUDA.
_CUDA_LIBRARIES = (
    *("cublas", "cudart", "cudnn", "cufft", "cufile", "cupti", "curand", "cusolver", "cusparse", "cutensor"),
    *("nccl", "nvjitlink", "nvrtc", "nvtoolsext"),
)
#: Names of projects for a version of CUDA, which users install themselves.
_CUDA_PROJECT = re.compile(r"-cu(?:da)?[0-9]+x?\Z")
#: Beginnings of the names of libraries that are loaded by the import of a project with another name. torch
#: loads its own and those of CUDA, and projects that extend it leave both out.
_LOADED_LIBRARIES = {
    "torch": ("c10.", "c10-", "caffe2", *_CUDA_LIBRARIES),
    "pyarrow": ("arrow", "parquet"),
    "kivy-deps-gstreamer": ("glib-", "gobject-"),
}


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
            if member.first_bytes.startswith(_LINKER_SCRIPTS):
                continue
            path = get_installed_path(member.name)
            self._paths.setdefault(path.rpartition("/")[2].lower(), []).append(path)
        self._sonames = {
            code.slice.library_name for code in iter_loadable_code(wheel) if code.slice.library_name
        }
        self._wheel = wheel
        #: True if the package may load libraries in any order, and from anywhere, before its modules.
        self._has_loader = wheel.loads_libraries
        # A library that is loaded once is available to all others, so all search paths are combined.
        folders = (folder for code in iter_loadable_code(wheel) for folder in _own_folders(code))
        self._folders = tuple(itertools.islice(dict.fromkeys(folders), MAX_SEARCH_PATHS))
        directories = {path.rpartition("/")[0] for paths in self._paths.values() for path in paths}
        self._required = _RequiredProjects(
            directories, _read_required_projects(wheel), canonicalize_name(wheel.name.project)
        )
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
        if "/" in library and not library.startswith(RPATH):
            folders = _get_folders_in(library, code)
            name = posixpath.basename(library)
            leads_to_required = any(self._required.has_folder(folder) for folder in folders)
        else:
            folders, name = self._folders, library.removeprefix(RPATH)
            leads_to_required = self._leads_to_required
        if code.binary.format is BinaryFormat.MACHO and any(
            policies.macos_provides(f"{folder}/{name}") for folder in folders
        ):
            return LibraryLocation.REACHABLE
        if paths and any(posixpath.normpath(posixpath.join(folder, name)) in paths for folder in folders):
            is_direct = "/" in library and not library.startswith(RPATH)
            if is_direct or not self._must_be_loaded(name, code):
                return LibraryLocation.REACHABLE
        if leads_to_required:
            return LibraryLocation.OTHER_WHEEL
        if not paths:
            return self._classify_missing(library)
        # Loaders do not search for a loaded soname, and paths outside site-packages are unknown here.
        is_outside = any(".data/" in path for path in (*paths, get_installed_path(code.member)))
        is_loaded = (
            code.binary.format is BinaryFormat.ELF
            and library in self._sonames
            and (self._has_loader or not self._is_imported(code))
        )
        return LibraryLocation.REACHABLE if is_outside or is_loaded else LibraryLocation.UNREACHABLE

    def is_plugin(self, code: LoadableCode) -> bool:
        """Return whether ``code`` is a library that no import of the wheel's modules loads."""
        return (
            code.slice.kind is BinaryKind.LIBRARY
            and bool(self._reach.folders)
            and not self._is_imported(code)
        )

    def _must_be_loaded(self, name: str, code: LoadableCode) -> bool:
        """Return whether ``code`` cannot be imported because nothing loads the library ``name`` before."""
        return not self._has_loader and self._is_imported(code) and name not in self._reach.loaded

    def _is_imported(self, code: LoadableCode) -> bool:
        """Return whether Python's import of a module loads ``code``."""
        return get_installed_path(code.member) in self._reach.folders

    @functools.cached_property
    def _reach(self) -> _Reach:
        return _follow_modules(self._wheel, self._paths)

    def _classify_missing(self, library: str) -> LibraryLocation:
        return LibraryLocation.OTHER_WHEEL if self._required.has_library(library) else LibraryLocation.MISSING

    def _find_paths(self, library: str) -> list[str]:
        return self._paths.get(posixpath.basename(library).lower(), [])


class _Reach(NamedTuple):
    """The code that is loaded when the extension modules of a wheel are imported."""

    #: Installed path of the code to the directories in which it looks for libraries.
    folders: dict[str, dict[str, None]]
    #: The names under which libraries are found.
    loaded: set[str]


def _follow_modules(wheel: WheelContent, paths_by_name: dict[str, list[str]]) -> _Reach:
    """Follow the modules' search paths, most of which also hold for the libraries that they load.

    With glibc, a RUNPATH holds only for what its own file needs, and a file that has one inherits none. musl
    and macOS inherit all search paths. On Windows, a library is found by its name. ``paths_by_name`` has the
    paths of all members by their file names in lower case.
    """
    members = {path for paths in paths_by_name.values() for path in paths}
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    is_glibc = bool(platforms) and all(platform.system in GLIBC_SYSTEMS for platform in platforms)
    code_by_path: dict[str, list[LoadableCode]] = {}
    for code in iter_loadable_code(wheel):
        code_by_path.setdefault(get_installed_path(code.member), []).append(code)
    reach = _Reach({}, set())
    queue = []
    for path, slices in code_by_path.items():
        if any(_is_module(code) for code in slices):
            reach.folders[path] = dict.fromkeys(folder for code in slices for folder in _own_folders(code))
            queue.append(path)
    while queue:
        path = queue.pop()
        folders = tuple(reach.folders[path])[:MAX_SEARCH_PATHS]
        inherited = () if is_glibc and _has_runpath(code_by_path[path]) else folders
        for code in code_by_path[path]:
            names = code.slice.needed_libraries
            if code.binary.format is BinaryFormat.PE:
                wheel.budget.count_work(1 + sum(len(paths_by_name.get(name.lower(), ())) for name in names))
                needed = _find_dlls(code, paths_by_name)
            else:
                wheel.budget.count_work(1 + len(names) * len(folders))
                needed = _find_needed(code, folders, members)
            for library, found in needed:
                reach.loaded.add(library)
                if found not in code_by_path:
                    continue
                own = is_glibc and _has_runpath(code_by_path[found])
                if _add_folders(reach, found, () if own else inherited, code_by_path[found]):
                    queue.append(found)
    return reach


def _has_runpath(slices: list[LoadableCode]) -> bool:
    return any(code.slice.has_runpath for code in slices)


def _find_needed(
    code: LoadableCode, folders: tuple[str, ...], members: set[str]
) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each library that ``code`` needs and finds."""
    for library in code.slice.needed_libraries:
        name = library.removeprefix(RPATH)
        searched = folders
        if "/" in name:
            searched, name = (
                _get_folders_in(name, code),
                posixpath.basename(name),
            )
        for folder in searched:
            path = posixpath.normpath(posixpath.join(folder, name))
            if path in members:
                yield name, path
                break


def _find_dlls(code: LoadableCode, paths_by_name: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield the name and each path of the DLLs that ``code`` needs."""
    for library in code.slice.needed_libraries:
        yield from ((library, path) for path in paths_by_name.get(library.lower(), ()))


def _add_folders(reach: _Reach, path: str, folders: tuple[str, ...], slices: list[LoadableCode]) -> bool:
    """Add ``folders`` to those of the code at ``path``; return whether that changed them."""
    known = reach.folders.get(path)
    if known is None:
        known = reach.folders[path] = dict.fromkeys(
            folder for code in slices for folder in _own_folders(code)
        )
        known.update(dict.fromkeys(folders))
        return True
    if len(known) >= MAX_SEARCH_PATHS or known.keys() >= set(folders):
        return False
    known.update(dict.fromkeys(folders))
    return True


def _is_module(code: LoadableCode) -> bool:
    path = module_names.parse_module_path(code.member)
    return (
        path is not None
        and code.slice.kind is BinaryKind.LIBRARY
        and bool(code.slice.module_functions or (path.tag and parse_suffix_tag(path.tag)))
    )


def _own_folders(code: LoadableCode) -> Iterator[str]:
    """Yield the directories to which the search paths of ``code`` lead."""
    return iter_search_folders(code.member, code.binary.format, code.slice)


def _get_folders_in(path: str, code: LoadableCode) -> tuple[str, ...]:
    """Return the directory that a library's path names in ``code``, if it is known."""
    folder = posixpath.dirname(path)
    return tuple(expand_search_path(folder, code.member, code.binary.format, code.slice))


class _RequiredProjects:
    """The packages of other wheels that are installed alongside this one."""

    def __init__(self, directories: set[str], names: frozenset[str], own_name: str) -> None:
        self._directories = directories
        self._names = names
        self._own_name = own_name
        #: The beginnings of the names of libraries that other projects install or load.
        self._libraries = (
            *_list_companions(names, own_name),
            *_list_siblings(names, own_name),
            *(library for project in names for library in _LOADED_LIBRARIES.get(project, ())),
            *(_CUDA_LIBRARIES if _CUDA_PROJECT.search(own_name) else ()),
        )

    @property
    def count(self) -> int:
        return len(self._names)

    def has_folder(self, folder: str) -> bool:
        """Return whether ``folder`` is outside this wheel and named after a project that it requires.

        Projects of one family may share a directory: the libraries of cmeel's are in cmeel.prefix/lib.
        """
        top = folder.partition("/")[0]
        family, dot, _ = top.partition(".")
        if dot and family and canonicalize_name(family) in self._names - {self._own_name}:
            return True
        if top in {"", ".."} or folder in self._directories:
            return False
        name = canonicalize_name(top)
        return any(project == name or project.startswith(f"{name}-") for project in self._names)

    def has_library(self, library: str) -> bool:
        """Return whether a library is named after a required project, like shiboken6.abi3.dll.

        It may also begin with the name of a companion: Qt5Core.dll is in PyQt5-Qt5, which PyQt5 requires; or
        with that of a sibling: libcublas.so.13 is in nvidia-cublas, which nvidia-cusolver requires.
        """
        stem = posixpath.basename(library).lower().removeprefix("lib").replace("_", "-")
        return stem.startswith(self._libraries) or any(
            len(project) >= _MIN_DISTINCTIVE_NAME and stem.startswith((f"{project}.", f"{project}-"))
            for project in self._names
        )


def _list_companions(names: frozenset[str], own_name: str) -> Iterator[str]:
    """Yield the rest of the names of projects that begin with ``own_name``: ``qt5`` of PyQt5-Qt5.

    Kivy requires kivy-deps.sdl2.
    """
    for name in names:
        rest = name.removeprefix(f"{own_name}-")
        word = rest.removeprefix("deps-")
        if rest != name and len(word) >= _MIN_COMPANION_NAME:
            yield word


def _list_siblings(names: frozenset[str], own_name: str) -> Iterator[str]:
    """Yield the second word of the names of projects whose first word is that of ``own_name``."""
    family, dash, _ = own_name.partition("-")
    for name in names:
        first, _, rest = name.partition("-")
        word = rest.partition("-")[0]
        if dash and first == family and len(word) >= _MIN_DISTINCTIVE_NAME:
            yield word


def _read_required_projects(wheel: WheelContent) -> frozenset[str]:
    """Return the normalized names of the projects that the wheel requires."""
    lines = (wheel.pkginfo_metadata or {}).get("requires-dist", ())
    return frozenset(
        canonicalize_name(match[0]) for line in lines if (match := _PROJECT_NAME.match(line.strip()))
    )
