"""The client of GitLab's API that its sources share, and the parser of the URLs of a project."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from wheel_uploader.core.errors import HttpStatusError, ListingError, NothingFoundError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import register_secret, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, quote, unquote, urlsplit, urlunsplit
from wheel_uploader.facts.index_pages import load_listing_json
from wheel_uploader.facts.listing_page import Listing
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.listing.sources import pagination
from wheel_uploader.listing.sources.base import set_query_parameters

#: Entries on one page of a list; GitLab's maximum.
_PER_PAGE = "100"
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_API_PATH = re.compile(r"/api/v4/projects/([^/]+)/(.*)\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """A page of a project, on gitlab.com or any other host: the paths of GitLab's pages are the same."""

    #: URL of the project in the API, without a trailing slash.
    api_url: str
    #: URL of the project's pages, ending with ``/-/``; empty if it was given by its number.
    site_url: str
    #: The segments after ``/-/``, or after the project in the API; encoded characters are decoded.
    segments: Sequence[str]


def parse_project_url(url: str) -> ProjectPage:
    """Return the page of a project that a URL of GitLab's site or API refers to. Raises UnclaimedUrl."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UnclaimedUrl from None
    if parts.scheme not in {"http", "https"}:
        raise UnclaimedUrl
    match = _API_PATH.match(parts.path)
    if match:
        project, rest = unquote(match[1]), match[2]
    else:
        encoded_project, separator, rest = parts.path.removeprefix("/").partition("/-/")
        project = unquote(encoded_project)
        # A project is always in a group or a user's namespace.
        if not separator or len(groups := project.split("/")) < 2 or not all(groups):
            raise UnclaimedUrl
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return ProjectPage(
        api_url=urlunsplit(bare._replace(path=f"/api/v4/projects/{quote(project, safe='')}")),
        site_url="" if _NUMBER.match(project) else urlunsplit(bare._replace(path=f"/{quote(project)}/-/")),
        segments=[unquote(segment) for segment in rest.split("/") if segment],
    )


def send_token(http: HttpClient, url: str) -> None:
    """Send the token of the environment for the host of ``url``, if there is one, to URLs below ``url``.

    GITLAB_TOKEN is for gitlab.com, and CI_JOB_TOKEN for the server that runs this job.
    """
    for host, variable, header in (
        ("gitlab.com", "GITLAB_TOKEN", "private-token"),
        (os.environ.get("CI_SERVER_HOST", ""), "CI_JOB_TOKEN", "job-token"),
    ):
        token = os.environ.get(variable, "").strip()
        if token and urlsplit(url).hostname == host:
            register_secret(token)
            http.add_headers(url, {header: token})


class GitLabApi:
    """A client of the API for one project."""

    def __init__(self, http: HttpClient, page: ProjectPage) -> None:
        self._http = http
        self._url = page.api_url
        # Assets of a release have the number of the project in their URL, or are of another project.
        send_token(http, f"{page.api_url.rpartition('/projects/')[0]}/")

    def get(self, path: str, **parameters: str | None) -> Any:
        """Return the decoded JSON at ``path`` below the project. Raises NothingFoundError for status 404."""
        page = self._fetch(set_query_parameters(f"{self._url}/{path}", parameters))
        return load_listing_json(page.text, strip_url(page.url))

    def iter_entries(self, path: str, **parameters: str | None) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, from all of its pages. Raises ListingError or NothingFoundError."""
        url = set_query_parameters(f"{self._url}/{path}", {**parameters, "per_page": _PER_PAGE})
        for page, _ in pagination.iter_pages(url, self._fetch, _find_next_page):
            data = load_listing_json(page.text, strip_url(page.url))
            if not isinstance(data, list):
                raise ListingError(f"{strip_url(page.url)} returned JSON that is not a list")
            yield from (entry for entry in data if isinstance(entry, dict))

    def _fetch(self, url: str) -> Page:
        try:
            return self._http.get(url, accept="application/json")
        except HttpStatusError as error:
            if error.status not in {404, 410}:
                raise
            raise NothingFoundError(
                f"{strip_url(url)} was not found (status {error.status})",
                hint="Check the URL. A private project needs a token: GITLAB_TOKEN for gitlab.com, "
                "CI_JOB_TOKEN in a CI job, or WHEEL_UPLOADER_URL_TOKEN.",
            ) from None


def _find_next_page(page: Page) -> Listing:
    number = page.headers.get("x-next-page", "").strip()
    return Listing(next_url=set_query_parameters(page.url, {"page": number}) if _NUMBER.match(number) else "")


def get_text(entry: Mapping[str, Any], key: str) -> str:
    """Return a string of a JSON object; empty if it has none."""
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def get_number(entry: Mapping[str, Any], key: str) -> str:
    """Return an id of a JSON object as text; empty if it has none."""
    value = entry.get(key)
    return str(value) if type(value) is int and _NUMBER.match(str(value)) else ""


def can_parse_page(parse: Callable[[ProjectPage], object], url: str) -> bool:
    """Return whether ``parse`` accepts the page of a project at ``url`` instead of raising UnclaimedUrl."""
    try:
        parse(parse_project_url(url))
    except UnclaimedUrl:
        return False
    return True
