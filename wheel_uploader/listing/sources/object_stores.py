"""Sources for object stores that are recognized by their URL, which is turned into a listing request."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wheel_uploader.core.errors import CredentialsError, HttpStatusError, ListingError, NothingFoundError
from wheel_uploader.core.redaction import register_secret, strip_url
from wheel_uploader.core.urls import parse_qs, urlsplit
from wheel_uploader.listing.sources import azure, s3, swift
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery
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

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield the files below the prefix, and of the folders in it that may hold the release."""
        url = _build_listing_url(self._url)
        for signature in parse_qs(urlsplit(url).query).get("sig", []):
            register_secret(signature)
        try:
            yield from self.walk(url, query)
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

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield the files below the prefix, and of the folders in it that may hold the release."""
        url = swift.swift_listing_url(self._url)
        try:
            entries = list(self.walk(url, query, content_type="application/json"))
        except (HttpStatusError, ListingError, NothingFoundError, CredentialsError):
            # Public reading may exclude listing, while the middleware staticweb still serves an HTML page.
            yield from super().iter_files(query)
        else:
            yield from entries
