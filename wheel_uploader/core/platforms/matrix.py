"""The matrix of a release, Pythons x platforms, regardless of the versions in platform tags."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from wheel_uploader.core.models import DistName, WheelName
from wheel_uploader.core.platforms import platform_tags
from wheel_uploader.listing.expected_files import MatrixCell

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

    A wheel for the stable ABI supports all newer Pythons that occur in ``names`` or ``beside``.
    """
    matrix_rows = platforms_by_build((*names, *other_names))
    minors = {row.version[1] for row in matrix_rows if row.kind.startswith("cp") and row.version[0] == 3}
    cells: dict[MatrixCell, list[WheelSlot]] = defaultdict(list)
    for slot in group_by_slot(names):
        for python in _supported_pythons(slot, minors):
            for platform in platform_tags.parse_platform_family(slot.platform)[0].supported_machines:
                cells[MatrixCell(python, str(platform))].append(slot)
    return dict(cells)


def _supported_pythons(slot: WheelSlot, minors: Collection[int]) -> Iterable[str]:
    """Return the Pythons that a wheel in this slot supports; open-ended ranges are limited to ``minors``."""
    slot_row = python_build(slot)
    if slot_row.kind.startswith("cp-abi3"):
        threaded = "t" if slot_row.kind.endswith("t") else ""
        return [f"cp3{minor}{threaded}" for minor in minors if minor >= slot_row.version[1]]
    if slot_row.kind == "py-none" and slot.python == "py3" and slot.platform != "any" and minors:
        return [f"cp3{minor}" for minor in minors]
    return [slot_row.label]
