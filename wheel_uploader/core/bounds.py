"""Parsing of untrusted numbers, dates, versions and JSON, within limits that no real release reaches.

Listings, headers, file names, notes and configuration files are untrusted, and Python's own parsers accept
more than the program can use: ``int`` accepts digits of any script and underscores, and raises from 4,301
digits on; ``json.loads`` accepts ``NaN``; a ``datetime`` of the year 1 overflows when its time zone changes.
Every number from outside is parsed by this module.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import dates

#: Maximum bytes of one file. The largest published wheels have a few GB.
MAX_FILE_SIZE = 1 << 40
MAX_FILE_SIZE_TEXT = "1 TiB"
#: Maximum number of files of a release; a listing may have as many links.
MAX_RELEASE_FILES = 100_000
#: Maximum seconds of a duration: ten years, far below the overflow of timers and dates.
MAX_SECONDS = 10 * 366 * 86400
#: Maximum number in a platform tag; the largest actual ones are years (``pyodide_2026_0``).
MAX_TAG_NUMBER = 9999
#: Maximum number in a version whose predecessors are enumerated: minor versions of Python and of C libraries,
#: versions of macOS.
MAX_ENUMERATED_VERSION = 199
#: Maximum characters of a version. It is part of a file name, which has at most 200.
MAX_VERSION_LENGTH = 200
#: Maximum characters of a list of version specifiers, such as Requires-Python.
MAX_SPECIFIERS_LENGTH = 4000

#: Maximum nesting depth of JSON.
MAX_JSON_DEPTH = 200
_NON_STRUCTURAL_BYTES = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_DEPTH_CHANGES = bytes.maketrans(b"[{]}", b"\2\2\0\0")

_MIN_DATE, _MAX_DATE = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
#: Maximum characters of a date.
_MAX_DATE_LENGTH = 100
#: Replaces any larger whole number; it exceeds every limit here.
_HUGE = 10**40
#: Maximum digits that ``int`` accepts with any PYTHONINTMAXSTRDIGITS, and by default.
_MAX_PARSED_DIGITS, _MAX_NUMBER_LENGTH = 640, 4300
#: Numbers with fewer digits are below ``_HUGE``, and are parsed without further tests.
_MAX_SHORT_DIGITS = 20


def parse_whole_number(text: str, maximum: int) -> int | None:
    """Parse a whole number in ASCII digits; return None for other text and for more than ``maximum``."""
    number = parse_digits(text)
    return None if number is None or number > maximum else number


def parse_digits(text: str) -> int | None:
    """Parse a whole number in ASCII digits, limited to ``_HUGE``; return None for other text."""
    if not is_whole_number(text):
        return None
    return _HUGE if len(text) > _MAX_PARSED_DIGITS else min(int(text), _HUGE)


def is_whole_number(text: str) -> bool:
    """Return whether ``text`` consists of ASCII digits."""
    return text.isascii() and text.isdecimal()


def parse_json_integer(text: str) -> int:
    """Parse a JSON integer, limited to ``_HUGE`` and its negative. Raises ValueError if it is too long."""
    if len(text) < _MAX_SHORT_DIGITS and is_whole_number(text):
        return int(text)
    if len(text) > _MAX_NUMBER_LENGTH:
        raise ValueError("a number with too many digits")
    number = parse_digits(text.removeprefix("-"))
    if number is None:
        raise ValueError("not a whole number")
    return -number if text.startswith("-") else number


# --- sizes -----------------------------------------------------------------------------------------


class ListedSize(NamedTuple):
    """The size of a file, as listed."""

    #: None if the listing has no exact size.
    bytes: int | None
    #: Reason, in one clause, why a file of this size is not downloaded; empty if it may be.
    rejection_reason: str


def parse_listed_size(value: object) -> ListedSize:
    """Return the size that a listing states as a JSON number; anything but a whole number means no size."""
    if type(value) is not int or value < 0:
        return ListedSize(None, "")
    if value > MAX_FILE_SIZE:
        return ListedSize(None, f"its listed size is more than {MAX_FILE_SIZE_TEXT}")
    return ListedSize(value, "")


def parse_listed_size_text(text: str) -> ListedSize:
    """Return the size that a listing or header states as text; anything but ASCII digits means no size."""
    return parse_listed_size(parse_digits(text))


def is_valid_size(value: object) -> bool:
    """Return whether ``value`` is a whole number within the limit for file sizes."""
    return type(value) is int and 0 <= value <= MAX_FILE_SIZE


# --- dates and durations ---------------------------------------------------------------------------


def parse_listed_date(value: object) -> datetime | None:
    """Parse a date of a listing or header, in ISO 8601 or HTTP format; without a time zone, it is in UTC.

    Return None for anything else, and for dates before 1970 or in the distant future.
    """
    if not isinstance(value, str) or len(value) > _MAX_DATE_LENGTH or not value.isascii():
        return None
    date = dates.parse_date(value.strip())
    return date if date is not None and _MIN_DATE <= date <= _MAX_DATE else None


def date_from_timestamp(timestamp: float) -> datetime:
    """Return the date of a file's timestamp, clamped to the usable range.

    Some file systems store any 64-bit value.
    """
    earliest, latest = _MIN_DATE.timestamp(), _MAX_DATE.timestamp()
    # With this order of arguments, NaN becomes the earliest date, because its comparisons are false.
    return datetime.fromtimestamp(min(max(earliest, timestamp), latest), UTC)


def bounded_seconds(value: float) -> float | None:
    """Return a number of seconds unchanged, or None unless it is between 0 and ten years."""
    return value if 0 <= value <= MAX_SECONDS else None


# --- versions --------------------------------------------------------------------------------------


def parse_pep440_version(text: str) -> Version:
    """Parse a version (PEP 440). Raises InvalidVersion, also if the text is too long."""
    if len(text) > MAX_VERSION_LENGTH:
        raise InvalidVersion(f"a version has at most {MAX_VERSION_LENGTH} characters")
    return Version(text)


def parse_specifiers(text: str) -> SpecifierSet:
    """Parse a set of version specifiers. Raises InvalidSpecifier, also if the text is too long."""
    if len(text) > MAX_SPECIFIERS_LENGTH:
        raise InvalidSpecifier(f"a list of specifiers has at most {MAX_SPECIFIERS_LENGTH} characters")
    return SpecifierSet(text)


# --- JSON ------------------------------------------------------------------------------------------


def load_json(text: str | bytes, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Parse untrusted JSON. Raises ValueError if it is invalid or nested too deeply.

    ``object_hook`` is called with each object as soon as it is parsed, and returns its replacement.

    A whole number with very many digits becomes one that exceeds every limit. Numbers that are not finite
    (``NaN``, ``1e400``) become None.
    """
    if _is_nested_too_deeply(text):
        raise ValueError("it is nested too deeply")
    try:
        return json.loads(
            text,
            object_hook=object_hook,
            parse_int=parse_json_integer,
            parse_float=_parse_float,
            parse_constant=_parse_constant,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _is_nested_too_deeply(text: str | bytes) -> bool:
    """Return whether brackets are nested deeper than in any listing.

    The limit of the parser itself varies from 900 to 100,000 levels between Python versions.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= MAX_JSON_DEPTH:
        return False
    quoted = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NON_STRUCTURAL_BYTES)
    bare = b"".join(quoted.split(b'"')[::2]).translate(_DEPTH_CHANGES)
    return max(itertools.accumulate(byte - 1 for byte in bare), default=0) > MAX_JSON_DEPTH


def _parse_float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _parse_constant(_text: str) -> None:
    return None
