"""Listings that go on, have folders, are cut, or are not listings: nothing is left out silently."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from click.testing import Result

from tests.support.in_process import run
from tools.testing import indexes, wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from wheel_uploader.listing import polling

TAGS = ("cp311-cp311-win_amd64", "cp312-cp312-win_amd64", "cp313-cp313-win_amd64")
A, B, C = (wheels.wheel_filename("dipy", "1.11.0", tag) for tag in TAGS)
BYTES = {wheels.wheel_filename("dipy", "1.11.0", tag): wheels.wheel_bytes(tag=tag) for tag in TAGS}
JSON_TYPE = {"Content-Type": "application/vnd.pypi.simple.v1+json"}

Page = bytes | str | tuple[int, str, Mapping[str, str]]


@pytest.fixture(autouse=True)
def _quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty directory, with short pauses."""
    monkeypatch.chdir(tmp_path)
    for name in ("FIRST_INTERVAL", "MAX_INTERVAL", "CONFIRMATION_DELAY"):
        monkeypatch.setattr(polling, name, 0.05)


class Pages:
    """A server with pages by path and query; a page that is text is HTML."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = dict(pages)
        self.requests: list[str] = []

    def __call__(self, request: Request) -> Sequence[Step]:
        self.requests.append(request.target)
        page = self.pages.get(request.target, (404, "Not found", {}))
        if isinstance(page, bytes):
            return [answer(200, page, {"Content-Type": "application/octet-stream"})]
        status, text, headers = (200, page, {}) if isinstance(page, str) else page
        return [answer(status, text.encode(), headers)]


def list_pages(
    pages: Mapping[str, Page] | Pages, path: str = "w/", *arguments: str, until: str = "list"
) -> Result:
    """Run the command on a server; ``path`` is that of the listing."""
    site = pages if isinstance(pages, Pages) else Pages(pages)
    with ScriptedServer(site) as server:
        url = f"{server.url}{path}"
        options = ("-u", url, "--until", until, "--retries", "1", "--format", "json", *arguments)
        result = run(*options, "dipy", "1.11.0")
    assert "Traceback" not in result.output, result.output
    if result.exit_code:
        assert result.stderr.splitlines()[-1].startswith(("next: ", "try: ")), result.stderr
    return result


def listed_names(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [file["filename"] for file in json.loads(result.stdout)["files"]]


def link(name: str, *, directory: str = "") -> str:
    return f'<a href="{directory}{name}">{name}</a>\n'


def index_json(*names: str, version: str = "1.1") -> str:
    files = [{"filename": name, "url": name, "hashes": {}} for name in names]
    return json.dumps({"meta": {"api-version": version}, "name": "dipy", "files": files})


# --- H1, H2: local folders -------------------------------------------------------------------------


@pytest.mark.parametrize("with_sdist", [True, False])
def test_publishes_the_wheels_in_the_folders_of_artifacts(tmp_path: Path, with_sdist: bool) -> None:
    folder = tmp_path / "staged"
    tags = {"win_amd64": "cp312-cp312-win_amd64", "macosx_11_0_arm64": "cp312-cp312-macosx_11_0_arm64"}
    for platform, tag in tags.items():
        wheels.make_wheel(folder / "wheels" / platform, project="demo", version="1.0", tag=tag)
    names = {wheels.wheel_filename("demo", "1.0", tag) for tag in tags.values()}
    if with_sdist:
        names.add(wheels.make_sdist(folder, project="demo", version="1.0").name)
    with indexes.scripted_index() as served:
        target = ("--repository-url", served.upload_url, "--index-url", served.index_url)
        result = run(
            *("-u", folder, *target, "--ignore", "release", "--ignore", "native", "demo", "1.0"),
            env={"TWINE_USERNAME": "u", "TWINE_PASSWORD": "p"},
        )
    assert result.exit_code == 0, result.output
    assert set(served.index.files) == names


def test_names_a_folder_that_is_too_deep_before_anything_is_posted(tmp_path: Path) -> None:
    wheels.make_sdist(tmp_path, project="demo", version="1.0")
    deep = tmp_path.joinpath(*(f"level{number}" for number in range(15)))
    wheels.make_wheel(deep, project="demo", version="1.0")
    result = run("-u", tmp_path, "--until", "check", "demo", "1.0")
    assert result.exit_code == 3
    assert "more than 12 levels deep, and not read: level0/level1/level2/" in result.stderr
    assert result.stderr.splitlines()[-1] == "next: Pass the folders that hold the release, each with -u."
    # The hint leads on.
    assert run("-u", tmp_path, "-u", deep, "--until", "list", "demo", "1.0").exit_code == 3
    assert run("-u", deep, "--until", "list", "demo", "1.0").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("dipy", "1.11.0"), ("dipy", "latest")])
def test_names_an_archive_that_holds_the_wheels(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    with zipfile.ZipFile(folder / "wheels-linux.zip", "w") as archive:
        archive.writestr(f"dist/{A}", BYTES[A])
    result = run("-u", folder, "--until", "check", *arguments)
    assert result.exit_code == 3
    assert f"the archive wheels-linux.zip holds {A}, which must be unpacked" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("next: Unpack wheels-linux.zip there")
    # As soon as it is unpacked, the archive is harmless.
    with zipfile.ZipFile(folder / "wheels-linux.zip") as archive:
        archive.extractall(folder / "unpacked")
    assert run("-u", folder, "--until", "list", *arguments).exit_code == 0


@pytest.mark.parametrize("name", ["wheels.tar.gz", "wheels.tgz", "wheels-1.0.tar", "w.tar.xz", "w.tar.bz2"])
@pytest.mark.parametrize("place", ["folder", "file"])
def test_names_a_tar_archive_that_holds_wheels(tmp_path: Path, name: str, place: str) -> None:
    folder = tmp_path / "staged"
    wheels.make_sdist(folder)
    compression = {"gz": "gz", "tgz": "gz", "xz": "xz", "bz2": "bz2"}.get(name.rpartition(".")[2], "")
    open_archive: Any = tarfile.open
    with open_archive(folder / name, f"w:{compression}") as archive:
        entry = tarfile.TarInfo(f"dist/{A}")
        entry.size = len(BYTES[A])
        archive.addfile(entry, io.BytesIO(BYTES[A]))
    source = folder if place == "folder" else folder / name
    result = run("-u", source, "--until", "check", "dipy", "1.11.0")
    assert result.exit_code == 3, result.stderr
    assert f"the archive {name} holds {A}, which must be unpacked" in result.stderr


@pytest.mark.parametrize("name", ["wheels.7z", "wheels-linux.tar.zst", "wheelhouse.rar", "demo_whl.tar.lz4"])
@pytest.mark.parametrize("folder", ["", "artifacts"])
def test_names_an_archive_of_wheels_that_cannot_be_looked_into(
    tmp_path: Path, name: str, folder: str
) -> None:
    wheels.make_wheel(tmp_path / "staged")
    (tmp_path / "staged" / folder).mkdir(exist_ok=True)
    (tmp_path / "staged" / folder / name).write_bytes(b"7z\xbc\xaf")
    result = run("-u", tmp_path / "staged", "--until", "check", "dipy", "1.11.0")
    assert result.exit_code == 3, result.stderr
    assert f"the archive {name} cannot be read; it may hold wheels of the release" in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"next: Unpack {name} there, or move it away")


@pytest.mark.parametrize("inner", ["wheels-linux.zip", "x/wheels.tar.gz", "wheels.7z"])
def test_names_an_archive_of_archives(tmp_path: Path, inner: str) -> None:
    wheels.make_wheel(tmp_path)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(inner, b"PK")
    result = run("-u", tmp_path, "--until", "check", "dipy", "1.11.0")
    assert result.exit_code == 3, result.stderr
    assert f"the archive all.zip holds the archive {inner.rpartition('/')[2]}" in result.stderr


def test_other_archives_are_harmless(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path)
    for name in ("symbols.7z", "logs.tar.zst", "steeringwheelx.rar"):
        (tmp_path / name).write_bytes(b"7z")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("docs.zip", b"PK")
    assert run("-u", tmp_path, "--until", "list", "dipy", "1.11.0").exit_code == 0


def test_a_damaged_tar_archive_is_harmless(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path)
    (tmp_path / "logs.tar.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    (tmp_path / "logs.tar.xz").write_bytes(b"\xfd7zXZ\x00")
    assert run("-u", tmp_path, "--until", "list", "dipy", "1.11.0").exit_code == 0


def test_an_archive_of_other_wheels_is_harmless(tmp_path: Path) -> None:
    wheels.make_wheel(tmp_path)
    with zipfile.ZipFile(tmp_path / "test-data.zip", "w") as archive:
        archive.writestr("numpy-2.0-py3-none-any.whl", b"x")
        archive.writestr("dipy-1.10.0-py3-none-any.whl", b"x")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04")
    assert run("-u", tmp_path, "--until", "list", "dipy", "1.11.0").exit_code == 0
    assert run("-u", tmp_path, "--until", "list").exit_code == 0


# --- L1: further pages -----------------------------------------------------------------------------

NEXT_HEADER = {"Link": '<?page=1>; rel="prev", <?page=2>; title="a, b"; rel="last next"'}
CONTINUED: dict[str, dict[str, Page]] = {
    "a link": {"/w/": link(A) + '<a rel="next" href="?page=2">&gt;</a>', "/w/?page=2": link(B)},
    "a link in the head": {"/w/": '<link rel=next href="two.html">' + link(A), "/w/two.html": link(B)},
    "a header": {"/w/": (200, link(A), NEXT_HEADER), "/w/?page=2": link(B)},
    "a header without quotes": {
        "/w/": (200, link(A), {"Link": "</w/?page=2>;rel=next"}),
        "/w/?page=2": link(B),
    },
    "a header with JSON": {
        "/w/": (200, index_json(A), NEXT_HEADER | JSON_TYPE),
        "/w/?page=2": (200, index_json(B), JSON_TYPE),
    },
    "page numbers": {
        "/w/": link(A) + '<a href="?page=1">1</a><a href="?page=2">2</a><a href="?page=3">3</a>',
        "/w/?page=2": link(B) + '<a href="?page=1">1</a><a href="?page=3">3</a>',
        "/w/?page=3": '<a href="?page=1">1</a><a href="?page=2">2</a>',
    },
    "offsets": {
        "/w/?x=1": link(A) + '<a href="?x=1&start=0">1</a><a href="?x=1&amp;start=50">2</a>',
        "/w/?x=1&start=50": link(B) + '<a href="?x=1&start=0">1</a>',
    },
    "a class": {
        "/w/": link(A) + '<a class="page next" href="?after=x"><svg></svg></a>',
        "/w/?after=x": link(B),
    },
    "a label": {"/w/": link(A) + '<a title="Next page" href="?after=x"><i></i></a>', "/w/?after=x": link(B)},
    "an image": {"/w/": link(A) + '<a href="?after=x"><img alt="Next"></a>', "/w/?after=x": link(B)},
    "an arrow": {"/w/": link(A) + '<a href="?after=x">&raquo;</a>', "/w/?after=x": link(B)},
    "older files": {"/w/": link(A) + '<a href="?before=x">Older</a>', "/w/?before=x": link(B)},
    "a button for more": {"/w/": link(A) + '<a href="?cursor=x">Load more</a>', "/w/?cursor=x": link(B)},
    "a number of entries": {"/w/": link(A) + '<a href="?after=x">Next 100</a>', "/w/?after=x": link(B)},
    "another language": {"/w/": link(A) + '<a href="?nach=x">Weiter</a>', "/w/?nach=x": link(B)},
    "numbers in another language": {
        "/w/": link(A) + '<a href="?seite=2">2</a>',
        "/w/?seite=2": link(B) + '<a href="?seite=1">1</a>',
    },
    "a limit and an offset": {
        "/w/": link(A) + '<a href="?limit=1&amp;offset=1">2</a>',
        "/w/?limit=1&offset=1": link(B),
    },
    "a page below": {
        "/w/": link(A) + '<a href="page/2/">2</a>',
        "/w/page/2/": link(B, directory="/w/") + '<a href="/w/">1</a>',
    },
    "another file": {"/w/": link(A) + '<a href="page2.html">Next</a>', "/w/page2.html": link(B)},
    "a header of a forge": {
        "/w/": (200, json.dumps([{"name": A, "type": "file"}]), {"X-Next-Page": "2"}),
        "/w/?page=2": (200, json.dumps([{"name": B, "type": "file"}]), {"X-Next-Page": ""}),
    },
    "a key in JSON": {
        "/w/": (200, json.dumps(json.loads(index_json(A)) | {"next": "?page=2"}), JSON_TYPE),
        "/w/?page=2": (200, json.dumps(json.loads(index_json(B)) | {"next": None}), JSON_TYPE),
    },
    "the word next": {"/w/": link(A) + '<a href="?after=abc">Next &raquo;</a>', "/w/?after=abc": link(B)},
}


@pytest.mark.parametrize("kind", CONTINUED)
def test_follows_a_listing_to_its_last_page(kind: str) -> None:
    pages = CONTINUED[kind]
    first = next(iter(pages)).removeprefix("/")
    assert listed_names(list_pages(pages, first)) == [A, B]


@pytest.mark.parametrize(
    "more",
    [
        '<a href="#" rel="next">next</a>',
        '<a rel="next" class="disabled">next</a>',
        '<a href="javascript:void(0)" rel="next">next</a>',
        '<a href="?C=N;O=D">Name</a> <a href="?C=S;O=A">Size</a> <a href="?sort=name&order=desc">x</a>',
        '<a href="?page=1">1</a>',
        '<a href="/w/" rel="next">next</a>',
        '<a href="?build=13">13</a> <a href="?year=2025">2025</a> <a href="?v=3">3</a>',
        '<a href="/next/" title="Coming next">Next</a>',
        "<p>Showing 1 to 1 of 1 entries</p>",
        '<link rel="nextcloud" href="x.html"><link rel="prev" href="y.html">',
    ],
)
def test_a_single_page_has_no_next_one(more: str) -> None:
    site = Pages({"/w/": link(A) + more})
    assert listed_names(list_pages(site)) == [A]
    assert set(site.requests) == {"/w/"}


NEXT_BUTTONS: dict[str, str] = {
    "a hidden field": "<form method=get><input type=hidden name=page value=2><button>Next</button></form>",
    "a value of the button": "<form><button name=page value=2 type=submit>Next page</button></form>",
    "an input": '<form action="/w/"><input type=submit value="Next &raquo;"><input name=page value=2>',
    "an image": "<form><input name=page value=2 type=hidden><input type=image src=n.png alt=Next></form>",
    "a label": '<form><button name=page value=2 aria-label="Next page"><svg></svg></button></form>',
    "a target": '<form method=post><button formmethod=get formaction="/w/" name=page value=2>Next</button>',
    "another language": "<form><input type=hidden name=page value=2><button><b>Weiter</b></button></form>",
    "more": "<form><input type=hidden name=page value=2><button>Load more</button></form>",
}


@pytest.mark.parametrize("kind", NEXT_BUTTONS)
def test_follows_the_button_of_a_form(kind: str) -> None:
    last = "<form method=get><input type=hidden name=page value=1><button>Previous</button></form>"
    pages: dict[str, Page] = {"/w/": link(A) + NEXT_BUTTONS[kind], "/w/?page=2": link(B) + last}
    assert listed_names(list_pages(pages)) == [A, B]


@pytest.mark.parametrize(
    "button",
    [
        "<form method=post><input type=hidden name=page value=2><button>Next</button></form>",
        "<button onclick='load(2)'>Next</button>",
        "<button class=pager>Load more</button>",
        "<input type=button value='Next page' onclick=more()>",
        "<form><button type=button>Next</button></form>",
        "<form><input type=hidden name=p value=2><select name=n></select><button>Next</button>",
        "<a onclick='load(2)'>Next</a>",
        "<a href='#' data-page=2>Next &raquo;</a>",
        "<a href=\"javascript:load('2')\">Next</a>",
        "<a href=\"javascript:__doPostBack('ctl00$Grid','Page$2')\">2</a>",
        '<a href="JavaScript:__doPostBack(&#39;Grid&#39;,&#39;Page$2&#39;)">&gt;</a>',
        "<div hx-get='?page=2' hx-trigger='revealed'></div>",
    ],
)
def test_a_button_that_cannot_be_followed_is_an_error(button: str) -> None:
    result = list_pages({"/w/": link(A) + button})
    assert result.exit_code == 2, result.output
    assert "shows only a part of its files, and has no link to the rest" in result.stderr


@pytest.mark.parametrize(
    "button",
    [
        "<button disabled onclick='load(2)'>Next</button>",
        "<button class='btn disabled'>Next</button>",
        "<form><input type=hidden name=page value=2><button aria-disabled=true>Next</button></form>",
        "<button style='display: none'>Load more</button>",
        "<button class='carousel-control-next' data-bs-slide=next>Next</button>",
        "<button onclick='menu()'>More</button>",
        "<form action='/search'><input name=q><button>Search</button></form>",
        "<a href='javascript:;' onclick='up()'>Top</a>",
        "<form><input type=hidden name=page value=1><button>Previous</button></form>",
    ],
)
def test_other_buttons_are_harmless(button: str) -> None:
    site = Pages({"/w/": link(A) + button})
    assert listed_names(list_pages(site)) == [A]
    assert set(site.requests) == {"/w/"}


PARTS = (
    "Showing 1 to 1 of 3 entries",
    "Items 1-1 of 3",
    "files 1 \u2013 1 of 1,200",
    "Showing <b>1</b>-<b>100</b> of <b>345</b>",
    "1&ndash;100 of 345",
    "1-100 of 2.345 files",
    "1\u2013100 von 345",
    "first 1000 of 2345",
    "The first 1,000 of 2,345 files.",
    "100 of 345 files",
    "(100 of 345 files)",
    "100 files of 345 files shown",
    "Showing 100 of 345",
    "Showing 100 out of 345 results",
    "Displaying the first 1 files",
    "Only the first 1 files are shown.",
    "Page 1 of 3",
    "Page 1/3",
    "Seite 1 von 3",
    "1 of 3 pages",
    "This listing was truncated",
    "(truncated)",
    "<em>truncated</em>",
    "Sorry, we had to truncate this directory to 1,000 files. 345 entries were omitted from the list.",
    "The list has been truncated to 1 entries",
    "... and 245 more files",
    "+245 more files",
    "245 files not shown",
    "Too many files to display",
    "The directory listing is incomplete",
    "limited to 1 files",
)


@pytest.mark.parametrize("remark", PARTS)
def test_a_part_of_a_listing_without_a_link_to_the_rest_is_an_error(remark: str) -> None:
    result = list_pages({"/w/": f"{link(A)}<p>{remark}</p>"})
    assert result.exit_code == 2, result.output
    assert "shows only a part of its files" in result.stderr


@pytest.mark.parametrize(
    "remark",
    [
        *(
            "345 files",
            "1 of 1 pages",
            "Page 1 of 1",
            "Showing 1-345 of 345",
            "345 of 345 files",
            "3 directories",
        ),
        *(
            "2 of 3 files are signed",
            "0 of 345 files selected",
            "Showing 3 of 5 releases",
            "1-3 of 5 comments",
        ),
        *("Long file names are truncated", "Build 12 of 2026", "11-12-2026", "10-11 of June"),
        *(
            "and 3 more contributors",
            "Showing the first 1000 files",
            "limited to 10000 files",
            "+0 more files",
        ),
        *(
            "<script>var t = 'Showing 1-10 of 345 files';</script>",
            "<!-- page 1 of 3 -->",
            "first 3 of 5 steps",
        ),
        *(
            "<style>.truncated { color: red }</style>",
            "<span class='truncated'>x</span>",
            "Copyright 2024-2026",
        ),
        "<p title='Page 1 of 3'>x</p>",
    ],
)
def test_remarks_about_a_whole_listing_are_harmless(remark: str) -> None:
    assert listed_names(list_pages({"/w/": f"{link(A)}<p>{remark}</p>"})) == [A]


def test_the_last_page_may_say_how_many_of_all_files_it_has() -> None:
    first = "<p>Page 1 of 2, 100 of 145 files</p><a rel=next href='?p=2'>&gt;</a>"
    pages: dict[str, Page] = {
        "/w/": link(A) + first,
        "/w/?p=2": link(B) + "<p>Page 2 of 2</p><p>101-145 of 145</p><p>45 of 145 files</p>",
    }
    assert listed_names(list_pages(pages)) == [A, B]


DIRECTORY = {"directory": "w", "files": [{"type": "file", "base": A, "name": A}]}
CONTINUED_JSON: tuple[dict[str, Any], ...] = (
    {"meta": {"api-version": "1.1", "next": "abc"}},
    {"meta": {"api-version": "1.1", "pagination": {"next_cursor": "abc"}}},
    {"meta": {"api-version": "1.1", "page": 1, "total_pages": 3}},
    {"meta": {"api-version": "1.1", "total_count": 345}},
    {"pagination": {"has_more": True}},
    {"nextPageToken": "abc"},
    {"next_page": 2},
    {"continuationToken": "abc"},
    {"truncated": True},
    {"isTruncated": "true"},
    {"IsTruncated": True},
    {"has_more": True},
    {"pageInfo": {"hasNextPage": True, "endCursor": "abc"}},
    {"page": {"number": 1, "totalPages": 3}},
    {"last_page": False},
)


@pytest.mark.parametrize("keys", CONTINUED_JSON)
@pytest.mark.parametrize("form", ["index", "directory"])
def test_json_that_goes_on_is_an_error(keys: dict[str, Any], form: str) -> None:
    data, content_type = (
        (json.loads(index_json(A)), JSON_TYPE)
        if form == "index"
        else (DIRECTORY, {"Content-Type": "application/json"})
    )
    result = list_pages({"/w/": (200, json.dumps(data | keys), content_type)})
    assert result.exit_code == 2, result.output
    assert "shows only a part of its files" in result.stderr
    assert "its JSON says so with" in result.stderr


@pytest.mark.parametrize(
    "keys",
    [
        {"meta": {"api-version": "1.1", "next": "?page=2"}},
        {"next_page_url": "/w/?page=2"},
        {"links": {"next": {"href": "?page=2"}}},
        {"pagination": {"nextLink": "/w/?page=2"}},
        {"@odata.nextLink": "?page=2"},
    ],
)
def test_follows_the_link_in_json(keys: dict[str, Any]) -> None:
    pages: dict[str, Page] = {
        "/w/": (200, json.dumps(json.loads(index_json(A)) | keys), JSON_TYPE),
        "/w/?page=2": (200, index_json(B), JSON_TYPE),
    }
    assert listed_names(list_pages(pages)) == [A, B]


@pytest.mark.parametrize(
    "keys",
    [
        {"next": None, "previous": None, "count": 1},
        {"next": "", "nextPageToken": "", "truncated": False, "has_more": False, "isTruncated": "false"},
        {"meta": {"api-version": "1.1", "_last-serial": 7, "page": 3, "total_pages": 3, "total_count": 1}},
        {"pagination": {"next_page": None, "next_cursor": None, "last_page": True}},
        {"versions": ["1.0", "1.1"], "alternate-locations": [], "links": {"self": "/w/", "next": None}},
    ],
)
@pytest.mark.parametrize("form", ["index", "directory"])
def test_json_without_a_next_page_is_whole(keys: dict[str, Any], form: str) -> None:
    data, content_type = (
        (json.loads(index_json(A)), JSON_TYPE)
        if form == "index"
        else (DIRECTORY, {"Content-Type": "application/json"})
    )
    assert listed_names(list_pages({"/w/": (200, json.dumps(data | keys), content_type)})) == [A]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Page": "1", "X-Total-Pages": "3"},
        {"x-ms-continuation": "abc"},
        {"X-Next-Cursor": "abc"},
    ],
)
def test_a_header_may_say_that_a_listing_goes_on(headers: dict[str, str]) -> None:
    result = list_pages({"/w/": (200, link(A), headers)})
    assert result.exit_code == 2, result.output
    assert "shows only a part of its files" in result.stderr
    whole = {"X-Page": "3", "X-Total-Pages": "3", "x-ms-continuation": ""}
    assert listed_names(list_pages({"/w/": (200, link(A), whole)})) == [A]


@pytest.mark.parametrize("form", ["json", "html"])
def test_a_page_of_the_target_that_goes_on_is_an_error(tmp_path: Path, form: str) -> None:
    wheels.make_wheel(tmp_path / "staged", project="demo", version="1.0")
    page: Page = (
        (200, json.dumps(json.loads(index_json()) | {"name": "demo", "next": "?page=2"}), JSON_TYPE)
        if form == "json"
        else link("demo-0.9-py3-none-any.whl") + '<a rel=next href="?page=2">next</a>'
    )
    site = Pages({"/simple/demo/": page, "/simple/demo": page})
    with ScriptedServer(site) as server:
        target = ("--repository-url", f"{server.url}legacy/", "--index-url", f"{server.url}simple/")
        result = run(
            *("-u", tmp_path / "staged", *target, "--retries", "1", "--ignore", "release", "demo", "1.0"),
            *("--ignore", "native"),
            env={"TWINE_USERNAME": "u", "TWINE_PASSWORD": "p"},
        )
    assert result.exit_code == 5, result.output
    assert not any(request.startswith("/legacy") for request in site.requests)


def test_the_next_chapter_of_a_document_is_not_a_listing() -> None:
    site = Pages(
        {
            "/w/": f'<link rel="next" href="install.html">{link(A)}',
            "/w/install.html": '<link rel="next" href="use.html"><p>Install it.</p>',
        }
    )
    assert listed_names(list_pages(site)) == [A]
    assert "/w/use.html" not in site.requests


@pytest.mark.parametrize("arguments", [(), ("--wait", "20m")])
def test_pages_in_a_circle_and_without_end_are_errors(arguments: tuple[str, ...]) -> None:
    circle = {
        "/w/": link(A) + '<a rel=next href="?p=2">x</a>',
        "/w/?p=2": link(B) + '<a rel=next href="/w/">x</a>',
    }
    result = list_pages(circle, "w/", *arguments)
    assert result.exit_code == 2
    assert "links back to a page that was already read" in result.stderr
    endless = {f"/w/?p={n}": link(A) + f'<a rel=next href="?p={n + 1}">x</a>' for n in range(1, 99)}
    result = list_pages({"/w/": endless["/w/?p=1"], **endless}, "w/", *arguments)
    assert result.exit_code == 2
    assert "has more than 50 pages" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("--wait", "20m")])
@pytest.mark.parametrize("way", ["link", "header"])
def test_a_next_page_on_another_host_is_not_followed(way: str, arguments: tuple[str, ...]) -> None:
    with ScriptedServer(Pages({"/2": link(B, directory="/w/")}), host="127.0.0.2") as other:
        pages: dict[str, Page] = {
            "/w/": link(A) + f'<a rel="next" href="{other.url}2">next</a>'
            if way == "link"
            else (200, link(A), {"Link": f'<{other.url}2>; rel="next"'})
        }
        result = list_pages(pages, "w/", *arguments)
        assert result.exit_code == 2
        assert f"continues at {other.url}2, which was not read" in result.stderr
        assert other.requests == []
        assert result.stderr.splitlines()[-1] == (
            "next: If you trust that host, add --allow-insecure-host 127.0.0.2"
        )
        assert listed_names(list_pages(pages, "w/", "--allow-insecure-host", "127.0.0.2")) == [A, B]


def test_a_missing_next_page_is_an_incomplete_listing() -> None:
    result = list_pages({"/w/": link(A) + '<a rel=next href="?page=2">x</a>'})
    assert result.exit_code == 3
    assert "?" not in result.stderr
    assert "was not found (status 404)" in result.stderr


# --- L5, L6: indexes and folders -------------------------------------------------------------------

ROOTS: dict[str, Page] = {
    "too many projects": "".join(f'<a href="p{number}/">p{number}</a>' for number in range(100_001)),
    "too large": "<p>" + "x" * (33 << 20),
    "missing": (404, "Not found", {}),
    "without the project": "<title>Simple index</title>" + link("numpy/"),
}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("path", ["simple/", "simple", "root/pypi/+simple/", "pypi/"])
def test_asks_an_index_for_the_project(root: str, path: str) -> None:
    project = f"/{path.rstrip('/')}/dipy/"
    site = Pages({f"/{path}": ROOTS[root], f"/{path.rstrip('/')}/": ROOTS[root], project: link(A)})
    assert listed_names(list_pages(site, path)) == [A]
    if "simple" in path:
        assert site.requests == [project]


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_asks_for_the_project_if_the_root_is_not_listed(status: int) -> None:
    pages: dict[str, Page] = {"/pypi/": (status, "no", {}), "/pypi/dipy/": link(A)}
    assert listed_names(list_pages(pages, "pypi/")) == [A]
    assert list_pages({"/pypi/": (status, "no", {})}, "pypi/").exit_code == 5


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("", "<title>Our index</title><p>Welcome."),
        ("", "<title>Our index</title><script src=a.js></script>"),
        ("api/", (200, '{"type": "indexconfig"}', {"Content-Type": "application/json"})),
        ("simple/index.html", "<title>Simple index</title>" + link("numpy/")),
    ],
)
def test_asks_for_the_project_below_a_root_for_people(path: str, root: Page) -> None:
    project = f"/{path.removesuffix('index.html')}dipy/"
    assert listed_names(list_pages({f"/{path}": root, project: link(A)}, path)) == [A]


@pytest.mark.parametrize("root", ROOTS)
def test_a_project_that_an_index_does_not_have_may_appear(root: str) -> None:
    result = list_pages({"/simple/": ROOTS[root]}, "simple/")
    assert result.exit_code == 3, result.stderr


def test_a_root_without_project_pages_is_read_itself() -> None:
    assert listed_names(list_pages({"/simple/": link(A)}, "simple/")) == [A]


def test_the_error_names_the_folders() -> None:
    pages: dict[str, Page] = {
        "/w/": link("../") + link("dipy/") + link("old/"),
        "/w/dipy/": link("1.10.0/") + link("v1.9/") + link("other/"),
        "/w/dipy/other/": "",
        "/w/old/": "",
    }
    result = list_pages(pages)
    assert result.exit_code == 3
    assert "folders of other versions, not read: dipy/1.10.0/, dipy/v1.9/" in result.stderr
    assert "folders searched: dipy/, old/, dipy/other/" in result.stderr
    pages["/w/dipy/"] = link("1.11.0/")
    pages["/w/dipy/1.11.0/"] = link(A)
    assert listed_names(list_pages(pages)) == [A]


@pytest.mark.parametrize("query", ["dir={}", "path=/{}/", "x=1&folder={}"])
def test_a_query_may_name_a_folder(query: str) -> None:
    first, _, key = query.rpartition("&")
    root = f"/w/?{first}" if first else "/w/"
    below = {name: f"/w/?{query.format(name)}" for name in ("wheels", "wheels/1.11.0")}
    pages: dict[str, Page] = {
        root: link(B, directory="/w/") + f'<a href="{below["wheels"]}">wheels/</a>',
        below["wheels"]: f'<a href="{below["wheels/1.11.0"]}">1.11.0</a>',
        below["wheels/1.11.0"]: link(A, directory="/files/"),
    }
    assert key
    assert sorted(listed_names(list_pages(pages, root[1:]))) == [A, B]


def test_navigation_is_neither_a_folder_nor_a_gap() -> None:
    navigation = (
        '<a href="/">Home</a><a href="/w/">wheels</a><a href="about/">About us</a><a href="docs/">Docs</a>'
        '<a href="#top">top</a><a href="?C=M;O=A">Modified</a><a href="mailto:x@example.org">x</a>'
        '<a href="https://elsewhere.example/w/x/">x</a>'
    )
    site = Pages({"/w/": navigation + link(A)})
    assert listed_names(list_pages(site)) == [A]
    assert set(site.requests) == {"/w/"}


@pytest.mark.parametrize(
    ("folder", "status", "exit_code"),
    [
        ("private/", 403, 0),
        ("private/", 401, 0),
        ("gone/", 404, 0),
        ("wheels-linux/", 401, 4),
        ("wheels-linux/", 403, 5),
        ("wheels-linux/", 404, 3),
        ("1.11.0/", 404, 3),
        ("private/", 503, 5),
    ],
)
def test_a_folder_that_cannot_be_read(folder: str, status: int, exit_code: int) -> None:
    pages: dict[str, Page] = {"/w/": link("../") + link(A) + link(folder), f"/w/{folder}": (status, "no", {})}
    result = list_pages(pages, "w/", "-v")
    assert result.exit_code == exit_code, result.stderr
    assert folder in result.stderr


# --- L8, L9: other pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--wait", "20m")])
def test_files_on_another_host_are_known_when_they_are_listed(arguments: tuple[str, ...]) -> None:
    with ScriptedServer(Pages({f"/{A}": BYTES[A]}), host="127.0.0.2") as other:
        pages = {"/w/": f'<a href="{other.url}{A}">x</a><a href="https://other.example/notes.txt">notes</a>'}
        result = list_pages(pages, "w/", *arguments)
        assert result.exit_code == 2
        assert f"{A}: it is http, not https" in result.stderr
        option = result.stderr.splitlines()[-1].removeprefix("next: If you trust that host, add ").split()
        assert option == ["--allow-insecure-host", "127.0.0.2"]
        assert listed_names(list_pages(pages, "w/", *option, until="download")) == [A]


def test_names_the_option_for_a_public_host() -> None:
    result = list_pages({"/w/": f'<a href="https://files.example/{A}">x</a>'})
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "next: If you trust that host, add --allow-host files.example"
    pinned = f'<a href="https://files.example/{A}#sha256={"0" * 64}">x</a>'
    assert listed_names(list_pages({"/w/": pinned})) == [A]


UNREACHABLE = {
    "an FTP server": f"ftp://files.example/{B}",
    "a bucket": f"s3://bucket/{B}",
    "a local disk": f"C:\\wheels\\{B}",
    "no URL": f"http://[::1/{B}",
    "a port above the maximum": f"http://127.0.0.1:99999/{B}",
}


@pytest.mark.parametrize("form", ["html", "json"])
@pytest.mark.parametrize("place", UNREACHABLE)
def test_a_file_that_cannot_be_downloaded_is_not_left_out_silently(place: str, form: str) -> None:
    page: Page = f'{link(A)}<a href="{UNREACHABLE[place]}">{B}</a>'
    if form == "json":
        files = [{"filename": A, "url": A}, {"filename": B, "url": UNREACHABLE[place]}]
        page = (200, json.dumps(json.loads(index_json()) | {"files": files}), JSON_TYPE)
    result = list_pages({"/w/": page})
    assert result.exit_code == 3
    assert f"{B}: its link is not valid" in result.stderr
    assert listed_names(list_pages({"/w/": page}, "w/", "--exclude", B)) == [A]


FORM = "<form><input name=u><input type=password name=p></form>"
ARTIFACTORY = json.dumps(
    {"repo": "r", "path": "/w", "uri": "x", "children": [{"uri": "/a", "folder": False}]}
)
HUGGING_FACE = json.dumps([{"type": "file", "oid": "0", "size": 1, "path": A}])
#: Pages that are not listings, and what the message says.
OTHERS: dict[str, tuple[Page, str]] = {
    "a login": (f"<title>Sign in</title>{FORM}", "returned a login page (its title: Sign in)"),
    "a login elsewhere": ("<title>Example - Log in</title><a href='/sso'>SSO</a>", "returned a login page"),
    "a login without a title": (FORM, "returned a login page"),
    "not found": (
        "<title>Page not found \N{MIDDLE DOT} Pages</title><a href='/'>x</a>",
        "a page that says that there is nothing (its title: Page not found",
    ),
    "404": ("<title>404</title><p>x", "a page that says that there is nothing (its title: 404)"),
    "a login in another language": ("<title>Anmelden</title>", "returned a login page"),
    "a form of a login": ("<form action='/login'><input name=u></form>", "returned a login page"),
    "a form of SAML": ("<form><input type=hidden name=SAMLRequest></form>", "returned a login page"),
    "not found in a heading": ("<h1>404 Not Found</h1>", "a page that says that there is nothing"),
    "not found in another language": ("<title>Page introuvable</title>", "says that there is nothing"),
    "a link that expired": ("<title>Link expired</title>", "says that there is nothing"),
    "a frame": ("<iframe src='list.html'></iframe>", "leads browsers on to http://127.0.0.1"),
    "a filter": ("<title>Web filter: blocked</title>", "a page that denies access"),
    "a question": ("<title>Verify you are human</title>", "a check for browsers"),
    "an error of an API": (
        (200, '{"errors": [{"message": "Bad key"}]}', {"Content-Type": "application/json"}),
        "JSON that is not a file listing: Bad key",
    ),
    "Jenkins": (
        (200, '{"artifacts": [{"relativePath": "a"}]}', {"Content-Type": "application/json"}),
        "This is the API of Jenkins. Pass the page with the artifacts: http://127.0.0.1",
    ),
    "Artifactory's list": (
        (200, '{"uri": "x", "files": [{"uri": "/a"}]}', {"Content-Type": "application/json"}),
        "This is Artifactory's file list",
    ),
    "a tree of GitLab": (
        (200, '[{"name": "a", "type": "blob"}]', {"Content-Type": "application/json"}),
        "JSON that is not an index page",
    ),
    "a ZIP": ((200, "PK\x03\x04", {"Content-Type": "text/html"}), "returned a ZIP file (sent as text/html)"),
    "HTML of version 2": (
        '<meta name="pypi:repository-version" content="2.0">' + link(A),
        "uses version 2.0 of the index API",
    ),
    "denied": ("<title>Access Denied</title>", "a page that denies access (its title: Access Denied)"),
    "scripts": (
        '<title>Browser</title><div id=root></div><script src="/app.js"></script>',
        "a page that a script builds in the browser, and that has no links (its title: Browser)",
    ),
    "no script": (
        "<script>load()</script><noscript>Please enable JavaScript.</noscript>",
        "a page that a script builds in the browser",
    ),
    "a refresh": (
        '<meta http-equiv="Refresh" content="0; url=/elsewhere/">',
        "a page without files that leads browsers on to http://127.0.0.1",
    ),
    "a challenge": ("<title>Just a moment...</title><script>x</script>", "a check for browsers"),
    "too many links": (ROOTS["too many projects"], "has more than 100000 links"),
    "too large": (ROOTS["too large"], "returned more than 32 MiB"),
    "other JSON": ((200, '{"a": 1}', {"Content-Type": "application/json"}), "JSON that is not an index page"),
    "Artifactory": (
        (200, ARTIFACTORY, {"Content-Type": "application/json"}),
        "This is Artifactory's storage API",
    ),
    "Nexus": (
        (200, '{"items": [], "continuationToken": null}', {"Content-Type": "application/json"}),
        "This is Nexus's REST API",
    ),
    "Hugging Face": (
        (200, HUGGING_FACE, {"Content-Type": "application/json"}),
        "This is the API of Hugging Face",
    ),
    "Zenodo": (
        (
            200,
            '{"files": [{"key": "a.whl", "links": {}}], "metadata": {}}',
            {"Content-Type": "application/json"},
        ),
        "This is the API of Zenodo",
    ),
    "a picture": ((200, "x", {"Content-Type": "image/png"}), "returned image/png, not a file listing"),
    "a denied store": (
        (200, "<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"}),
        "XML that is not a file listing: AccessDenied",
    ),
    "version 2": ((200, index_json(A, version="2.0"), JSON_TYPE), "uses version 2.0 of the index API"),
    "a redirect": (
        (302, "", {"Location": "https://other.example/w/"}),
        "which is not followed: it is on another",
    ),
}


@pytest.mark.parametrize("arguments", [(), ("--wait", "20m")], ids=["once", "waiting"])
@pytest.mark.parametrize("kind", OTHERS)
def test_describes_a_page_that_is_not_a_listing_at_once(kind: str, arguments: tuple[str, ...]) -> None:
    page, message = OTHERS[kind]
    result = list_pages({"/w/": page}, "w/", *arguments)
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert "same command again" not in result.stderr


@pytest.mark.parametrize(
    "page",
    [
        "<title>503 Service Unavailable</title>",
        "<title>Scheduled maintenance</title><script>x</script>",
        "<h1>503 Service Temporarily Unavailable</h1>",
        "<title>We will be back soon</title>",
        (204, "", {}),
        (206, link(A), {"Content-Range": "bytes 0-99/1000"}),
        (206, link(A), {}),
        (200, "<Error><Code>SlowDown</Code></Error>", {"Content-Type": "application/xml"}),
    ],
)
def test_a_temporary_problem_is_a_network_error(page: Page) -> None:
    assert list_pages({"/w/": page}).exit_code == 5


@pytest.mark.parametrize(
    "page",
    [
        "",
        '<title>Index of /w/</title><script>sort()</script><a href="../">../</a>',
        "<title>Links for dipy</title><h1>Links for dipy</h1>",
        f'<title>Index of /404/</title><a href="../">../</a>{FORM}',
        (200, "[]", {"Content-Type": "application/json"}),
        (200, index_json(), JSON_TYPE),
    ],
)
def test_an_empty_listing_may_be_filled_later(page: Page) -> None:
    assert list_pages({"/w/": page}).exit_code == 3
    waited = list_pages({"/w/": page}, "w/", "--wait", "0.2s")
    assert waited.exit_code == 10


def test_shows_the_title_of_a_page_without_links() -> None:
    result = list_pages({"/w/": "<title>Our \x1b[31mwheels</title><p>Come back tomorrow, please."})
    assert result.exit_code == 3
    assert "the page links to no files; its title is: Our \\x1b[31mwheels" in result.stderr


# --- L12, L15: wrong types, and cut pages ------------------------------------------------------------

HTML_PAGE = f"<!DOCTYPE html><html><body>{link(A)}</body></html>"
S3_PAGE = (
    "<?xml version='1.0'?><ListBucketResult><Delimiter>/</Delimiter>"
    f"<Contents><Key>{A}</Key></Contents></ListBucketResult>"
)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (
            HTML_PAGE,
            [
                *("text/plain", "binary/octet-stream", "application/octet-stream", "application/json", ""),
                *("httpd/unix-directory", "application/x-html", "garbage"),
            ],
        ),
        (f"\ufeff \n{link(A)}", ["text/plain; charset=utf-8", "text/html"]),
        (f"<!-- made by x -->\n<ul><li>{link(A)}</ul>", ["text/plain"]),
        (
            index_json(A),
            [
                *("text/plain", "text/html", "application/json", "binary/octet-stream", ""),
                "application/vnd.pypi.simple.latest+json",
                "application/vnd.pypi.simple.v1+json",
                "application/vnd.pypi.simple.v1+html",
            ],
        ),
        (json.dumps([{"name": A, "type": "file"}]), ["text/plain", "text/html"]),
        (S3_PAGE, ["text/plain", "text/html", "application/octet-stream", "application/json"]),
    ],
)
def test_the_first_bytes_decide(text: str, kinds: list[str]) -> None:
    for kind in kinds:
        page = answer(200, text.encode(), {"Content-Type": kind})
        raw = page if kind else re.sub(rb"Content-Type: \r\n", b"", page)
        with ScriptedServer([raw]) as server:
            result = run("-u", f"{server.url}w/", "--until", "list", "--format", "json", "dipy", "1.11.0")
        assert listed_names(result) == [A], kind


def unsized(body: str) -> list[Step]:
    return [f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n{body}".encode()]


@pytest.mark.parametrize(
    "body",
    [
        link(A),
        f"<html><body><pre>{link(A)}",
        f"<html><body><div>menu</div>{link(A)}",
        f"<pre>{link(A)}</pre><pre><a href=",
        f"<div>{link(A)}</div><div>{link(B)}</div>",
        f"<html><body><ul><li>{link(A)}</ul>\n<ul><li>",
        f"<!DOCTYPE html><html><head><title>Links for dipy</title></head><body>{link(A)}<a href=",
    ],
)
def test_a_page_that_may_be_cut_is_not_taken_as_whole(body: str) -> None:
    with ScriptedServer(unsized(body)) as server:
        result = run("-u", f"{server.url}w/", "--until", "list", "--retries", "1", "dipy", "1.11.0")
    assert result.exit_code == 5
    assert "may be cut: it was sent without a length" in result.stderr


@pytest.mark.parametrize(
    "body",
    [
        f"<html><body><pre>{link(A)}</pre></body></html>\n<!--SERIAL 12-->",
        f"<ul><li>{link(A)}</ul>",
        f"<pre>\n{link(A)}</pre>\n",
        f"<HTML><BODY>{link(A)}</BODY></HTML>",
    ],
)
def test_a_page_without_a_length_that_is_closed_is_whole(body: str) -> None:
    with ScriptedServer(unsized(body)) as server:
        result = run("-u", f"{server.url}w/", "--until", "list", "--format", "json", "dipy", "1.11.0")
    assert listed_names(result) == [A]


# --- T5: the last slash ----------------------------------------------------------------------------

SLASHLESS: dict[str, Page] = {
    "/v2/simple": '<a href="dipy/">dipy</a>',
    "/v2/simple/": '<a href="dipy/">dipy</a>',
    "/v2/simple/dipy": f'<a href="{A}">{A}</a>',
    "/v2/simple/dipy/": f'<a href="{A}">{A}</a>',
    f"/v2/simple/dipy/{A}": BYTES[A],
}


@pytest.mark.parametrize("path", ["v2/simple", "v2/simple/", "v2/simple/dipy", "v2/simple/dipy/"])
@pytest.mark.parametrize("form", ["html", "json"])
def test_links_are_relative_to_the_url_with_a_slash_if_they_lead_nowhere(path: str, form: str) -> None:
    pages = dict(SLASHLESS)
    if form == "json":
        for page in ("/v2/simple/dipy", "/v2/simple/dipy/"):
            pages[page] = (200, index_json(A), JSON_TYPE)
    result = list_pages(pages, path, until="download")
    assert listed_names(result) == [A]


@pytest.mark.parametrize(
    "answer_for_nothing",
    [
        (403, "<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"}),
        (410, "Gone", {}),
        "<title>Our files</title><p>Welcome.",
    ],
)
@pytest.mark.parametrize("place", ["", "files/", "../../files/"])
def test_links_without_a_slash_lead_to_any_answer_for_nothing(answer_for_nothing: Page, place: str) -> None:
    page = f'<a href="{place}{A}">{A}</a>'
    wrong, right = (
        urljoin(f"http://x{base}", f"{place}{A}").removeprefix("http://x")
        for base in ("/v/s/dipy", "/v/s/dipy/")
    )
    pages: dict[str, Page] = {
        "/v/s/dipy": page,
        "/v/s/dipy/": page,
        wrong: answer_for_nothing,
        right: BYTES[A],
    }
    assert listed_names(list_pages(pages, "v/s/dipy", until="download")) == [A]


def test_folders_below_a_url_without_a_slash() -> None:
    pages: dict[str, Page] = {
        "/staged": '<a href="wheels/">wheels/</a>',
        "/staged/": '<a href="wheels/">wheels/</a>',
        "/staged/wheels/": link(A),
        f"/staged/wheels/{A}": BYTES[A],
    }
    assert listed_names(list_pages(pages, "staged", until="download")) == [A]


@pytest.mark.parametrize(
    ("path", "pages"),
    [
        ("w/index.html", {"/w/index.html": link(A), f"/w/{A}": BYTES[A]}),
        ("w/x", {"/w/x": f'<base href="/files/">{link(A)}', f"/files/{A}": BYTES[A]}),
        ("w/x?y=1", {"/w/x?y=1": link(A), f"/w/{A}": BYTES[A]}),
        ("w/x", {"/w/x": link(A, directory="/files/"), f"/files/{A}": BYTES[A]}),
        ("w/x", {"/w/x": link(A), "/w/x/": link(A), f"/w/{A}": BYTES[A]}),
    ],
)
def test_a_url_without_a_slash_may_be_right(path: str, pages: dict[str, Page]) -> None:
    site = Pages(pages)
    assert listed_names(list_pages(site, path, until="download")) == [A]
    assert f"/{path}/" not in site.requests
