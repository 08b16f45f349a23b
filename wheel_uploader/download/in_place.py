"""Verify a local file where it is, without writing anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wheel_uploader.core.errors import FileError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, DownloadedFile, DownloadOutcome, LocalFile, RemoteFile
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.download.connection_slots import ConnectionSlot
from wheel_uploader.download.file_download import path_from_file_url
from wheel_uploader.inspection.verification import InspectionResult, Mismatch, verify_file
from wheel_uploader.wheelhouse.digests import ExpectedDigest, StreamHasher, open_local_file, read_chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceVerification:
    """The task to verify one local file without a wheelhouse."""

    name: DistName
    #: Its URL is a ``file:`` URL.
    remote: RemoteFile
    progress: Progress
    #: Called between chunks; raises DownloadStopped when the run is ending.
    check: Callable[[], None]
    #: Inspects the file, intact or damaged, by name, path and sha256.
    inspect: Callable[[DistName, Path, str], InspectionResult]

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.name.filename

    def run(self, slot: ConnectionSlot) -> DownloadedFile:  # noqa: ARG002 - no connection, so no slot to release early
        """Verify the file and return it. Raises FileError if it is damaged."""
        path = path_from_file_url(self.remote)
        expected = ExpectedDigest.from_listing(self.remote)
        hashes = StreamHasher(expected)
        with self.progress.file(self.name.filename, size=self.remote.size) as bar:
            for chunk in read_chunks(open_local_file(path), str(path)):
                self.check()
                hashes.update(chunk)
                bar.advance(len(chunk))
            digests = hashes.result()
            try:
                verified_by = verify_file(self.name, path, digests, self.remote, expected, self.inspect)
            except Mismatch as error:
                raise FileError(f"{sanitize(str(path))}: {error}") from None
        file = LocalFile(
            name=self.name,
            path=path,
            size=digests.size,
            sha256=digests.sha256,
        )
        return DownloadedFile(
            file=file, remote=self.remote, outcome=DownloadOutcome.IN_PLACE, verified_by=verified_by
        )
