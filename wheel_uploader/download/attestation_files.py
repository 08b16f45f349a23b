"""Download attestation files into the wheelhouse: they are small, and read and written as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.formatting import format_size
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
class AttestationFileDownload:
    """The task to download one attestation file; without a wheelhouse, a local one is read where it is."""

    attestation_file: RemoteAttestationFile
    wheelhouse: Wheelhouse | None
    http: HttpClient
    progress: Progress
    clobber: bool
    #: Raises DownloadStopped when the run is ending.
    check: Callable[[], None]

    @property
    def filename(self) -> str:
        """The attestation file's name."""
        return self.attestation_file.filename

    @property
    def remote(self) -> RemoteFile:
        """The attestation file as it was listed."""
        return self.attestation_file.remote

    def run(self, slot: ConnectionSlot) -> LocalAttestationFile:  # noqa: ARG002 - too small to release the slot early
        """Return the attestation file. Raises FileError if it is too large or differs from the listing."""
        if (self.remote.size or 0) > MAX_ATTESTATION_SIZE:
            raise self._size_error(strip_url(self.remote.url))
        with self.progress.file(self.filename, size=self.remote.size) as bar:
            local = self._copy_from_disk() if self.remote.url.startswith("file:") else self._download()
            if local.outcome in {DownloadOutcome.DOWNLOADED, DownloadOutcome.COPIED}:
                bar.advance(len(local.content))
        self.progress.debug(f"{self.filename}: {local.outcome}")
        return local

    # --- from a local path -----------------------------------------------------------------------------

    def _copy_from_disk(self) -> LocalAttestationFile:
        path = path_from_file_url(self.remote)
        content = self._verify(_read_bounded(path, self._size_error), str(path))
        if self.wheelhouse is None or self._is_in(self.wheelhouse, path):
            return self._local_file(path, content, DownloadOutcome.IN_PLACE)
        return self._write(self.wheelhouse, content, None, DownloadOutcome.COPIED)

    def _is_in(self, wheelhouse: Wheelhouse, path: Path) -> bool:
        with storage_errors(str(path)):
            return path.parent.samefile(wheelhouse.path)

    # --- from a server ---------------------------------------------------------------------------------

    def _download(self) -> LocalAttestationFile:
        assert self.wheelhouse  # noqa: S101 - only local files are checked without one
        wheelhouse, expected = self.wheelhouse, ExpectedDigest.from_listing(self.remote)
        existing = self._read_existing(wheelhouse)
        if existing is not None and expected and expected.matches(compute_digests([existing], expected)):
            return self._local_file(wheelhouse.path / self.filename, existing, DownloadOutcome.UNCHANGED)
        stored = self._metadata_for_revalidation(wheelhouse, existing)
        operation = f"download {self.filename}"
        content, metadata = self.http.call_with_retries(operation, lambda: self._request(stored))
        if content is None:
            assert existing is not None  # noqa: S101 - a conditional request is sent only for an existing file
            return self._local_file(wheelhouse.path / self.filename, existing, DownloadOutcome.UNCHANGED)
        content = self._verify(content, strip_url(self.remote.url))
        return self._write(wheelhouse, content, metadata, DownloadOutcome.DOWNLOADED)

    def _metadata_for_revalidation(
        self, wheelhouse: Wheelhouse, existing: bytes | None
    ) -> ResumeMetadata | None:
        """Return the stored metadata of the existing file if it allows a conditional request; else None."""
        if existing is None or ExpectedDigest.from_listing(self.remote):
            return None
        metadata = wheelhouse.load_metadata(self.filename)
        is_current = (
            metadata
            and metadata.digest == _digest_of(existing)
            and metadata.url == strip_url(self.remote.url)
        )
        return metadata if is_current else None

    def _request(self, stored: ResumeMetadata | None) -> tuple[bytes | None, ResumeMetadata]:
        """Return the bytes and their metadata; None and ``stored`` if the file was not modified."""
        self.check()
        headers = {}
        if stored and stored.etag:
            headers["if-none-match"] = stored.etag
        if stored and stored.last_modified:
            headers["if-modified-since"] = stored.last_modified
        location, content = strip_url(self.remote.url), b""
        pinned = "sha256" in self.remote.hashes
        with self.http.stream(
            self.remote.url, headers=headers, listing_url=self.remote.source, has_trusted_digest=pinned
        ) as stream:
            if stream.status == 304 and stored:
                return None, stored
            if stream.status != 200:
                raise NetworkError(f"{location} returned status {stream.status} for the whole file")
            for chunk in stream.iter_chunks(MAX_ATTESTATION_SIZE):
                content += chunk
                if len(content) > MAX_ATTESTATION_SIZE:
                    raise self._size_error(location)
            metadata = ResumeMetadata(
                url=location,
                etag=get_etag(stream.headers),
                last_modified=get_last_modified(stream.headers),
                size=len(content),
                digest=_digest_of(content),
            )
        return content, metadata

    # --- both ------------------------------------------------------------------------------------------

    def _read_existing(self, wheelhouse: Wheelhouse) -> bytes | None:
        """Return the contents of the file of this name in the wheelhouse; None if there is none."""
        if not wheelhouse.has_file(self.filename):
            return None
        return _read_bounded(wheelhouse.path / self.filename, self._size_error)

    def _verify(self, content: bytes, location: str) -> bytes:
        """Return ``content`` if it has the listed size and digest; else raise FileError."""
        expected = ExpectedDigest.from_listing(self.remote)
        computed = compute_digests([content], expected)
        if self.remote.size not in {None, computed.size}:
            raise self._mismatch(
                location, f"it has {computed.size} bytes, but {self.remote.size} were listed"
            )
        if expected and not expected.matches(computed):
            raise self._mismatch(location, _describe_difference(expected, computed))
        return content

    def _write(
        self,
        wheelhouse: Wheelhouse,
        content: bytes,
        metadata: ResumeMetadata | None,
        outcome: DownloadOutcome,
    ) -> LocalAttestationFile:
        """Write the file to the wheelhouse, unless an existing file has the same bytes."""
        path, existing = wheelhouse.path / self.filename, self._read_existing(wheelhouse)
        if existing == content:
            outcome = DownloadOutcome.UNCHANGED
        elif existing is not None and not self.clobber:
            raise FileError(
                f"{sanitize(str(path))} differs from {sanitize(strip_url(self.remote.url))}",
                hint="Remove it, or overwrite it with -c.",
            )
        else:
            wheelhouse.write_small_file(self.filename, content)
        if metadata:
            wheelhouse.store_metadata(self.filename, metadata)
        return self._local_file(path, content, outcome)

    def _local_file(self, path: Path, content: bytes, outcome: DownloadOutcome) -> LocalAttestationFile:
        return LocalAttestationFile(
            subject_filename=self.attestation_file.subject_filename,
            path=path,
            content=content,
            outcome=outcome,
        )

    def _size_error(self, location: str) -> FileError:
        return FileError(
            f"{sanitize(location)} is too large for an attestation "
            f"(at most {format_size(MAX_ATTESTATION_SIZE)})",
            hint="Check the staged file, or pass --attestations none to skip all attestations.",
        )

    def _mismatch(self, location: str, reason: str) -> FileError:
        return FileError(
            f"{self.filename} from {sanitize(location)}: {reason}",
            hint="The staged file is damaged, or it changed during the run: check it on the staging "
            "server, then run the same command again.",
        )


def _read_bounded(path: Path, size_error: Callable[[str], FileError]) -> bytes:
    content = b""
    for chunk in read_chunks(open_local_file(path), str(path)):
        content += chunk
        if len(content) > MAX_ATTESTATION_SIZE:
            raise size_error(str(path))
    return content


def _digest_of(content: bytes) -> str:
    return f"sha256:{compute_digests([content], None).sha256}"


def _describe_difference(expected: ExpectedDigest, computed: Digests) -> str:
    algorithm = expected.algorithm
    return f"its {algorithm} is {computed.hex_by_algorithm[algorithm]}, but {expected.hex} was listed"
