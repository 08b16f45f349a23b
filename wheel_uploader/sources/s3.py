"""Buckets of S3, and of MinIO, Google Cloud Storage and others that answer alike: addresses and listings."""

from __future__ import annotations

import re

from wheel_uploader import bounded
from wheel_uploader.display import printable_url
from wheel_uploader.errors import ListingError
from wheel_uploader.http.hostnames import bucket_of
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.base import Listing, urls_below, with_query
from wheel_uploader.sources.xml import Document, Record
from wheel_uploader.urls import parse_qs, quote, unquote, unquote_plus, urlsplit, urlunsplit

#: Where the public addresses of ``s3://`` and ``gs://`` are.
AWS = "https://{bucket}.s3.amazonaws.com/"
#: The certificate of the other form does not hold for a bucket with dots.
AWS_DOTTED = "https://s3.amazonaws.com/{bucket}"
GOOGLE = "https://storage.googleapis.com/{bucket}"

RECORDS = frozenset({"Contents"})
FIELDS = frozenset(
    {"Key", "Size", "LastModified", "Delimiter", "EncodingType"}
    | {"IsTruncated", "NextMarker", "NextContinuationToken"}
)

#: Version 2 of the question; who knows only version 1 answers that, and the answer says how it goes on.
_ONE_LEVEL = {"list-type": "2", "delimiter": "/", "encoding-type": "url"}
_SHORT = re.compile(r"(?i)(s3|gs)://([a-z0-9][a-z0-9._-]{1,221})(?:/++(.*))?\Z")
_GOOGLE_HOST = "storage.googleapis.com"


def listing_url(url: str) -> str:
    """Where to ask for what the person means by a bucket's URL, ``s3://`` or ``gs://``; empty for others.

    A path below the bucket is a prefix, unless it is that of a page that somebody put there.
    """
    short = _SHORT.match(url)
    if short:
        bucket, prefix = short[2], (short[3] or "").partition("#")[0]
        form = GOOGLE if short[1].lower() == "gs" else AWS_DOTTED if "." in bucket else AWS
        return _asking(form.format(bucket=bucket), prefix)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or parts.path.endswith((".html", ".htm")):
        return ""
    path = unquote(parts.path).lstrip("/")
    bucket_in_host = _bucket_in(host)
    if bucket_in_host:
        return _asking(urlunsplit(parts._replace(path="/")), path)
    if bucket_in_host is not None and path:
        bucket, _, prefix = path.partition("/")
        return _asking(urlunsplit(parts._replace(path=f"/{quote(bucket)}")), prefix)
    return ""


def _bucket_in(host: str) -> str | None:
    """Return the bucket in a host of S3 or of Google's storage, "" if it is in the path; None for others."""
    if host == _GOOGLE_HOST:
        return ""
    return host.removesuffix(f".{_GOOGLE_HOST}") if host.endswith(f".{_GOOGLE_HOST}") else bucket_of(host)


def _asking(bucket_url: str, prefix: str) -> str:
    changes = {**_ONE_LEVEL, "marker": None, "continuation-token": None}
    if prefix:
        changes["prefix"] = prefix if prefix.endswith("/") else f"{prefix}/"
    return with_query(bucket_url, changes)


def read_bucket(document: Document, base_url: str, source: str) -> Listing:
    """The keys right below the prefix that ``base_url`` asks for, and where the listing goes on.

    When nobody asked for one level only, what goes on is that question itself. ETag is not taken for a
    hash: it is the MD5 of some uploads, and something else of others.
    """
    query = parse_qs(urlsplit(base_url).query)
    if "delimiter" not in query and "Delimiter" not in document.fields:
        return Listing(next=_asking(base_url, ""))
    encoded = document.fields.get("EncodingType", "").lower() == "url"
    prefix = query.get("prefix", [""])[0]
    keys = [_decoded(record.fields.get("Key", ""), encoded) for record in document.records]
    url_of = urls_below(base_url)
    files = tuple(
        _file(key, record, url_of(key), source)
        for key, record in zip(keys, document.records, strict=True)
        if is_right_below(prefix, key)
    )
    return Listing(files=files, next=_next(document, keys, base_url, encoded=encoded))


def is_right_below(prefix: str, key: str) -> bool:
    """Whether ``key`` is a file of the directory that ``prefix`` stands for, not of one below it."""
    rest = key.removeprefix(prefix)
    return bool(rest) and "/" not in rest


def _decoded(text: str, encoded: bool) -> str:
    # A space is a plus there, and a plus is %2B.
    return unquote_plus(text) if encoded else text


def _file(key: str, record: Record, url: str, source: str) -> RemoteFile:
    size, excess = bounded.listed_size_text(record.fields.get("Size", ""))
    return RemoteFile(
        filename=key.rpartition("/")[2],
        url=url,
        size=size,
        source=source,
        modified=bounded.moment(record.fields.get("LastModified")),
        refused=excess,
    )


def _next(document: Document, keys: list[str], base_url: str, *, encoded: bool) -> str:
    fields = document.fields
    if token := fields.get("NextContinuationToken", ""):
        return with_query(base_url, {"continuation-token": token})
    if marker := _decoded(fields.get("NextMarker", ""), encoded):
        return with_query(base_url, {"marker": marker})
    if fields.get("IsTruncated", "").strip().lower() != "true":
        return ""
    if not keys:
        raise ListingError(f"{printable_url(base_url)} is cut off, and does not say where it goes on")
    return with_query(base_url, {"marker": keys[-1]})
