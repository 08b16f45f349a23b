"""Source for any other HTTP URL; the parser is chosen by the response."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import HttpStatusError, ListingError, NothingFoundError, ReleaseError
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import unquote, urljoin, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import Listing
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.listing.sources import content_types, pagination
from wheel_uploader.listing.sources.base import ReleaseQuery, set_query_parameters

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
#: Caddy and npm's serve only look for "application/json". Other servers should prefer HTML, because any
#: application may return some JSON.
ACCEPT_ALL = f"{ACCEPT}, application/json;q=0.001"

#: Error code and message of an object store.
_STORE_ERROR = re.compile(r"[A-Z][A-Za-z]{3,60}, ")


class HttpListing:
    """A directory listing of any HTTP server, or a page of a package index."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self._url = url
        self._http = http

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is an HTTP or HTTPS URL."""
        return url.lower().startswith(("http://", "https://"))

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files of the page and, if none is of the project, those of the project's subpage."""
        canonical_name = canonicalize_name(query.project)
        has_project, listing_url, project_url = False, self._url, ""
        for page, listing in self.iter_pages(self._url):
            yield from listing.files
            has_project = has_project or any(_belongs_to(file, canonical_name) for file in listing.files)
            listing_url, project_url = page.url, project_url or listing.subpage_urls.get(canonical_name, "")
        if project_url and not has_project:
            if reason := self._http.link_rejection(
                project_url, listing_url=listing_url, has_trusted_digest=False
            ):
                raise ListingError(f"refusing to fetch {sanitize(project_url, limit=200)}: {reason}")
            for _, listing in self.iter_pages(project_url):
                yield from listing.files

    def iter_pages(self, url: str) -> Iterator[tuple[Page, Listing]]:
        """Yield the page at ``url`` and all that follow it, each with its listing."""
        return pagination.iter_pages(url, self._get, self._read)

    def _read(self, page: Page) -> Listing:
        try:
            return content_types.read_listing(page)
        except ListingError:
            if not content_types.is_generic_json(page):
                raise
            # The server has no listing in JSON, but may have one in HTML.
            try:
                return content_types.read_listing(self._get(page.url, ACCEPT))
            except ReleaseError:
                pass
            raise

    def _get(self, url: str, accept: str = ACCEPT_ALL) -> Page:
        try:
            try:
                return self._http.get(url, accept=accept)
            except HttpStatusError as error:
                parts = urlsplit(url)
                if error.status != 404 or parts.path.endswith("/"):
                    raise
                return self._http.get(urlunsplit(parts._replace(path=f"{parts.path}/")), accept=accept)
        except HttpStatusError as error:
            if error.status not in {404, 410}:
                raise
            store_error = f": {error.excerpt}" if _STORE_ERROR.match(error.excerpt) else ""
            raise NothingFoundError(
                f"{strip_url(url)} was not found (status {error.status}{store_error})",
                hint=_suggest_url(url, store_error),
            ) from None


def _suggest_url(url: str, store_error: str) -> str:
    bucket, _, prefix = urlsplit(url).path.strip("/").partition("/")
    if "NoSuchKey" not in store_error or not prefix:
        return "Open the URL in a browser to check it."
    prefix_url = set_query_parameters(urljoin(url, f"/{bucket}"), {"prefix": f"{unquote(prefix)}/"})
    return f"If it is a prefix in a bucket, pass {sanitize(prefix_url)}"


def _belongs_to(file: RemoteFile, project: str) -> bool:
    try:
        return filenames.parse_filename(file.filename).project == project
    except filenames.InvalidFilename:
        return False
