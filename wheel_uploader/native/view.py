"""A view of a member's bytes from which every reader here takes what it needs; it cannot be read beyond."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from wheel_uploader.budget import Budget

#: Bytes of a name; file systems end at 255.
MAX_NAME = 1024
#: Bytes of the name of a symbol; those of Python's C API have at most 60.
MAX_SYMBOL = 256


class Malformed(ValueError):
    """These bytes contradict themselves, or end too early; ``str()`` says how in one clause."""


class NotKept(Exception):
    """A part of a very large member that was not kept while it was unpacked."""


class View:
    """``size`` bytes, of which those in ``pieces`` (offset, bytes) are there."""

    __slots__ = ("_pieces", "budget", "size")

    def __init__(
        self, size: int, pieces: Sequence[tuple[int, memoryview]], budget: Budget | None = None
    ) -> None:
        self.size = size
        #: What reading them may cost.
        self.budget = budget or Budget()
        self._pieces = pieces

    @classmethod
    def whole(cls, data: bytes | bytearray | memoryview, budget: Budget | None = None) -> View:
        view = memoryview(data).toreadonly()
        return cls(len(view), ((0, view),), budget)

    def take(self, offset: int, length: int) -> memoryview:
        """The ``length`` bytes at ``offset``. Raises Malformed beyond the end."""
        end = offset + length
        if offset < 0 or length < 0 or end > self.size:
            raise Malformed(f"bytes {offset} to {end} are needed, and it has {self.size}")
        for start, piece in self._pieces:
            if start <= offset and end <= start + len(piece):
                return piece[offset - start : end - start]
        raise NotKept

    def unpack(self, form: struct.Struct, offset: int) -> tuple[Any, ...]:
        """The fields of ``form`` at ``offset``."""
        return form.unpack(self.take(offset, form.size))

    def text(self, offset: int, most: int = MAX_NAME) -> str:
        """The string at ``offset`` up to its NUL, or its first ``most`` bytes."""
        # Nearly all names are short: a longer piece is looked at only when there is no NUL in this one.
        text, end, _ = self._up_to(offset, min(64, most)).partition(b"\0")
        if not end:
            text = self._up_to(offset, most).partition(b"\0")[0]
        return self.budget.name(text.decode("utf-8", "replace"))

    def _up_to(self, offset: int, most: int) -> bytes:
        return bytes(self.take(offset, max(0, min(most, self.size - offset))))

    def part(self, offset: int, length: int) -> View:
        """The ``length`` bytes at ``offset`` as a view of their own."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Malformed(f"a part of it ends at byte {offset + length}, and it has {self.size}")
        pieces = []
        for start, piece in self._pieces:
            first, last = max(start, offset), min(start + len(piece), offset + length)
            if first < last:
                pieces.append((first - offset, piece[first - start : last - start]))
        return View(length, pieces, self.budget)
