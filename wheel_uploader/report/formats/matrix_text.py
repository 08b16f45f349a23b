"""The matrix of Pythons and platforms as text: a sign for each place, and the legend of the signs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.platforms.platform_tags import PlatformFamily
from wheel_uploader.report.formats.terminal_style import PLAIN_STYLE, Color, TerminalStyle
from wheel_uploader.report.views.file_status import Emphasis
from wheel_uploader.report.views.matrix_view import CellView, MatrixView

EMPHASIS_COLORS: Mapping[Emphasis, Color | None] = {
    Emphasis.GOOD: Color.GREEN,
    Emphasis.WARN: Color.YELLOW,
    Emphasis.BAD: Color.RED,
    Emphasis.PLAIN: None,
}
_INDENT = "  "
_WIDE_GAP, _NARROW_GAP = "  ", " "
#: Follows the sign of a place that is empty in the previous release.
_NEW_MARK = "*"


class _CellText(NamedTuple):
    """The text of a cell and its colour."""

    text: str
    color: Color | None


#: A place without a file, where none is expected either.
_EMPTY = _CellText("-", Color.DIM)


def format_matrix(view: MatrixView, style: TerminalStyle = PLAIN_STYLE) -> Iterator[str]:
    """Yield the matrix, and its legend; if it is wider than ``style.width`` columns, in several parts."""
    rows = [(python, [_format_cell(cell, style) for cell in cells]) for python, cells in view.rows]
    label_width = max(len(label) for label in [*(python for python, _ in rows), "sdist" * bool(view.sdist)])
    room = style.width - len(_INDENT) - label_width
    # The narrow gap is for a matrix that needs it to stay in one part.
    gap = next(
        (gap for gap in (_WIDE_GAP, _NARROW_GAP) if _is_one_part(view.platforms, rows, room, gap)), _WIDE_GAP
    )
    first = 0
    while first < len(view.platforms):
        platforms = view.platforms[first:]
        widths = _fit_columns(platforms, [cells[first:] for _, cells in rows], room, gap)
        part = [(python, cells[first : first + len(widths)]) for python, cells in rows]
        yield from _format_part(part, platforms[: len(widths)], widths, label_width, gap, style)
        first += len(widths)
    if view.sdist:
        yield _format_line("sdist", label_width, [(*_format_cell(view.sdist, style), 0)], gap, style)
    yield from _format_legend(view, style)


def _format_cell(cell: CellView | None, style: TerminalStyle) -> _CellText:
    if cell is None:
        return _EMPTY
    sign = cell.symbol.get_character(utf8=style.utf8)
    return _CellText(sign + _NEW_MARK * cell.is_new, EMPHASIS_COLORS[cell.symbol.emphasis])


def _format_legend(view: MatrixView, style: TerminalStyle) -> Iterator[str]:
    """Yield the number of places and files, and the meaning of each sign; lines break between signs."""
    counts = f"{format_count(view.place_count, 'place')}, {format_count(view.file_count, 'file')}:"
    parts = [
        f"{symbol.get_character(utf8=style.utf8)} {count} {symbol.label}" for symbol, count in view.legend
    ]
    if view.new_count:
        parts.append(f"{_NEW_MARK} {view.new_count} new since {view.compared_with}")
    line = _INDENT + counts
    for number, part in enumerate(parts, 1):
        item = part + "," * (number < len(parts))
        if len(f"{line} {item}") > style.width:
            yield line
            line = _INDENT * 2 + item
        else:
            line += f" {item}"
    yield line
    if view.omitted_count:
        yield f"{_INDENT}rows and columns not shown: {view.omitted_count}"


def _is_one_part(
    platforms: Sequence[PlatformFamily],
    rows: Sequence[tuple[str, Sequence[_CellText]]],
    room: int,
    gap: str,
) -> bool:
    return len(_fit_columns(platforms, [cells for _, cells in rows], room, gap)) == len(platforms)


def _fit_columns(
    platforms: Sequence[PlatformFamily], rows: Sequence[Sequence[_CellText]], room: int, gap: str
) -> list[int]:
    """Return the widths of the next platforms that fit into ``room`` characters; of at least one platform."""
    widths: list[int] = []
    system, system_width = "", 0
    for number, platform in enumerate(platforms):
        width = max(len(platform.arch), *(len(cells[number].text) for cells in rows))
        if platform.system != system:
            system, system_width = platform.system, -len(gap)
        is_last = number + 1 == len(platforms) or platforms[number + 1].system != system
        # The name of the system spans all of its columns.
        needed = max(width, len(system) - system_width - len(gap))
        if room < len(gap) + needed and widths:
            # The part ends inside a system, whose name needs its width here.
            break
        width = needed if is_last else width
        widths.append(width)
        system_width += len(gap) + width
        room -= len(gap) + width
    return widths


def _format_part(
    rows: Sequence[tuple[str, Sequence[_CellText]]],
    platforms: Sequence[PlatformFamily],
    widths: Sequence[int],
    label_width: int,
    gap: str,
    style: TerminalStyle,
) -> Iterator[str]:
    """Yield one or two heading lines, and a line for each Python."""
    system_widths: dict[str, int] = {}
    for platform, width in zip(platforms, widths, strict=True):
        before = system_widths.get(platform.system)
        system_widths[platform.system] = width if before is None else before + len(gap) + width
    systems = [(system, None, width) for system, width in system_widths.items()]
    yield _format_line("", label_width, systems, gap, style)
    if any(platform.arch for platform in platforms):
        arches = [(platform.arch, None, width) for platform, width in zip(platforms, widths, strict=True)]
        yield _format_line("", label_width, arches, gap, style)
    for python, texts in rows:
        cells = [(text, color, width) for (text, color), width in zip(texts, widths, strict=True)]
        yield _format_line(python, label_width, cells, gap, style)


def _format_line(
    label: str,
    label_width: int,
    cells: Sequence[tuple[str, Color | None, int]],
    gap: str,
    style: TerminalStyle,
) -> str:
    """Return a line with a label and the cells, given as text, colour and width."""
    padded = [style.paint(text, color) + " " * (width - len(text)) for text, color, width in cells]
    return (_INDENT + gap.join([label.ljust(label_width), *padded])).rstrip()
