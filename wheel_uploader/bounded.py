"""Numbers, dates and JSON from outside, parsed within limits that no real release reaches.

Listings, headers, file names, notes and configuration files are written by others, and Python's own parsers
accept more than the program can use: ``int`` takes digits of any script, underscores, and raises from 4,301
digits on; ``json.loads`` takes ``NaN``; a ``datetime`` of the year 1 overflows when its time zone is changed.
Every number from outside enters the program through this module.
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

from wheel_uploader import dates

#: Bytes of one file. The largest wheels that are published have a few GB.
MAX_SIZE = 1 << 40
MAX_SIZE_TEXT = "1 TiB"
#: Seconds of any duration: ten years. Timers and dates overflow far beyond.
MAX_SECONDS = 10 * 366 * 86400
#: A number of a platform tag; the largest are years (``pyodide_2026_0``).
MAX_TAG_NUMBER = 9999
#: A version for which every older one is enumerated: minor versions of Python and of C libraries, macOS.
MAX_ENUMERATED = 199
#: Characters of a version. It is part of a file name, which has 200 at most.
MAX_VERSION = 200
#: Characters of a list of version specifiers, such as Requires-Python.
MAX_SPECIFIERS = 4000

#: Levels of brackets within brackets in JSON.
MAX_DEPTH = 200
_OTHER_BYTES = bytes(byte for byte in range(256) if byte not in b'[]{}"')
_ONE_UP_ONE_DOWN = bytes.maketrans(b"[{]}", b"\2\2\0\0")

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
#: Characters of a date.
_LONGEST_DATE = 100
#: What a larger whole number becomes; it is beyond every limit here.
_HUGE = 10**40
#: Digits that ``int`` takes whatever PYTHONINTMAXSTRDIGITS is; and those that it takes by default.
_READABLE, _LONGEST_NUMBER = 640, 4300


def whole_number(text: str, most: int) -> int | None:
    """Return the number that ``text`` is in ASCII digits; None for other text and for more than ``most``."""
    number = digits(text)
    return None if number is None or number > most else number


def digits(text: str) -> int | None:
    """Return the number that ``text`` is in ASCII digits; None for other text, ``_HUGE`` at most."""
    if not is_whole_number(text):
        return None
    return _HUGE if len(text) > _READABLE else min(int(text), _HUGE)


def is_whole_number(text: str) -> bool:
    """Return whether ``text`` is nothing but ASCII digits."""
    return text.isascii() and text.isdecimal()


def integer(text: str) -> int:
    """Return a whole number of JSON, ``_HUGE`` or its negative at most. Raises ValueError for a long text."""
    if len(text) > _LONGEST_NUMBER:
        raise ValueError("a number with too many digits")
    number = digits(text.removeprefix("-"))
    if number is None:
        raise ValueError("not a whole number")
    return -number if text.startswith("-") else number


# --- sizes -----------------------------------------------------------------------------------------


class ListedSize(NamedTuple):
    """The size of a file as a listing states it."""

    #: None where the listing has no exact size.
    bytes: int | None
    #: Why a file of the stated size is not fetched, in one clause; empty if it may be.
    excess: str


def listed_size(stated: object) -> ListedSize:
    """Return the size that a listing states as a number of JSON: a whole one, or it states nothing."""
    if type(stated) is not int or stated < 0:
        return ListedSize(None, "")
    if stated > MAX_SIZE:
        return ListedSize(None, f"its listed size is more than {MAX_SIZE_TEXT}")
    return ListedSize(stated, "")


def listed_size_text(stated: str) -> ListedSize:
    """Return the size that a listing or a header states as text; what is not ASCII digits states nothing."""
    return listed_size(digits(stated))


def is_size(value: object) -> bool:
    """Return whether ``value`` is a whole number that can be the size of a file."""
    return type(value) is int and 0 <= value <= MAX_SIZE


# --- dates and durations ---------------------------------------------------------------------------


def moment(stated: object) -> datetime | None:
    """Return a date of a listing or a header, in ISO 8601 or as in HTTP; in UTC if it has no time zone.

    None for what is not a date, and for one before 1970 or in the distant future.
    """
    if not isinstance(stated, str) or len(stated) > _LONGEST_DATE or not stated.isascii():
        return None
    when = dates.parse(stated.strip())
    return when if when is not None and _EARLIEST <= when <= _LATEST else None


def moment_of(timestamp: float) -> datetime:
    """Return the date of a file's time stamp; the nearest usable one if it is out of range.

    Some file systems keep any 64 bits that they were given.
    """
    earliest, latest = _EARLIEST.timestamp(), _LATEST.timestamp()
    # In this order NaN, of which no comparison is true, becomes the earliest.
    return datetime.fromtimestamp(min(max(earliest, timestamp), latest), UTC)


def seconds(number: float) -> float | None:
    """Return a number of seconds as it is; None unless it is between 0 and ten years."""
    return number if 0 <= number <= MAX_SECONDS else None


# --- versions --------------------------------------------------------------------------------------


def version(text: str) -> Version:
    """Return a version (PEP 440). Raises InvalidVersion, also for a text that is too long to be one."""
    if len(text) > MAX_VERSION:
        raise InvalidVersion(f"a version has at most {MAX_VERSION} characters")
    return Version(text)


def specifiers(text: str) -> SpecifierSet:
    """Return a set of version specifiers. Raises InvalidSpecifier, also for a text that is too long."""
    if len(text) > MAX_SPECIFIERS:
        raise InvalidSpecifier(f"a list of specifiers has at most {MAX_SPECIFIERS} characters")
    return SpecifierSet(text)


# --- JSON ------------------------------------------------------------------------------------------


def load_json(text: str | bytes, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Return what a JSON text from outside stands for. Raises ValueError for what cannot be read.

    ``hook`` gets each object as soon as it is read, and gives what stands in its place.

    A whole number of more digits than any number has becomes one that is beyond every limit. What is not a
    finite number (``NaN``, ``1e400``) becomes None.
    """
    if _is_deep(text):
        raise ValueError("it is nested too deeply")
    try:
        return json.loads(
            text, object_hook=hook, parse_int=integer, parse_float=_float, parse_constant=_not_a_number
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _is_deep(text: str | bytes) -> bool:
    """Return whether brackets are nested deeper than in any listing.

    Where the parser itself gives up depends on the release of Python: between 900 and 100,000 levels.
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    quoted = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _OTHER_BYTES)
    bare = b"".join(quoted.split(b'"')[::2]).translate(_ONE_UP_ONE_DOWN)
    return max(itertools.accumulate(byte - 1 for byte in bare), default=0) > MAX_DEPTH


def _float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _not_a_number(_text: str) -> None:
    return None
