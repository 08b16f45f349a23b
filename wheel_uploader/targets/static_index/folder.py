"""A static index in a local folder, or on a disk that is mounted from another machine.

A file appears under its name only when it is complete and synced. Two runs take turns by a lock in the
folder, and a page is replaced only if it is still the one that was read.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from wheel_uploader.core import bounds, cancellation
from wheel_uploader.core.errors import LockedError, StorageError
from wheel_uploader.core.filesystem import (
    UNSUPPORTED_ERRNOS,
    OpenDirectory,
    read_umask,
    set_mode,
    storage_errors,
    sync_file,
)
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.targets.static_index.object_store import (
    CHUNK_SIZE,
    MAX_LISTED_NAMES,
    MAX_PAGE_SIZE,
    ListedNames,
    NewObject,
    PreconditionFailed,
    StoredFile,
    StoredPage,
)

_LOCK_NAME = ".wheel-uploader.lock"
_PARTIAL_PREFIX, _PARTIAL_SUFFIX = ".wheel-uploader-", ".part"
#: Seconds after which a partial file is that of a run that was killed.
_LEFTOVER_AGE = 86400.0
#: Seconds to wait for another run, and between two attempts.
_LOCK_TIMEOUT, _LOCK_POLL_INTERVAL = 120.0, 0.1
#: Errors of a file system without hard links.
_NO_LINKS = {*UNSUPPORTED_ERRNOS, errno.EPERM, errno.EACCES, errno.EMLINK}
_HINT = "Fix the permissions of the folder or free space on its disk, then run the same command again."


class FolderStore:
    """A folder as an object store."""

    has_exact_keys = False
    served_url = ""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.location = f"{sanitize(str(root)).rstrip('/')}/"

    def log_in(self) -> str:
        """Test that the folder, or the one that it will be created in, can be written to."""
        with self._errors(""):
            folder = self._root
            while not folder.exists():
                folder = folder.parent
            if not os.access(folder, os.W_OK | os.X_OK):
                raise StorageError(f"{sanitize(str(folder))}: it cannot be written to", hint=_HINT)
        return "not needed for a folder"

    def make_headers(self, content_type: str, cache_control: str) -> Mapping[str, str]:  # noqa: ARG002
        """Return nothing: the server of the folder sets the headers."""
        return {}

    def read_page(self, key: str) -> StoredPage | None:
        """Return a page, or None if it does not exist."""
        with self._errors(key):
            try:
                with self._path(key).open("rb") as stream:
                    data = stream.read(MAX_PAGE_SIZE + 1)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return StoredPage(data=data, version=hashlib.sha256(data).hexdigest())

    def stat(self, key: str) -> StoredFile | None:
        """Return the size of a file, or None if it does not exist."""
        with self._errors(key):
            try:
                facts = self._path(key).stat()
                return StoredFile(size=facts.st_size, created_at=bounds.date_from_timestamp(facts.st_mtime))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def compute_sha256(self, key: str) -> str:
        """Return the hex sha256 of a file."""
        digest = hashlib.sha256()
        with self._errors(key), self._path(key).open("rb") as stream:
            while chunk := stream.read(CHUNK_SIZE):
                digest.update(chunk)
        return digest.hexdigest()

    def create(self, key: str, new: NewObject) -> None:
        """Create a file under its name when it is complete. Raises PreconditionFailed if it exists."""
        with self._errors(key):
            if self._path(key).exists():
                raise PreconditionFailed
            with self._partial_file(key) as (directory, partial, descriptor):
                new.content.seek(0)
                while chunk := new.content.read(CHUNK_SIZE):
                    _write_all(descriptor, chunk)
                    new.on_sent(len(chunk))
                sync_file(descriptor)
                self._link(partial, self._path(key))
                directory.sync()

    def replace(self, key: str, page: StoredPage) -> None:
        """Replace a page, if it is still that version. Raises PreconditionFailed."""
        with self._errors(key), self._lock():
            current = self.read_page(key)
            if (current.version if current else "") != page.version:
                raise PreconditionFailed
            with self._partial_file(key) as (directory, partial, descriptor):
                if current:
                    set_mode(descriptor, self._path(key).stat().st_mode & 0o777)
                _write_all(descriptor, page.data)
                sync_file(descriptor)
                # The target of a symbolic link is replaced, not the link.
                partial.replace(self._path(key).resolve())
                directory.sync()

    def remove(self, key: str) -> None:
        """Remove one file; it is not an error if it does not exist."""
        path = self._path(key)
        with self._errors(key):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            with contextlib.closing(OpenDirectory(path.parent)) as directory:
                directory.sync()

    def list_names(self, folder: str) -> ListedNames:
        """Return the names in a folder."""
        files: set[str] = set()
        folders: set[str] = set()
        with self._errors(folder):
            try:
                with os.scandir(self._root / folder) as entries:
                    for number, entry in enumerate(entries):
                        if number >= MAX_LISTED_NAMES:
                            return ListedNames(
                                files=frozenset(files), folders=frozenset(folders), is_complete=False
                            )
                        (folders if entry.is_dir() else files).add(entry.name)
            except (FileNotFoundError, NotADirectoryError):
                pass
        return ListedNames(files=frozenset(files), folders=frozenset(folders))

    def close(self) -> None:
        """Do nothing."""

    def local_path(self, key: str) -> Path:
        """Return the path of a key."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self._root / key

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            with storage_errors(f"{self._root}/{key}"):
                yield
        except StorageError as error:
            raise error.with_details(hint=_HINT) from error.__cause__

    @contextlib.contextmanager
    def _partial_file(self, key: str) -> Iterator[tuple[OpenDirectory, Path, int]]:
        """Open a new hidden file in the folder of the final one, and remove it at the end."""
        folder = self._path(key).resolve().parent
        _make_folders(folder)
        _remove_leftovers(folder)
        partial = folder / f"{_PARTIAL_PREFIX}{os.getpid()}-{os.urandom(6).hex()}{_PARTIAL_SUFFIX}"
        with contextlib.closing(OpenDirectory(folder)) as directory:
            descriptor = os.open(
                partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
            )
            try:
                set_mode(descriptor, 0o666 & ~read_umask())
                yield directory, partial, descriptor
            finally:
                os.close(descriptor)
                with contextlib.suppress(OSError):
                    partial.unlink()

    def _link(self, partial: Path, final: Path) -> None:
        """Give the complete file its name, unless there is a file of that name."""
        try:
            os.link(partial, final)
        except FileExistsError:
            raise PreconditionFailed from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Without hard links only the lock keeps another run from taking the name in between.
            with self._lock():
                if final.exists():
                    raise PreconditionFailed from None
                partial.replace(final)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the lock of the folder; wait for another run that has it."""
        from filelock import FileLock, Timeout

        _make_folders(self._root)
        lock = FileLock(self._root / _LOCK_NAME, timeout=0)
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while True:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    lock.acquire()
                    break
                except Timeout:
                    if time.monotonic() >= deadline:
                        raise LockedError(
                            f"another run has held the lock of {self.location} for "
                            f"{format_duration(_LOCK_TIMEOUT)}",
                            hint="Wait until that run ends, then run the same command again.",
                        ) from None
                except NotImplementedError:
                    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from None
            cancellation.sleep_unless_cancelled(_LOCK_POLL_INTERVAL)
        try:
            yield
        finally:
            lock.release()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _make_folders(folder: Path) -> None:
    """Create a folder and those above it, and sync the new names."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        with contextlib.closing(OpenDirectory(path.parent)) as parent:
            parent.sync()


def _remove_leftovers(folder: Path) -> None:
    """Remove the partial files of runs that were killed long ago."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_PARTIAL_PREFIX}*{_PARTIAL_SUFFIX}"):
            if time.time() - path.lstat().st_mtime > _LEFTOVER_AGE:
                path.unlink()
