"""Listings whose links name files in unusual ways, read by the whole command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import Result

from tests.support.in_process import run
from tools.testing import wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.staging import sha256

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
        (f'<a href="download/{WHEEL}/1234">x</a>', f"/w/download/{WHEEL}/1234"),
        (f'<a href="get.php?id=5&amp;fn={WHEEL}">x</a>', f"/w/get.php?id=5&fn={WHEEL}"),
        (f'<a href="/dl/77#{WHEEL}">x</a>', "/dl/77"),
        (f'<a href="/dl/77" title="{WHEEL}">x</a>', "/dl/77"),
        (f'<a href="/dl/77" data-filename="{WHEEL}">x</a>', "/dl/77"),
        (f'<a href="/dl/77" aria-label="Download {WHEEL}">x</a>', "/dl/77"),
        (f'<a href="/dl/77">Download {WHEEL}</a>', "/dl/77"),
        (f'<a href="/dl/77">{WHEEL} [8.7 MiB]</a>', "/dl/77"),
        (f'<a href="/dl/77">{WHEEL[:12]}&#8203;{WHEEL[12:20]}&shy;{WHEEL[20:]}</a>', "/dl/77"),
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
        ((WHEEL, WHEEL.replace("-", "%2D")), f"/w/{WHEEL}"),
        ((f"{WHEEL};jsessionid=1", f"{WHEEL};jsessionid=2"), f"/w/{WHEEL};jsessionid=1"),
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


@pytest.mark.parametrize(
    "link",
    [
        f"/g/dipy/-/archive/1.11.0/{SDIST}",
        f"/~ann/dipy/archive/{SDIST}",
        f"/cgit/dipy/snapshot/{SDIST}",
        f"/dipy.git/snapshot/{SDIST}",
        f"/rest/api/latest/projects/P/repos/dipy/archive?at=1.11.0&filename={SDIST}",
    ],
)
def test_a_source_archive_is_not_the_sdist(link: str) -> None:
    page = f'<a href="{WHEEL}">x</a><a href="{link}">Source code</a>'
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
        result = run("-u", f"{server.url}w/", "--until", "list", "--format", "json", "dipy", version)
    assert result.exit_code == 3
    assert f"{SDIST}: a source archive" in result.stderr
    (refused,) = json.loads(result.stdout)["refused"]
    assert (refused["filename"], "source archive" in refused["reason"]) == (SDIST, True)


# --- sizes, blanks and hints (L14) -----------------------------------------------------------------

SECOND = wheels.wheel_filename("dipy", "1.11.0", "cp311-cp311-win_amd64")
#: Files of a listing with a size in each row: exact in none, rough, or missing in one.
ROUGH, UNKNOWN = (
    f'<a href="{WHEEL}">x</a> 2026-11-21 10:15 {first}\n<a href="{SECOND}">x</a> 2026-11-21 10:15 {second}\n'
    for first, second in (("230M", "117M"), ("230M", "-"))
)


@pytest.mark.parametrize(
    ("page", "heading", "row"),
    [
        (ROUGH, "2 files, about 350 MB", f"about 230 MB  {WHEEL}"),
        (UNKNOWN, "2 files", f"              {SECOND}"),
    ],
)
def test_sizes_are_approximate_where_the_listing_is_and_absent_where_it_has_none(
    page: str, heading: str, row: str
) -> None:
    result, _ = publish({"/w/": page.encode()}, "-v", "--report", "r.md", "--report", "r.html", until="list")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert heading in lines
    assert any(row in line for line in lines)
    for text in (result.output, Path("r.md").read_text(), Path("r.html").read_text()):
        assert " 0 B" not in text
        assert " ? " not in text
    assert heading in Path("r.md").read_text()


def test_json_has_the_approximate_size() -> None:
    result, _ = publish({"/w/": ROUGH.encode()}, "--format", "json", until="list")
    sizes = {
        file["filename"]: (file["listed_size"], file["approximate_size"])
        for file in json.loads(result.stdout)["files"]
    }
    assert sizes == {WHEEL: (None, 230_000_000), SECOND: (None, 117_000_000)}


@pytest.mark.parametrize(
    "blanks", ["  {}", "{}\n", "\t{} ", "\u00a0{}", "'{}'", '"{}"', "<{}>", "\u200b{}", "\ufeff{}"]
)
def test_blanks_around_a_pasted_url_are_ignored(blanks: str) -> None:
    with ScriptedServer(Pages({"/w/": f'<a href="{WHEEL}">x</a>'.encode()})) as server:
        result = run("-u", blanks.format(f"{server.url}w/"), "--until", "list", "dipy", "1.11.0")
    assert result.exit_code == 0, result.stderr


def test_a_folder_may_begin_with_a_blank() -> None:
    Path(" dist ").mkdir()
    Path(" dist ", WHEEL).write_bytes(DATA)
    assert run("-u", " dist ", "--until", "list", "dipy", "1.11.0").exit_code == 0


@pytest.mark.parametrize("status", [401, 403, 200])
def test_the_hint_shows_how_to_write_a_login(status: int) -> None:
    login_page = b'<form><input type="password"></form>'
    with ScriptedServer([answer(status, login_page)]) as server:
        result = run("-u", f"{server.url}w/", "--until", "list", "--retries", "1", "dipy", "1.11.0")
    assert result.exit_code != 0
    assert "USER:PASSWORD@" in result.stderr.splitlines()[-1]
