"""A gzip stream, inflated forwards in pieces of bounded size, by zlib alone: the same on every Python."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from wheel_uploader.archive.inflate import codec
from wheel_uploader.budget import Budget

_CHUNK = 256 << 10
_MAGIC = b"\x1f\x8b"
#: The format that zlib expects: gzip, with a window of any size.
_GZIP = 16 + zlib.MAX_WBITS
_NO_GZIP = "it is no gzip file, or goes on after its end"
_CUT = "it is cut off or damaged"


class Refused(Exception):
    """The file is not what every reader reads alike; ``kind`` is that of the fact."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Gunzip:
    """The unpacked bytes of ``packed``, at most ``limit`` of them."""

    def __init__(self, packed: BinaryIO, limit: int, budget: Budget) -> None:
        self._packed = packed
        self._limit = limit
        self._budget = budget
        self._decoder = None if packed.read(2) != _MAGIC else codec.decompressobj(_GZIP)
        self._waiting = _MAGIC
        self._piece = b""
        #: Bytes given out so far.
        self.position = 0
        if self._decoder is None:
            raise Refused("unreadable", _NO_GZIP)

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or what there is of them."""
        parts = []
        while size and (self._piece or self._fill()):
            part, self._piece = self._piece[:size], self._piece[size:]
            parts.append(part)
            size -= len(part)
            self._count(len(part))
        return b"".join(parts)

    def skip(self, size: int) -> int:
        """Pass over ``size`` bytes; return how many there were."""
        left = size
        while left and (self._piece or self._fill()):
            length = min(left, len(self._piece))
            self._piece = self._piece[length:]
            left -= length
            self._count(length)
        return size - left

    def rest(self) -> tuple[int, bool]:
        """Read to the end, where the CRC is; return how many bytes, and whether any of them is not zero."""
        count, foreign = 0, False
        while self._piece or self._fill():
            count += len(self._piece)
            foreign = foreign or self._piece.count(0) != len(self._piece)
            self._count(len(self._piece))
            self._piece = b""
        return count, foreign

    def _count(self, length: int) -> None:
        self.position += length
        if self.position > self._limit:
            raise Refused("bomb", f"it unpacks to more than {self._limit} bytes, 50 times its own size")

    def _fill(self) -> bool:
        """Inflate the next piece; False at the end of the file."""
        self._budget.check_time()
        self._budget.start_unpacking()
        try:
            return self._inflate()
        except codec.error:
            raise Refused("cut" if self.position else "unreadable", _CUT) from None
        finally:
            self._budget.stop_unpacking()

    def _inflate(self) -> bool:
        while self._decoder is not None:
            if self._decoder.eof:
                self._next_member(self._decoder.unused_data)
                continue
            if not self._waiting:
                self._waiting = self._packed.read(_CHUNK)
                if not self._waiting:
                    raise Refused("cut" if self.position else "unreadable", _CUT)
            self._piece = self._decoder.decompress(self._waiting, _CHUNK)
            self._waiting = self._decoder.unconsumed_tail
            if self._piece:
                return True
        return False

    def _next_member(self, rest: bytes) -> None:
        """After the end of a gzip comes nothing, zeros, or another one (RFC 1952, 2.2)."""
        self._decoder = None
        rest = rest.lstrip(b"\0")
        while not rest and (piece := self._packed.read(_CHUNK)):
            rest = piece.lstrip(b"\0")
        if not rest:
            return
        if len(rest) < len(_MAGIC):
            rest += self._packed.read(_CHUNK)
        if not rest.startswith(_MAGIC):
            raise Refused("trailing-bytes", _NO_GZIP)
        self._budget.spend("gzip members")
        self._decoder, self._waiting = codec.decompressobj(_GZIP), rest
