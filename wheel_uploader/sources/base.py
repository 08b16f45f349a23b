"""What every source is: the two-member interface, and what a page of one says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wheel_uploader.http import Http
from wheel_uploader.models import RemoteFile
from wheel_uploader.urls import parse_qsl, quote, urlencode, urlsplit, urlunsplit

#: More is no listing of one release.
MAX_LINKS = 100_000

#: Characters of the hex digest of algorithms that we know; of others, what is long enough to mean something.
_DIGEST_LENGTH = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_DIGEST = re.compile(r"(?:[0-9a-f]{2}){16,64}\Z")


class Source(Protocol):
    """A kind of staging place, opened for one URL."""

    def __init__(self, url: str, http: Http) -> None: ...

    @staticmethod
    def claims(url: str) -> bool:
        """Whether this class is for ``url``, told by its text alone."""
        ...

    def files(self, project: str) -> Iterator[RemoteFile]:
        """Every file that is offered, of whatever project and version; nothing is chosen here.

        ``project`` is a help for places that have a page for each project. Raises NetworkError,
        ListingError, NothingFoundError or CredentialsError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one page of a listing says."""

    files: tuple[RemoteFile, ...] = ()
    #: Pages below this one, by canonical name: directories, or the projects of an index.
    pages: Mapping[str, str] = field(default_factory=dict)
    asks_for_password: bool = False
    #: URLs of the files that an index has withdrawn (PEP 592).
    yanked: frozenset[str] = frozenset()
    #: Where the same listing goes on, in full; empty when this was all.
    next: str = ""


def digests(hashes: Mapping[str, str]) -> dict[str, str]:
    """The hashes of a listing that can be hashes: lower case, hex, of the length that the algorithm has."""
    lower = {algorithm.lower(): digest.lower() for algorithm, digest in hashes.items()}
    return {
        algorithm: digest
        for algorithm, digest in lower.items()
        if _DIGEST.match(digest) and len(digest) == _DIGEST_LENGTH.get(algorithm, len(digest))
    }


def with_query(url: str, changes: Mapping[str, str | None]) -> str:
    """``url`` with parameters of its query set, or left out where the value is None."""
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in changes]
    kept += [(key, value) for key, value in changes.items() if value is not None]
    query = urlencode(kept, quote_via=quote, safe="/", errors="replace")
    return urlunsplit(parts._replace(query=query, fragment=""))


def urls_below(base: str) -> Callable[[str], str]:
    """What makes URLs, below the path of ``base``, of what a place calls its files.

    What is no letter and no digit is encoded, a plus too: S3 would take a bare one for a space.
    """
    parts = urlsplit(base)
    start = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/", query="", fragment=""))
    return lambda key: start + quote(key, safe="/", errors="replace")
