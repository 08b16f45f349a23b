"""One attestation from where it lies into the wheelhouse: small, read whole, and written all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wheel_uploader.digests import Digests, Promise, digest, open_file, read_file
from wheel_uploader.disk import storage_errors
from wheel_uploader.display import bare_url, human_size, printable
from wheel_uploader.download.fetch import local_path
from wheel_uploader.download.lanes import Lane
from wheel_uploader.download.validators import etag, last_modified
from wheel_uploader.errors import FileError, NetworkError
from wheel_uploader.http import Http
from wheel_uploader.models import Companion, FetchOutcome, LocalCompanion, RemoteFile
from wheel_uploader.progress import Progress
from wheel_uploader.wheelhouse import Note, Wheelhouse

#: Bytes: real ones have 5 to 20 kB.
LIMIT = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchCompanion:
    """What it takes to bring one attestation; without a wheelhouse it is read where it lies."""

    companion: Companion
    house: Wheelhouse | None
    http: Http
    progress: Progress
    clobber: bool
    #: Raises when the run is ending.
    check: Callable[[], None]

    @property
    def filename(self) -> str:
        return self.companion.filename

    @property
    def remote(self) -> RemoteFile:
        return self.companion.remote

    def run(self, lane: Lane) -> LocalCompanion:  # noqa: ARG002 - too small to leave it early
        """The attestation, as it was listed. Raises FileError for one that is not, or is too large."""
        if (self.remote.size or 0) > LIMIT:
            raise self._too_large(bare_url(self.remote.url))
        with self.progress.file(self.filename, size=self.remote.size) as bar:
            taken = self._from_disk() if self.remote.url.startswith("file:") else self._from_server()
            if taken.outcome in {FetchOutcome.DOWNLOADED, FetchOutcome.COPIED}:
                bar.advance(len(taken.content))
        self.progress.detail(f"{self.filename}: {taken.outcome}")
        return taken

    # --- from this machine -----------------------------------------------------------------------------

    def _from_disk(self) -> LocalCompanion:
        path = local_path(self.remote)
        content = self._as_listed(_read(path, self._too_large), str(path))
        if self.house is None or self._lies_in(self.house, path):
            return self._taken(path, content, FetchOutcome.IN_PLACE)
        return self._settled(self.house, content, None, FetchOutcome.COPIED)

    def _lies_in(self, house: Wheelhouse, path: Path) -> bool:
        with storage_errors(str(path)):
            return path.parent.samefile(house.path)

    # --- from a server ---------------------------------------------------------------------------------

    def _from_server(self) -> LocalCompanion:
        assert self.house  # noqa: S101 - only files of this machine are judged without one
        house, promise = self.house, Promise.of(self.remote)
        here = self._here(house)
        if here is not None and promise and promise.is_met(digest([here], promise)):
            return self._taken(house.path / self.filename, here, FetchOutcome.UNCHANGED)
        known = self._known(house, here)
        what = f"download {self.filename}"
        content, note = self.http.retrying(what, lambda: self._request(known))
        if content is None:
            assert here is not None  # noqa: S101 - a server is asked so only about a file that is here
            return self._taken(house.path / self.filename, here, FetchOutcome.UNCHANGED)
        return self._settled(house, self._as_listed(content, bare_url(self.remote.url)), note, _NEW)

    def _known(self, house: Wheelhouse, here: bytes | None) -> Note | None:
        """What was noted of the file that is here, when the server can be asked whether it still holds."""
        note = house.note(self.filename) if here is not None and not Promise.of(self.remote) else None
        same = note and note.digest == _digest_of(here or b"") and note.url == bare_url(self.remote.url)
        return note if same else None

    def _request(self, known: Note | None) -> tuple[bytes | None, Note]:
        """The bytes, or None when what is here still holds; and what the server said of them."""
        self.check()
        headers = {}
        if known and known.etag:
            headers["if-none-match"] = known.etag
        if known and known.last_modified:
            headers["if-modified-since"] = known.last_modified
        where, content = bare_url(self.remote.url), b""
        pinned = "sha256" in self.remote.hashes
        with self.http.stream(
            self.remote.url, headers=headers, listed_at=self.remote.source, pinned=pinned
        ) as stream:
            if stream.status == 304 and known:
                return None, known
            if stream.status != 200:
                raise NetworkError(f"{where} answered {stream.status} to a plain request")
            for chunk in stream.chunks(LIMIT):
                content += chunk
                if len(content) > LIMIT:
                    raise self._too_large(where)
            note = Note(
                url=where,
                etag=etag(stream.headers),
                last_modified=last_modified(stream.headers),
                size=len(content),
                digest=_digest_of(content),
            )
        return content, note

    # --- both ------------------------------------------------------------------------------------------

    def _here(self, house: Wheelhouse) -> bytes | None:
        """What the wheelhouse has under this name."""
        if not house.holds(self.filename):
            return None
        return _read(house.path / self.filename, self._too_large)

    def _as_listed(self, content: bytes, where: str) -> bytes:
        promise = Promise.of(self.remote)
        found = digest([content], promise)
        if self.remote.size not in {None, found.size}:
            raise self._other(where, f"it has {found.size} bytes, and {self.remote.size} were listed")
        if promise and not promise.is_met(found):
            raise self._other(where, _differs(promise, found))
        return content

    def _settled(
        self, house: Wheelhouse, content: bytes, note: Note | None, outcome: FetchOutcome
    ) -> LocalCompanion:
        """Give it its name in the wheelhouse, unless the same bytes are here under it already."""
        path, here = house.path / self.filename, self._here(house)
        if here == content:
            outcome = FetchOutcome.UNCHANGED
        elif here is not None and not self.clobber:
            raise FileError(
                f"{printable(str(path))} has other bytes than {printable(bare_url(self.remote.url))}",
                hint="Remove it, or let it be overwritten with -c.",
            )
        else:
            house.write_small(self.filename, content)
        if note:
            house.write_note(self.filename, note)
        return self._taken(path, content, outcome)

    def _taken(self, path: Path, content: bytes, outcome: FetchOutcome) -> LocalCompanion:
        return LocalCompanion(about=self.companion.about, path=path, content=content, outcome=outcome)

    def _too_large(self, where: str) -> FileError:
        return FileError(
            f"{printable(where)} is larger than any attestation ({human_size(LIMIT)} at most)",
            hint="See what it is; --attestations none leaves all attestations out.",
        )

    def _other(self, where: str, why: str) -> FileError:
        return FileError(
            f"{self.filename} from {printable(where)}: {why}",
            hint="The staging place has a damaged file, or it changed meanwhile: "
            "look there, then run the same command again.",
        )


_NEW = FetchOutcome.DOWNLOADED


def _read(path: Path, too_large: Callable[[str], FileError]) -> bytes:
    content = b""
    for chunk in read_file(open_file(path), str(path)):
        content += chunk
        if len(content) > LIMIT:
            raise too_large(str(path))
    return content


def _digest_of(content: bytes) -> str:
    return f"sha256:{digest([content], None).sha256}"


def _differs(promise: Promise, found: Digests) -> str:
    return f"its {promise.algorithm} is {found.hexes[promise.algorithm]}, and {promise.hex} was listed"
