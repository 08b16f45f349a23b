"""The changes since the previous release as text."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.core.formatting import format_size, join_some
from wheel_uploader.core.models.changes import ReleaseChanges, SizeChange, ValueChange

#: Values of one property that are shown without ``-v``.
_MAX_SHOWN = 6


def format_changes(changes: ReleaseChanges, *, verbose: bool = False) -> Iterator[str]:
    """Yield the changes as lines: a heading, then one line for each property, folder and gap."""
    pair = f" ({changes.filename} against {changes.previous_filename})" if changes.filename else ""
    yield f"changes since {changes.version}{pair}:"
    limit = 1_000_000 if verbose else _MAX_SHOWN
    for change in changes.values:
        yield f"  {change.name}: {_format_values(change, limit)}"
    for size in changes.sizes:
        if size.folder or size.previous != size.current:
            yield f"  {_format_sizes(size)}"
    if not changes.values and all(size.previous == size.current for size in changes.sizes):
        yield "  none in metadata, names, entry points and sizes" if changes.sizes else "  none known"
    for sentence in changes.not_compared:
        yield f"  not compared: {sentence}"


def _format_values(change: ValueChange, limit: int) -> str:
    parts = [f"added {join_some(change.added, limit)}"] if change.added else []
    parts += [f"removed {join_some(change.removed, limit)}"] if change.removed else []
    return "; ".join(parts)


def _format_sizes(change: SizeChange) -> str:
    folder = change.folder or "all files"
    if not change.previous:
        return f"{folder}: new, {format_size(change.current)}"
    if not change.current:
        return f"{folder}: removed, was {format_size(change.previous)}"
    return f"{folder}: {format_size(change.previous)} before, {format_size(change.current)} now"
