"""The matrix of a release as it is shown: each cell with the symbol for the status of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import FileStatus, Report, SdistName
from wheel_uploader.core.platforms.platform_tags import PlatformFamily
from wheel_uploader.report.views import matrix
from wheel_uploader.report.views.file_rows import FileRow
from wheel_uploader.report.views.file_status import LEGEND_ORDER, SYMBOLS, Emphasis, Symbol

_STATUS_BY_EMPTY_CELL_STATE: Mapping[matrix.CellState, FileStatus] = {
    matrix.CellState.LOST: FileStatus.MISSING,
    matrix.CellState.MISSING: FileStatus.MISSING,
    matrix.CellState.COVERED: FileStatus.COVERED,
}


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
    #: Number of places that are shown, the sdist included, and of the files in them.
    place_count: int
    file_count: int
    #: The symbols in use, in the order of the legend, each with the number of its places.
    legend: tuple[tuple[Symbol, int], ...]
    #: Number of new cells, and the version of the previous release; empty if there is none.
    new_count: int
    compared_with: str
    #: Number of rows and columns beyond the limit that are not shown.
    omitted_count: int


def build_matrix_view(report: Report, rows: Sequence[FileRow], *, limit: int = 60) -> MatrixView | None:
    """Return the matrix with the state of each wheel, cut to ``limit`` rows and columns.

    None if it is empty, or if the run failed before anything was learned about the listed files.
    """
    release_matrix = matrix.build_report_matrix(report)
    if not release_matrix.cells:
        return None
    symbols = {row.filename: row.symbol for row in rows}
    squares = {place: build_cell_view(cell, symbols) for place, cell in release_matrix.cells.items()}
    pythons, platforms = release_matrix.pythons[:limit], release_matrix.platforms[:limit]
    sdist = _build_sdist_cell(report, symbols)
    shown = [*squares.values(), *([sdist] if sdist else [])]
    if report.error and not any(map(_is_learned, shown)):
        return None
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
        place_count=len(shown),
        file_count=len({filename for square in shown for filename in square.files}),
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


def _is_learned(square: CellView) -> bool:
    return square.is_new or square.symbol is not SYMBOLS[FileStatus.LISTED]


def list_missing(report: Report, rows: Sequence[FileRow]) -> list[str]:
    """Return the missing cells, expected or in the previous release: ``cp311-win_amd64``, ``sdist``."""
    places = [
        f"{place.python}-{place.platform}"
        for place, cell in matrix.build_report_matrix(report).cells.items()
        if cell.state in (matrix.CellState.LOST, matrix.CellState.MISSING)
    ]
    sdist = _build_sdist_cell(report, {row.filename: row.symbol for row in rows})
    return [*sorted(places), *(["sdist"] if sdist and sdist.symbol is SYMBOLS[FileStatus.MISSING] else [])]


def list_problems(report: Report, rows: Sequence[FileRow]) -> list[tuple[Symbol, str, str]]:
    """Return the files and places with problems, worst first: symbol, name, and the file to link to."""
    missing = [(SYMBOLS[FileStatus.MISSING], place, "") for place in list_missing(report, rows)]
    files = [
        (row.symbol, row.filename, row.filename)
        for row in rows
        if row.symbol.emphasis in (Emphasis.WARN, Emphasis.BAD)
    ]
    return sorted([*missing, *files], key=lambda problem: -LEGEND_ORDER.index(problem[0]))


def build_cell_view(cell: matrix.CellContent, symbols: Mapping[str, Symbol]) -> CellView:
    """Return a cell as it is shown; ``symbols`` are those of the files, by name."""
    if status := _STATUS_BY_EMPTY_CELL_STATE.get(cell.state):
        return CellView(symbol=SYMBOLS[status])
    worst = max((symbols[filename] for filename in cell.files), key=LEGEND_ORDER.index)
    return CellView(symbol=worst, is_new=cell.state is matrix.CellState.NEW, files=cell.files)


def _build_sdist_cell(report: Report, symbols: Mapping[str, Symbol]) -> CellView | None:
    selected = report.selection.files if report.selection else ()
    sdists = tuple(name.filename for name, _ in selected if isinstance(name, SdistName))
    was_sdist = [isinstance(name, SdistName) for name in matrix.parse_filenames(report.previous_filenames)]
    if sdists:
        worst = max((symbols[filename] for filename in sdists), key=LEGEND_ORDER.index)
        return CellView(symbol=worst, is_new=bool(was_sdist) and not any(was_sdist), files=sdists)
    return CellView(symbol=SYMBOLS[FileStatus.MISSING]) if any(was_sdist) else None
