"""The wheelhouse, the local directory of a release: its lock, its files and their metadata, SHA256SUMS."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from wheel_uploader.core import bounds, cache_mac, cancellation
from wheel_uploader.core.errors import LockedError, StorageError
from wheel_uploader.core.filesystem import READ_FLAGS, OpenDirectory, read_umask, storage_errors
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import LocalFile
from wheel_uploader.core.redaction import sanitize

#: The directory in a wheelhouse for the program's own files; deleting it is always safe.
HIDDEN_DIRECTORY = ".wheel-uploader"
CHECKSUMS_FILENAME = "SHA256SUMS"
PARTIAL_SUFFIX = ".part"
_METADATA_SUFFIX = ".json"
_INSPECTION_SUFFIX = ".checked.json"
_TEMPORARY_SUFFIX = ".tmp"
#: Signatures and attestations, which are removed together with their file.
_ATTACHED_SUFFIXES = (".asc", ".attestation")

#: Seconds between two attempts to acquire the lock.
_LOCK_POLL_INTERVAL = 0.1

#: Bytes. Resume metadata has a few hundred; a longer file was not written by this program.
_METADATA_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeMetadata:
    """Response headers of a download, with which it can be resumed or revalidated later."""

    #: Without user info and query, which may hold secrets and may change between runs.
    url: str
    etag: str = ""
    last_modified: str = ""
    #: Bytes of the whole file, if known.
    size: int | None = None
    #: ``algorithm:hex`` of the whole file: computed if it is complete, listed by the source if it is partial.
    digest: str = ""
    #: The ranges of a partial file that were downloaded; empty if it has all bytes up to its end.
    parts: str = ""

    @property
    def strong_etag(self) -> str:
        """The ETag if it identifies the exact bytes; empty for a weak one, which allows equivalent bytes."""
        return self.etag if self.etag.startswith('"') else ""

    @classmethod
    def parse(cls, data: bytes) -> ResumeMetadata | None:
        """Return the metadata in ``data``; None if it is malformed, because hints may be damaged."""
        try:
            values = bounds.load_json(data)
            if isinstance(values, dict):
                values.setdefault("parts", "")
                values.pop("seal", None)
            if not isinstance(values, dict) or values.keys() != {field.name for field in fields(cls)}:
                return None
            size = values.pop("size")
        except ValueError:
            return None
        if not (size is None or bounds.is_valid_size(size)) or not all(
            type(value) is str for value in values.values()
        ):
            return None
        return cls(size=size, **values)


class Wheelhouse:
    """A wheelhouse that is locked against other runs inside the ``with`` statement."""

    def __init__(self, path: Path, *, lock_timeout: float = 0.0) -> None:
        self.path = path
        self._lock_timeout = lock_timeout
        self._exit_stack = contextlib.ExitStack()
        #: Permissions of a complete file, from the user's umask.
        self.file_mode = 0o600

    def __enter__(self) -> Self:
        self._create()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._lock())
            with storage_errors(f"the wheelhouse {self.path}"):
                self.directory = stack.enter_context(contextlib.closing(OpenDirectory(self.path)))
                self.hidden_directory = stack.enter_context(
                    contextlib.closing(OpenDirectory(self.path / HIDDEN_DIRECTORY, follow_symlinks=False))
                )
                self._remove_leftovers()
            self.file_mode = 0o666 & ~read_umask()
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit_stack.close()

    def _create(self) -> None:
        """Create the directory and its hidden one; fail early if they are not writable."""
        location = f"the wheelhouse {self.path}"
        with storage_errors(location):
            if self.path.exists() and not self.path.is_dir():
                raise StorageError(
                    f"{sanitize(location)} is a file, not a directory", hint="Pass a directory with -w."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            if _is_read_only(self.path):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "it is not writable")
            hidden = self.path / HIDDEN_DIRECTORY
            with contextlib.suppress(FileExistsError):
                hidden.mkdir(mode=0o700)
            if not stat.S_ISDIR(hidden.lstat().st_mode):
                raise StorageError(
                    f"{sanitize(str(hidden))} is not a directory",
                    hint="Remove it, then run the same command again.",
                )

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / HIDDEN_DIRECTORY / "lock", timeout=0, thread_local=False)
        end = time.monotonic() + self._lock_timeout
        with storage_errors(f"the lock of the wheelhouse {self.path}"):
            while not lock.is_locked:
                try:
                    with warnings.catch_warnings():
                        # Without flock, filelock warns and falls back to a lock file.
                        warnings.simplefilter("ignore")
                        lock.acquire()
                except NotImplementedError:  # filelock before 3.30 raises it for ENOSYS.
                    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from None
                except Timeout:
                    if time.monotonic() >= end:
                        raise LockedError(
                            f"another run is using the wheelhouse {sanitize(str(self.path))}"
                        ) from None
                    cancellation.sleep_unless_cancelled(_LOCK_POLL_INTERVAL)
        try:
            yield
        finally:
            # Some network file systems fail here; the kernel releases the lock when the process ends.
            with contextlib.suppress(OSError):
                lock.release()

    def _remove_leftovers(self) -> None:
        """Remove files of a killed run that cannot be resumed."""
        names = set(os.listdir(self.hidden_directory.path))  # noqa: PTH208 - only names are needed
        for name in names:
            lacks_metadata = name.endswith(PARTIAL_SUFFIX) and not self.load_partial_metadata(
                name.removesuffix(PARTIAL_SUFFIX), sealed=False
            )
            partial = name.removesuffix(_METADATA_SUFFIX)
            lacks_partial = name.endswith(PARTIAL_SUFFIX + _METADATA_SUFFIX) and partial not in names
            inspected = name.removesuffix(_INSPECTION_SUFFIX)
            lacks_file = inspected != name and not self.directory.stat(inspected)
            if name.endswith(_TEMPORARY_SUFFIX) or lacks_metadata or lacks_partial or lacks_file:
                with storage_errors(str(self.hidden_directory.path / name)):
                    self.hidden_directory.unlink(name)

    # --- reading ---------------------------------------------------------------------------------------

    def has_file(self, filename: str) -> bool:
        """Return whether a regular file of that name exists. Raises StorageError for any other type."""
        with storage_errors(str(self.path / filename)):
            status = self.directory.stat(filename)
        if status is None:
            return False
        if stat.S_ISREG(status.st_mode):
            return True
        raise StorageError(
            f"{sanitize(str(self.path / filename))} is {_describe_file_type(status.st_mode)}, not a file",
            hint="Remove it or move it away: it is neither followed nor overwritten.",
        )

    def filenames(self) -> list[str]:
        """Return the names of all regular files, links excluded, in order."""
        with storage_errors(f"the wheelhouse {self.path}"):
            names = sorted(os.listdir(self.directory.path))  # noqa: PTH208 - only names are needed
            statuses = [(name, self.directory.stat(name)) for name in names]
        return [name for name, status in statuses if status and stat.S_ISREG(status.st_mode)]

    def modification_time(self, filename: str) -> datetime:
        """Return the modification time of a file that ``filenames`` returned."""
        with storage_errors(str(self.path / filename)):
            status = self.directory.stat(filename)
        return bounds.date_from_timestamp(status.st_mtime if status else 0)

    def open_file(self, filename: str) -> int:
        """Return a descriptor for reading a file of the wheelhouse, without following a link."""
        return self.directory.open(filename, READ_FLAGS)

    def load_metadata(self, filename: str) -> ResumeMetadata | None:
        """Return the metadata that was stored when this file was downloaded; None without valid metadata."""
        return ResumeMetadata.parse(self._read_sealed(filename + _METADATA_SUFFIX, _METADATA_LIMIT) or b"")

    def load_partial_metadata(self, filename: str, *, sealed: bool) -> ResumeMetadata | None:
        """Return the metadata of this file's partial file; None without valid metadata.

        ``sealed=False`` also accepts metadata that another machine or user wrote, which is enough if the
        whole file is compared with a listed digest afterwards.
        """
        name = filename + PARTIAL_SUFFIX + _METADATA_SUFFIX
        data = self._read_sealed(name, _METADATA_LIMIT) if sealed else self._read_own(name, _METADATA_LIMIT)
        return ResumeMetadata.parse(data or b"")

    def cached_inspection(self, filename: str, limit: int) -> bytes | None:
        """Return the inspection that this user cached in an earlier run, at most ``limit`` bytes; or None."""
        return self._read_sealed(filename + _INSPECTION_SUFFIX, limit)

    def _read_sealed(self, name: str, limit: int) -> bytes | None:
        """Return the contents of a file of this name that an earlier run of this user wrote and sealed."""
        data = self._read_own(name, limit)
        return None if data is None else cache_mac.unseal_json(name, data)

    def _read_own(self, name: str, limit: int) -> bytes | None:
        """Return the contents of a file of this name if only this user can have written it."""
        return (
            self.hidden_directory.read_owned(name, limit)
            if self.hidden_directory.is_exclusively_writable()
            else None
        )

    # --- writing ---------------------------------------------------------------------------------------

    def store_inspection(self, filename: str, data: bytes) -> None:
        """Store the file's inspection in the cache; it is not synced, because it may be lost."""
        if sealed := cache_mac.seal_json(filename + _INSPECTION_SUFFIX, data):
            self._write_atomically(
                self.hidden_directory, filename + _INSPECTION_SUFFIX, sealed, 0o600, sync=False
            )

    def store_metadata(self, filename: str, metadata: ResumeMetadata) -> None:
        """Store the metadata of a downloaded file."""
        name, data = filename + _METADATA_SUFFIX, json.dumps(asdict(metadata)).encode()
        # Not synced: metadata is a hint, and is ignored if a power failure truncates it.
        self._write_atomically(
            self.hidden_directory, name, cache_mac.seal_json(name, data) or data, 0o600, sync=False
        )

    def store_partial_metadata(self, filename: str, metadata: ResumeMetadata) -> None:
        """Store the metadata of a partial file."""
        self.store_metadata(filename + PARTIAL_SUFFIX, metadata)

    def discard_partial(self, filename: str) -> None:
        """Remove a partial file and its metadata, if they exist."""
        with storage_errors(f"a partial file in {self.hidden_directory.path}"):
            self.hidden_directory.unlink(filename + PARTIAL_SUFFIX)
            self.hidden_directory.unlink(filename + PARTIAL_SUFFIX + _METADATA_SUFFIX)

    def remove_file(self, filename: str) -> None:
        """Remove a file, its signature, its attestations, its metadata and its cached inspection."""
        attached = (name for name in self.filenames() if name.startswith(f"{filename}."))
        with storage_errors(str(self.path / filename)):
            for name in attached:
                if name.endswith(_ATTACHED_SUFFIXES):
                    self.directory.unlink(name)
            # After its attachments: the run that follows a killed one finds the file and removes the rest.
            self.directory.unlink(filename)
            self.hidden_directory.unlink(filename + _METADATA_SUFFIX)
            self.hidden_directory.unlink(filename + _INSPECTION_SUFFIX)

    def sync(self) -> None:
        """Make the names of complete files survive a power failure."""
        with storage_errors(str(self.path)):
            self.directory.sync()

    def write_checksums(self, files: Sequence[LocalFile]) -> Path:
        """Write SHA256SUMS for exactly these files, as ``sha256sum -c`` reads it, unless it is up to date.

        Lines for other releases are dropped: this run did not verify those files, they may no longer exist,
        and the signature of SHA256SUMS must not cover them.
        """
        data = format_checksums(files)
        if (
            not self.has_file(CHECKSUMS_FILENAME)
            or self.directory.read(CHECKSUMS_FILENAME, len(data) + 1) != data
        ):
            self._write_atomically(self.directory, CHECKSUMS_FILENAME, data, self.file_mode)
        return self.path / CHECKSUMS_FILENAME

    def write_small_file(self, filename: str, data: bytes) -> Path:
        """Write a small file (an attestation) atomically, replacing an existing one; return its path."""
        self._write_atomically(self.directory, filename, data, self.file_mode)
        return self.path / filename

    def _write_atomically(
        self, folder: OpenDirectory, name: str, data: bytes, mode: int, *, sync: bool = True
    ) -> None:
        temporary = name + _TEMPORARY_SUFFIX
        with storage_errors(str(folder.path / name)):
            try:
                self.hidden_directory.unlink(temporary)
                self.hidden_directory.write(temporary, data, mode, sync=sync)
                self.hidden_directory.move(temporary, folder, name)
            except OSError:
                with contextlib.suppress(OSError):
                    self.hidden_directory.unlink(temporary)
                raise


def format_checksums(files: Sequence[LocalFile]) -> bytes:
    """Return the contents of SHA256SUMS for these files."""
    ordered = sorted(files, key=lambda file: file.filename)
    return "".join(f"{file.sha256}  {file.filename}\n" for file in ordered).encode("ascii")


def _is_read_only(path: Path) -> bool:
    """Return whether the file system is mounted read-only; False on Windows and if that is unknown."""
    if hasattr(os, "statvfs"):
        with contextlib.suppress(OSError):
            return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    return False


def _describe_file_type(mode: int) -> str:
    for is_type, description in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if is_type(mode):
            return description
    return "a device"
