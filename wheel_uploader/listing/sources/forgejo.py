"""Source for the assets of releases on large sites with Forgejo or Gitea."""

from __future__ import annotations

from wheel_uploader.core.urls import quote, unquote, urlsplit, urlunsplit
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources.http_listing import HttpListing

#: Sites whose pages are mapped to the API. Other sites are read by their pages, which link to the assets.
_HOSTS = frozenset({"codeberg.org", "gitea.com"})


class ForgejoReleases(HttpListing):
    """The assets of one release, or of all releases, on a large site with Forgejo or Gitea."""

    def __init__(self, url: str, http: HttpClient) -> None:
        super().__init__(build_api_url(url), http)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a release of a repository, or the list of its releases."""
        return bool(build_api_url(url))


def build_api_url(url: str) -> str:
    """Return the API's URL of a page with releases; empty for other URLs."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or host not in _HOSTS:
        return ""
    match [unquote(segment) for segment in parts.path.split("/") if segment]:
        case [owner, repository, "releases"]:
            rest = ""
        case [owner, repository, "releases", "latest"]:
            rest = "/latest"
        case [owner, repository, "releases", "tag", *tag] if tag:
            rest = f"/tags/{quote('/'.join(tag), safe='')}"
        case _:
            return ""
    path = f"/api/v1/repos/{quote(owner, safe='')}/{quote(repository, safe='')}/releases{rest}"
    return urlunsplit(parts._replace(path=path, query="", fragment=""))
