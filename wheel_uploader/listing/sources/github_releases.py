"""Source for the assets of a GitHub release, on github.com or GitHub Enterprise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import ListingError, NothingFoundError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, parse_qs, quote, unquote, urlsplit
from wheel_uploader.facts.index_pages import load_listing_json
from wheel_uploader.facts.listing_page import Listing, normalize_digests, resolve_link
from wheel_uploader.http import github_api
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.http.github_api import (
    PER_PAGE,
    GitHubApi,
    RepositoryLocation,
    get_entries,
    parse_repository_url,
)
from wheel_uploader.listing.sources import pagination, release_tags
from wheel_uploader.listing.sources.base import ReleaseQuery, can_parse, set_query_parameters

_NUMBER = re.compile(r"[0-9]{1,18}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReference:
    """A release that a URL of GitHub refers to."""

    location: RepositoryLocation
    #: Path of the API, like ``OWNER/REPO/releases/tags/TAG``; ``OWNER/REPO/releases`` for all of them.
    api_path: str
    #: The name of the only asset that the URL refers to; empty for all assets.
    asset_name: str = ""


def next_page_url(url: str, count: int) -> str:
    """Return the URL of the page after ``url``; empty if ``count`` entries do not fill the page."""
    if count < PER_PAGE:
        return ""
    page = parse_qs(urlsplit(url).query).get("page", ["1"])[0]
    return set_query_parameters(url, {"page": str(int(page) + 1 if _NUMBER.match(page) else 2)})


class GitHubRelease:
    """The assets of one release of a GitHub repository."""

    #: URL of the API; tests replace it.
    api_url = github_api.API_URL

    def __init__(self, url: str, http: HttpClient) -> None:
        self._http = http
        self._release = parse_release_url(url)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a release, or an asset of one."""
        return can_parse(parse_release_url, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield every asset, with its API URL if a token is set: it also serves drafts and private assets.

        If the URL is that of all releases, ``query`` decides which of them is read.
        """
        api = GitHubApi(self._http, self.api_url, self._release.location)
        path = api.build_url(self._release.api_path)
        base, _, selector = path.rpartition("/releases")
        releases = f"{base}/releases"
        if not selector and query.version:
            release_ids = self._find_by_version(api, releases, query)
        elif _NUMBER.match(selector.removeprefix("/")):
            release_ids = [selector.removeprefix("/")]
        else:
            release_ids = [self._find_release_id(api, path if selector else f"{path}/latest", releases)]
        asset_name, found = self._release.asset_name, False
        for release_id in release_ids:
            for file in self._iter_assets(api, f"{releases}/{release_id}/assets?per_page={PER_PAGE}"):
                if not asset_name or asset_name in {
                    file.filename,
                    filenames.attested_filename(file.filename),
                }:
                    found = True
                    yield file
        if asset_name and not found:
            raise NothingFoundError(
                f"the release at {strip_url(path)} has no asset {sanitize(asset_name, limit=300)}",
                hint="Pass the URL of the release itself, or of one of its assets.",
            )

    def _iter_assets(self, api: GitHubApi, url: str) -> Iterator[RemoteFile]:
        api_prefix = f"{api.base_url}/" if api.token else ""
        for _, listing in pagination.iter_pages(url, api.get, lambda page: _read_page(page, api_prefix)):
            for file in listing.files:
                if api_prefix and file.url.startswith(api_prefix):
                    # By default the API returns a description of the asset as JSON.
                    self._http.add_headers(file.url, {"accept": "application/octet-stream"})
                yield file

    def _find_by_version(self, api: GitHubApi, releases: str, query: ReleaseQuery) -> list[str]:
        """Return the ids of the releases of the version in ``query``. Raises NothingFoundError."""
        entries: list[release_tags.ReleaseEntry] = []
        for page, _ in pagination.iter_pages(f"{releases}?per_page={PER_PAGE}", api.get, _read_next_page):
            entries += read_releases(page.text, strip_url(page.url))
            # The list begins with the newest release, so that the first match is the one.
            if found := release_tags.find_releases(entries, query):
                return [entry.identifier for entry in found]
        if query.version == LATEST_VERSION and not any(
            release_tags.has_version(entry, query.project) for entry in entries
        ):
            # Neither tags nor assets have versions, so that only GitHub knows which release is the latest.
            return [self._find_release_id(api, f"{releases}/latest", releases)]
        project = f"{sanitize(query.project)} " if query.project else ""
        raise NothingFoundError(
            f"no release of {project}{sanitize(query.version)} at {strip_url(releases)}",
            hint=release_tags.explain_absence(entries, query),
        )

    def _find_release_id(self, api: GitHubApi, path: str, releases: str) -> str:
        """Return the id of the release at ``path`` of the API, or of the draft release for its tag."""
        try:
            return _read_release_id(api.get(path))
        except NothingFoundError:
            tag = unquote(path.rpartition("/tags/")[2])
            if not api.token or "/tags/" not in path:
                raise
            # The API does not find drafts by their tag, and the site calls their pages untagged-...
            for _, listing in pagination.iter_pages(f"{releases}?per_page={PER_PAGE}", api.get, _read_drafts):
                if release_id := listing.subpage_urls.get(tag):
                    return release_id
            raise


def _read_next_page(page: Page) -> Listing:
    source = strip_url(page.url)
    releases = get_entries(load_listing_json(page.text, source), "releases", source)
    return Listing(next_url=next_page_url(page.url, len(releases)))


def read_releases(text: str, source: str) -> list[release_tags.ReleaseEntry]:
    """Return the releases on a page of the API. Raises ListingError."""
    return [
        release_tags.ReleaseEntry(
            tag=str(entry.get("tag_name") or ""),
            identifier=str(entry["id"]),
            is_prerelease=entry.get("prerelease") is True,
            is_draft=entry.get("draft") is True,
            filenames=[
                asset["name"]
                for asset in entry.get("assets") or []
                if isinstance(asset, dict) and isinstance(asset.get("name"), str)
            ],
        )
        for entry in get_entries(load_listing_json(text, source), "releases", source)
        if _NUMBER.match(str(entry.get("id")))
    ]


def _read_drafts(page: Page) -> Listing:
    """Return the ids of the draft releases on a page, by tag and by the last segment of their URL."""
    releases = get_entries(load_listing_json(page.text, strip_url(page.url)), "releases", strip_url(page.url))
    drafts = [
        release
        for release in releases
        if release.get("draft") is True and _NUMBER.match(str(release.get("id")))
    ]
    ids_by_name = [
        (name, str(draft["id"]))
        for draft in drafts
        for name in (draft.get("tag_name"), _get_last_url_segment(draft))
    ]
    return Listing(
        subpage_urls={name: release_id for name, release_id in ids_by_name if isinstance(name, str) and name},
        next_url=next_page_url(page.url, len(releases)),
    )


def _get_last_url_segment(release: dict[str, Any]) -> str:
    return unquote(str(release.get("html_url", "")).rpartition("/")[2])


def parse_release_url(url: str) -> ReleaseReference:
    """Return the release that a URL of GitHub's site or API refers to. Raises UnclaimedUrl for other URLs."""
    location = parse_repository_url(url)
    segments = [segment for segment in location.path.split("/") if segment]
    owner_repo, rest = segments[:2], segments[3:]
    if segments[2:3] != ["releases"]:
        raise UnclaimedUrl
    asset_name = ""
    match rest:
        case []:
            release_path = ""
        case ["latest", *names]:
            release_path = "/latest"
            asset_name = unquote("".join(names[1:])) if names[:1] == ["download"] else ""
        case [number] if _NUMBER.match(number):
            release_path = f"/{number}"
        case ["download", *tag, name] if tag:
            release_path, asset_name = _build_tag_path(tag), unquote(name)
        case ["tag" | "tags" | "expanded_assets", *tag] if tag:
            release_path = _build_tag_path(tag)
        case _:
            raise UnclaimedUrl
    return ReleaseReference(
        location=location,
        api_path=f"{'/'.join(owner_repo)}/releases{release_path}",
        asset_name=asset_name,
    )


def _build_tag_path(segments: list[str]) -> str:
    return f"/tags/{quote(unquote('/'.join(segments)), safe='')}"


def _read_release_id(page: Page) -> str:
    release = load_listing_json(page.text, strip_url(page.url))
    release_id = str(release.get("id")) if isinstance(release, dict) else ""
    if not _NUMBER.match(release_id):
        raise ListingError(f"{strip_url(page.url)} returned JSON that does not describe a release")
    return release_id


def _read_page(page: Page, api_prefix: str) -> Listing:
    return read_assets(page.text, page.url, strip_url(page.url), api_prefix)


def read_assets(text: str, base_url: str, source: str, api_prefix: str = "") -> Listing:
    """Return a page of assets as a listing.

    An asset has its API URL if that begins with a non-empty ``api_prefix``, and its download URL otherwise.
    """
    assets = get_entries(load_listing_json(text, source), "assets", source)
    files = (_parse_asset(asset, base_url, source, api_prefix) for asset in assets)
    return Listing(
        files=tuple(file for file in files if file is not None), next_url=next_page_url(base_url, len(assets))
    )


def _parse_asset(entry: dict[str, Any], base_url: str, source: str, api_prefix: str) -> RemoteFile | None:
    name, link, digest = entry.get("name"), entry.get("browser_download_url"), entry.get("digest")
    state, api_url = entry.get("state"), entry.get("url")
    if not isinstance(name, str) or not isinstance(link, str):
        return None
    url = resolve_link(base_url, link)
    if not url:
        return None
    if api_prefix and isinstance(api_url, str) and api_url.startswith(api_prefix):
        url = api_url
    size, unavailable_reason = bounds.parse_listed_size(entry.get("size"))
    if state != "uploaded":
        unavailable_reason = f"its upload to GitHub never finished (state {state})"
    elif size == 0:
        unavailable_reason = "it is empty on GitHub: its upload was interrupted"
    algorithm, _, value = digest.partition(":") if isinstance(digest, str) else ("", "", "")
    return RemoteFile(
        filename=name,
        url=url,
        size=size,
        hashes=normalize_digests({algorithm: value}) if value else {},
        source=source,
        modified_at=bounds.parse_listed_date(entry.get("updated_at")),
        unavailable_reason=unavailable_reason,
    )
