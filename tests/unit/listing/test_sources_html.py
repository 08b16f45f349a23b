"""HTML listings: reading links whatever the layout, and limits on hostile pages."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.facts import html_links as listings
from wheel_uploader.facts.html_links import iter_html_files, read_html_listing

BASE = "https://staging.example/wheels/"
WHEEL = "dipy-1.11.0-py3-none-any.whl"
SHA256 = "a1" * 32


def parse(text: str, base: str = BASE) -> list[RemoteFile]:
    return list(iter_html_files(text, base, "staging"))


def names(text: str, base: str = BASE) -> list[str]:
    return [file.filename for file in parse(text, base)]


def urls(text: str, base: str = BASE) -> list[str]:
    return [file.url for file in parse(text, base)]


# --- the name and the URL --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        f'<a href="{WHEEL}">x</a>',
        f'<a href="./{WHEEL}">x</a>',
        f'<a href="/wheels/{WHEEL}">x</a>',
        f'<a href="//staging.example/wheels/{WHEEL}">x</a>',
        f'<a href="https://staging.example/wheels/{WHEEL}">x</a>',
        f"<A HREF={WHEEL}>x</A>",
        f"<a\nclass='x'\nhref='{WHEEL}'>\n x\n</a>",
        f'<a href=" {WHEEL} \n">x</a>',
        f'<a href="&#47;wheels/{WHEEL}">x</a>',
        f'<a href="&#x2F;wheels&sol;{WHEEL}">x</a>',
        f'<a href="{WHEEL}">dipy-1.11.0-py3-none-..&gt;</a>',
        f'<a href="{WHEEL}"></a>',
        f'<a href="{WHEEL}"><img src="/icons/unknown.gif"><b>{WHEEL}</b></a>',
        f'<a href="{WHEEL}" data-requires-python="&gt;=3.10" rel="internal">x</a>',
        f'<table><tr><td><a href="{WHEEL}">x</td><td>1.2K<tr></table',
        f'<a href="{WHEEL}">x<a href="#top">y',
        f'<base href="/wheels/"><a href="{WHEEL}">x</a><base href="/other/">',
        f'<a href="{WHEEL}">x</a><base href="https://staging.example/wheels/index.html">',
        f'<a href="old/../{WHEEL}">x</a>',
    ],
)
def test_reads_every_form_of_link(link: str) -> None:
    assert urls(link) == [f"{BASE}{WHEEL}"]
    assert names(link) == [WHEEL]


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("dipy-1.11.0%2Bcu121-py3-none-any.whl", "dipy-1.11.0+cu121-py3-none-any.whl"),
        ("dipy-1.11.0+cu121-py3-none-any.whl", "dipy-1.11.0+cu121-py3-none-any.whl"),
        ("dipy-1%2E11%2E0-py3-none-any%2Ewhl", WHEEL),
        ("dipy-1!1.11.0-py3-none-any.whl", "dipy-1!1.11.0-py3-none-any.whl"),
        (f"{WHEEL}?project=legacy", WHEEL),
        (f"{WHEEL}#sha256={SHA256}", WHEEL),
        ("1.11.0/" + WHEEL, WHEEL),
        ("..%2F..%2Fetc%2F" + WHEEL, WHEEL),
        ("%1B%5B2J.whl", "\x1b[2J.whl"),
        ("%FF.whl", "\ufffd.whl"),
        ("a b.whl", "a b.whl"),
        ("x.whl;v=1", "x.whl"),
    ],
)
def test_name_is_the_last_segment_decoded_once(href: str, name: str) -> None:
    assert names(f'<a href="{href}">{WHEEL}</a>') == [name]


def test_keeps_the_query_and_drops_the_fragment() -> None:
    assert urls(f'<a href="{WHEEL}?sig=x&amp;y=1#frag">') == [f"{BASE}{WHEEL}?sig=x&y=1"]


@pytest.mark.parametrize(
    "href",
    [
        "",
        "#top",
        "?C=N;O=D",
        "../",
        "/",
        ".",
        "..",
        "javascript:alert(1)/x.whl",
        "mailto:a@example.com",
        "data:text/plain,x/dipy.whl",
        "file:///etc/dipy.whl",
        "ftp://staging.example/dipy.whl",
        "https://[staging/dipy.whl",
    ],
)
def test_ignores_links_that_are_not_files(href: str) -> None:
    assert names(f'<a href="{href}">{WHEEL}</a>') == []


def test_ignores_anchors_without_href() -> None:
    assert names(f'<a name="top">{WHEEL}</a><link href="{WHEEL}"><!-- <a href="x.whl">x</a> -->') == []


@pytest.mark.parametrize(
    "link",
    [
        '<a href="dipy-1.10.0-py3-none-any.whl/">dipy-1.10.0-py3-none-any.whl</a>',
        '<a href="/wheels/dipy-1.10.0-py3-none-any.whl">dipy-1.10.0-py3-none-any.whl/</a>',
        '<a href="dipy-1.10.0-py3-none-any.whl"><b>dipy-1.10.0-py3-none-any.whl/</b> </a>',
    ],
)
def test_ignores_directories_named_like_wheels(link: str) -> None:
    assert names(link) == []


# --- hashes and repeated links ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fragment", "hashes"),
    [
        (f"sha256={SHA256}", {"sha256": SHA256}),
        (f"SHA256={SHA256.upper()}", {"sha256": SHA256}),
        ("md5=" + "0f" * 16, {"md5": "0f" * 16}),
        (f"%20sha256={SHA256}", {"sha256": SHA256}),
        (f"sha256%3D{SHA256}", {"sha256": SHA256}),
        (f"egg=dipy&sha256={SHA256}", {"sha256": SHA256}),
        ("blake2=" + "ab" * 32, {"blake2": "ab" * 32}),
        ("sha256=", {}),
        ("sha256=short", {}),
        ("sha256=" + "a1" * 31, {}),
        ("sha256=" + "zz" * 32, {}),
        ("egg=dipy", {}),
    ],
)
def test_reads_hashes_from_the_fragment(fragment: str, hashes: dict[str, str]) -> None:
    (file,) = parse(f'<a href="{WHEEL}#{fragment}">x</a>')
    assert file.hashes == hashes
    assert file.url == f"{BASE}{WHEEL}"


def test_merges_the_hashes_of_repeated_links() -> None:
    first, second = f"md5={'0f' * 16}", f"sha256={SHA256}"
    (file,) = parse(
        f'<a href="{WHEEL}#{first}">x</a> <a href="{WHEEL}">y</a> <a href="{WHEEL}#{second}">z</a>'
    )
    assert file.hashes == {"md5": "0f" * 16, "sha256": SHA256}


def test_keeps_links_with_contradicting_hashes() -> None:
    links = [f'<a href="{WHEEL}#sha256={digit * 64}">x</a>' for digit in ("a", "b", "b")]
    assert [file.hashes["sha256"][0] for file in parse("".join(links))] == ["a", "b"]


def test_keeps_one_name_at_two_urls() -> None:
    assert names(f'<a href="cpu/{WHEEL}">x</a><a href="cu92/{WHEEL}">x</a>') == [WHEEL, WHEEL]


# --- subpages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("href", ["Di.Py/", "/wheels/di-py/", "di_py", "./DI-PY/"])
def test_subpages_have_canonical_names(href: str) -> None:
    pages = read_html_listing(f'<a href="{href}">x</a>', BASE, "").subpage_urls
    assert list(pages) == ["di-py"]


@pytest.mark.parametrize("href", ["../dipy/", "/dipy/", "https://other.example/wheels/dipy/", "/wheels/"])
def test_ignores_pages_elsewhere(href: str) -> None:
    assert read_html_listing(f'<a href="{href}">x</a>', BASE, "").subpage_urls == {}


def test_detects_a_password_field() -> None:
    assert read_html_listing("<form><INPUT TYPE=Password name=p></form>", BASE, "").asks_for_password
    assert not read_html_listing("<p>password</p><input type=text>", BASE, "").asks_for_password


# --- hand-written pages of servers that cannot be run here -----------------------------------------

IIS = """<html><head><title>staging - /dipy/</title></head><body><H1>staging - /dipy/</H1><hr>
<pre><A HREF="/">[To Parent Directory]</A><br><br>
 9/16/2025  6:20 AM        &lt;dir&gt; <A HREF="/dipy/old.whl/">old.whl</A><br>
 9/16/2025  6:20 AM         1207 <A HREF="/dipy/dipy-1.11.0-py3-none-any.whl">x</A><br>
12/16/2025 12:20 PM           17 <A HREF="/dipy/dipy-1.11.0%2Bx-py3-none-any.whl">x</A><br>
</pre><hr></body></html>"""

RACKSPACE = """<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">
<html><head><title>Listing of /v1/MossoCloudFS_1/wheels/</title></head><body>
<h1 id="title">Listing of /v1/MossoCloudFS_1/wheels/</h1>
<table id="listing"><tr id="heading"><th class="colname">Name</th></tr>
   <tr class="item subdir"><td class="colname"><a href="old.whl/">old.whl/</a></td></tr>
   <tr class="item type-application type-octet-stream">
    <td class="colname"><a href="dipy-1.11.0-py3-none-any.whl">dipy-1.11.0-py3-none-any.whl</a></td>
    <td class="colsize">1Ki</td><td class="coldate">2025-09-16 07:20:00</td></tr>
   <tr class="item"><td class="colname"><a href="dipy-1.11.0%2Bx-py3-none-any.whl">x</a></td></tr>
</table></body></html>"""

FILES = f"https://staging.example/api/v4/projects/1/packages/pypi/files/{SHA256}"
GITLAB = f"""
    <!DOCTYPE html>
    <html><body><a href="{FILES}/{WHEEL}#sha256={SHA256}" data-requires-python="">{WHEEL}</a>\
<a href="{FILES}/dipy-1.11.0%2Bx-py3-none-any.whl#sha256={SHA256}">x</a></body></html>"""

DEVPI = f"""<!DOCTYPE html><html><head><title>links for dipy</title></head><body><h1>links for dipy</h1>
stage/dev <a href="../../+f/d7b/38/{WHEEL}#sha256={SHA256}" data-requires-python="&gt;=3.10">x</a><br/>
stage/dev <a href="../../+f/d7b/38/dipy-1.11.0+x-py3-none-any.whl#sha256={SHA256}">x</a><br/></body></html>"""

ARTIFACTORY = f"""<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN"><html><body><h1>Index of wheels/dipy</h1>
<pre>Name    Last modified      Size</pre><hr/><pre><a href="../">../</a>
<a href="{WHEEL}">{WHEEL}</a>-&gt;   16-Sep-2025 07:20  1.2 KB
<a href="dipy-1.11.0+x-py3-none-any.whl">x</a>   16-Sep-2025 07:20  1.2 KB
</pre><hr/><address>Artifactory</address></body></html>"""


@pytest.mark.parametrize("text", [IIS, RACKSPACE, GITLAB, DEVPI, ARTIFACTORY])
def test_reads_hand_written_pages_of_other_servers(text: str) -> None:
    wheels = [name for name in names(text) if name.endswith(".whl")]
    assert wheels == [WHEEL, "dipy-1.11.0+x-py3-none-any.whl"]


# --- properties ------------------------------------------------------------------------------------

FILENAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\ufffe\uffff"),
    min_size=1,
    max_size=40,
).filter(lambda name: name.strip(".") and not name.isspace())


@given(st.lists(FILENAMES, unique=True, max_size=20), st.sampled_from(["", "./", "/wheels/", BASE]))
@example(["%41+ &amp;?#;.whl"], "./")
def test_reads_back_a_rendered_directory(files: list[str], prefix: str) -> None:
    rows = "".join(
        f'<li><a href="{html.escape(prefix + quote(name))}">{html.escape(name[:10])}</a> 1K</li>\n'
        for name in files
    )
    assert names(f"<html><body><ul>{rows}</ul></body></html>") == files


PIECES = st.sampled_from(
    [
        "<a",
        " href=",
        '"',
        "'",
        ">",
        "</a>",
        "<base",
        "https://",
        "//",
        "[",
        "]",
        "%2F",
        "#sha256=",
        "&#0;",
        "\0",
        "@",
        ":",
    ]
)


@given(st.lists(PIECES | st.text(max_size=8), max_size=60).map("".join))
@example("\0")
@example("<a href='https://[::1'>")
@example("<a href='//[/x.whl'><base href='http://['>")
def test_arbitrary_text_raises_no_exception(text: str) -> None:
    for file in parse(text):
        assert file.filename
        assert file.url.startswith(("http://", "https://"))


# --- hostile pages ---------------------------------------------------------------------------------

_MIB = 2**20
HOSTILE = {
    "anchors": "<a>" * (_MIB // 3),
    "open anchors": "<a " * (_MIB // 3),
    "anchors in anchors": "<b><a href=x>" * (_MIB // 13),
    "nested": "<div>" * (_MIB // 5),
    "tables": "<table>" * (_MIB // 7),
    "entities": "&amp;" * (_MIB // 5),
    "angles": "<" * _MIB,
    "quotes": "<a href='" * (_MIB // 9),
    "comments": "<!--" * (_MIB // 4),
    "attributes": "<a " + " ".join(f"a{number}=1" for number in range(_MIB // 9)) + ">",
    "a long link": f'<a href="{"x" * _MIB}">',
    "dots": f'<a href="{"../" * (_MIB // 3)}x.whl">',
    "percents": f'<a href="{"%41" * (_MIB // 3)}">',
    "fragments": f'<a href="x#{"a=b&" * (_MIB // 4)}">',
    "bases": "<base href=x>" * (_MIB // 13),
    "hosts": "".join(f"<a href=//h{number}/x>" for number in range(_MIB // 22)),
    "distinct links": "".join(f"<a href=x{number}.whl>" for number in range(_MIB // 21)),
    "contradictions": "".join(f"<a href=x#sha256={number:064x}>" for number in range(_MIB // 84)),
    "deep text": "<a href=x>" + "/ " * (_MIB // 2),
    "nul": "\0" * _MIB,
}

_MEASURE = r"""
import json, pathlib, re, sys, time
from wheel_uploader.core.errors import ListingError
from wheel_uploader.facts.html_links import read_html_listing
text = sys.stdin.read()
began = time.process_time()
try:
    read_html_listing(text, "https://staging.example/", "staging")
except ListingError:
    pass
seconds = time.process_time() - began
# Not ru_maxrss, which includes the memory of the parent process.
peak = re.search(r"VmHWM:\s*(\d+) kB", pathlib.Path("/proc/self/status").read_text())
print(json.dumps([seconds, int(peak[1]) / 1024]))
"""


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_mebibyte_takes_little_time_and_memory(text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE], input=text.encode(), capture_output=True, check=True, timeout=60
    )
    seconds, mebibytes = json.loads(done.stdout)
    assert seconds < 2
    assert mebibytes < 256


def test_rejects_more_than_100000_links() -> None:
    links = "".join(f'<a href="{number}.whl">x</a>\n' for number in range(100_000))
    assert len(parse(links)) == 100_000
    with pytest.raises(ListingError, match="more than 100000 links"):
        parse(links + "<a href=one-more>x</a>")


@pytest.mark.parametrize(
    "base",
    [
        "https://h.example/a/b/",
        "https://h.example/a/b?q=1#f",
        "https://h.example",
        "https://h.example/a//b/../c/",
        "https://h.example/./x/.",
        "https://u:p@h.example:8080/a/",
        "HTTPS://H.example/a/",
        "ftp://h.example/a/",
        "/a/b/",
    ],
)
def test_fast_path_for_plain_names_equals_the_general_path(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "dipy-1.0-py3-none-any.whl",
        "dipy-1.0.tar.gz",
        "x.zip",
        "x.whl.asc",
        "..whl",
        "a:b.whl",
        "_.whl",
    ]
    ends = ["", "#", "#sha256=" + "0a" * 32, "#a%20b", "?x", "/", "#md5=1&sha256=" + "0b" * 32]
    anchors = "".join(
        f'<a href="{name}{end}" {more}>{text}</a> 12 KB\n'
        for name in names
        for end in ends
        for more in ("", "data-yanked")
        for text in (name, f"{name}/")
    )
    for page in (anchors, f'<base href="{base}">{anchors}'):
        listing = read_html_listing(page, base, "staging")
        with monkeypatch.context() as patched:
            patched.setattr(listings, "_PLAIN", re.compile(r"(?!)"))
            assert read_html_listing(page, base, "staging") == listing
