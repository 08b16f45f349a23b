"""Detect Python source that loads shared libraries itself, while a member is being decompressed."""

from __future__ import annotations

#: Texts of which one is in any source that opens a library by its path: with ctypes, cffi or os, by a search
#: path in the environment of a child process, or as a module.
_MARKERS = (b"ctypes", b"dlopen", b"LD_LIBRARY_PATH", b"FileLoader", b"spec_from_file")
_LONGEST_MARKER = max(map(len, _MARKERS))


class LibraryLoadingDetector:
    """A detector that receives the chunks of one member."""

    def __init__(self) -> None:
        self._tail = b""
        #: True if the source loads libraries.
        self.loads_libraries = False

    def feed(self, chunk: bytes) -> None:
        """Scan the next chunk of the member."""
        if self.loads_libraries:
            return
        text = self._tail + chunk if self._tail else chunk
        self.loads_libraries = any(marker in text for marker in _MARKERS)
        self._tail = text[-_LONGEST_MARKER + 1 :]
