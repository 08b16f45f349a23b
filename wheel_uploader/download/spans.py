"""Byte ranges as the metadata of a partial file records them: ``0-8388608,16777216-20000000``."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: The first byte, and the one after the last.
ByteRange = tuple[int, int]

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


def format_ranges(ranges: Sequence[ByteRange]) -> str:
    """Return the text for ``ranges``."""
    return ",".join(f"{start}-{end}" for start, end in ranges)


def parse_ranges(text: str, size: int) -> tuple[ByteRange, ...] | None:
    """Return the ranges in ``text``; None unless they are valid for a file of ``size`` bytes."""
    matches = [_RANGE.fullmatch(part) for part in text.split(",")]
    ranges = tuple((int(match[1]), int(match[2])) for match in matches if match)
    edges = [edge for byte_range in ranges for edge in byte_range]
    if len(ranges) < len(matches) or edges != sorted(set(edges)) or edges[-1] > size:
        return None
    return ranges
