"""HMAC of the notes and cached results in a wheelhouse, with a key that is private to the user.

A wheelhouse can come from anywhere: a repository, a CI cache, an archive. Cached entries are trusted only if
an earlier run of the same user wrote them, which the key in the user's cache directory proves. Without a
usable key, nothing is cached or trusted, and every file is checked again.
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

from wheel_uploader.core.filesystem import OpenDirectory

_KEY_NAME = "key"
_KEY_BYTES = 32
#: The start of a sealed JSON object, before and after the HMAC.
_MAC_PREFIX, _MAC_SUFFIX = b'{"seal": "', b'", '
_MAC_DIGITS = 64


def seal_json(name: str, data: bytes) -> bytes | None:
    """Return the JSON object ``data`` with its HMAC as the first field; None if there is no usable key.

    ``name`` is the name of the file that will hold it; the HMAC is not valid under another name.
    """
    key = _load_key(create=True)
    return _MAC_PREFIX + _hmac(key, name, data).encode() + _MAC_SUFFIX + data[1:] if key else None


def unseal_json(name: str, data: bytes) -> bytes | None:
    """Return the JSON object that was passed to ``seal_json``; None if not sealed with this key and name."""
    body_start = len(_MAC_PREFIX) + _MAC_DIGITS
    stored_mac, suffix = data[len(_MAC_PREFIX) : body_start], data[body_start : body_start + len(_MAC_SUFFIX)]
    key = _load_key(create=False)
    if not key or not data.startswith(_MAC_PREFIX) or suffix != _MAC_SUFFIX:
        return None
    body = b"{" + data[body_start + len(_MAC_SUFFIX) :]
    return body if hmac.compare_digest(stored_mac, _hmac(key, name, body).encode()) else None


def _hmac(key: bytes, name: str, data: bytes) -> str:
    return hmac.new(key, os.fsencode(name) + b"\0" + data, hashlib.sha256).hexdigest()


def get_cache_directory() -> Path | None:
    """Return the user's cache directory for this program, which may not exist; None if there is no home."""
    try:
        if os.name == "nt":
            base = Path(os.environ["LOCALAPPDATA"])
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            # An empty or relative path is ignored (XDG Base Directory Specification).
            configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
            base = configured if configured.is_absolute() else Path.home() / ".cache"
    except (KeyError, RuntimeError):
        return None
    return base / "wheel-uploader" if base.is_absolute() else None


_keys: dict[Path, bytes] = {}


def _load_key(*, create: bool) -> bytes | None:
    """Return the key, creating it if ``create``; None if it is unreadable or other users could know it."""
    directory = get_cache_directory()
    if directory is None:
        return None
    if directory not in _keys:
        with contextlib.suppress(OSError):
            if create:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.closing(OpenDirectory(directory)) as cache_folder:
                key = _read_key(cache_folder)
                if (
                    key is None
                    and create
                    and cache_folder.is_exclusively_writable()
                    and cache_folder.stat(_KEY_NAME) is None
                ):
                    _create_key(cache_folder)
                    key = _read_key(cache_folder)
            if key:
                _keys[directory] = key
    return _keys.get(directory)


def _read_key(cache_folder: OpenDirectory) -> bytes | None:
    status = cache_folder.stat(_KEY_NAME)
    if (
        not status
        or not cache_folder.is_exclusively_writable()
        or (hasattr(os, "geteuid") and stat.S_IMODE(status.st_mode) & 0o077)
    ):
        return None
    # Read one more byte than a key has, to detect a file that is too long.
    key = cache_folder.read_owned(_KEY_NAME, _KEY_BYTES + 1)
    return key if key and len(key) == _KEY_BYTES else None


def _create_key(cache_folder: OpenDirectory) -> None:
    """Write a new key atomically; if several runs do so at the same time, the first one wins."""
    temporary = f"{_KEY_NAME}.{secrets.token_hex(8)}"
    cache_folder.write(temporary, secrets.token_bytes(_KEY_BYTES), 0o600)
    try:
        os.link(cache_folder.path / temporary, cache_folder.path / _KEY_NAME)
    except FileExistsError:
        pass
    except OSError:
        # Without hard links, the last run wins, and entries that the others sealed are checked again.
        cache_folder.move(temporary, cache_folder, _KEY_NAME)
    finally:
        cache_folder.unlink(temporary)
