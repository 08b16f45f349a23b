"""Sources for object stores that are recognized by their URL, which is turned into a listing request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wheel_uploader.core.errors import CredentialsError, HttpStatusError, ListingError, NothingFoundError
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import register_secret, strip_url
from wheel_uploader.core.urls import parse_qs, urlsplit
from wheel_uploader.listing.sources import azure, s3, swift
from wheel_uploader.listing.sources.base import ReleaseQuery
from wheel_uploader.listing.sources.http_listing import HttpListing

_LISTING_URLS: tuple[Callable[[str], str], ...] = (s3.s3_listing_url, azure.azure_listing_url)


class ObjectStore(HttpListing):
    """A bucket of S3 or Google Cloud Storage (``s3://`` and ``gs://`` too), or a container of Azure.

    Other object stores (MinIO, Azurite, ...) are handled by ``HttpListing``, by the format of their response.
    """

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a bucket or container, or a prefix in one."""
        return bool(_build_listing_url(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:  # noqa: ARG002 (a directory holds files of any project)
        """Yield the files directly below the prefix."""
        url = _build_listing_url(self._url)
        for signature in parse_qs(urlsplit(url).query).get("sig", []):
            register_secret(signature)
        try:
            for _, listing in self.iter_pages(url):
                yield from listing.files
        except HttpStatusError as error:
            if error.status == 403:
                raise CredentialsError(
                    f"{strip_url(url)} does not allow anonymous listing: {error.excerpt or error.reason}",
                    hint="Allow anonymous listing, or copy the files into a directory and pass that with -u.",
                ) from None
            raise


def _build_listing_url(url: str) -> str:
    return next(filter(None, (listing_url(url) for listing_url in _LISTING_URLS)), "")


class SwiftContainer(HttpListing):
    """A container of OpenStack Swift, listed as JSON, or else by its HTML page."""

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a Swift container, or a prefix in one."""
        return bool(swift.swift_listing_url(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files directly below the prefix."""
        try:
            pages = list(self.iter_pages(swift.swift_listing_url(self._url)))
        except (HttpStatusError, ListingError, NothingFoundError, CredentialsError):
            # Public reading may exclude listing, while the middleware staticweb still serves an HTML page.
            pages = []
        if pages and pages[0][0].content_type == "application/json":
            for _, listing in pages:
                yield from listing.files
        else:
            yield from super().iter_files(query)
