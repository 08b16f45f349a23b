"""The list SHA256SUMS of a release: parsing it, and building a new one. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = "SHA256SUMS"
SIGNATURE_NAME = f"{NAME}.asc"
#: Bytes of an existing list that is read.
MAX_SIZE = 1 << 20
_LINE = re.compile(r"([0-9A-Fa-f]{64}) [ *](\S[^\r\n]{0,300})\Z")


def parse(text: str) -> dict[str, str] | None:
    """Return hex sha256 by file name; None if a line is not one of sha256sum."""
    listed: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            return None
        listed[match[2]] = match[1].lower()
    return listed


def build(hashes: Mapping[str, str]) -> bytes:
    """Return the list in the format of sha256sum, sorted by name."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()
