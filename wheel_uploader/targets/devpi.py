"""The removal of single files from an index of devpi, by the API of devpi-server.

Only files of the index itself are removed, never those of the indexes that it inherits from, and only if its
owner made it volatile.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    HttpStatusError,
    NetworkError,
    OptionError,
    TransportError,
)
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import quote, unquote, urlsplit
from wheel_uploader.facts.listing_page import normalize_digests
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.retry import RETRYABLE_STATUSES
from wheel_uploader.targets.pruning import TargetFile

_JSON = "application/json"
#: Most files of a project; more is an attack.
_MAX_FILES = 200_000
_GONE = (404, 410)


class DevpiIndex:
    """One index of a devpi-server; ``url`` is its upload URL."""

    def __init__(self, http: HttpClient, url: str, log_in: Callable[[], tuple[str, str] | None]) -> None:
        """``log_in`` finds the user name and the password of the upload, which go to this host only."""
        self._http = http
        self._url = f"{url.rstrip('/')}/"
        self._find_login = log_in
        self._is_logged_in = False

    def _log_in(self) -> bool:
        """Send the credentials from now on; return False if that is already done, or there are none."""
        login = None if self._is_logged_in else self._find_login()
        self._is_logged_in = True
        if login:
            self._http.add_credentials(self._url, *login)
        return login is not None

    def require_prunable(self) -> None:
        """Raise OptionError unless this is an index of devpi from which files can be removed."""
        if known := _find_known_index(self._url):
            raise _refuse(self._url, f"it is {known.name}", known.advice)
        try:
            value = self._fetch(f"{self._url}?no_projects", "indexconfig")
        except NetworkError as error:
            if isinstance(error, TransportError) or getattr(error, "status", 400) >= 500:
                raise
            raise _refuse(self._url, "it is not an index of devpi") from None
        if value.get("type") != "stage":
            raise _refuse(self._url, f"it is a {sanitize(str(value.get('type')), limit=40)} of devpi")
        if value.get("volatile") is not True:
            raise _refuse(self._url, "the index is not volatile")

    def _fetch(self, url: str, kind: str) -> Mapping[str, Any]:
        """Return the result of the API, of this type; read it with a login if it requires one."""
        try:
            page = self._http.get(url, accept=_JSON, no_cache=True)
        except (CredentialsError, HttpStatusError) as error:
            may_need_login = isinstance(error, CredentialsError) or error.status in (403, 404)
            if not may_need_login or not self._log_in():
                raise
            page = self._http.get(url, accept=_JSON, no_cache=True)
        value = None
        with contextlib.suppress(ValueError):
            value = bounds.load_json(page.text)
        result = value.get("result") if isinstance(value, dict) and value.get("type") == kind else None
        if not isinstance(result, dict):
            raise NetworkError(f"{strip_url(url)} did not answer as devpi does")
        return result

    # --- files -----------------------------------------------------------------------------------------

    def list_files(self, project: str) -> tuple[TargetFile, ...]:
        """Return the files that are stored in this index. Raises NetworkError if there are none."""
        url = f"{self._url}{quote(project, safe='')}?ignore_bases"
        files: list[TargetFile] = []
        for version, data in self._fetch(url, "projectconfig").items():
            files += self._parse_release(version, data, url)
            if len(files) > _MAX_FILES:
                raise NetworkError(f"{strip_url(url)} lists more than {_MAX_FILES} files")
        if not files:
            raise NetworkError(f"{strip_url(url)} lists no file; nothing was removed")
        return tuple(files)

    def _parse_release(self, version: str, data: Any, url: str) -> Iterator[TargetFile]:
        links = data.get("+links", []) if isinstance(data, dict) else None
        if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
            raise NetworkError(f"{strip_url(url)} describes a release in a form that is not understood")
        for link in links:
            href = link.get("href")
            if not isinstance(href, str):
                raise NetworkError(f"{strip_url(url)} lists a file without a link; nothing was removed")
            if link.get("rel") != "releasefile":
                continue
            hashes = link.get("hashes")
            yield TargetFile(
                filename=unquote(urlsplit(href).path.rpartition("/")[2]),
                version=version,
                url=href,
                hashes=_parse_hashes(hashes),
                uploaded_at=_find_upload_time(link.get("log")),
                kept_because=self._explain_kept(href, hashes),
            )

    def _explain_kept(self, href: str, hashes: object) -> str:
        path = href.removeprefix(f"{self._url}+f/")
        if path == href or not path or ".." in unquote(path).split("/") or "?" in path or "#" in path:
            return "it is stored in another index"
        return "" if _parse_hashes(hashes) else "its hash is unknown"

    def remove(self, file: TargetFile) -> None:
        """Remove one file, if it is still the listed one.

        Raises ConflictError if it is not, NetworkError and CredentialsError.
        """
        if self._explain_kept(file.url, dict(file.hashes)):
            raise NetworkError(f"{sanitize(file.filename)} is not stored in {strip_url(self._url)}")
        self._log_in()
        self._http.call_with_retries(
            f"remove {sanitize(file.filename)}", functools.partial(self._attempt, file)
        )

    def _attempt(self, file: TargetFile) -> None:
        """Look at the file and remove it; after a lost answer, the next look shows whether it is gone."""
        try:
            facts = self._fetch(file.url, "releasefilemeta")
        except HttpStatusError as error:
            if error.status in _GONE:
                return
            raise
        if _parse_hashes(facts.get("hashes")) != file.hashes:
            raise ConflictError(f"{sanitize(file.filename)} has changed since it was listed")
        page = self._http.send("DELETE", file.url, headers={"accept": _JSON})
        if 200 <= page.status < 300 or page.status in _GONE:
            return
        shown = strip_url(file.url)
        if page.status in (401, 403):
            raise CredentialsError(
                f"{shown}: the index did not let the file be removed (status {page.status})",
                hint="Use the credentials of a user who may upload to the index, and who may delete "
                "(acl_upload, volatile).",
            )
        if page.status in RETRYABLE_STATUSES or page.status < 500:
            raise HttpStatusError(page.status, shown)
        raise TransportError(f"{shown} returned {page.status}")


@dataclass(frozen=True, slots=True)
class _KnownIndex:
    """A kind of index from which this program removes nothing."""

    name: str
    #: Matches host and path of the upload URL.
    pattern: re.Pattern[str]
    #: How files are removed there.
    advice: str


_KNOWN_INDEXES = (
    _KnownIndex(
        "a package registry of GitLab",
        re.compile(r"[^/]*/(?:.*/)?api/v4/(?:projects|groups)/[^/]+/(?:-/)?packages/pypi/?\Z"),
        "Remove old packages there: under Deploy > Package registry of the project, or with its API "
        "(GET .../packages, then DELETE .../packages/ID, with a token that may delete).",
    ),
    _KnownIndex(
        "a package registry of Gitea or Forgejo",
        re.compile(r"[^/]*/(?:.*/)?api/packages/[^/]+/pypi/?\Z"),
        "Add a cleanup rule there, in the package settings of the owner.",
    ),
    _KnownIndex(
        "a repository of Artifactory",
        re.compile(r"[^/]*/(?:.*/)?api/pypi/[^/]+/?\Z"),
        "Add a cleanup policy there.",
    ),
    _KnownIndex(
        "a repository of CodeArtifact",
        re.compile(r"[^/]*\.codeartifact\.[^/]*/.*"),
        "Remove old versions there: aws codeartifact delete-package-versions.",
    ),
    _KnownIndex(
        "a feed of Azure Artifacts",
        re.compile(r"pkgs\.dev\.azure\.com/.*"),
        "Set the retention of the feed there.",
    ),
    _KnownIndex(
        "a repository of Artifact Registry",
        re.compile(r"[a-z0-9-]*-python\.pkg\.dev/.*"),
        "Add a cleanup policy to the repository.",
    ),
)


def _find_known_index(url: str) -> _KnownIndex | None:
    parts = urlsplit(url)
    place = f"{parts.hostname or ''}{parts.path}"
    return next((known for known in _KNOWN_INDEXES if known.pattern.match(place)), None)


def _refuse(url: str, reason: str, advice: str = "") -> OptionError:
    places = "Files are removed from anaconda.org, volatile indexes of devpi, and static indexes."
    omit = "Omit --prune and --prune-days, in the section of the target as well."
    return OptionError(
        "prune",
        f"single files cannot be removed from {strip_url(url)}: {reason}",
        hint=f"{advice or places} {omit}",
    )


def _parse_hashes(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        return {}
    return normalize_digests({name: text for name, text in value.items() if isinstance(text, str)})


def _find_upload_time(log: object) -> datetime | None:
    """Return the time of the last upload in the log of a link, which devpi gives in UTC."""
    times = []
    for entry in log if isinstance(log, list) else []:
        when = entry.get("when") if isinstance(entry, dict) else None
        if not isinstance(when, list) or len(when) != 6 or not all(type(part) is int for part in when):
            return None
        with contextlib.suppress(ValueError, OverflowError):
            times.append(datetime(*when, tzinfo=UTC))  # type: ignore[misc]
    return max(times, default=None)
