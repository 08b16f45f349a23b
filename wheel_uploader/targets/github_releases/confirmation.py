"""Confirms a release: the API lists every file with its size and sha256, and users can download it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from wheel_uploader.core import bounds, cancellation
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    HttpStatusError,
    NetworkError,
)
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.models import Confirmation
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.http.client import HttpClient, StreamedResponse
from wheel_uploader.http.host_policy import InvalidUrl, parse_origin
from wheel_uploader.targets.github_releases.api import ReleaseApi
from wheel_uploader.targets.github_releases.assets import AssetContent, ReleaseAssets
from wheel_uploader.targets.github_releases.release_json import Asset

#: Seconds between two looks: short at first.
_MIN_PAUSE, _MAX_PAUSE = 1.0, 20.0
_CONFLICT_HINT = "Delete the release now, find out who else changes it, and publish a new version."


@dataclass(slots=True, kw_only=True)
class Confirmer:
    """Looks until a release has every file and serves it."""

    http: HttpClient
    api: ReleaseApi
    assets: ReleaseAssets
    site_url: str
    #: True if only a token may download.
    is_private: bool
    progress: Progress
    sleep: Callable[[float], object] = cancellation.sleep_unless_cancelled
    clock: Callable[[], float] = time.monotonic
    #: Names of files that were downloaded in part.
    served: set[str] = field(default_factory=set)

    def confirm(
        self, contents: Sequence[AssetContent], *, timeout: float, was_uploaded: bool
    ) -> tuple[Confirmation, ...]:
        """Return the confirmations, in the order of ``contents``.

        Raises ConflictError for other bytes, and DeadlineError if something is missing after ``timeout``.
        """
        deadline, pause = self.clock() + timeout, _MIN_PAUSE
        while True:
            found: dict[str, Asset] = {}
            try:
                problems = self._look(contents, found)
            except NetworkError as error:
                problems = {"the release": error.message}
            if not problems:
                return tuple(self._confirmation(content, found[content.name]) for content in contents)
            remaining = deadline - self.clock()
            if remaining <= 0:
                raise self._build_error(problems, len(contents), timeout, was_uploaded=was_uploaded)
            name, problem = next(iter(problems.items()))
            self.progress.debug(f"{name}: {problem}; checking again")
            with self.progress.waiting(f"confirm: {name}: {problem}", seconds=remaining):
                self.sleep(min(pause, remaining))
            pause = min(pause * 1.5, _MAX_PAUSE)

    def _look(self, contents: Sequence[AssetContent], found: dict[str, Asset]) -> dict[str, str]:
        """Look once, and return the problems by file name."""
        release = self.api.fetch_release(self.assets.release.id)
        if release is None:
            return {"the release": "GitHub does not have it"}
        if release.is_draft:
            return {"the release": f"it is a draft, which users do not see ({release.shown_tag})"}
        self.assets.refresh()
        problems: dict[str, str] = {}
        conflicts = []
        for content in contents:
            asset = self.assets.find(content.name)
            if asset is None or asset.is_unfinished:
                problems[content.name] = "the release does not have it" if asset is None else asset.describe()
            elif (sha256 := self.assets.get_sha256(asset)) != content.sha256:
                conflicts.append(f"{content.name}: local sha256 {content.sha256}, GitHub's sha256 {sha256}")
            elif asset.size != content.size:
                conflicts.append(
                    f"{content.name}: local size {content.size}, GitHub's size {asset.size} bytes"
                )
            else:
                found[content.name] = asset
                if problem := self._find_download_problem(asset, content):
                    problems[content.name] = problem
        if conflicts:
            raise ConflictError(
                f"the release {release.shown_tag} has {format_count(len(conflicts), 'file')} with different "
                "contents",
                hint=_CONFLICT_HINT,
                details=conflicts,
            )
        return problems

    def _confirmation(self, content: AssetContent, asset: Asset) -> Confirmation:
        return Confirmation(filename=content.name, sha256=content.sha256, url=self._user_url(asset))

    def _user_url(self, asset: Asset) -> str:
        """Return the download URL of an asset if it is on the site; else empty."""
        return asset.download_url if is_on_site(asset.download_url, self.site_url) else ""

    # --- downloads -------------------------------------------------------------------------------------

    def _find_download_problem(self, asset: Asset, content: AssetContent) -> str:
        """Return why users cannot download a file; empty if they can."""
        if content.name in self.served:
            return ""
        url, problem = self._user_url(asset), ""
        if not url:
            return f"its URL for users is not on {self.site_url}: {sanitize(strip_url(asset.download_url))}"
        if not self.is_private:
            problem = self._probe(url, content)
        if self.is_private or (problem and self.assets_need_login):
            # The pages of a private repository are for browsers; the API serves the same bytes to a token.
            problem = self._probe(self.api.build_asset_url(asset.id), content)
        if not problem:
            self.served.add(content.name)
        return problem

    @property
    def assets_need_login(self) -> bool:
        """True if the site may require a login for public files, as some Enterprise Servers do."""
        return self.site_url != "https://github.com"

    def _probe(self, url: str, content: AssetContent) -> str:
        headers = {
            "accept": "application/octet-stream",
            "range": f"bytes=0-{max(len(content.beginning), 1) - 1}",
        }
        try:
            with self.http.stream(url, headers=headers, has_trusted_digest=True) as response:
                return _compare(response, content)
        except HttpStatusError as error:
            return f"its download answers {error.status}{f' ({error.reason})' if error.reason else ''}"
        except (NetworkError, CredentialsError) as error:
            return error.message

    def _build_error(
        self, problems: Mapping[str, str], count: int, timeout: float, *, was_uploaded: bool
    ) -> DeadlineError:
        after = f"after {format_duration(timeout)} " if timeout else ""
        error = DeadlineError(
            f"{after}the release {self.assets.release.shown_tag} does not serve "
            f"{len(problems)} of {format_count(count, 'file')}",
            hint="GitHub accepted the files, and may need more time: run the same command again to check."
            if was_uploaded
            else "Publish the missing files without --verify.",
            details=[f"{name}: {problem}" for name, problem in problems.items()],
        )
        return error if was_uploaded else error.as_permanent()


def is_on_site(url: str, site_url: str) -> bool:
    """Return whether a URL that the API named is one of the site."""
    try:
        return parse_origin(url) == parse_origin(site_url)
    except InvalidUrl:
        return False


def _compare(response: StreamedResponse, content: AssetContent) -> str:
    """Return how the beginning and the size of a response differ from a file; empty if they do not."""
    kind = sanitize(response.content_type, limit=60) or "no content type"
    if response.status not in (200, 206):
        return f"its download answers {response.status}"
    if response.status == 206:
        total = response.headers.get("content-range", "").rpartition("/")[2]
    else:
        total = response.headers.get("content-length", "")
    size = bounds.parse_whole_number(total, bounds.MAX_FILE_SIZE)
    if size is not None and size != content.size:
        return f"its download has {format_count(size, 'byte')} instead of {content.size} ({kind})"
    beginning = response.read_beginning(len(content.beginning))
    if beginning and content.beginning.startswith(beginning):
        return ""
    return f"its download has other contents ({kind})"
