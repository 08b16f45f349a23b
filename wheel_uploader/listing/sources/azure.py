"""Builds listing URLs of Azure Blob Storage containers, and parses the listings.

A container is public if its access level is "container"; otherwise its URL needs a shared access signature.
"""

from __future__ import annotations

import base64
import binascii
import re

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
from wheel_uploader.listing.sources.xml import XmlDocument, XmlRecord

RECORD_TAGS = frozenset({"Blob", "BlobPrefix"})
FIELD_TAGS = frozenset({"Name", "Content-Length", "Content-MD5", "Last-Modified", "Delimiter", "NextMarker"})

_LISTING_PARAMETERS = {"restype": "container", "comp": "list", "delimiter": "/"}
_HOST = re.compile(r"[a-z0-9-]+\.blob\.core\.[a-z0-9.-]+\Z")
#: All query parameters of a listing request; the others belong to a shared access signature.
_QUERY_PARAMETERS = frozenset({"restype", "comp", "prefix", "delimiter", "marker", "maxresults", "include"})


def azure_listing_url(url: str) -> str:
    """Return the URL that lists the container, or the prefix in it, at ``url``; empty for other URLs."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    container, _, prefix = unquote(parts.path).strip("/").partition("/")
    if parts.scheme != "https" or not _HOST.match(host) or not container or parts.path.endswith(".html"):
        return ""
    return _build_listing_url(urlunsplit(parts._replace(path=f"/{quote(container)}")), prefix)


def _build_listing_url(container_url: str, prefix: str) -> str:
    changes = {**_LISTING_PARAMETERS, "marker": None}
    if prefix:
        changes["prefix"] = f"{prefix.rstrip('/')}/"
    return set_query_parameters(container_url, changes)


def read_azure_listing(document: XmlDocument, base_url: str, source: str) -> Listing:
    """Return the blobs and folders directly below the prefix in ``base_url``, and the URL of the next page.

    If ``base_url`` lists all levels, the next page is the listing of one level.
    """
    query = parse_qs(urlsplit(base_url).query)
    if "delimiter" not in query and "Delimiter" not in document.fields:
        return Listing(next_url=_build_listing_url(base_url, ""))
    marker = document.fields.get("NextMarker", "")
    build_url, signature = make_url_builder(base_url), _extract_signature(query)
    records = {_get_name(record): record for record in document.records}
    names, prefixes = split_keys(query.get("prefix", [""])[0], records)
    return Listing(
        files=tuple(
            _to_remote_file(name, records[name], build_url(name) + signature, source) for name in names
        ),
        folders=list_prefixes(base_url, prefixes, ("marker",)),
        next_url=set_query_parameters(base_url, {"marker": marker}) if marker else "",
    )


def _get_name(record: XmlRecord) -> str:
    name = record.fields.get("Name", "")
    return as_folder(name) if record.tag == "BlobPrefix" else name


def _to_remote_file(name: str, record: XmlRecord, url: str, source: str) -> RemoteFile:
    size, size_error = bounds.parse_listed_size_text(record.fields.get("Content-Length", ""))
    return RemoteFile(
        filename=name.rpartition("/")[2],
        url=url,
        size=size,
        hashes=_parse_md5(record.fields.get("Content-MD5", "")),
        source=source,
        modified_at=bounds.parse_listed_date(record.fields.get("Last-Modified")),
        unavailable_reason=size_error,
    )


def _extract_signature(query: dict[str, list[str]]) -> str:
    """Return the shared access signature of the listing's URL as a query: downloads need it too."""
    parameters = {key: values[0] for key, values in query.items() if key not in _QUERY_PARAMETERS}
    return set_query_parameters("", parameters)


def _parse_md5(text: str) -> dict[str, str]:
    try:
        return normalize_digests({"md5": base64.b64decode(text, validate=True).hex()})
    except (binascii.Error, ValueError):
        return {}
