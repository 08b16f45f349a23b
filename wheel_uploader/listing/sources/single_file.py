"""Source for the URL of one wheel or sdist on any HTTP server."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import HttpStatusError, NothingFoundError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.core.urls import parse_qsl, urlsplit
from wheel_uploader.facts import link_names
from wheel_uploader.facts.listing_page import normalize_digests
from wheel_uploader.http.client import HttpClient, StreamedResponse
from wheel_uploader.http.host_policy import split_credentials
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery
from wheel_uploader.listing.sources.http_listing import HttpListing

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})


class HttpFile:
    """One file; a page at such a URL, like that of a directory named like a wheel, is read as a listing.

    The fragment of the URL may be its hash: ``#sha256=...``.
    """

    def __init__(self, url: str, http: HttpClient) -> None:
        self._url, _, self._fragment = url.partition("#")
        self._http = http

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is an HTTP URL that names a wheel or an sdist."""
        return HttpListing.claims(url) and bool(_find_filename(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield the file if the server has it. Raises NothingFoundError, or what a listing raises."""
        shown_url = strip_url(self._url)
        try:
            file = self._http.call_with_retries(f"get {shown_url}", self._request)
        except HttpStatusError as error:
            if error.status not in {404, 410}:
                raise
            raise NothingFoundError(
                f"{shown_url} was not found (status {error.status})",
                hint="Check the URL, or run the command again when the file is staged.",
            ) from None
        if file is None:
            yield from HttpListing(self._url, self._http).iter_files(query)
        else:
            yield file

    def _request(self) -> RemoteFile | None:
        """Return the file, or None if the server returned a page. Only its first byte is requested."""
        with self._http.stream(self._url, headers={"range": "bytes=0-0"}) as response:
            if response.content_type in _PAGE_TYPES:
                return None
            size, size_error = _read_size(response)
            url, _, _ = split_credentials(self._url)
            archive = link_names.is_source_archive(urlsplit(url))
            return RemoteFile(
                filename=_find_filename(url),
                url=url,
                size=size,
                hashes=normalize_digests(dict(parse_qsl(self._fragment[:1000]))),
                source=strip_url(url),
                modified_at=bounds.parse_listed_date(response.headers.get("last-modified")),
                unavailable_reason=size_error,
                exclusion_reason=link_names.SOURCE_ARCHIVE_REASON if archive else "",
            )


def _read_size(response: StreamedResponse) -> bounds.ListedSize:
    """Return the size of the whole file, from the headers of a response to a request for a part."""
    if response.status in {206, 416}:
        return bounds.parse_listed_size_text(response.headers.get("content-range", "").rpartition("/")[2])
    is_encoded = response.headers.get("content-encoding", "identity").lower() != "identity"
    return bounds.parse_listed_size_text("" if is_encoded else response.headers.get("content-length", ""))


def _find_filename(url: str) -> str:
    """Return the name of the wheel or sdist that a URL refers to; empty for any other URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    link = link_names.name_link(parts)
    if parts.path.endswith("/") and not link.is_file:
        return ""
    try:
        filenames.parse_filename(link.filename)
    except filenames.InvalidFilename:
        return ""
    return link.filename
