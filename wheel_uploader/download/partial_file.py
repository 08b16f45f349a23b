"""Partial files: private, hashed while they grow, and given their final name only when complete."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from wheel_uploader.core.errors import FileError, StorageError
from wheel_uploader.core.filesystem import has_single_link, set_mode, storage_errors, sync_file
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.verified_file import CHANGED_FILE_HINT
from wheel_uploader.wheelhouse.digests import Digests, ExpectedDigest, StreamHasher
from wheel_uploader.wheelhouse.wheelhouse import PARTIAL_SUFFIX, ResumeMetadata, Wheelhouse

_READ_SIZE = 1024 * 1024


class PartialFile:
    """The partial file of one download; it is removed at the end of ``with`` unless it can be resumed."""

    def __init__(self, wheelhouse: Wheelhouse, filename: str, expected: ExpectedDigest | None) -> None:
        self._wheelhouse = wheelhouse
        self._filename = filename
        self._expected = expected
        self._stream: io.FileIO | None = None
        self._hashes = StreamHasher(expected)
        #: Held from a seek to the read or write that depends on it.
        self._position_lock = threading.Lock()
        #: True if a later run could resume the file.
        self.is_resumable = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            # A network file system may report an error only now; a complete file was closed before.
            with contextlib.suppress(OSError):
                self._stream.close()
        # After a wrong file or a full disk there is nothing worth resuming.
        if not self.is_resumable or not self.size or isinstance(error, (FileError, StorageError)):
            with contextlib.suppress(StorageError):
                self._wheelhouse.discard_partial(self._filename)

    @property
    def path(self) -> Path:
        """The path of the partial file."""
        return self._wheelhouse.hidden_directory.path / (self._filename + PARTIAL_SUFFIX)

    @property
    def size(self) -> int:
        """The number of bytes from the start that are written and hashed."""
        return self._hashes.size

    def digests(self) -> Digests:
        """Return the digests of the first ``size`` bytes."""
        return self._hashes.result()

    def resume(
        self, progress: Callable[[int], None], *, hash_limit: int | None = None, min_size: int = 0
    ) -> bool:
        """Open and hash the partial file of an earlier run; return False if it cannot be used.

        It must be a regular file without other links and have at least ``min_size`` bytes. At most
        ``hash_limit`` bytes are hashed; ``progress`` is called with the number of bytes of each chunk.
        """
        with storage_errors(str(self.path)):
            stream = self._open_existing()
            if stream and os.fstat(stream.fileno()).st_size < min_size:
                stream.close()
                return False
            while stream and (
                chunk := stream.read(
                    _READ_SIZE if hash_limit is None else min(_READ_SIZE, hash_limit - self.size)
                )
            ):
                self._hashes.update(chunk)
                progress(len(chunk))
        self._stream = stream
        return stream is not None

    def _open_existing(self) -> io.FileIO | None:
        try:
            descriptor = self._wheelhouse.hidden_directory.open(self._filename + PARTIAL_SUFFIX, os.O_RDWR)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and has_single_link(status):
            return io.FileIO(descriptor, "r+b")
        os.close(descriptor)
        return None

    def restart(self) -> None:
        """Discard all bytes and create an empty partial file."""
        if self._stream:
            with storage_errors(str(self.path)):
                self._stream.close()
        # The metadata describes the discarded bytes, so it is removed as well.
        self._wheelhouse.discard_partial(self._filename)
        with storage_errors(str(self.path)):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            self._stream = io.FileIO(
                self._wheelhouse.hidden_directory.open(self._filename + PARTIAL_SUFFIX, flags), "r+b"
            )
        self._hashes = StreamHasher(self._expected)

    @property
    def _file(self) -> io.FileIO:
        """The file, which must be open."""
        if self._stream is None:
            raise ValueError(f"{self.path} is not open")
        return self._stream

    def write(self, data: bytes) -> None:
        """Append and hash ``data``; the file must be open."""
        with storage_errors(str(self.path)):
            # A write can be short just before the disk is full.
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._hashes.update(data)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write ``data`` at ``offset`` without hashing it, because bytes before it may still be missing."""
        with storage_errors(str(self.path)), self._position_lock:
            self._file.seek(offset)
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]

    def hash_contiguous(self, end: int) -> None:
        """Hash the bytes up to ``end``, all of which have been written."""
        while self.size < end:
            with storage_errors(str(self.path)), self._position_lock:
                self._file.seek(self.size)
                chunk = self._file.read(min(_READ_SIZE, end - self.size))
            if not chunk:
                raise FileError(f"{sanitize(str(self.path))} was truncated during the download")
            self._hashes.update(chunk)

    def _require_same_file(self) -> None:
        """Raise FileError if the file at the path is not the one that was written and verified."""
        with storage_errors(str(self.path)):
            current = self._wheelhouse.hidden_directory.stat(self.path.name)
            written = os.fstat(self._file.fileno())
        if current is None or (current.st_dev, current.st_ino) != (written.st_dev, written.st_ino):
            raise FileError(f"{sanitize(str(self.path))} changed during the run", hint=CHANGED_FILE_HINT)

    def commit(self, metadata: ResumeMetadata | None, *, replace: bool) -> Path:
        """Sync the file and move it to its final name; ``Wheelhouse.sync`` makes the new name durable."""
        wheelhouse, path = self._wheelhouse, self._wheelhouse.path / self._filename
        if wheelhouse.has_file(self._filename) and not replace:
            raise FileError(
                f"{sanitize(str(path))} was created during the run", hint="Run the same command again."
            )
        if metadata:
            wheelhouse.store_metadata(self._filename, metadata)
        self._require_same_file()
        with storage_errors(str(path)):
            set_mode(self._file.fileno(), wheelhouse.file_mode)
            sync_file(self._file.fileno())
            self._file.close()
            wheelhouse.hidden_directory.move(
                self._filename + PARTIAL_SUFFIX, wheelhouse.directory, self._filename
            )
        wheelhouse.discard_partial(self._filename)
        self.is_resumable = False
        return path
