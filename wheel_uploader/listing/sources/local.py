"""Source for local files: a directory such as ``dist`` or a wheelhouse, or a single file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import NothingFoundError, StorageError, UsageError
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, sanitize_url
from wheel_uploader.core.urls import file_url_path_to_local, urlsplit
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources.base import ReleaseQuery

#: A URL scheme. It has at least two letters, because ``C:`` is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_HOST_PREFIX = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?/")


class LocalFiles:
    """A directory and the artifact directories directly below it, or a file."""

    def __init__(self, url: str, http: HttpClient) -> None:  # noqa: ARG002 (every source is constructed with it)
        self._argument = url
        self._path = _parse_path(url)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a ``file:`` URL or a path; not if it is blank, like an unset variable."""
        return bool(url.strip()) and (url.lower().startswith("file:") or not _SCHEME.match(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:  # noqa: ARG002 (a directory holds files of any project)
        """Yield the file, or the files of the directory and of its subdirectories, sorted by name.

        CI downloads each artifact into a subdirectory, which may be named like a wheel. Raises
        NothingFoundError, UsageError or StorageError.
        """
        try:
            if self._path.is_file():
                yield _to_remote_file(self._path)
            elif self._path.is_dir():
                for path in _list_visible(self._path):
                    yield from _to_remote_files(_list_visible(path) if path.is_dir() else [path])
            else:
                raise self._build_not_found_error()
        except OSError as error:
            raise StorageError(
                f"cannot read {sanitize(str(error.filename or self._argument))}: {error.strerror or error}",
                hint="Fix the permissions, or pass another source with -u.",
            ) from None

    def _build_not_found_error(self) -> NothingFoundError | UsageError:
        argument = sanitize(self._argument)
        if _HOST_PREFIX.match(self._argument):
            return UsageError(
                f"no such file or directory: {argument}", hint=f"If it is a URL, pass https://{argument}"
            )
        return NothingFoundError(
            f"no such file or directory: {argument}",
            hint="Check the path. If it is a URL, it must begin with https://.",
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


def _list_visible(directory: Path) -> list[Path]:
    """Return the entries of a directory except hidden ones, such as our own with partial downloads."""
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _to_remote_files(paths: list[Path]) -> Iterator[RemoteFile]:
    for path in paths:
        if path.is_file():
            yield _to_remote_file(path)


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
