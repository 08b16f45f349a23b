"""The matrix of a release as it is shown, and the words, symbols and colours for every state of a file."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from wheel_uploader.models import Report, SdistName, UploadOutcome
from wheel_uploader.platforms.families import Family
from wheel_uploader.report import matrix
from wheel_uploader.report.files import STATE_OF_OUTCOME, Row, State


class Tone(enum.StrEnum):
    """The emphasis of a state. It selects a colour, which never carries the meaning alone."""

    GOOD = "good"
    PLAIN = "plain"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The representation of one state."""

    #: ID of the SVG shape in html/marks.svg.
    id: str
    word: str
    tone: Tone
    #: The character that replaces the shape in text.
    sign: str
    meaning: str


PUBLISHED = Mark(
    id="published",
    word="confirmed",
    tone=Tone.GOOD,
    sign="✓",
    meaning="uploaded by this run; the index serves the sha256 that was checked",
)
UPLOADED = Mark(
    id="uploaded",
    word="uploaded",
    tone=Tone.GOOD,
    sign="↑",
    meaning="uploaded by this run; not yet confirmed on the index",
)
SAME = Mark(
    id="same",
    word="skipped",
    tone=Tone.GOOD,
    sign="=",
    meaning="already on the index with the same sha256",
)
CHECKED = Mark(
    id="checked",
    word="checked",
    tone=Tone.PLAIN,
    sign="○",
    meaning="verified, and passed the checks; not uploaded",
)
SIGNED = Mark(
    id="signed", word="signed", tone=Tone.PLAIN, sign="○", meaning="checked and signed; not uploaded"
)
WOULD_POST = Mark(
    id="would-post", word="would upload", tone=Tone.PLAIN, sign="↑", meaning="not yet on the index"
)
HERE = Mark(
    id="here", word="downloaded", tone=Tone.PLAIN, sign="↓", meaning="in the wheelhouse; not yet checked"
)
LISTED = Mark(
    id="listed", word="listed", tone=Tone.PLAIN, sign="·", meaning="found in the staging area; not downloaded"
)
NOT_TRIED = Mark(
    id="not-tried",
    word="not tried",
    tone=Tone.WARN,
    sign="…",
    meaning="the run ended before this file was uploaded",
)
UNKNOWN = Mark(
    id="unknown",
    word="unknown",
    tone=Tone.WARN,
    sign="?",
    meaning="sent, but the index did not respond and could not be queried",
)
FAILED = Mark(
    id="failed", word="failed checks", tone=Tone.BAD, sign="✗", meaning="has findings that block the release"
)
CONFLICT = Mark(
    id="conflict",
    word="conflict",
    tone=Tone.BAD,
    sign="≠",
    meaning="the index has other bytes under this name, or the same bytes under another name",
)
REJECTED = Mark(id="refused", word="rejected", tone=Tone.BAD, sign="⊘", meaning="the index refused the file")
LOST = Mark(
    id="lost",
    word="lost",
    tone=Tone.BAD,
    sign="▽",
    meaning="the previous release has a wheel here, this one has none",
)
EXPECTED = Mark(
    id="expected",
    word="missing",
    tone=Tone.BAD,
    sign="□",
    meaning="a wheel is expected here, but there is none",
)
COVERED = Mark(
    id="covered",
    word="covered",
    tone=Tone.PLAIN,
    sign="◌",
    meaning="a wheel of another row or column is installed here",
)

_SYMBOL_BY_STATUS: Mapping[State, Mark] = {
    State.LISTED: LISTED,
    State.HERE: HERE,
    State.CHECKED: CHECKED,
    State.SIGNED: SIGNED,
    State.ABSENT: WOULD_POST,
    State.WOULD_UPLOAD: WOULD_POST,
    State.SAME: SAME,
    State.ALREADY_THERE: SAME,
    State.UPLOADED: UPLOADED,
    State.PUBLISHED: PUBLISHED,
    State.FAILED: FAILED,
    State.DIFFERENT: CONFLICT,
    State.OTHER_NAME: CONFLICT,
    State.REJECTED: REJECTED,
    State.UNKNOWN: UNKNOWN,
    State.NOT_TRIED: NOT_TRIED,
}
_SYMBOL_BY_EMPTY_CELL_STATE: Mapping[matrix.State, Mark] = {
    matrix.State.LOST: LOST,
    matrix.State.MISSING: EXPECTED,
    matrix.State.COVERED: COVERED,
}
#: The order of the legend; a cell with several wheels shows the symbol that comes last in this order.
ORDER = (
    *(PUBLISHED, UPLOADED, SAME, WOULD_POST, SIGNED, CHECKED, HERE, LISTED),
    *(COVERED, NOT_TRIED, UNKNOWN, REJECTED, FAILED, CONFLICT, LOST, EXPECTED),
)


def of_file(row: Row) -> Mark:
    """Return the symbol for the state of a file."""
    return _SYMBOL_BY_STATUS[row.state]


def of_outcome(outcome: UploadOutcome) -> Mark:
    """Return the symbol for the outcome of an upload."""
    return _SYMBOL_BY_STATUS[STATE_OF_OUTCOME[outcome]]


def status_label(row: Row) -> str:
    """Return the word for the state of a file; for a downloaded file, how it got into the wheelhouse."""
    return row.fetched.outcome if row.fetched and row.state is State.HERE else of_file(row).word


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """One cell of the matrix as it is shown."""

    mark: Mark
    #: The previous release has no wheel here.
    new: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The matrix as it is shown: a row of cells for each Python, None for an empty cell."""

    platforms: tuple[Family, ...]
    #: Operating systems, each with the number of consecutive platforms that belong to it.
    systems: tuple[tuple[str, int], ...]
    lines: tuple[tuple[str, tuple[Square | None, ...]], ...]
    #: None if neither this release nor the previous one has an sdist.
    sdist: Square | None
    #: The symbols in use, in the order of the legend, each with its number of occurrences.
    legend: tuple[tuple[Mark, int], ...]
    #: Number of new cells, and the version of the previous release; empty if there is none.
    new: int
    compared_with: str
    #: Number of rows and columns beyond the limit that are not shown.
    left_out: int


def picture(report: Report, rows: Sequence[Row], *, most: int = 60) -> Picture | None:
    """Return the matrix with the state of each wheel, cut to ``most`` rows and columns; None if empty."""
    release_matrix = matrix.of(report)
    if not release_matrix.cells:
        return None
    symbols = {row.filename: of_file(row) for row in rows}
    squares = {place: _build_wheel_cell(cell, symbols) for place, cell in release_matrix.cells.items()}
    pythons, platforms = release_matrix.pythons[:most], release_matrix.platforms[:most]
    sdist = _build_sdist_cell(report, symbols)
    shown = [*squares.values(), *([sdist] if sdist else [])]
    counts = Counter(square.mark.id for square in shown)
    return Picture(
        platforms=platforms,
        systems=tuple(
            (system, len(list(group)))
            for system, group in groupby(platforms, lambda platform: platform.system)
        ),
        lines=tuple(
            (python, tuple(squares.get(matrix.Place(python, platform)) for platform in platforms))
            for python in pythons
        ),
        sdist=sdist,
        legend=tuple((symbol, counts[symbol.id]) for symbol in ORDER if symbol.id in counts),
        new=sum(square.new for square in shown),
        compared_with=release_matrix.compared_with,
        left_out=len(release_matrix.pythons) - len(pythons) + len(release_matrix.platforms) - len(platforms),
    )


def missing(report: Report, rows: Sequence[Row]) -> list[str]:
    """Return the missing cells, expected or in the previous release: ``cp311-win_amd64``, ``sdist``."""
    places = [
        f"{place.python}-{place.platform}"
        for place, cell in matrix.of(report).cells.items()
        if cell.state in (matrix.State.LOST, matrix.State.MISSING)
    ]
    sdist = _build_sdist_cell(report, {row.filename: of_file(row) for row in rows})
    return [*sorted(places), *(["sdist"] if sdist and sdist.mark is LOST else [])]


def _build_wheel_cell(cell: matrix.Cell, symbols: Mapping[str, Mark]) -> Square:
    if cell.state in _SYMBOL_BY_EMPTY_CELL_STATE:
        return Square(mark=_SYMBOL_BY_EMPTY_CELL_STATE[cell.state])
    worst = max((symbols[filename] for filename in cell.files), key=ORDER.index)
    return Square(mark=worst, new=cell.state is matrix.State.NEW, files=cell.files)


def _build_sdist_cell(report: Report, symbols: Mapping[str, Mark]) -> Square | None:
    selected = report.selection.files if report.selection else ()
    sdists = tuple(name.filename for name, _ in selected if isinstance(name, SdistName))
    was_sdist = [isinstance(name, SdistName) for name in matrix.parsed(report.previous)]
    if sdists:
        worst = max((symbols[filename] for filename in sdists), key=ORDER.index)
        return Square(mark=worst, new=bool(was_sdist) and not any(was_sdist), files=sdists)
    return Square(mark=LOST) if any(was_sdist) else None
