"""GitHub's API, of github.com or an Enterprise Server, with the token of the environment; and releases."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wheel_uploader import bounded
from wheel_uploader.display import bare_url, remember_secret
from wheel_uploader.errors import CredentialsError, HttpStatus, ListingError, NothingFoundError
from wheel_uploader.http import Http, Page
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources import paging
from wheel_uploader.sources.base import Listing, digests, with_query
from wheel_uploader.sources.simple import load
from wheel_uploader.urls import parse_qs, quote, unquote, urljoin, urlsplit

#: Entries on one page of a list: the most that GitHub gives.
PER_PAGE = 100

_NUMBER = re.compile(r"[0-9]{1,18}\Z")

_GITHUB = frozenset({"github.com", "www.github.com", "api.github.com"})
#: Variables with a token: for github.com, and for a GitHub Enterprise Server; gh's own names first.
_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKENS = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of some GitHub, and what its URL says besides."""

    #: Of github.com itself, or of an Enterprise Server.
    host: str
    #: From ``/OWNER/REPO`` on, of the site or of the API.
    path: str

    @property
    def is_enterprise(self) -> bool:
        return self.host not in _GITHUB


def repository(url: str) -> Repository | None:
    """What a URL of a GitHub's site or API is about; None for other URLs.

    An Enterprise Server is known by the variables that Actions (GITHUB_SERVER_URL) or gh (GH_HOST) have.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"}:
        return None
    if host in _GITHUB:
        path = parts.path.removeprefix("/repos") if host == "api.github.com" else parts.path
        return Repository(host=host, path=path)
    if host and host in {_runs_on(), os.environ.get("GH_HOST", "").lower()}:
        return Repository(host=parts.netloc.rpartition("@")[2], path=parts.path.removeprefix("/api/v3/repos"))
    return None


def _runs_on() -> str:
    """The host of the GitHub whose Actions run us; empty elsewhere."""
    try:
        return urlsplit(os.environ.get("GITHUB_SERVER_URL", "")).hostname or ""
    except ValueError:
        return ""


def _variables(host: str) -> tuple[str, ...]:
    """Where a token for the GitHub at ``host`` is found: the one that Actions give is for their own."""
    at_home = _runs_on() or "github.com"
    if host in _GITHUB:
        return _TOKENS if at_home in _GITHUB else _TOKENS[:1]
    return (*_ENTERPRISE_TOKENS, *(_TOKENS[1:] if host.partition(":")[0] == at_home else ()))


class Api:
    """Requests to a GitHub's API. The token of the environment goes there, and nowhere else."""

    def __init__(self, http: Http, base: str, where: Repository) -> None:
        self._http = http
        #: Without a slash at its end.
        self.base = f"https://{where.host}/api/v3" if where.is_enterprise else base
        self._variables = _variables(where.host)
        found = (os.environ.get(name, "").strip() for name in self._variables)
        self.token = next(filter(None, found), "")
        if self.token:
            remember_secret(self.token)
            http.add_headers(f"{self.base}/", {"authorization": f"Bearer {self.token}"})

    def url(self, path: str) -> str:
        return f"{self.base}/repos/{path}"

    def get(self, url: str) -> Page:
        """An answer of the API. Raises NothingFoundError for 404, with what may be behind it."""
        try:
            return self._http.get(url, accept="application/vnd.github+json")
        except CredentialsError:
            raise CredentialsError(
                f"{bare_url(url)} refuses the token in {' or '.join(self._variables)}",
                hint="Renew it, or unset the variable: what is public needs none.",
            ) from None
        except HttpStatus as error:
            token = self._variables[-1]
            if error.status in {404, 410}:
                more = "" if self.token else f" A private repository needs a token in {token}."
                raise NothingFoundError(
                    f"there is nothing at {bare_url(url)} (the server answers {error.status})",
                    hint=f"Check owner, repository and tag.{more}",
                ) from None
            if error.status in {403, 429} and not self.token:
                error.hint = f"GitHub allows few requests without a token: set {token}."
            raise


def entries(data: object, key: str, source: str) -> list[dict[str, Any]]:
    """The objects in a list of the API, which may stand below ``key``. Raises ListingError."""
    found = data.get(key) if isinstance(data, dict) else data
    if not isinstance(found, list):
        raise ListingError(f"{source} answers with JSON that has no list of {key}")
    return [entry for entry in found if isinstance(entry, dict)]


def next_page(url: str, count: int) -> str:
    """The URL of the page after one with ``count`` entries; empty when it was not full."""
    if count < PER_PAGE:
        return ""
    page = parse_qs(urlsplit(url).query).get("page", ["1"])[0]
    return with_query(url, {"page": str(int(page) + 1 if _NUMBER.match(page) else 2)})


class GitHubRelease:
    """The assets of one release of a repository."""

    #: Where the API is; tests have another.
    api = "https://api.github.com"

    def __init__(self, url: str, http: Http) -> None:
        self._http = http
        self._url = url

    @staticmethod
    def claims(url: str) -> bool:
        return bool(_api_path(url))

    def files(self, project: str) -> Iterator[RemoteFile]:  # noqa: ARG002 (a release is of one repository)
        """Every asset; with a token by the API, which gives those of drafts and private repositories too."""
        where = repository(self._url)
        assert where  # noqa: S101 - or it would not have been claimed
        api = Api(self._http, self.api, where)
        path = api.url(_api_path(self._url))
        releases, _, number = path.rpartition("/")
        if not _NUMBER.match(number) or releases.endswith("/tags"):
            releases = path[: path.rindex("/releases/")] + "/releases"
            number = self._found(api, path, releases)
        by_api = f"{api.base}/" if api.token else ""
        url = f"{releases}/{number}/assets?per_page={PER_PAGE}"
        for _, listing in paging.pages(url, api.get, lambda page: _read(page, by_api)):
            for file in listing.files:
                if by_api and file.url.startswith(by_api):
                    # Without it the API would describe the asset.
                    self._http.add_headers(file.url, {"accept": "application/octet-stream"})
                yield file

    def _found(self, api: Api, path: str, releases: str) -> str:
        """The number of the release at ``path`` of the API, or of the draft for that tag."""
        try:
            return _number(api.get(path))
        except NothingFoundError:
            tag = unquote(path.rpartition("/tags/")[2])
            if not api.token or "/tags/" not in path:
                raise
            # By their tag the API does not give drafts; their own pages are called untagged-...
            for _, listing in paging.pages(f"{releases}?per_page={PER_PAGE}", api.get, _drafts):
                if number := listing.pages.get(tag):
                    return number
            raise


def _drafts(page: Page) -> Listing:
    """The numbers of the draft releases on a page, by their tags and by the last words of their URLs."""
    listed = entries(load(page.text, bare_url(page.url)), "releases", bare_url(page.url))
    drafts = [entry for entry in listed if entry.get("draft") is True and _NUMBER.match(str(entry.get("id")))]
    called = [
        (key, str(entry["id"])) for entry in drafts for key in (entry.get("tag_name"), _last_word(entry))
    ]
    return Listing(
        pages={key: number for key, number in called if isinstance(key, str) and key},
        next=next_page(page.url, len(listed)),
    )


def _last_word(entry: dict[str, Any]) -> str:
    return unquote(str(entry.get("html_url", "")).rpartition("/")[2])


def _api_path(url: str) -> str:
    """Where the API has the release of a URL: ``OWNER/REPO/releases/tags/TAG``; empty for other URLs."""
    where = repository(url)
    words = [word for word in where.path.split("/") if word] if where else []
    owner_repo, rest = words[:2], words[3:]
    if words[2:3] != ["releases"]:
        return ""
    match rest:
        case [] | ["latest", *_]:
            which = "latest"
        case [number] if _NUMBER.match(number):
            which = number
        case ["download", *tag, _] if tag:
            which = _tag(tag)
        case ["tag" | "tags" | "expanded_assets", *tag] if tag:
            which = _tag(tag)
        case _:
            return ""
    return f"{'/'.join(owner_repo)}/releases/{which}"


def _tag(words: list[str]) -> str:
    return f"tags/{quote(unquote('/'.join(words)), safe='')}"


def _number(page: Page) -> str:
    release = load(page.text, bare_url(page.url))
    number = str(release.get("id")) if isinstance(release, dict) else ""
    if not _NUMBER.match(number):
        raise ListingError(f"{bare_url(page.url)} answers with JSON that is no release")
    return number


def _read(page: Page, by_api: str) -> Listing:
    return read_assets(page.text, page.url, bare_url(page.url), by_api)


def read_assets(text: str, base_url: str, source: str, by_api: str = "") -> Listing:
    """The assets on one page, each under the one of its URLs that begins with ``by_api``, if one does."""
    listed = entries(load(text, source), "assets", source)
    files = (_asset(entry, base_url, source, by_api) for entry in listed)
    return Listing(
        files=tuple(file for file in files if file is not None), next=next_page(base_url, len(listed))
    )


def _asset(entry: dict[str, Any], base_url: str, source: str, by_api: str) -> RemoteFile | None:
    name, link, digest = entry.get("name"), entry.get("browser_download_url"), entry.get("digest")
    state, own = entry.get("state"), entry.get("url")
    if not isinstance(name, str) or not isinstance(link, str):
        return None
    try:
        url = urljoin(base_url, link)
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    if scheme not in {"http", "https"}:
        return None
    if by_api and isinstance(own, str) and own.startswith(by_api):
        url = own
    size, refused = bounded.listed_size(entry.get("size"))
    if state != "uploaded":
        refused = f"its upload to GitHub was never finished (state {state})"
    elif size == 0:
        refused = "it is empty on GitHub: its upload was cut off"
    algorithm, _, value = digest.partition(":") if isinstance(digest, str) else ("", "", "")
    return RemoteFile(
        filename=name,
        url=url,
        size=size,
        hashes=digests({algorithm: value}) if value else {},
        source=source,
        modified=bounded.moment(entry.get("updated_at")),
        refused=refused,
    )
