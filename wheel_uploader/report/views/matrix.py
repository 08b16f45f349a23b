"""The matrix of Pythons and platforms, with the state of each cell: present, new, lost, missing, covered."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.models import DistName, FileStatus, Report
from wheel_uploader.core.platforms import matrix as platforms_matrix
from wheel_uploader.core.platforms import platform_tags
from wheel_uploader.core.platforms.matrix import WheelSlot, group_by_slot, python_build, slots_by_cell
from wheel_uploader.core.platforms.platform_tags import PlatformFamily
from wheel_uploader.report.formats.terminal_style import PLAIN_STYLE, Color, TerminalStyle
from wheel_uploader.report.views.file_status import SYMBOLS

_COLUMN_GAP = "  "


class CellState(enum.StrEnum):
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


class CellPosition(NamedTuple):
    """The coordinates of a cell: a Python and a platform."""

    python: str
    platform: PlatformFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class CellContent:
    """A cell that is not empty: its state and its wheels."""

    state: CellState
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The cells for the wheels of this release, of the previous one, and for the expected wheels."""

    pythons: tuple[str, ...]
    platforms: tuple[PlatformFamily, ...]
    cells: Mapping[CellPosition, CellContent]
    #: The version of the previous release; empty if nothing was compared.
    compared_with: str = ""


# --- from names ------------------------------------------------------------------------------------


def build_report_matrix(report: Report) -> Matrix:
    """Return the matrix of a report; empty if no files were listed."""
    present = [name for name, _ in report.selection.files] if report.selection else []
    return build_matrix(present, report.previous_filenames, report.missing_cells, report.expected_cells)


def build_matrix(
    current: Sequence[DistName],
    previous: Iterable[str] = (),
    lost: Iterable[tuple[str, str]] = (),
    expected: Iterable[tuple[str, str]] = (),
) -> Matrix:
    """Return the matrix of the wheels among ``current``.

    ``previous`` holds the file names of the previous release, whether wheels or not, and ``lost`` the pairs
    of Python and platform that it has and this release lacks. A wheel that is absent on purpose, because
    Requires-Python now excludes its Python, has no cell. ``expected`` holds the pairs of Python and platform
    that wheels are expected for.
    """
    previous_names = tuple(parse_filenames(previous))
    previous_cells = slots_by_cell(previous_names, other_names=current)
    files_by_place = {
        _locate(slot): tuple(name.filename for name in names)
        for slot, names in group_by_slot(current).items()
    }
    previous_places = {_locate(slot) for slot in group_by_slot(previous_names)}
    cells = {
        place: CellContent(
            state=CellState.NEW if previous_places and place not in previous_places else CellState.PRESENT,
            files=files,
        )
        for place, files in files_by_place.items()
    }
    lost_pairs = set(lost)
    for cell, slots in previous_cells.items():
        for place in map(_locate, slots):
            if (cell.python, cell.platform) in lost_pairs and place not in files_by_place:
                cells[place] = CellContent(state=CellState.LOST)
            elif place not in cells and _is_covered(cell, current):
                cells[place] = CellContent(state=CellState.COVERED)
    for python, platform in expected:
        cell = platforms_matrix.MatrixCell(python, platform)
        state = CellState.COVERED if _is_covered(cell, current) else CellState.MISSING
        cells.setdefault(
            CellPosition(python, platform_tags.parse_platform_family(platform)[0]), CellContent(state=state)
        )
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


def _locate(slot: WheelSlot) -> CellPosition:
    return CellPosition(python_build(slot).label, platform_tags.parse_platform_family(slot.platform)[0])


def _is_covered(cell: platforms_matrix.MatrixCell, present: Iterable[DistName]) -> bool:
    return any(cell.is_satisfied_by(name) for name in present)


def parse_filenames(filenames: Iterable[str]) -> Iterator[DistName]:
    """Yield the parsed names of the wheels and sdists among ``filenames``."""
    for filename in filenames:
        try:
            yield core_filenames.parse_filename(filename)
        except core_filenames.InvalidFilename:
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


def format_matrix(
    matrix: Matrix, style: TerminalStyle = PLAIN_STYLE, problem_words: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield the matrix as text; if it is wider than ``style.width`` columns, in several parts.

    ``problem_words`` maps the names of files with a problem to the word that their cell shows.
    """
    label_width = max(len(python) for python in matrix.pythons)
    platforms = list(matrix.platforms)
    texts = {place: _format_cell(cell, style, problem_words or {}) for place, cell in matrix.cells.items()}
    empty = _CellText("\N{MIDDLE DOT}" if style.utf8 else ".", Color.DIM)
    grid = {
        CellPosition(python, platform): texts.get(CellPosition(python, platform), empty)
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
    color: Color | None


_NEW = "new"
_LOST, _MISSING = SYMBOLS[FileStatus.LOST].cell_word, SYMBOLS[FileStatus.MISSING].cell_word


def _get_present_symbol(style: TerminalStyle) -> str:
    return "\N{CHECK MARK}" if style.utf8 else "x"


def _format_cell(cell: CellContent, style: TerminalStyle, troubles: Mapping[str, str]) -> _CellText:
    problems = [troubles[filename] for filename in cell.files if filename in troubles]
    if problems:
        return _CellText(problems[0], Color.RED)
    return {
        CellState.PRESENT: _CellText(_get_present_symbol(style), Color.GREEN),
        CellState.NEW: _CellText(_NEW, Color.GREEN),
        CellState.LOST: _CellText(_LOST, Color.RED),
        CellState.MISSING: _CellText(_MISSING, Color.RED),
        CellState.COVERED: _CellText(f"({_get_present_symbol(style)})", None),
    }[cell.state]


def _fit_columns(
    pythons: Sequence[str],
    platforms: Sequence[PlatformFamily],
    grid: Mapping[CellPosition, _CellText],
    room: int,
) -> dict[PlatformFamily, int]:
    """Return the widths of the next platforms that fit into ``room`` characters; of at least one platform."""
    widths: dict[PlatformFamily, int] = {}
    system = ""
    for platform, next_platform in zip(platforms, [*platforms[1:], None], strict=True):
        texts = (grid[CellPosition(python, platform)].text for python in pythons)
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
    widths: Mapping[PlatformFamily, int],
    label_width: int,
    grid: Mapping[CellPosition, _CellText],
    style: TerminalStyle,
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
        cells = [(*grid[CellPosition(python, platform)], width) for platform, width in widths.items()]
        yield _format_line(python, label_width, [(text, width, color) for text, color, width in cells], style)


def _format_line(
    python: str, label_width: int, cells: Sequence[tuple[str, int, Color | None]], style: TerminalStyle
) -> str:
    """Return a line with the Python and the cells, given as text, width and colour."""
    if not cells:
        return f"{_COLUMN_GAP}{python}"
    padded = [style.paint(text, color) + " " * (width - len(text)) for text, width, color in cells]
    return _COLUMN_GAP.join(["", python.ljust(label_width), *padded]).rstrip()
