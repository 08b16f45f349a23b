"""Finds wheels and sdists inside local ZIP and tar archives, such as CI artifacts that were not unpacked."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.budget import BudgetExceeded
from wheel_uploader.core.filesystem import storage_errors
from wheel_uploader.core.models import DistName, GapRemedy, ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import file_url_path_to_local, urlsplit
from wheel_uploader.core.verified_file import open_regular_file
from wheel_uploader.facts.archive import zip_central_directory
from wheel_uploader.listing.sources.base import ReleaseQuery

#: Maximum number of archives to look into.
_MAX_ARCHIVES = 200
#: Suffixes of the archives that are looked into.
_ZIP_SUFFIX = ".zip"
_TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz")
#: Suffixes of archives that are not looked into, but named if they are called wheels.
_OTHER_SUFFIXES = (".7z", ".rar", ".zst", ".tzst", ".lz4", ".lzma", ".tlz", ".lz", ".br")
_WHEELS = re.compile(r"(?<![a-z])(?:wheels?|wheelhouse|whl)(?![a-z])", re.IGNORECASE)
#: Limits for a tar archive, which must be unpacked to list it: bytes after that, seconds, and members.
_MAX_TAR_SIZE, _MAX_TAR_SECONDS, _MAX_TAR_MEMBERS = 1 << 32, 20.0, 100_000
#: Maximum number of files that a message names.
_MAX_NAMED = 5


def find_packed_files(files: Sequence[RemoteFile], query: ReleaseQuery) -> Iterator[ListingGap]:
    """Yield a gap for each archive among local ``files`` that holds files of the release that are not listed.

    If the user named no project, the release is that of the listed files, or any if there are none. An
    archive with the name of an sdist is not opened. One that cannot be looked into, or is packed inside
    another one, counts if it is called wheels. Raises StorageError, and FileError if an archive is no
    longer a regular file.
    """
    listed = {file.filename for file in files}
    releases = {(name.project, name.version) for name in map(_parse, listed) if name}
    archives = [
        file
        for file in files
        if file.filename.lower().endswith((_ZIP_SUFFIX, *_TAR_SUFFIXES)) and _parse(file.filename) is None
    ]
    for file in files:
        if file.filename.lower().endswith(_OTHER_SUFFIXES) and _WHEELS.search(file.filename):
            yield _build_unread_gap(file, f"the archive {file.filename} cannot be read")
    for archive in archives[:_MAX_ARCHIVES]:
        members = _list_members(archive)
        distributions = [name for name in map(_parse, members) if name]
        packed = sorted(
            {
                name.filename
                for name in distributions
                if name.filename not in listed
                and _is_requested(name, query)
                and (query.project or not releases or (name.project, name.version) in releases)
            }
        )
        if packed:
            more = f" and {len(packed) - _MAX_NAMED} more" if len(packed) > _MAX_NAMED else ""
            yield ListingGap(
                message=f"the archive {archive.filename} holds {', '.join(packed[:_MAX_NAMED])}{more}, "
                "which must be unpacked",
                source=archive.source,
                remedy=GapRemedy.LAYOUT,
                hint=f"Unpack {sanitize(archive.filename)} there, then run the command again.",
            )
        elif inner := next(filter(_is_archive_of_wheels, members), ""):
            yield _build_unread_gap(
                archive, f"the archive {archive.filename} holds the archive {sanitize(inner, limit=100)}"
            )


def _build_unread_gap(archive: RemoteFile, message: str) -> ListingGap:
    return ListingGap(
        message=f"{message}; it may hold wheels of the release",
        source=archive.source,
        remedy=GapRemedy.LAYOUT,
        hint=f"Unpack {sanitize(archive.filename)} there, or move it away, then run the command again.",
    )


def _is_archive_of_wheels(filename: str) -> bool:
    suffixes = (_ZIP_SUFFIX, *_TAR_SUFFIXES, *_OTHER_SUFFIXES)
    is_archive = filename.lower().endswith(suffixes) and _parse(filename) is None
    return is_archive and _WHEELS.search(filename) is not None


def _parse(filename: str) -> DistName | None:
    try:
        return filenames.parse_filename(filename)
    except filenames.InvalidFilename:
        return None


def _is_requested(name: DistName, query: ReleaseQuery) -> bool:
    if query.project and name.project != canonicalize_name(query.project):
        return False
    try:
        return not query.version or name.version == bounds.parse_pep440_version(query.version)
    except InvalidVersion:  # "latest"
        return True


def _list_members(archive: RemoteFile) -> list[str]:
    """Return the names of the files in an archive, without their folders; none if it is damaged."""
    path = Path(file_url_path_to_local(urlsplit(archive.url).path))
    with storage_errors(str(path)), os.fdopen(open_regular_file(path), "rb") as stream:
        if archive.filename.lower().endswith(_ZIP_SUFFIX):
            members = _list_zip(stream, archive.size or 0)
        else:
            members = _list_tar(stream)
    return [member.replace("\\", "/").rpartition("/")[2] for member in members]


def _list_zip(stream: BinaryIO, size: int) -> list[str]:
    try:
        return [entry.name for entry in zip_central_directory.read_zip_structure(stream, size).entries]
    except BudgetExceeded:
        return []


def _list_tar(stream: BinaryIO) -> list[str]:
    """Return the names of the members up to the limits, or to where the archive is damaged."""
    import tarfile

    names: list[str] = []
    ends_at = time.monotonic() + _MAX_TAR_SECONDS
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                names.append(member.name)
                is_over = member.offset_data + member.size > _MAX_TAR_SIZE or time.monotonic() > ends_at
                if is_over or len(names) >= _MAX_TAR_MEMBERS:
                    break
    except (tarfile.TarError, EOFError, ValueError, OverflowError):
        pass
    return names
