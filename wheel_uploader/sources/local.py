"""Files on this machine: a directory such as ``dist`` or a wheelhouse, or a single file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader import bounded
from wheel_uploader.display import printable, printable_url
from wheel_uploader.errors import NothingFoundError, StorageError, UsageError
from wheel_uploader.http import Http
from wheel_uploader.models import RemoteFile
from wheel_uploader.urls import local_path, urlsplit

#: Two letters at least: ``C:`` is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LIKE_A_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?/")


class LocalFiles:
    """A directory with its artifact directories one level below, or a file."""

    def __init__(self, url: str, http: Http) -> None:  # noqa: ARG002 (made like every source)
        self._typed = url
        self._path = _path(url)

    @staticmethod
    def claims(url: str) -> bool:
        """What has no scheme is a path; so is ``file:``; what an unset variable left is neither."""
        return bool(url.strip()) and (url.lower().startswith("file:") or not _SCHEME.match(url))

    def files(self, project: str) -> Iterator[RemoteFile]:  # noqa: ARG002 (a place of all projects)
        """The file, or those of the directory and of the directories in it, in order of name.

        Artifacts of CI come as one directory each, some of them called like a wheel. Raises
        NothingFoundError, UsageError or StorageError.
        """
        try:
            if self._path.is_file():
                yield _remote(self._path)
            elif self._path.is_dir():
                for path in _visible(self._path):
                    yield from _files(_visible(path) if path.is_dir() else [path])
            else:
                raise self._missing()
        except OSError as error:
            raise StorageError(
                f"{printable(str(error.filename or self._typed))} cannot be read: {error.strerror or error}",
                hint="Fix the permissions, or give another place with -u.",
            ) from None

    def _missing(self) -> NothingFoundError | UsageError:
        shown = printable(self._typed)
        if _LIKE_A_HOST.match(self._typed):
            return UsageError(
                f"there is no file or directory {shown}", hint=f"A URL begins with https://{shown}"
            )
        return NothingFoundError(
            f"there is no file or directory {shown}",
            hint="Check the path; a URL would have to begin with https://.",
        )


def _path(url: str) -> Path:
    if not url.lower().startswith("file:"):
        try:
            return Path(url).expanduser()
        except RuntimeError:  # ~NAME of nobody
            return Path(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UsageError(f"{printable_url(url)} is not a URL", hint="Give the path itself.") from None
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"{printable_url(url)} is on another machine", hint="Mount it, and give its path.")
    return Path(local_path(parts.path))


def _visible(directory: Path) -> list[Path]:
    """What is in a directory; our own hidden one with half-fetched files is not."""
    return sorted(path for path in directory.iterdir() if not path.name.startswith("."))


def _files(paths: list[Path]) -> Iterator[RemoteFile]:
    for path in paths:
        if path.is_file():
            yield _remote(path)


def _remote(path: Path) -> RemoteFile:
    path = path.absolute()
    found = path.stat()
    return RemoteFile(
        filename=path.name,
        url=path.as_uri(),
        size=found.st_size,
        source=str(path.parent),
        modified=bounded.moment_of(found.st_mtime),
    )
