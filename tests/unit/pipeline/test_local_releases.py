"""Test the search for releases in local folders."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tools.testing import wheels
from wheel_uploader.core.errors import NothingFoundError
from wheel_uploader.pipeline.local_releases import find_local_releases


def names(*places: Path, exclude: tuple[str, ...] = ()) -> list[str]:
    releases = find_local_releases([str(place) for place in places], exclude)
    assert releases is not None
    return [release.name for release in releases]


def test_finds_each_release_in_all_folders(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path / "a", "demo", "1.0", "py3-none-any")
    wheels.make_sdist(tmp_path / "b", "demo", "1.0")
    other = wheels.make_wheel(tmp_path / "b" / "wheels", "other", "2.0", "py3-none-any")
    assert names(tmp_path / "a", tmp_path / "b") == ["demo 1.0", "other 2.0"]
    assert names(other) == ["other 2.0"]
    assert names(tmp_path / "b", exclude=("other-*",)) == ["demo 1.0"]


def test_a_misnamed_wheel_is_one_of_the_release_that_it_resembles(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path, "demo", "1.0", "py3-none-any")
    wheel.rename(tmp_path / "demo-1.0-py3-none-any (1).whl")
    assert names(tmp_path) == ["demo 1.0"]


def test_other_files_and_missing_folders_have_no_release(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("demo 1.0")
    assert names(tmp_path, tmp_path / "missing") == []


def test_wheels_in_an_archive_are_not_left_out_in_silence(tmp_path: Path) -> None:
    wheel = wheels.make_wheel(tmp_path / "built", "demo", "1.0", "py3-none-any")
    (tmp_path / "dist").mkdir()
    with zipfile.ZipFile(tmp_path / "dist" / "artifact.zip", "w") as archive:
        archive.write(wheel, wheel.name)
    with pytest.raises(NothingFoundError, match=r"artifact\.zip|could not be taken into account"):
        find_local_releases([str(tmp_path / "dist")])


def test_a_server_is_not_searched() -> None:
    assert find_local_releases(["dist", "https://staging.example.com/"]) is None
