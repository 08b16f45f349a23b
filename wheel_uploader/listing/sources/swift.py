"""Builds listing URLs of OpenStack Swift containers, and parses their JSON. Ceph serves the same format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.urls import parse_qs, quote, unquote, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import Listing, normalize_digests
from wheel_uploader.listing.sources.base import (
    as_folder,
    list_prefixes,
    make_url_builder,
    set_query_parameters,
    split_keys,
)

#: ``/v1/ACCOUNT/CONTAINER/PREFIX``. An account begins with a prefix such as AUTH_; Ceph omits it.
_CONTAINER_PATH = re.compile(r"(/v1/[A-Za-z]+_[^/]+/[^/]+|/swift/v1(?:/[A-Za-z]+_[^/]+)?/[^/]+)(?:/(.*))?\Z")


def swift_listing_url(url: str) -> str:
    """Return the URL that lists the container, or the prefix in it, at ``url``; empty for other URLs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    match = _CONTAINER_PATH.match(unquote(parts.path))
    if parts.scheme not in {"http", "https"} or not match or parts.path.endswith(".html"):
        return ""
    container = urlunsplit(parts._replace(path=quote(match[1])))
    changes = {"format": "json", "delimiter": "/", "marker": None}
    if match[2]:
        changes["prefix"] = f"{match[2].rstrip('/')}/"
    return set_query_parameters(container, changes)


def read_swift_listing(data: object, base_url: str, source: str) -> Listing | None:
    """Return one page of a container's listing, or None if ``data`` is not one. The last page is empty."""
    if not isinstance(data, list) or not all(map(_is_entry, data)):
        return None
    prefix = parse_qs(urlsplit(base_url).query).get("prefix", [""])[0]
    entries = {entry["name"] if _is_object(entry) else as_folder(entry["subdir"]): entry for entry in data}
    names, prefixes = split_keys(prefix, entries)
    build_url = make_url_builder(base_url)
    marker = (data[-1].get("name") or data[-1].get("subdir")) if data else ""
    return Listing(
        files=tuple(_to_remote_file(entries[name], build_url(name), source) for name in names),
        folders=list_prefixes(base_url, prefixes, ("marker",)),
        next_url=set_query_parameters(base_url, {"marker": marker}) if marker else "",
    )


def _is_object(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("name"), str)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    if _is_object(entry):
        return isinstance(entry.get("hash"), str) and "bytes" in entry
    return isinstance(entry.get("subdir"), str)


def _to_remote_file(entry: dict[str, Any], url: str, source: str) -> RemoteFile:
    size, size_error = bounds.parse_listed_size(entry["bytes"])
    # For an object in segments, the size and hash are those of its manifest.
    is_single_object = bool(size) and "slo_etag" not in entry
    return RemoteFile(
        filename=entry["name"].rpartition("/")[2],
        url=url,
        size=size if is_single_object else None,
        hashes=normalize_digests({"md5": entry["hash"]}) if is_single_object else {},
        source=source,
        modified_at=bounds.parse_listed_date(entry.get("last_modified")),
        unavailable_reason=size_error,
    )
