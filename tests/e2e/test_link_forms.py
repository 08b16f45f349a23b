"""Listings whose links name files in unusual ways, read by the whole command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import Result

from tests.support import wheels
from tests.support.in_process import run
from tests.support.scripted import Request, ScriptedServer, Step, answer
from tests.support.staging import sha256

TAG = "cp312-cp312-win_amd64"
WHEEL = wheels.wheel_filename("dipy", "1.11.0", TAG)
DATA = wheels.wheel_bytes(tag=TAG)
SDIST = "dipy-1.11.0.tar.gz"


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Pages:
    """Answers by path and query; any other path is a page for people that names no file."""

    def __init__(self, pages: Mapping[str, bytes]) -> None:
        self.pages = pages
        self.fetched: list[str] = []

    def __call__(self, request: Request) -> list[Step]:
        self.fetched.append(request.target)
        return [answer(200, self.pages.get(request.target, b"<title>A page about a file</title>"))]


def publish(pages: Mapping[str, bytes], *arguments: str, until: str = "download") -> tuple[Result, Pages]:
    site = Pages(pages)
    with ScriptedServer(site) as server:
        options = ("-u", f"{server.url}w/", "--until", until, "--retries", "1", *arguments)
        result = run(*options, "dipy", "1.11.0")
    assert "Traceback" not in result.output
    return result, site


# --- names (L10) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (f'<a href="{WHEEL}/download">x</a>', f"/w/{WHEEL}/download"),
        (f'<a href="dl?path=/&amp;files={WHEEL}">x</a>', f"/w/dl?path=/&files={WHEEL}"),
        (f'<a download="{WHEEL}" href="/artifact/123">x</a>', "/artifact/123"),
        (f'<a href="/files/123">{WHEEL}</a>', "/files/123"),
        (f'<a href="dipy%2F{WHEEL}?alt=media">x</a>', f"/w/dipy%2F{WHEEL}?alt=media"),
        (f'<a href="{WHEEL};jsessionid=1">x</a>', f"/w/{WHEEL};jsessionid=1"),
        (f'<a href="sub\\{WHEEL}">x</a>', f"/w/sub/{WHEEL}"),
    ],
)
def test_downloads_a_file_that_another_part_of_the_link_names(link: str, target: str) -> None:
    result, site = publish({"/w/": link.encode(), target: DATA})
    assert result.exit_code == 0, result.stderr
    assert Path("wheelhouse", WHEEL).read_bytes() == DATA
    assert site.fetched == ["/w/", target]


def test_the_contents_must_prove_the_name_of_the_link() -> None:
    other = wheels.wheel_bytes(version="1.10.0", tag=TAG)
    result, _ = publish(
        {"/w/": f'<a href="/files/123">{WHEEL}</a>'.encode(), "/files/123": other}, until="check"
    )
    assert result.exit_code == 6
    assert "1.10.0" in result.output


def test_the_page_about_a_file_is_not_kept_as_the_file() -> None:
    result, _ = publish({"/w/": f'<a href="/about/123">{WHEEL}</a>'.encode()})
    assert result.exit_code != 0
    assert not Path("wheelhouse", WHEEL).exists()


# --- one file behind two links (L7) ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "target"),
    [
        ((f"{WHEEL}", f"{WHEEL}?download=1"), f"/w/{WHEEL}?download=1"),
        ((f"/o/r/blob/main/{WHEEL}", f"/o/r/raw/main/{WHEEL}"), f"/o/r/raw/main/{WHEEL}"),
    ],
)
def test_the_same_file_behind_two_links_is_downloaded_once(links: tuple[str, ...], target: str) -> None:
    page = "".join(f'<a href="{link}">x</a>' for link in links)
    result, site = publish({"/w/": page.encode(), target: DATA})
    assert result.exit_code == 0, result.stderr
    assert site.fetched == ["/w/", target]


def test_two_links_that_may_be_different_files_are_both_shown() -> None:
    page = f'<a href="/cpu/{WHEEL}">x</a><a href="/cu92/{WHEEL}">x</a>'
    pages = {"/w/": page.encode(), f"/cpu/{WHEEL}": DATA}
    result, site = publish(pages)
    assert result.exit_code == 6
    clash, hint = result.stderr.splitlines()[1:3]
    assert f"/cpu/{WHEEL} and http://127.0.0.1" in clash
    assert clash.endswith(f"/cu92/{WHEEL}")
    assert "--sha256sums" in hint
    assert site.fetched == ["/w/"]
    # The hint leads on.
    Path("SUMS").write_text(f"{sha256(DATA)}  {WHEEL}\n")
    result, _ = publish(pages, "--sha256sums", "SUMS")
    assert result.exit_code == 0, result.stderr


# --- source archives (L14) -------------------------------------------------------------------------


def test_a_source_archive_is_not_the_sdist() -> None:
    page = f'<a href="{WHEEL}">x</a><a href="/g/dipy/-/archive/1.11.0/{SDIST}">Source code</a>'
    result, _ = publish({"/w/": page.encode(), f"/w/{WHEEL}": DATA}, "--format", "json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert [file["filename"] for file in report["files"]] == [WHEEL]
    (refused,) = report["refused"]
    assert (refused["filename"], "source archive" in refused["reason"]) == (SDIST, True)


@pytest.mark.parametrize("version", ["1.11.0", "latest"])
def test_source_archives_alone_are_not_a_release(version: str) -> None:
    page = f'<a href="/g/dipy/-/archive/1.11.0/{SDIST}">Source code</a>'
    with ScriptedServer(Pages({"/w/": page.encode()})) as server:
        result = run("-u", f"{server.url}w/", "--until", "list", "dipy", version)
    assert result.exit_code == 3
