"""What an answer says by which its bytes can be recognized later. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from wheel_uploader import bounded

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,200}"\Z')


def etag(headers: Mapping[str, str]) -> str:
    """The ETag, when it is one."""
    said = headers.get("etag", "")
    return said if _ETAG.match(said) else ""


def last_modified(headers: Mapping[str, str]) -> str:
    """Last-Modified, when it can stand for these bytes.

    A file that was written in the second of the answer may be written again in that second, and would then
    have the same date (RFC 9110, 8.8.2.2).
    """
    text = headers.get("last-modified", "")
    answered, changed = bounded.moment(headers.get("date")), bounded.moment(text)
    if answered is None or changed is None:
        return ""
    return text if answered - changed > timedelta(seconds=1) else ""
