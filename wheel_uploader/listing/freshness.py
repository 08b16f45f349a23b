"""Determine the age of the newest staged build, and stop the run if it is too old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from wheel_uploader.core import bounds, local_versions
from wheel_uploader.core.errors import NothingFoundError, UsageError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import RemoteFile, Selection
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.http.client import HttpClient

#: ``.dev20261120`` and ``.dev202611201530``: common version numbers of nightly builds.
_DATED = re.compile(r"(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?:\d{4}|\d{6})?")
#: Tolerated difference between the clocks of two machines.
CLOCK_SKEW = timedelta(minutes=10)
#: The latest time until the current day ends in any time zone.
_DAY_AHEAD = timedelta(hours=24 + 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDate:
    """The date of a file, and the source of that date."""

    date: datetime
    source: str
    #: True if ``date`` is the end of a day, because only the day is known.
    is_end_of_day: bool = False

    def latest_at(self, now: datetime) -> datetime:
        """Return the latest time that such a date can have; a later one is in the future."""
        return now + (_DAY_AHEAD if self.is_end_of_day else CLOCK_SKEW)

    def __str__(self) -> str:
        return f"{_format_minute(self.date)} according to {self.source}"


def require_fresh(selection: Selection, http: HttpClient, *, limit: float, now: datetime) -> BuildDate:
    """Return the date of a file of the release that is not older than ``limit`` seconds.

    Request dates that the listing lacks from the server, until one is recent enough. A date in the future is
    not evidence of a recent build. Raises NothingFoundError for a release that is older or has
    only dates in the future, UsageError if it has no date, and NetworkError if a server does not answer.
    """
    oldest = now - timedelta(seconds=limit)
    newest: BuildDate | None = None
    future_date: BuildDate | None = None
    for built in _iter_dates(selection, http):
        if built.date > built.latest_at(now):
            future_date = future_date or built
            continue
        if newest is None or built.date > newest.date:
            newest = built
        if newest.date >= oldest:
            return newest
    build = f"the newest staged build, {selection.project} {selection.version},"
    if newest is None and future_date is None:
        raise UsageError(
            f"{build} has no date to compare with --max-age",
            hint="Neither the listing, the Last-Modified of the files nor a .devYYYYMMDD version gives a "
            "date. Run without --max-age for this source.",
        )
    if newest is None:
        raise NothingFoundError(
            f"{build} is dated in the future ({future_date}; the local time is {_format_minute(now)}), "
            "so its age is unknown; nothing was uploaded",
            hint="Check the clocks of the build machine, the server and this machine, "
            "or run without --max-age to publish this build.",
        )
    age = format_duration((now - newest.date).total_seconds())
    ignored = f"; a date in the future ({future_date}) was ignored" if future_date else ""
    raise NothingFoundError(
        f"{build} is {age} old ({newest}), but --max-age is {format_duration(limit)}; "
        f"nothing was uploaded{ignored}",
        hint="Check why newer builds are missing, or run without --max-age to publish this build.",
    )


def _iter_dates(selection: Selection, http: HttpClient) -> Iterator[BuildDate]:
    """Yield the known dates, those of the listing first; that of the version only if there is no other."""
    has_date = False
    remotes = [remote for _, remote in selection.files]
    for remote in remotes:
        if remote.modified_at:
            has_date = True
            yield BuildDate(date=remote.modified_at, source=f"the listing of {remote.source}")
    for remote in remotes:
        if remote.modified_at is None and (date := _last_modified(remote, http)):
            has_date = True
            yield BuildDate(date=date, source=f"Last-Modified of {sanitize(strip_url(remote.url))}")
    date = None if has_date else date_from_version(selection.version)
    if date is None and not has_date:
        date = local_versions.date_from_local(selection.version)
    if date:
        yield BuildDate(date=date, source="the date in the version", is_end_of_day=True)


def _format_minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def find_date(remote: RemoteFile, http: HttpClient) -> datetime | None:
    """Return the date of a file in the listing, else the one that its server states, or None."""
    return remote.modified_at or _last_modified(remote, http)


def _last_modified(remote: RemoteFile, http: HttpClient) -> datetime | None:
    """Return the Last-Modified of a request for one byte, because not every server supports HEAD."""
    if remote.url.startswith("file:"):
        return None

    def request() -> str:
        pinned = "sha256" in remote.hashes
        with http.stream(
            remote.url, headers={"range": "bytes=0-0"}, listing_url=remote.source, has_trusted_digest=pinned
        ) as stream:
            return stream.headers.get("last-modified", "")

    return bounds.parse_listed_date(
        http.call_with_retries(f"request the date of {sanitize(remote.filename)}", request)
    )


def date_from_version(version: Version) -> datetime | None:
    """Return the end of the day in a dev version; None if its number is not a date."""
    match = _DATED.fullmatch(str(version.dev or ""))
    if not match:
        return None
    try:
        year, month, day = map(int, match.groups())
        return datetime(year, month, day, tzinfo=UTC) + timedelta(days=1)
    except ValueError:
        return None
