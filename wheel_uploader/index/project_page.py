"""Parses a project's page on an index, JSON or HTML (PEP 691, 503, 700, 792). Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.models import IndexFile, ProjectPage, RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import urldefrag, urljoin
from wheel_uploader.facts.listing_page import normalize_digests

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


def parse_json_page(text: str, url: str) -> ProjectPage:
    """Parse a PEP 691 page. Raises NetworkError if it is not one."""
    try:
        data = bounds.load_json(text)
        files = tuple(_parse_json_file(item, url) for item in data["files"])
        status = data.get("project-status") or {}
        return ProjectPage(
            url=url,
            exists=True,
            files=files,
            status=str(status.get("status") or "active"),
            status_reason=sanitize(str(status.get("reason") or "")),
            page_format="json",
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise build_page_error(url, "its JSON is not a project's page (PEP 691)") from None


def _parse_json_file(item: Any, base: str) -> IndexFile:
    return IndexFile(
        filename=_require_text(item["filename"]),
        url=urljoin(base, _require_text(item["url"])),
        hashes=normalize_digests(
            {_require_text(name): _require_text(digest) for name, digest in item["hashes"].items()}
        ),
        size=bounds.parse_listed_size(item.get("size")).bytes,
        upload_time=bounds.parse_listed_date(item.get("upload-time")),
        yanked=bool(item.get("yanked")),
    )


def _require_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def build_html_page(
    text: str, url: str, links: Iterable[RemoteFile], yanked_urls: Collection[str] = frozenset()
) -> ProjectPage:
    """Build a project page from a PEP 503 page, its parsed ``links``, and the ``yanked_urls``.

    Raises NetworkError if it is not an index page.
    """
    files = tuple(
        IndexFile(
            filename=link.filename,
            url=urldefrag(link.url).url,
            hashes=link.hashes,
            size=link.size,
            yanked=link.url in yanked_urls,
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


def build_page_error(url: str, reason: str) -> NetworkError:
    """Return the error for a response that is not an index page."""
    return NetworkError(f"{strip_url(url)} is not a page of a package index: {reason}", hint=INDEX_URL_HINT)
