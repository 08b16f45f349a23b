"""Credentials for staging URLs that are not part of the URLs: a token, and ~/.netrc."""

from __future__ import annotations

import base64
import errno
import netrc as netrc_file
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models.run import URL_TOKEN_VARIABLE
from wheel_uploader.core.redaction import register_basic_auth, register_secret, sanitize
from wheel_uploader.core.urls import urlsplit
from wheel_uploader.core.user_files import MAX_FILE_SIZE
from wheel_uploader.http.host_policy import InvalidUrl, parse_origin

#: The hosts of anaconda.org, whose pages link to its API. Its scheme for tokens is "token", not "Bearer".
ANACONDA_HOSTS = frozenset({"anaconda.org", "www.anaconda.org", "api.anaconda.org", "pypi.anaconda.org"})

#: A URL prefix and the headers to send to URLs below it: the arguments of ``HttpClient.add_headers``.
OriginHeaders = tuple[str, Mapping[str, str]]


def headers_for_urls(
    user_urls: Iterable[str], *, netrc: bool = False, token: str | None = None
) -> Iterator[OriginHeaders]:
    """Yield authentication headers for the URLs that the user gave, in order of increasing precedence.

    Each is bound to the scheme, host and port of such a URL. A netrc entry for a host takes precedence over
    the token, and the token over netrc's ``default``. Raises UsageError.
    """
    origin_urls = [origin_url for origin_url in map(_origin_url, user_urls) if origin_url]
    netrc_entries = _read_netrc() if netrc else None
    for origin_url in origin_urls:
        host = parse_origin(origin_url).host
        if netrc_entries and "default" in netrc_entries.hosts:
            yield origin_url, _basic_auth_header(netrc_entries, "default")
        if token:
            yield from _token_headers(origin_url, host, token)
        if netrc_entries and host in netrc_entries.hosts:
            yield origin_url, _basic_auth_header(netrc_entries, host)


def find_netrc_login(url: str) -> tuple[str, str] | None:
    """Return the user name and password that netrc has for the host of ``url``.

    None without such an entry, and if the file is missing or must not be used; ``default`` is ignored.
    """
    try:
        entry = _read_netrc().hosts.get(parse_origin(url).host)
    except UsageError:
        return None
    return (entry[0] or "", entry[2] or "") if entry else None


def _origin_url(url: str) -> str:
    """Return the scheme, host and port of a URL; empty for a path."""
    try:
        parse_origin(url)
    except InvalidUrl:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _token_headers(origin_url: str, host: str, token: str) -> Iterator[OriginHeaders]:
    token = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise UsageError(
            f"{URL_TOKEN_VARIABLE} is not a token",
            hint="Set it to the token alone, without 'Bearer' in front.",
        )
    register_secret(token)
    if host in ANACONDA_HOSTS:
        for anaconda_host in sorted(ANACONDA_HOSTS):
            yield f"https://{anaconda_host}", {"authorization": f"token {token}"}
    else:
        yield origin_url, {"authorization": f"Bearer {token}"}


def _basic_auth_header(netrc_entries: netrc_file.netrc, machine: str) -> Mapping[str, str]:
    username, _, password = netrc_entries.hosts[machine]
    username, password = username or "", password or ""
    register_basic_auth(username, password)
    return {"authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


def _read_netrc() -> netrc_file.netrc:
    """Return the parsed NETRC file, or else ~/.netrc. Raises UsageError, which never quotes the file."""
    path = _netrc_path()
    shown_path = sanitize(str(path))
    try:
        status = path.stat()
        mode = status.st_mode
        # The parser would wait for a pipe, and read an endless device into memory.
        is_ordinary = stat.S_ISREG(mode) and status.st_size <= MAX_FILE_SIZE
        if not is_ordinary and str(path) != os.devnull:
            raise OSError(errno.EINVAL, "it is not a regular file of ordinary size")
        # Windows has no such mode bits; there, the profile directory is private.
        if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
            raise UsageError(
                f"{shown_path} holds passwords, and other users can read it",
                hint=f"Run: chmod 600 {shown_path}",
            )
        return netrc_file.netrc(str(path))
    except OSError as error:
        raise UsageError(
            f"cannot read {shown_path}: {error.strerror}",
            hint="Create it with the line 'machine HOST login NAME password WORD', or omit --netrc.",
        ) from None
    except (netrc_file.NetrcParseError, UnicodeDecodeError) as error:
        line = f" (near line {error.lineno})" if isinstance(error, netrc_file.NetrcParseError) else ""
        raise UsageError(
            f"cannot parse {shown_path}{line}",
            hint="Its entries look like 'machine HOST login NAME password WORD'.",
        ) from None


def _netrc_path() -> Path:
    if configured := os.environ.get("NETRC"):
        return Path(configured)
    try:
        home = Path.home()
    except RuntimeError:  # A user without a name, in a container.
        home = Path()
    default, on_windows = home / ".netrc", home / "_netrc"
    return on_windows if os.name == "nt" and not default.exists() else default
