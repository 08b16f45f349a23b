"""Pythons x platforms: where the release has a wheel, where it lost or gained one, where one is missing."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wheel_uploader import names
from wheel_uploader.brought import expect
from wheel_uploader.models import DistName, Report
from wheel_uploader.platforms import families
from wheel_uploader.platforms.families import Family
from wheel_uploader.platforms.places import Slot, by_slot, cells_of, row

#: Columns of the screen.
WIDTH = 80
_GAP = "  "


class State(enum.StrEnum):
    """What is known of one place of the matrix."""

    PRESENT = "present"
    #: The release that was compared with had no wheel in this place.
    NEW = "new"
    #: It had one, and nothing takes its place.
    LOST = "lost"
    MISSING = "missing"
    #: It had one, or one is expected: a wheel of another place (universal2, abi3) is installed there.
    COVERED = "covered"


class Place(NamedTuple):
    """A row and a column."""

    python: str
    platform: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A place with something to say: its state, and the wheels that stand there."""

    state: State
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All places that a wheel of this release or of the previous one has, or that one is expected for."""

    pythons: tuple[str, ...]
    platforms: tuple[Family, ...]
    cells: Mapping[Place, Cell]
    #: The version that was compared with; empty when none was.
    compared_with: str = ""


# --- from names ------------------------------------------------------------------------------------


def of(report: Report) -> Matrix:
    """The matrix of a report; without rows when nothing was found."""
    present = [name for name, _ in report.selection.files] if report.selection else []
    return make(present, report.previous, report.lost, report.expected)


def make(
    present: Sequence[DistName],
    previous: Iterable[str] = (),
    lost: Iterable[tuple[str, str]] = (),
    expected: Iterable[tuple[str, str]] = (),
) -> Matrix:
    """The matrix of the wheels among ``present``.

    ``previous`` are file names of the release before, of which some may be no wheel's, and ``lost`` the
    pythons and platforms among them that are gone; what is gone on purpose, with a python that
    Requires-Python refuses now, has no place. ``expected`` are pythons and platforms as expect has them.
    """
    earlier = tuple(parsed(previous))
    before = cells_of(earlier, beside=present)
    here = {_place(slot): tuple(name.filename for name in names) for slot, names in by_slot(present).items()}
    there = {_place(slot) for slot in by_slot(earlier)}
    cells = {
        place: Cell(state=State.NEW if there and place not in there else State.PRESENT, files=files)
        for place, files in here.items()
    }
    gone = set(lost)
    for cell, slots in before.items():
        for place in map(_place, slots):
            if (cell.python, cell.platform) in gone and place not in here:
                cells[place] = Cell(state=State.LOST)
            elif place not in cells and _is_filled(cell, present):
                cells[place] = Cell(state=State.COVERED)
    for python, platform in expected:
        cell = expect.Cell(python, platform)
        state = State.COVERED if _is_filled(cell, present) else State.MISSING
        cells.setdefault(Place(python, families.parse(platform)[0]), Cell(state=state))
    return Matrix(
        pythons=tuple(sorted({place.python for place in cells}, key=_python_order)),
        platforms=tuple(
            sorted({place.platform for place in cells}, key=lambda each: (each.system == "any", each))
        ),
        cells=cells,
        compared_with=str(earlier[0].version) if earlier else "",
    )


def _place(slot: Slot) -> Place:
    return Place(row(slot).word, families.parse(slot.platform)[0])


def _is_filled(cell: expect.Cell, present: Iterable[DistName]) -> bool:
    return any(cell.is_filled_by(name) for name in present)


def parsed(filenames: Iterable[str]) -> Iterator[DistName]:
    """The names of wheels and sdists among ``filenames``."""
    for filename in filenames:
        try:
            yield names.parse(filename)
        except names.NameRefused:
            continue


_KINDS = ("cp", "pp", "graalpy")


def _python_order(python: str) -> tuple[int, bool, tuple[int, int], str]:
    """CPython by version, its stable ABI, other interpreters, and what runs on all of them."""
    found = re.match(r"([a-z]+)(\d)(\d*)", python)
    if not found:
        return (len(_KINDS), True, (0, 0), python)
    kind = _KINDS.index(found[1]) if found[1] in _KINDS else len(_KINDS)
    return (kind, "-" in python, (int(found[2]), int(found[3] or 0)), python)


# --- on the screen ---------------------------------------------------------------------------------


def lines(matrix: Matrix, *, utf8: bool = False) -> Iterator[str]:
    """The matrix as text of at most ``WIDTH`` columns, in several parts if need be."""
    label = max(len(python) for python in matrix.pythons)
    platforms = list(matrix.platforms)
    words = _words(utf8)
    while platforms:
        widths = _widths(matrix, platforms, words, WIDTH - len(_GAP) - label)
        yield from _part(matrix, widths, label, words)
        del platforms[: len(widths)]
    states = {cell.state for cell in matrix.cells.values()}
    if matrix.compared_with and states & {State.NEW, State.LOST}:
        yield f"{_GAP}new, LOST: compared with {matrix.compared_with}"
    if State.COVERED in states:
        yield f"{_GAP}{words[State.COVERED]}: a wheel of another row or column is installed there"


def _words(utf8: bool) -> dict[State | None, str]:
    mark, nothing = ("\N{CHECK MARK}", "\N{MIDDLE DOT}") if utf8 else ("x", ".")
    return {
        None: nothing,
        State.PRESENT: mark,
        State.NEW: "new",
        State.LOST: "LOST",
        State.MISSING: "MISSING",
        State.COVERED: f"({mark})",
    }


def _widths(
    matrix: Matrix, platforms: Sequence[Family], words: Mapping[State | None, str], room: int
) -> dict[Family, int]:
    """As many of the next platforms as fit beside each other, one at least, with the width of each."""
    widths: dict[Family, int] = {}
    family = ""
    for platform, following in zip(platforms, [*platforms[1:], None], strict=True):
        states = (_state(matrix, python, platform) for python in matrix.pythons)
        width = max(len(platform.arch), *(len(words[state]) for state in states))
        # The family's name stands over all of its columns.
        needed = max(width, len(platform.system)) if platform.system != family else width
        family = platform.system
        if following is None or following.system != family:
            width = needed
        if room < len(_GAP) + needed and widths:
            break
        widths[platform] = width
        room -= len(_GAP) + width
    return widths


def _state(matrix: Matrix, python: str, platform: Family) -> State | None:
    cell = matrix.cells.get(Place(python, platform))
    return cell.state if cell else None


def _part(
    matrix: Matrix, widths: Mapping[Family, int], label: int, words: Mapping[State | None, str]
) -> Iterator[str]:
    """One or two lines of headings, and a line for each python."""
    families: dict[str, int] = {}
    for platform, width in widths.items():
        before = families.get(platform.system)
        families[platform.system] = width if before is None else before + len(_GAP) + width
    yield _line("", label, [family.ljust(width) for family, width in families.items()])
    if any(platform.arch for platform in widths):
        yield _line("", label, [platform.arch.ljust(width) for platform, width in widths.items()])
    for python in matrix.pythons:
        cells = [words[_state(matrix, python, platform)].ljust(width) for platform, width in widths.items()]
        yield _line(python, label, cells)


def _line(python: str, label: int, cells: Iterable[str]) -> str:
    return _GAP.join(["", python.ljust(label), *cells]).rstrip()
