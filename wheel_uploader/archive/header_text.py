"""Headers as text before any parser of mail has them, so that every Python reads the same in them.

Until 3.12.7 and 3.13.0, ``email`` kept the line end of a header whose value begins on the next line; later
releases drop it. pip, twine and pkginfo read with the ``email`` of the Python that runs.
"""

from __future__ import annotations

import re

_END_OF_HEADERS = re.compile(r"(?:\r\n|\r(?!\n)|\n){2}")
_BEGINS_BELOW = re.compile(r"(?:\A|(?<=[\r\n]))([^\s:]+):[ \t]*(?:(?:\r\n|\r(?!\n)|\n)[ \t]+)+")


def canonical(text: str) -> tuple[str, frozenset[str]]:
    """Return ``text`` with every value on the line of its header, and the headers for which that was new."""
    end = _END_OF_HEADERS.search(text)
    head = text[: end.start()] if end else text
    below = frozenset(match[1].lower() for match in _BEGINS_BELOW.finditer(head))
    if not below:
        return text, below
    return _BEGINS_BELOW.sub(r"\1: ", head) + text[len(head) :], below
