"""The matrix of a release as it is shown, and the words, symbols and colours for every state of a file."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from wheel_uploader.core.models import Report, SdistName, UploadOutcome
from wheel_uploader.core.platforms.platform_tags import PlatformFamily
from wheel_uploader.report.views import matrix
from wheel_uploader.report.views.file_rows import STATUS_BY_UPLOAD_OUTCOME, FileRow, FileStatus


class Emphasis(enum.StrEnum):
    """The emphasis of a state. It selects a colour, which never carries the meaning alone."""

    GOOD = "good"
    PLAIN = "plain"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """The representation of one state."""

    #: ID of the SVG shape in formats/html/marks.svg.
    shape_id: str
    label: str
    emphasis: Emphasis
    #: The character that replaces the shape in text.
    character: str
    meaning: str


CONFIRMED = Symbol(
    shape_id="published",
    label="confirmed",
    emphasis=Emphasis.GOOD,
    character="✓",
    meaning="uploaded by this run; the index serves the sha256 that was checked",
)
UPLOADED = Symbol(
    shape_id="uploaded",
    label="uploaded",
    emphasis=Emphasis.GOOD,
    character="↑",
    meaning="uploaded by this run; not yet confirmed on the index",
)
SKIPPED = Symbol(
    shape_id="same",
    label="skipped",
    emphasis=Emphasis.GOOD,
    character="=",
    meaning="already on the index with the same sha256",
)
CHECKED = Symbol(
    shape_id="checked",
    label="checked",
    emphasis=Emphasis.PLAIN,
    character="○",
    meaning="verified, and passed the checks; not uploaded",
)
SIGNED = Symbol(
    shape_id="signed",
    label="signed",
    emphasis=Emphasis.PLAIN,
    character="○",
    meaning="checked and signed; not uploaded",
)
WOULD_UPLOAD = Symbol(
    shape_id="would-post",
    label="would upload",
    emphasis=Emphasis.PLAIN,
    character="↑",
    meaning="not yet on the index",
)
DOWNLOADED = Symbol(
    shape_id="here",
    label="downloaded",
    emphasis=Emphasis.PLAIN,
    character="↓",
    meaning="in the wheelhouse; not yet checked",
)
LISTED = Symbol(
    shape_id="listed",
    label="listed",
    emphasis=Emphasis.PLAIN,
    character="·",
    meaning="found in the staging area; not downloaded",
)
NOT_TRIED = Symbol(
    shape_id="not-tried",
    label="not tried",
    emphasis=Emphasis.WARN,
    character="…",
    meaning="the run ended before this file was uploaded",
)
UNKNOWN = Symbol(
    shape_id="unknown",
    label="unknown",
    emphasis=Emphasis.WARN,
    character="?",
    meaning="sent, but the index did not respond and could not be queried",
)
FAILED_CHECKS = Symbol(
    shape_id="failed",
    label="failed checks",
    emphasis=Emphasis.BAD,
    character="✗",
    meaning="has findings that block the release",
)
CONFLICT = Symbol(
    shape_id="conflict",
    label="conflict",
    emphasis=Emphasis.BAD,
    character="≠",
    meaning="the index has other bytes under this name, or the same bytes under another name",
)
REJECTED = Symbol(
    shape_id="refused",
    label="rejected",
    emphasis=Emphasis.BAD,
    character="⊘",
    meaning="the index refused the file",
)
LOST = Symbol(
    shape_id="lost",
    label="lost",
    emphasis=Emphasis.BAD,
    character="▽",
    meaning="the previous release has a wheel here, this one has none",
)
MISSING = Symbol(
    shape_id="expected",
    label="missing",
    emphasis=Emphasis.BAD,
    character="□",
    meaning="a wheel is expected here, but there is none",
)
COVERED = Symbol(
    shape_id="covered",
    label="covered",
    emphasis=Emphasis.PLAIN,
    character="◌",
    meaning="a wheel of another row or column is installed here",
)

_SYMBOL_BY_STATUS: Mapping[FileStatus, Symbol] = {
    FileStatus.LISTED: LISTED,
    FileStatus.DOWNLOADED: DOWNLOADED,
    FileStatus.CHECKED: CHECKED,
    FileStatus.SIGNED: SIGNED,
    FileStatus.NOT_ON_INDEX: WOULD_UPLOAD,
    FileStatus.WOULD_UPLOAD: WOULD_UPLOAD,
    FileStatus.SAME_ON_INDEX: SKIPPED,
    FileStatus.SKIPPED: SKIPPED,
    FileStatus.UPLOADED: UPLOADED,
    FileStatus.CONFIRMED: CONFIRMED,
    FileStatus.FAILED_CHECKS: FAILED_CHECKS,
    FileStatus.DIFFERENT_ON_INDEX: CONFLICT,
    FileStatus.SAME_BYTES_OTHER_NAME: CONFLICT,
    FileStatus.REJECTED: REJECTED,
    FileStatus.UNKNOWN: UNKNOWN,
    FileStatus.NOT_TRIED: NOT_TRIED,
}
_SYMBOL_BY_EMPTY_CELL_STATE: Mapping[matrix.CellState, Symbol] = {
    matrix.CellState.LOST: LOST,
    matrix.CellState.MISSING: MISSING,
    matrix.CellState.COVERED: COVERED,
}
#: The order of the legend; a cell with several wheels shows the symbol that comes last in this order.
LEGEND_ORDER = (
    *(CONFIRMED, UPLOADED, SKIPPED, WOULD_UPLOAD, SIGNED, CHECKED, DOWNLOADED, LISTED),
    *(COVERED, NOT_TRIED, UNKNOWN, REJECTED, FAILED_CHECKS, CONFLICT, LOST, MISSING),
)


def get_file_symbol(row: FileRow) -> Symbol:
    """Return the symbol for the state of a file."""
    return _SYMBOL_BY_STATUS[row.status]


def get_outcome_symbol(outcome: UploadOutcome) -> Symbol:
    """Return the symbol for the outcome of an upload."""
    return _SYMBOL_BY_STATUS[STATUS_BY_UPLOAD_OUTCOME[outcome]]


def get_status_label(row: FileRow) -> str:
    """Return the word for the state of a file; for a downloaded file, how it got into the wheelhouse."""
    return (
        row.download.outcome
        if row.download and row.status is FileStatus.DOWNLOADED
        else get_file_symbol(row).label
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """One cell of the matrix as it is shown."""

    symbol: Symbol
    #: The previous release has no wheel here.
    is_new: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixView:
    """The matrix as it is shown: a row of cells for each Python, None for an empty cell."""

    platforms: tuple[PlatformFamily, ...]
    #: Operating systems, each with the number of consecutive platforms that belong to it.
    systems: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, tuple[CellView | None, ...]], ...]
    #: None if neither this release nor the previous one has an sdist.
    sdist: CellView | None
    #: The symbols in use, in the order of the legend, each with its number of occurrences.
    legend: tuple[tuple[Symbol, int], ...]
    #: Number of new cells, and the version of the previous release; empty if there is none.
    new_count: int
    compared_with: str
    #: Number of rows and columns beyond the limit that are not shown.
    omitted_count: int


def build_matrix_view(report: Report, rows: Sequence[FileRow], *, limit: int = 60) -> MatrixView | None:
    """Return the matrix with the state of each wheel, cut to ``limit`` rows and columns; None if empty."""
    release_matrix = matrix.build_report_matrix(report)
    if not release_matrix.cells:
        return None
    symbols = {row.filename: get_file_symbol(row) for row in rows}
    squares = {place: _build_wheel_cell(cell, symbols) for place, cell in release_matrix.cells.items()}
    pythons, platforms = release_matrix.pythons[:limit], release_matrix.platforms[:limit]
    sdist = _build_sdist_cell(report, symbols)
    shown = [*squares.values(), *([sdist] if sdist else [])]
    counts = Counter(square.symbol.shape_id for square in shown)
    return MatrixView(
        platforms=platforms,
        systems=tuple(
            (system, len(list(group)))
            for system, group in groupby(platforms, lambda platform: platform.system)
        ),
        rows=tuple(
            (python, tuple(squares.get(matrix.CellPosition(python, platform)) for platform in platforms))
            for python in pythons
        ),
        sdist=sdist,
        legend=tuple(
            (symbol, counts[symbol.shape_id]) for symbol in LEGEND_ORDER if symbol.shape_id in counts
        ),
        new_count=sum(square.is_new for square in shown),
        compared_with=release_matrix.compared_with,
        omitted_count=len(release_matrix.pythons)
        - len(pythons)
        + len(release_matrix.platforms)
        - len(platforms),
    )


def list_missing(report: Report, rows: Sequence[FileRow]) -> list[str]:
    """Return the missing cells, expected or in the previous release: ``cp311-win_amd64``, ``sdist``."""
    places = [
        f"{place.python}-{place.platform}"
        for place, cell in matrix.build_report_matrix(report).cells.items()
        if cell.state in (matrix.CellState.LOST, matrix.CellState.MISSING)
    ]
    sdist = _build_sdist_cell(report, {row.filename: get_file_symbol(row) for row in rows})
    return [*sorted(places), *(["sdist"] if sdist and sdist.symbol is LOST else [])]


def _build_wheel_cell(cell: matrix.CellContent, symbols: Mapping[str, Symbol]) -> CellView:
    if cell.state in _SYMBOL_BY_EMPTY_CELL_STATE:
        return CellView(symbol=_SYMBOL_BY_EMPTY_CELL_STATE[cell.state])
    worst = max((symbols[filename] for filename in cell.files), key=LEGEND_ORDER.index)
    return CellView(symbol=worst, is_new=cell.state is matrix.CellState.NEW, files=cell.files)


def _build_sdist_cell(report: Report, symbols: Mapping[str, Symbol]) -> CellView | None:
    selected = report.selection.files if report.selection else ()
    sdists = tuple(name.filename for name, _ in selected if isinstance(name, SdistName))
    was_sdist = [isinstance(name, SdistName) for name in matrix.parse_filenames(report.previous_filenames)]
    if sdists:
        worst = max((symbols[filename] for filename in sdists), key=LEGEND_ORDER.index)
        return CellView(symbol=worst, is_new=bool(was_sdist) and not any(was_sdist), files=sdists)
    return CellView(symbol=LOST) if any(was_sdist) else None
