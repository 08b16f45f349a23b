"""Reads a listing of several pages, within limits that apply to all of its pages together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.facts.listing_page import MAX_LINKS, Listing, make_limit_error
from wheel_uploader.http.body import MAX_BODY_SIZE
from wheel_uploader.http.client import Page

MAX_PAGES = 50
#: Seconds from the end of the first page to the start of the last; the first page has a separate limit.
MAX_SECONDS = 120.0

_HINT = "A release is smaller: pass the URL of its directory, prefix or project."


def iter_pages(
    url: str,
    fetch_page: Callable[[str], Page],
    read_listing: Callable[[Page], Listing],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[Page, Listing]]:
    """Yield the page at ``url`` and all that follow it, each with its listing. Raises ListingError."""
    shown_url, started_at = strip_url(url), 0.0
    seen: set[str] = set()
    size = files = 0
    while url:
        if url in seen:
            raise ListingError(
                f"{shown_url} links back to a page that was already read, as its next page",
                hint="Correct the links between the pages, or pass a URL that lists the files on one page.",
            ).as_permanent()
        if len(seen) == MAX_PAGES:
            raise make_limit_error(f"{shown_url} has more than {MAX_PAGES} pages", _HINT)
        if started_at and clock() - started_at > MAX_SECONDS:
            raise ListingError(
                f"{shown_url} did not finish within {format_duration(MAX_SECONDS)}", hint=_HINT
            )
        seen.add(url)
        page = fetch_page(url)
        started_at = started_at or clock()
        listing = read_listing(page)
        size += len(page.body)
        files += len(listing.files)
        if size > MAX_BODY_SIZE:
            raise make_limit_error(f"{shown_url} returned more than {MAX_BODY_SIZE // 2**20} MiB", _HINT)
        if files > MAX_LINKS:
            raise make_limit_error(f"{shown_url} lists more than {MAX_LINKS} files", _HINT)
        yield page, listing
        url = listing.next_url
