"""What an answer is, by its Content-Type and its shape, and so which reader it gets. Pure."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader import names
from wheel_uploader.display import bare_url, printable
from wheel_uploader.errors import ListingError
from wheel_uploader.http import Page
from wheel_uploader.http.bodies import decoded
from wheel_uploader.sources import autoindex, azure, s3, swift
from wheel_uploader.sources.base import Listing
from wheel_uploader.sources.html import read_html
from wheel_uploader.sources.simple import load, read_index, read_json
from wheel_uploader.sources.xml import Document, read_xml
from wheel_uploader.urls import unquote, urlsplit

Reader = Callable[[str, str, str], Listing]

#: XML by its root.
_DOCUMENTS: dict[str, Callable[[Document, str, str], Listing]] = {
    "ListBucketResult": s3.read_bucket,
    "EnumerationResults": azure.read_container,
    "list": autoindex.read_document,
}
#: Readers that look whether it is theirs.
_ENTRIES = (autoindex.read_entries, swift.read_entries)


def read(page: Page) -> Listing:
    """What a page lists. Raises ListingError when it is no listing."""
    where = bare_url(page.url)
    reader = _reader(page)
    if reader is None:
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


def is_json(page: Page) -> bool:
    """Whether a page says that it is JSON, but of no index."""
    return _READERS.get(page.content_type) in {read_any_json, read_jsonp}


def _reader(page: Page) -> Reader | None:
    reader = _READERS.get(page.content_type)
    return read_any_xml if reader is read_html and _is_xml(decoded(page.body[:8000])) else reader


def _is_xml(text: str) -> bool:
    """Whether what calls itself a page is the XML of an object store: no element of HTML in its beginning."""
    start = text[:2000].lstrip().lower()
    return start.startswith("<?xml") and "<html" not in start


def _no_listing(page: Page, where: str) -> ListingError:
    if _names_a_file(page.url):
        return ListingError(f"{where} is a file, not a listing", hint="Give the directory that it is in.")
    return ListingError(f"{where} answers with {printable(page.content_type)}, which is no listing")


def _names_a_file(url: str) -> bool:
    try:
        names.parse(unquote(urlsplit(url).path.rpartition("/")[2]))
    except names.NameRefused:
        return False
    return True


def read_any_json(text: str, base_url: str, source: str) -> Listing:
    """A page of an index, of a container, or a directory of nginx, Caddy or serve. Raises ListingError."""
    data = load(text, source)
    for read_entries in _ENTRIES:
        listing = read_entries(data, base_url, source)
        if listing is not None:
            return listing
    return read_index(data, base_url, source)


def read_jsonp(text: str, base_url: str, source: str) -> Listing:
    """JSON within a call of a function."""
    return read_any_json(autoindex.without_callback(text), base_url, source)


def read_any_xml(text: str, base_url: str, source: str) -> Listing:
    """The XML of an object store or of nginx. Raises ListingError, which quotes the error of a store."""
    document = read_xml(text, source, records=_RECORDS, fields=_FIELDS)
    reader = _DOCUMENTS.get(document.root)
    if reader is None:
        said = ", ".join(document.fields[key] for key in ("Code", "Message") if key in document.fields)
        raise ListingError(
            f"{source} answers with XML, which is no listing"
            + (f": {printable(said, limit=200)}" if said else "")
        )
    return reader(document, base_url, source)


_RECORDS = s3.RECORDS | azure.RECORDS | autoindex.RECORDS
_FIELDS = s3.FIELDS | azure.FIELDS | autoindex.FIELDS | {"Code", "Message"}

#: By what the server says it is, not by what was asked for: many answer a request for JSON with HTML.
_READERS: dict[str, Reader] = {
    "": read_html,
    "text/html": read_html,
    "application/xhtml+xml": read_html,
    "application/vnd.pypi.simple.v1+html": read_html,
    "application/vnd.pypi.simple.v1+json": read_json,
    "application/json": read_any_json,
    "application/javascript": read_jsonp,
    "text/javascript": read_jsonp,
    "application/xml": read_any_xml,
    "text/xml": read_any_xml,
}
