"""The matrix of a release, Pythons x platforms, regardless of the versions in platform tags."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from packaging.tags import compatible_tags, cpython_tags

from wheel_uploader.core.bounds import MAX_ENUMERATED_VERSION
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, WheelName
from wheel_uploader.core.platforms import platform_tags

_PYTHON_TAG = re.compile(r"([a-z]+)(\d)(\d*)")


class WheelSlot(NamedTuple):
    """The python, ABI and platform family of a wheel: ``cp311``, ``cp311``, ``macosx_arm64``."""

    python: str
    abi: str
    #: The platform tag without its version.
    platform: str

    def __str__(self) -> str:
        return f"{self.python}-{self.abi} on {self.platform}"


class PythonBuild(NamedTuple):
    """A kind and version of Python that wheels are built for. Rows of the same kind can be ordered."""

    #: ``cp``, ``cpt`` (free-threaded), ``cp-abi3``, ``pp``, ``py-none``, ...
    kind: str
    version: tuple[int, int]
    python: str

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name for display: ``cp313``, ``cp313t``, ``cp39-abi3``."""
        if self.kind.endswith("t") and "-" not in self.kind:
            return f"{self.python}t"
        _, dash, abi = self.kind.partition("-")
        return f"{self.python}{dash}{abi}" if abi not in {"", "none"} else self.python


def split_platform_tag(platform: str) -> tuple[str, tuple[int, ...]]:
    """Return a platform tag without its version, and the version, or () if it has none."""
    name, version = platform_tags.parse_platform_family(platform)
    return str(name), version


def oldest_platform_version(name: WheelName, platform: str) -> tuple[int, ...]:
    """Return the oldest version of the family ``platform`` among the tags of a wheel."""
    versions = (split_platform_tag(tag) for tag in name.platforms)
    return min(version for tag_family, version in versions if tag_family == platform)


def expand_slots(name: WheelName) -> frozenset[WheelSlot]:
    """Return every slot that a wheel fills."""
    platforms = {split_platform_tag(platform)[0] for platform in name.platforms}
    return frozenset(
        WheelSlot(python, abi, platform)
        for python in name.pythons
        for abi in name.abis
        for platform in platforms
    )


def group_by_slot(names: Iterable[DistName]) -> dict[WheelSlot, list[WheelName]]:
    """Return the wheels of each slot, ordered by file name."""
    wheels: dict[WheelSlot, list[WheelName]] = defaultdict(list)
    for name in sorted(names, key=lambda name: name.filename):
        if isinstance(name, WheelName):
            for slot in expand_slots(name):
                wheels[slot].append(name)
    return dict(wheels)


def python_build(slot: WheelSlot) -> PythonBuild:
    """Return the kind and version of Python that a slot is for."""
    match = _PYTHON_TAG.match(slot.python)
    version = (int(match[2]), int(match[3] or 0)) if match and len(slot.python) < 16 else (0, 0)
    kind = match[1] if match else slot.python
    if slot.abi == "none" or slot.abi.startswith("abi3"):
        kind += f"-{slot.abi}"
    elif kind == "cp" and slot.abi.endswith("t"):
        kind += "t"
    return PythonBuild(kind, version, slot.python)


def platforms_by_build(names: Iterable[DistName]) -> dict[PythonBuild, set[str]]:
    """Return the platforms that have a wheel, for each row of the matrix."""
    platforms: dict[PythonBuild, set[str]] = defaultdict(set)
    for slot in group_by_slot(names):
        platforms[python_build(slot)].add(slot.platform)
    return dict(platforms)


def slots_by_cell(
    names: Sequence[DistName], *, other_names: Sequence[DistName] = ()
) -> dict[MatrixCell, list[WheelSlot]]:
    """Return every (python, platform) cell that the wheels support, and the slots that fill it.

    A wheel for the stable ABI supports all newer Pythons up to the newest that occurs in ``names`` or
    ``other_names``.
    """
    minors = list_cpython_minors((*names, *other_names))
    cells: dict[MatrixCell, list[WheelSlot]] = defaultdict(list)
    for slot in group_by_slot(names):
        for python in _supported_pythons(slot, minors):
            for platform in platform_tags.parse_platform_family(slot.platform)[0].supported_machines:
                cells[MatrixCell(python, str(platform))].append(slot)
    return dict(cells)


def list_cpython_minors(names: Iterable[DistName]) -> range:
    """Return the minor versions of CPython 3 that wheels are tagged for, and all between; may be empty."""
    minors = {
        row.version[1]
        for row in platforms_by_build(names)
        if row.kind.startswith("cp") and row.version[0] == 3 and row.version[1] <= MAX_ENUMERATED_VERSION
    }
    return range(min(minors), max(minors) + 1) if minors else range(0)


def _supported_pythons(slot: WheelSlot, minors: Collection[int]) -> Iterable[str]:
    """Return the Pythons that a wheel in this slot supports; open-ended ranges are limited to ``minors``."""
    slot_row = python_build(slot)
    if slot_row.kind.startswith("cp-abi3"):
        threaded = "t" if slot_row.kind.endswith("t") else ""
        return [f"cp3{minor}{threaded}" for minor in minors if minor >= slot_row.version[1]]
    if slot_row.kind == "py-none" and slot.python == "py3" and slot.platform != "any" and minors:
        return [f"cp3{minor}" for minor in minors]
    return [slot_row.label]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A wheel that a python on a platform would install, as one cell of a matrix."""

    python: str
    platform: str

    def __str__(self) -> str:
        return f"a wheel for {self.python} on {self.platform}"

    def is_satisfied_by(self, name: DistName) -> bool:
        """Return whether ``name`` is a wheel that this python on this platform would install."""
        return (
            isinstance(name, WheelName)
            and any(matches_platform(self.platform, platform) for platform in name.platforms)
            and any(installs_tag(self.python, python, abi) for python in name.pythons for abi in name.abis)
        )


def matches_platform(expected: str, platform: str) -> bool:
    """Return whether a platform tag is the expected one, or of the expected family and architecture."""
    if expected == platform:
        return True
    family, _ = platform_tags.parse_platform_family(platform)
    return expected == str(family) or expected in map(str, family.supported_machines)


# packaging enumerates all older versions, which would not end for a version of many digits.
_CPYTHON = re.compile(r"cp([0-9])([0-9]{1,3})t?")


_OTHER_INTERPRETER = re.compile(r"(?:pp|graalpy)([0-9])([0-9]{1,3})")


#: cibuildwheel's name for GraalPy: the version of Python, then that of GraalPy.
_GRAALPY = re.compile(r"gp(\d+)_\d+")


def installs_tag(expected_python: str, python: str, abi: str) -> bool:
    """Return whether ``expected_python`` installs wheels with this python tag and this abi tag."""
    expected_python = _GRAALPY.sub(r"graalpy\1", expected_python)
    if (python, abi) in list_interfaces(expected_python):
        return True
    return python == expected_python and not _CPYTHON.fullmatch(expected_python)


@cache
def list_interfaces(python: str) -> frozenset[tuple[str, str]]:
    """Return the (python, abi) tags of all wheels that a python installs, according to packaging."""
    if match := _CPYTHON.fullmatch(python):
        version = (int(match[1]), int(match[2]))
        # Up to Python 3.7 the abi tag had a suffix: cp27mu, cp37m.
        abis = [python] if python.endswith("t") else [python, f"{python}m", f"{python}mu"]
        tags = [*cpython_tags(version, abis, ["x"]), *compatible_tags(version, platforms=["x"])]
    elif match := _OTHER_INTERPRETER.fullmatch(python):
        tags = [*compatible_tags((int(match[1]), int(match[2])), platforms=["x"])]
    else:
        return frozenset()
    return frozenset((tag.interpreter, tag.abi) for tag in tags)
