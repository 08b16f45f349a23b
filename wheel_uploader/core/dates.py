"""Parser for the date formats of listings and headers, which works alike on every Python.

``datetime.fromisoformat`` and ``email.utils`` accept more formats, which differ between Python versions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
_ZONE = r"(?P<zone>Z|GMT|UTC?|[+-]\d\d(?::?\d\d)?)"
_DAY = r"(?P<day>\d{1,2})%s(?P<month>[a-z]{3})%s(?P<year>\d{4}|\d\d)"
_FORMATS = tuple(
    re.compile(pattern + r"\Z", re.ASCII | re.IGNORECASE)
    for pattern in (
        # ISO 8601
        rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?:[T ]{_TIME}(?: ?{_ZONE})?)?",
        # RFC 9110 and RFC 5322: Sun, 29 Nov 2026 10:00:00 GMT
        rf"(?:[a-z]{{3,9}}, ?)?{_DAY % (' ', ' ')} {_TIME}(?: {_ZONE})?",
        # RFC 850: Sunday, 29-Nov-26 10:00:00 GMT. Without a zone, it would be the local time of the server.
        rf"(?:[a-z]{{3,9}}, ?)?{_DAY % ('-', '-')} {_TIME} {_ZONE}",
        # C: Sun Nov 29 10:00:00 2026
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) {{1,2}}(?P<day>\d{{1,2}}) {_TIME} (?P<year>\d{{4}})",
    )
)


def parse_date(text: str) -> datetime | None:
    """Parse a date, in UTC if it has no time zone; return None for any other text."""
    for date_format in _FORMATS:
        if match := date_format.match(text):
            try:
                return _make_datetime(match.groupdict())
            except (ValueError, OverflowError):
                return None
    return None


def _make_datetime(fields: Mapping[str, str | None]) -> datetime:
    month, year = fields["month"] or "", int(fields["year"] or 0)
    if len(fields["year"] or "") == 2:
        year += 1900 if year > 68 else 2000
    return datetime(
        year,
        int(month) if month.isdigit() else _MONTHS.index(month.lower()) + 1,
        int(fields["day"] or 0),
        int(fields["hour"] or 0),
        int(fields["minute"] or 0),
        int(fields["second"] or 0),
        int((fields.get("fraction") or "").ljust(6, "0")[:6]),
        tzinfo=_parse_zone(fields.get("zone") or "Z"),
    )


def _parse_zone(text: str) -> timezone:
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if minutes > 59:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)
