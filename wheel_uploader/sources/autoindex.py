"""Directory listings for programs: nginx in JSON, JSONP and XML, Caddy and npm's serve in JSON."""

from __future__ import annotations

import re
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader import bounded
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.base import Listing, urls_below
from wheel_uploader.sources.xml import Document
from wheel_uploader.urls import unquote, urljoin, urlsplit, urlunsplit

#: nginx's XML.
RECORDS = frozenset({"file", "directory"})
FIELDS: frozenset[str] = frozenset()

_CALLBACK = re.compile(r"\s*(?:/\*[^*]{0,100}\*/\s*)?[\w.$]{1,200}\s*\(")


def without_callback(text: str) -> str:
    """The JSON of a JSONP answer; other text as it is."""
    found = _CALLBACK.match(text)
    end = text.rstrip().removesuffix(";").rstrip()
    return end[found.end() : -1] if found and end.endswith(")") else text


def read_entries(data: object, base_url: str, source: str) -> Listing | None:
    """The files of a directory, or None when this is none of the three. Names only: nginx gives no URLs."""
    if isinstance(data, list):
        entries = data
    elif isinstance(data, dict) and isinstance(data.get("files"), list) and "directory" in data:
        entries = data["files"]
    else:
        return None
    if not all(map(_is_entry, entries)):
        return None
    return _listing(entries, base_url, source)


def read_document(document: Document, base_url: str, source: str) -> Listing:
    """The files of nginx's XML."""
    entries = [
        {
            "type": record.tag,
            "name": record.text,
            "size": bounded.digits(record.attributes.get("size", "")),
            "mtime": record.attributes.get("mtime"),
        }
        for record in document.records
    ]
    return _listing(entries, base_url, source)


def _listing(entries: list[dict[str, Any]], base_url: str, source: str) -> Listing:
    files: list[RemoteFile] = []
    pages: dict[str, str] = {}
    url_of = urls_below(_directory(base_url))
    for entry in entries:
        # serve calls the file without its suffix "name"; it and Caddy give directories a slash.
        base = entry.get("base")
        name = (base if isinstance(base, str) else entry["name"]).removesuffix("/")
        if not name or "/" in name:
            continue
        # Caddy has no type: whatever is there instead need not be text, and a list has no place in a set.
        if entry.get("is_dir") or entry.get("type") in ("directory", "folder"):
            pages.setdefault(canonicalize_name(name), f"{url_of(name)}/")
            continue
        given = entry.get("url")
        url = _own_url(given, name, base_url) if isinstance(given, str) else url_of(name)
        if url and entry.get("type", "file") == "file":
            size, excess = bounded.listed_size(entry.get("size"))
            when = bounded.moment(entry.get("mtime") or entry.get("mod_time"))
            file = RemoteFile(filename=name, url=url, size=size, source=source, modified=when, refused=excess)
            files.append(file)
    return Listing(files=tuple(files), pages=pages)


def _is_entry(entry: object) -> bool:
    """Whether it says of itself what it is: ``type`` at nginx and serve, ``is_dir`` and ``url`` at Caddy."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and (isinstance(entry.get("type"), str) or (type(entry.get("is_dir")) is bool and "url" in entry))
    )


def _own_url(given: str, name: str, base_url: str) -> str:
    """The URL that Caddy gives for a file; empty when it does not lead to that name."""
    try:
        url = urljoin(base_url, given)
        parts = urlsplit(url)
    except ValueError:
        return ""
    named = unquote(parts.path.rpartition("/")[2]) == name
    return url.partition("#")[0] if parts.scheme in {"http", "https"} and parts.netloc and named else ""


def _directory(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path[: parts.path.rfind("/") + 1]))
