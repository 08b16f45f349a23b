"""Download one file into the wheelhouse, or reuse the file that is already there, and verify it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.request import url2pathname

from wheel_uploader.core.errors import FileError, RedirectNotAllowed
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, DownloadedFile, DownloadOutcome, LocalFile, RemoteFile
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import unquote_to_bytes, urlsplit
from wheel_uploader.core.verified_file import open_regular_file
from wheel_uploader.download.connection_slots import ConnectionSlot
from wheel_uploader.download.http_transfer import HttpTransfer, NotModified
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.inspection.verification import InspectionResult, Mismatch, verify_file
from wheel_uploader.wheelhouse.digests import (
    Digests,
    ExpectedDigest,
    compute_digests,
    open_local_file,
    read_chunks,
)
from wheel_uploader.wheelhouse.wheelhouse import ResumeMetadata, Wheelhouse

#: The report's ``verified_by`` for a file without a listed digest whose server responds with 304.
NOT_MODIFIED = "the server: not modified since the download"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDownload:
    """The task to download and verify one file."""

    name: DistName
    remote: RemoteFile
    wheelhouse: Wheelhouse
    http: HttpClient
    progress: Progress
    clobber: bool
    #: Called between chunks; raises DownloadStopped when the run is ending.
    check: Callable[[], None]
    #: Inspects the file, intact or damaged, by name, path and sha256.
    inspect: Callable[[DistName, Path, str], InspectionResult]
    #: True if every file of the release is in the wheelhouse, so that only verifying them takes time.
    all_files_present: bool = False

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.name.filename

    def run(self, slot: ConnectionSlot) -> DownloadedFile:
        """Return the file, verified and in the wheelhouse; release ``slot`` when its bytes have arrived."""
        expected = ExpectedDigest.from_listing(self.remote)
        is_local = self.remote.url.startswith("file:")
        fetched = self._copy_from_disk(expected) if is_local else self._download(expected, slot)
        self.progress.debug(f"{self.name.filename}: {fetched.outcome}, verified by {fetched.verified_by}")
        return fetched

    # --- from a server ---------------------------------------------------------------------------------

    def _download(self, expected: ExpectedDigest | None, slot: ConnectionSlot) -> DownloadedFile:
        existing = self._digests_of_existing(expected)
        if existing and not expected:
            return self._revalidate(existing, slot)
        if existing and expected:
            if expected.matches(existing):
                return self._keep_existing(existing, expected, DownloadOutcome.UNCHANGED)
            self._require_clobber()
        return self._download_from_server(existing, expected, None, slot)

    def _revalidate(self, existing: Digests, slot: ConnectionSlot) -> DownloadedFile:
        """Keep the existing file, for which no digest is listed, if the server reports that it is current."""
        stored = self._metadata_for_revalidation(existing)
        try:
            return self._download_from_server(existing, None, stored, slot)
        except NotModified:
            slot.release()
            return self._keep_existing(existing, None, DownloadOutcome.UNCHANGED, NOT_MODIFIED)

    def _download_from_server(
        self,
        existing: Digests | None,
        expected: ExpectedDigest | None,
        stored: ResumeMetadata | None,
        slot: ConnectionSlot,
    ) -> DownloadedFile:
        """Download the file. Raises NotModified if ``stored`` is the metadata of the server's file."""
        with (
            self.progress.file(self.name.filename, size=self.remote.size) as bar,
            PartialFile(self.wheelhouse, self.name.filename, expected) as partial,
        ):
            transfer = HttpTransfer(
                self.name.filename,
                self.remote,
                self.wheelhouse,
                partial,
                expected_digest=str(expected or ""),
                check=self.check,
                bar=bar,
            )
            metadata, verified_by = self._transfer(transfer, partial, expected, stored, slot)
            sha256 = partial.digests().sha256
            metadata = replace(metadata, size=partial.size, digest=f"sha256:{sha256}", parts="")
            outcome = DownloadOutcome.RESUMED if transfer.was_resumed else DownloadOutcome.DOWNLOADED
            return self._finish(partial, existing, metadata, outcome, verified_by)

    def _transfer(
        self,
        transfer: HttpTransfer,
        partial: PartialFile,
        expected: ExpectedDigest | None,
        stored: ResumeMetadata | None,
        slot: ConnectionSlot,
    ) -> tuple[ResumeMetadata, str]:
        """Transfer and verify the file, twice at most; return its metadata and the report's ``verified_by``.

        Raises NotModified if ``stored`` is the metadata of the server's file.
        """
        try:
            return self._transfer_in_slot(slot, transfer, stored), self._verify_partial(partial, expected)
        except Mismatch as error:
            self.progress.debug(f"{self.name.filename}: {error}; downloading it again")
        transfer.restart()
        try:
            return self._transfer_in_slot(slot, transfer), self._verify_partial(partial, expected)
        except Mismatch as error:
            raise FileError(
                f"{self.name.filename} from {strip_url(self.remote.url)}: {error}",
                hint="The staged file is damaged, or it changed during the run: check it on the staging "
                "server, then run the same command again.",
            ) from None

    def _transfer_in_slot(
        self, slot: ConnectionSlot, transfer: HttpTransfer, stored: ResumeMetadata | None = None
    ) -> ResumeMetadata:
        slot.acquire(self.check)
        try:
            metadata = transfer.run(self.http, slot.slots, stored)
        except RedirectNotAllowed as error:
            raise error.as_nothing_found() from None
        slot.release()
        return metadata

    def _verify_partial(self, partial: PartialFile, expected: ExpectedDigest | None) -> str:
        return verify_file(self.name, partial.path, partial.digests(), self.remote, expected, self.inspect)

    def _metadata_for_revalidation(self, existing: Digests) -> ResumeMetadata | None:
        """Return the stored metadata of the existing file if it allows a conditional request; else None."""
        metadata = self.wheelhouse.load_metadata(self.name.filename)
        if (
            metadata is None
            or metadata.url != strip_url(self.remote.url)
            or not (metadata.etag or metadata.last_modified)
            or (metadata.size, metadata.digest) != (existing.size, f"sha256:{existing.sha256}")
            or self.remote.size not in {None, existing.size}
        ):
            return None
        return metadata

    # --- from a local path -----------------------------------------------------------------------------

    def _copy_from_disk(self, expected: ExpectedDigest | None) -> DownloadedFile:
        path = path_from_file_url(self.remote)
        existing = self._digests_of_existing(expected)
        if existing and self._is_in_place(path):
            return self._keep_existing(existing, expected, DownloadOutcome.IN_PLACE)
        if (
            existing
            and compute_digests(read_chunks(open_local_file(path), str(path)), expected, self.check)
            == existing
        ):
            return self._keep_existing(existing, expected, DownloadOutcome.UNCHANGED)
        if existing:
            self._require_clobber()
        with (
            self.progress.file(self.name.filename, size=self.remote.size) as bar,
            PartialFile(self.wheelhouse, self.name.filename, expected) as partial,
        ):
            partial.restart()
            for chunk in read_chunks(open_local_file(path), str(path)):
                self.check()
                partial.write(chunk)
                bar.advance(len(chunk))
            verified_by = self._verify_once(partial.path, partial.digests(), expected, str(path))
            return self._finish(partial, existing, None, DownloadOutcome.COPIED, verified_by)

    def _is_in_place(self, path: Path) -> bool:
        with storage_errors(str(path)):
            return path.name == self.name.filename and path.parent.samefile(self.wheelhouse.path)

    # --- both ------------------------------------------------------------------------------------------

    def _digests_of_existing(self, expected: ExpectedDigest | None) -> Digests | None:
        """Return the digests of the file of this name in the wheelhouse; None if there is none."""
        if not self.wheelhouse.has_file(self.name.filename):
            return None
        descriptor = open_regular_file(self._path, lambda: self.wheelhouse.open_file(self.name.filename))
        return compute_digests(read_chunks(descriptor, str(self._path)), expected, self.check)

    @property
    def _path(self) -> Path:
        return self.wheelhouse.path / self.name.filename

    def _require_clobber(self) -> None:
        """Raise FileError unless the existing file, which differs, may be overwritten."""
        if not self.clobber:
            raise FileError(
                f"{sanitize(str(self._path))} differs from {sanitize(_location(self.remote))}",
                hint="Remove it, or overwrite it with -c.",
            )

    def _keep_existing(
        self,
        existing: Digests,
        expected: ExpectedDigest | None,
        outcome: DownloadOutcome,
        verified_by: str = "",
    ) -> DownloadedFile:
        """Verify the existing file and return it."""
        with self.progress.file(self.name.filename, size=existing.size) as bar:
            own_verification = self._verify_once(self._path, existing, expected, str(self._path))
            if self.all_files_present:
                bar.advance(existing.size)
        return self._fetched(existing, outcome, verified_by or own_verification)

    def _verify_once(
        self, path: Path, digests: Digests, expected: ExpectedDigest | None, location: str
    ) -> str:
        """Verify a local file; raise FileError on a mismatch, because reading it again would not help."""
        try:
            return verify_file(self.name, path, digests, self.remote, expected, self.inspect)
        except Mismatch as error:
            raise FileError(f"{sanitize(location)}: {error}") from None

    def _finish(
        self,
        partial: PartialFile,
        existing: Digests | None,
        metadata: ResumeMetadata | None,
        outcome: DownloadOutcome,
        verified_by: str,
    ) -> DownloadedFile:
        """Give the verified partial file its final name, unless an existing file has the same bytes."""
        digests = partial.digests()
        if existing == digests:
            outcome = DownloadOutcome.UNCHANGED
            if metadata:
                self.wheelhouse.store_metadata(self.name.filename, metadata)
            partial.is_resumable = False
        else:
            if existing:
                self._require_clobber()
            partial.commit(metadata, replace=existing is not None)
        return self._fetched(digests, outcome, verified_by)

    def _fetched(self, digests: Digests, outcome: DownloadOutcome, verified_by: str) -> DownloadedFile:
        file = LocalFile(
            name=self.name,
            path=self._path,
            size=digests.size,
            sha256=digests.sha256,
        )
        return DownloadedFile(file=file, remote=self.remote, outcome=outcome, verified_by=verified_by)


def path_from_file_url(remote: RemoteFile) -> Path:
    """Return the path in a ``file:`` URL."""
    path = urlsplit(remote.url).path
    # url2pathname loses bytes of a name that are not UTF-8.
    return Path(os.fsdecode(unquote_to_bytes(path)) if os.name == "posix" else url2pathname(path))


def _location(remote: RemoteFile) -> str:
    return str(path_from_file_url(remote)) if remote.url.startswith("file:") else strip_url(remote.url)
