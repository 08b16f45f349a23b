"""The simple pages of anaconda.org, as pip reads them: they may have no hashes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from wheel_uploader.core.models import IndexFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient
from wheel_uploader.targets.anaconda.api import RemoteEntry


class PipPage(IndexClient):
    """A client of the simple pages that takes a missing hash from the API."""

    def __init__(
        self,
        http: HttpClient,
        url: str,
        entries: Mapping[str, RemoteEntry],
        replaced: Collection[str] = frozenset(),
    ) -> None:
        """``entries`` are the files of the API; those in ``replaced`` are downloaded and hashed instead.

        A page that is not yet current may still link to the bytes that were replaced.
        """
        super().__init__(http, url)
        self._entries = entries
        self._replaced = replaced

    def get_sha256(self, file: IndexFile) -> str:
        """Return the SHA-256 of a served file: as the page or the API lists it, or of its bytes."""
        entry = self._entries.get(file.filename)
        is_known = entry is not None and "sha256" in entry.hashes and file.filename not in self._replaced
        if "sha256" not in file.hashes and entry is not None and is_known:
            # The size and the first bytes of what the page links to are compared as well.
            return entry.hashes["sha256"]
        return super().get_sha256(file)
