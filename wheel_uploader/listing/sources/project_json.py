"""Parses the JSON description of a project that PyPI and some indexes have: ``/pypi/NAME/json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.facts.listing_page import Listing, describe_withdrawal, normalize_digests, resolve_link


def read_project_json(data: object, base_url: str, source: str) -> Listing | None:
    """Return the files of all described releases, each once; None if ``data`` is not such a description."""
    if not isinstance(data, dict) or not isinstance(data.get("info"), dict):
        return None
    urls, releases = data.get("urls", []), data.get("releases", {})
    if not isinstance(urls, list) or not isinstance(releases, dict) or not {"urls", "releases"} & data.keys():
        return None
    lists = [urls, *(files for files in releases.values() if isinstance(files, list))]
    files = {
        file.url: file
        for entries in lists
        for entry in entries
        if isinstance(entry, dict)
        for file in _read_file(entry, base_url, source)
    }
    return Listing(files=tuple(files.values()))


def _read_file(entry: dict[str, Any], base_url: str, source: str) -> Iterator[RemoteFile]:
    name, link, digests = entry.get("filename"), entry.get("url"), entry.get("digests")
    if not isinstance(name, str) or not isinstance(link, str) or not (url := resolve_link(base_url, link)):
        return
    size, size_error = bounds.parse_listed_size(entry.get("size"))
    withdrawal = describe_withdrawal(entry.get("yanked") and (entry.get("yanked_reason") or True), None, None)
    yield RemoteFile(
        filename=name,
        url=url.partition("#")[0],
        size=size,
        hashes=normalize_digests(
            {key: value for key, value in digests.items() if isinstance(value, str)}
            if isinstance(digests, dict)
            else {}
        ),
        source=source,
        modified_at=bounds.parse_listed_date(entry.get("upload_time_iso_8601")),
        unavailable_reason=withdrawal or size_error,
        is_withdrawn=bool(withdrawal),
    )
