"""Logins for the places where files wait that do not stand in their URLs: a token, and ~/.netrc."""

from __future__ import annotations

import base64
import netrc as netrc_file
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wheel_uploader.display import printable, remember_basic_auth, remember_secret
from wheel_uploader.errors import UsageError
from wheel_uploader.http.hosts import NotAUrl, place_of
from wheel_uploader.urls import urlsplit

#: The variable that holds the token; it is never an option, for other users see those of every process.
VARIABLE = "WHEEL_UPLOADER_URL_TOKEN"

#: One place to the person: its pages lead to its API. It has a word of its own for tokens.
ANACONDA = frozenset({"anaconda.org", "www.anaconda.org", "api.anaconda.org", "pypi.anaconda.org"})

#: Where a header is sent, as ``Http.add_headers`` takes it, and the header.
Bound = tuple[str, Mapping[str, str]]


def of(typed: Iterable[str], *, netrc: bool = False, token: str | None = None) -> Iterator[Bound]:
    """The headers that log in at the URLs which the person typed, the one that counts last.

    Each is bound to scheme, host and port of such a URL. An entry of netrc for a host counts more than the
    token, its ``default`` less. Raises UsageError.
    """
    places = [place for place in map(_place, typed) if place]
    known = _read_netrc() if netrc else None
    for place in places:
        host = place_of(place).host
        if known and "default" in known.hosts:
            yield place, _basic(known, "default")
        if token:
            yield from _with_token(place, host, token)
        if known and host in known.hosts:
            yield place, _basic(known, host)


def _place(url: str) -> str:
    """Scheme, host and port of a URL; empty for a path."""
    try:
        place_of(url)
    except NotAUrl:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _with_token(place: str, host: str, token: str) -> Iterator[Bound]:
    token = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise UsageError(
            f"{VARIABLE} is not a token", hint="It has to be the token alone, without 'Bearer' before it."
        )
    remember_secret(token)
    if host in ANACONDA:
        for each in sorted(ANACONDA):
            yield f"https://{each}", {"authorization": f"token {token}"}
    else:
        yield place, {"authorization": f"Bearer {token}"}


def _basic(known: netrc_file.netrc, machine: str) -> Mapping[str, str]:
    username, _, password = known.hosts[machine]
    username, password = username or "", password or ""
    remember_basic_auth(username, password)
    return {"authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def _read_netrc() -> netrc_file.netrc:
    """The file that NETRC names, or ~/.netrc. Raises UsageError, which never quotes from it."""
    path = _netrc_path()
    shown = printable(str(path))
    try:
        mode = path.stat().st_mode
        # Windows has no such bits; there the profile directory is private.
        if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
            raise UsageError(f"{shown} has passwords, and others may read it", hint=f"Run: chmod 600 {shown}")
        return netrc_file.netrc(str(path))
    except OSError as error:
        raise UsageError(
            f"{shown} cannot be read: {error.strerror}",
            hint="Write 'machine HOST login NAME password WORD' into it, or leave --netrc out.",
        ) from None
    except (netrc_file.NetrcParseError, UnicodeDecodeError) as error:
        line = f" (near line {error.lineno})" if isinstance(error, netrc_file.NetrcParseError) else ""
        raise UsageError(
            f"{shown} cannot be understood{line}",
            hint="It has entries like 'machine HOST login NAME password WORD'.",
        ) from None


def _netrc_path() -> Path:
    if named := os.environ.get("NETRC"):
        return Path(named)
    try:
        home = Path.home()
    except RuntimeError:  # A user without a name, in a container.
        home = Path()
    usual, on_windows = home / ".netrc", home / "_netrc"
    return on_windows if os.name == "nt" and not usual.exists() else usual
