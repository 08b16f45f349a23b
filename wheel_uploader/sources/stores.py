"""Object stores that are known by their address: what was typed is put into the store's own question."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wheel_uploader.display import bare_url, remember_secret
from wheel_uploader.errors import CredentialsError, HttpStatus, ListingError, NothingFoundError
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources import azure, s3, swift
from wheel_uploader.sources.web import WebPage
from wheel_uploader.urls import parse_qs, urlsplit

_LISTING_URLS: tuple[Callable[[str], str], ...] = (s3.listing_url, azure.listing_url)


class ObjectStore(WebPage):
    """A bucket of S3 or Google Cloud Storage, a container of Azure; ``s3://`` and ``gs://`` too.

    Others (MinIO, Azurite, ...) are known by their answers, once they are asked.
    """

    @staticmethod
    def claims(url: str) -> bool:
        return bool(_listing_url(url))

    def files(self, project: str) -> Iterator[RemoteFile]:  # noqa: ARG002 (one directory, of all projects)
        """The files right below the prefix."""
        url = _listing_url(self._url)
        for signature in parse_qs(urlsplit(url).query).get("sig", []):
            remember_secret(signature)
        try:
            for _, listing in self.pages(url):
                yield from listing.files
        except HttpStatus as error:
            if error.status == 403:
                raise CredentialsError(
                    f"{bare_url(url)} may not be listed by everyone: {error.excerpt or error.reason}",
                    hint="Let everyone list it, or copy the files into a directory and give that with -u.",
                ) from None
            raise


def _listing_url(url: str) -> str:
    return next(filter(None, (listing_url(url) for listing_url in _LISTING_URLS)), "")


class SwiftContainer(WebPage):
    """A container of OpenStack Swift: its JSON, or else the page that it shows."""

    @staticmethod
    def claims(url: str) -> bool:
        return bool(swift.listing_url(url))

    def files(self, project: str) -> Iterator[RemoteFile]:
        """The files right below the prefix."""
        try:
            pages = list(self.pages(swift.listing_url(self._url)))
        except (HttpStatus, ListingError, NothingFoundError, CredentialsError):
            # Public reading may not include listing, while its middleware staticweb shows a page.
            pages = []
        if pages and pages[0][0].content_type == "application/json":
            for _, listing in pages:
                yield from listing.files
        else:
            yield from super().files(project)
