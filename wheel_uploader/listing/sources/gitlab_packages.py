"""Source for the files of packages in GitLab's registry, by its pages or its API.

The registry's package index is read as an ordinary index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.utils import canonicalize_name

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import ListingError, NothingFoundError
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, quote
from wheel_uploader.facts.listing_page import normalize_digests
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources import release_tags
from wheel_uploader.listing.sources.base import ReleaseQuery
from wheel_uploader.listing.sources.gitlab_api import (
    GitLabApi,
    ProjectPage,
    can_parse_page,
    get_number,
    get_text,
    parse_project_url,
)

#: Types of packages that hold wheels and sdists.
_PACKAGE_TYPES = frozenset({"pypi", "generic"})


class GitLabPackages:
    """The files of one package of a project, or of the packages that the command asks for."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self._http = http
        self._page = parse_project_url(url)
        self._package_id = _parse_package_id(self._page)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a package of a project, or the list of its packages."""
        return can_parse_page(_parse_package_id, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files of the packages, with their sha256."""
        api = GitLabApi(self._http, self._page)
        for package in self._select_packages(api, query):
            path = f"packages/{get_number(package, 'id')}/package_files"
            entries = list(api.iter_entries(path))
            yield from read_package_files(package, entries, self._page)

    def _select_packages(self, api: GitLabApi, query: ReleaseQuery) -> list[dict[str, Any]]:
        if self._package_id:
            package = api.get(f"packages/{self._package_id}")
            if not isinstance(package, dict) or not get_number(package, "id"):
                raise ListingError(f"{strip_url(self._page.api_url)} returned JSON that is not a package")
            return [package]
        project = canonicalize_name(query.project)
        packages = {
            number: package
            for package in api.iter_entries("packages", package_name=query.project or None)
            if (number := get_number(package, "id"))
            and package.get("package_type") in _PACKAGE_TYPES
            and project in {"", canonicalize_name(get_text(package, "name"))}
        }
        if not query.version:
            return list(packages.values())
        entries = [
            release_tags.ReleaseEntry(tag=get_text(package, "version"), identifier=number)
            for number, package in packages.items()
        ]
        found = release_tags.find_releases(entries, query)
        if not found:
            raise NothingFoundError(
                f"no package {sanitize(f'{query.project} {query.version}'.strip())} "
                f"at {strip_url(self._page.api_url)}",
                hint=release_tags.explain_absence(entries, query),
            )
        return [packages[entry.identifier] for entry in found]


def _parse_package_id(page: ProjectPage) -> str:
    """Return the number of the package that a page is about; empty for the list. Raises UnclaimedUrl."""
    match page.segments:
        case ["packages"]:
            return ""
        case ["packages", number] | ["packages", number, "package_files"] if number.isascii():
            if number.isdecimal() and len(number) <= 18:
                return number
    raise UnclaimedUrl


def read_package_files(
    package: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], page: ProjectPage
) -> Iterator[RemoteFile]:
    """Yield the files of a package; of several with one name, the newest, which is the one that is served."""
    newest = {get_text(entry, "file_name"): entry for entry in sorted(entries, key=_get_id)}
    status = package.get("status")
    for filename, entry in newest.items():
        url = _build_file_url(package, entry, page)
        if not filename or not url:
            continue
        size, unavailable_reason = bounds.parse_listed_size(entry.get("size"))
        if status not in {None, "default", "hidden"}:
            unavailable_reason = f"its package has the status {sanitize(str(status), limit=40)}"
        hashes = {algorithm: get_text(entry, f"file_{algorithm}") for algorithm in ("sha256", "sha1", "md5")}
        yield RemoteFile(
            filename=filename,
            url=url,
            size=size,
            hashes=normalize_digests(hashes),
            source=strip_url(f"{page.api_url}/packages/{get_number(package, 'id')}"),
            modified_at=bounds.parse_listed_date(entry.get("created_at")),
            unavailable_reason=unavailable_reason,
        )


def _get_id(entry: Mapping[str, Any]) -> int:
    number = entry.get("id")
    return number if type(number) is int else -1


def _build_file_url(package: Mapping[str, Any], entry: Mapping[str, Any], page: ProjectPage) -> str:
    """Return the URL of a file in the registry, which takes a token, or on the site; empty if unknown."""
    name, version, filename, sha256 = (
        quote(value, safe="", errors="replace")
        for value in (
            get_text(package, "name"),
            get_text(package, "version"),
            get_text(entry, "file_name"),
            get_text(entry, "file_sha256"),
        )
    )
    match package.get("package_type"):
        case "generic" if name and version:
            return f"{page.api_url}/packages/generic/{name}/{version}/{filename}"
        case "pypi" if sha256:
            return f"{page.api_url}/packages/pypi/files/{sha256}/{filename}"
    number = get_number(entry, "id")
    return f"{page.site_url}package_files/{number}/download" if page.site_url and number else ""
