"""A URL that is simply asked: what the server answers decides how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.utils import canonicalize_name

from wheel_uploader import bodies, names
from wheel_uploader.display import bare_url, printable
from wheel_uploader.errors import HttpStatus, ListingError, NothingFoundError
from wheel_uploader.http import Http, Page
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.base import Listing
from wheel_uploader.sources.html import read_html
from wheel_uploader.sources.simple import read_json

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

#: By what the server says it is, not by what was asked for: many answer a request for JSON with HTML.
_READERS: dict[str, Callable[[str, str, str], Listing]] = {
    "": read_html,
    "text/html": read_html,
    "application/xhtml+xml": read_html,
    "application/vnd.pypi.simple.v1+html": read_html,
    "application/vnd.pypi.simple.v1+json": read_json,
    "application/json": read_json,
}


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
        page = self._get(self._url)
        listing = read(page)
        yield from listing.files
        wanted = canonicalize_name(project)
        below = listing.pages.get(wanted)
        if below and not any(_is_of(file, wanted) for file in listing.files):
            if reason := self._http.refuse_link(below, listed_at=page.url, pinned=False):
                raise ListingError(f"{printable(below, limit=200)} is not followed: {reason}")
            yield from read(self._get(below)).files

    def _get(self, url: str) -> Page:
        try:
            try:
                return self._http.get(url, accept=ACCEPT)
            except HttpStatus as error:
                parts = urlsplit(url)
                if error.status != 404 or parts.path.endswith("/"):
                    raise
                return self._http.get(urlunsplit(parts._replace(path=f"{parts.path}/")), accept=ACCEPT)
        except HttpStatus as error:
            if error.status not in {404, 410}:
                raise
            raise NothingFoundError(
                f"there is nothing at {bare_url(url)} (the server answers {error.status})",
                hint="Check the URL: open it in a browser.",
            ) from None


def read(page: Page) -> Listing:
    """What a page lists. Raises ListingError when it is no listing. Pure."""
    where = bare_url(page.url)
    reader = _READERS.get(page.content_type)
    if reader is None or (reader is read_html and _is_xml(page.text)):
        raise _no_listing(page, where)
    listing = reader(page.text, page.url, where)
    if listing.asks_for_password and not any(
        file.filename.endswith((".whl", *names.SDIST_SUFFIXES)) for file in listing.files
    ):
        raise ListingError(
            f"{where} answers with a login page",
            hint="Give an address that shows the files, or one that takes https://USER:PASSWORD@HOST/...",
        )
    return listing


def _is_xml(text: str) -> bool:
    """Whether what calls itself a page is the XML of an object store: no element of HTML in its beginning."""
    start = text[:2000].lstrip().lower()
    return start.startswith("<?xml") and "<html" not in start


def _no_listing(page: Page, where: str) -> ListingError:
    kind = "XML" if _is_xml(page.text) or page.content_type.endswith("xml") else printable(page.content_type)
    said = bodies.excerpt(page.body[:20_000], "text/xml") if kind == "XML" else ""
    if _names_a_file(page.url):
        return ListingError(f"{where} is a file, not a listing", hint="Give the directory that it is in.")
    return ListingError(f"{where} answers with {kind}, which is no listing" + (f": {said}" if said else ""))


def _names_a_file(url: str) -> bool:
    try:
        names.parse(unquote(urlsplit(url).path.rpartition("/")[2]))
    except names.NameRefused:
        return False
    return True


def _is_of(file: RemoteFile, project: str) -> bool:
    try:
        return names.parse(file.filename).project == project
    except names.NameRefused:
        return False
