"""Chooses the parser for a response by its Content-Type and its structure. Pure functions."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ListingError, UsageError
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import unquote, urlsplit
from wheel_uploader.facts.html_links import read_html_listing
from wheel_uploader.facts.index_pages import load_listing_json, read_index_page, read_json_listing
from wheel_uploader.facts.listing_page import Listing
from wheel_uploader.http.body import decode_text
from wheel_uploader.http.client import Page
from wheel_uploader.listing.sources import azure, json_autoindex, known_apis, s3, swift
from wheel_uploader.listing.sources.gcs_json import read_gcs_listing
from wheel_uploader.listing.sources.project_json import read_project_json
from wheel_uploader.listing.sources.release_json import read_forge_releases
from wheel_uploader.listing.sources.xml import XmlDocument, read_xml

ListingReader = Callable[[str, str, str], Listing]

#: Parsers of XML, by root element.
_XML_PARSERS: dict[str, Callable[[XmlDocument, str, str], Listing]] = {
    "ListBucketResult": s3.read_s3_listing,
    "EnumerationResults": azure.read_azure_listing,
    "list": json_autoindex.read_nginx_xml,
}
#: Parsers of JSON, each of which returns None for a structure that it does not recognize.
_JSON_PARSERS = (
    json_autoindex.read_json_directory,
    swift.read_swift_listing,
    read_forge_releases,
    read_gcs_listing,
    read_project_json,
)


def read_listing(page: Page) -> Listing:
    """Return the listing on a page. Raises ListingError if the page is not a listing."""
    source = strip_url(page.url)
    reader = _choose_reader(page)
    if reader is None:
        raise _build_error(page, source)
    listing = reader(page.text, page.url, source)
    if listing.asks_for_password and not any(
        file.filename.endswith((".whl", *filenames.SDIST_SUFFIXES)) for file in listing.files
    ):
        raise ListingError(
            f"{source} returned a login page",
            hint="Pass a URL that lists the files without a login,"
            " or put the login into it: https://USER:PASSWORD@HOST/...",
        )
    return listing


def is_generic_json(page: Page) -> bool:
    """Return whether the Content-Type of a page is JSON or JSONP, and not that of an index page."""
    return _READERS.get(page.content_type) in {read_any_json, read_jsonp}


def _choose_reader(page: Page) -> ListingReader | None:
    reader = _READERS.get(page.content_type)
    return read_any_xml if reader is read_html_listing and _is_xml(decode_text(page.body[:8000])) else reader


def _is_xml(text: str) -> bool:
    """Return whether a page sent as HTML is the XML of an object store: it has no early ``<html>`` tag."""
    start = text[:2000].lstrip().lower()
    return start.startswith("<?xml") and "<html" not in start


def _build_error(page: Page, source: str) -> ListingError:
    if _is_file_url(page.url):
        return ListingError(f"{source} is a file, not a listing", hint="Pass the URL of its directory.")
    return ListingError(f"{source} returned {sanitize(page.content_type)}, not a file listing")


def _is_file_url(url: str) -> bool:
    try:
        filenames.parse_filename(unquote(urlsplit(url).path.rpartition("/")[2]))
    except filenames.InvalidFilename:
        return False
    return True


def read_any_json(text: str, base_url: str, source: str) -> Listing:
    """Parse JSON: an index page, a container or bucket, releases, or a directory of nginx, Caddy or serve.

    Raises ListingError, or UsageError, whose hint says what to pass, if the API is known and not read.
    """
    data = load_listing_json(text, source)
    for parse in _JSON_PARSERS:
        listing = parse(data, base_url, source)
        if listing is not None:
            return listing
    if hint := known_apis.suggest_source(data, base_url):
        raise UsageError(f"{source} returned JSON that is not a file listing", hint=hint)
    return read_index_page(data, base_url, source)


def read_jsonp(text: str, base_url: str, source: str) -> Listing:
    """Parse JSONP: JSON inside a function call. Raises ListingError."""
    return read_any_json(json_autoindex.strip_jsonp_callback(text), base_url, source)


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
            + (f": {sanitize(store_error, limit=200)}" if store_error else "")
        )
    return reader(document, base_url, source)


_RECORD_TAGS = s3.RECORD_TAGS | azure.RECORD_TAGS | json_autoindex.RECORD_TAGS
_FIELD_TAGS = s3.FIELD_TAGS | azure.FIELD_TAGS | json_autoindex.FIELD_TAGS | {"Code", "Message"}

#: By the Content-Type of the response, not of the request: many servers answer a request for JSON with HTML.
_READERS: dict[str, ListingReader] = {
    "": read_html_listing,
    "text/html": read_html_listing,
    "application/xhtml+xml": read_html_listing,
    "application/vnd.pypi.simple.v1+html": read_html_listing,
    "application/vnd.pypi.simple.v1+json": read_json_listing,
    "application/json": read_any_json,
    "application/javascript": read_jsonp,
    "text/javascript": read_jsonp,
    "application/xml": read_any_xml,
    "text/xml": read_any_xml,
}
