"""Sources for the artifacts of a GitLab CI job, and of the latest successful pipeline of a branch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import NothingFoundError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.core.urls import UnclaimedUrl, parse_qs, quote, unquote, urlsplit, urlunsplit
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources.base import ReleaseQuery
from wheel_uploader.listing.sources.ci_artifacts import Artifact, ArtifactSource
from wheel_uploader.listing.sources.gitlab_api import (
    GitLabApi,
    ProjectPage,
    can_parse_page,
    get_number,
    get_text,
    parse_project_url,
    send_token,
)

_JOB_PATH = re.compile(r"([0-9]{1,18})(?:/artifacts(?:/.*)?)?/?\Z")
#: Ends of the paths that GitLab has for the artifacts of the latest successful pipeline.
_ARTIFACT_PAGES = frozenset({"download", "browse", "raw", "file"})


class GitLabJob(ArtifactSource):
    """The artifacts of one job, on gitlab.com or any other host: the paths of GitLab's pages are the same."""

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is the page of a job, or one of its artifacts."""
        return bool(artifact_archive_url(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files in the job's archive, for which GitLab lists no hash."""
        from wheel_uploader.listing.sources.artifact_unpacker import ArtifactUnpacker

        url = artifact_archive_url(self._url)
        send_token(self._http, url)
        artifact = Artifact(
            name=f"job {urlsplit(url).path.split('/')[-2]}", url=url, source=strip_url(self._url)
        )
        yield from ArtifactUnpacker(self._http, self.unpack_directory, query.project).unpack(artifact)


def artifact_archive_url(url: str) -> str:
    """Return the API's URL of the artifact archive of the job at ``url``; empty for other URLs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    project, _, rest = unquote(parts.path).removeprefix("/").partition("/-/jobs/")
    match = _JOB_PATH.match(rest)
    # A project is always in a group or a user's namespace.
    groups = project.split("/")
    if parts.scheme not in {"http", "https"} or not match or len(groups) < 2 or not all(groups):
        return ""
    path = f"/api/v4/projects/{quote(project, safe='')}/jobs/{match[1]}/artifacts"
    return urlunsplit(parts._replace(path=path, query="", fragment=""))


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchReference:
    """The jobs of the latest successful pipeline of a branch or tag, or one of them."""

    ref: str
    #: Empty for all jobs with artifacts.
    job: str


class GitLabBranch(ArtifactSource):
    """The artifacts of the latest successful pipeline of a branch: ``/-/jobs/artifacts/BRANCH/download``."""

    def __init__(self, url: str, http: HttpClient) -> None:
        super().__init__(url, http)
        self._page = parse_project_url(url)
        self._branch = BranchReference(
            ref=_parse_ref(self._page), job=parse_qs(urlsplit(url).query).get("job", [""])[0]
        )

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is that of the artifacts of a branch."""
        return can_parse_page(_parse_ref, url)

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files in the archives of the pipeline's jobs. Raises NothingFoundError."""
        from wheel_uploader.listing.sources.artifact_unpacker import ArtifactUnpacker

        api = GitLabApi(self._http, self._page)
        unpacker = ArtifactUnpacker(self._http, self.unpack_directory, query.project)
        for job in self._find_jobs(api):
            number = get_number(job, "id")
            artifact = Artifact(
                name=f"job {number}",
                url=f"{self._page.api_url}/jobs/{number}/artifacts",
                source=strip_url(self._url),
                modified=bounds.parse_listed_date(job.get("finished_at")),
            )
            yield from unpacker.unpack(artifact)

    def _find_jobs(self, api: GitLabApi) -> list[dict[str, Any]]:
        ref, name = self._branch.ref, self._branch.job
        shown_ref = f"{sanitize(ref, limit=200)} at {strip_url(self._page.api_url)}"
        pipelines = api.get("pipelines", ref=ref, status="success", per_page="1")
        found = (
            [get_number(entry, "id") for entry in pipelines if isinstance(entry, dict)] if pipelines else []
        )
        if not any(found):
            raise NothingFoundError(
                f"no successful pipeline of {shown_ref}",
                hint="Wait until a pipeline has succeeded, or check the name of the branch.",
            )
        jobs = [
            job
            for job in api.iter_entries(f"pipelines/{found[0]}/jobs")
            if get_number(job, "id") and job.get("artifacts_file") and name in {"", get_text(job, "name")}
        ]
        if not jobs:
            wanted = f" called {sanitize(name, limit=200)}" if name else ""
            raise NothingFoundError(
                f"pipeline {found[0]} of {shown_ref} has no job{wanted} with artifacts",
                hint="Check ?job=NAME in the URL; artifacts may also have expired.",
            )
        self._http.notify_user(f"the latest successful pipeline of {shown_ref} is {found[0]}")
        return jobs


def _parse_ref(page: ProjectPage) -> str:
    """Return the branch in ``jobs/artifacts/BRANCH/download``. Raises UnclaimedUrl."""
    match page.segments:
        case ["jobs", "artifacts", *rest] if len(rest) > 1:
            ends = [index for index, segment in enumerate(rest) if segment in _ARTIFACT_PAGES and index]
            if ends:
                return "/".join(rest[: ends[0]])
    raise UnclaimedUrl
