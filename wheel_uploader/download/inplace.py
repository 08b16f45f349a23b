"""One file of this machine, judged where it lies: it is read and verified, and nothing is written."""

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
    """What it takes to judge one file without a wheelhouse."""

    name: DistName
    #: A ``file:`` URL.
    remote: RemoteFile
    progress: Progress
    #: Called between any two chunks: raises when the run is ending.
    check: Callable[[], None]
    #: Looks into the file, whole or not: its name, its path, its sha256.
    inspect: Callable[[DistName, Path, str], Seen]

    @property
    def filename(self) -> str:
        return self.name.filename

    def run(self, lane: Lane) -> Fetched:  # noqa: ARG002 - no connection, nothing to leave early
        """The file, verified where it is. Raises FileError for one that is damaged."""
        path = local_path(self.remote)
        promise = Promise.of(self.remote)
        hashes = Hashes(promise)
        with self.progress.file(self.name.filename, size=self.remote.size) as bar:
            for chunk in read_file(open_file(path), str(path)):
                self.check()
                hashes.update(chunk)
                bar.advance(len(chunk))
            digests = hashes.result()
            try:
                vouched_by = verified(self.name, path, digests, self.remote, promise, self.inspect)
            except Mismatch as error:
                raise FileError(f"{printable(str(path))}: {error}") from None
        file = LocalFile(
            name=self.name,
            path=path,
            size=digests.size,
            sha256=digests.sha256,
        )
        return Fetched(file=file, remote=self.remote, outcome=FetchOutcome.IN_PLACE, vouched_by=vouched_by)
