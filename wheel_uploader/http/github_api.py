"""A client of GitHub's API: github.com, GitHub Enterprise, and the token from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wheel_uploader.core.errors import CredentialsError, HttpStatusError, ListingError, NothingFoundError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import register_secret, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, urlsplit
from wheel_uploader.http.hostnames import is_loopback_host

if TYPE_CHECKING:
    # Not imported at run time: a target only has to recognize its URLs before one is chosen.
    from wheel_uploader.http.client import Body, HttpClient, Page

#: URL of github.com's API; tests replace it.
API_URL = "https://api.github.com"
#: Entries on one page of a list; GitHub's maximum.
PER_PAGE = 100

_GITHUB_HOSTS = frozenset({"github.com", "www.github.com", "api.github.com"})
#: Domain of GitHub Enterprise Cloud with data residency, whose API has a separate host.
_ENTERPRISE_CLOUD_DOMAIN = ".ghe.com"
#: Variables with a token, for github.com and for GitHub Enterprise Server; those of gh take precedence.
_TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKEN_VARIABLES = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
_ACCEPT = "application/vnd.github+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryLocation:
    """The location of a repository, or of a page below it, on github.com or an Enterprise Server."""

    #: Host of the site, or of github.com's API.
    host: str
    #: Path that begins with ``/OWNER/REPO``, with the prefix of the API removed.
    path: str
    #: ``http`` only for an Enterprise Server on this machine.
    scheme: str = "https"

    @property
    def is_enterprise(self) -> bool:
        """True for a GitHub Enterprise Server."""
        return self.host not in _GITHUB_HOSTS

    @property
    def site_url(self) -> str:
        """The URL of the site, without a path."""
        return f"{self.scheme}://{self.host}" if self.is_enterprise else "https://github.com"

    @property
    def uploads_url(self) -> str:
        """The URL of the host that some sites have for uploads, without a path."""
        scheme, _, host = self.site_url.partition("://")
        return f"{scheme}://uploads.{host}"

    def build_api_url(self, github_api_url: str = API_URL) -> str:
        """Return the URL of the API without a trailing slash; ``github_api_url`` is that of github.com."""
        if not self.is_enterprise:
            return github_api_url
        if self.host.endswith(_ENTERPRISE_CLOUD_DOMAIN):
            return f"{self.scheme}://api.{self.host}"
        return f"{self.scheme}://{self.host}/api/v3"


def parse_repository_url(url: str) -> RepositoryLocation:
    """Return the location that a URL of GitHub's site or API refers to. Raises UnclaimedUrl for other URLs.

    An Enterprise Server is recognized by GITHUB_SERVER_URL, which Actions sets, or by GH_HOST of gh.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise UnclaimedUrl from None
    if parts.scheme not in {"http", "https"}:
        raise UnclaimedUrl
    if host in _GITHUB_HOSTS:
        path = parts.path.removeprefix("/repos") if host == "api.github.com" else parts.path
        return RepositoryLocation(host=host, path=path)
    if host and host in {_get_actions_host(), os.environ.get("GH_HOST", "").lower()}:
        return RepositoryLocation(
            host=parts.netloc.rpartition("@")[2],
            path=parts.path.removeprefix("/api/v3/repos"),
            scheme=parts.scheme if is_loopback_host(host) else "https",
        )
    raise UnclaimedUrl


def _get_actions_host() -> str:
    """Return the host of the GitHub whose Actions job runs this process; empty outside of Actions."""
    try:
        return urlsplit(os.environ.get("GITHUB_SERVER_URL", "")).hostname or ""
    except ValueError:
        return ""


def choose_token_variables(host: str) -> tuple[str, ...]:
    """Return the variables to read a token for ``host`` from; GITHUB_TOKEN of Actions is for its own host."""
    own_host = _get_actions_host() or "github.com"
    if host in _GITHUB_HOSTS:
        return _TOKEN_VARIABLES if own_host in _GITHUB_HOSTS else _TOKEN_VARIABLES[:1]
    own_variables = _TOKEN_VARIABLES[1:] if host.partition(":")[0] == own_host else ()
    return (*_ENTERPRISE_TOKEN_VARIABLES, *own_variables)


class GitHubApi:
    """A client of GitHub's API, which sends the token of the environment to the API and to no other URL."""

    def __init__(
        self, http: HttpClient, base_url: str, location: RepositoryLocation, token: tuple[str, str] = ("", "")
    ) -> None:
        """Create a client; ``token``: the variable that has another token, and the token."""
        self._http = http
        #: URL of the API, without a trailing slash.
        self.base_url = location.build_api_url(base_url)
        self.token_variables = choose_token_variables(location.host)
        variables = ((name, os.environ.get(name, "").strip()) for name in self.token_variables)
        #: The token and the variable that has it; both are empty without a token.
        self.token_variable, self.token = next((pair for pair in (token, *variables) if pair[1]), ("", ""))
        if self.token:
            register_secret(self.token)
            self.send_token_to(f"{self.base_url}/")

    def send_token_to(self, url_prefix: str) -> None:
        """Send the token to URLs that start with ``url_prefix`` as well."""
        if self.token:
            self._http.add_headers(url_prefix, {"authorization": f"Bearer {self.token}"})

    def build_url(self, path: str) -> str:
        """Return the URL of the API for ``path``, which begins with ``OWNER/REPO``."""
        return f"{self.base_url}/repos/{path}"

    def get(self, url: str) -> Page:
        """Return a page of the API. Raises NothingFoundError for status 404, with a hint at likely causes."""
        try:
            return self._http.get(url, accept=_ACCEPT)
        except CredentialsError:
            raise CredentialsError(
                f"{strip_url(url)} rejected the token in "
                f"{self.token_variable or ' or '.join(self.token_variables)}",
                hint="Renew the token, or unset the variable: public repositories need no token.",
            ) from None
        except HttpStatusError as error:
            token = self.token_variables[-1]
            if error.status in {404, 410}:
                token_hint = "" if self.token else f" A private repository needs a token in {token}."
                raise NothingFoundError(
                    f"{strip_url(url)} was not found (status {error.status})",
                    hint=f"Check the owner, repository and tag.{token_hint}",
                ) from None
            if error.status in {403, 429} and not self.token:
                hint = f"GitHub allows few requests without a token: set {token}."
                raise error.with_details(hint=hint) from None
            raise

    def send(
        self,
        method: str,
        url: str,
        *,
        content: Body = b"",
        size: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Send one request and return its response, whatever the status; see ``HttpClient.send``."""
        return self._http.send(
            method, url, content=content, size=size, headers={"accept": _ACCEPT, **(headers or {})}
        )


def get_entries(data: object, key: str, source: str) -> list[dict[str, Any]]:
    """Return the objects of a list that the API returned, bare or under ``key``. Raises ListingError."""
    values = data.get(key) if isinstance(data, dict) else data
    if not isinstance(values, list):
        raise ListingError(f"{source} returned JSON without a list of {key}")
    return [entry for entry in values if isinstance(entry, dict)]
