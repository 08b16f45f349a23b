"""Source for the assets of a GitLab release. Its pages are built by scripts, so that the API is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ListingError, NothingFoundError
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, quote, urlsplit
from wheel_uploader.facts import link_names
from wheel_uploader.facts.listing_page import resolve_link
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources import release_tags
from wheel_uploader.listing.sources.base import ReleaseQuery
from wheel_uploader.listing.sources.gitlab_api import (
    GitLabApi,
    ProjectPage,
    can_parse_page,
    get_text,
    parse_project_url,
)

_LATEST = "permalink/latest"


class GitLabReleases:
    """The assets of one release, or of the release that the command asks for. They have no hashes."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self._http = http
        self._page = parse_project_url(url)
        self._tag = _parse_tag(self._page)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a release of a project, or the list of its releases."""
        return can_parse_page(_parse_tag, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the linked assets, and the source archives as files that are not part of a release."""
        api = GitLabApi(self._http, self._page)
        base_url = f"{self._page.api_url}/releases"
        for release in self._select_releases(api, query):
            yield from read_release(release, base_url, strip_url(base_url))

    def _select_releases(self, api: GitLabApi, query: ReleaseQuery) -> list[dict[str, Any]]:
        if self._tag or not query.version:
            tag = _LATEST if self._tag in {"", _LATEST} else quote(self._tag, safe="")
            release = api.get(f"releases/{tag}")
            if not isinstance(release, dict):
                raise ListingError(f"{strip_url(self._page.api_url)} returned JSON that is not a release")
            return [release]
        entries: list[release_tags.ReleaseEntry] = []
        releases: dict[str, dict[str, Any]] = {}
        for release in api.iter_entries("releases"):
            entry = _to_entry(release)
            entries.append(entry)
            releases[entry.identifier] = release
            # The list begins with the newest release, so that the first match is the one.
            if query.version != LATEST_VERSION and release_tags.find_releases([entry], query):
                return [release]
        found = release_tags.find_releases(entries, query) if query.version == LATEST_VERSION else []
        if not found:
            raise NothingFoundError(
                f"no release of {sanitize(f'{query.project} {query.version}'.strip())} "
                f"at {strip_url(self._page.api_url)}",
                hint=release_tags.explain_absence(entries, query),
            )
        return [releases[entry.identifier] for entry in found]


def _parse_tag(page: ProjectPage) -> str:
    """Return the tag of the release that a page is about; empty for the list. Raises UnclaimedUrl."""
    match page.segments:
        case ["releases"]:
            return ""
        case ["releases", "permalink", "latest"]:
            return _LATEST
        case ["releases", *tag] if "downloads" not in tag and tag[-1:] != ["edit"] and tag != ["new"]:
            return "/".join(tag)
        case _:
            raise UnclaimedUrl


def _to_entry(release: Mapping[str, Any]) -> release_tags.ReleaseEntry:
    tag = get_text(release, "tag_name")
    return release_tags.ReleaseEntry(
        tag=tag,
        identifier=tag,
        is_prerelease=release.get("upcoming_release") is True,
        filenames=[file.filename for file in read_release(release, "https://gitlab/", "")],
    )


def read_release(release: Mapping[str, Any], base_url: str, source: str) -> Iterator[RemoteFile]:
    """Yield the files of one release of the API: its links, whose names may be labels, and its archives."""
    assets = release.get("assets")
    if not isinstance(assets, dict):
        return
    date = bounds.parse_listed_date(release.get("released_at"))
    for key in ("links", "sources"):
        entries = assets.get(key)
        for entry in entries if isinstance(entries, list) else []:
            url = resolve_link(base_url, get_text(entry, "url")) if isinstance(entry, dict) else ""
            if not url:
                continue
            parts = urlsplit(url)
            name = link_names.name_link(parts, text=get_text(entry, "name")[: link_names.MAX_TEXT_LENGTH])
            is_archive = key == "sources" or link_names.is_source_archive(parts)
            if name.filename:
                yield RemoteFile(
                    filename=name.filename,
                    url=url.partition("#")[0],
                    source=source,
                    modified_at=date,
                    exclusion_reason=link_names.SOURCE_ARCHIVE_REASON if is_archive else "",
                )
