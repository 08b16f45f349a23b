"""Source for the artifacts of a GitLab CI job. GitLab's package registry is read as an ordinary index."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.core.redaction import register_secret, strip_url
from wheel_uploader.core.urls import quote, unquote, urlsplit, urlunsplit
from wheel_uploader.listing.sources.base import ReleaseQuery
from wheel_uploader.listing.sources.ci_artifacts import Artifact, ArtifactSource, ArtifactUnpacker

_JOB_PATH = re.compile(r"([0-9]{1,18})(?:/artifacts(?:/.*)?)?/?\Z")


class GitLabJob(ArtifactSource):
    """The artifacts of one job, on gitlab.com or any other host: the paths of GitLab's pages are the same."""

    @staticmethod
    def claims(url: str) -> bool:
        """Return whether ``url`` is the page of a job, or one of its artifacts."""
        return bool(artifact_archive_url(url))

    def iter_files(self, query: ReleaseQuery) -> Iterator[RemoteFile | ListingGap]:
        """Yield the files in the job's archive, for which GitLab lists no hash."""
        url = artifact_archive_url(self._url)
        parts = urlsplit(url)
        for host, variable, header in (
            ("gitlab.com", "GITLAB_TOKEN", "private-token"),
            (os.environ.get("CI_SERVER_HOST", ""), "CI_JOB_TOKEN", "job-token"),
        ):
            token = os.environ.get(variable, "").strip()
            if token and parts.hostname == host:
                register_secret(token)
                self._http.add_headers(url, {header: token})
        artifact = Artifact(name=f"job {parts.path.split('/')[-2]}", url=url, source=strip_url(self._url))
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
