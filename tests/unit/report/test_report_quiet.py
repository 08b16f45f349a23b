"""Test the lines of ``-q``: each begins with the release, the stage and the server."""

from __future__ import annotations

import dataclasses

import pytest

from tools.testing import reports
from wheel_uploader.core.errors import NetworkError, StorageError
from wheel_uploader.core.models import Report, Stage
from wheel_uploader.report.formats import quiet


def failed(report: Report, error: NetworkError | StorageError, stage: Stage) -> Report:
    return dataclasses.replace(report, error=error, stage_seconds={**report.stage_seconds, stage: 1.0})


@pytest.mark.parametrize(
    ("report", "prefix"),
    [
        (failed(reports.listed(), NetworkError("down"), Stage.DOWNLOAD), "dipy 1.11.0, download (staging)"),
        (failed(reports.fetched(), NetworkError("down"), Stage.CHECK), "dipy 1.11.0, check (index)"),
        (failed(reports.checked(), NetworkError("down"), Stage.UPLOAD), "dipy 1.11.0, upload (index)"),
        # The server has nothing to do with a full disk.
        (failed(reports.listed(), StorageError("full"), Stage.DOWNLOAD), "dipy 1.11.0, download"),
        (reports.checked(), "dipy 1.11.0, check"),
        (reports.nothing_found(), "dipy latest"),
    ],
)
def test_a_line_names_release_stage_and_server(report: Report, prefix: str) -> None:
    assert quiet.describe_run(report) == prefix


def test_every_line_has_the_prefix() -> None:
    report = dataclasses.replace(reports.published(), warnings=("the token expires",))
    assert quiet.render_quiet(report).splitlines() == [
        "dipy 1.11.0, confirm (index): warning: the token expires",
        f"dipy 1.11.0, confirm (index): 3 uploaded, 1 skipped to {reports.INDEX}",
    ]
