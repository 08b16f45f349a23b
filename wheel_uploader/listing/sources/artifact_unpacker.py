"""Download the zip archives of CI runs and jobs, and unpack the files of the release.

Imported when a source needs it: the readers of archives take a tenth of the time of a run that only lists.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from packaging.utils import canonicalize_name

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, NetworkError
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.formatting import format_size
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.facts.archive import decompress, zip_central_directory
from wheel_uploader.facts.archive.zip_members import is_decompression_bomb
from wheel_uploader.facts.archive.zip_structures import ZipEntry
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources.ci_artifacts import Artifact
from wheel_uploader.listing.sources.temporary_directory import UnpackDirectory

#: Most bytes of all zips of one run and of all files extracted from them; enough for 100 large wheels.
MAX_TOTAL_BYTES = 16 << 30

#: Anomalies of a truncated zip, in which the end record of a wheel inside may pass for that of the zip.
_TRUNCATION_ANOMALIES = frozenset({"unreadable", "trailing-bytes", "foreign-bytes"})
_HINT = "Run the job again, or pass the URL of each intact artifact with -u."


class ArtifactUnpacker:
    """Downloads the artifacts of one run, one at a time, and lists their contents."""

    def __init__(self, http: HttpClient, unpack_directory: UnpackDirectory, project: str) -> None:
        self._http = http
        self._scratch = unpack_directory
        self._project = canonicalize_name(project)
        self._remaining_bytes = MAX_TOTAL_BYTES

    def unpack(self, artifact: Artifact) -> Iterable[RemoteFile]:
        """Return every file in the artifact; those of the project are unpacked and have ``file:`` URLs.

        An artifact is downloaded once per run of this program, because its contents never change. Raises
        FileError if the zip, or a file of the project in it, is damaged.
        """
        key = (artifact.url, artifact.sha256, self._project)
        return self._scratch.unpack_once(key, lambda: self._unpack(artifact))

    def _unpack(self, artifact: Artifact) -> Iterator[RemoteFile]:
        folder = self._scratch.create_subdirectory()
        path = folder / "artifact.zip"
        size = self._http.call_with_retries(f"get {artifact.name}", lambda: self._download(artifact, path))
        self._remaining_bytes -= size
        with storage_errors(str(path)), path.open("rb") as stream:
            walk = zip_central_directory.read_zip_structure(stream, size)
            members = [entry for entry in walk.entries if _get_basename(entry)]
            # An artifact that is a single file uploaded without a zip around it has the name of that file.
            is_bare_file = self._belongs_to_project(artifact.name) and not any(map(_is_distribution, members))
            if not is_bare_file:
                for anomaly in walk.anomalies:
                    if anomaly.kind in _TRUNCATION_ANOMALIES:
                        raise FileError(f"{_describe(artifact)} is damaged: {anomaly.message}", hint=_HINT)
                for number, entry in enumerate(members):
                    yield self._extract(stream, entry, size, folder / str(number), artifact)
        if is_bare_file:
            yield _move(path, folder / artifact.name, artifact, size)
        else:
            path.unlink()

    def _belongs_to_project(self, name: str) -> bool:
        try:
            return (
                filenames.parse_filename(filenames.attested_filename(name) or name).project == self._project
            )
        except filenames.InvalidFilename:
            return False

    def _download(self, artifact: Artifact, path: Path) -> int:
        """Download the zip, check its hash, and return its size in bytes."""
        sha256, size = hashlib.sha256(), 0
        with (
            self._http.stream(artifact.url) as response,
            storage_errors(str(path)),
            path.open("wb") as file,
        ):
            if response.status != 200:
                raise NetworkError(f"{_describe(artifact)}: the server returned status {response.status}")
            for chunk in response.iter_chunks():
                size += len(chunk)
                if size > self._remaining_bytes:
                    raise FileError(
                        f"{_describe(artifact)}: all artifacts together exceed {format_size(MAX_TOTAL_BYTES)}"
                    )
                sha256.update(chunk)
                file.write(chunk)
        if artifact.sha256 and artifact.sha256 != sha256.hexdigest():
            raise FileError(
                f"{_describe(artifact)} has sha256 {sha256.hexdigest()}, but {artifact.sha256} is listed",
                hint=_HINT,
            )
        return size

    def _extract(
        self, stream: BinaryIO, entry: ZipEntry, packed_size: int, folder: Path, artifact: Artifact
    ) -> RemoteFile:
        """Return a member of the zip, unpacked into ``folder`` if it belongs to the project."""
        name = _get_basename(entry)
        if not self._belongs_to_project(name):
            return RemoteFile(filename=name, url=artifact.url, source=artifact.source)
        description = f"{name} in {_describe(artifact)}"
        if entry.data_offset < 0 or stat.S_ISLNK(entry.mode):
            raise FileError(f"{description} is encrypted, a symbolic link, or damaged", hint=_HINT)
        self._remaining_bytes -= entry.size
        if self._remaining_bytes < 0 or is_decompression_bomb(entry.size, packed_size):
            raise FileError(
                f"{description} unpacks to {format_size(entry.size)}, which is too large", hint=_HINT
            )
        sha256 = hashlib.sha256()
        path = folder / name
        try:
            with storage_errors(str(path)):
                folder.mkdir(mode=0o700)
                with path.open("xb") as file:
                    for piece in decompress.iter_member_chunks(stream, entry):
                        sha256.update(piece)
                        file.write(piece)
        except decompress.CorruptMember as error:
            raise FileError(f"{description} is damaged: {error}", hint=_HINT) from None
        # A hash computed here counts as a listed one only if the hash of the zip was listed and verified.
        hashes = {"sha256": sha256.hexdigest()} if artifact.sha256 else {}
        return _to_remote_file(path, artifact, entry.size, hashes)


def _get_basename(entry: ZipEntry) -> str:
    """Return the last part of a member's path; empty for a directory, even one that is named like a wheel."""
    return entry.name.replace("\\", "/").rpartition("/")[2]


def _is_distribution(entry: ZipEntry) -> bool:
    return _get_basename(entry).endswith((".whl", *filenames.SDIST_SUFFIXES))


def _move(path: Path, destination: Path, artifact: Artifact, size: int) -> RemoteFile:
    with storage_errors(str(destination)):
        path.rename(destination)
    hashes = {"sha256": artifact.sha256} if artifact.sha256 else {}
    return _to_remote_file(destination, artifact, size, hashes)


def _to_remote_file(path: Path, artifact: Artifact, size: int, hashes: Mapping[str, str]) -> RemoteFile:
    return RemoteFile(
        filename=path.name,
        url=path.as_uri(),
        size=size,
        hashes=hashes,
        source=_describe(artifact),
        modified_at=artifact.modified,
    )


def _describe(artifact: Artifact) -> str:
    return f"artifact {sanitize(artifact.name, limit=200)} of {artifact.source}"
