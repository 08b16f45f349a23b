"""The words of this program's messages, which stay readable even if a password is one of them."""

from __future__ import annotations

import functools
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
#: Longer secrets are not words, so that the texts need not be read for them.
_MAX_LENGTH = 24


def contains(secret: str) -> bool:
    """Return whether a secret of letters and digits occurs in the texts of this program."""
    return len(secret) <= _MAX_LENGTH and secret.isascii() and secret.isalnum() and secret in _read_texts()


@functools.cache
def _read_texts() -> str:
    """Return the source of this package, which has all messages; empty if it is not installed with it."""
    files = [path for path in _PACKAGE.rglob("*") if path.suffix in {".py", ".html"}]
    try:
        return "\n".join(path.read_text(encoding="utf-8") for path in files)
    except OSError:
        return ""
