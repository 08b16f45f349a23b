"""How old the newest build is that is staged, by what its place says; too old a one ends the run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from wheel_uploader import bounded
from wheel_uploader.display import bare_url, in_words, printable
from wheel_uploader.errors import NothingFoundError, UsageError
from wheel_uploader.http import Http
from wheel_uploader.models import RemoteFile, Selection

#: ``.dev20261120`` and ``.dev202611201530``: those who build every night number their builds so.
_DATED = re.compile(r"(20\d\d)(0[1-9]|1[0-2])([0-2]\d|3[01])(?:\d{4}|\d{6})?")
#: Clocks of two machines differ by this much without anything being wrong.
_CLOCK_SKEW = timedelta(minutes=10)
#: The end of today, wherever on earth the build was numbered.
_DAY_AHEAD = timedelta(hours=24 + 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """When a file came to be, and who says so."""

    when: datetime
    said_by: str
    #: Whether ``when`` is the end of a day, because only the day is known.
    is_day: bool = False

    def __str__(self) -> str:
        return f"{_minute(self.when)} by {self.said_by}"


def require_fresh(selection: Selection, http: Http, *, limit: float, now: datetime) -> Built:
    """Return the date of the newest file of the release, which is not older than ``limit`` seconds.

    Files whose listing has no date are asked for theirs, until one is young enough. A date in the future
    is not evidence of a fresh build. Raises NothingFoundError for a release that is older or has only such
    dates, UsageError if it has no date, NetworkError if a server does not answer.
    """
    oldest = now - timedelta(seconds=limit)
    newest: Built | None = None
    ahead: Built | None = None
    for built in _built(selection, http):
        if built.when > now + (_DAY_AHEAD if built.is_day else _CLOCK_SKEW):
            ahead = ahead or built
            continue
        if newest is None or built.when > newest.when:
            newest = built
        if newest.when >= oldest:
            return newest
    what = f"the newest build that is staged, {selection.project} {selection.version},"
    if newest is None and ahead is None:
        raise UsageError(
            f"{what} has no date, so it is not known whether it is older than --max-age",
            hint="Neither the listing, nor a Last-Modified of the files, nor a .devYYYYMMDD tells: "
            "leave --max-age out for this place.",
        )
    if newest is None:
        raise NothingFoundError(
            f"{what} is dated in the future ({ahead}; here it is {_minute(now)}), which proves nothing about "
            "its age; nothing was posted",
            hint="Check the clocks of the build machine, of the server and of this machine; the same command "
            "without --max-age takes this build.",
        )
    age = in_words((now - newest.when).total_seconds())
    besides = f"; a date in the future ({ahead}) does not count" if ahead else ""
    raise NothingFoundError(
        f"{what} is {age} old ({newest}), and --max-age is {in_words(limit)}; nothing was posted{besides}",
        hint="See what became of the builds since; the same command without --max-age takes this one.",
    )


def _built(selection: Selection, http: Http) -> Iterator[Built]:
    """Every date there is, the cheap ones first; that of the version only when there is no other."""
    known = False
    remotes = [remote for _, remote in selection.files]
    for remote in remotes:
        if remote.modified:
            known = True
            yield Built(when=remote.modified, said_by=f"the listing of {remote.source}")
    for remote in remotes:
        if remote.modified is None and (when := _last_modified(remote, http)):
            known = True
            yield Built(when=when, said_by=f"Last-Modified of {printable(bare_url(remote.url))}")
    when = None if known else of_version(selection.version)
    if when:
        yield Built(when=when, said_by="the date in the version", is_day=True)


def _minute(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _last_modified(remote: RemoteFile, http: Http) -> datetime | None:
    """What the server says when it is asked for one byte: not every server knows HEAD."""
    if remote.url.startswith("file:"):
        return None

    def ask() -> str:
        pinned = "sha256" in remote.hashes
        with http.stream(
            remote.url, headers={"range": "bytes=0-0"}, listed_at=remote.source, pinned=pinned
        ) as stream:
            return stream.headers.get("last-modified", "")

    return bounded.moment(http.retrying(f"ask for the date of {printable(remote.filename)}", ask))


def of_version(version: Version) -> datetime | None:
    """The end of the day that a dev version is numbered by; None when it is no date."""
    found = _DATED.fullmatch(str(version.dev or ""))
    if not found:
        return None
    try:
        year, month, day = map(int, found.groups())
        return datetime(year, month, day, tzinfo=UTC) + timedelta(days=1)
    except ValueError:
        return None
