"""The file name that a link refers to, and which links of a page lead to one file."""

from __future__ import annotations

import html
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.urls import urlsplit
from wheel_uploader.facts import link_names
from wheel_uploader.facts.html_links import read_html_listing

BASE = "https://staging.example/w/"
WHEEL = "dipy-1.11.0-cp312-cp312-win_amd64.whl"
SDIST = "dipy-1.11.0.tar.gz"
LOCAL_WHEEL = "dipy-1.11.0+cu121-cp312-cp312-win_amd64.whl"


def read(page: str, base: str = BASE) -> list[RemoteFile]:
    return list(read_html_listing(page, base, "staging").files)


def list_names(page: str, base: str = BASE) -> list[str]:
    return [file.filename for file in read(page, base)]


@pytest.mark.parametrize("name", [WHEEL, SDIST, LOCAL_WHEEL, f"{WHEEL}.publish.attestation"])
@pytest.mark.parametrize(
    "link",
    [
        # The segment before the action.
        '<a href="NAME/download">x</a>',
        '<a href="/projects/dipy/files/NAME/download/">x</a>',
        '<a href="NAME/raw">x</a>',
        '<a href="/api/records/1/files/NAME/content">x</a>',
        '<a href="artifact/dist/NAME/*view*/">x</a>',
        # The query.
        '<a href="/s/x/download?path=/&amp;files=NAME">x</a>',
        '<a href="get.php?file=NAME">x</a>',
        '<a href="get?dir=2&FileName=dist%2FNAME&t=1">x</a>',
        '<a href="get?filename=dist\\NAME">x</a>',
        '<a href="?file=NAME">x</a>',
        '<a href="/o/1?response-content-disposition=attachment%3B%20filename%3D%22NAME%22">x</a>',
        "<a href=\"/o/1?rscd=attachment;%20filename*=UTF-8''NAME\">x</a>",
        # The attribute.
        '<a download="NAME" href="/artifact/123">Download</a>',
        '<a href="/artifact/123/" download="NAME"><img></a>',
        # The text.
        '<a href="/files/123">NAME</a>',
        '<a href="/files/123"><b>NAME</b>\n</a>',
        '<a href="/files/123">NAME <i>(8.1 MB)</i></a>',
        '<a href="/download?id=123">NAME</a>',
        # More than the name in the last segment.
        '<a href="dipy%2FNAME?alt=media">x</a>',
        '<a href="/b/o/dipy%2f1.11.0%2fNAME">x</a>',
        '<a href="NAME;jsessionid=1">x</a>',
        '<a href="NAME;v=1;w=2?x#y">x</a>',
        '<a href="sub\\NAME">x</a>',
        '<a href=".\\sub\\dir\\NAME?a=b\\c">x</a>',
        '<a href="sub%5CNAME">x</a>',
    ],
)
def test_finds_the_name_wherever_the_link_has_it(link: str, name: str) -> None:
    encoded = quote(name)
    in_text = html.escape(name)
    page = link.replace('download="NAME"', f'download="{in_text}"').replace(">NAME", f">{in_text}")
    assert list_names(page.replace("NAME", encoded)) == [name]


@pytest.mark.parametrize(
    "link",
    [
        f'<a href="/login?next=/w/{WHEEL}">Sign in</a>',
        f'<a href="/search?q={WHEEL}">x</a>',
        f'<a href="https://elsewhere.example/bugs/1">{WHEEL}</a>',
        f'<a href="#row1">{WHEEL}</a>',
        f'<a href="">{WHEEL}</a>',
        f'<a href="docs/">{WHEEL}</a>',
        f'<a href="/files/1">{WHEEL[:30]}..&gt;</a>',
        f'<a href="/files/1">How to build {WHEEL}</a>',
        f'<a href="/files/1">{SDIST} is for packagers</a>',
        '<a href="/files/1" download>x</a>',
        '<a href="/files/1" download="notes.txt">x</a>',
        '<a href="/download">x</a>',
        f'<a href="{WHEEL}.part">{WHEEL}</a>',
        f'<a href="{WHEEL}.html" download="{WHEEL}">{WHEEL}</a>',
        f'<a href="javascript:get(1)">{WHEEL}</a>',
    ],
)
def test_other_links_name_no_wheel(link: str) -> None:
    assert not {WHEEL, SDIST} & set(list_names(link))


def test_the_path_comes_before_everything_else() -> None:
    page = f'<a href="{WHEEL}?file={SDIST}" download="{SDIST}">{SDIST}</a>'
    assert list_names(page) == [WHEEL]


def test_an_invalid_wheel_name_is_found_as_well() -> None:
    name = "dipy-1.11.0-cp313-cp313-win_amd64 (1).whl"
    for link in (
        f'href="/a/1" download="{name}">x',
        f'href="get?file={quote(name)}">x',
        f'href="/f/1">{name}',
    ):
        assert list_names(f"<a {link}</a>") == [name]


@pytest.mark.parametrize(
    ("links", "url"),
    [
        (["W", "W?download=1"], "W?download=1"),
        (["W?download=1", "W"], "W?download=1"),
        (["W?a=1", "W?a=2"], "W?a=1"),
        (["W?dl=0", "W?dl=1"], "W?dl=1"),
        (["./W", "W", "/w/W#frag"], "W"),
        (["W", "W/download"], "W/download"),
        (["W/*view*/", "W"], "W"),
        (["/o/r/blob/main/W", "/o/r/raw/main/W"], "/o/r/raw/main/W"),
        (["/o/r/src/branch/main/W", "/o/r/raw/branch/main/W"], "/o/r/raw/branch/main/W"),
        (
            ["/g/p/-/jobs/1/artifacts/file/W", "/g/p/-/jobs/1/artifacts/raw/W"],
            "/g/p/-/jobs/1/artifacts/raw/W",
        ),
        (["/o/r/blob/main/W", "/o/r/resolve/main/W?download=true"], "/o/r/resolve/main/W?download=true"),
        (["get?file=W", "get?file=W&download=1"], "get?file=W&download=1"),
        (["view?file=W", "download?file=W"], "download?file=W"),
    ],
)
def test_the_same_file_behind_two_links_is_one_file(links: list[str], url: str) -> None:
    page = "".join(f'<a href="{link.replace("W", WHEEL).replace("&", "&amp;")}">x</a>' for link in links)
    (file,) = read(page)
    expected = url.replace("W", WHEEL)
    assert file.url == (f"https://staging.example{expected}" if expected[0] == "/" else f"{BASE}{expected}")


@pytest.mark.parametrize(
    "links",
    [
        ["cpu/W", "cu92/W"],
        ["W", "old/W"],
        ["https://a.example/W", "https://b.example/W"],
        ["get?file=a/W", "get?file=b/W"],
        ["/f/1?file=W", "/f/2?file=W"],
    ],
)
def test_other_places_are_other_files(links: list[str]) -> None:
    page = "".join(f'<a href="{link.replace("W", WHEEL)}">x</a>' for link in links)
    assert len(read(page)) == len(links)
    one, other = (file.url for file in read(page))
    assert not link_names.lead_to_one_file(one, other, WHEEL)


def test_links_that_only_their_text_names_are_other_files() -> None:
    page = f'<a href="/f?id=1">{WHEEL}</a><a href="/f?id=2">{WHEEL}</a>'
    one, other = (file.url for file in read(page))
    assert not link_names.lead_to_one_file(one, other, WHEEL)


def test_the_page_about_a_file_is_not_a_second_file() -> None:
    page = f'<a href="/about/123">{WHEEL}</a> <a href="/files/{WHEEL}">Download</a>'
    assert [file.url for file in read(page)] == [f"https://staging.example/files/{WHEEL}"]


def test_links_to_one_file_share_their_hashes_unless_they_contradict() -> None:
    one, other = "a1" * 32, "b2" * 32
    page = f'<a href="{WHEEL}#sha256={one}">x</a><a href="{WHEEL}?download=1">x</a>'
    (file,) = read(page)
    assert (file.url, file.hashes) == (f"{BASE}{WHEEL}?download=1", {"sha256": one})
    assert len(read(page + f'<a href="{WHEEL}?v=2#sha256={other}">x</a>')) == 2


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("https://gitlab.com/g/p/-/archive/1.11.0/dipy-1.11.0.tar.gz", BASE),
        ("https://git.example/g/s/p/-/archive/v1.11.0/dipy-1.11.0.zip?ref_type=tags", BASE),
        ("https://github.com/dipy/dipy/archive/refs/tags/dipy-1.11.0.tar.gz", BASE),
        ("https://github.com/dipy/dipy/archive/1.11.0/dipy-1.11.0.tar.gz", BASE),
        ("https://github.com/dipy/dipy/tarball/dipy-1.11.0.tar.gz", BASE),
        ("https://api.github.com/repos/dipy/dipy/zipball/dipy-1.11.0.zip", BASE),
        ("https://codeload.github.com/dipy/dipy/tar.gz/refs/tags/dipy-1.11.0.tar.gz", BASE),
        ("https://forge.example/o/dipy/archive/dipy-1.11.0.tar.gz", "https://forge.example/o/dipy/releases"),
        ("https://forge.example/api/v1/repos/o/dipy/archive/dipy-1.11.0.tar.gz", BASE),
    ],
)
def test_source_archives_are_marked(link: str, page: str) -> None:
    (file,) = read(f'<a href="{link}">Source code</a>', page)
    assert file.exclusion_reason == link_names.SOURCE_ARCHIVE_REASON


@pytest.mark.parametrize(
    "link",
    [
        "https://staging.example/pub/dipy/archive/dipy-1.11.0.tar.gz",
        "https://staging.example/archive/dipy-1.11.0.tar.gz",
        "https://staging.example/w/archive/1.11.0/dipy-1.11.0.tar.gz",
        "https://github.com/dipy/dipy/releases/download/1.11.0/dipy-1.11.0.tar.gz",
        "https://gitlab.com/g/p/-/releases/1.11.0/downloads/dipy-1.11.0.tar.gz",
        "https://gitlab.com/g/p/-/package_files/1/download?x=dipy-1.11.0.tar.gz",
        "https://forge.example/o/dipy/releases/download/1.11.0/dipy-1.11.0.tar.gz",
        "https://zipball.example/w/dipy-1.11.0.tar.gz",
    ],
)
def test_sdists_in_a_folder_called_archive_are_not_source_archives(link: str) -> None:
    assert not any(file.exclusion_reason for file in read(f'<a href="{link}">x</a>'))


# --- hostile links ---------------------------------------------------------------------------------

WORDS = ("file=", "filename=", "rscd=", "download", "raw", "blob", "*view*", "archive", WHEEL, SDIST, ".whl")
PIECES = st.sampled_from(
    [*"/\\;?&#=%-~:\n \u202e\ud800", "..", "C:", "%2F", "%5C", "%2e%2e", "%25", "%00", "%0A", "%22", *WORDS]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=20), st.text(max_size=20))
@example(f"..%2F..%2F{WHEEL}", "", "")
@example("?file=../../.ssh/authorized_keys", f"../../{WHEEL}", f"..\\{WHEEL}")
def test_no_name_leaves_the_wheelhouse(href: str, download: str, text: str) -> None:
    page = "".join(
        f'<a href="{html.escape(prefix + href)}" download="{html.escape(download)}">{html.escape(text)}</a>'
        for prefix in ("", "/x/")
    )
    for file in read(page):
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename:
            continue
        assert not set(name.filename) & set("/\\\0\n ;")
        assert not name.filename.startswith(".")


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=12).map("".join))
def test_being_one_file_is_symmetric_and_reflexive(one: str, other: str) -> None:
    first, second = (f"https://a.example/{link}" for link in (one, other))
    for name in (WHEEL, SDIST):
        assert link_names.lead_to_one_file(first, second, name) == link_names.lead_to_one_file(
            second, first, name
        )


@given(
    st.builds(
        wheels.wheel_filename,
        st.sampled_from(["dipy", "a_b"]),
        st.sampled_from(["1.0", "1!2.0+cu12.1", "3.0.dev1"]),
        st.sampled_from(["py3-none-any", "cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64"]),
    ),
    st.sampled_from(
        ["{}", "{}/download", "get?file={}", "a%2F{}?alt=media", "{};s=1", "sub%5C{}", "x?key=k/{}"]
    ),
)
def test_any_name_is_found_in_any_form(name: str, form: str) -> None:
    parts = urlsplit(f"{BASE}{form.format(quote(name, safe=''))}")
    assert link_names.name_link(parts).filename == name


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ("21-Nov-2026 10:15   16939602", 16_939_602),
        ("2026-11-21 10:15  16M", 16_000_000),
        ("16.2 MiB", 16_200_000),
        ("21 Nov 2026 10:15  512K", 512_000),
        ("Nov 21, 2026  833", 833),
        ("uploaded Nov 21, 2026", None),
        ("21. November 2026", None),
        ("3 days ago", None),
        ("1 2 3", None),
        ("90 B", 90),
    ],
)
def test_reads_a_size_only_where_the_row_states_one(row: str, size: int | None) -> None:
    name = "demo-1.0-py3-none-any.whl"
    [file] = read_html_listing(f"<a href={name}>{name}</a> {row}", "http://127.0.0.1/", "test").files
    assert file.approximate_size == size
