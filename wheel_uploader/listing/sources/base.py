"""The interface of a source, the result of reading one page, and helpers for their URLs and digests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import ListingGap, ListingNote, RemoteFile
from wheel_uploader.core.urls import UnclaimedUrl, parse_qsl, quote, urlencode, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import ListedFolder
from wheel_uploader.http.client import HttpClient

#: An entry of a listing: a file, a gap, or a note.
ListingEntry = RemoteFile | ListingGap | ListingNote


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseQuery:
    """The release to look for. A source may use it to ask a more precise question, or ignore it."""

    #: Empty if the user named no project: the staged files are of one.
    project: str = ""
    #: A version as the user typed it, ``latest``, or empty if the staged files are of one.
    version: str = ""
    #: True if ``latest`` includes pre-releases.
    include_prereleases: bool = False


class Source(Protocol):
    """A kind of staging place, opened for one URL that its class claims."""

    def __init__(self, url: str, http: HttpClient) -> None: ...

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether this class handles ``url``, judging only by its text."""
        ...

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield every listed file, of any project and version, every gap in the listing, and notes on it.

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


def split_keys(prefix: str, keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split the keys of an object store into those directly below ``prefix``, and the folders below it.

    A key with a slash after the prefix is in a folder, or is one. A folder is a prefix with a final slash.
    """
    direct: list[str] = []
    folders: dict[str, None] = {}
    for key in keys:
        rest = key.removeprefix(prefix)
        name, slash, _ = rest.partition("/")
        if slash:
            folders.setdefault(f"{key[: len(key) - len(rest)]}{name}/")
        elif name:
            direct.append(key)
    return direct, list(folders)


def as_folder(prefix: str) -> str:
    """Return a prefix that a store lists for a folder with the slash at its end."""
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def list_prefixes(base_url: str, prefixes: Iterable[str], markers: Iterable[str]) -> tuple[ListedFolder, ...]:
    """Return the folders of an object store, with the URLs that list them.

    ``markers`` are the query parameters of ``base_url`` that select a page of a listing.
    """
    removed = dict.fromkeys(markers)
    return tuple(
        ListedFolder(
            # A key such as "a//b" has a folder without a name.
            name=prefix.removesuffix("/").rpartition("/")[2] or "/",
            url=set_query_parameters(base_url, {**removed, "prefix": prefix}),
        )
        for prefix in prefixes
    )


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
    return lambda name: (
        prefix + (name if _UNQUOTED_NAME.match(name) else quote(name, safe="/", errors="replace"))
    )


#: A name without characters to encode. A listing has 100,000 of them, and ``quote`` takes longer.
_UNQUOTED_NAME = re.compile(r"[A-Za-z0-9_.~/-]*\Z")
