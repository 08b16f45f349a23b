"""Requires-Python admits some Python, and the patch releases of each Python that it admits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import in_process
from tests.support.zips import SDIST, check_ids, filename_with_tag, findings
from tools.testing.wheels import METADATA, make_wheel, sdist_bytes, wheel_bytes

PATCHES, NONE = "metadata/excludes-patch-releases", "metadata/excludes-every-python"
ANY, CP312, CP313, ABI3 = (
    "py3-none-any",
    "cp312-cp312-win_amd64",
    "cp313-cp313-win_amd64",
    "cp310-abi3-win_amd64",
)


def metadata(requires_python: str) -> str:
    return METADATA.format(project="dipy", version="1.11.0").replace(">=3.9", requires_python)


def check(requires_python: str, tag: str = ANY) -> set[str]:
    data = wheel_bytes(tag=tag, metadata=metadata(requires_python))
    return check_ids(findings(data, filename_with_tag(tag)))


@pytest.mark.parametrize(
    ("requires_python", "tag"),
    [
        (">=3.9,<=3.14", ANY),
        ("==3.13", CP313),
        (">=3.9,<=3.12", CP312),
        (">=3.9, <= 3.12.0", CP312),
        ("<=3.12", ABI3),
        ("<=3", ANY),
        ("==3.13", "py312-none-any"),
        ("<=3.12", "pp312-pypy312_pp73-win_amd64"),
    ],
)
def test_reports_that_patch_releases_are_excluded(requires_python: str, tag: str) -> None:
    assert check(requires_python, tag) == {PATCHES}


@pytest.mark.parametrize(
    "requires_python",
    [
        *(
            ">=3.10,<3.10",
            ">=3.9,<3.8",
            ">3.13,<3.13.1",
            "==3.12.*,!=3.12.*",
            "==3.11.1,==3.11.2",
            "===x",
            "===3.12",
            ">=39",
            ">=310,<4",
        ),
        *(">=3.9,<3.9.0", "~=3.9,<3", ">=3.12,<3.12.dev0"),
    ],
)
def test_reports_that_no_python_is_admitted(requires_python: str) -> None:
    assert check(requires_python) == {NONE}


@pytest.mark.parametrize(
    ("requires_python", "tag"),
    [
        *((">=3.9,<3.15", ANY), (">=3.9,!=3.9.0", ANY), ("~=3.9", ANY), ("==3.13.*", CP313), (">=3.9", ANY)),
        *((">=3.6,<3.10,!=3.9.7", ANY), ("<3.13.1", CP313), ("<=3.12.9", CP312), ("==3.12.4", CP312)),
        *((">=3.9,<4", ANY), (">3.9", ANY), ("==3.*", ANY), (">=2.7,!=3.0.*,!=3.1.*", ANY), ("<=4", ANY)),
        # Another wheel of the release is for the Python whose patch releases are excluded.
        *((">=3.9,<=3.14", CP312), ("<=3.9", ABI3), ("<=3.11", "py312-none-any")),
        *(
            (">=3.99", ANY),
            ("===3.12.5", CP312),
            (">=3.13.0b2", CP313),
            ("==3.14.0rc1", ANY),
            ("<3", "py2-none-any"),
        ),
    ],
)
def test_accepts_a_good_value(requires_python: str, tag: str) -> None:
    assert check(requires_python, tag) == set()


def test_an_invalid_value_is_reported_as_invalid_only() -> None:
    assert check("three") == {"metadata/invalid"}


def test_checks_an_sdist_for_all_pythons() -> None:
    assert check_ids(findings(sdist_bytes(metadata=metadata("<=3.9")), SDIST)) == {PATCHES}
    assert check_ids(findings(sdist_bytes(metadata=metadata(">=3.9,<3.9")), SDIST)) == {NONE}


def test_the_command_names_the_python_and_the_value(tmp_path: Path) -> None:
    make_wheel(tmp_path, metadata=metadata(">=3.9,<=3.14"))
    ended = in_process.run("--format", "json", "--until", "check", "-u", tmp_path)
    [finding] = [each for each in json.loads(ended.stdout)["findings"] if each["check"] == PATCHES]
    assert ended.exit_code == 0
    assert finding["severity"] == "warning"
    assert finding["message"] == (
        "Requires-Python '>=3.9,<=3.14' admits 3.14.0 and excludes later patch releases"
    )
    make_wheel(tmp_path, metadata=metadata(">=3.10,<3.10"))
    ended = in_process.run("--format", "json", "--until", "check", "-u", tmp_path)
    [finding] = [each for each in json.loads(ended.stdout)["findings"] if each["check"] == NONE]
    assert (ended.exit_code, finding["severity"]) == (6, "error")
    assert finding["message"] == "no Python satisfies Requires-Python '>=3.10,<3.10'"
