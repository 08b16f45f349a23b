"""Download attestation files into the wheelhouse: they are small, and read and written as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.formatting import format_count, format_size
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    DownloadOutcome,
    LocalAttestationFile,
    RemoteAttestationFile,
    RemoteFile,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.download.connection_slots import ConnectionSlot
from wheel_uploader.download.file_download import path_from_file_url
from wheel_uploader.download.validators import get_etag, get_last_modified
from wheel_uploader.http.client import HttpClient
from wheel_uploader.wheelhouse.digests import (
    Digests,
    ExpectedDigest,
    compute_digests,
    open_local_file,
    read_chunks,
)
from wheel_uploader.wheelhouse.wheelhouse import ResumeMetadata, Wheelhouse

#: Bytes; real attestations have 5 to 20 kB.
MAX_ATTESTATION_SIZE = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _AttestationFileTask:
    """The part of a task that all attestation files have."""

    attestation_file: RemoteAttestationFile
    progress: Progress

    @property
    def filename(self) -> str:
        """The attestation file's name."""
        return self.attestation_file.filename

    @property
    def remote(self) -> RemoteFile:
        """The attestation file as it was listed."""
        return self.attestation_file.remote


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceAttestationFile(_AttestationFileTask):
    """The task to verify one local attestation file, whose URL is a ``file:`` URL, without a wheelhouse."""

    def run(self, slot: ConnectionSlot) -> LocalAttestationFile:  # noqa: ARG002 - no connection, so no slot to release early
        """Return the attestation file. Raises FileError if it is too large or differs from the listing."""
        _check_listed_size(self.remote)
        with self.progress.file(self.filename, size=self.remote.size):
            path, content = _read_listed(self.remote)
        self.progress.debug(f"{self.filename}: {DownloadOutcome.IN_PLACE}")
        return _to_local_file(self.attestation_file, path, content, DownloadOutcome.IN_PLACE)


@dataclass(frozen=True, slots=True)
class _Received:
    """The bytes of an attestation file, and the metadata of the response that they came with."""

    content: bytes
    metadata: ResumeMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationFileDownload(_AttestationFileTask):
    """The task to download one attestation file into the wheelhouse."""

    wheelhouse: Wheelhouse
    http: HttpClient
    clobber: bool
    #: Raises DownloadStopped when the run is ending.
    check: Callable[[], None]

    def run(self, slot: ConnectionSlot) -> LocalAttestationFile:  # noqa: ARG002 - too small to release the slot early
        """Return the attestation file. Raises FileError if it is too large or differs from the listing."""
        _check_listed_size(self.remote)
        with self.progress.file(self.filename, size=self.remote.size) as bar:
            local = self._copy_from_disk() if self.remote.url.startswith("file:") else self._download()
            if local.outcome in {DownloadOutcome.DOWNLOADED, DownloadOutcome.COPIED}:
                bar.advance(len(local.content))
        self.progress.debug(f"{self.filename}: {local.outcome}")
        return local

    # --- from a local path -----------------------------------------------------------------------------

    def _copy_from_disk(self) -> LocalAttestationFile:
        path, content = _read_listed(self.remote)
        if self._is_in_wheelhouse(path):
            return _to_local_file(self.attestation_file, path, content, DownloadOutcome.IN_PLACE)
        return self._write(content, None, DownloadOutcome.COPIED)

    def _is_in_wheelhouse(self, path: Path) -> bool:
        with storage_errors(str(path)):
            return path.parent.samefile(self.wheelhouse.path)

    # --- from a server ---------------------------------------------------------------------------------

    def _download(self) -> LocalAttestationFile:
        expected, existing = ExpectedDigest.from_listing(self.remote), self._read_existing()
        if existing is not None and expected and expected.matches(compute_digests([existing], expected)):
            return self._unchanged(existing)
        stored = None if existing is None or expected else self._load_for_revalidation(existing)
        operation = f"download {self.filename}"
        received = self.http.call_with_retries(operation, lambda: self._request(stored))
        if received is stored:
            return self._unchanged(received.content)
        _verify(self.remote, received.content, strip_url(self.remote.url))
        return self._write(received.content, received.metadata, DownloadOutcome.DOWNLOADED)

    def _load_for_revalidation(self, existing: bytes) -> _Received | None:
        """Return the existing file with its metadata if that allows a conditional request; else None."""
        metadata = self.wheelhouse.load_metadata(self.filename)
        if (
            metadata
            and metadata.digest == _digest_of(existing)
            and metadata.url == strip_url(self.remote.url)
        ):
            return _Received(existing, metadata)
        return None

    def _request(self, stored: _Received | None) -> _Received:
        """Return the bytes and their metadata; ``stored`` itself if the file was not modified."""
        self.check()
        headers = {}
        if stored and stored.metadata.etag:
            headers["if-none-match"] = stored.metadata.etag
        if stored and stored.metadata.last_modified:
            headers["if-modified-since"] = stored.metadata.last_modified
        location, content = strip_url(self.remote.url), b""
        pinned = "sha256" in self.remote.hashes
        with self.http.stream(
            self.remote.url, headers=headers, listing_url=self.remote.source, has_trusted_digest=pinned
        ) as stream:
            if stream.status == 304 and stored:
                return stored
            if stream.status != 200:
                raise NetworkError(f"{location} returned status {stream.status} for the whole file")
            for chunk in stream.iter_chunks(MAX_ATTESTATION_SIZE):
                content += chunk
                if len(content) > MAX_ATTESTATION_SIZE:
                    raise _size_error(location)
            metadata = ResumeMetadata(
                url=location,
                etag=get_etag(stream.headers),
                last_modified=get_last_modified(stream.headers),
                size=len(content),
                digest=_digest_of(content),
            )
        return _Received(content, metadata)

    # --- both ------------------------------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        return self.wheelhouse.path / self.filename

    def _read_existing(self) -> bytes | None:
        """Return the contents of the file of this name in the wheelhouse; None if there is none."""
        return _read_bounded(self._path) if self.wheelhouse.has_file(self.filename) else None

    def _unchanged(self, content: bytes) -> LocalAttestationFile:
        return _to_local_file(self.attestation_file, self._path, content, DownloadOutcome.UNCHANGED)

    def _write(
        self, content: bytes, metadata: ResumeMetadata | None, outcome: DownloadOutcome
    ) -> LocalAttestationFile:
        """Write the file to the wheelhouse, unless an existing file has the same bytes."""
        existing = self._read_existing()
        if existing == content:
            outcome = DownloadOutcome.UNCHANGED
        elif existing is not None and not self.clobber:
            raise FileError(
                f"{sanitize(str(self._path))} differs from {sanitize(strip_url(self.remote.url))}",
                hint="Remove it, or overwrite it with -c.",
            )
        else:
            self.wheelhouse.write_small_file(self.filename, content)
        if metadata:
            self.wheelhouse.store_metadata(self.filename, metadata)
        return _to_local_file(self.attestation_file, self._path, content, outcome)


def _read_listed(remote: RemoteFile) -> tuple[Path, bytes]:
    """Return the path and the contents of a listed local file. Raises FileError like ``_verify``."""
    path = path_from_file_url(remote)
    content = _read_bounded(path)
    _verify(remote, content, str(path))
    return path, content


def _read_bounded(path: Path) -> bytes:
    content = b""
    for chunk in read_chunks(open_local_file(path), str(path)):
        content += chunk
        if len(content) > MAX_ATTESTATION_SIZE:
            raise _size_error(str(path))
    return content


def _check_listed_size(remote: RemoteFile) -> None:
    if (remote.size or 0) > MAX_ATTESTATION_SIZE:
        raise _size_error(strip_url(remote.url))


def _size_error(location: str) -> FileError:
    return FileError(
        f"{sanitize(location)} is too large for an attestation (at most {format_size(MAX_ATTESTATION_SIZE)})",
        hint="Check the staged file, or pass --attestations none to skip all attestations.",
    )


def _verify(remote: RemoteFile, content: bytes, location: str) -> None:
    """Raise FileError unless ``content`` has the listed size and digest."""
    expected = ExpectedDigest.from_listing(remote)
    computed = compute_digests([content], expected)
    if remote.size not in {None, computed.size}:
        raise _mismatch(
            remote, location, f"it has {format_count(computed.size, 'byte')}, but {remote.size} were listed"
        )
    if expected and not expected.matches(computed):
        raise _mismatch(remote, location, _describe_difference(expected, computed))


def _mismatch(remote: RemoteFile, location: str, reason: str) -> FileError:
    return FileError(
        f"{remote.filename} from {sanitize(location)}: {reason}",
        hint="The staged file is damaged, or it changed during the run: check it on the staging "
        "server, then run the same command again.",
    )


def _to_local_file(
    listed: RemoteAttestationFile, path: Path, content: bytes, outcome: DownloadOutcome
) -> LocalAttestationFile:
    return LocalAttestationFile(
        subject_filename=listed.subject_filename, path=path, content=content, outcome=outcome
    )


def _digest_of(content: bytes) -> str:
    return f"sha256:{compute_digests([content], None).sha256}"


def _describe_difference(expected: ExpectedDigest, computed: Digests) -> str:
    algorithm = expected.algorithm
    return f"its {algorithm} is {computed.hex_by_algorithm[algorithm]}, but {expected.hex} was listed"
