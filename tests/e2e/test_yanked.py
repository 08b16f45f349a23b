"""H19: before the POST, a warning says that installers ignore files added to a yanked release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import in_process
from tools.testing import wheels
from tools.testing.indexes import Served, scripted_index

LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}
OURS = wheels.wheel_filename("demo", "1.0")
OLD = wheels.wheel_filename("demo", "1.0", "py2-none-any")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.chdir(tmp_path)
    wheels.make_wheel(tmp_path / "staged", "demo", "1.0")
    with scripted_index() as served:
        served.index.files[OLD] = wheels.wheel_bytes("demo", "1.0", "py2-none-any")
        yield served


def run(served: Served, *arguments: str) -> Result:
    target = ["--repository-url", served.upload_url, "--index-url", served.index_url]
    return in_process.run(
        "-u", "staged", *target, "--confirm-timeout", "5", *arguments, "demo", "1.0", env=LOGIN
    )


def text_of(result: Result) -> str:
    return " ".join(result.stdout.split())


@pytest.mark.parametrize("view", ["json", "html"])
@pytest.mark.parametrize(
    ("reason", "shown"), [("broken on ARM", "yanked 1.0 (broken on ARM)"), ("", "yanked 1.0")]
)
def test_warns_of_a_yanked_release(index: Served, view: str, reason: str, shown: str) -> None:
    index.index.view, index.index.yanked = view, {OLD: reason}
    result = run(index)
    assert result.exit_code == 0
    assert index.index.posted_filenames() == [OURS]
    assert "warning: release/yanked: Release is yanked on the index" in text_of(result)
    assert f"the index has {shown}: nobody gets the new files unless this version is pinned" in text_of(
        result
    )


def test_strict_stops_before_the_post(index: Served) -> None:
    index.index.yanked = {OLD: "broken on ARM"}
    assert run(index, "--strict", "--ignore", "release/no-sdist").exit_code == 6
    assert index.index.posts == []


def test_quiet_prints_the_warning_with_the_upload(index: Served) -> None:
    index.index.yanked = {OLD: "broken on ARM"}
    result = run(index, "-q")
    assert "warning: release/yanked: the index has yanked 1.0 (broken on ARM)" in text_of(result)


def test_names_single_yanked_files(index: Served) -> None:
    other = wheels.wheel_filename("demo", "1.0", "cp27-none-any")
    index.index.files[other] = b"x"
    index.index.yanked = {OLD: "broken"}
    assert f"the index has yanked 1 of 2 files (broken): {OLD}" in text_of(run(index))


def test_a_yanked_older_release_is_nothing_new(index: Served) -> None:
    older = wheels.wheel_filename("demo", "0.9")
    index.index.files = {older: b"x", OLD: index.index.files[OLD]}
    index.index.yanked = {older: "broken"}
    assert "release/yanked" not in run(index, "-v").stdout
