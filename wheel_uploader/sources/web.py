"""A URL that is simply asked: what the server answers decides how it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from wheel_uploader import names
from wheel_uploader.display import bare_url, printable
from wheel_uploader.errors import HttpStatus, ListingError, NothingFoundError, ReleaseError
from wheel_uploader.http import Http, Page
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources import formats, paging
from wheel_uploader.sources.base import Listing, with_query
from wheel_uploader.urls import unquote, urljoin, urlsplit, urlunsplit

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
#: Caddy and npm's serve look only for the word. Who can choose should choose HTML: any program says JSON.
ACCEPT_ALL = f"{ACCEPT}, application/json;q=0.001"

#: Code and message of an object store.
_STORE_ERROR = re.compile(r"[A-Z][A-Za-z]{3,60}, ")


class WebPage:
    """A directory listing of any server, or a page of a package index."""

    def __init__(self, url: str, http: Http) -> None:
        self._url = url
        self._http = http

    @staticmethod
    def claims(url: str) -> bool:
        return url.lower().startswith(("http://", "https://"))

    def files(self, project: str) -> Iterator[RemoteFile]:
        """The files of the page, and of the project's page below it when the page itself has none of them."""
        wanted = canonicalize_name(project)
        found, where, below = False, self._url, ""
        for page, listing in self.pages(self._url):
            yield from listing.files
            found = found or any(_is_of(file, wanted) for file in listing.files)
            where, below = page.url, below or listing.pages.get(wanted, "")
        if below and not found:
            if reason := self._http.refuse_link(below, listed_at=where, pinned=False):
                raise ListingError(f"{printable(below, limit=200)} is not followed: {reason}")
            for _, listing in self.pages(below):
                yield from listing.files

    def pages(self, url: str) -> Iterator[tuple[Page, Listing]]:
        """The page at ``url`` and those that it goes on with."""
        return paging.pages(url, self._get, self._read)

    def _read(self, page: Page) -> Listing:
        try:
            return formats.read(page)
        except ListingError:
            if not formats.is_json(page):
                raise
            # It had nothing to say to those who take JSON, and may have a page for people.
            try:
                return formats.read(self._get(page.url, ACCEPT))
            except ReleaseError:
                pass
            raise

    def _get(self, url: str, accept: str = ACCEPT_ALL) -> Page:
        try:
            try:
                return self._http.get(url, accept=accept)
            except HttpStatus as error:
                parts = urlsplit(url)
                if error.status != 404 or parts.path.endswith("/"):
                    raise
                return self._http.get(urlunsplit(parts._replace(path=f"{parts.path}/")), accept=accept)
        except HttpStatus as error:
            if error.status not in {404, 410}:
                raise
            said = f": {error.excerpt}" if _STORE_ERROR.match(error.excerpt) else ""
            raise NothingFoundError(
                f"there is nothing at {bare_url(url)} (the server answers {error.status}{said})",
                hint=_hint(url, said),
            ) from None


def _hint(url: str, said: str) -> str:
    bucket, _, prefix = urlsplit(url).path.strip("/").partition("/")
    if "NoSuchKey" not in said or not prefix:
        return "Check the URL: open it in a browser."
    asked = with_query(urljoin(url, f"/{bucket}"), {"prefix": f"{unquote(prefix)}/"})
    return f"If that is a bucket and a prefix, give it as {printable(asked)}"


def _is_of(file: RemoteFile, project: str) -> bool:
    try:
        return names.parse(file.filename).project == project
    except names.NameRefused:
        return False
