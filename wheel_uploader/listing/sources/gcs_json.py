"""Parses the JSON listings of Google Cloud Storage and of Firebase Storage."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.urls import parse_qs, quote, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import Listing, normalize_digests
from wheel_uploader.listing.sources.base import as_folder, list_prefixes, set_query_parameters, split_keys


def read_gcs_listing(data: object, base_url: str, source: str) -> Listing | None:
    """Return one page of a bucket, or None if ``data`` is not one.

    If ``base_url`` lists all levels, the next page is the listing of one level.
    """
    if not isinstance(data, dict) or not _is_bucket(data):
        return None
    query = parse_qs(urlsplit(base_url).query)
    prefix = query.get("prefix", [""])[0]
    if query.get("delimiter") != ["/"] or not (prefix.endswith("/") or not prefix):
        folder = f"{prefix.rstrip('/')}/" if prefix else None
        return Listing(next_url=set_query_parameters(base_url, {"delimiter": "/", "prefix": folder}))
    items, prefixes, token = data.get("items", []), data.get("prefixes", []), data.get("nextPageToken")
    by_name = {item["name"]: item for item in items}
    listed = [as_folder(name) for name in prefixes if isinstance(name, str)]
    names, folders = split_keys(prefix, [*by_name, *listed])
    return Listing(
        files=tuple(_to_remote_file(by_name[name], base_url, source) for name in names),
        folders=list_prefixes(base_url, folders, ("pageToken",)),
        next_url=set_query_parameters(base_url, {"pageToken": token})
        if isinstance(token, str) and token
        else "",
    )


def _is_bucket(data: dict[str, Any]) -> bool:
    items, prefixes = data.get("items", []), data.get("prefixes", [])
    if not isinstance(items, list) or not isinstance(prefixes, list):
        return False
    is_object_list = all(
        isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("bucket"), str)
        for item in items
    )
    return is_object_list and (data.get("kind") == "storage#objects" or {"items", "prefixes"} <= data.keys())


def _to_remote_file(item: dict[str, Any], base_url: str, source: str) -> RemoteFile:
    parts = urlsplit(base_url)
    path = f"{parts.path.rstrip('/')}/{quote(item['name'], safe='', errors='replace')}"
    size, size_error = bounds.parse_listed_size_text(str(item.get("size", "")))
    return RemoteFile(
        filename=item["name"].rpartition("/")[2],
        url=urlunsplit(parts._replace(path=path, query="alt=media", fragment="")),
        size=size,
        hashes=normalize_digests({"md5": _decode_md5(item.get("md5Hash"))}),
        source=source,
        modified_at=bounds.parse_listed_date(item.get("updated")),
        unavailable_reason=size_error,
    )


def _decode_md5(value: object) -> str:
    try:
        return base64.b64decode(value, validate=True).hex() if isinstance(value, str) else ""
    except (binascii.Error, ValueError):
        return ""
