"""Chooses the parser for a response by its Content-Type and its structure. Pure functions."""

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

#: Parsers of XML, by root element.
_XML_PARSERS: dict[str, Callable[[Document, str, str], Listing]] = {
    "ListBucketResult": s3.read_bucket,
    "EnumerationResults": azure.read_container,
    "list": autoindex.read_document,
}
#: Parsers of JSON, each of which returns None for a structure that it does not recognize.
_JSON_PARSERS = (autoindex.read_entries, swift.read_entries)


def read(page: Page) -> Listing:
    """Return the listing on a page. Raises ListingError if the page is not a listing."""
    source = bare_url(page.url)
    reader = _choose_reader(page)
    if reader is None:
        raise _build_error(page, source)
    listing = reader(page.text, page.url, source)
    if listing.asks_for_password and not any(
        file.filename.endswith((".whl", *names.SDIST_SUFFIXES)) for file in listing.files
    ):
        raise ListingError(
            f"{source} returned a login page",
            hint="Pass a URL that lists the files without a login,"
            " or put the login into it: https://USER:PASSWORD@HOST/...",
        )
    return listing


def is_json(page: Page) -> bool:
    """Return whether the Content-Type of a page is JSON or JSONP, and not that of an index page."""
    return _READERS.get(page.content_type) in {read_any_json, read_jsonp}


def _choose_reader(page: Page) -> Reader | None:
    reader = _READERS.get(page.content_type)
    return read_any_xml if reader is read_html and _is_xml(decoded(page.body[:8000])) else reader


def _is_xml(text: str) -> bool:
    """Return whether a page sent as HTML is the XML of an object store: it has no early ``<html>`` tag."""
    start = text[:2000].lstrip().lower()
    return start.startswith("<?xml") and "<html" not in start


def _build_error(page: Page, source: str) -> ListingError:
    if _is_file_url(page.url):
        return ListingError(f"{source} is a file, not a listing", hint="Pass the URL of its directory.")
    return ListingError(f"{source} returned {printable(page.content_type)}, not a file listing")


def _is_file_url(url: str) -> bool:
    try:
        names.parse(unquote(urlsplit(url).path.rpartition("/")[2]))
    except names.NameRefused:
        return False
    return True


def read_any_json(text: str, base_url: str, source: str) -> Listing:
    """Parse JSON: an index page, a Swift container, or a directory of nginx, Caddy or serve.

    Raises ListingError.
    """
    data = load(text, source)
    for parse in _JSON_PARSERS:
        listing = parse(data, base_url, source)
        if listing is not None:
            return listing
    return read_index(data, base_url, source)


def read_jsonp(text: str, base_url: str, source: str) -> Listing:
    """Parse JSONP: JSON inside a function call. Raises ListingError."""
    return read_any_json(autoindex.without_callback(text), base_url, source)


def read_any_xml(text: str, base_url: str, source: str) -> Listing:
    """Parse the XML of an object store or of nginx.

    Raises ListingError, which quotes the code and message of an object store's error.
    """
    document = read_xml(text, source, records=_RECORD_TAGS, fields=_FIELD_TAGS)
    reader = _XML_PARSERS.get(document.root)
    if reader is None:
        store_error = ", ".join(document.fields[key] for key in ("Code", "Message") if key in document.fields)
        raise ListingError(
            f"{source} returned XML that is not a file listing"
            + (f": {printable(store_error, limit=200)}" if store_error else "")
        )
    return reader(document, base_url, source)


_RECORD_TAGS = s3.RECORDS | azure.RECORDS | autoindex.RECORDS
_FIELD_TAGS = s3.FIELDS | azure.FIELDS | autoindex.FIELDS | {"Code", "Message"}

#: By the Content-Type of the response, not of the request: many servers answer a request for JSON with HTML.
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
