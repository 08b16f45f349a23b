"""Sizes of files as text: exact, approximate where the listing is rough, and nothing where it has no size."""

from __future__ import annotations

from collections.abc import Sequence

from wheel_uploader.core.formatting import format_approximate_size, format_size
from wheel_uploader.report.views.file_rows import FileRow


def format_file_size(row: FileRow) -> str:
    """Return the size of a file: ``16.9 MB``, ``about 17 MB``, or empty if it is not known."""
    if row.size is not None:
        return format_size(row.size)
    return format_approximate_size(row.approximate_size) if row.approximate_size else ""


def format_total_size(rows: Sequence[FileRow]) -> str:
    """Return the size of all files together; empty if the size of one of them is not known."""
    if None not in (sizes := [row.size for row in rows]):
        return format_size(sum(filter(None, sizes)))
    estimates = [row.size if row.size is not None else row.approximate_size for row in rows]
    return "" if None in estimates else format_approximate_size(sum(filter(None, estimates)))
