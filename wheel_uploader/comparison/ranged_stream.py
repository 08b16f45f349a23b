"""A stream over a file on an index that fetches only the parts that are read."""

from __future__ import annotations

import io
from collections.abc import Callable

from wheel_uploader.core.errors import NetworkError
from wheel_uploader.index.client import FileRange

#: Bytes of the end of a wheel that are fetched first: mostly the whole central directory.
TAIL_SIZE = 128 << 10
#: Bytes fetched at least with each further request, requests for one file, and bytes kept of it.
_MIN_FETCH = 32 << 10
_MAX_REQUESTS = 12
MAX_FETCHED = 24 << 20

#: Returns the bytes of a range such as ``0-99`` or ``-100``, or the whole file where the host has no ranges.
FetchRange = Callable[[str], FileRange]


class RangedStream(io.RawIOBase):
    """The file behind ``fetch``. Reading raises NetworkError, also if too much would have to be fetched."""

    def __init__(self, fetch: FetchRange) -> None:
        super().__init__()
        self._fetch = fetch
        tail = fetch(f"-{TAIL_SIZE}")
        self.size = tail.total
        self._parts: list[tuple[int, bytes]] = [(tail.start, tail.data)]
        self._position = 0
        self._requests = 1

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end of the file."""
        end = self.size if size is None or size < 0 else min(self.size, self._position + size)
        if end <= self._position:
            return b""
        data = self._find(self._position, end) or self._fetch_part(self._position, end)
        self._position += len(data)
        return data

    def _find(self, start: int, end: int) -> bytes:
        """Return these bytes if one part has them all."""
        for offset, data in self._parts:
            if offset <= start and end <= offset + len(data):
                return data[start - offset : end - offset]
        return b""

    def _fetch_part(self, start: int, end: int) -> bytes:
        length = max(end - start, _MIN_FETCH)
        self._requests += 1
        fetched = sum(len(data) for _, data in self._parts)
        if self._requests > _MAX_REQUESTS or fetched + length > MAX_FETCHED:
            raise NetworkError("too much of the previous wheel would have to be read")
        part = self._fetch(f"{start}-{min(self.size, start + length) - 1}")
        self._parts.append((part.start, part.data))
        found = self._find(start, end)
        if not found or part.total != self.size:
            raise NetworkError("the index sent another part of the previous wheel than requested")
        return found
