"""Parts of a file as the note beside a partial file records them: ``0-8388608,16777216-20000000``."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: The first byte, and the one after the last.
Span = tuple[int, int]

_SPAN = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


def write(spans: Sequence[Span]) -> str:
    """Return the text for ``spans``."""
    return ",".join(f"{start}-{end}" for start, end in spans)


def read(text: str, size: int) -> tuple[Span, ...] | None:
    """Return the spans of ``text``; None if they cannot be those of a file of ``size`` bytes."""
    found = [_SPAN.fullmatch(part) for part in text.split(",")]
    spans = tuple((int(each[1]), int(each[2])) for each in found if each)
    edges = [edge for span in spans for edge in span]
    if len(spans) < len(found) or edges != sorted(set(edges)) or edges[-1] > size:
        return None
    return spans
