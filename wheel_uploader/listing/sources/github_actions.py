"""Sources for the artifacts of a GitHub Actions run, and of the latest successful run of a workflow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import CredentialsError, ListingError, NothingFoundError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, parse_qs, urlsplit
from wheel_uploader.facts.index_pages import load_listing_json
from wheel_uploader.facts.listing_page import Listing, normalize_digests
from wheel_uploader.http.client import HttpClient, Page
from wheel_uploader.http.github_api import (
    PER_PAGE,
    GitHubApi,
    RepositoryLocation,
    get_entries,
    parse_repository_url,
)
from wheel_uploader.listing.sources import pagination
from wheel_uploader.listing.sources.base import ReleaseQuery, can_parse, set_query_parameters
from wheel_uploader.listing.sources.ci_artifacts import Artifact, ArtifactSource
from wheel_uploader.listing.sources.github_releases import next_page_url

if TYPE_CHECKING:
    from wheel_uploader.listing.sources.artifact_unpacker import ArtifactUnpacker

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


_WORKFLOW_PATH = re.compile(
    r"/(?P<repository>[\w.-]+/[\w.-]+)/actions/workflows/(?P<workflow>[\w.-]+)(?:/runs)?/?\Z"
)
#: A filter in the search field of the site: ``branch:main event:schedule``.
_FILTER = re.compile(r"""\b(branch|event):(?:"([^"]*)"|([^\s"]+))""")
#: Successful runs that are searched for one that is not of a pull request.
_MAX_RUNS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowReference:
    """A workflow that a URL of GitHub refers to."""

    location: RepositoryLocation
    #: ``OWNER/REPO``
    repository: str
    #: The name of its file, or its id.
    workflow: str
    #: Empty for the default branch of the repository.
    branch: str
    #: Empty for every event except pull requests.
    event: str


def parse_workflow_url(url: str) -> WorkflowReference:
    """Return the workflow that a URL of GitHub's site or API refers to. Raises UnclaimedUrl."""
    location = parse_repository_url(url)
    match = _WORKFLOW_PATH.match(location.path)
    if not match:
        raise UnclaimedUrl
    query = parse_qs(urlsplit(url).query)
    filters = {
        key: quoted or plain for key, quoted, plain in _FILTER.findall(query.get("query", [""])[0][:1000])
    }
    return WorkflowReference(
        location=location,
        repository=match["repository"],
        workflow=match["workflow"],
        branch=query.get("branch", [""])[0] or filters.get("branch", ""),
        event=query.get("event", [""])[0] or filters.get("event", ""),
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
        from wheel_uploader.listing.sources.artifact_unpacker import ArtifactUnpacker

        api = _open_api(self._http, self.api_url, self._run.location)
        run_url = api.build_url(f"{self._run.repository}/actions/runs/{self._run.run_id}")
        self._check_run_completed(api.get(run_url), self._run.run_id)
        unpacker = ArtifactUnpacker(self._http, self.unpack_directory, query.project)
        yield from _iter_artifacts(api, self._run, unpacker)

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


class GitHubWorkflow(ArtifactSource):
    """All artifacts of the latest successful run of a workflow on a branch.

    Runs of pull requests are ignored: anyone can open one, and its branch may have any name.
    """

    #: URL of the API; tests replace it.
    api_url = "https://api.github.com"

    def __init__(self, url: str, http: HttpClient) -> None:
        super().__init__(url, http)
        self._workflow = parse_workflow_url(url)

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is a workflow."""
        return can_parse(parse_workflow_url, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files in the artifacts of the run, which is announced. Raises NothingFoundError."""
        from wheel_uploader.listing.sources.artifact_unpacker import ArtifactUnpacker

        api = _open_api(self._http, self.api_url, self._workflow.location)
        run = self._find_run(api)
        unpacker = ArtifactUnpacker(self._http, self.unpack_directory, query.project)
        yield from _iter_artifacts(api, run, unpacker)

    def _find_run(self, api: GitHubApi) -> RunReference:
        workflow = self._workflow
        branch = workflow.branch or self._get_default_branch(api)
        parameters = {"branch": branch, "status": "success", "event": workflow.event or None}
        runs_url = api.build_url(f"{workflow.repository}/actions/workflows/{workflow.workflow}/runs")
        page = api.get(set_query_parameters(runs_url, {**parameters, "per_page": str(_MAX_RUNS)}))
        source = strip_url(page.url)
        runs = get_entries(load_listing_json(page.text, source), "workflow_runs", source)
        place = (
            f"{sanitize(workflow.workflow)} on branch {sanitize(branch, limit=200)} of {workflow.repository}"
        )
        for run in runs:
            if _is_run_of_branch(run, workflow, branch):
                date, commit = (
                    sanitize(str(run.get(key, "")), limit=40) for key in ("created_at", "head_sha")
                )
                self._http.notify_user(
                    f"the latest successful run of {place} is {run['id']} of {date} (commit {commit[:12]})"
                )
                return RunReference(
                    location=workflow.location,
                    repository=workflow.repository,
                    run_id=str(run["id"]),
                    artifact_id="",
                )
        raise NothingFoundError(
            f"no successful run of {place}",
            hint="Wait until a run has succeeded, or check the names of the workflow and the branch. "
            "Runs of pull requests are not used.",
        )

    def _get_default_branch(self, api: GitHubApi) -> str:
        page = api.get(api.build_url(self._workflow.repository))
        data = load_listing_json(page.text, strip_url(page.url))
        branch = data.get("default_branch") if isinstance(data, dict) else None
        if not isinstance(branch, str) or not branch:
            raise ListingError(f"{strip_url(page.url)} returned JSON that does not describe a repository")
        return branch


def _is_run_of_branch(run: dict[str, Any], workflow: WorkflowReference, branch: str) -> bool:
    """Return whether a run succeeded on a branch of the repository itself, and not of a fork."""
    repository, head = run.get("repository"), run.get("head_repository")
    event = run.get("event")
    return (
        type(run.get("id")) is int
        and run.get("conclusion") == "success"
        and run.get("head_branch") == branch
        and isinstance(repository, dict)
        and isinstance(head, dict)
        and type(head.get("id")) is int
        and head["id"] == repository.get("id")
        and isinstance(event, str)
        and event == (workflow.event or event)
        and (bool(workflow.event) or not event.startswith("pull_request"))
    )


def _open_api(http: HttpClient, api_url: str, location: RepositoryLocation) -> GitHubApi:
    """Return a client with a token. Raises CredentialsError without one."""
    api = GitHubApi(http, api_url, location)
    if not api.token:
        raise CredentialsError(
            "GitHub requires a token to download artifacts, even from a public repository",
            hint="Set GITHUB_TOKEN to a token with read access to Actions; 'gh auth token' prints yours.",
        )
    return api


def _iter_artifacts(api: GitHubApi, run: RunReference, unpacker: ArtifactUnpacker) -> Iterator[RemoteFile]:
    run_url = api.build_url(f"{run.repository}/actions/runs/{run.run_id}")
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
