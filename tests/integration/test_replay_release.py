"""Recordings of whole releases: from nginx to pypiserver and from Apache to devpi, and once more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import cassettes, indexes, servers
from tests.support.cassettes import INDEX_PORT, LOGIN, PROJECT, RELEASE, STAGING_PORT, VERSION, archive, stage
from wheel_uploader.core.models import DownloadOutcome, FileStatus, Options, Report, Stage
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import run as pipeline_run

STAGING = f"http://127.0.0.1:{STAGING_PORT}/"


def release_twice(index: str, house: Path, *, live: bool) -> None:
    options = Options(
        project=PROJECT,
        version=VERSION,
        urls=(STAGING,),
        wheelhouse=house,
        # Recorded one after the other, so that a cassette tells a story; replayed as in real life. But for
        # uploads: while vcrpy makes a connection of requests, those of other threads are not replayed.
        jobs=1 if live else 4,
        upload_jobs=1,
        repository_url=index,
        username=LOGIN[0],
        password=LOGIN[1],
        non_interactive=True,
    )
    first = released(options)
    assert {each.outcome for each in first.downloaded_files} == {DownloadOutcome.DOWNLOADED}
    assert {each.outcome for each in first.upload_results} == {FileStatus.UPLOADED}
    again = released(options)
    assert {each.outcome for each in again.downloaded_files} == {DownloadOutcome.UNCHANGED}
    assert {each.outcome for each in again.upload_results} == {FileStatus.SKIPPED}
    assert sum(each.attempts for each in again.upload_results) == 0


def released(options: Options) -> Report:
    report = pipeline_run.run(options, SilentProgress())
    assert report.error is None, report.error
    assert report.last_stage is Stage.CONFIRM
    digests = {each.filename: each.sha256 for each in report.confirmations}
    assert digests == {each.file.filename: each.file.sha256 for each in report.downloaded_files}
    in_house = {each.file.filename: each.file.path.read_bytes() for each in report.downloaded_files}
    assert in_house == {name: archive(name) for name in RELEASE}
    return report


@pytest.mark.vcr
def test_from_nginx_to_pypiserver(live: bool, tmp_path: Path) -> None:
    stage(tmp_path / "staged")
    with (
        cassettes.server(live, STAGING_PORT, lambda: servers.nginx(tmp_path / "staged")),
        cassettes.server(
            live, INDEX_PORT, lambda: indexes.pypiserver(tmp_path / "store", users=dict([LOGIN]))
        ),
    ):
        release_twice(f"http://127.0.0.1:{INDEX_PORT}/", tmp_path / "house", live=live)


@pytest.mark.vcr
def test_from_apache_to_devpi(live: bool, devpi_url: str, tmp_path: Path) -> None:
    stage(tmp_path / "staged")
    with cassettes.server(
        live, STAGING_PORT, lambda: servers.apache(tmp_path / "staged", options="FancyIndexing HTMLTable")
    ):
        release_twice(f"{devpi_url}release/", tmp_path / "house", live=live)
