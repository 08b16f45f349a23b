"""The words of this program's messages, which stay readable even if a password is one of them."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterator
from importlib.resources.abc import Traversable

#: Longer secrets are not words, so that the texts need not be read for them.
_MAX_LENGTH = 24


def contains(secret: str) -> bool:
    """Return whether a secret of letters and digits occurs in the texts of this program."""
    return len(secret) <= _MAX_LENGTH and secret.isascii() and secret.isalnum() and secret in _read_texts()


@functools.cache
def _read_texts() -> str:
    """Return the source of this package, which has all messages; empty if it is not installed with it."""
    try:
        return "\n".join(_read_files(importlib.resources.files("wheel_uploader")))
    except OSError:
        return ""


def _read_files(folder: Traversable) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read_files(entry)
        elif entry.name.endswith((".py", ".html")):
            yield entry.read_text(encoding="utf-8")
