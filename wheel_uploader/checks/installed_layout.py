"""The files that installing a wheel creates: its members by their installed path, and generated scripts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import WheelContent, WheelMember
from wheel_uploader.facts.archive import entry_points, installed_paths, record
from wheel_uploader.facts.archive.entry_points import Script
from wheel_uploader.facts.archive.installed_paths import InstalledPath

#: Suffixes of modules; the one of an extension module begins at the first dot of its name.
_SOURCE_SUFFIXES = (".py", ".pyc", ".pye", ".pyw")
_EXTENSION_SUFFIXES = (".so", ".pyd")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledFile:
    """A file of a wheel at the place where it is installed."""

    member: WheelMember
    scheme: str
    #: The path below the directory of the scheme.
    path: str


def list_data_files(wheel: WheelContent) -> Iterator[InstalledFile]:
    """Yield the files below a ``.data`` directory, without those that installers refuse."""
    return _locate(member for member in wheel.members if ".data/" in member.name)


def list_top_files(wheel: WheelContent) -> Iterator[InstalledFile]:
    """Yield the files directly in site-packages."""
    members = (member for member in wheel.members if "/" not in member.name or ".data/" in member.name)
    for file in _locate(members):
        if file.scheme == installed_paths.SITE and "/" not in file.path:
            yield file


def _locate(members: Iterable[WheelMember]) -> Iterator[InstalledFile]:
    for member in members:
        if not member.is_directory and (place := installed_paths.find_installed_path(member.name)):
            yield InstalledFile(member=member, scheme=place.scheme, path=place.path)


def list_scripts(wheel: WheelContent) -> tuple[Script, ...]:
    """Return the scripts that installers generate."""
    data = wheel.retained_members.get(f"{record.find_dist_info(wheel)}/entry_points.txt")
    return _parse_scripts(data) if data else ()


@functools.lru_cache(maxsize=16)
def _parse_scripts(data: bytes) -> tuple[Script, ...]:
    return entry_points.parse_scripts(data)


def find_collisions(wheel: WheelContent) -> Iterator[tuple[InstalledPath, list[WheelMember]]]:
    """Yield each installed path that several members with different contents have."""
    by_path: dict[InstalledPath, list[WheelMember]] = {}
    for file in list_data_files(wheel):
        by_path.setdefault(InstalledPath(file.scheme, file.path), []).append(file.member)
    if not by_path:
        return
    by_name = {member.name: member for member in wheel.members}
    for place, data_members in by_path.items():
        same_name = by_name.get(place.path) if place.scheme == installed_paths.SITE else None
        members = [same_name, *data_members] if same_name else data_members
        # Members with the same name are duplicates in the archive itself.
        if len({member.name for member in members}) > 1 and len({member.sha256 for member in members}) > 1:
            yield place, members


class ModuleIndex:
    """The modules and packages of a wheel that scripts import, with the packages that contain them."""

    def __init__(self, wheel: WheelContent, scripts: Iterable[Script]) -> None:
        #: The modules and their packages, as paths without suffix.
        self._wanted = {path for script in scripts for path in _list_parents(script.module)}
        #: The modules that were found.
        self._modules: set[str] = set()
        #: Directories with any file, and those that are regular packages.
        self._directories: set[str] = set()
        self._packages: set[str] = set()
        #: True if a .pth file may add directories to the import path.
        self.has_path_file = False
        tops = tuple({path.partition("/")[0] for path in self._wanted})
        for member in wheel.members:
            if member.name.startswith(tops) or ".data/" in member.name or member.name.endswith(".pth"):
                self._add(installed_paths.get_site_path(member.name))

    def _add(self, path: str) -> None:
        directory, _, basename = path.rpartition("/")
        self.has_path_file |= not directory and basename.endswith(".pth")
        end = path.find("/")
        while end >= 0 and path[:end] in self._wanted:
            self._directories.add(path[:end])
            end = path.find("/", end + 1)
        if basename.endswith(_SOURCE_SUFFIXES):
            stem = basename.rpartition(".")[0]
        elif basename.endswith(_EXTENSION_SUFFIXES):
            stem = basename.partition(".")[0]
        else:
            return
        module = directory if stem == "__init__" else f"{directory}/{stem}" if directory else stem
        if module in self._wanted:
            self._modules.add(module)
        if stem == "__init__" and module in self._wanted:
            self._packages.add(module)

    def has(self, module: str) -> bool:
        """Return whether the wheel installs this module, regular package or namespace package."""
        path = module.replace(".", "/")
        return path in self._modules or path in self._directories

    def has_code(self, module: str) -> bool:
        """Return whether the wheel has this module or regular package, in which a function may be."""
        return module.replace(".", "/") in self._modules

    def is_complete_package(self, module: str) -> bool:
        """Return whether this is a regular package, in which no other project installs modules."""
        return module.replace(".", "/") in self._packages


def _list_parents(module: str) -> Iterator[str]:
    """Yield the path of a module without its suffix, and those of the packages that contain it."""
    parts = module.split(".")
    yield from ("/".join(parts[: count + 1]) for count in range(len(parts)))


def map_retained_sources(wheel: WheelContent) -> dict[str, str]:
    """Return the retained source files as a mapping from the path in site-packages to the member."""
    return {
        installed_paths.get_site_path(name): name for name in wheel.retained_members if name.endswith(".py")
    }
