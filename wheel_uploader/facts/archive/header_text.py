"""Normalize metadata headers before an email parser reads them, so that every Python reads the same values.

Before 3.12.7 and 3.13.0, ``email`` kept the line break of a header whose value begins on the next line; later
releases drop it. pip, twine and pkginfo parse with the ``email`` of the Python that runs them.
"""

from __future__ import annotations

import re

#: A byte order mark, decoded; Windows editors write it at the beginning of a file.
BYTE_ORDER_MARK = "\ufeff"

_END_OF_HEADERS = re.compile(r"(?:\r\n|\r(?!\n)|\n){2}")
_VALUE_ON_NEXT_LINE = re.compile(r"(?:\A|(?<=[\r\n]))([^\s:]+):[ \t]*(?:(?:\r\n|\r(?!\n)|\n)[ \t]+)+")


def normalize_headers(text: str) -> tuple[str, frozenset[str]]:
    """Return ``text`` with each value moved up to the line of its header, and the names of those headers.

    A byte order mark at the beginning is removed.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    end = _END_OF_HEADERS.search(text)
    head = text[: end.start()] if end else text
    moved_headers = frozenset(match[1].lower() for match in _VALUE_ON_NEXT_LINE.finditer(head))
    if not moved_headers:
        return text, moved_headers
    return _VALUE_ON_NEXT_LINE.sub(r"\1: ", head) + text[len(head) :], moved_headers
