"""Jobs of GitLab CI: the wheels in a job's artifacts. Its package registry is an index like any other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from wheel_uploader.display import bare_url, remember_secret
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources.artifacts import Artifact, Unpacker, UnpackingSource
from wheel_uploader.urls import quote, unquote, urlsplit, urlunsplit

_JOB = re.compile(r"([0-9]{1,18})(?:/artifacts(?:/.*)?)?/?\Z")


class GitLabJob(UnpackingSource):
    """The artifacts of one job, at gitlab.com or any other host, for its pages are called alike."""

    @staticmethod
    def claims(url: str) -> bool:
        return bool(archive_url(url))

    def files(self, project: str) -> Iterator[RemoteFile]:
        """The files in the job's one archive, which GitLab has no hash of."""
        url = archive_url(self._url)
        parts = urlsplit(url)
        for host, variable, header in (
            ("gitlab.com", "GITLAB_TOKEN", "private-token"),
            (os.environ.get("CI_SERVER_HOST", ""), "CI_JOB_TOKEN", "job-token"),
        ):
            token = os.environ.get(variable, "").strip()
            if token and parts.hostname == host:
                remember_secret(token)
                self._http.add_headers(url, {header: token})
        artifact = Artifact(name=f"job {parts.path.split('/')[-2]}", url=url, source=bare_url(self._url))
        yield from Unpacker(self._http, self.scratch, project).files(artifact)


def archive_url(url: str) -> str:
    """Where the API has the archive of the job whose page a URL is; empty for other URLs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    project, _, rest = unquote(parts.path).removeprefix("/").partition("/-/jobs/")
    found = _JOB.match(rest)
    # A project is in a group.
    groups = project.split("/")
    if parts.scheme not in {"http", "https"} or not found or len(groups) < 2 or not all(groups):
        return ""
    path = f"/api/v4/projects/{quote(project, safe='')}/jobs/{found[1]}/artifacts"
    return urlunsplit(parts._replace(path=path, query="", fragment=""))
