"""Builds listing URLs of S3 buckets, and parses the listings.

MinIO, Google Cloud Storage and others return the same format.
"""

from __future__ import annotations

import re

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize_url
from wheel_uploader.core.urls import parse_qs, quote, unquote, unquote_plus, urlsplit, urlunsplit
from wheel_uploader.facts.listing_page import Listing
from wheel_uploader.http.hostnames import parse_s3_bucket
from wheel_uploader.listing.sources.base import (
    as_folder,
    list_prefixes,
    make_url_builder,
    set_query_parameters,
    split_keys,
)
from wheel_uploader.listing.sources.xml import XmlDocument, XmlRecord

#: Public URLs of ``s3://`` and ``gs://`` buckets.
AWS_URL = "https://{bucket}.s3.amazonaws.com/"
#: For a bucket with dots, whose host name the wildcard certificate of the other form does not cover.
AWS_PATH_STYLE_URL = "https://s3.amazonaws.com/{bucket}"
GOOGLE_URL = "https://storage.googleapis.com/{bucket}"

RECORD_TAGS = frozenset({"Contents", "CommonPrefixes"})
FIELD_TAGS = frozenset(
    {"Key", "Prefix", "Size", "LastModified", "Delimiter", "EncodingType"}
    | {"IsTruncated", "NextMarker", "NextContinuationToken"}
)

#: Parameters of version 2 of the listing request. A server that only knows version 1 ignores "list-type", and
#: `_build_next_url` reads its response too.
_LISTING_PARAMETERS = {"list-type": "2", "delimiter": "/", "encoding-type": "url"}
_BUCKET_URL = re.compile(r"(?i)(s3|gs)://([a-z0-9][a-z0-9._-]{1,221})(?:/++(.*))?\Z")
_GOOGLE_HOST = "storage.googleapis.com"
#: Start of the path of the JSON API on the same host.
_GOOGLE_JSON_PATH = "/storage/v1/b/"


def s3_listing_url(url: str) -> str:
    """Return the URL that lists the bucket at ``url`` (HTTP, ``s3://`` or ``gs://``); empty for other URLs.

    A path below the bucket is a prefix, unless it is that of an HTML page in the bucket.
    """
    match = _BUCKET_URL.match(url)
    if match:
        bucket, prefix = match[2], (match[3] or "").partition("#")[0]
        template = (
            GOOGLE_URL if match[1].lower() == "gs" else AWS_PATH_STYLE_URL if "." in bucket else AWS_URL
        )
        return _build_listing_url(template.format(bucket=bucket), prefix)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or parts.path.endswith((".html", ".htm")):
        return ""
    if host == _GOOGLE_HOST and parts.path.startswith(_GOOGLE_JSON_PATH):
        return ""
    path = unquote(parts.path).lstrip("/")
    host_bucket = _get_bucket_of_host(host)
    if host_bucket:
        return _build_listing_url(urlunsplit(parts._replace(path="/")), path)
    if host_bucket is not None and path:
        bucket, _, prefix = path.partition("/")
        return _build_listing_url(urlunsplit(parts._replace(path=f"/{quote(bucket)}")), prefix)
    return ""


def _get_bucket_of_host(host: str) -> str | None:
    """Return the bucket in a host name of S3 or Google, "" if the path has it, or None for other hosts."""
    if host == _GOOGLE_HOST:
        return ""
    return (
        host.removesuffix(f".{_GOOGLE_HOST}") if host.endswith(f".{_GOOGLE_HOST}") else parse_s3_bucket(host)
    )


def _build_listing_url(bucket_url: str, prefix: str) -> str:
    changes = {**_LISTING_PARAMETERS, "marker": None, "continuation-token": None}
    if prefix:
        changes["prefix"] = prefix if prefix.endswith("/") else f"{prefix}/"
    return set_query_parameters(bucket_url, changes)


def read_s3_listing(document: XmlDocument, base_url: str, source: str) -> Listing:
    """Return the keys and folders directly below the prefix in ``base_url``, and the URL of the next page.

    If ``base_url`` lists all levels, the next page is the listing of one level. The ETag is not used as a
    hash: it is the MD5 of simple uploads only.
    """
    query = parse_qs(urlsplit(base_url).query)
    if "delimiter" not in query and "Delimiter" not in document.fields:
        return Listing(next_url=_build_listing_url(base_url, ""))
    encoded = document.fields.get("EncodingType", "").lower() == "url"
    records = {_get_key(record, encoded=encoded): record for record in document.records}
    keys, prefixes = split_keys(query.get("prefix", [""])[0], records)
    build_url = make_url_builder(base_url)
    return Listing(
        files=tuple(_to_remote_file(key, records[key], build_url(key), source) for key in keys),
        folders=list_prefixes(base_url, prefixes, ("marker", "continuation-token")),
        next_url=_build_next_url(document, list(records), base_url, encoded=encoded),
    )


def _get_key(record: XmlRecord, *, encoded: bool) -> str:
    if record.tag == "Contents":
        return _decode(record.fields.get("Key", ""), encoded)
    return as_folder(_decode(record.fields.get("Prefix", ""), encoded))


def _decode(text: str, encoded: bool) -> str:
    # With encoding-type=url, a space is sent as a plus, and a plus as %2B.
    return unquote_plus(text) if encoded else text


def _to_remote_file(key: str, record: XmlRecord, url: str, source: str) -> RemoteFile:
    size, size_error = bounds.parse_listed_size_text(record.fields.get("Size", ""))
    return RemoteFile(
        filename=key.rpartition("/")[2],
        url=url,
        size=size,
        source=source,
        modified_at=bounds.parse_listed_date(record.fields.get("LastModified")),
        unavailable_reason=size_error,
    )


def _build_next_url(document: XmlDocument, keys: list[str], base_url: str, *, encoded: bool) -> str:
    fields = document.fields
    if token := fields.get("NextContinuationToken", ""):
        return set_query_parameters(base_url, {"continuation-token": token})
    if marker := _decode(fields.get("NextMarker", ""), encoded):
        return set_query_parameters(base_url, {"marker": marker})
    if fields.get("IsTruncated", "").strip().lower() != "true":
        return ""
    if not keys:
        raise ListingError(f"{sanitize_url(base_url)} is truncated and has no link to the next page")
    return set_query_parameters(base_url, {"marker": max(keys)})
