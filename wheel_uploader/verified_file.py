"""A file opened once, whose bytes are compared with a known sha256 every time that they are read.

Between two uses of one path another file can be put there, and an open file can be written to. A
``VerifiedFile`` gives the bytes with the expected digest, at any offset and in any order, or a FileError.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self

from wheel_uploader.disk import READING, storage_errors
from wheel_uploader.display import printable
from wheel_uploader.errors import FileError, StorageError

#: Bytes that are read and compared at a time.
BLOCK = 1 << 20
#: Blocks kept in memory: a member is often read twice, and the next one begins in the same block.
_KEPT = 2
#: The file that was listed or checked is not there, or a link or a folder is in its place.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}

HINT = "Find out what writes to this file during the run, then run this again."


class Updatable(Protocol):
    """A digest that gets all bytes of the file in order."""

    def update(self, data: bytes, /) -> object: ...


class _Sha256(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Self: ...


def open_regular(path: Path | str, opened: Callable[[], int] | None = None) -> int:
    """Return a descriptor of the regular file at ``path``; a fifo is not waited for.

    ``opened`` opens it in another way. Raises FileError if there is no such file or something else is in its
    place, StorageError if it cannot be read.
    """
    called = printable(str(path))
    with storage_errors(str(path)):
        try:
            descriptor = opened() if opened else os.open(path, READING)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            reason = "it is gone" if error.errno == errno.ENOENT else "it is not a file any more"
            raise FileError(f"{called} changed during the run: {reason}", hint=HINT) from error
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
    os.close(descriptor)
    raise FileError(f"{called} changed during the run: it is not a file any more", hint=HINT)


class VerifiedFile(io.RawIOBase):
    """The bytes of the file at ``path``, as long as they are those with ``sha256``; to be closed."""

    def __init__(self, path: Path, sha256: str, *, also: Updatable | None = None) -> None:
        """Open and hash the file; ``also`` is updated with the same bytes.

        Raises FileError if its sha256 is another one, StorageError if it cannot be read.
        """
        super().__init__()
        self._descriptor = -1
        self._called = printable(str(path))
        self._descriptor = open_regular(path)
        self._position = 0
        self.size = 0
        #: The hash before each block: with it the block alone can be compared.
        self._before: list[_Sha256] = []
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        try:
            whole = self._hash(also)
            if whole.hexdigest() != sha256:
                raise self._changed(f"its sha256 was {sha256} and is {whole.hexdigest()}")
        except BaseException:
            self.close()
            raise

    def _hash(self, also: Updatable | None) -> _Sha256:
        running: _Sha256 = hashlib.sha256(usedforsecurity=False)
        while block := self._read_block(len(self._before)):
            self._before.append(running.copy())
            running.update(block)
            if also:
                also.update(block)
            self.size += len(block)
            if len(block) < BLOCK:
                break
        self._before.append(running)
        return running

    def _changed(self, reason: str) -> FileError:
        return FileError(f"{self._called} changed during the run: {reason}", hint=HINT)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _read_block(self, number: int) -> bytes:
        """Return block ``number``, which is shorter only at the end of the file."""
        try:
            os.lseek(self._descriptor, number * BLOCK, os.SEEK_SET)
            block = os.read(self._descriptor, BLOCK)
            while 0 < len(block) < BLOCK and (more := os.read(self._descriptor, BLOCK - len(block))):
                block += more
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(f"{self._called} cannot be read: {reason}") from error
        return block

    def _block(self, number: int) -> bytes:
        """Return block ``number``, which is the same as when the file was hashed."""
        if (kept := self._blocks.get(number)) is not None:
            self._blocks.move_to_end(number)
            return kept
        block = self._read_block(number)[: self.size - number * BLOCK]
        running = self._before[number].copy()
        running.update(block)
        if running.digest() != self._before[number + 1].digest():
            raise self._changed("it was written to after it was hashed")
        self._blocks[number] = block
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return block

    # --- as a stream -----------------------------------------------------------------------------------

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = start + offset
        return self._position

    def readinto(self, buffer: memoryview | bytearray, /) -> int:  # type: ignore[override]
        number, start = divmod(self._position, BLOCK)
        if self._position >= self.size or not len(buffer):
            return 0
        piece = memoryview(self._block(number))[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def blocks(self) -> Iterator[bytes]:
        """Yield all bytes, one block after another."""
        for number in range(len(self._before) - 1):
            yield self._block(number)
