"""The systems that the wheels of a release serve, by version, and those that lose a wheel to another release.

``MatrixCell`` ignores the versions in platform tags. Here a cell is split by them: macOS 11 and macOS 14 on
one architecture, glibc 2.17 and 2.28. Of several wheels that a system accepts, it gets the one whose tag is
the most specific, as in pip.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, WheelName
from wheel_uploader.core.platforms.matrix import MatrixCell, installs_tag
from wheel_uploader.core.platforms.platform_tags import (
    PlatformFamily,
    VersionNumbers,
    parse_platform_family,
)
from wheel_uploader.core.platforms.platforms import normalize_macos_version

#: Systems whose newer versions accept the wheels for older ones. Pyodide and Emscripten do not.
_ORDERED_SYSTEMS = frozenset({"manylinux", "musllinux", "macosx", "ios", "android"})
#: The first macOS on Apple silicon, and the oldest macOS for which python.org builds a CPython 3 for Intel,
#: from that minor version on. A lower number in a tag does not add a system.
_OLDEST_MACOS_ARM64 = (11, 0)
_OLDEST_MACOS_X86_64 = ((14, (10, 15)), (12, (10, 13)))
#: The versions of macOS that a version number is skipped after.
_MACOS_BEFORE = {(11, 0): (10, 15), (26, 0): (15, 0)}

_CPYTHON = re.compile(r"cp3(\d{1,3})t?")
_TAG_MINOR = re.compile(r"[a-z]+\d(\d{1,3})\b")


class LossKind(enum.Enum):
    """Ways in which a system is worse off."""

    #: It accepted a wheel of the previous release, but does not accept any of this one.
    NO_WHEEL = enum.auto()
    #: The previous release had a special wheel for it as well as a general one; it gets a general one now.
    GENERAL_WHEEL = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemLoss:
    """Versions of one system, with one Python, that are worse off than with the previous release."""

    python: str
    family: PlatformFamily
    kind: LossKind
    #: The first version, and the first one after it that is not worse off; None: all later ones are.
    first: VersionNumbers
    end: VersionNumbers | None
    #: Tags of the wheels that these systems installed; of those that they, or newer ones, install now.
    previous_tags: frozenset[str]
    current_tags: frozenset[str]

    @property
    def versions(self) -> str:
        """The versions for display: ``macOS 11 to 13``, ``glibc 2.28 and later``."""
        return describe_versions(self.family.system, self.first, self.end)


class _Build(NamedTuple):
    """A wheel as one system sees it: lower values are preferred by an installer."""

    #: How general its Python and ABI tags are.
    generality: tuple[int, int]
    #: The oldest version of the system that accepts it, negated: of two wheels, the newer one is preferred.
    negated_version: VersionNumbers
    tag: str

    @property
    def version(self) -> VersionNumbers:
        """The oldest version of the system that accepts it."""
        return tuple(-number for number in self.negated_version)


class _TaggedWheel(NamedTuple):
    """A wheel with its oldest tag of one family, and the version in this tag."""

    version: VersionNumbers
    tag: str
    filename: str


#: The wheels of one family for each interface, a pair of Python tag and ABI tag.
_Interfaces = Mapping[tuple[str, str], Sequence[_TaggedWheel]]


def find_system_losses(
    previous: Iterable[DistName], current: Iterable[DistName], cells: Iterable[MatrixCell]
) -> Iterator[SystemLoss]:
    """Yield the systems of each cell that lose a wheel, or a special wheel.

    A cell without any wheel in ``current`` is left out: it is lost as a whole.
    """
    previous_builds, current_builds = _index_by_family(previous), _index_by_family(current)
    for cell in sorted(cells, key=str):
        family = parse_platform_family(cell.platform)[0]
        old = _list_builds(cell, family, previous_builds.get(family, {}))
        new = _list_builds(cell, family, current_builds.get(family, {}))
        if old and new:
            yield from _compare_builds(cell, family, old, new)


def _index_by_family(names: Iterable[DistName]) -> dict[PlatformFamily, _Interfaces]:
    index: dict[PlatformFamily, dict[tuple[str, str], list[_TaggedWheel]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for name in names:
        if isinstance(name, WheelName):
            for family, tagged in _oldest_tags(name).items():
                for python in name.pythons:
                    for abi in name.abis:
                        index[family][python, abi].append(tagged)
    return dict(index)


def _oldest_tags(name: WheelName) -> dict[PlatformFamily, _TaggedWheel]:
    """Return the oldest tag of a wheel for each kind of machine that it runs on."""
    oldest: dict[PlatformFamily, _TaggedWheel] = {}
    for tag in name.platforms:
        family, version = parse_platform_family(tag)
        for machine in family.supported_machines:
            found = _TaggedWheel(_normalize_version(machine, version), tag, name.filename)
            oldest[machine] = min(found, oldest.get(machine, found))
    return oldest


def _normalize_version(family: PlatformFamily, version: VersionNumbers) -> VersionNumbers:
    if family.system not in _ORDERED_SYSTEMS:
        return ()
    if family.system == "macosx" and len(version) == 2:
        version = normalize_macos_version((version[0], version[1]))
        return max(version, _OLDEST_MACOS_ARM64) if family.arch == "arm64" else version
    return version


def _list_builds(cell: MatrixCell, family: PlatformFamily, interfaces: _Interfaces) -> list[_Build]:
    """Return the builds that the Python of ``cell`` installs, the most specific first."""
    oldest = _oldest_version(cell.python, family)
    builds: dict[str, _Build] = {}
    for (python, abi), wheels in interfaces.items():
        if not installs_tag(cell.python, python, abi):
            continue
        generality = _rate_generality(python, abi)
        for version, tag, filename in wheels:
            build = _Build(generality, tuple(-number for number in max(version, oldest or version)), tag)
            builds[filename] = min(build, builds.get(filename, build))
    return sorted(builds.values())


def _oldest_version(python: str, family: PlatformFamily) -> VersionNumbers:
    """Return the oldest version of the system that has this Python; () if it is not known."""
    match = _CPYTHON.fullmatch(python)
    if match and family == ("macosx", "x86_64"):
        for minor, version in _OLDEST_MACOS_X86_64:
            if int(match[1]) >= minor:
                return version
    return ()


def _rate_generality(python: str, abi: str) -> tuple[int, int]:
    """Return a low value for the tags of one Python, a higher one the more Pythons accept them."""
    match = _TAG_MINOR.match(python)
    minor = int(match[1]) if match else 0
    if abi.startswith("abi3"):
        return 1, -minor
    return (2, -minor) if abi == "none" else (0, 0)


def _compare_builds(
    cell: MatrixCell, family: PlatformFamily, old: Sequence[_Build], new: Sequence[_Build]
) -> Iterator[SystemLoss]:
    """Yield the ranges of versions that are worse off."""
    points = sorted({build.version for build in (*old, *new)})
    losses = [(point, _find_loss(point, old, new)) for point in points]
    start = 0
    while start < len(losses):
        kind = losses[start][1]
        stop = start
        while stop < len(losses) and losses[stop][1] is kind:
            stop += 1
        if kind:
            worse = points[start:stop]
            end = points[stop] if stop < len(points) else None
            reached = end if kind is LossKind.NO_WHEEL and end is not None else worse[0]
            yield SystemLoss(
                python=cell.python,
                family=family,
                kind=kind,
                first=worse[0],
                end=end,
                previous_tags=frozenset(
                    build.tag for point in worse if (build := _select_build(old, point)) is not None
                ),
                current_tags=frozenset(build.tag for build in [_select_build(new, reached)] if build),
            )
        start = stop


def _find_loss(point: VersionNumbers, old: Sequence[_Build], new: Sequence[_Build]) -> LossKind | None:
    """Return how the system of version ``point`` is worse off; None if it is not."""
    accepted = [build for build in old if build.version <= point]
    if not accepted:
        return None
    present = _select_build(new, point)
    if present is None:
        return LossKind.NO_WHEEL
    best = accepted[0]
    # Only systems are compared, so a wheel for the stable ABI may replace one for a single Python.
    general = [build for build in accepted if build.generality == best.generality]
    older = [build.version for build in general if build.version < best.version]
    return LossKind.GENERAL_WHEEL if older and present.version <= max(older) else None


def _select_build(builds: Sequence[_Build], version: VersionNumbers) -> _Build | None:
    """Return the build that an installer selects on this version of the system."""
    return next((build for build in builds if build.version <= version), None)


# --- for display -----------------------------------------------------------------------------------

_SYSTEM_LABELS = {
    "macosx": "macOS",
    "manylinux": "glibc",
    "musllinux": "musl",
    "ios": "iOS",
    "android": "Android API level",
}


def describe_versions(system: str, first: VersionNumbers, end: VersionNumbers | None) -> str:
    """Return the versions from ``first`` up to ``end``, which is excluded: ``macOS 11 to 13``."""
    label = _SYSTEM_LABELS.get(system, system)
    if not first:
        return label
    begin = _format_version(system, first)
    if end is None:
        return f"{label} {begin} and later"
    last = _format_version(system, _version_before(system, end))
    return f"{label} {begin}" if last == begin else f"{label} {begin} to {last}"


def _format_version(system: str, version: VersionNumbers) -> str:
    if system in {"macosx", "ios"} and version >= (11, 0) and version[1:] == (0,):
        return str(version[0])
    return ".".join(map(str, version))


def _version_before(system: str, version: VersionNumbers) -> VersionNumbers:
    """Return the last version before ``version``."""
    if system == "macosx" and (before := _MACOS_BEFORE.get((version[0], version[-1]))):
        return before
    if version[-1] > 0:
        return (*version[:-1], version[-1] - 1)
    return (version[0] - 1, *version[1:])
