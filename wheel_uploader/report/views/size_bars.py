"""Size bars, all to one scale: the size of each file and of its counterpart in the previous release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wheel_uploader.core.formatting import format_size
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models.changes import ReleaseChanges
from wheel_uploader.report.views.file_rows import FileRow
from wheel_uploader.report.views.file_status import Emphasis
from wheel_uploader.report.views.outcome import format_percent

#: A change of size by more than this fraction is highlighted.
_NOTABLE_CHANGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeBar:
    """One bar, in percent of the largest, with its labels."""

    percent: float
    #: The previous size, on the same scale; None if it is not known.
    previous_percent: float | None
    size_text: str
    #: Empty if there is no previous size to compare with.
    change_text: str
    emphasis: Emphasis


def build_size_bars(rows: Sequence[FileRow]) -> Mapping[str, SizeBar]:
    """Return the bars by file name; a file of unknown size has none."""
    largest = max((max(row.size or 0, _get_previous_size(row) or 0) for row in rows), default=0)
    return {row.filename: _build_bar(row, row.size, largest) for row in rows if row.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBar:
    """The sizes of one folder of a wheel before and now, in percent of the largest that is shown."""

    folder: str
    previous_percent: float
    percent: float
    text: str


def build_change_bars(changes: ReleaseChanges | None) -> tuple[ChangeBar, ...]:
    """Return a bar for each folder that changed in size, and one for the whole wheel."""
    shown = [size for size in changes.sizes if size.previous != size.current] if changes else []
    largest = max((max(size.previous, size.current) for size in shown), default=1)
    return tuple(
        ChangeBar(
            folder=size.folder or "all files",
            previous_percent=100 * size.previous / largest,
            percent=100 * size.current / largest,
            text=f"{format_size(size.previous)} before, {format_size(size.current)} now",
        )
        for size in shown
    )


def _get_previous_size(row: FileRow) -> int | None:
    return row.previous.size if row.previous else None


def _build_bar(row: FileRow, size: int, largest: int) -> SizeBar:
    previous_size = _get_previous_size(row)
    change = row.size_change
    return SizeBar(
        percent=100 * size / largest,
        previous_percent=100 * previous_size / largest if previous_size else None,
        size_text=format_size(size),
        change_text="" if change is None else format_percent(change),
        emphasis=Emphasis.WARN if change is not None and abs(change) > _NOTABLE_CHANGE else Emphasis.PLAIN,
    )
