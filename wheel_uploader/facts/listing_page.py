"""The contents of one page of a listing, and helpers for all formats of listings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import urljoin, urlsplit

#: Most links on one page: a page with more does not list a single release.
MAX_LINKS = 100_000


#: Characters of a hex digest, by algorithm. A digest of another algorithm needs 32 to 128 characters.
_DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}


_DIGEST = re.compile(r"(?:[0-9a-f]{2}){16,64}\Z")


class ListedFolder(NamedTuple):
    """A folder that a page lists."""

    #: The last segment of its path.
    name: str
    url: str
    #: False if the link may be part of a site's navigation.
    is_certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSigns:
    """What an HTML page says about itself."""

    #: The beginning of the text of its ``<title>``.
    title: str = ""
    #: The URL that it leads browsers on to (``<meta http-equiv=refresh>``); empty if there is none.
    refresh_url: str = ""
    has_scripts: bool = False
    #: True if its links are relative to another URL than its own (``<base>``).
    has_base: bool = False
    #: True if it is a directory listing, or the page of a package index, according to its title or its links.
    is_listing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The contents of one page of a listing."""

    files: tuple[RemoteFile, ...] = ()
    #: The folders directly below this one.
    folders: tuple[ListedFolder, ...] = ()
    #: True if the subpages are the projects of a package index.
    is_index: bool = False
    signs: PageSigns = PageSigns()
    #: URLs of the pages below this one, by canonical name: directories, or the projects of an index.
    subpage_urls: Mapping[str, str] = field(default_factory=dict)
    asks_for_password: bool = False
    #: URLs of the files that an index has withdrawn (PEP 592).
    yanked_urls: frozenset[str] = frozenset()
    #: URL of a file to that of its attestations (PEP 740).
    provenance_urls: Mapping[str, str] = field(default_factory=dict)
    #: Absolute URL of the next page of the same listing; empty on the last page.
    next_url: str = ""
    #: Reason, in one clause, why the rest of the listing cannot be requested; empty if there is no rest.
    obstacle: str = ""


#: Statuses of a project whose files an index no longer offers (PEP 792).
_WITHDRAWN_STATUSES = frozenset({"archived", "quarantined"})


_YANKED = "the index has yanked it"


def describe_withdrawal(yanked: object, status: object, status_reason: object) -> str:
    """Return why an index has withdrawn a file (PEP 592) or its project (PEP 792), in one clause, else "".

    ``yanked`` is the reason, or True; the status and its reason are those of the page.
    """
    if isinstance(status, str) and status.lower() in _WITHDRAWN_STATUSES:
        return _with_reason(f"its project is {status.lower()} on the index", status_reason)
    return _with_reason(_YANKED, yanked) if yanked else ""


def get_yanked_reason(withdrawal: str) -> str:
    """Return the reason in what ``describe_withdrawal`` returned for a yanked file; empty if it has none."""
    return withdrawal.removeprefix(f"{_YANKED}: ") if withdrawal.startswith(f"{_YANKED}: ") else ""


def _with_reason(fact: str, reason: object) -> str:
    return f"{fact}: {sanitize(reason, limit=300)}" if isinstance(reason, str) and reason.strip() else fact


def make_limit_error(message: str, hint: str) -> ListingError:
    """Return the error for a page that is too large to list one release."""
    error = ListingError(message, hint=hint).as_permanent()
    error.is_too_large = True
    return error


def normalize_digests(hashes: Mapping[str, str]) -> dict[str, str]:
    """Return the valid digests of a listing in lower case: hexadecimal, of the length of the algorithm."""
    lower = {algorithm.lower(): digest.lower() for algorithm, digest in hashes.items()}
    return {
        algorithm: digest
        for algorithm, digest in lower.items()
        if _DIGEST.match(digest) and len(digest) == _DIGEST_LENGTHS.get(algorithm, len(digest))
    }


def resolve_link(base_url: str, link: str) -> str:
    """Return the absolute URL of a link; empty if it is not a URL, or neither http nor https."""
    try:
        url = urljoin(base_url, link)
        scheme = urlsplit(url).scheme
    except ValueError:
        return ""
    return url if scheme in {"http", "https"} else ""
