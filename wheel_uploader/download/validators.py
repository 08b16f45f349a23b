"""Validators in response headers (ETag and Last-Modified), by which the same bytes are recognized later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from wheel_uploader.core import bounds

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"\Z')


def get_etag(headers: Mapping[str, str]) -> str:
    """Return the ETag; empty if it is missing or malformed."""
    value = headers.get("etag", "")
    return value if _ETAG.match(value) else ""


def get_last_modified(headers: Mapping[str, str]) -> str:
    """Return Last-Modified if it identifies these bytes; else an empty string.

    A file that was written in the second of the response may be written again in that second, and would then
    have the same date (RFC 9110, 8.8.2.2).
    """
    value = headers.get("last-modified", "")
    sent_at, modified_at = bounds.parse_listed_date(headers.get("date")), bounds.parse_listed_date(value)
    if sent_at is None or modified_at is None:
        return ""
    return value if sent_at - modified_at > timedelta(seconds=1) else ""
