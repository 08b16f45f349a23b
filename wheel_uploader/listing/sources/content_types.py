"""Chooses the parser for a response by its Content-Type and its structure. Pure functions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import unquote, urlsplit
from wheel_uploader.facts.html_links import read_html_listing
from wheel_uploader.facts.index_pages import load_listing_json, read_index_page, read_json_listing
from wheel_uploader.facts.listing_page import Listing, resolve_link
from wheel_uploader.facts.listing_remarks import find_json_continuation, find_part_remark
from wheel_uploader.http.body import decode_text
from wheel_uploader.http.client import Page
from wheel_uploader.listing.sources import azure, json_autoindex, known_apis, page_kinds, s3, swift
from wheel_uploader.listing.sources.base import set_query_parameters
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


def read_listing(page: Page, *, is_first_page: bool = True) -> Listing:
    """Return the listing on a page.

    Raises ListingError if the page is not a listing, or says that it goes on and has no link to the rest.
    """
    source = strip_url(page.url)
    if kind := next((kind for magic, kind in _BINARY_STARTS.items() if page.body.startswith(magic)), ""):
        raise _build_binary_error(page, source, kind)
    reader = _choose_reader(page)
    if reader is None:
        raise _build_error(page, source)
    text = page.text
    listing = reader(text, page.url, source)
    if reader is read_html_listing:
        if not page.has_length:
            page_kinds.require_end(text, source)
        page_kinds.reject_page_for_people(listing, text, source)
    if not listing.next_url and (next_url := _find_next_url(page)):
        listing = dataclasses.replace(listing, next_url=next_url)
    if not listing.next_url:
        if obstacle := listing.obstacle or _find_obstacle(page):
            raise page_kinds.build_part_error(source, obstacle)
        if reader is read_html_listing and (remark := find_part_remark(text, is_first_page=is_first_page)):
            raise page_kinds.build_part_error(source, f"it says '{sanitize(remark, limit=100)}'")
    return listing


def _find_obstacle(page: Page) -> str:
    """Return the header, in one clause, that says that a listing goes on; empty without one."""
    number, total = (
        bounds.parse_whole_number(page.headers.get(name, ""), _MAX_PAGE_NUMBER)
        for name in ("x-page", "x-total-pages")
    )
    if number and total and number < total:
        return f"its header X-Total-Pages says that it is page {number} of {total}"
    name = next((name for name in _CONTINUATION_HEADERS if page.headers.get(name, "").strip()), "")
    return f"its header {name} says so" if name else ""


#: Headers with the position of the next page, which another request would have to repeat.
_CONTINUATION_HEADERS = ("x-ms-continuation", "x-ms-continuationtoken", "x-next-token", "x-next-cursor")


def _find_next_url(page: Page) -> str:
    """Return the URL of the next page according to the headers; empty if there is none."""
    next_page = bounds.parse_whole_number(page.headers.get("x-next-page", ""), _MAX_PAGE_NUMBER)
    if next_url := find_next_link(page.headers.get("link", ""), page.url):
        return next_url
    return set_query_parameters(page.url, {"page": str(next_page)}) if next_page else ""


#: Maximum number of a page in the header ``X-Next-Page``.
_MAX_PAGE_NUMBER = 10**6


def find_next_link(header: str, page_url: str) -> str:
    """Return the URL of the next page in a ``Link`` header (RFC 8288); empty if it has none."""
    for match in _LINK.finditer(header[:_MAX_HEADER_LENGTH]):
        relations = [
            value.lower() for pair in _RELATION.findall(match[2]) for value in " ".join(pair).split()
        ]
        if "next" in relations:
            return resolve_link(page_url, match[1].strip()).partition("#")[0]
    return ""


#: A link in the header, with its parameters up to the next link; and its parameter ``rel``.
_LINK = re.compile(r"<([^<>]{0,8000})>([^<]{0,8000})")
_RELATION = re.compile(
    r";\s{0,20}rel\s{0,20}=\s{0,20}(?:\"([^\"]{0,200})\"|([^\s;,\"]{1,200}))", re.IGNORECASE
)
_MAX_HEADER_LENGTH = 32_000


def is_generic_json(page: Page) -> bool:
    """Return whether a page has the JSON of any server or JSONP, and not that of an index page."""
    return _choose_reader(page) in {read_any_json, read_jsonp}


def _choose_reader(page: Page) -> ListingReader | None:
    """Return the reader for the type that the server declares, unless the first bytes contradict it."""
    declared = _READERS.get(page.content_type)
    if declared is None and (match := _INDEX_TYPE.match(page.content_type)):
        declared = read_json_listing if match[1] == "json" else read_html_listing
    found = _recognize(decode_text(page.body[:_SNIFFED_BYTES]))
    if declared in {read_json_listing, read_jsonp} and found in {read_any_json, None}:
        return declared
    return found or declared


def _recognize(text: str) -> ListingReader | None:
    """Return the reader for the format that a text begins like, or None if that is not evident."""
    start = text.lstrip("\ufeff \t\r\n")
    lower = start.lower()
    if _JSON_START.match(start):
        return read_any_json
    if lower.startswith("<?xml"):
        return read_html_listing if "<html" in lower[:2000] else read_any_xml
    if lower.startswith(_XML_ROOTS):
        return read_any_xml
    return read_html_listing if _HTML_START.match(lower) else None


#: Starts of files that are not listings, whatever type the server declares.
_BINARY_STARTS = {b"\x1f\x8b": "gzip data", b"PK\x03\x04": "a ZIP file", b"%PDF-": "a PDF file"}
#: Any version of the types of the index API: a later one is an error that names it.
_INDEX_TYPE = re.compile(r"application/vnd\.pypi\.simple\.[a-z0-9.]{1,20}\+(json|html)\Z")
#: Bytes at the start of a page that show its format.
_SNIFFED_BYTES = 8000
_JSON_START = re.compile(r"\{\s*[\"}]|\[\s*[{\[\"\]]")
_XML_ROOTS = ("<listbucketresult", "<enumerationresults", "<list>", "<list ", "<error>")
_HTML_START = re.compile(
    r"(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body|title|meta|link|base|script|style|a|h[1-6]|p|pre|ul|ol"
    r"|li|table|div|form|input|br|hr|center|main)\b",
    re.DOTALL,
)


def _build_binary_error(page: Page, source: str, kind: str) -> ListingError:
    if _is_file_url(page.url):
        return _build_error(page, source)
    return ListingError(
        f"{source} returned {kind} (sent as {sanitize(page.content_type)}), not a file listing",
        hint="Pass the URL of the directory that lists the files.",
    ).as_permanent()


def _build_error(page: Page, source: str) -> ListingError:
    if _is_file_url(page.url):
        return ListingError(
            f"{source} is a file, not a listing", hint="Pass the URL of its directory."
        ).as_permanent()
    return ListingError(
        f"{source} returned {sanitize(page.content_type)}, not a file listing",
        hint="Open the URL in a browser: it must list the files.",
    ).as_permanent()


def _is_file_url(url: str) -> bool:
    try:
        filenames.parse_filename(unquote(urlsplit(url).path.rpartition("/")[2]))
    except filenames.InvalidFilename:
        return False
    return True


def read_any_json(text: str, base_url: str, source: str) -> Listing:
    """Parse JSON: an index page, a container or bucket, releases, or a directory of nginx, Caddy or serve.

    Raises ListingError, whose hint says what to pass if the API is known and not read.
    """
    data = load_listing_json(text, source)
    next_url, obstacle = find_json_continuation(data, base_url)
    for parse in _JSON_PARSERS:
        listing = parse(data, base_url, source)
        if listing is not None and (listing.next_url or not (next_url or obstacle)):
            return listing
        if listing is not None:
            return dataclasses.replace(listing, next_url=next_url, obstacle=obstacle)
    if hint := known_apis.suggest_source(data, base_url):
        raise ListingError(f"{source} returned JSON that is not a file listing", hint=hint).as_permanent()
    if problem := known_apis.find_error_message(data):
        raise ListingError(
            f"{source} returned JSON that is not a file listing: {problem}",
            hint="Check the URL, and whether it needs a login or a token.",
        ).as_permanent()
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
        error = ListingError(
            f"{source} returned XML that is not a file listing"
            + (f": {sanitize(store_error, limit=200)}" if store_error else "")
        )
        raise error if document.fields.get("Code") in _TEMPORARY_CODES else error.as_permanent()
    return reader(document, base_url, source)


#: Codes of errors of object stores that may pass.
_TEMPORARY_CODES = frozenset(
    {"SlowDown", "InternalError", "ServiceUnavailable", "ServerBusy", "OperationTimedOut", "RequestTimeout"}
)
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
