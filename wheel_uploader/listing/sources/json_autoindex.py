"""Parses machine-readable directory listings: nginx (JSON, JSONP, XML), Caddy and npm's serve (JSON)."""

from __future__ import annotations

import re
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader.core import bounds
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.urls import unquote, urljoin, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import ListedFolder, Listing
from wheel_uploader.listing.sources.base import make_url_builder
from wheel_uploader.listing.sources.xml import XmlDocument

#: Elements and fields to read from nginx's XML.
RECORD_TAGS = frozenset({"file", "directory"})
FIELD_TAGS: frozenset[str] = frozenset()

#: Types of entries; other values are those of other APIs, such as "blob" of a repository's tree.
_TYPES = ("file", "directory", "folder", "other", "link", "symlink", "dir")
#: serve and others list the directory above, too.
_PARENT_NAMES = frozenset({".", ".."})
_JSONP_CALL = re.compile(r"\s*(?:/\*[^*]{0,100}\*/\s*)?[\w.$]{1,200}\s*\(")


def strip_jsonp_callback(text: str) -> str:
    """Return the JSON inside a JSONP response; return other text unchanged."""
    match = _JSONP_CALL.match(text)
    call = text.rstrip().removesuffix(";").rstrip()
    return call[match.end() : -1] if match and call.endswith(")") else text


def read_json_directory(data: object, base_url: str, source: str) -> Listing | None:
    """Return the directory listing in ``data``, or None if it is not one of nginx, Caddy or serve.

    nginx lists names without URLs.
    """
    if isinstance(data, list):
        entries = data
    elif isinstance(data, dict) and isinstance(data.get("files"), list) and "directory" in data:
        entries = data["files"]
    else:
        return None
    if not all(map(_is_entry, entries)):
        return None
    return _build_listing(entries, base_url, source)


def read_nginx_xml(document: XmlDocument, base_url: str, source: str) -> Listing:
    """Return the files of a directory listing in nginx's XML."""
    entries = [
        {
            "type": record.tag,
            "name": record.text,
            "size": bounds.parse_digits(record.attributes.get("size", "")),
            "mtime": record.attributes.get("mtime"),
        }
        for record in document.records
    ]
    return _build_listing(entries, base_url, source)


def _build_listing(entries: list[dict[str, Any]], base_url: str, source: str) -> Listing:
    files: list[RemoteFile] = []
    pages: dict[str, str] = {}
    folders: list[ListedFolder] = []
    build_url = make_url_builder(_get_parent_url(base_url))
    for entry in entries:
        # serve has the name without its suffix in "name"; serve and Caddy append a slash to a directory.
        base = entry.get("base")
        name = (base if isinstance(base, str) else entry["name"]).removesuffix("/")
        if not name or "/" in name:
            continue
        # "type" may hold any JSON value, so it is looked up in a tuple: a list in it is not hashable.
        if entry.get("is_dir") or entry.get("type") in ("directory", "folder", "dir"):
            if name not in _PARENT_NAMES:
                pages.setdefault(canonicalize_name(name), f"{build_url(name)}/")
                folders.append(ListedFolder(name, f"{build_url(name)}/"))
            continue
        # The APIs of GitHub and Forgejo have a URL of the file and one of its description.
        link = entry.get("download_url") or entry.get("url")
        url = _resolve_link(link, name, base_url) if isinstance(link, str) else build_url(name)
        if url and entry.get("type", "file") == "file":
            size, size_error = bounds.parse_listed_size(entry.get("size"))
            modified = bounds.parse_listed_date(entry.get("mtime") or entry.get("mod_time"))
            files.append(
                RemoteFile(
                    filename=name,
                    url=url,
                    size=size,
                    source=source,
                    modified_at=modified,
                    unavailable_reason=size_error,
                )
            )
    return Listing(files=tuple(files), folders=tuple(folders), subpage_urls=pages)


def _is_entry(entry: object) -> bool:
    """Return whether an entry has the keys of nginx or serve (``type``), or Caddy (``is_dir``, ``url``)."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and (entry.get("type") in _TYPES or (type(entry.get("is_dir")) is bool and "url" in entry))
    )


def _resolve_link(link: str, name: str, base_url: str) -> str:
    """Return the absolute URL of Caddy's link to a file; empty if its last segment is not that name."""
    try:
        url = urljoin(base_url, link)
        parts = urlsplit(url)
    except ValueError:
        return ""
    has_name = unquote(parts.path.rpartition("/")[2]) == name
    return url.partition("#")[0] if parts.scheme in {"http", "https"} and parts.netloc and has_name else ""


def _get_parent_url(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path[: parts.path.rfind("/") + 1]))
