"""The page of a project on the index to publish to: JSON or HTML (PEP 691, 503, 629, 792). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ListingError, NetworkError, UnsupportedVersionError
from wheel_uploader.core.models import IndexFile, ProjectPage, RemoteFile
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.core.urls import urldefrag
from wheel_uploader.facts import index_pages
from wheel_uploader.facts.listing_page import get_yanked_reason

#: Accept header for a page. The parser is chosen by the Content-Type of the response.
ACCEPT_ANY = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
ACCEPT_HTML = "application/vnd.pypi.simple.v1+html, text/html;q=0.5"
JSON_CONTENT_TYPES = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json")
HTML_CONTENT_TYPES = (
    "text/html",
    "application/xhtml+xml",
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.latest+html",
)

INDEX_URL_HINT = "Pass the URL of the index's simple pages with --index-url (it often ends in /simple/)."

#: A mark of an index page, even an empty one: PEP 629's version, or the customary title.
_INDEX_MARKER = re.compile(
    r"pypi:repository-version|<(?:title|h1)[^<>]*+>\s*+(?:simple index|links for)", re.IGNORECASE
)
_STATUS_META = re.compile(
    r"<meta\s+name=[\"']pypi:project-status[\"']\s+content=[\"']([a-z]+)[\"']", re.IGNORECASE
)
_VERSION_META = re.compile(
    r"<meta\s+name=[\"']pypi:repository-version[\"']\s+content=[\"']([^\"'<>]{1,40})[\"']", re.IGNORECASE
)
#: The version in a content type, for pages of any version.
_VERSION_IN_TYPE = re.compile(r"application/vnd\.pypi\.simple\.v([0-9]{1,9})\+(?:json|html)\Z")


def parse_json_page(text: str, url: str) -> ProjectPage:
    """Parse a PEP 691 page. Raises NetworkError if it is not one, or has another version."""
    try:
        return index_pages.read_project_page(text, url, strip_url(url))
    except UnsupportedVersionError:
        raise
    except ListingError as error:
        raise build_page_error(
            url, "its JSON is not a project's page (PEP 691)", details=[error.message]
        ) from None


def build_html_page(
    text: str,
    url: str,
    links: Iterable[RemoteFile],
    yanked_urls: Collection[str] = frozenset(),
    provenance_urls: Mapping[str, str] = MappingProxyType({}),
) -> ProjectPage:
    """Build a project page from a PEP 503 page, its parsed ``links``, and the data of their URLs.

    Raises NetworkError if it is not an index page, or has another version.
    """
    if version := _VERSION_META.search(text):
        index_pages.check_version(version[1], strip_url(url))
    files = tuple(
        IndexFile(
            filename=link.filename,
            url=urldefrag(link.url).url,
            hashes=link.hashes,
            size=link.size,
            yanked=link.url in yanked_urls,
            yanked_reason=get_yanked_reason(link.unavailable_reason),
            provenance_url=provenance_urls.get(link.url, ""),
        )
        for link in links
    )
    if not _INDEX_MARKER.search(text) and not any(_is_distribution(file.filename) for file in files):
        raise build_page_error(url, "it lists neither a wheel nor an sdist")
    status = _STATUS_META.search(text)
    return ProjectPage(url=url, exists=True, files=files, status=status[1].lower() if status else "active")


def _is_distribution(filename: str) -> bool:
    try:
        filenames.parse_filename(filename)
    except filenames.InvalidFilename:
        return False
    return True


def check_content_type(content_type: str, url: str) -> None:
    """Raise UnsupportedVersionError for the content type of an index page of another version."""
    if version := _VERSION_IN_TYPE.match(content_type):
        index_pages.check_version(version[1], strip_url(url))


def build_page_error(url: str, reason: str, *, details: Sequence[str] = ()) -> NetworkError:
    """Return the error for a response that is not an index page."""
    return NetworkError(
        f"{strip_url(url)} is not a page of a package index: {reason}", hint=INDEX_URL_HINT, details=details
    )
