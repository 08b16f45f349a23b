"""Detect encrypted Python source by its markers while a member is being decompressed."""

from __future__ import annotations

#: PyPI scans members up to this many bytes, and with these suffixes.
MAX_SCANNED_SIZE = 5 << 20
SCANNED_SUFFIXES = (".py", ".pye")

# Each marker is written in two parts, so that this file does not contain it.
_PYARMOR_PREFIX = b"__" + b"pyarmor_"
_PYARMOR_ENDINGS = (b"_(__name__, __file__,", b"enter__", b"exit__", b"assert__", b"bcc__")
_PYE_SUFFIX = b"PYE " + b"FILE---"
_PYE_BEGINNINGS = (b"---BEGIN ", b"---END ")
#: Length of the longest marker, which two chunks may split.
_LONGEST_MARKER = max(
    len(_PYARMOR_PREFIX) + max(map(len, _PYARMOR_ENDINGS)),
    len(_PYE_SUFFIX) + max(map(len, _PYE_BEGINNINGS)),
)


class ObfuscationDetector:
    """A detector that receives the chunks of one member and names the tool that encrypted the source."""

    def __init__(self) -> None:
        self._tail = b""
        self._is_pyarmor = False
        self._pye_markers: set[bytes] = set()

    def feed(self, chunk: bytes) -> None:
        """Scan the next chunk of the member."""
        text = self._tail + chunk
        # Search for the part that all markers of a tool share, which is almost never there, and only then for
        # each marker. That takes the same time however often the shared part occurs.
        if not self._is_pyarmor and _PYARMOR_PREFIX in text:
            self._is_pyarmor = any(_PYARMOR_PREFIX + marker in text for marker in _PYARMOR_ENDINGS)
        if len(self._pye_markers) < len(_PYE_BEGINNINGS) and _PYE_SUFFIX in text:
            self._pye_markers.update(marker for marker in _PYE_BEGINNINGS if marker + _PYE_SUFFIX in text)
        self._tail = text[-_LONGEST_MARKER + 1 :]

    @property
    def tool(self) -> str:
        """The tool whose markers were found; empty if there are none."""
        if self._is_pyarmor:
            return "PyArmor"
        return "SourceDefender" if len(self._pye_markers) == len(_PYE_BEGINNINGS) else ""


def is_scanned_by_pypi(name: str, size: int) -> bool:
    """Return whether PyPI would scan a member with this name and size."""
    return name.lower().endswith(SCANNED_SUFFIXES) and size <= MAX_SCANNED_SIZE
