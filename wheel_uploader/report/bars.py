"""Size bars, all to one scale: the size of each file and of its counterpart in the previous release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wheel_uploader.display import human_size
from wheel_uploader.report.ending import percent
from wheel_uploader.report.files import Row
from wheel_uploader.report.marks import Tone

#: A change of size by more than this fraction is highlighted.
_NOTABLE_CHANGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar, in percent of the largest, with its labels."""

    length: float
    #: The previous size, on the same scale; None if it is not known.
    before: float | None
    said: str
    #: Empty if there is no previous size to compare with.
    change: str
    tone: Tone


def of(rows: Sequence[Row]) -> Mapping[str, Bar]:
    """Return the bars by file name; a file of unknown size has none."""
    largest = max((max(row.size or 0, _get_previous_size(row) or 0) for row in rows), default=0)
    return {row.filename: _build_bar(row, row.size, largest) for row in rows if row.size}


def _get_previous_size(row: Row) -> int | None:
    return row.before.size if row.before else None


def _build_bar(row: Row, size: int, largest: int) -> Bar:
    previous_size = _get_previous_size(row)
    change = row.change
    return Bar(
        length=100 * size / largest,
        before=100 * previous_size / largest if previous_size else None,
        said=human_size(size),
        change="" if change is None else percent(change),
        tone=Tone.WARN if change is not None and abs(change) > _NOTABLE_CHANGE else Tone.PLAIN,
    )
