"""Replay recordings of complete releases, each run twice: nginx to pypiserver, and Apache to devpi."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import cassettes
from tests.support.cassettes import INDEX_PORT, LOGIN, PROJECT, RELEASE, STAGING_PORT, VERSION, archive, stage
from tools.testing import indexes, servers
from wheel_uploader.core.models import DownloadOutcome, FileStatus, Options, Report, Stage
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import run as pipeline_run

STAGING = f"http://127.0.0.1:{STAGING_PORT}/"


def release_twice(index: str, wheelhouse: Path, *, live: bool) -> None:
    options = Options(
        project=PROJECT,
        version=VERSION,
        urls=(STAGING,),
        wheelhouse=wheelhouse,
        # Record sequentially, so that cassettes are readable; replay in parallel, as in a real run. Uploads
        # stay sequential, because vcrpy does not replay other threads while requests connects.
        jobs=1 if live else 4,
        upload_jobs=1,
        repository_url=index,
        username=LOGIN[0],
        password=LOGIN[1],
        non_interactive=True,
    )
    first = publish(options)
    assert {file.outcome for file in first.downloaded_files} == {DownloadOutcome.DOWNLOADED}
    assert {result.outcome for result in first.upload_results} == {FileStatus.UPLOADED}
    second = publish(options)
    assert {file.outcome for file in second.downloaded_files} == {DownloadOutcome.UNCHANGED}
    assert {result.outcome for result in second.upload_results} == {FileStatus.SKIPPED}
    assert sum(result.attempts for result in second.upload_results) == 0


def publish(options: Options) -> Report:
    report = pipeline_run.run(options, SilentProgress())
    assert report.error is None, report.error
    assert report.last_stage is Stage.CONFIRM
    digests = {confirmation.filename: confirmation.sha256 for confirmation in report.confirmations}
    assert digests == {item.file.filename: item.file.sha256 for item in report.downloaded_files}
    downloaded = {item.file.filename: item.file.path.read_bytes() for item in report.downloaded_files}
    assert downloaded == {name: archive(name) for name in RELEASE}
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
