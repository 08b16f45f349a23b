"""The assets of one release: reading them, one attempt to upload a file, and repair of failed uploads."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import LocalFile
from wheel_uploader.core.progress import Progress, ProgressCounter
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.targets.github_releases import responses
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.attempts import Attempts
from wheel_uploader.targets.github_releases.release_json import Asset, GitHubRelease
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

#: Bytes that are sent at once.
_PIECE_SIZE = 128 << 10
#: Bytes that a download is compared by.
_BEGINNING = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetContent:
    """A file to upload."""

    name: str
    size: int
    sha256: str
    #: The first bytes.
    beginning: bytes
    #: Opens the verified bytes, in blocks.
    open: Callable[[], AbstractContextManager[Iterable[bytes]]]

    @classmethod
    def from_file(cls, file: LocalFile) -> AssetContent:
        """Return the content of a wheel or an sdist."""

        @contextlib.contextmanager
        def open_blocks() -> Iterator[Iterable[bytes]]:
            with VerifiedFile(file.path, file.sha256) as content:
                yield content.iter_blocks()

        beginning = b""
        with contextlib.suppress(OSError), file.path.open("rb") as local:
            beginning = local.read(_BEGINNING)
        return cls(
            name=file.filename, size=file.size, sha256=file.sha256, beginning=beginning, open=open_blocks
        )

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> AssetContent:
        """Return the content of a small file that is in memory."""
        return cls(
            name=name,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            beginning=data[:_BEGINNING],
            open=lambda: contextlib.nullcontext([data]),
        )


class ReleaseAssets:
    """The assets of one release, for any thread."""

    def __init__(self, api: ReleaseApi, release: GitHubRelease, progress: Progress) -> None:
        self._api = api
        self._progress = progress
        self.release = release
        self._lock = threading.Lock()
        self._known: dict[str, Asset] = {}

    def refresh(self) -> list[Asset]:
        """Read the assets, and return those whose upload is finished. Raises NetworkError."""
        assets = self._api.list_assets(self.release.id)
        with self._lock:
            self._known = {asset.name: asset for asset in assets}
        return [asset for asset in assets if not asset.is_unfinished]

    def find(self, name: str) -> Asset | None:
        """Return the asset with this name, as it was last read."""
        with self._lock:
            return self._known.get(name)

    def get_sha256(self, asset: Asset) -> str:
        """Return the hex sha256 of an asset, computed from a download if GitHub does not know it."""
        return asset.sha256 or self._api.compute_sha256(asset.id)

    # --- upload ----------------------------------------------------------------------------------------

    def upload(self, content: AssetContent) -> UploadResponse:
        """Make one attempt to upload a file, after removing the rest of a failed upload of it.

        Raises FileError if the file has changed since the check, StorageError if it cannot be read.
        """
        known = self.find(content.name)
        if known and known.is_unfinished:
            problem = self._remove(known, "an upload of it that failed")
            if problem:
                return problem
        with content.open() as blocks, self._progress.file(content.name, size=content.size) as bar:
            body = _Body(blocks, bar)
            answer, asset = self._api.upload_asset(self.release, content.name, body, content.size)
            if answer.kind is not ResponseKind.ACCEPTED:
                bar.advance(-body.sent)
        if answer.kind is ResponseKind.EXISTS:
            return self._explain_existing(content.name, answer)
        if asset is None:
            return answer
        answer = self._check_stored(asset, content, answer)
        if answer.kind is ResponseKind.ACCEPTED:
            with self._lock:
                self._known[asset.name] = asset
        return answer

    def remove(self, asset: Asset, reason: str) -> UploadResponse | None:
        """Delete an asset if it is still as it was read; return the response if that failed."""
        return self._remove(asset, reason)

    def _remove(self, asset: Asset, reason: str) -> UploadResponse | None:
        try:
            current = self._api.fetch_asset(asset.id)
        except NetworkError as error:
            return responses.from_exception(error)
        if current and _identity(current) != _identity(asset):
            return UploadResponse(
                kind=ResponseKind.RETRY,
                status=0,
                diagnosis=f"another program changed the asset {sanitize(asset.name, limit=300)} meanwhile",
            )
        answer = self._api.delete_asset(asset.id) if current else None
        if answer and answer.kind is not ResponseKind.ACCEPTED:
            return answer
        if answer:
            self._progress.info(f"{asset.describe()}: removed, because it is {reason}")
        with self._lock:
            self._known.pop(asset.name, None)
        return None

    def _explain_existing(self, name: str, answer: UploadResponse) -> UploadResponse:
        """Return the meaning of a name that is taken: by a file, or by an upload that is not finished."""
        try:
            self.refresh()
        except NetworkError as error:
            return responses.from_exception(error)
        asset = self.find(name)
        if asset and not asset.is_unfinished:
            return answer
        reason = "an unfinished upload has the name" if asset else "GitHub does not list the asset"
        return replace(answer, kind=ResponseKind.RETRY, diagnosis=reason)

    def _check_stored(self, asset: Asset, content: AssetContent, answer: UploadResponse) -> UploadResponse:
        """Return the response; what GitHub stored in another way is deleted, because this run created it."""
        if asset.name != content.name:
            self._api.delete_asset(asset.id)
            return responses.reject(
                answer.status,
                f"GitHub stores the file under another name, {sanitize(asset.name, limit=300)}",
                FileError,
                "",
                "GitHub does not accept all characters in the name of an asset. The asset was deleted.",
            )
        if asset.is_unfinished:
            return replace(answer, kind=ResponseKind.RETRY, diagnosis="GitHub did not finish the upload")
        if asset.size == content.size and asset.sha256 in ("", content.sha256):
            return answer
        self._api.delete_asset(asset.id)
        return replace(
            answer,
            kind=ResponseKind.RETRY,
            diagnosis=f"GitHub stored other bytes than were sent: sha256 {asset.sha256}, {asset.size} bytes; "
            "the asset was deleted",
        )

    def ensure(self, content: AssetContent, attempts: Attempts) -> None:
        """Upload a file unless the release has one with this name, as it was last read.

        Makes all attempts. Raises ReleaseError.
        """

        def is_there() -> bool:
            asset = self.find(content.name)
            return asset is not None and not asset.is_unfinished

        def is_there_now() -> bool:
            self.refresh()
            return is_there()

        if not is_there():
            attempts.repeat(content.name, lambda: self.upload(content), is_there_now)


class _Body:
    """The bytes of a file in pieces, for one request; counts those that were sent."""

    def __init__(self, blocks: Iterable[bytes], bar: ProgressCounter) -> None:
        self._blocks = blocks
        self._bar = bar
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            for start in range(0, len(block), _PIECE_SIZE):
                piece = block[start : start + _PIECE_SIZE]
                yield piece
                self.sent += len(piece)
                self._bar.advance(len(piece))


def _identity(asset: Asset) -> tuple[object, ...]:
    return asset.id, asset.name, asset.state, asset.size, asset.sha256
