"""Detect encrypted Python source by its markers."""

from __future__ import annotations

#: PyPI scans members up to this many bytes, and with these suffixes.
MAX_SCANNED_SIZE = 5 << 20
SCANNED_SUFFIXES = (".py", ".pye")

# Each marker is written in two parts, so that this file does not contain it.
_PYARMOR_PREFIX = b"__" + b"pyarmor_"
_PYARMOR_MARKERS = tuple(
    _PYARMOR_PREFIX + ending
    for ending in (b"_(__name__, __file__,", b"enter__", b"exit__", b"assert__", b"bcc__")
)
_PYE_BEGINNING = b"---BEGIN " + b"PYE FILE---"
_PYE_END = b"---END " + b"PYE FILE---"


def find_tool(text: bytes) -> str:
    """Return the name of the tool that encrypted Python source; empty if it was not encrypted."""
    # Long texts are searched for first, since a search skips as many bytes as they have.
    if _PYARMOR_PREFIX in text and any(marker in text for marker in _PYARMOR_MARKERS):
        return "PyArmor"
    return "SourceDefender" if _PYE_BEGINNING in text and _PYE_END in text else ""


def is_scanned_by_pypi(name: str, size: int) -> bool:
    """Return whether PyPI would scan a member with this name and size."""
    return name.lower().endswith(SCANNED_SUFFIXES) and size <= MAX_SCANNED_SIZE
