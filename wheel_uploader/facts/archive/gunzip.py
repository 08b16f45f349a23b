"""Decompress a gzip stream in bounded chunks, with zlib alone, so that every Python reads the same."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from wheel_uploader.core.budget import Budget
from wheel_uploader.facts.archive.decompress import zlib_module

_CHUNK_SIZE = 256 << 10
_MAGIC = b"\x1f\x8b"
#: zlib's ``wbits`` for gzip with a window of any size.
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_NOT_GZIP = "it is not a gzip file, or data follows its end"
_TRUNCATED = "it is truncated or corrupt"


class InvalidArchive(Exception):
    """The archive is damaged, or readers disagree about it; ``kind`` is the kind of the anomaly."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class GzipReader:
    """A reader of the decompressed bytes of ``packed``, which raises InvalidArchive after ``limit`` bytes."""

    def __init__(self, packed: BinaryIO, limit: int, budget: Budget) -> None:
        self._packed = packed
        self._limit = limit
        self._budget = budget
        self._decompressor = None if packed.read(2) != _MAGIC else zlib_module.decompressobj(_GZIP_WBITS)
        self._input = _MAGIC
        self._chunk = b""
        #: Decompressed bytes that were read or skipped.
        self.position = 0
        if self._decompressor is None:
            raise InvalidArchive("unreadable", _NOT_GZIP)

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end of the stream."""
        parts = []
        while size and (self._chunk or self._fill_chunk()):
            part, self._chunk = self._chunk[:size], self._chunk[size:]
            parts.append(part)
            size -= len(part)
            self._advance(len(part))
        return b"".join(parts)

    def skip(self, size: int) -> int:
        """Skip ``size`` bytes, or fewer at the end of the stream; return the number of bytes skipped."""
        remaining = size
        while remaining and (self._chunk or self._fill_chunk()):
            length = min(remaining, len(self._chunk))
            self._chunk = self._chunk[length:]
            remaining -= length
            self._advance(length)
        return size - remaining

    def read_to_end(self) -> tuple[int, bool]:
        """Read to the end, where zlib checks the CRC.

        Return the number of bytes read, and whether any of them is not zero.
        """
        count, has_nonzero = 0, False
        while self._chunk or self._fill_chunk():
            count += len(self._chunk)
            has_nonzero = has_nonzero or self._chunk.count(0) != len(self._chunk)
            self._advance(len(self._chunk))
            self._chunk = b""
        return count, has_nonzero

    def _advance(self, length: int) -> None:
        self.position += length
        if self.position > self._limit:
            raise InvalidArchive(
                "bomb", f"it unpacks to more than {self._limit} bytes, 50 times its own size"
            )

    def _fill_chunk(self) -> bool:
        """Decompress the next chunk; return False at the end of the file."""
        self._budget.check_time()
        self._budget.start_unpacking()
        try:
            return self._inflate()
        except zlib_module.error:
            raise InvalidArchive("cut" if self.position else "unreadable", _TRUNCATED) from None
        finally:
            self._budget.stop_unpacking()

    def _inflate(self) -> bool:
        while self._decompressor is not None:
            if self._decompressor.eof:
                self._start_next_member(self._decompressor.unused_data)
                continue
            if not self._input:
                self._input = self._packed.read(_CHUNK_SIZE)
                if not self._input:
                    raise InvalidArchive("cut" if self.position else "unreadable", _TRUNCATED)
            self._chunk = self._decompressor.decompress(self._input, _CHUNK_SIZE)
            self._input = self._decompressor.unconsumed_tail
            if self._chunk:
                return True
        return False

    def _start_next_member(self, remainder: bytes) -> None:
        """Start the next gzip member; only zeros, or another member, may follow one (RFC 1952, 2.2)."""
        self._decompressor = None
        remainder = remainder.lstrip(b"\0")
        while not remainder and (chunk := self._packed.read(_CHUNK_SIZE)):
            remainder = chunk.lstrip(b"\0")
        if not remainder:
            return
        if len(remainder) < len(_MAGIC):
            remainder += self._packed.read(_CHUNK_SIZE)
        if not remainder.startswith(_MAGIC):
            raise InvalidArchive("trailing-bytes", _NOT_GZIP)
        self._budget.count_items("gzip members")
        self._decompressor, self._input = zlib_module.decompressobj(_GZIP_WBITS), remainder
