"""A listing that comes in several pages, within the limits that hold for all of them together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from wheel_uploader.display import bare_url
from wheel_uploader.errors import ListingError
from wheel_uploader.http import Page
from wheel_uploader.http.bodies import MAX_BODY
from wheel_uploader.sources.base import MAX_LINKS, Listing

MAX_PAGES = 50
#: Seconds from the first page to the last; the first has a limit of its own.
MAX_SECONDS = 120.0

_HINT = "A release is smaller: give the URL of the one directory, prefix or project."


def pages(
    url: str,
    get: Callable[[str], Page],
    read: Callable[[Page], Listing],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[Page, Listing]]:
    """The page at ``url`` and those that it goes on with, each with what it lists. Raises ListingError."""
    where, begun = bare_url(url), 0.0
    seen: set[str] = set()
    size = files = 0
    while url:
        if url in seen:
            raise ListingError(f"{where} goes on in a circle: its next page was there before")
        if len(seen) == MAX_PAGES:
            raise ListingError(f"{where} goes on for more than {MAX_PAGES} pages", hint=_HINT)
        if begun and clock() - begun > MAX_SECONDS:
            raise ListingError(f"{where} was not whole after {MAX_SECONDS:.0f} s", hint=_HINT)
        seen.add(url)
        page = get(url)
        begun = begun or clock()
        listing = read(page)
        size += len(page.body)
        files += len(listing.files)
        if size > MAX_BODY:
            raise ListingError(f"{where} answered with more than {MAX_BODY // 2**20} MiB", hint=_HINT)
        if files > MAX_LINKS:
            raise ListingError(f"{where} lists more than {MAX_LINKS} files", hint=_HINT)
        yield page, listing
        url = listing.next
