"""Source for the artifacts of a GitHub Actions workflow run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import CredentialsError, NothingFoundError
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.facts.index_pages import load_listing_json
from wheel_uploader.facts.listing_page import Listing, normalize_digests
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.listing.sources import pagination
from wheel_uploader.listing.sources.base import ReleaseQuery, UnclaimedUrl, can_parse
from wheel_uploader.listing.sources.ci_artifacts import Artifact, ArtifactSource, ArtifactUnpacker
from wheel_uploader.listing.sources.github_releases import (
    PER_PAGE,
    GitHubApi,
    RepositoryLocation,
    get_entries,
    next_page_url,
    parse_repository_url,
)

_RUN_PATH = re.compile(
    r"/(?P<repository>[\w.-]+/[\w.-]+)/actions/runs/(?P<run>\d{1,18})(?:/artifacts/(?P<artifact>\d{1,18}))?(?:/.*)?\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReference:
    """A workflow run, or an artifact of one, that a URL of GitHub refers to."""

    location: RepositoryLocation
    #: ``OWNER/REPO``
    repository: str
    run_id: str
    #: Empty for all artifacts of the run.
    artifact_id: str


def parse_run_url(url: str) -> RunReference:
    """Return the workflow run that a URL of GitHub's site refers to. Raises UnclaimedUrl for other URLs."""
    location = parse_repository_url(url)
    match = _RUN_PATH.match(location.path)
    if not match:
        raise UnclaimedUrl
    return RunReference(
        location=location,
        repository=match["repository"],
        run_id=match["run"],
        artifact_id=match["artifact"] or "",
    )


class GitHubActionsRun(ArtifactSource):
    """All artifacts of a workflow run, or a single one by its URL. Downloading artifacts requires a token."""

    #: URL of the API; tests replace it.
    api_url = "https://api.github.com"

    def __init__(self, url: str, http: HttpClient) -> None:
        super().__init__(url, http)
        self._run = parse_run_url(url)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a workflow run, or an artifact of one."""
        return can_parse(parse_run_url, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files in the artifacts, and each expired artifact as an unavailable file."""
        run = self._run
        api = GitHubApi(self._http, self.api_url, run.location)
        if not api.token:
            raise CredentialsError(
                "GitHub requires a token to download artifacts, even from a public repository",
                hint="Set GITHUB_TOKEN to a token with read access to Actions; 'gh auth token' prints yours.",
            )
        run_url = api.build_url(f"{run.repository}/actions/runs/{run.run_id}")
        self._check_run_completed(api.get(run_url), run.run_id)
        unpacker = ArtifactUnpacker(self._http, self.unpack_directory, query.project)
        artifact_url = api.build_url(f"{run.repository}/actions/artifacts/")
        for _, listing in pagination.iter_pages(
            f"{run_url}/artifacts?per_page={PER_PAGE}", api.get, lambda page: _read_page(page, artifact_url)
        ):
            for file in listing.files:
                if run.artifact_id and file.url != f"{artifact_url}{run.artifact_id}/zip":
                    continue
                if file.unavailable_reason:
                    yield file
                else:
                    yield from unpacker.unpack(_to_artifact(file))

    @staticmethod
    def _check_run_completed(page: Page, run_id: str) -> None:
        """Raise NothingFoundError if the run is still in progress, unless this process is part of it.

        Its jobs may not have uploaded all wheels yet.
        """
        data = load_listing_json(page.text, strip_url(page.url))
        status = data.get("status") if isinstance(data, dict) else None
        if status != "completed" and os.environ.get("GITHUB_RUN_ID") != run_id:
            raise NothingFoundError(
                f"the run at {strip_url(page.url)} has not finished"
                f" (status {sanitize(str(status), limit=40)})",
                hint="Wait until it has finished, then run the same command again.",
            )


def _to_artifact(file: RemoteFile) -> Artifact:
    return Artifact(
        name=file.filename,
        url=file.url,
        source=file.source,
        sha256=file.hashes.get("sha256", ""),
        modified=file.modified_at,
    )


def _read_page(page: Page, artifact_url: str) -> Listing:
    return read_artifacts(page.text, page.url, strip_url(page.url), artifact_url)


def read_artifacts(text: str, base_url: str, source: str, artifact_url: str) -> Listing:
    """Return a page of artifacts as a listing of files.

    The URL of an artifact is ``artifact_url`` followed by its id and ``/zip``.
    """
    artifacts = get_entries(load_listing_json(text, source), "artifacts", source)
    files = (_parse_artifact(artifact, source, artifact_url) for artifact in artifacts)
    return Listing(
        files=tuple(file for file in files if file is not None),
        next_url=next_page_url(base_url, len(artifacts)),
    )


def _parse_artifact(entry: dict[str, Any], source: str, artifact_url: str) -> RemoteFile | None:
    name, artifact_id, digest = entry.get("name"), entry.get("id"), entry.get("digest")
    if not isinstance(name, str) or type(artifact_id) is not int:
        return None
    expired = entry.get("expired") is True
    expiry_date = sanitize(str(entry.get("expires_at", ""))[:10])
    return RemoteFile(
        filename=name,
        url=f"{artifact_url}{artifact_id}/zip",
        hashes=normalize_digests({"sha256": digest.removeprefix("sha256:")})
        if isinstance(digest, str)
        else {},
        source=source,
        modified_at=bounds.parse_listed_date(entry.get("created_at")),
        unavailable_reason=f"the artifact expired on {expiry_date}" if expired else "",
    )
