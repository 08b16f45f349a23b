"""Source for local files: a directory such as ``dist`` or a wheelhouse, or a single file."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import NothingFoundError, StorageError, UsageError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize, sanitize_url
from wheel_uploader.core.urls import file_url_path_to_local, urlsplit
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources import tree
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery
from wheel_uploader.listing.sources.packed_files import find_packed_files

#: A URL scheme. It has at least two letters, because ``C:`` is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_HOST_PREFIX = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?/")


#: A disk is fast: a checkout with all its tests is far below these limits.
_LIMITS = tree.WalkLimits(folders=20_000, unknown_folders=20_000, seconds=120.0)
#: A file at the top of every virtual environment.
_ENVIRONMENT_MARKER = "pyvenv.cfg"


class LocalFiles:
    """A directory with all below it, or a file."""

    def __init__(self, url: str, http: HttpClient | None = None) -> None:  # noqa: ARG002 (every source takes it)
        self._argument = url
        self._path = _parse_path(url)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a ``file:`` URL or a path; not if it is blank, like an unset variable."""
        return bool(url.strip()) and (url.lower().startswith("file:") or not _SCHEME.match(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield the file, or the files of the directory and of the directories below it.

        CI downloads each artifact into a subdirectory, which may be named like a wheel. Raises
        NothingFoundError, UsageError or StorageError.
        """
        try:
            if self._path.is_file():
                file = _to_remote_file(self._path)
                yield file
                yield from find_packed_files([file], query)
            elif self._path.is_dir():
                yield from self._walk(query)
            else:
                raise self._build_not_found_error()
        except OSError as error:
            raise StorageError(
                f"cannot read {sanitize(str(error.filename or self._argument))}: {error.strerror or error}",
                hint="Fix the permissions, or pass another source with -u.",
            ) from None

    def _walk(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        root = self._path.absolute()
        files: list[RemoteFile] = []
        for entry in tree.walk(str(root), _read_directory, query, _LIMITS, str(root)):
            if isinstance(entry, RemoteFile):
                files.append(entry)
            else:
                yield entry
        yield from files
        yield from find_packed_files(files, query)

    def _build_not_found_error(self) -> NothingFoundError | UsageError:
        argument = sanitize(self._argument)
        if _HOST_PREFIX.match(self._argument):
            return UsageError(
                f"no such file or directory: {argument}", hint=f"If it is a URL, pass https://{argument}"
            )
        return NothingFoundError(
            f"no such file or directory: {argument}",
            hint="Check the path. If it is a URL, it must begin with https://. A user name is given with "
            "--username.",
        )


def _parse_path(url: str) -> Path:
    if not url.lower().startswith("file:"):
        try:
            return Path(url).expanduser()
        except RuntimeError:  # ~NAME of an unknown user
            return Path(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UsageError(f"{sanitize_url(url)} is not a URL", hint="Pass a plain path.") from None
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"{sanitize_url(url)} is on another machine", hint="Mount it, and pass its path.")
    return Path(file_url_path_to_local(parts.path))


def _read_directory(folder: tree.Folder) -> tree.FolderContents:
    """Return the visible contents of a directory; our own directory with partial downloads is hidden."""
    try:
        status = Path(folder.address).stat()
        with os.scandir(folder.address) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        if not folder.name:
            raise
        # Another process has removed it, or replaced it by a file, since its parent was read.
        raise NothingFoundError(f"{sanitize(folder.address)} was removed") from None
    if folder.name and any(entry.name == _ENVIRONMENT_MARKER for entry in entries):
        return tree.FolderContents()
    files, folders = [], []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_directory(entry):
            if not _leads_upwards(entry):
                folders.append(tree.Folder(name=entry.name, address=entry.path))
        elif not folder.name or tree.is_reported(entry.name):
            # A file may vanish.
            with contextlib.suppress(FileNotFoundError):
                if Path(entry.path).is_file():
                    files.append(_to_remote_file(Path(entry.path)))
                elif _is_distribution(entry.name) and (entry.is_symlink() or Path(entry.path).exists()):
                    files.append(_to_unusable_file(Path(entry.path)))
    return tree.FolderContents(
        files=tuple(files), folders=tuple(folders), identity=(status.st_dev, status.st_ino)
    )


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A symbolic link in a circle, or into a directory that this user cannot enter.
        if entry.is_symlink():
            return False
        raise


def _leads_upwards(entry: os.DirEntry[str]) -> bool:
    """Return whether a directory is a symbolic link to one that contains the link."""
    path = Path(entry.path)
    return entry.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def _is_distribution(filename: str) -> bool:
    try:
        filenames.parse_filename(filename)
    except filenames.InvalidFilename:
        return False
    return True


def _to_unusable_file(path: Path) -> RemoteFile:
    """Return the entry of a symbolic link that leads nowhere, a FIFO or a device."""
    is_link = path.is_symlink() and not path.exists()
    reason = "it is a symbolic link to a missing file" if is_link else "it is not a regular file"
    return RemoteFile(
        filename=path.name,
        url=path.absolute().as_uri(),
        source=str(path.absolute().parent),
        unavailable_reason=reason,
    )


def _to_remote_file(path: Path) -> RemoteFile:
    path = path.absolute()
    status = path.stat()
    return RemoteFile(
        filename=path.name,
        url=path.as_uri(),
        size=status.st_size,
        source=str(path.parent),
        modified_at=bounds.date_from_timestamp(status.st_mtime),
    )
