"""A bounds-checked view of a member's bytes, from which the readers of binary formats read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from wheel_uploader.core.budget import Budget

#: Maximum bytes of a name; file systems allow 255.
MAX_STRING_LENGTH = 1024
#: Maximum bytes of a symbol's name; those of Python's C API have at most 60.
MAX_SYMBOL_LENGTH = 256


class MalformedBinary(ValueError):
    """The bytes are inconsistent or truncated; ``str()`` gives the reason in one clause."""


class NotRetained(Exception):
    """The requested bytes of a very large member were not retained while it was decompressed."""


class ByteView:
    """A view of ``size`` bytes, of which those in ``pieces`` (offset, bytes) are available."""

    __slots__ = ("_pieces", "_whole", "budget", "size")

    def __init__(
        self, size: int, pieces: Sequence[tuple[int, memoryview]], budget: Budget | None = None
    ) -> None:
        self.size = size
        #: The budget from which reading takes.
        self.budget = budget or Budget()
        self._pieces = pieces
        #: The only piece if it has all bytes, as in nearly every file: then no piece is searched for.
        is_whole = len(pieces) == 1 and pieces[0][0] == 0 and len(pieces[0][1]) == size
        self._whole = pieces[0][1] if is_whole else None

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, budget: Budget | None = None) -> ByteView:
        """Return a view in which all bytes are available."""
        view = memoryview(data).toreadonly()
        return cls(len(view), ((0, view),), budget)

    def get_bytes(self, offset: int, length: int) -> memoryview:
        """Return ``length`` bytes at ``offset``. Raises MalformedBinary beyond the end, and NotRetained."""
        end = offset + length
        if offset < 0 or length < 0 or end > self.size:
            raise MalformedBinary(f"it refers to bytes {offset} to {end}, but has {self.size}")
        if self._whole is not None:
            return self._whole[offset:end]
        for start, piece in self._pieces:
            if start <= offset and end <= start + len(piece):
                return piece[offset - start : end - start]
        raise NotRetained

    def unpack(self, form: struct.Struct, offset: int) -> tuple[Any, ...]:
        """Return the fields of the structure ``form`` at ``offset``."""
        return form.unpack(self.get_bytes(offset, form.size))

    def read_string(self, offset: int, max_length: int = MAX_STRING_LENGTH) -> str:
        """Return the string at ``offset`` up to its NUL, or its first ``max_length`` bytes."""
        # Nearly all names are short, so more bytes are read only if the first ones contain no NUL.
        text, end, _ = self._read_up_to(offset, min(64, max_length)).partition(b"\0")
        if not end:
            text = self._read_up_to(offset, max_length).partition(b"\0")[0]
        return self.budget.intern_name(text.decode("utf-8", "replace"))

    def _read_up_to(self, offset: int, max_length: int) -> bytes:
        if self._whole is not None and 0 <= offset <= self.size:
            return self._whole[offset : offset + max_length].tobytes()
        return bytes(self.get_bytes(offset, max(0, min(max_length, self.size - offset))))

    def subview(self, offset: int, length: int) -> ByteView:
        """Return a view of ``length`` bytes at ``offset``. Raises MalformedBinary beyond the end."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise MalformedBinary(f"a part of it ends at byte {offset + length}, but it has {self.size}")
        pieces = []
        for start, piece in self._pieces:
            first, last = max(start, offset), min(start + len(piece), offset + length)
            if first < last:
                pieces.append((first - offset, piece[first - start : last - start]))
        return ByteView(length, pieces, self.budget)
