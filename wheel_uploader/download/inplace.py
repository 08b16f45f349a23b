"""Verify a local file where it is, without writing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wheel_uploader.digests import Hashes, Promise, open_file, read_file
from wheel_uploader.display import printable
from wheel_uploader.download.fetch import local_path
from wheel_uploader.download.lanes import Lane
from wheel_uploader.errors import FileError
from wheel_uploader.models import (
    DistName,
    Fetched,
    FetchOutcome,
    LocalFile,
    RemoteFile,
)
from wheel_uploader.progress import Progress
from wheel_uploader.verify import Mismatch, Seen, verified


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace:
    """The task to verify one local file without a wheelhouse."""

    name: DistName
    #: Its URL is a ``file:`` URL.
    remote: RemoteFile
    progress: Progress
    #: Called between chunks; raises DownloadStopped when the run is ending.
    check: Callable[[], None]
    #: Inspects the file, intact or damaged, by name, path and sha256.
    inspect: Callable[[DistName, Path, str], Seen]

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.name.filename

    def run(self, slot: Lane) -> Fetched:  # noqa: ARG002 - no connection, so no slot to release early
        """Verify the file and return it. Raises FileError if it is damaged."""
        path = local_path(self.remote)
        expected = Promise.of(self.remote)
        hashes = Hashes(expected)
        with self.progress.file(self.name.filename, size=self.remote.size) as bar:
            for chunk in read_file(open_file(path), str(path)):
                self.check()
                hashes.update(chunk)
                bar.advance(len(chunk))
            digests = hashes.result()
            try:
                verified_by = verified(self.name, path, digests, self.remote, expected, self.inspect)
            except Mismatch as error:
                raise FileError(f"{printable(str(path))}: {error}") from None
        file = LocalFile(
            name=self.name,
            path=path,
            size=digests.size,
            sha256=digests.sha256,
        )
        return Fetched(file=file, remote=self.remote, outcome=FetchOutcome.IN_PLACE, vouched_by=verified_by)
