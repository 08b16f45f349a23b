"""anaconda.org: whatever page of it a person copies leads to its API, which has the names and the hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from wheel_uploader import bounded, names
from wheel_uploader.display import bare_url, remember_secret
from wheel_uploader.errors import CredentialsError, HttpStatus, ListingError, NetworkError, NothingFoundError
from wheel_uploader.http import Http, Page
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources import paging
from wheel_uploader.sources.base import Listing, digests
from wheel_uploader.sources.simple import load
from wheel_uploader.sources.web import WebPage
from wheel_uploader.urls import parse_qs, quote, unquote, urljoin, urlsplit

_HOSTS = frozenset({"anaconda.org", "www.anaconda.org", "api.anaconda.org", "pypi.anaconda.org"})
#: Paths of the API before the owner.
_API_WORDS = frozenset({"package", "packages", "release", "dist", "download"})
#: Pages of an owner that look like packages.
_PAGES_OF_OWNER = frozenset({"repo", "packages", "labels", "dashboard"})
_PRIVATE = "For a private one, put a token into the URL: https://anaconda.org/t/TOKEN/OWNER/NAME"
_TOKEN = re.compile(r"/t/([^/]+)(/.*|\Z)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a URL of anaconda.org is about; empty is what it does not say."""

    owner: str
    name: str = ""
    label: str = ""
    version: str = ""
    #: Never shown: ``repr`` must be safe.
    token: str = ""

    def __repr__(self) -> str:
        return f"Channel({self.owner}/{self.name})"


class Anaconda:
    """A package of anaconda.org, by its API; by its page for pip when the API does not answer."""

    #: Where they are; tests have others.
    api = "https://api.anaconda.org"
    simple = "https://pypi.anaconda.org"

    def __init__(self, url: str, http: Http) -> None:
        self._http = http
        self._channel = parse_url(url)

    @staticmethod
    def claims(url: str) -> bool:
        return parse_url(url) is not None

    def files(self, project: str) -> Iterator[RemoteFile]:
        """The files for pip, of the label and the version in the URL if it has them."""
        channel = self._channel
        assert channel  # noqa: S101 - or it would not have been claimed
        if channel.token:
            remember_secret(channel.token)
            self._http.add_headers(f"{self.api}/", {"authorization": f"token {channel.token}"})
        name = channel.name or canonicalize_name(project)
        url = f"{self.api}/package/{quote(channel.owner, safe='')}/{quote(name, safe='')}/files"
        try:
            pages = list(paging.pages(url, self._get, lambda page: _read(page, channel)))
        except (NetworkError, CredentialsError) as error:
            yield from self._from_simple(channel, name, project, error)
            return
        for _, listing in pages:
            yield from listing.files

    def _get(self, url: str) -> Page:
        return self._http.get(url, accept="application/json")

    def _from_simple(
        self, channel: Channel, name: str, project: str, error: NetworkError | CredentialsError
    ) -> Iterator[RemoteFile]:
        """The same files from the page for pip, which has no hashes. Raises ``error`` when it is no help."""
        token = f"/t/{quote(channel.token, safe='')}" if channel.token else ""
        label = f"/label/{quote(channel.label, safe='')}" if channel.label else ""
        url = f"{self.simple}{token}/{quote(channel.owner, safe='')}{label}/simple/{canonicalize_name(name)}/"
        try:
            files = tuple(WebPage(url, self._http).files(project))
        except (NetworkError, CredentialsError, NothingFoundError):
            if isinstance(error, HttpStatus) and error.status == 404:
                raise NothingFoundError(
                    f"there is no package {channel.owner}/{name} on anaconda.org",
                    hint=f"Check the owner and the name. {_PRIVATE}",
                ) from None
            if isinstance(error, CredentialsError):
                raise CredentialsError(error.message, hint=_PRIVATE) from None
            raise error from None
        self._http.say(
            f"anaconda.org's API does not answer ({error.message}); its page for pip does, without hashes"
        )
        yield from (file for file in files if _is_of_version(file, channel))


def parse_url(url: str) -> Channel | None:
    """What a URL of anaconda.org is about; None for other URLs, and where no owner is in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or host not in _HOSTS:
        return None
    token, path = "", parts.path
    if found := _TOKEN.match(path):
        token, path = unquote(found[1]), found[2]
    words = [unquote(word) for word in path.split("/") if word]
    said = _of_simple(words) if host.startswith("pypi.") else _of_site(words)
    query = parse_qs(parts.query)
    version = said.get("version") or query.get("version", [""])[0]
    if not said.get("owner"):
        return None
    return Channel(
        owner=said["owner"],
        name=said.get("name", ""),
        label=said.get("label", "") or query.get("label", [""])[0],
        version=version,
        token=token,
    )


def _of_simple(words: list[str]) -> dict[str, str]:
    """``OWNER/simple/NAME``, ``OWNER/label/LABEL/simple/NAME``, or a file below ``OWNER/simple``."""
    owner, *rest = words or [""]
    label = ""
    if rest[:1] == ["label"]:
        label, rest = "".join(rest[1:2]), rest[2:]
    return {"owner": owner, "label": label, "name": "".join(rest[1:2])}


def _of_site(words: list[str]) -> dict[str, str]:
    """``OWNER/NAME/...`` of the site, ``channels/OWNER/packages/NAME/...`` of the new one, or the API's."""
    if words[:1] == ["channels"]:
        return dict(zip(("owner", "name"), words[1:4:2], strict=False))
    if words[:1] and words[0] in _API_WORDS:
        named = dict(zip(("owner", "name", "version"), words[1:4], strict=False))
        if words[0] in {"package", "packages"}:
            named.pop("version", None)
        return named
    named = dict(zip(("owner", "name"), words[:2], strict=False))
    return named if named.get("name") not in _PAGES_OF_OWNER else {"owner": named["owner"]}


# --- the answer of the API -------------------------------------------------------------------------


def _read(page: Page, channel: Channel) -> Listing:
    return read_files(page.text, page.url, bare_url(page.url), channel)


def read_files(text: str, base_url: str, source: str, channel: Channel) -> Listing:
    """The files for pip of a package, each once, however often it is listed. Raises ListingError."""
    data = load(text, source)
    entries = data if isinstance(data, list) else data.get("files") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise ListingError(f"{source} answers with JSON that is no list of files")
    # Of one file under one URL only what is said of it can differ: then both stay, and stop the release.
    files: dict[tuple[str, str], RemoteFile] = {}
    for entry in entries:
        if isinstance(entry, dict) and _is_wanted(entry, channel):
            file = _file(entry, base_url, source)
            if file is not None:
                files.setdefault((file.url, repr(sorted(file.hashes.items()))), file)
    return Listing(files=tuple(files.values()))


def _is_wanted(entry: dict[str, Any], channel: Channel) -> bool:
    kind = entry.get("distribution_type") or entry.get("type")
    labels = entry.get("labels")
    return (
        kind == "pypi"
        and (not channel.version or entry.get("version") == channel.version)
        and (not channel.label or (isinstance(labels, list) and channel.label in labels))
    )


def _file(entry: dict[str, Any], base_url: str, source: str) -> RemoteFile | None:
    """One file; its hash may be the word "None", and its URL has no scheme."""
    name, link = entry.get("basename"), entry.get("download_url")
    if not isinstance(name, str) or not isinstance(link, str) or not link:
        return None
    try:
        url = urljoin(base_url, link)
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    if scheme not in {"http", "https"}:
        return None
    size, excess = bounded.listed_size(entry.get("size"))
    given = {algorithm: entry.get(algorithm) for algorithm in ("sha256", "md5")}
    return RemoteFile(
        filename=name,
        url=url,
        size=size,
        hashes=digests({key: value for key, value in given.items() if isinstance(value, str)}),
        source=source,
        modified=bounded.moment(entry.get("upload_time")),
        refused=excess,
    )


def _is_of_version(file: RemoteFile, channel: Channel) -> bool:
    """Whether a file of the page for pip is of the version in the URL; what is no release's is kept."""
    if not channel.version:
        return True
    try:
        return str(names.parse(file.filename).version) == str(bounded.version(channel.version))
    except (names.NameRefused, InvalidVersion):
        return True
