"""Source for packages on anaconda.org.

Every page of the site is mapped to the API, which lists names and hashes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds, filenames
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NetworkError,
    NothingFoundError,
    UsageError,
)
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.core.redaction import register_secret, sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, parse_qs, quote, unquote, urlsplit
from wheel_uploader.facts.index_pages import load_listing_json
from wheel_uploader.facts.listing_page import Listing, normalize_digests, resolve_link
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.listing.sources import pagination
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery, can_parse
from wheel_uploader.listing.sources.http_listing import HttpListing

_HOSTS = frozenset({"anaconda.org", "www.anaconda.org", "api.anaconda.org", "pypi.anaconda.org"})
#: First segments of an API path, before the owner.
_API_PREFIXES = frozenset({"package", "packages", "release", "dist", "download"})
#: Second segments of an owner's pages, in the position of a package name.
_OWNER_PAGES = frozenset({"repo", "packages", "labels", "dashboard"})
_PRIVATE_HINT = "For a private package, put a token into the URL: https://anaconda.org/t/TOKEN/OWNER/NAME"
_TOKEN_PATH = re.compile(r"/t/([^/]+)(/.*|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReference:
    """A package or owner that an anaconda.org URL refers to; parts that the URL lacks are empty."""

    owner: str
    name: str = ""
    label: str = ""
    version: str = ""
    #: The only file that the URL refers to; empty for all files.
    filename: str = ""
    #: Secret: ``repr`` must not show it.
    token: str = ""

    def __repr__(self) -> str:
        return f"Channel({self.owner}/{self.name})"


class AnacondaPackage:
    """A package on anaconda.org, listed by its API, or by its simple page if the API fails."""

    #: URLs of the API and of the simple pages; tests replace them.
    api_url = "https://api.anaconda.org"
    simple_url = "https://pypi.anaconda.org"

    def __init__(self, url: str, http: HttpClient) -> None:
        self._http = http
        self._channel = parse_anaconda_url(url)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a page of anaconda.org with an owner."""
        return can_parse(parse_anaconda_url, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[ListingEntry]:
        """Yield the wheels and sdists of the package, limited to what the URL says: label, version, file.

        Raises UsageError if the URL and ``query`` have different versions.
        """
        channel = self._channel
        _reject_other_version(channel, query)
        if channel.token:
            register_secret(channel.token)
            self._http.add_headers(f"{self.api_url}/", {"authorization": f"token {channel.token}"})
        name = channel.name or canonicalize_name(query.project)
        url = f"{self.api_url}/package/{quote(channel.owner, safe='')}/{quote(name, safe='')}/files"
        try:
            pages = list(pagination.iter_pages(url, self._get, lambda page: _read_page(page, channel)))
        except (NetworkError, CredentialsError) as error:
            yield from self._list_simple_page(channel, name, query, error)
            return
        files = [file for _, listing in pages for file in listing.files]
        if channel.filename and not files:
            raise NothingFoundError(
                f"{channel.owner}/{name} on anaconda.org has no file {sanitize(channel.filename, limit=300)}",
                hint=f"Pass the package, {_format_package_url(channel, name)}, or one of its files.",
            )
        yield from files

    def _get(self, url: str) -> Page:
        return self._http.get(url, accept="application/json")

    def _list_simple_page(
        self,
        channel: PackageReference,
        name: str,
        query: ReleaseQuery,
        error: NetworkError | CredentialsError,
    ) -> Iterator[ListingEntry]:
        """Yield the same files from the simple page, which has no hashes.

        Raises ``error``, or a clearer form of it, if the simple page cannot be read either.
        """
        token = f"/t/{quote(channel.token, safe='')}" if channel.token else ""
        label = f"/label/{quote(channel.label, safe='')}" if channel.label else ""
        owner = quote(channel.owner, safe="")
        url = f"{self.simple_url}{token}/{owner}{label}/simple/{canonicalize_name(name)}/"
        try:
            entries = tuple(HttpListing(url, self._http).iter_files(query))
        except (NetworkError, CredentialsError, NothingFoundError):
            if isinstance(error, HttpStatusError) and error.status == 404:
                raise NothingFoundError(
                    f"package {channel.owner}/{name} does not exist on anaconda.org",
                    hint=f"Check the owner and the name. {_PRIVATE_HINT}",
                ) from None
            if isinstance(error, CredentialsError):
                raise CredentialsError(error.message, hint=_PRIVATE_HINT) from None
            raise error from None
        self._http.notify_user(
            f"anaconda.org's API failed ({error.message}); using its simple page, which has no hashes"
        )
        yield from (
            entry
            for entry in entries
            if not isinstance(entry, RemoteFile) or _matches_reference(entry, channel)
        )


def parse_anaconda_url(url: str) -> PackageReference:
    """Return the package that a URL refers to. Raises UnclaimedUrl for other hosts and without an owner."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise UnclaimedUrl from None
    if parts.scheme not in {"http", "https"} or host not in _HOSTS:
        raise UnclaimedUrl
    token, path = "", parts.path
    if match := _TOKEN_PATH.match(path):
        token, path = unquote(match[1]), match[2]
    segments = [unquote(segment) for segment in path.split("/") if segment]
    fields = _parse_simple_path(segments) if host.startswith("pypi.") else _parse_site_path(segments)
    query = parse_qs(parts.query)
    version = fields.get("version") or query.get("version", [""])[0]
    if not fields.get("owner"):
        raise UnclaimedUrl
    return PackageReference(
        owner=fields["owner"],
        name=fields.get("name", ""),
        label=fields.get("label", "") or query.get("label", [""])[0],
        version="" if version == LATEST_VERSION else version,
        filename=fields.get("filename", ""),
        token=token,
    )


def _parse_simple_path(segments: list[str]) -> dict[str, str]:
    """Parse ``OWNER/simple/NAME``, ``OWNER/label/LABEL/simple/NAME``, or a file below ``OWNER/simple``."""
    owner, *rest = segments or [""]
    label = ""
    if rest[:1] == ["label"]:
        label, rest = "".join(rest[1:2]), rest[2:]
    return {
        "owner": owner,
        "label": label,
        **dict(zip(("name", "version", "filename"), rest[1:4], strict=False)),
    }


def _parse_site_path(segments: list[str]) -> dict[str, str]:
    """Parse ``OWNER/NAME/...``, the new site's ``channels/OWNER/packages/NAME/...``, or a path of the API."""
    if segments[:1] == ["channels"]:
        return dict(zip(("owner", "name"), segments[1:4:2], strict=False)) | _parse_rest(segments[4:])
    if segments[:1] and segments[0] in _API_PREFIXES:
        fields = dict(zip(("owner", "name", "version"), segments[1:4], strict=False))
        if segments[0] in {"package", "packages"}:
            fields.pop("version", None)
        return fields | ({"filename": segments[-1]} if segments[4:] else {})
    fields = dict(zip(("owner", "name"), segments[:2], strict=False))
    if fields.get("name") in _OWNER_PAGES:
        return {"owner": fields["owner"]}
    return fields | _parse_rest(segments[2:])


def _parse_rest(segments: list[str]) -> dict[str, str]:
    """Parse what follows the package: ``VERSION/download/FILE``, ``VERSION``, or a page like ``files``."""
    if segments[1:2] == ["download"] and segments[2:]:
        return {"version": segments[0], "filename": segments[-1]}
    return {"version": segments[0]} if segments and _parse_version(segments[0]) else {}


def _parse_version(text: str) -> Version | None:
    try:
        return bounds.parse_pep440_version(text)
    except InvalidVersion:
        return None


def _is_same_version(one: str, other: str) -> bool:
    return one == other or ((version := _parse_version(one)) is not None and version == _parse_version(other))


def _reject_other_version(channel: PackageReference, query: ReleaseQuery) -> None:
    """Raise UsageError if the URL has a version, and the command another one."""
    requested = query.version
    if channel.version and requested not in {"", LATEST_VERSION, channel.version}:
        if _is_same_version(channel.version, requested):
            return
        raise UsageError(
            f"the URL is of version {sanitize(channel.version)}, "
            f"but version {sanitize(requested)} was requested",
            hint=f"Pass {_format_package_url(channel, query.project)} for all versions, "
            f"or give the version {sanitize(channel.version)}.",
        )


def _format_package_url(channel: PackageReference, project: str) -> str:
    return sanitize(f"https://anaconda.org/{channel.owner}/{channel.name or project}", limit=300)


# --- the API's response ----------------------------------------------------------------------------


def _read_page(page: Page, channel: PackageReference) -> Listing:
    return read_package_files(page.text, page.url, strip_url(page.url), channel)


def read_package_files(text: str, base_url: str, source: str, reference: PackageReference) -> Listing:
    """Return the wheels and sdists of a package, without duplicates. Raises ListingError."""
    data = load_listing_json(text, source)
    entries = data if isinstance(data, list) else data.get("files") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise ListingError(f"{source} returned JSON without a list of files")
    # Two entries with one URL and different hashes are both kept, so that selection reports the conflict.
    files: dict[tuple[str, str], RemoteFile] = {}
    for entry in entries:
        if isinstance(entry, dict) and _is_selected(entry, reference):
            file = _parse_file(entry, base_url, source)
            if file is not None:
                files.setdefault((file.url, repr(sorted(file.hashes.items()))), file)
    return Listing(files=tuple(files.values()))


def _is_selected(entry: dict[str, Any], channel: PackageReference) -> bool:
    file_type = entry.get("distribution_type") or entry.get("type")
    labels = entry.get("labels")
    return (
        file_type == "pypi"
        and (not channel.version or _is_same_version(str(entry.get("version")), channel.version))
        and (not channel.filename or _is_of_file(str(entry.get("basename")), channel.filename))
        and (not channel.label or (isinstance(labels, list) and channel.label in labels))
    )


def _parse_file(entry: dict[str, Any], base_url: str, source: str) -> RemoteFile | None:
    """Return the file of an entry, or None. Its hash may be the string "None"; its URL has no scheme."""
    filename, link = entry.get("basename"), entry.get("download_url")
    if not isinstance(filename, str) or not isinstance(link, str) or not link:
        return None
    url = resolve_link(base_url, link)
    if not url:
        return None
    size, size_error = bounds.parse_listed_size(entry.get("size"))
    hashes = {algorithm: entry.get(algorithm) for algorithm in ("sha256", "md5")}
    return RemoteFile(
        filename=filename,
        url=url,
        size=size,
        hashes=normalize_digests({name: value for name, value in hashes.items() if isinstance(value, str)}),
        source=source,
        modified_at=bounds.parse_listed_date(entry.get("upload_time")),
        unavailable_reason=size_error,
    )


def _is_of_file(basename: str, filename: str) -> bool:
    """Return whether an entry is the file, or an attestation of it."""
    return filename in {basename.rpartition("/")[2], filenames.attested_filename(basename)}


def _matches_reference(file: RemoteFile, channel: PackageReference) -> bool:
    """Return whether a file of the simple page is one that the URL refers to."""
    if channel.filename:
        return _is_of_file(file.filename, channel.filename)
    if not _parse_version(channel.version):
        return True
    try:
        version = filenames.parse_filename(file.filename).version
    except filenames.InvalidFilename:
        return True
    return _is_same_version(str(version), channel.version)
