"""``urllib.parse``, with what has changed between releases of Python pinned: the one home of it.

Patch releases of every supported Python changed how ``urlsplit`` treats brackets, blanks and control
characters, and what ``urlunsplit`` and ``urljoin`` make of paths that begin with several slashes. The
functions here have the names and the types of those that they stand for.
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
    "BAD_VARIABLE",
    "SplitResult",
    "local_path",
    "may_quote_url",
    "parse_qs",
    "parse_qsl",
    "port_of",
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

#: Control characters and the blank, which browsers strip from the beginning.
_CONTROLS = "".join(map(chr, range(33)))
_LINE_ENDS = str.maketrans("", "", "\t\r\n")
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")
_IN_BRACKETS = re.compile(r"(?:[^\[\]@]*@)?\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]*)?\Z")
#: Schemes whose URLs have an authority, also an empty one: ``file:///path``.
_WITH_AUTHORITY = frozenset({"http", "https", "file", "ftp"})


#: The libraries' own texts quote a part of the URL, which may be a part of a password.
_NOT_SPLIT = "it is not a URL"
_BAD_PORT = (
    "it is not a URL (its port is not a number up to 65535; a password in a URL must be percent-encoded)"
)
#: Said instead of those texts where libraries take a URL from the environment.
BAD_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_URL, or the URL of a proxy, is not valid"


def may_quote_url(error: BaseException) -> bool:
    """Return whether the text of an exception, of whichever library, may quote a URL that was not parsed."""
    return type(error) is ValueError or any(
        kind.__name__ in {"InvalidURL", "LocationValueError"} for kind in type(error).__mro__
    )


def urlsplit(url: str) -> SplitResult:
    """Split a URL into its five parts.

    Raises ValueError, also for brackets without an IPv6 address; its text never quotes the URL.
    """
    url = url.lstrip(_CONTROLS)
    if not url.isprintable():
        url = url.translate(_LINE_ENDS)
    found = _AUTHORITY.match(url) if "[" in url or "]" in url else None
    try:
        if found and ("[" in found[1] or "]" in found[1]):
            inside = _IN_BRACKETS.match(found[1])
            ipaddress.IPv6Address(inside[1] if inside else "")
        return urllib.parse.urlsplit(url)
    except ValueError:
        raise ValueError(_NOT_SPLIT) from None


def port_of(parts: SplitResult) -> int | None:
    """Return the port of a URL, None if it has none. Raises ValueError; its text never quotes the URL."""
    try:
        return parts.port
    except ValueError:
        raise ValueError(_BAD_PORT) from None


def urlunsplit(parts: tuple[str, str, str, str, str]) -> str:
    """Join the five parts of a URL."""
    scheme, authority, path, query, fragment = parts
    if authority:
        url = f"//{authority}{'' if not path or path.startswith('/') else '/'}{path}"
    elif path.startswith("//") or (scheme in _WITH_AUTHORITY and (not path or path.startswith("/"))):
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
    """Return the absolute URL that a link means on the page ``base``. Raises ValueError."""
    if not base or not url:
        return base or url
    page, link = _split_page(base), urlsplit(url)
    scheme = link.scheme or page.scheme
    if scheme != page.scheme or scheme not in {*_WITH_AUTHORITY, ""}:
        return url
    if link.netloc:
        return urlunsplit(link._replace(scheme=scheme))
    if not link.path:
        return urlunsplit(page._replace(query=link.query or page.query, fragment=link.fragment))
    path = _joined(page.path, link.path)
    return urlunsplit((scheme, page.netloc, path, link.query, link.fragment))


#: Splits the URL of a page, which is the same for all of its links.
_split_page = functools.lru_cache(maxsize=16)(urlsplit)


def _joined(base: str, path: str) -> str:
    """Resolve ``path`` against ``base`` as RFC 3986 says; a relative one drops empty segments."""
    segments = path.split("/")
    if not path.startswith("/"):
        above = base.split("/")
        segments = (above if above[-1] == "" else above[:-1]) + segments
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


def local_path(path: str) -> str:
    """Return the path on this machine that the path of a ``file:`` URL means."""
    if os.name == "nt":
        # Imports ssl, which --help has no need of.
        from urllib.request import url2pathname

        return url2pathname(path)
    return unquote(path)
