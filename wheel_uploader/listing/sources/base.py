"""The interface of a source, the result of reading one page, and helpers for their URLs and digests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.urls import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from wheel_uploader.http.client import HttpClient

#: Most links on one page: a page with more does not list a single release.
MAX_LINKS = 100_000

#: Characters of a hex digest, by algorithm. A digest of another algorithm needs 32 to 128 characters.
_DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_DIGEST = re.compile(r"(?:[0-9a-f]{2}){16,64}\Z")


class Source(Protocol):
    """A kind of staging place, opened for one URL."""

    def __init__(self, url: str, http: HttpClient) -> None: ...

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether this class handles ``url``, judging only by its text."""
        ...

    def iter_files(self, project: str) -> Iterator[RemoteFile]:
        """Yield every listed file, of any project and version; selecting is left to the caller.

        ``project`` is used by places that have a page for each project. Raises NetworkError, ListingError,
        NothingFoundError or CredentialsError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The contents of one page of a listing."""

    files: tuple[RemoteFile, ...] = ()
    #: URLs of the pages below this one, by canonical name: directories, or the projects of an index.
    subpage_urls: Mapping[str, str] = field(default_factory=dict)
    asks_for_password: bool = False
    #: URLs of the files that an index has withdrawn (PEP 592).
    yanked_urls: frozenset[str] = frozenset()
    #: Absolute URL of the next page of the same listing; empty on the last page.
    next_url: str = ""


def normalize_digests(hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the valid digests of a listing in lower case: hexadecimal, of the length of the algorithm."""
    lower = {algorithm.lower(): digest.lower() for algorithm, digest in hashes.items()}
    return {
        algorithm: digest
        for algorithm, digest in lower.items()
        if _DIGEST.match(digest) and len(digest) == _DIGEST_LENGTHS.get(algorithm, len(digest))
    }


def set_query_parameters(url: str, changes: Mapping[str, str | None]) -> str:
    """Return ``url`` with query parameters set, or removed if the value is None."""
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in changes]
    pairs += [(key, value) for key, value in changes.items() if value is not None]
    query = urlencode(pairs, quote_via=quote, safe="/", errors="replace")
    return urlunsplit(parts._replace(query=query, fragment=""))


def make_url_builder(base_url: str) -> Callable[[str], str]:
    """Return a function that turns the name of a file into its URL below the path of ``base``.

    Characters other than letters, digits and ``_.-~/`` are percent-encoded, ``+`` included: S3 decodes a bare
    plus as a space.
    """
    parts = urlsplit(base_url)
    prefix = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/", query="", fragment=""))
    return lambda name: prefix + quote(name, safe="/", errors="replace")
