"""Parses the JSON of releases in the API of Forgejo and Gitea, which has the form of GitHub's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.facts.listing_page import Listing, normalize_digests, resolve_link


def read_forge_releases(data: object, base_url: str, source: str) -> Listing | None:
    """Return the assets of a release, or of a list of releases; None if ``data`` is neither."""
    releases: list[Any] = data if isinstance(data, list) else [data]
    if releases and all(map(_is_asset, releases)):
        releases = [{"assets": releases}]
    elif not releases or not all(map(_is_release, releases)):
        return None
    return Listing(
        files=tuple(file for release in releases for file in _iter_assets(release, base_url, source))
    )


def _is_release(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("tag_name"), str)
        and isinstance(value.get("assets"), list)
    )


def _is_asset(value: object) -> bool:
    """Return whether a value is an attachment of a release, as its own list has them."""
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) for key in ("name", "browser_download_url")
    )


def _iter_assets(release: dict[str, Any], base_url: str, source: str) -> Iterator[RemoteFile]:
    for asset in release["assets"]:
        name, link = (
            (asset.get("name"), asset.get("browser_download_url")) if isinstance(asset, dict) else ("", "")
        )
        url = resolve_link(base_url, link) if isinstance(name, str) and isinstance(link, str) else ""
        if not name or not url:
            continue
        size, unavailable_reason = bounds.parse_listed_size(asset.get("size"))
        state = asset.get("state", "uploaded")
        if state != "uploaded" or size == 0:
            shown_state = f" (state {sanitize(str(state), limit=40)})" if state != "uploaded" else ""
            unavailable_reason = f"its upload never finished{shown_state}"
        algorithm, _, digest = str(asset.get("digest") or "").partition(":")
        yield RemoteFile(
            filename=name,
            url=url,
            size=size,
            hashes=normalize_digests({algorithm: digest}),
            source=source,
            modified_at=bounds.parse_listed_date(asset.get("updated_at") or asset.get("created_at")),
            unavailable_reason=unavailable_reason,
        )
