"""``urllib.parse``, with what has changed between releases of Python pinned: the one home of it.

Patch releases of every supported Python changed how ``urlsplit`` treats brackets, blanks and control
characters, and what ``urlunsplit`` and ``urljoin`` make of paths that begin with several slashes. The
functions here have the names and the types of those that they stand for.
"""

from __future__ import annotations

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
    "SplitResult",
    "local_path",
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

#: Control characters and the blank, which browsers strip from the beginning.
_CONTROLS = "".join(map(chr, range(33)))
_LINE_ENDS = str.maketrans("", "", "\t\r\n")
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")
_IN_BRACKETS = re.compile(r"(?:[^\[\]@]*@)?\[([0-9A-Fa-f:.]{2,45})\](?::[0-9]*)?\Z")
#: Schemes whose URLs have an authority, also an empty one: ``file:///path``.
_WITH_AUTHORITY = frozenset({"http", "https", "file", "ftp"})


def urlsplit(url: str) -> SplitResult:
    """Split a URL into its five parts. Raises ValueError, also for brackets without an IPv6 address."""
    url = url.lstrip(_CONTROLS).translate(_LINE_ENDS)
    found = _AUTHORITY.match(url) if "[" in url or "]" in url else None
    if found and ("[" in found[1] or "]" in found[1]):
        inside = _IN_BRACKETS.match(found[1])
        if not inside:
            raise ValueError("Invalid IPv6 URL")
        ipaddress.IPv6Address(inside[1])
    return urllib.parse.urlsplit(url)


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
    page, link = urlsplit(base), urlsplit(url)
    scheme = link.scheme or page.scheme
    if scheme != page.scheme or scheme not in {*_WITH_AUTHORITY, ""}:
        return url
    if link.netloc:
        return urlunsplit(link._replace(scheme=scheme))
    if not link.path:
        return urlunsplit(page._replace(query=link.query or page.query, fragment=link.fragment))
    path = _joined(page.path, link.path)
    return urlunsplit((scheme, page.netloc, path, link.query, link.fragment))


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
