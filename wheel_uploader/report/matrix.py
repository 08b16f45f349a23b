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
from wheel_uploader.report.look import PLAIN, Ink, Look

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


def lines(matrix: Matrix, look: Look = PLAIN, troubles: Mapping[str, str] | None = None) -> Iterator[str]:
    """The matrix as text of at most ``look.width`` columns, in several parts if need be.

    ``troubles``: file names, each with a word for what is wrong with it.
    """
    label = max(len(python) for python in matrix.pythons)
    platforms = list(matrix.platforms)
    words = {place: _word(cell, look, troubles or {}) for place, cell in matrix.cells.items()}
    nothing = _Word("\N{MIDDLE DOT}" if look.utf8 else ".", Ink.DIM)
    grid = {
        Place(python, platform): words.get(Place(python, platform), nothing)
        for python in matrix.pythons
        for platform in platforms
    }
    while platforms:
        widths = _widths(matrix.pythons, platforms, grid, look.width - len(_GAP) - label)
        yield from _part(matrix.pythons, widths, label, grid, look)
        del platforms[: len(widths)]
    shown = {word.text for word in words.values()}
    if matrix.compared_with and shown & {_NEW, _LOST}:
        yield f"{_GAP}new, LOST: compared with {matrix.compared_with}"
    covered = f"({_mark(look)})"
    if covered in shown:
        yield f"{_GAP}{covered}: a wheel of another row or column is installed there"


class _Word(NamedTuple):
    """What stands in a place, and how it is coloured."""

    text: str
    ink: Ink | None


_NEW, _LOST, _MISSING = "new", "LOST", "MISSING"


def _mark(look: Look) -> str:
    return "\N{CHECK MARK}" if look.utf8 else "x"


def _word(cell: Cell, look: Look, troubles: Mapping[str, str]) -> _Word:
    wrong = [troubles[filename] for filename in cell.files if filename in troubles]
    if wrong:
        return _Word(wrong[0], Ink.RED)
    return {
        State.PRESENT: _Word(_mark(look), Ink.GREEN),
        State.NEW: _Word(_NEW, Ink.GREEN),
        State.LOST: _Word(_LOST, Ink.RED),
        State.MISSING: _Word(_MISSING, Ink.RED),
        State.COVERED: _Word(f"({_mark(look)})", None),
    }[cell.state]


def _widths(
    pythons: Sequence[str], platforms: Sequence[Family], grid: Mapping[Place, _Word], room: int
) -> dict[Family, int]:
    """As many of the next platforms as fit beside each other, one at least, with the width of each."""
    widths: dict[Family, int] = {}
    family = ""
    for platform, following in zip(platforms, [*platforms[1:], None], strict=True):
        words = (grid[Place(python, platform)].text for python in pythons)
        width = max(len(platform.arch), *map(len, words))
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


def _part(
    pythons: Sequence[str],
    widths: Mapping[Family, int],
    label: int,
    grid: Mapping[Place, _Word],
    look: Look,
) -> Iterator[str]:
    """One or two lines of headings, and a line for each python."""
    families: dict[str, int] = {}
    for platform, width in widths.items():
        before = families.get(platform.system)
        families[platform.system] = width if before is None else before + len(_GAP) + width
    yield _line("", label, [(family, width, None) for family, width in families.items()], look)
    if any(platform.arch for platform in widths):
        yield _line("", label, [(platform.arch, width, None) for platform, width in widths.items()], look)
    for python in pythons:
        words = [(*grid[Place(python, platform)], width) for platform, width in widths.items()]
        yield _line(python, label, [(text, width, ink) for text, ink, width in words], look)


def _line(python: str, label: int, cells: Sequence[tuple[str, int, Ink | None]], look: Look) -> str:
    """What is left, and the cells, each with its width and colour; no space at the end."""
    if not cells:
        return f"{_GAP}{python}"
    padded = [look.paint(text, ink) + " " * (width - len(text)) for text, width, ink in cells]
    return _GAP.join(["", python.ljust(label), *padded]).rstrip()
