"""A bounds-checked view of a member's bytes, from which the readers of binary formats read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from wheel_uploader.budget import Budget

#: Maximum bytes of a name; file systems allow 255.
MAX_NAME = 1024
#: Maximum bytes of a symbol's name; those of Python's C API have at most 60.
MAX_SYMBOL = 256


class Malformed(ValueError):
    """The bytes are inconsistent or truncated; ``str()`` gives the reason in one clause."""


class NotKept(Exception):
    """The requested bytes of a very large member were not retained while it was decompressed."""


class View:
    """A view of ``size`` bytes, of which those in ``pieces`` (offset, bytes) are available."""

    __slots__ = ("_pieces", "budget", "size")

    def __init__(
        self, size: int, pieces: Sequence[tuple[int, memoryview]], budget: Budget | None = None
    ) -> None:
        self.size = size
        #: The budget from which reading takes.
        self.budget = budget or Budget()
        self._pieces = pieces

    @classmethod
    def whole(cls, data: bytes | bytearray | memoryview, budget: Budget | None = None) -> View:
        """Return a view in which all bytes are available."""
        view = memoryview(data).toreadonly()
        return cls(len(view), ((0, view),), budget)

    def take(self, offset: int, length: int) -> memoryview:
        """Return ``length`` bytes at ``offset``. Raises Malformed beyond the end, and NotKept."""
        end = offset + length
        if offset < 0 or length < 0 or end > self.size:
            raise Malformed(f"it refers to bytes {offset} to {end}, but has {self.size}")
        for start, piece in self._pieces:
            if start <= offset and end <= start + len(piece):
                return piece[offset - start : end - start]
        raise NotKept

    def unpack(self, form: struct.Struct, offset: int) -> tuple[Any, ...]:
        """Return the fields of the structure ``form`` at ``offset``."""
        return form.unpack(self.take(offset, form.size))

    def text(self, offset: int, max_length: int = MAX_NAME) -> str:
        """Return the string at ``offset`` up to its NUL, or its first ``max_length`` bytes."""
        # Nearly all names are short, so more bytes are read only if the first ones contain no NUL.
        text, end, _ = self._read_up_to(offset, min(64, max_length)).partition(b"\0")
        if not end:
            text = self._read_up_to(offset, max_length).partition(b"\0")[0]
        return self.budget.name(text.decode("utf-8", "replace"))

    def _read_up_to(self, offset: int, max_length: int) -> bytes:
        return bytes(self.take(offset, max(0, min(max_length, self.size - offset))))

    def part(self, offset: int, length: int) -> View:
        """Return a view of ``length`` bytes at ``offset``. Raises Malformed beyond the end."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Malformed(f"a part of it ends at byte {offset + length}, but it has {self.size}")
        pieces = []
        for start, piece in self._pieces:
            first, last = max(start, offset), min(start + len(piece), offset + length)
            if first < last:
                pieces.append((first - offset, piece[first - start : last - start]))
        return View(length, pieces, self.budget)
