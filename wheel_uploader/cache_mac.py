"""HMAC of the notes and cached results in a wheelhouse, with a key that only this user has.

A wheelhouse can come from anywhere: with a repository, from the cache of a CI, in an archive. Cached entries
are believed if this user's own earlier run wrote them, which the key in the user's cache directory proves.
Without a usable key nothing is cached and nothing is believed, and every file is checked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import sys
from pathlib import Path

from wheel_uploader.disk import Folder

_NAME = "key"
_SIZE = 32
#: How a sealed JSON object begins.
_BEGIN, _END = b'{"seal": "', b'", '
_DIGITS = 64


def seal(name: str, data: bytes) -> bytes | None:
    """Return the JSON object ``data`` with its HMAC as the first field; None if there is no usable key.

    ``name`` is that of the file that it will be in: under another name it does not hold.
    """
    key = _key(create=True)
    return _BEGIN + _hmac(key, name, data).encode() + _END + data[1:] if key else None


def unseal(name: str, data: bytes) -> bytes | None:
    """Return the JSON object that ``seal`` got; None for anything that was not sealed with this key."""
    start = len(_BEGIN) + _DIGITS
    said, end = data[len(_BEGIN) : start], data[start : start + len(_END)]
    key = _key(create=False)
    if not key or not data.startswith(_BEGIN) or end != _END:
        return None
    body = b"{" + data[start + len(_END) :]
    return body if hmac.compare_digest(said, _hmac(key, name, body).encode()) else None


def _hmac(key: bytes, name: str, data: bytes) -> str:
    return hmac.new(key, os.fsencode(name) + b"\0" + data, hashlib.sha256).hexdigest()


def folder() -> Path | None:
    """Return the user's cache directory of this program, which need not exist; None without a home."""
    try:
        if os.name == "nt":
            base = Path(os.environ["LOCALAPPDATA"])
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            # An empty or relative path is ignored (XDG Base Directory Specification).
            given = Path(os.environ.get("XDG_CACHE_HOME", ""))
            base = given if given.is_absolute() else Path.home() / ".cache"
    except (KeyError, RuntimeError):
        return None
    return base / "wheel-uploader" if base.is_absolute() else None


_keys: dict[Path, bytes] = {}


def _key(*, create: bool) -> bytes | None:
    """Return the key, made first if ``create``; None if it cannot be read, or others could know it."""
    where = folder()
    if where is None:
        return None
    if where not in _keys:
        with contextlib.suppress(OSError):
            if create:
                where.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.closing(Folder(where)) as opened:
                key = _read(opened)
                if key is None and create and opened.is_own() and opened.stat(_NAME) is None:
                    _make(opened)
                    key = _read(opened)
            if key:
                _keys[where] = key
    return _keys.get(where)


def _read(where: Folder) -> bytes | None:
    found = where.stat(_NAME)
    if not found or not where.is_own() or (hasattr(os, "geteuid") and stat.S_IMODE(found.st_mode) & 0o077):
        return None
    # One byte more than a key has shows that it is not one.
    key = where.read_own(_NAME, _SIZE + 1)
    return key if key and len(key) == _SIZE else None


def _make(where: Folder) -> None:
    """Write a new key, all of it at once; of several runs that do so at the same time, the first wins."""
    temporary = f"{_NAME}.{secrets.token_hex(8)}"
    where.write(temporary, secrets.token_bytes(_SIZE), 0o600)
    try:
        os.link(where.path / temporary, where.path / _NAME)
    except FileExistsError:
        pass
    except OSError:
        # A file system without hard links: the last run wins, and what the others sealed is checked again.
        where.move(temporary, where, _NAME)
    finally:
        where.unlink(temporary)
