"""Pythons x platforms: the places of a release that wheels stand in, whatever the versions in their tags."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from wheel_uploader.models import DistName, WheelName

#: Platform tags with a version in them, between the family and the architecture.
_VERSIONED = re.compile(
    r"(manylinux|musllinux|macosx|ios|android|pyodide|emscripten|pyemscripten)"
    r"(1|2010|2014|(?:_\d+)+)_(\D.*)"
)
_OLD_MANYLINUX = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
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
    found = _VERSIONED.fullmatch(platform)
    if not found:
        return platform, ()
    version = found[2]
    numbers = _OLD_MANYLINUX.get(version) or tuple(int(part) for part in version.strip("_").split("_"))
    return f"{found[1]}_{found[3]}", numbers


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
