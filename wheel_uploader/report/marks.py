"""The picture of a release: each place of pythons x platforms has a mark, with word, shape and tone."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from wheel_uploader.models import Report, SdistName
from wheel_uploader.platforms.families import Family
from wheel_uploader.report import matrix
from wheel_uploader.report.files import Row, State


class Tone(enum.StrEnum):
    """How something is meant: a colour where there are colours, and never a colour alone."""

    GOOD = "good"
    PLAIN = "plain"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How one state is shown."""

    #: Names the shape.
    id: str
    word: str
    tone: Tone
    #: One character, where there are no shapes.
    sign: str
    meaning: str


PUBLISHED = Mark(
    id="published",
    word="published",
    tone=Tone.GOOD,
    sign="✓",
    meaning="posted by this run; the index serves our sha256",
)
UPLOADED = Mark(
    id="uploaded", word="uploaded", tone=Tone.GOOD, sign="↑", meaning="posted; not yet seen on the index"
)
SAME = Mark(
    id="same",
    word="same",
    tone=Tone.GOOD,
    sign="=",
    meaning="skipped: the index had the same bytes already",
)
CHECKED = Mark(
    id="checked",
    word="checked",
    tone=Tone.PLAIN,
    sign="○",
    meaning="whole, and no check stops it; not posted",
)
SIGNED = Mark(id="signed", word="signed", tone=Tone.PLAIN, sign="○", meaning="checked and signed; not posted")
WOULD_POST = Mark(
    id="would-post", word="would post", tone=Tone.PLAIN, sign="↑", meaning="the index does not have it yet"
)
HERE = Mark(id="here", word="here", tone=Tone.PLAIN, sign="↓", meaning="in the wheelhouse; not yet checked")
LISTED = Mark(
    id="listed", word="listed", tone=Tone.PLAIN, sign="·", meaning="seen where it is staged, no more"
)
NOT_TRIED = Mark(
    id="not-tried", word="not tried", tone=Tone.WARN, sign="…", meaning="the run ended before its turn"
)
UNKNOWN = Mark(
    id="unknown",
    word="unknown",
    tone=Tone.WARN,
    sign="?",
    meaning="posted without an answer, and the index could not be asked",
)
FAILED = Mark(id="failed", word="failed", tone=Tone.BAD, sign="✗", meaning="a check stops it")
CONFLICT = Mark(
    id="conflict",
    word="conflict",
    tone=Tone.BAD,
    sign="≠",
    meaning="the index has other bytes under this name, or these under another",
)
REJECTED = Mark(id="refused", word="refused", tone=Tone.BAD, sign="⊘", meaning="the index did not take it")
LOST = Mark(id="lost", word="lost", tone=Tone.BAD, sign="▽", meaning="the previous release has a wheel here")
EXPECTED = Mark(id="expected", word="missing", tone=Tone.BAD, sign="□", meaning="a wheel is expected here")
COVERED = Mark(
    id="covered",
    word="covered",
    tone=Tone.PLAIN,
    sign="◌",
    meaning="a wheel of another row or column is installed here",
)

_OF_FILES: Mapping[State, Mark] = {
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
_OF_PLACES: Mapping[matrix.State, Mark] = {
    matrix.State.LOST: LOST,
    matrix.State.MISSING: EXPECTED,
    matrix.State.COVERED: COVERED,
}
#: The order of the legend; of several wheels in one place the last of these is shown.
ORDER = (
    *(PUBLISHED, UPLOADED, SAME, WOULD_POST, SIGNED, CHECKED, HERE, LISTED),
    *(COVERED, NOT_TRIED, UNKNOWN, REJECTED, FAILED, CONFLICT, LOST, EXPECTED),
)


def of_file(row: Row) -> Mark:
    """How the state of a file is shown."""
    return _OF_FILES[row.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """One place of the picture."""

    mark: Mark
    #: The previous release has no wheel here.
    new: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The matrix as it is drawn: a line of squares for each python; None where nothing is known."""

    platforms: tuple[Family, ...]
    #: Systems, each with how many platforms of it stand beside each other.
    systems: tuple[tuple[str, int], ...]
    lines: tuple[tuple[str, tuple[Square | None, ...]], ...]
    #: The sdist, if there is one, or was.
    sdist: Square | None
    #: The marks that occur, in the order of the legend, and how often each does.
    legend: tuple[tuple[Mark, int], ...]
    #: How many squares are new, and since which version; empty when nothing was compared.
    new: int
    compared_with: str
    #: Pythons and platforms that were left out, for nobody can look at so many.
    left_out: int


def picture(report: Report, rows: Sequence[Row], *, most: int = 60) -> Picture | None:
    """The matrix of a report with what became of each wheel; None when there is no wheel to look at."""
    found = matrix.of(report)
    if not found.cells:
        return None
    by_name = {row.filename: of_file(row) for row in rows}
    squares = {place: _square(cell, by_name) for place, cell in found.cells.items()}
    pythons, platforms = found.pythons[:most], found.platforms[:most]
    sdist = _sdist(report, by_name)
    shown = [*squares.values(), *([sdist] if sdist else [])]
    counts = Counter(square.mark.id for square in shown)
    return Picture(
        platforms=platforms,
        systems=tuple(
            (system, len(list(same))) for system, same in groupby(platforms, lambda each: each.system)
        ),
        lines=tuple(
            (python, tuple(squares.get(matrix.Place(python, platform)) for platform in platforms))
            for python in pythons
        ),
        sdist=sdist,
        legend=tuple((mark, counts[mark.id]) for mark in ORDER if mark.id in counts),
        new=sum(square.new for square in shown),
        compared_with=found.compared_with,
        left_out=len(found.pythons) - len(pythons) + len(found.platforms) - len(platforms),
    )


def missing(report: Report, rows: Sequence[Row]) -> list[str]:
    """The places that a wheel is expected in, or was, and that have none: ``cp311-win_amd64``, ``sdist``."""
    found = matrix.of(report)
    places = [
        f"{place.python}-{place.platform}"
        for place, cell in found.cells.items()
        if cell.state in (matrix.State.LOST, matrix.State.MISSING)
    ]
    sdist = _sdist(report, {row.filename: of_file(row) for row in rows})
    return [*sorted(places), *(["sdist"] if sdist and sdist.mark is LOST else [])]


def _square(cell: matrix.Cell, by_name: Mapping[str, Mark]) -> Square:
    if cell.state in _OF_PLACES:
        return Square(mark=_OF_PLACES[cell.state])
    worst = max((by_name[filename] for filename in cell.files), key=ORDER.index)
    return Square(mark=worst, new=cell.state is matrix.State.NEW, files=cell.files)


def _sdist(report: Report, by_name: Mapping[str, Mark]) -> Square | None:
    selected = report.selection.files if report.selection else ()
    here = tuple(name.filename for name, _ in selected if isinstance(name, SdistName))
    before = [isinstance(name, SdistName) for name in matrix.parsed(report.previous)]
    if here:
        worst = max((by_name[filename] for filename in here), key=ORDER.index)
        return Square(mark=worst, new=bool(before) and not any(before), files=here)
    return Square(mark=LOST) if any(before) else None
