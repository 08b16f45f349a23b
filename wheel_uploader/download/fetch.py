"""One file into the wheelhouse: is it here already, does that hold, and if not, bring it and verify it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import url2pathname

from wheel_uploader.digests import Digests, Promise, digest, open_file, read_file
from wheel_uploader.disk import storage_errors
from wheel_uploader.display import bare_url, printable
from wheel_uploader.download.lanes import Lane
from wheel_uploader.download.partial import Partial
from wheel_uploader.download.transfer import Transfer
from wheel_uploader.errors import FileError, RedirectRefused
from wheel_uploader.http import Http
from wheel_uploader.models import (
    DistName,
    Fetched,
    FetchOutcome,
    LocalFile,
    RemoteFile,
)
from wheel_uploader.progress import Progress
from wheel_uploader.urls import unquote_to_bytes, urlsplit
from wheel_uploader.verified_file import open_regular
from wheel_uploader.verify import Mismatch, Seen, verified
from wheel_uploader.wheelhouse import Note, Wheelhouse

#: What vouches for a file of which the source has no hash, when its server answers 304.
STILL = "its server: unchanged since it was fetched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What it takes to fetch one file."""

    name: DistName
    remote: RemoteFile
    house: Wheelhouse
    http: Http
    progress: Progress
    clobber: bool
    #: Called between any two chunks: raises when the run is ending.
    check: Callable[[], None]
    #: Looks into the file, whole or not: its name, its path, its sha256.
    inspect: Callable[[DistName, Path, str], Seen]
    #: Every file of the release is here: what is left to do is to look into them.
    only_checks: bool = False

    @property
    def filename(self) -> str:
        return self.name.filename

    def run(self, lane: Lane) -> Fetched:
        """The file, verified and in the wheelhouse; ``lane`` is left as soon as its bytes are here."""
        promise = Promise.of(self.remote)
        is_local = self.remote.url.startswith("file:")
        fetched = self._from_disk(promise) if is_local else self._from_server(promise, lane)
        self.progress.detail(f"{self.name.filename}: {fetched.outcome}, vouched for by {fetched.vouched_by}")
        return fetched

    # --- from a server ---------------------------------------------------------------------------------

    def _from_server(self, promise: Promise | None, lane: Lane) -> Fetched:
        here = self._digests_here(promise)
        known = None
        if here and promise:
            if promise.is_met(here):
                return self._as_it_lies(here, promise, FetchOutcome.UNCHANGED)
            self._refuse_to_replace()
        elif here:
            known = self._known(here)
        with (
            self.progress.file(self.name.filename, size=self.remote.size) as bar,
            Partial(self.house, self.name.filename, promise) as partial,
        ):
            transfer = Transfer(
                self.name.filename,
                self.remote,
                self.house,
                partial,
                promised=str(promise or ""),
                check=self.check,
                bar=bar,
            )
            note, vouched = self._transfer(transfer, partial, promise, known, lane)
            if note is None:
                assert here  # noqa: S101 - a server is asked so only about a file that is here
                return self._as_it_lies(here, promise, FetchOutcome.UNCHANGED, STILL)
            note = replace(note, size=partial.size, digest=f"sha256:{partial.digests().sha256}", parts="")
            outcome = FetchOutcome.RESUMED if transfer.resumed else FetchOutcome.DOWNLOADED
            return self._settle(partial, here, note, outcome, vouched)

    def _transfer(
        self, transfer: Transfer, partial: Partial, promise: Promise | None, known: Note | None, lane: Lane
    ) -> tuple[Note | None, str]:
        """Transfer and verify, twice at most; no note when the server says that ``known`` holds."""
        try:
            note = self._in_lane(lane, transfer, known)
            return note, self._verified_once(partial, promise) if note else ""
        except Mismatch as error:
            self.progress.detail(f"{self.name.filename}: {error}; fetching it once more")
        transfer.restart()
        try:
            return self._in_lane(lane, transfer), self._verified_once(partial, promise)
        except Mismatch as error:
            raise FileError(
                f"{self.name.filename} from {bare_url(self.remote.url)}: {error}",
                hint="The staging place has a damaged file, or it changed meanwhile: "
                "look there, then run the same command again.",
            ) from None

    def _in_lane(self, lane: Lane, transfer: Transfer, known: Note | None = None) -> Note | None:
        lane.enter(self.check)
        try:
            note = transfer.run(self.http, lane.all, known)
        except RedirectRefused as error:
            raise error.as_missing() from None
        lane.leave()
        return note

    def _verified_once(self, partial: Partial, promise: Promise | None) -> str:
        return verified(self.name, partial.path, partial.digests(), self.remote, promise, self.inspect)

    def _known(self, here: Digests) -> Note | None:
        """What was noted of the file that is here, when the server can be asked whether it still holds."""
        note = self.house.note(self.name.filename)
        if (
            note is None
            or note.url != bare_url(self.remote.url)
            or not (note.etag or note.last_modified)
            or (note.size, note.digest) != (here.size, f"sha256:{here.sha256}")
            or self.remote.size not in {None, here.size}
        ):
            return None
        return note

    # --- from this machine -----------------------------------------------------------------------------

    def _from_disk(self, promise: Promise | None) -> Fetched:
        path = local_path(self.remote)
        here = self._digests_here(promise)
        if here and self._is_in_place(path):
            return self._as_it_lies(here, promise, FetchOutcome.IN_PLACE)
        if here and digest(read_file(open_file(path), str(path)), promise, self.check) == here:
            return self._as_it_lies(here, promise, FetchOutcome.UNCHANGED)
        if here:
            self._refuse_to_replace()
        with (
            self.progress.file(self.name.filename, size=self.remote.size) as bar,
            Partial(self.house, self.name.filename, promise) as partial,
        ):
            partial.restart()
            for chunk in read_file(open_file(path), str(path)):
                self.check()
                partial.write(chunk)
                bar.advance(len(chunk))
            vouched = self._verified(partial.path, partial.digests(), promise, str(path))
            return self._settle(partial, here, None, FetchOutcome.COPIED, vouched)

    def _is_in_place(self, path: Path) -> bool:
        with storage_errors(str(path)):
            return path.name == self.name.filename and path.parent.samefile(self.house.path)

    # --- both ------------------------------------------------------------------------------------------

    def _digests_here(self, promise: Promise | None) -> Digests | None:
        """The digests of the file of this name in the wheelhouse; None when there is none."""
        if not self.house.holds(self.name.filename):
            return None
        descriptor = open_regular(self._path, lambda: self.house.open_file(self.name.filename))
        return digest(read_file(descriptor, str(self._path)), promise, self.check)

    @property
    def _path(self) -> Path:
        return self.house.path / self.name.filename

    def _refuse_to_replace(self) -> None:
        if not self.clobber:
            raise FileError(
                f"{printable(str(self._path))} has other bytes than {printable(_where(self.remote))}",
                hint="Remove it, or let it be overwritten with -c.",
            )

    def _as_it_lies(
        self, here: Digests, promise: Promise | None, outcome: FetchOutcome, vouched: str = ""
    ) -> Fetched:
        """The file that is here, read once more."""
        with self.progress.file(self.name.filename, size=here.size) as bar:
            said = self._verified(self._path, here, promise, str(self._path))
            if self.only_checks:
                bar.advance(here.size)
        return self._fetched(here, outcome, vouched or said)

    def _verified(self, path: Path, digests: Digests, promise: Promise | None, called: str) -> str:
        """What vouches for a file that will not get better by being read again."""
        try:
            return verified(self.name, path, digests, self.remote, promise, self.inspect)
        except Mismatch as error:
            raise FileError(f"{printable(called)}: {error}") from None

    def _settle(
        self,
        partial: Partial,
        here: Digests | None,
        note: Note | None,
        outcome: FetchOutcome,
        vouched: str,
    ) -> Fetched:
        """Give the verified partial file its name, unless the same bytes are here under it already."""
        digests = partial.digests()
        if here == digests:
            outcome = FetchOutcome.UNCHANGED
            if note:
                self.house.write_note(self.name.filename, note)
            partial.keep = False
        else:
            if here:
                self._refuse_to_replace()
            partial.publish(note, replace=here is not None)
        return self._fetched(digests, outcome, vouched)

    def _fetched(self, digests: Digests, outcome: FetchOutcome, vouched: str) -> Fetched:
        file = LocalFile(
            name=self.name,
            path=self._path,
            size=digests.size,
            sha256=digests.sha256,
        )
        return Fetched(file=file, remote=self.remote, outcome=outcome, vouched_by=vouched)


def local_path(remote: RemoteFile) -> Path:
    """The path that a ``file:`` URL stands for."""
    path = urlsplit(remote.url).path
    # url2pathname loses the bytes of a name that are not UTF-8.
    return Path(os.fsdecode(unquote_to_bytes(path)) if os.name == "posix" else url2pathname(path))


def _where(remote: RemoteFile) -> str:
    return str(local_path(remote)) if remote.url.startswith("file:") else bare_url(remote.url)
