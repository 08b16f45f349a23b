"""Containers of OpenStack Swift, and of Ceph, in JSON: addresses and listings."""

from __future__ import annotations

import re
from typing import Any

from wheel_uploader import bounded
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.base import Listing, digests, urls_below, with_query
from wheel_uploader.sources.s3 import is_right_below
from wheel_uploader.urls import parse_qs, quote, unquote, urlsplit, urlunsplit

#: ``/v1/ACCOUNT/CONTAINER/PREFIX``; an account begins with AUTH_ or the like, and Ceph leaves it out.
_PATH = re.compile(r"(/v1/[A-Za-z]+_[^/]+/[^/]+|/swift/v1(?:/[A-Za-z]+_[^/]+)?/[^/]+)(?:/(.*))?\Z")


def listing_url(url: str) -> str:
    """Where to ask for the JSON of a container's URL; empty for others."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    found = _PATH.match(unquote(parts.path))
    if parts.scheme not in {"http", "https"} or not found or parts.path.endswith(".html"):
        return ""
    container = urlunsplit(parts._replace(path=quote(found[1])))
    changes = {"format": "json", "delimiter": "/", "marker": None}
    if found[2]:
        changes["prefix"] = f"{found[2].rstrip('/')}/"
    return with_query(container, changes)


def read_entries(data: object, base_url: str, source: str) -> Listing | None:
    """The objects of one page, or None when this is no page of a container. The last page is an empty one."""
    if not isinstance(data, list) or not all(map(_is_entry, data)):
        return None
    prefix = parse_qs(urlsplit(base_url).query).get("prefix", [""])[0]
    objects = [entry for entry in data if isinstance(entry.get("name"), str)]
    url_of = urls_below(base_url)
    files = tuple(
        _file(entry, url_of(entry["name"]), source)
        for entry in objects
        if is_right_below(prefix, entry["name"])
    )
    marker = (data[-1].get("name") or data[-1].get("subdir")) if data else ""
    return Listing(files=files, next=with_query(base_url, {"marker": marker}) if marker else "")


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    if isinstance(entry.get("name"), str):
        return isinstance(entry.get("hash"), str) and "bytes" in entry
    return isinstance(entry.get("subdir"), str)


def _file(entry: dict[str, Any], url: str, source: str) -> RemoteFile:
    size, excess = bounded.listed_size(entry["bytes"])
    # An object in segments has the size and the hash of its list of them.
    whole = bool(size) and "slo_etag" not in entry
    return RemoteFile(
        filename=entry["name"].rpartition("/")[2],
        url=url,
        size=size if whole else None,
        hashes=digests({"md5": entry["hash"]}) if whole else {},
        source=source,
        modified=bounded.moment(entry.get("last_modified")),
        refused=excess,
    )
