"""Containers of Azure Blob Storage, whose public access is that of the container: addresses and listings."""

from __future__ import annotations

import base64
import binascii
import re

from wheel_uploader import bounded
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.base import Listing, digests, urls_below, with_query
from wheel_uploader.sources.s3 import is_right_below
from wheel_uploader.sources.xml import Document, Record
from wheel_uploader.urls import parse_qs, quote, unquote, urlsplit, urlunsplit

RECORDS = frozenset({"Blob"})
FIELDS = frozenset({"Name", "Content-Length", "Content-MD5", "Last-Modified", "Delimiter", "NextMarker"})

_ONE_LEVEL = {"restype": "container", "comp": "list", "delimiter": "/"}
_HOST = re.compile(r"[a-z0-9-]+\.blob\.core\.[a-z0-9.-]+\Z")
#: Parameters of a listing; the others of a URL are a shared access signature.
_ASKING = frozenset({"restype", "comp", "prefix", "delimiter", "marker", "maxresults", "include"})


def listing_url(url: str) -> str:
    """Where to ask for what the person means by a container's URL; empty for others."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    container, _, prefix = unquote(parts.path).strip("/").partition("/")
    if parts.scheme != "https" or not _HOST.match(host) or not container or parts.path.endswith(".html"):
        return ""
    return _asking(urlunsplit(parts._replace(path=f"/{quote(container)}")), prefix)


def _asking(container_url: str, prefix: str) -> str:
    changes = {**_ONE_LEVEL, "marker": None}
    if prefix:
        changes["prefix"] = f"{prefix.rstrip('/')}/"
    return with_query(container_url, changes)


def read_container(document: Document, base_url: str, source: str) -> Listing:
    """The blobs right below the prefix that ``base_url`` asks for, and where the listing goes on."""
    query = parse_qs(urlsplit(base_url).query)
    if "delimiter" not in query and "Delimiter" not in document.fields:
        return Listing(next=_asking(base_url, ""))
    prefix = query.get("prefix", [""])[0]
    marker = document.fields.get("NextMarker", "")
    url_of, signature = urls_below(base_url), _signature(query)
    files = tuple(
        _file(name, record, url_of(name) + signature, source)
        for record in document.records
        if is_right_below(prefix, name := record.fields.get("Name", ""))
    )
    return Listing(files=files, next=with_query(base_url, {"marker": marker}) if marker else "")


def _file(name: str, record: Record, url: str, source: str) -> RemoteFile:
    size, excess = bounded.listed_size_text(record.fields.get("Content-Length", ""))
    return RemoteFile(
        filename=name.rpartition("/")[2],
        url=url,
        size=size,
        hashes=_md5(record.fields.get("Content-MD5", "")),
        source=source,
        modified=bounded.moment(record.fields.get("Last-Modified")),
        refused=excess,
    )


def _signature(query: dict[str, list[str]]) -> str:
    """What lets us list also lets us read: the shared access signature that the person gave."""
    given = {key: values[0] for key, values in query.items() if key not in _ASKING}
    return with_query("", given)


def _md5(text: str) -> dict[str, str]:
    try:
        return digests({"md5": base64.b64decode(text, validate=True).hex()})
    except (binascii.Error, ValueError):
        return {}
