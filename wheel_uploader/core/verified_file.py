"""Files that are opened once and whose bytes are compared with a known sha256 on every read.

Between two uses of a path the file can be replaced, and an open file can be written to. A ``VerifiedFile``
returns the bytes with the expected digest, at any offset and in any order, or raises FileError.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self

from wheel_uploader.core.errors import FileError, StorageError
from wheel_uploader.core.filesystem import READ_FLAGS, storage_errors
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.seekable_reader import SeekableReader

#: Bytes that are read and compared together.
BLOCK_SIZE = 1 << 20
#: Blocks cached in memory: a member is often read twice, and the next one begins in the same block.
_CACHED_BLOCKS = 2
#: Bytes of a file up to which hashing it may count as time of its checks, which is limited.
_MAX_SINGLE_PASS_SIZE = 64 << 20
#: Blocks that may be read before it is their turn: the central directory of a ZIP is at its end.
_MAX_EARLY_BLOCKS = 4
#: The file that was listed or checked no longer exists, or was replaced by a link, a directory or a device.
_REPLACED_ERRNOS = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO}

CHANGED_FILE_HINT = (
    "Find out which program writes to this file during the run, then run the same command again."
)


class Updatable(Protocol):
    """A digest that is updated with all bytes of the file in order."""

    def update(self, data: bytes, /) -> object:
        """Add the next bytes."""
        ...


class _Sha256(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Self: ...


def open_regular_file(path: Path | str, opener: Callable[[], int] | None = None) -> int:
    """Return a descriptor of the regular file at ``path``, without waiting for a FIFO's writer.

    ``opener`` is called instead of os.open. Raises FileError if the file no longer exists or is not a regular
    file any more, StorageError if it cannot be read.
    """
    location = sanitize(str(path))
    with storage_errors(str(path)):
        try:
            descriptor = opener() if opener else os.open(path, READ_FLAGS)
        except OSError as error:
            if error.errno not in _REPLACED_ERRNOS:
                raise
            reason = (
                "it no longer exists" if error.errno == errno.ENOENT else "it is no longer a regular file"
            )
            raise FileError(f"{location} changed during the run: {reason}", hint=CHANGED_FILE_HINT) from error
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
    os.close(descriptor)
    raise FileError(
        f"{location} changed during the run: it is no longer a regular file", hint=CHANGED_FILE_HINT
    )


class VerifiedFile(SeekableReader):
    """A stream over the file at ``path`` that returns only the bytes with ``sha256``; close it after use."""

    def __init__(self, path: Path, sha256: str, *, extra_hash: Updatable | None = None) -> None:
        """Open and hash the file; update the digest ``extra_hash`` with the same bytes.

        Raises FileError if the file has a different sha256, StorageError if it cannot be read.
        """
        super().__init__()
        self._descriptor = -1
        self._location = sanitize(str(path))
        self._expected = sha256
        self._extra_hash = extra_hash
        self._descriptor = open_regular_file(path)
        self.size = 0
        #: Bytes that have been hashed.
        self._hashed_size = 0
        #: The state of the hash before each block, with which one block can be compared by itself.
        self._states: list[_Sha256] = [hashlib.sha256(usedforsecurity=False)]
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self.verify()
        self.size = self._hashed_size

    def verify(self) -> None:
        """Hash the rest of the file. Raises FileError if the file has a different sha256."""
        while self._hash_next():
            pass
        digest = self._states[-1].hexdigest()
        if digest != self._expected:
            raise self._changed_error(f"its sha256 was {self._expected} and is {digest}")

    def _hash_next(self) -> bytes:
        """Hash the next block and return it; empty after the end of the file."""
        # The block after a shorter one does not follow it, if there is one by now.
        if self._hashed_size % BLOCK_SIZE:
            return b""
        block = self._read_block(len(self._states) - 1)
        if block:
            running = self._states[-1].copy()
            running.update(block)
            self._states.append(running)
            self._hashed_size += len(block)
            if self._extra_hash:
                self._extra_hash.update(block)
        return block

    @property
    def permissions(self) -> int:
        """The permission bits of the open file, which may have been deleted since."""
        return stat.S_IMODE(os.fstat(self._descriptor).st_mode)

    def _changed_error(self, reason: str) -> FileError:
        return FileError(f"{self._location} changed during the run: {reason}", hint=CHANGED_FILE_HINT)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _read_block(self, number: int) -> bytes:
        """Return block ``number``, which is shorter only at the end of the file."""
        try:
            os.lseek(self._descriptor, number * BLOCK_SIZE, os.SEEK_SET)
            block = os.read(self._descriptor, BLOCK_SIZE)
            while 0 < len(block) < BLOCK_SIZE and (
                more := os.read(self._descriptor, BLOCK_SIZE - len(block))
            ):
                block += more
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(f"{self._location} cannot be read: {reason}") from error
        return block

    def _verified_block(self, number: int) -> bytes:
        """Return block ``number``; raise FileError if it changed since the file was hashed."""
        if (cached := self._blocks.get(number)) is not None:
            self._blocks.move_to_end(number)
            return cached
        block = self._load_block(number)
        self._blocks[number] = block
        if len(self._blocks) > _CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return block

    def _load_block(self, number: int) -> bytes:
        block = self._read_block(number)[: self.size - number * BLOCK_SIZE]
        running = self._states[number].copy()
        running.update(block)
        if running.digest() != self._states[number + 1].digest():
            raise self._changed_error("it was written to after it was hashed")
        return block

    # --- SeekableReader ----------------------------------------------------------------------------------

    def readinto(self, buffer: memoryview | bytearray, /) -> int:  # type: ignore[override]
        """Read bytes of one block into ``buffer``; return their number, 0 at the end."""
        number, start = divmod(self._position, BLOCK_SIZE)
        if self._position >= self.size or not len(buffer):
            return 0
        data = memoryview(self._verified_block(number))[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def iter_blocks(self) -> Iterator[bytes]:
        """Yield the whole file, block by block."""
        for number in range(math.ceil(self.size / BLOCK_SIZE)):
            yield self._verified_block(number)


class SinglePassFile(VerifiedFile):
    """A VerifiedFile that is hashed while it is read for the first time, not before.

    Its bytes are known to be the expected ones only when ``verify`` has returned. Until then the same bytes
    are returned whenever they are read, so that earlier results are those of the bytes that it compares.
    """

    def _start(self) -> None:
        self.size = os.fstat(self._descriptor).st_size
        #: Blocks that were read before it was their turn to be hashed.
        self._early_blocks: dict[int, bytes] = {}
        if self.size > _MAX_SINGLE_PASS_SIZE:
            super()._start()

    def verify(self) -> None:
        """Hash the rest of the file. Raises FileError if the file has a different sha256."""
        super().verify()
        if self.size != self._hashed_size:
            raise self._changed_error(f"it had {self.size} bytes and has {self._hashed_size}")

    def _read_block(self, number: int) -> bytes:
        early = self._early_blocks.pop(number, None)
        return super()._read_block(number) if early is None else early

    def _load_block(self, number: int) -> bytes:
        hashed = len(self._states) - 1
        if number < hashed:
            return super()._load_block(number)
        if number > hashed and (number in self._early_blocks or len(self._early_blocks) < _MAX_EARLY_BLOCKS):
            self._early_blocks[number] = block = self._read_block(number)
            return block
        block = b""
        while number >= len(self._states) - 1 and (block := self._hash_next()):
            pass
        return block
