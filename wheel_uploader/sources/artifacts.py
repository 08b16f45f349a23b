"""Wheels in the zips that CI keeps of its jobs: each zip is fetched, and those of the project taken out."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from packaging.utils import canonicalize_name

from wheel_uploader import names
from wheel_uploader.archive import inflate, is_bomb, zipwalk
from wheel_uploader.archive.ziprecords import Entry
from wheel_uploader.disk import storage_errors
from wheel_uploader.display import human_size, printable
from wheel_uploader.errors import FileError, NetworkError
from wheel_uploader.http import Http
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.scratch import Scratch

#: Bytes of all zips of one run, and of all that is taken out of them: a release of 100 large wheels has both.
MAX_BYTES = 16 << 30

#: Of a zip that is cut off, the end of a wheel in it may be taken for its own.
_DAMAGE = frozenset({"unreadable", "trailing-bytes", "foreign-bytes"})
_HINT = "Run the job again, or give the artifacts that are good one by one with -u."


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One zip of a run."""

    name: str
    #: Where it is fetched from.
    url: str
    #: Where a person finds it.
    source: str
    #: Hex, of the zip; empty when the place does not say.
    sha256: str = ""
    modified: datetime | None = None


class UnpackingSource:
    """What a source begins with whose files have to be unpacked before they can be listed."""

    def __init__(self, url: str, http: Http) -> None:
        self._url = url
        self._http = http
        #: It has to be kept for as long as the files are needed.
        self.scratch = Scratch()


class Unpacker:
    """Fetches the artifacts of one run, one after another, and lists what is in them."""

    def __init__(self, http: Http, scratch: Scratch, project: str) -> None:
        self._http = http
        self._scratch = scratch
        self._project = canonicalize_name(project)
        self._room = MAX_BYTES

    def files(self, artifact: Artifact) -> Iterable[RemoteFile]:
        """Every file in it; those of the project under ``file:`` URLs, where they have been unpacked to.

        An artifact that has been looked at in this run is not fetched again: what is once under its URL never
        changes. Raises FileError when the zip or a file of the project in it is damaged.
        """
        key = (artifact.url, artifact.sha256, self._project)
        return self._scratch.once(key, lambda: self._unpacked(artifact))

    def _unpacked(self, artifact: Artifact) -> Iterator[RemoteFile]:
        folder = self._scratch.directory()
        path = folder / "artifact.zip"
        size = self._http.retrying(f"get {artifact.name}", lambda: self._fetch(artifact, path))
        self._room -= size
        with storage_errors(str(path)), path.open("rb") as stream:
            walk = zipwalk.walk(stream, size)
            members = [entry for entry in walk.entries if _basename(entry)]
            # A file that was uploaded as it is, without a zip around it, gives its name to the artifact.
            is_alone = self._is_ours(artifact.name) and not any(map(_is_dist, members))
            if not is_alone:
                for fact in walk.facts:
                    if fact.kind in _DAMAGE:
                        raise FileError(f"{_called(artifact)} is damaged: {fact.message}", hint=_HINT)
                for number, entry in enumerate(members):
                    yield self._file(stream, entry, size, folder / str(number), artifact)
        if is_alone:
            yield _moved(path, folder / artifact.name, artifact, size)
        else:
            path.unlink()

    def _is_ours(self, name: str) -> bool:
        try:
            return names.parse(names.about(name) or name).project == self._project
        except names.NameRefused:
            return False

    # --- the zip ---------------------------------------------------------------------------------------

    def _fetch(self, artifact: Artifact, path: Path) -> int:
        """Bring the zip; how many bytes it has."""
        sha256, size = hashlib.sha256(), 0
        with (
            self._http.stream(artifact.url) as stream,
            storage_errors(str(path)),
            path.open("wb") as file,
        ):
            if stream.status != 200:
                raise NetworkError(f"{_called(artifact)}: the server answered {stream.status}")
            for chunk in stream.chunks():
                size += len(chunk)
                if size > self._room:
                    raise FileError(f"{_called(artifact)}: all together is more than {human_size(MAX_BYTES)}")
                sha256.update(chunk)
                file.write(chunk)
        if artifact.sha256 and artifact.sha256 != sha256.hexdigest():
            raise FileError(
                f"{_called(artifact)} has sha256 {sha256.hexdigest()}, and {artifact.sha256} was listed",
                hint=_HINT,
            )
        return size

    # --- what is in it ---------------------------------------------------------------------------------

    def _file(
        self, stream: BinaryIO, entry: Entry, packed: int, folder: Path, artifact: Artifact
    ) -> RemoteFile:
        name = _basename(entry)
        if not self._is_ours(name):
            return RemoteFile(filename=name, url=artifact.url, source=artifact.source)
        where = f"{name} in {_called(artifact)}"
        if entry.data < 0 or stat.S_ISLNK(entry.mode):
            raise FileError(f"{where} is encrypted, a link, or damaged", hint=_HINT)
        self._room -= entry.size
        if self._room < 0 or is_bomb(entry.size, packed):
            raise FileError(f"{where} unpacks to {human_size(entry.size)}, which is too much", hint=_HINT)
        sha256 = hashlib.sha256()
        path = folder / name
        try:
            with storage_errors(str(path)):
                folder.mkdir(mode=0o700)
                with path.open("xb") as file:
                    for piece in inflate.pieces(stream, entry):
                        sha256.update(piece)
                        file.write(piece)
        except inflate.Damaged as error:
            raise FileError(f"{where} is damaged: {error}", hint=_HINT) from None
        # The zip's own hash, where there is one, vouches for what was in it.
        hashes = {"sha256": sha256.hexdigest()} if artifact.sha256 else {}
        return _remote(path, artifact, entry.size, hashes)


def _basename(entry: Entry) -> str:
    """The last part of a member's name; empty for a directory, and a directory may be called like a wheel."""
    return entry.name.replace("\\", "/").rpartition("/")[2]


def _is_dist(entry: Entry) -> bool:
    return _basename(entry).endswith((".whl", *names.SDIST_SUFFIXES))


def _moved(path: Path, to: Path, artifact: Artifact, size: int) -> RemoteFile:
    with storage_errors(str(to)):
        path.rename(to)
    hashes = {"sha256": artifact.sha256} if artifact.sha256 else {}
    return _remote(to, artifact, size, hashes)


def _remote(path: Path, artifact: Artifact, size: int, hashes: Mapping[str, str]) -> RemoteFile:
    return RemoteFile(
        filename=path.name,
        url=path.as_uri(),
        size=size,
        hashes=hashes,
        source=_called(artifact),
        modified=artifact.modified,
    )


def _called(artifact: Artifact) -> str:
    return f"artifact {printable(artifact.name, limit=200)} of {artifact.source}"
