"""Local sources: a dist directory, a wheelhouse, CI artifact directories or a single file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.listings import list_staged
from tools.testing import wheels
from wheel_uploader.core.errors import NothingFoundError, ReleaseError, StorageError, UsageError
from wheel_uploader.core.models import GapRemedy, RemoteFile
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources import ReleaseQuery, list_staged_files


@pytest.fixture(scope="module")
def http() -> Iterator[HttpClient]:
    with HttpClient() as http:
        yield http


def list_files(url: str | Path, http: HttpClient) -> list[RemoteFile]:
    return list(list_staged([str(url)], "dipy", http))


def test_lists_the_files_of_a_directory(tmp_path: Path, http: HttpClient) -> None:
    wheel = wheels.make_wheel(tmp_path, version="1.11.0+local")
    (tmp_path / "notes.txt").write_text("x")
    first, second = list_files(tmp_path, http)
    assert (first.filename, second.filename) == (wheel.name, "notes.txt")
    assert first.url == wheel.as_uri()
    assert first.size == wheel.stat().st_size
    assert first.hashes == {}
    assert first.source == str(tmp_path)


def test_walks_the_directories_of_artifacts(tmp_path: Path, http: HttpClient) -> None:
    wheels.make_wheel(tmp_path / "cibw-wheels-0.whl", tag="cp311-cp311-win_amd64")
    wheels.make_wheel(tmp_path / "artifact" / "dist", tag="cp312-cp312-win_amd64")
    wheels.make_wheel(tmp_path / "artifact" / "a" / "b" / "c", tag="cp313-cp313-win_amd64")
    (tmp_path / "artifact" / "notes.txt").write_text("x")
    wheels.make_sdist(tmp_path)
    assert sorted(file.filename for file in list_files(tmp_path, http)) == [
        "dipy-1.11.0-cp311-cp311-win_amd64.whl",
        "dipy-1.11.0-cp312-cp312-win_amd64.whl",
        "dipy-1.11.0-cp313-cp313-win_amd64.whl",
        "dipy-1.11.0.tar.gz",
    ]


@pytest.mark.parametrize(
    "directory",
    [".venv", "venv", "node_modules", "__pycache__", "x/site-packages", "dipy.egg-info", "1.10.0", "env"],
)
def test_does_not_walk_environments_and_other_versions(
    tmp_path: Path, http: HttpClient, directory: str
) -> None:
    wheel = wheels.make_wheel(tmp_path / "dist")
    wheels.make_wheel(tmp_path / directory, tag="cp312-none-any")
    if directory == "env":
        (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    listed = list_staged([str(tmp_path)], "dipy", http, version="1.11.0")
    assert [file.filename for file in listed] == [wheel.name]


def test_reads_each_directory_once_despite_symbolic_links(tmp_path: Path, http: HttpClient) -> None:
    wheel = wheels.make_wheel(tmp_path / "staged" / "build" / "1.11.0")
    (tmp_path / "staged" / "latest").symlink_to(wheel.parent)
    (tmp_path / "staged" / "build" / "loop").symlink_to(tmp_path / "staged")
    (tmp_path / "staged" / "up").symlink_to(tmp_path)
    (tmp_path / "staged" / "self").symlink_to(tmp_path / "staged" / "self")
    outside = wheels.make_wheel(tmp_path / "elsewhere", tag="cp312-none-any")
    (tmp_path / "staged" / "out").symlink_to(outside.parent)
    names = sorted(file.filename for file in list_files(tmp_path / "staged", http))
    assert names == sorted([wheel.name, outside.name])


def test_skips_hidden_files_and_directories(tmp_path: Path, http: HttpClient) -> None:
    wheels.make_wheel(tmp_path / ".partial")
    (tmp_path / ".hidden.whl").write_text("x")
    (tmp_path / "dangling.whl").symlink_to(tmp_path / "nowhere")
    assert list_files(tmp_path, http) == []


def test_single_file_is_a_source(tmp_path: Path, http: HttpClient) -> None:
    wheel = wheels.make_wheel(tmp_path)
    for source in (str(wheel), wheel.as_uri(), wheel.as_uri().replace("file://", "file://localhost")):
        assert [file.filename for file in list_files(source, http)] == [wheel.name]


def test_accepts_relative_paths_and_home(
    tmp_path: Path, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = wheels.make_wheel(tmp_path / "my dist")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in ("my dist", "./my dist/", "~/my dist", f"my dist/{wheel.name}"):
        (file,) = list_files(source, http)
        assert unquote(file.url) == f"file://{tmp_path}/my dist/{wheel.name}"


@pytest.mark.parametrize("source", ["dist", "./dist", "/nonexistent/dist", "~nobody-of-that-name", "a\0b"])
def test_error_names_a_missing_path(
    tmp_path: Path, http: HttpClient, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NothingFoundError, match="no such file or directory") as caught:
        list_files(source, http)
    assert "https://" in caught.value.hint
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("source", ["staging.example/wheels/", "staging.example:8080/"])
def test_suggests_a_scheme_for_a_url_without_one(http: HttpClient, source: str) -> None:
    with pytest.raises(UsageError) as caught:
        list_files(source, http)
    assert caught.value.hint == f"If it is a URL, pass https://{source}"


def test_rejects_a_file_url_of_another_machine(http: HttpClient) -> None:
    with pytest.raises(UsageError, match="on another machine"):
        list_files("file://server/share/dist", http)


@pytest.mark.parametrize("source", ["ftp://staging.example/", "hf://bucket/wheels", "HTTPX://x/", "", " "])
def test_rejects_unsupported_schemes(http: HttpClient, source: str) -> None:
    with pytest.raises(UsageError, match="unsupported source: "):
        list_files(source, http)


def test_reports_an_unreadable_directory(
    tmp_path: Path, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StorageError, match=r"cannot read .*: Permission denied"):
        list_files(tmp_path, http)


def test_a_directory_that_vanishes_is_a_gap(
    tmp_path: Path, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may remove a directory between the reading of its parent and its own."""
    wheels.make_wheel(tmp_path / "dist")
    wheels.make_wheel(tmp_path / "other")
    scan = os.scandir

    def remove_first(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path) != tmp_path:
            raise FileNotFoundError(2, "No such file or directory", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", remove_first)
    staged = list_staged_files([str(tmp_path)], ReleaseQuery(project="dipy"), http)
    assert [(gap.remedy, gap.message) for gap in staged.gaps] == [
        (
            GapRemedy.WAIT,
            f"{tmp_path}: the folder dist/ is listed, but cannot be read: {tmp_path}/dist was removed",
        )
    ]
    assert f"the folder other/ was not read: {tmp_path}/other was removed" in [
        note.message for note in staged.notes
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_an_unavailable_file(tmp_path: Path, http: HttpClient) -> None:
    os.mkfifo(tmp_path / "dipy-1.11.0-py3-none-any.whl")
    (pipe,) = list_files(tmp_path, http)
    assert pipe.unavailable_reason == "it is not a regular file"
    with pytest.raises(ReleaseError, match="no such file or directory"):
        list_files(tmp_path / "dipy-1.11.0-py3-none-any.whl", http)


def test_a_symbolic_link_that_leads_nowhere_is_an_unavailable_file(tmp_path: Path, http: HttpClient) -> None:
    (tmp_path / "dipy-1.11.0-py3-none-any.whl").symlink_to(tmp_path / "missing")
    (link,) = list_files(tmp_path, http)
    assert link.unavailable_reason == "it is a symbolic link to a missing file"
