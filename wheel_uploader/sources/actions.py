"""Runs of GitHub Actions: the wheels in their artifacts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from wheel_uploader import bounded
from wheel_uploader.display import bare_url, printable
from wheel_uploader.errors import CredentialsError, NothingFoundError
from wheel_uploader.http import Page
from wheel_uploader.models import RemoteFile
from wheel_uploader.sources import paging
from wheel_uploader.sources.artifacts import Artifact, Unpacker, UnpackingSource
from wheel_uploader.sources.base import Listing, digests
from wheel_uploader.sources.github import PER_PAGE, Api, entries, next_page, repository
from wheel_uploader.sources.simple import load

_RUN = re.compile(
    r"/(?P<repository>[\w.-]+/[\w.-]+)/actions/runs/(?P<run>\d{1,18})(?:/artifacts/(?P<artifact>\d{1,18}))?(?:/.*)?\Z"
)


class ActionsRun(UnpackingSource):
    """Every artifact of a run, or the one whose URL it is. The zips are given only to those with a token."""

    #: Where the API is; tests have another.
    api = "https://api.github.com"

    @staticmethod
    def claims(url: str) -> bool:
        where = repository(url)
        return bool(where and _RUN.match(where.path))

    def files(self, project: str) -> Iterator[RemoteFile]:
        """The files in the artifacts; an expired artifact is listed and refused."""
        where = repository(self._url)
        found = where and _RUN.match(where.path)
        assert where and found  # noqa: S101 - or it would not have been claimed
        api = Api(self._http, self.api, where)
        if not api.token:
            raise CredentialsError(
                "GitHub gives the artifacts of a run only to those with a token, even public ones",
                hint="Set GITHUB_TOKEN to a token that may read Actions; 'gh auth token' prints yours.",
            )
        run = api.url(f"{found['repository']}/actions/runs/{found['run']}")
        self._refuse_unfinished(api.get(run), found["run"])
        unpacker = Unpacker(self._http, self.scratch, project)
        artifact_url = api.url(f"{found['repository']}/actions/artifacts/")
        for _, listing in paging.pages(
            f"{run}/artifacts?per_page={PER_PAGE}", api.get, lambda page: _read(page, artifact_url)
        ):
            for file in listing.files:
                if found["artifact"] and file.url != f"{artifact_url}{found['artifact']}/zip":
                    continue
                if file.refused:
                    yield file
                else:
                    yield from unpacker.files(_artifact(file))

    @staticmethod
    def _refuse_unfinished(page: Page, run: str) -> None:
        """A run that is not over has not made all of its wheels, unless it is the one that we are part of."""
        data = load(page.text, bare_url(page.url))
        status = data.get("status") if isinstance(data, dict) else None
        if status != "completed" and os.environ.get("GITHUB_RUN_ID") != run:
            raise NothingFoundError(
                f"the run at {bare_url(page.url)} is not over (status {printable(str(status), limit=40)})",
                hint="Wait until it is, then run the same command again.",
            )


def _artifact(file: RemoteFile) -> Artifact:
    return Artifact(
        name=file.filename,
        url=file.url,
        source=file.source,
        sha256=file.hashes.get("sha256", ""),
        modified=file.modified,
    )


def _read(page: Page, artifact_url: str) -> Listing:
    return read_artifacts(page.text, page.url, bare_url(page.url), artifact_url)


def read_artifacts(text: str, base_url: str, source: str, artifact_url: str) -> Listing:
    """The artifacts on one page as files of their own; ``artifact_url`` and a number is where one is."""
    listed = entries(load(text, source), "artifacts", source)
    files = (_file(entry, source, artifact_url) for entry in listed)
    return Listing(
        files=tuple(file for file in files if file is not None), next=next_page(base_url, len(listed))
    )


def _file(entry: dict[str, Any], source: str, artifact_url: str) -> RemoteFile | None:
    name, number, digest = entry.get("name"), entry.get("id"), entry.get("digest")
    if not isinstance(name, str) or type(number) is not int:
        return None
    expired = entry.get("expired") is True
    day = printable(str(entry.get("expires_at", ""))[:10])
    return RemoteFile(
        filename=name,
        url=f"{artifact_url}{number}/zip",
        hashes=digests({"sha256": digest.removeprefix("sha256:")}) if isinstance(digest, str) else {},
        source=source,
        modified=bounded.moment(entry.get("created_at")),
        refused=f"the artifact expired on {day}" if expired else "",
    )
