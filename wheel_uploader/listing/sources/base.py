"""The interface of a source, the result of reading one page, and helpers for their URLs and digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.urls import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from wheel_uploader.http.client import HttpClient


class UnclaimedUrl(ValueError):
    """A URL that the class of a source does not handle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseQuery:
    """The release to look for. A source may use it to ask a more precise question, or ignore it."""

    #: Empty if the user named no project: the staged files are of one.
    project: str = ""
    #: A version as the user typed it, ``latest``, or empty if the staged files are of one.
    version: str = ""
    #: Whether ``latest`` includes pre-releases.
    include_prereleases: bool = False


class Source(Protocol):
    """A kind of staging place, opened for one URL that its class claims."""

    def __init__(self, url: str, http: HttpClient) -> None: ...

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether this class handles ``url``, judging only by its text."""
        ...

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield every listed file, of any project and version, and every gap in the listing.

        Selecting is left to the caller. ``query`` is used by places that have a page for each project or
        release. Raises NetworkError, ListingError, NothingFoundError or CredentialsError.
        """
        ...


def can_parse(parse: Callable[[str], object], url: str) -> bool:
    """Return whether ``parse`` accepts ``url`` instead of raising UnclaimedUrl."""
    try:
        parse(url)
    except UnclaimedUrl:
        return False
    return True


def set_query_parameters(url: str, changes: Mapping[str, str | None]) -> str:
    """Return ``url`` with query parameters set, or removed if the value is None."""
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in changes]
    pairs += [(key, value) for key, value in changes.items() if value is not None]
    query = urlencode(pairs, quote_via=quote, safe="/", errors="replace")
    return urlunsplit(parts._replace(query=query, fragment=""))


def make_url_builder(base_url: str) -> Callable[[str], str]:
    """Return a function that turns the name of a file into its URL below the path of ``base_url``.

    Characters other than letters, digits and ``_.-~/`` are percent-encoded, ``+`` included: S3 decodes a bare
    plus as a space.
    """
    parts = urlsplit(base_url)
    prefix = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/", query="", fragment=""))
    return lambda name: prefix + quote(name, safe="/", errors="replace")
