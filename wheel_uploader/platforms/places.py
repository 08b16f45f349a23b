"""Pythons x platforms: the places of a release that wheels stand in, whatever the versions in their tags."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from wheel_uploader.brought.expect import Cell
from wheel_uploader.models import DistName, WheelName
from wheel_uploader.platforms import families

_PYTHON = re.compile(r"([a-z]+)(\d)(\d*)")


class Slot(NamedTuple):
    """A place that one wheel fills: ``cp311``, ``cp311``, ``macosx_arm64``."""

    python: str
    abi: str
    #: A platform tag without its version.
    platform: str

    def __str__(self) -> str:
        return f"{self.python}-{self.abi} on {self.platform}"


class Row(NamedTuple):
    """One build of Python that wheels are made for; rows of one kind can be compared."""

    #: ``cp``, ``cpt`` (free-threaded), ``cp-abi3``, ``pp``, ``py-none``, ...
    kind: str
    version: tuple[int, int]
    python: str

    def __str__(self) -> str:
        return self.word

    @property
    def word(self) -> str:
        """As people say it: ``cp313``, ``cp313t``, ``cp39-abi3``."""
        if self.kind.endswith("t") and "-" not in self.kind:
            return f"{self.python}t"
        _, dash, abi = self.kind.partition("-")
        return f"{self.python}{dash}{abi}" if abi not in {"", "none"} else self.python


def family(platform: str) -> tuple[str, tuple[int, ...]]:
    """A platform tag without its version, and the version; () where it has none."""
    found, version = families.parse(platform)
    return str(found), version


def version_of(name: WheelName, platform: str) -> tuple[int, ...]:
    """The oldest version of a family that a wheel says it is for."""
    return min((number for tag in name.platforms for each, number in [family(tag)] if each == platform))


def slots(name: WheelName) -> frozenset[Slot]:
    """Every place that a wheel stands in."""
    platforms = {family(platform)[0] for platform in name.platforms}
    return frozenset(
        Slot(python, abi, platform) for python in name.pythons for abi in name.abis for platform in platforms
    )


def by_slot(names: Iterable[DistName]) -> dict[Slot, list[WheelName]]:
    """The wheels of each place, in order of name."""
    found: dict[Slot, list[WheelName]] = defaultdict(list)
    for name in sorted(names, key=lambda each: each.filename):
        if isinstance(name, WheelName):
            for slot in slots(name):
                found[slot].append(name)
    return dict(found)


def row(slot: Slot) -> Row:
    """The build of Python that a place is for."""
    found = _PYTHON.match(slot.python)
    version = (int(found[2]), int(found[3] or 0)) if found and len(slot.python) < 16 else (0, 0)
    kind = found[1] if found else slot.python
    if slot.abi == "none" or slot.abi.startswith("abi3"):
        kind += f"-{slot.abi}"
    elif kind == "cp" and slot.abi.endswith("t"):
        kind += "t"
    return Row(kind, version, slot.python)


def rows(names: Iterable[DistName]) -> dict[Row, set[str]]:
    """The platforms that there is a wheel for, for each build of Python."""
    found: dict[Row, set[str]] = defaultdict(set)
    for slot in by_slot(names):
        found[row(slot)].add(slot.platform)
    return dict(found)


def cells_of(names: Sequence[DistName], *, beside: Sequence[DistName] = ()) -> dict[Cell, list[Slot]]:
    """Every python and platform that wheels of these names serve, and the places that those stand in.

    An open end (the stable ABI) reaches to the newest python that these names, or those ``beside``, speak of.
    """
    there = rows((*names, *beside))
    minors = {row.version[1] for row in there if row.kind.startswith("cp") and row.version[0] == 3}
    cells: dict[Cell, list[Slot]] = defaultdict(list)
    for slot in by_slot(names):
        for python in _pythons(slot, minors):
            for platform in families.parse(slot.platform)[0].served:
                cells[Cell(python, str(platform))].append(slot)
    return dict(cells)


def _pythons(slot: Slot, minors: Collection[int]) -> Iterable[str]:
    """The pythons that a wheel in this place serves; of an open end those that the releases speak of."""
    of = row(slot)
    if of.kind.startswith("cp-abi3"):
        threaded = "t" if of.kind.endswith("t") else ""
        return [f"cp3{minor}{threaded}" for minor in minors if minor >= of.version[1]]
    if of.kind == "py-none" and slot.python == "py3" and slot.platform != "any" and minors:
        return [f"cp3{minor}" for minor in minors]
    return [of.word]
