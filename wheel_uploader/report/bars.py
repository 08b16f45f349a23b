"""Sizes as bars, all to one scale: how large each file is, and how large it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wheel_uploader.display import human_size
from wheel_uploader.report.ending import percent
from wheel_uploader.report.files import Row
from wheel_uploader.report.marks import Tone

#: A wheel that grew or shrank by more than this part is worth a look.
_NOTABLE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar, in percent of the largest; what stands beside it in words."""

    length: float
    #: The size before; None when it is not known.
    before: float | None
    said: str
    #: Empty when there is nothing to compare with.
    change: str
    tone: Tone


def of(rows: Sequence[Row]) -> Mapping[str, Bar]:
    """A bar for each file, by name; none of a file whose size is not known."""
    largest = max((max(row.size or 0, _before(row) or 0) for row in rows), default=0)
    return {row.filename: _bar(row, row.size, largest) for row in rows if row.size}


def _before(row: Row) -> int | None:
    return row.before.size if row.before else None


def _bar(row: Row, size: int, largest: int) -> Bar:
    before = _before(row)
    change = row.change
    return Bar(
        length=100 * size / largest,
        before=100 * before / largest if before else None,
        said=human_size(size),
        change="" if change is None else percent(change),
        tone=Tone.WARN if change is not None and abs(change) > _NOTABLE else Tone.PLAIN,
    )
