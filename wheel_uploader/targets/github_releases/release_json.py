"""Parses releases and their assets in the JSON of GitHub's API. Everything in it is untrusted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import unquote
from wheel_uploader.facts.index_pages import load_listing_json
from wheel_uploader.facts.listing_page import normalize_digests
from wheel_uploader.http.github_api import get_entries

_MAX_ID = 10**18
_FULL_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\Z")
_MAX_TEXT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of a release, as the API describes it."""

    id: int
    name: str
    #: ``uploaded``, or ``starter`` and ``open`` for an upload that is not finished.
    state: str
    size: int | None
    #: Hex sha256; empty if the API does not know it, as on older Enterprise Servers.
    sha256: str = ""
    #: The URL for users.
    download_url: str = ""

    @property
    def is_unfinished(self) -> bool:
        """True for the rest of an upload that failed, which blocks its name."""
        return self.state != "uploaded" or self.size == 0

    def describe(self) -> str:
        """Return the name, the state and the size, for messages."""
        return f"{sanitize(self.name, limit=300)} (state {sanitize(self.state, limit=40)}, {self.size} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRelease:
    """A release or a draft, as the API describes it."""

    id: int
    tag: str
    is_draft: bool
    #: True if GitHub accepts no changes any more.
    is_immutable: bool = False
    #: The URL for uploads, with a template for the parameters.
    upload_url: str = ""
    page_url: str = ""
    assets: tuple[Asset, ...] = ()

    @property
    def page_name(self) -> str:
        """The last segment of the URL of its page."""
        return unquote(self.page_url).rpartition("/")[2]

    @property
    def shown_tag(self) -> str:
        """The tag for messages."""
        return sanitize(self.tag, limit=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository, as the API describes it."""

    full_name: str
    is_private: bool


def read_repository(text: str, source: str) -> Repository:
    """Return the repository in a response. Raises ListingError."""
    data = load_listing_json(text, source)
    if not isinstance(data, dict) or not _FULL_NAME.match(_get_text(data, "full_name")):
        raise ListingError(f"{source} returned JSON that does not describe a repository")
    return Repository(full_name=data["full_name"], is_private=data.get("private") is True)


def read_release(text: str, source: str) -> GitHubRelease:
    """Return the release in a response. Raises ListingError."""
    release = _parse_release(load_listing_json(text, source))
    if release is None:
        raise ListingError(f"{source} returned JSON that does not describe a release")
    return release


def read_releases(text: str, source: str) -> tuple[int, Sequence[GitHubRelease]]:
    """Return the number of entries on a page of releases, and the releases. Raises ListingError."""
    entries = get_entries(load_listing_json(text, source), "releases", source)
    return len(entries), [release for release in map(_parse_release, entries) if release]


def read_asset(text: str, source: str) -> Asset:
    """Return the asset in a response. Raises ListingError."""
    asset = _parse_asset(load_listing_json(text, source))
    if asset is None:
        raise ListingError(f"{source} returned JSON that does not describe an asset")
    return asset


def read_assets(text: str, source: str) -> tuple[int, Sequence[Asset]]:
    """Return the number of entries on a page of assets, and the assets. Raises ListingError."""
    entries = get_entries(load_listing_json(text, source), "assets", source)
    return len(entries), [asset for asset in map(_parse_asset, entries) if asset]


def _parse_release(data: Any) -> GitHubRelease | None:
    if not isinstance(data, dict) or not _is_id(data.get("id")) or not isinstance(data.get("draft"), bool):
        return None
    assets = data.get("assets")
    return GitHubRelease(
        id=data["id"],
        tag=_get_text(data, "tag_name"),
        is_draft=data["draft"],
        is_immutable=data.get("immutable") is True,
        upload_url=_get_text(data, "upload_url"),
        page_url=_get_text(data, "html_url"),
        assets=tuple(filter(None, map(_parse_asset, assets if isinstance(assets, list) else []))),
    )


def _parse_asset(data: Any) -> Asset | None:
    if not isinstance(data, dict) or not _is_id(data.get("id")) or not _get_text(data, "name"):
        return None
    algorithm, _, digest = _get_text(data, "digest").partition(":")
    return Asset(
        id=data["id"],
        name=_get_text(data, "name"),
        state=_get_text(data, "state"),
        size=bounds.parse_listed_size(data.get("size")).bytes,
        sha256=normalize_digests({algorithm: digest}).get("sha256", ""),
        download_url=_get_text(data, "browser_download_url"),
    )


def _get_text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return value[:_MAX_TEXT] if isinstance(value, str) else ""


def _is_id(value: object) -> bool:
    return type(value) is int and 0 < value < _MAX_ID
