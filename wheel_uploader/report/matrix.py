"""The matrix of Pythons and platforms, with the state of each cell: present, new, lost, missing, covered."""

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

_COLUMN_GAP = "  "


class State(enum.StrEnum):
    """The state of one cell. The values are part of the JSON format."""

    PRESENT = "present"
    #: Present, and the previous release had no wheel here.
    NEW = "new"
    #: The previous release had a wheel here; this one has neither a wheel nor a substitute.
    LOST = "lost"
    #: A wheel is expected here, but there is none.
    MISSING = "missing"
    #: Expected or in the previous release; a wheel of another cell (universal2, abi3) is installed here.
    COVERED = "covered"


class Place(NamedTuple):
    """The coordinates of a cell: a Python and a platform."""

    python: str
    platform: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell that is not empty: its state and its wheels."""

    state: State
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The cells for the wheels of this release, of the previous one, and for the expected wheels."""

    pythons: tuple[str, ...]
    platforms: tuple[Family, ...]
    cells: Mapping[Place, Cell]
    #: The version of the previous release; empty if nothing was compared.
    compared_with: str = ""


# --- from names ------------------------------------------------------------------------------------


def of(report: Report) -> Matrix:
    """Return the matrix of a report; empty if no files were listed."""
    present = [name for name, _ in report.selection.files] if report.selection else []
    return make(present, report.previous, report.lost, report.expected)


def make(
    present: Sequence[DistName],
    previous: Iterable[str] = (),
    lost: Iterable[tuple[str, str]] = (),
    expected: Iterable[tuple[str, str]] = (),
) -> Matrix:
    """Return the matrix of the wheels among ``present``.

    ``previous`` holds the file names of the previous release, whether wheels or not, and ``lost`` the pairs
    of Python and platform that it has and this release lacks. A wheel that is absent on purpose, because
    Requires-Python now excludes its Python, has no cell. ``expected`` holds the pairs of Python and platform
    that wheels are expected for.
    """
    previous_names = tuple(parsed(previous))
    previous_cells = cells_of(previous_names, beside=present)
    files_by_place = {
        _locate(slot): tuple(name.filename for name in names) for slot, names in by_slot(present).items()
    }
    previous_places = {_locate(slot) for slot in by_slot(previous_names)}
    cells = {
        place: Cell(
            state=State.NEW if previous_places and place not in previous_places else State.PRESENT,
            files=files,
        )
        for place, files in files_by_place.items()
    }
    lost_pairs = set(lost)
    for cell, slots in previous_cells.items():
        for place in map(_locate, slots):
            if (cell.python, cell.platform) in lost_pairs and place not in files_by_place:
                cells[place] = Cell(state=State.LOST)
            elif place not in cells and _is_covered(cell, present):
                cells[place] = Cell(state=State.COVERED)
    for python, platform in expected:
        cell = expect.Cell(python, platform)
        state = State.COVERED if _is_covered(cell, present) else State.MISSING
        cells.setdefault(Place(python, families.parse(platform)[0]), Cell(state=state))
    return Matrix(
        pythons=tuple(sorted({place.python for place in cells}, key=_python_sort_key)),
        platforms=tuple(
            sorted(
                {place.platform for place in cells},
                key=lambda platform: (platform.system == "any", platform),
            )
        ),
        cells=cells,
        compared_with=str(previous_names[0].version) if previous_names else "",
    )


def _locate(slot: Slot) -> Place:
    return Place(row(slot).word, families.parse(slot.platform)[0])


def _is_covered(cell: expect.Cell, present: Iterable[DistName]) -> bool:
    return any(cell.is_filled_by(name) for name in present)


def parsed(filenames: Iterable[str]) -> Iterator[DistName]:
    """Yield the parsed names of the wheels and sdists among ``filenames``."""
    for filename in filenames:
        try:
            yield names.parse(filename)
        except names.NameRefused:
            continue


_INTERPRETER_ORDER = ("cp", "pp", "graalpy")


def _python_sort_key(python: str) -> tuple[int, bool, tuple[int, int], str]:
    """Return a sort key: CPython by version, its stable ABI, other interpreters, generic tags."""
    match = re.match(r"([a-z]+)(\d)(\d*)", python)
    if not match:
        return (len(_INTERPRETER_ORDER), True, (0, 0), python)
    interpreter = (
        _INTERPRETER_ORDER.index(match[1]) if match[1] in _INTERPRETER_ORDER else len(_INTERPRETER_ORDER)
    )
    return (interpreter, "-" in python, (int(match[2]), int(match[3] or 0)), python)


# --- as text ---------------------------------------------------------------------------------------


def lines(matrix: Matrix, style: Look = PLAIN, troubles: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the matrix as text; if it is wider than ``style.width`` columns, in several parts.

    ``troubles`` maps the names of files with a problem to the word that their cell shows.
    """
    label_width = max(len(python) for python in matrix.pythons)
    platforms = list(matrix.platforms)
    texts = {place: _format_cell(cell, style, troubles or {}) for place, cell in matrix.cells.items()}
    empty = _CellText("\N{MIDDLE DOT}" if style.utf8 else ".", Ink.DIM)
    grid = {
        Place(python, platform): texts.get(Place(python, platform), empty)
        for python in matrix.pythons
        for platform in platforms
    }
    while platforms:
        widths = _fit_columns(matrix.pythons, platforms, grid, style.width - len(_COLUMN_GAP) - label_width)
        yield from _format_part(matrix.pythons, widths, label_width, grid, style)
        del platforms[: len(widths)]
    shown = {cell.text for cell in texts.values()}
    if matrix.compared_with and shown & {_NEW, _LOST}:
        yield f"{_COLUMN_GAP}new, LOST: compared with {matrix.compared_with}"
    covered = f"({_get_present_symbol(style)})"
    if covered in shown:
        yield f"{_COLUMN_GAP}{covered}: a wheel of another row or column is installed here"


class _CellText(NamedTuple):
    """The text of a cell and its colour."""

    text: str
    color: Ink | None


_NEW, _LOST, _MISSING = "new", "LOST", "MISSING"


def _get_present_symbol(style: Look) -> str:
    return "\N{CHECK MARK}" if style.utf8 else "x"


def _format_cell(cell: Cell, style: Look, troubles: Mapping[str, str]) -> _CellText:
    problems = [troubles[filename] for filename in cell.files if filename in troubles]
    if problems:
        return _CellText(problems[0], Ink.RED)
    return {
        State.PRESENT: _CellText(_get_present_symbol(style), Ink.GREEN),
        State.NEW: _CellText(_NEW, Ink.GREEN),
        State.LOST: _CellText(_LOST, Ink.RED),
        State.MISSING: _CellText(_MISSING, Ink.RED),
        State.COVERED: _CellText(f"({_get_present_symbol(style)})", None),
    }[cell.state]


def _fit_columns(
    pythons: Sequence[str], platforms: Sequence[Family], grid: Mapping[Place, _CellText], room: int
) -> dict[Family, int]:
    """Return the widths of the next platforms that fit into ``room`` characters; of at least one platform."""
    widths: dict[Family, int] = {}
    system = ""
    for platform, next_platform in zip(platforms, [*platforms[1:], None], strict=True):
        texts = (grid[Place(python, platform)].text for python in pythons)
        width = max(len(platform.arch), *map(len, texts))
        # The name of the system spans all of its columns.
        needed = max(width, len(platform.system)) if platform.system != system else width
        system = platform.system
        if next_platform is None or next_platform.system != system:
            width = needed
        if room < len(_COLUMN_GAP) + needed and widths:
            break
        widths[platform] = width
        room -= len(_COLUMN_GAP) + width
    return widths


def _format_part(
    pythons: Sequence[str],
    widths: Mapping[Family, int],
    label_width: int,
    grid: Mapping[Place, _CellText],
    style: Look,
) -> Iterator[str]:
    """Yield one or two heading lines, and a line for each Python."""
    system_widths: dict[str, int] = {}
    for platform, width in widths.items():
        width_so_far = system_widths.get(platform.system)
        system_widths[platform.system] = (
            width if width_so_far is None else width_so_far + len(_COLUMN_GAP) + width
        )
    yield _format_line(
        "", label_width, [(system, width, None) for system, width in system_widths.items()], style
    )
    if any(platform.arch for platform in widths):
        yield _format_line(
            "", label_width, [(platform.arch, width, None) for platform, width in widths.items()], style
        )
    for python in pythons:
        cells = [(*grid[Place(python, platform)], width) for platform, width in widths.items()]
        yield _format_line(python, label_width, [(text, width, color) for text, color, width in cells], style)


def _format_line(
    python: str, label_width: int, cells: Sequence[tuple[str, int, Ink | None]], style: Look
) -> str:
    """Return a line with the Python and the cells, given as text, width and colour."""
    if not cells:
        return f"{_COLUMN_GAP}{python}"
    padded = [style.paint(text, color) + " " * (width - len(text)) for text, width, color in cells]
    return _COLUMN_GAP.join(["", python.ljust(label_width), *padded]).rstrip()
