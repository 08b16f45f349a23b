"""Dates of listings and headers, in the forms that servers write, read alike on every Python.

``datetime.fromisoformat`` and ``email.utils`` accept more forms, and not the same ones in every release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
_ZONE = r"(?P<zone>Z|GMT|UTC?|[+-]\d\d(?::?\d\d)?)"
_DAY = r"(?P<day>\d{1,2})%s(?P<month>[a-z]{3})%s(?P<year>\d{4}|\d\d)"
_FORMS = tuple(
    re.compile(form + r"\Z", re.ASCII | re.IGNORECASE)
    for form in (
        # ISO 8601
        rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?:[T ]{_TIME}(?: ?{_ZONE})?)?",
        # RFC 9110 and RFC 5322: Sun, 29 Nov 2026 10:00:00 GMT
        rf"(?:[a-z]{{3,9}}, ?)?{_DAY % (' ', ' ')} {_TIME}(?: {_ZONE})?",
        # RFC 850: Sunday, 29-Nov-26 10:00:00 GMT. Without a zone it is the time at an unknown server.
        rf"(?:[a-z]{{3,9}}, ?)?{_DAY % ('-', '-')} {_TIME} {_ZONE}",
        # C: Sun Nov 29 10:00:00 2026
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) {{1,2}}(?P<day>\d{{1,2}}) {_TIME} (?P<year>\d{{4}})",
    )
)


def parse(text: str) -> datetime | None:
    """Return the date that ``text`` says, in UTC if it names no time zone; None for any other text."""
    for form in _FORMS:
        if found := form.match(text):
            try:
                return _moment(found.groupdict())
            except (ValueError, OverflowError):
                return None
    return None


def _moment(said: Mapping[str, str | None]) -> datetime:
    month, year = said["month"] or "", int(said["year"] or 0)
    if len(said["year"] or "") == 2:
        year += 1900 if year > 68 else 2000
    return datetime(
        year,
        int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1,
        int(said["day"] or 0),
        int(said["hour"] or 0),
        int(said["minute"] or 0),
        int(said["second"] or 0),
        int((said.get("fraction") or "").ljust(6, "0")[:6]),
        tzinfo=_zone(said.get("zone") or "Z"),
    )


def _zone(said: str) -> timezone:
    if said[0] not in "+-":
        return UTC
    digits = said[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if minutes > 59:
        raise ValueError(said)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if said[0] == "-" else offset)
