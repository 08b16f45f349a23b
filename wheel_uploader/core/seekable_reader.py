"""The base of read-only streams with a known size that compute their bytes at any position."""

from __future__ import annotations

import errno
import io
import os


class SeekableReader(io.RawIOBase):
    """A stream of ``size`` bytes; a subclass defines ``readinto``, which reads at ``_position``."""

    size: int
    _position: int = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the current position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset`` bytes from ``whence``; return the new position."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = start + offset
        return self._position
