"""A version of ``urllib.parse`` that behaves alike on every Python. Only this module imports the original.

Patch releases of every supported Python changed how ``urlsplit`` treats brackets, spaces and control
characters, and how ``urlunsplit`` and ``urljoin`` treat paths that begin with several slashes. The functions
here have the names and types of the originals.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import urllib.parse
from urllib.parse import (
    DefragResult,
    SplitResult,
    parse_qs,
    parse_qsl,
    quote,
    quote_plus,
    unquote,
    unquote_plus,
    unquote_to_bytes,
    urlencode,
)

__all__ = [
    "INVALID_VARIABLE_MESSAGE",
    "SplitResult",
    "UnclaimedUrl",
    "file_url_path_to_local",
    "is_folder_or_bucket",
    "may_contain_url",
    "parse_port",
    "parse_qs",
    "parse_qsl",
    "quote",
    "quote_plus",
    "unquote",
    "unquote_plus",
    "unquote_to_bytes",
    "urldefrag",
    "urlencode",
    "urljoin",
    "urlsplit",
    "urlunsplit",
]

#: Control characters and the space, which browsers strip from the start.
_LEADING_CHARACTERS = "".join(map(chr, range(33)))
_LINE_ENDS = str.maketrans("", "", "\t\r\n")
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")
_BRACKETED_HOST = re.compile(r"(?:[^\[\]@]*@)?\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]*)?\Z")
#: Schemes whose URLs have an authority, which may be empty: ``file:///path``.
_SCHEMES_WITH_AUTHORITY = frozenset({"http", "https", "file", "ftp"})


#: Replaces the libraries' messages, which quote a part of the URL that may belong to a password.
_INVALID_URL_MESSAGE = "it is not a URL"
_INVALID_PORT_MESSAGE = (
    "it is not a URL (its port is not a number up to 65535; a password in a URL must be percent-encoded)"
)
#: The same for libraries that take a URL from the environment.
INVALID_VARIABLE_MESSAGE = "ACTIONS_ID_TOKEN_REQUEST_URL, or the URL of a proxy, is not valid"


class UnclaimedUrl(ValueError):
    """A URL that is not one of a certain source, target or site."""


def may_contain_url(error: BaseException) -> bool:
    """Return whether the message of any library's exception may quote a URL that could not be parsed."""
    return type(error) is ValueError or any(
        kind.__name__ in {"InvalidURL", "InvalidUrl", "LocationValueError"} for kind in type(error).__mro__
    )


def urlsplit(url: str) -> SplitResult:
    """Split a URL into its five parts.

    Raises ValueError, also for brackets without an IPv6 address. The message never quotes the URL.
    """
    url = url.lstrip(_LEADING_CHARACTERS)
    if not url.isprintable():
        url = url.translate(_LINE_ENDS)
    authority = _AUTHORITY.match(url) if "[" in url or "]" in url else None
    try:
        if authority and ("[" in authority[1] or "]" in authority[1]):
            host = _BRACKETED_HOST.match(authority[1])
            ipaddress.IPv6Address(host[1] if host else "")
        return urllib.parse.urlsplit(url)
    except ValueError:
        raise ValueError(_INVALID_URL_MESSAGE) from None


def parse_port(parts: SplitResult) -> int | None:
    """Return the port of a URL, or None. Raises ValueError, whose message never quotes the URL."""
    try:
        return parts.port
    except ValueError:
        raise ValueError(_INVALID_PORT_MESSAGE) from None


def urlunsplit(parts: tuple[str, str, str, str, str]) -> str:
    """Join the five parts of a URL."""
    scheme, authority, path, query, fragment = parts
    if authority:
        url = f"//{authority}{'' if not path or path.startswith('/') else '/'}{path}"
    elif path.startswith("//") or (scheme in _SCHEMES_WITH_AUTHORITY and (not path or path.startswith("/"))):
        url = f"//{path}"
    else:
        url = path
    return (
        (f"{scheme}:" if scheme else "")
        + url
        + (f"?{query}" if query else "")
        + (f"#{fragment}" if fragment else "")
    )


def urldefrag(url: str) -> DefragResult:
    """Return the URL without its fragment, and the fragment."""
    if "#" not in url:
        return DefragResult(url, "")
    parts = urlsplit(url)
    return DefragResult(urlunsplit(parts._replace(fragment="")), parts.fragment)


def urljoin(base: str, url: str) -> str:
    """Resolve a link on the page ``base`` to an absolute URL. Raises ValueError."""
    if not base or not url:
        return base or url
    page, link = _split_page(base), urlsplit(url)
    scheme = link.scheme or page.scheme
    if scheme != page.scheme or scheme not in {*_SCHEMES_WITH_AUTHORITY, ""}:
        return url
    if link.netloc:
        return urlunsplit(link._replace(scheme=scheme))
    if not link.path:
        return urlunsplit(page._replace(query=link.query or page.query, fragment=link.fragment))
    path = _resolve_path(page.path, link.path)
    return urlunsplit((scheme, page.netloc, path, link.query, link.fragment))


#: Cached, because all links of a page have the same base.
_split_page = functools.lru_cache(maxsize=16)(urlsplit)


def _resolve_path(base: str, path: str) -> str:
    """Resolve ``path`` against ``base`` (RFC 3986); empty segments are dropped if it is relative."""
    segments = path.split("/")
    if not path.startswith("/"):
        parents = base.split("/")
        segments = (parents if parents[-1] == "" else parents[:-1]) + segments
        segments[1:-1] = filter(None, segments[1:-1])
    resolved: list[str] = []
    for segment in segments:
        if segment == "..":
            del resolved[-1:]
        elif segment != ".":
            resolved.append(segment)
    if segments[-1] in {".", ".."}:
        resolved.append("")
    return "/".join(resolved) or "/"


#: The beginning of the path of a folder, or of the URL of a folder or bucket.
_FOLDER_OR_BUCKET = re.compile(r"(?i)(?:s3|gs|file):|/|\.\.?(?:[/\\]|\Z)|~|[a-z]:[/\\]")


def is_folder_or_bucket(url: str) -> bool:
    """Return whether an upload URL names a folder or a bucket; looks only at its text.

    A name without a scheme that does not begin like a path may be a URL that was typed without ``https://``.
    """
    return bool(_FOLDER_OR_BUCKET.match(url.strip()))


def file_url_path_to_local(path: str) -> str:
    """Convert the path of a ``file:`` URL to a local path."""
    if os.name == "nt":
        # Imported here because it imports ssl, which would slow down --help.
        from urllib.request import url2pathname

        return url2pathname(path)
    return unquote(path)
