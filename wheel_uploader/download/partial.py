"""A file on its way into the wheelhouse: private, hashed as it grows, and named only when it is whole."""

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

from wheel_uploader.digests import Digests, Hashes, Promise
from wheel_uploader.disk import has_one_name, set_mode, storage_errors, sync_file
from wheel_uploader.display import printable
from wheel_uploader.errors import FileError, StorageError
from wheel_uploader.verified_file import HINT
from wheel_uploader.wheelhouse import PART, Note, Wheelhouse

_READ = 1024 * 1024


class Partial:
    """The partial file of one name; unless ``keep``, what is there when the ``with`` ends is removed."""

    def __init__(self, house: Wheelhouse, filename: str, promise: Promise | None) -> None:
        self._house = house
        self._filename = filename
        self._promise = promise
        self._stream: io.FileIO | None = None
        self._hashes = Hashes(promise)
        #: Held while the file is at a place that somebody else may not move.
        self._position = threading.Lock()
        #: Set while what is there could be continued by a later run.
        self.keep = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            # Network disks may fail only now; what was not published is of no use to anybody.
            with contextlib.suppress(OSError):
                self._stream.close()
        # A file that lies, or a disk that is full, has nothing worth continuing.
        if not self.keep or not self.size or isinstance(error, (FileError, StorageError)):
            with contextlib.suppress(StorageError):
                self._house.forget_stump(self._filename)

    @property
    def path(self) -> Path:
        return self._house.hidden.path / (self._filename + PART)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._hashes.size

    def digests(self) -> Digests:
        return self._hashes.result()

    def take_up(self, progress: Callable[[int], None], *, first: int | None = None, least: int = 0) -> bool:
        """Open what an earlier run left, and hash it; False when it is not a plain file of our own.

        ``first``: hash no more than so many bytes of it. ``least``: the size that it has to have.
        """
        with storage_errors(str(self.path)):
            stream = self._open_stump()
            if stream and os.fstat(stream.fileno()).st_size < least:
                stream.close()
                return False
            while stream and (
                chunk := stream.read(_READ if first is None else min(_READ, first - self.size))
            ):
                self._hashes.update(chunk)
                progress(len(chunk))
        self._stream = stream
        return stream is not None

    def _open_stump(self) -> io.FileIO | None:
        try:
            descriptor = self._house.hidden.open(self._filename + PART, os.O_RDWR)
        except OSError:
            return None
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and has_one_name(status):
            return io.FileIO(descriptor, "r+b")
        os.close(descriptor)
        return None

    def restart(self) -> None:
        """Throw away what is there; the next byte is the first."""
        if self._stream:
            with storage_errors(str(self.path)):
                self._stream.close()
        # The note goes with the bytes that it was about.
        self._house.forget_stump(self._filename)
        with storage_errors(str(self.path)):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            self._stream = io.FileIO(self._house.hidden.open(self._filename + PART, flags), "r+b")
        self._hashes = Hashes(self._promise)

    def write(self, data: bytes) -> None:
        """Append ``data``; ``restart`` or ``take_up`` has to come first."""
        assert self._stream  # noqa: S101
        with storage_errors(str(self.path)):
            # One write can be shorter than asked for, just before the disk is full.
            rest = memoryview(data)
            while rest:
                rest = rest[self._stream.write(rest) :]
        self._hashes.update(data)

    def place(self, at: int, data: bytes) -> None:
        """Write ``data`` at its place, wherever that is; ``follow`` hashes it later."""
        assert self._stream  # noqa: S101
        with storage_errors(str(self.path)), self._position:
            self._stream.seek(at)
            rest = memoryview(data)
            while rest:
                rest = rest[self._stream.write(rest) :]

    def follow(self, end: int) -> None:
        """Hash what was placed, up to ``end``: all before that is there."""
        assert self._stream  # noqa: S101
        while self.size < end:
            with storage_errors(str(self.path)), self._position:
                self._stream.seek(self.size)
                chunk = self._stream.read(min(_READ, end - self.size))
            if not chunk:
                raise FileError(f"{printable(str(self.path))} was cut while it was written")
            self._hashes.update(chunk)

    def _require_same_file(self) -> None:
        """Raise FileError if another file is in the place of the one that was written and verified."""
        assert self._stream  # noqa: S101
        with storage_errors(str(self.path)):
            here, ours = self._house.hidden.stat(self.path.name), os.fstat(self._stream.fileno())
        if here is None or (here.st_dev, here.st_ino) != (ours.st_dev, ours.st_ino):
            raise FileError(f"{printable(str(self.path))} changed during the run", hint=HINT)

    def publish(self, note: Note | None, *, replace: bool) -> Path:
        """Give the file its final name, once its bytes are safe; ``Wheelhouse.sync`` makes the name safe."""
        assert self._stream  # noqa: S101
        house, path = self._house, self._house.path / self._filename
        if house.holds(self._filename) and not replace:
            raise FileError(
                f"{printable(str(path))} has appeared meanwhile", hint="Run the same command again."
            )
        if note:
            house.write_note(self._filename, note)
        self._require_same_file()
        with storage_errors(str(path)):
            set_mode(self._stream.fileno(), house.file_mode)
            sync_file(self._stream.fileno())
            self._stream.close()
            house.hidden.move(self._filename + PART, house.folder, self._filename)
        house.forget_stump(self._filename)
        self.keep = False
        return path
