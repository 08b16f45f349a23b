"""The order of builds whose versions differ only in a commit, which cannot be sorted by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from packaging.version import Version

#: ``gf97f66ab`` (git describe), ``git886365ca``, ``sha886365ca``.
_MARKED_COMMIT = re.compile(r"(?:git|g|sha|commit|hg)[0-9a-f]{6,40}")
#: The beginning of a hash, or all of it.
_BARE_COMMIT = re.compile(r"[0-9a-f]{7,40}")
#: ``20261128``, ``d20261128`` (a checkout with changes), ``git20261128``; hours and minutes may follow.
_DATE = re.compile(r"(?:git|g|d|date)?(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?:\d{4}|\d{6})?")
#: Files that were copied one after the other get dates that say nothing about their builds.
_MIN_DIFFERENCE = timedelta(minutes=1)


def is_commit(segment: str) -> bool:
    """Return whether a segment of a local version is the hash of a commit, not a date, number or word."""
    if _DATE.fullmatch(segment) or segment.isdigit():
        return False
    if _MARKED_COMMIT.fullmatch(segment):
        return True
    return bool(_BARE_COMMIT.fullmatch(segment)) and any(map(str.isdigit, segment))


def is_build_of_checkout(version: Version) -> bool:
    """Return whether the local part of a version names a commit or a date, as tools compute it."""
    segments = _split_local(version)
    return any(is_commit(segment) or _DATE.fullmatch(segment) or segment == "dirty" for segment in segments)


def find_rivals(version: Version, others: Iterable[Version]) -> list[Version]:
    """Return the versions that differ from ``version`` only from a commit on, so that neither is newer.

    A distance in front of the commit (``+5.gf97f66ab``), or a date, gives an order; so does nothing but the
    absence of a local part.
    """
    return [other for other in others if other != version and _differ_in_commit(version, other)]


def _differ_in_commit(first: Version, second: Version) -> bool:
    if first.public != second.public:
        return False
    for pair in zip(_split_local(first), _split_local(second), strict=False):
        if pair[0] != pair[1]:
            return any(map(is_commit, pair))
    return False


def _split_local(version: Version) -> list[str]:
    return version.local.split(".") if version.local else []


def date_from_local(version: Version) -> datetime | None:
    """Return the day in the local part of a version (``+git20261128.abc1234``), at its end; else None."""
    for segment in _split_local(version):
        if match := _DATE.fullmatch(segment):
            try:
                year, month, day = map(int, match.groups())
                return datetime(year, month, day, tzinfo=UTC) + timedelta(days=1)
            except ValueError:
                continue
    return None


def find_newest(dates: dict[Version, datetime | None]) -> Version | None:
    """Return the version with the newest date; None if one has no date, or the newest two are too close."""
    known = sorted(((date, version) for version, date in dates.items() if date), reverse=True)
    if len(known) < len(dates) or (len(known) > 1 and known[0][0] - known[1][0] < _MIN_DIFFERENCE):
        return None
    return known[0][1] if known else None
