"""Test that pages of a static index are edited, and that everything on them survives byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wheel_uploader.core.errors import ListingError
from wheel_uploader.targets.static_index import html_pages, json_pages, pages
from wheel_uploader.targets.static_index.new_file import NewFile
from wheel_uploader.targets.static_index.object_store import StoredPage
from wheel_uploader.targets.static_index.pages import PageForm

URL = "https://index.example/simple/demo/"
OLD = "a" * 64
NEW = NewFile(
    filename="demo-1.0-py3-none-any.whl",
    href="demo-1.0-py3-none-any.whl",
    sha256="b" * 64,
    size=1234,
    version="1.0",
    requires_python=">=3.9",
    metadata_sha256="c" * 64,
    has_signature=True,
)
#: The page of T8, made by another tool.
FOREIGN = f"""<!DOCTYPE html>
<html>
  <body>
    <!-- made by a tool; <a href="not-a-link-0.1.tar.gz"> -->
    <a href="demo-0.9.tar.gz#sha256={OLD}" data-requires-python="&gt;=3.8">demo-0.9.tar.gz</a><br/>
    <a href='demo-0.9-py3-none-any.whl#sha256={OLD}' data-yanked="it &lt;breaks>">any</a><br/>
    <a href="demo-0.9-cp312-cp312-win_amd64.whl" data-dist-info-metadata="sha256={OLD}" x=1>win</a><br/>
    <a href="https://other.example/demo-0.9-cp312-cp312-macosx_11_0_arm64.whl#sha256={OLD}">mac</a><br/>
  </body>
</html>
<!--TIMESTAMP 1732795200-->
"""
LAYOUTS = {
    "breaks": FOREIGN,
    "crlf": FOREIGN.replace("\n", "\r\n"),
    "minified": "".join(line.strip() for line in FOREIGN.splitlines()),
    "list items": FOREIGN.replace("<br/>", "</li>").replace("    <a", "    <li><a"),
    "items over lines": FOREIGN.replace("<br/>", "\n      (0.9, 2026)\n    </li>").replace(
        "    <a", "    <li>\n<a"
    ),
    "without breaks": FOREIGN.replace("<br/>", ""),
    "fragment": "\n".join(FOREIGN.splitlines()[4:8]),
    "latin-1": FOREIGN.replace("a tool", "Fran\xe7ois"),
    "paragraphs": FOREIGN.replace("    <a", "    <p><a").replace("<br/>", "</p>"),
    "upper case": FOREIGN.replace("<a ", "<A HREF2=x ")
    .replace("</a>", "</A >")
    .replace("</body>", "</BODY>"),
    "script": FOREIGN.replace("<body>", "<body><script>if (a<b) {document.write('<a href=x>')}</script>"),
}


def read(text: str, form: PageForm = PageForm.HTML) -> pages.IndexPage:
    stored = StoredPage(data=text.encode("latin-1"), version="1", headers={"CacheControl": "max-age=5"})
    return pages.read_project_page("simple/demo/index.html", form, stored, url=URL, location="/index/")


def add(page: pages.IndexPage, *files: NewFile) -> StoredPage:
    return pages.add_files(page, files or (NEW,), url=URL, location="/index/")


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_adds_a_line_and_changes_no_other_byte(text: str) -> None:
    page = read(text)
    edited = add(page)
    before, after = text.encode("latin-1"), edited.data
    inserted = len(after) - len(before)
    start = next(i for i in range(len(after)) if after[i : i + 1] != before[i : i + 1])
    assert any(after[:i] + after[i + inserted :] == before for i in range(start + 1))
    assert edited.version == "1"
    assert edited.headers == {"CacheControl": "max-age=5"}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_an_edited_page_lists_the_old_files_as_before_and_the_new_one(text: str) -> None:
    page = read(text)
    edited = read(add(page).data.decode("latin-1"))
    assert edited.files[:-1] == page.files
    assert (edited.files[-1].filename, edited.files[-1].hashes) == (NEW.filename, {"sha256": NEW.sha256})
    assert edited.files[-1].url == URL + NEW.href
    assert [file.yanked for file in edited.files].count(True) == 1


def test_writes_the_attributes_that_installers_read() -> None:
    edited = add(read(FOREIGN)).data.decode()
    line = next(line for line in edited.splitlines() if NEW.filename in line)
    metadata = f"sha256={NEW.metadata_sha256}"
    assert line == (
        f'    <a href="{NEW.href}#sha256={NEW.sha256}" data-requires-python="&gt;=3.9" '
        f'data-dist-info-metadata="{metadata}" data-core-metadata="{metadata}" data-gpg-sig="true">'
        f"{NEW.filename}</a><br>"
    )


def test_adds_a_list_item_to_a_list() -> None:
    edited = add(read(LAYOUTS["items over lines"])).data.decode()
    assert f'    </li>\n    <li><a href="{NEW.href}' in edited


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FOREIGN[: FOREIGN.index("data-yanked") + 3], "it ends within a tag"),
        (FOREIGN[: FOREIGN.index("any</a>")], "its last link is not closed"),
        (FOREIGN[: FOREIGN.index("    <a href='demo")], "it does not end with </html>"),
        (FOREIGN[: FOREIGN.index("; <a")], "it ends within a comment"),
        (FOREIGN.partition("</body>")[0], "it does not end with </html>"),
        (f'{FOREIGN}<a href="', "it ends within a tag"),
        ("", "it is empty"),
        (FOREIGN.replace("<body>", "<head><base href='https://other.example/'></head><body>"), "<base>"),
        ("<html><body><form>Password: <input type=password></form></body></html>", "it is a login page"),
        ("<html><body><h1>Welcome</h1><a href='/about'>About</a></body></html>", "lists neither a wheel nor"),
        (
            "<html><body><a href='demo-1.tar.gz'>one<a href='demo-2.tar.gz'>two</a></body></html>",
            "is not closed",
        ),
        (FOREIGN.replace("<body>", "<body><script>var a;"), "<script> is not closed"),
        (FOREIGN.replace("</body>", "<a rel=next href='?page=2'>2</a></body>"), "lists only a part"),
        (FOREIGN.replace("</body>", "<p>first 1000 of 2345</p></body>"), "lists only a part"),
        (FOREIGN.replace("</body>", "<button>Load more</button></body>"), "lists only a part"),
        (FOREIGN.replace("</body>", "\n<<<<<<< HEAD\n</body>"), "marks of a merge conflict"),
    ],
)
def test_does_not_edit_a_page_that_is_cut_or_is_not_a_page_of_an_index(text: str, reason: str) -> None:
    with pytest.raises(ListingError) as caught:
        read(text)
    assert reason in caught.value.message
    assert caught.value.message.startswith("/index/simple/demo/index.html cannot be edited: ")
    assert caught.value.exit_code == 2
    assert "Nothing was written" in caught.value.hint


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ('"name": "other"', "it is the page of other"),
        ('"name": "demo", "next": "?page=2"', "lists only a part of the files: it names a next page"),
        ('"name": "demo", "truncated": true', "lists only a part of the files: its JSON says so"),
        ('"name": "demo", "meta": {"api-version": "2.0"}', "version 2.0 of the index API"),
    ],
)
def test_does_not_edit_json_that_is_not_the_whole_page_of_the_project(keys: str, reason: str) -> None:
    stored = StoredPage(data=f'{{{keys}, "files": []}}'.encode(), version="1")
    with pytest.raises(ListingError) as caught:
        pages.read_project_page("k", PageForm.JSON, stored, url=URL, location="/index/")
    assert caught.value.message.startswith("/index/k cannot be edited: ")
    assert reason in caught.value.message
    assert "index.invalid" not in caught.value.message


def test_the_name_in_json_may_be_written_in_any_way() -> None:
    stored = StoredPage(data=b'{"name": "Demo", "files": []}', version="1")
    assert pages.read_project_page("k", PageForm.JSON, stored, url=URL, location="").files == ()


def test_does_not_edit_a_page_that_is_stored_compressed() -> None:
    stored = StoredPage(data=FOREIGN.encode(), version="1", headers={"content-encoding": "gzip"})
    with pytest.raises(ListingError, match="content encoding gzip"):
        pages.read_project_page("k", PageForm.HTML, stored, url=URL, location="/index/")


@pytest.mark.parametrize(
    "attack", ["<a ", "<a href='", "<!--", "<li><a href=x>y</a>", '<a href="x">', "< ", "</a", "<a b=\"'>"]
)
def test_reads_hostile_markup_in_linear_time(attack: str) -> None:
    import time

    started_at = time.process_time()
    with pytest.raises(ListingError):
        read(attack * (1_000_000 // len(attack)) + "<html>")
    assert time.process_time() - started_at < 20


# --- JSON ------------------------------------------------------------------------------------------


def make_json(**more: Any) -> dict[str, Any]:
    file = {
        "filename": "demo-0.9.tar.gz",
        "hashes": {"sha256": OLD},
        "url": "https://other.example/demo-0.9.tar.gz",
        "requires-python": ">=3.8",
        "yanked": "broken",
        "upload-time": "2026-01-02T03:04:05Z",
        "x-own": [1, {"a": None}],
    }
    return {
        "meta": {"api-version": "1.1", "x": 1.50},
        "name": "demo",
        "files": [file],
        "versions": ["0.9"],
        **more,
    }


@pytest.mark.parametrize("indent", [None, 1, 4], ids=["compact", "1", "4"])
def test_adds_an_entry_and_changes_no_other_character_of_a_json_page(indent: int | None) -> None:
    text = json.dumps(make_json(), indent=indent)
    edited = add(read(text, PageForm.JSON)).data.decode()
    value = json.loads(edited)
    assert value["files"][0] == make_json()["files"][0]
    assert value["files"][1] == {
        "filename": NEW.filename,
        "url": NEW.href,
        "hashes": {"sha256": NEW.sha256},
        "size": 1234,
        "requires-python": ">=3.9",
        "dist-info-metadata": {"sha256": NEW.metadata_sha256},
        "core-metadata": {"sha256": NEW.metadata_sha256},
        "gpg-sig": True,
    }
    assert value["versions"] == ["0.9", "1.0"]
    assert {key: value[key] for key in ("meta", "name")} == {
        key: make_json()[key] for key in ("meta", "name")
    }
    # The earlier lines are there, in order and character by character.
    position = 0
    for part in text.replace("]", "]\0").split("\0"):
        piece = part.rstrip(" \n]}")
        position = edited.index(piece, position) + len(piece)


@pytest.mark.parametrize("indent", [None, 1], ids=["compact", "1"])
def test_adds_the_first_entry_of_a_json_page(indent: int | None) -> None:
    text = json.dumps(make_json(files=[], versions=[]), indent=indent)
    value = json.loads(add(read(text, PageForm.JSON)).data)
    assert [file["filename"] for file in value["files"]] == [NEW.filename]
    assert value["versions"] == ["1.0"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(make_json())[:-20],
        json.dumps({"meta": {"api-version": "1.1"}, "name": "demo"}),
        '{"meta": {"api-version": "1.0"}, "files": [], "files": []}',
        '{"meta": {"api-version": "2.0"}, "files": []}',
        "[]",
        "",
        "<html>Sign in</html>",
        '{"meta": {"api-version": "1.0"}, "files": [' + "[" * 100_000,
    ],
    ids=["cut", "without files", "twice", "version 2", "list", "empty", "html", "deep"],
)
def test_does_not_edit_json_that_is_cut_or_is_not_a_page_of_an_index(text: str) -> None:
    with pytest.raises(ListingError) as caught:
        read(text, PageForm.JSON)
    assert "cannot be edited" in caught.value.message
    assert caught.value.exit_code == 2


# --- duplicates ------------------------------------------------------------------------------------


def test_keeps_one_link_of_a_name_that_is_listed_twice() -> None:
    first = f'    <a href="demo-1.0-py3-none-any.whl#sha256={OLD}" data-yanked="">x</a><br>\n'
    second = f'    <a href="demo-1.0-py3-none-any.whl#sha256={NEW.sha256}">x</a><br>\n'
    page = read(FOREIGN.replace("  </body>", f"{first}{second}  </body>"))
    assert pages.find_duplicates(page.files) == {NEW.filename: (OLD, NEW.sha256)}
    edited = pages.keep_one(page, NEW.filename, NEW.sha256, url=URL, location="/index/")
    assert edited.data.decode() == FOREIGN.replace("  </body>", f"{second}  </body>")


def test_a_kept_link_gets_the_hash_of_the_served_file() -> None:
    lines = "".join(f'<a href="demo-1.0-py3-none-any.whl#sha256={d * 64}">x</a><br>\n' for d in "de")
    page = read(FOREIGN.replace("  </body>", f"{lines}  </body>"))
    edited = pages.keep_one(page, NEW.filename, NEW.sha256, url=URL, location="/index/")
    kept = f'<a href="demo-1.0-py3-none-any.whl#sha256={NEW.sha256}">x</a><br>\n'
    assert edited.data.decode() == FOREIGN.replace("  </body>", f"{kept}  </body>")


def test_keeps_one_entry_of_a_name_that_is_listed_twice() -> None:
    entries = [
        {"filename": NEW.filename, "url": NEW.href, "hashes": {"sha256": d}} for d in (OLD, NEW.sha256)
    ]
    page = read(json.dumps(make_json(files=[*make_json()["files"], *entries])), PageForm.JSON)
    edited = pages.keep_one(page, NEW.filename, NEW.sha256, url=URL, location="/index/")
    assert json.loads(edited.data)["files"] == [*make_json()["files"], entries[1]]


# --- the list of projects --------------------------------------------------------------------------


def read_root(text: str, form: PageForm = PageForm.HTML) -> pages.IndexPage:
    stored = StoredPage(data=text.encode(), version="1")
    return pages.read_root_page("simple/index.html", form, stored, location="/index/")


@pytest.mark.parametrize(
    ("other", "ours"),
    [
        ("other/", "demo/"),
        ("/simple/other/", "/simple/demo/"),
        ("https://index.example/simple/other/", "https://index.example/simple/demo/"),
        ("./other", "./demo"),
        ("other/index.html", "demo/index.html"),
    ],
)
def test_adds_a_project_with_a_link_like_those_of_the_others(other: str, ours: str) -> None:
    text = f"<html><body>\n<a href='{other}'>Other</a><br>\n</body></html>"
    page = read_root(text)
    assert page.projects == {"other"}
    edited = pages.add_project(page, "demo", location="/index/").data.decode()
    assert edited == text.replace("</body>", f'<a href="{ours}">demo</a><br>\n</body>')
    assert read_root(edited).projects == {"other", "demo"}


def test_adds_a_project_to_a_json_list() -> None:
    text = json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": "Other.Thing", "x": 1}]})
    page = read_root(text, PageForm.JSON)
    assert page.projects == {"other-thing"}
    value = json.loads(pages.add_project(page, "demo", location="/index/").data)
    assert value["projects"] == [{"name": "Other.Thing", "x": 1}, {"name": "demo"}]


@pytest.mark.parametrize("form", [PageForm.HTML, PageForm.JSON])
def test_a_new_page_can_be_read_and_edited(form: PageForm) -> None:
    stored = pages.make_page(form, "demo", {})
    page = pages.read_project_page("k", form, stored, url=URL, location="/index/")
    assert page.files == ()
    assert len(read(add(page).data.decode(), form).files) == 1
    root = read_root(pages.make_page(form, "", {}).data.decode(), form)
    assert read_root(pages.add_project(root, "demo", location="").data.decode(), form).projects == {"demo"}


def test_escapes_added_values() -> None:
    file = NewFile(
        filename="demo-1+a.tar.gz",
        href="demo-1%2Ba.tar.gz",
        sha256=OLD,
        size=1,
        version="1+a",
        requires_python='>3"<\xe9',
    )
    added = html_pages.add_files(html_pages.make_project_page("demo"), [file])
    assert 'data-requires-python="&gt;3&quot;&lt;&#233;"' in added
    assert json_pages.add_files(json_pages.make_project_page("demo"), [file]).isascii()


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
def test_removing_an_added_line_restores_the_page(text: str) -> None:
    page = read(text)
    with_file = pages.read_project_page(page.key, page.form, add(page), url=URL, location="/index/")
    edited = pages.remove_file(with_file, NEW.filename, url=URL, location="/index/")
    assert b"".join(edited.data.split()) == b"".join(text.encode("latin-1").split())


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_removes_one_link_and_no_other_byte(text: str, number: int) -> None:
    page = read(text)
    filename = page.files[number].filename
    edited = pages.remove_file(page, filename, url=URL, location="/index/").data.decode("latin-1")
    start = next(i for i in range(len(text)) if text[i : i + 1] != edited[i : i + 1])
    cut = len(text) - len(edited)
    assert any(text[:i] + text[i + cut :] == edited for i in range(start + 1))
    assert filename not in edited


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_removes_an_entry_and_its_version_from_json(indent: int | None) -> None:
    names = ["demo-0.9.tar.gz", "demo-0.9-py3-none-any.whl", "demo-1.0.tar.gz"]
    document: dict[str, Any] = {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "versions": ["0.9", "1.0"],
        "files": [{"filename": name, "url": name, "hashes": {}, "x": {"kept": [1]}} for name in names],
        "more": None,
    }
    text = json.dumps(document, indent=indent)
    for name in names:
        page = read(text, PageForm.JSON)
        text = pages.remove_file(page, name, url=URL, location="/index/").data.decode()
        document["files"] = [entry for entry in document["files"] if entry["filename"] != name]
        rest = {entry["filename"].split("-")[1].removesuffix(".tar.gz") for entry in document["files"]}
        document["versions"] = [version for version in document["versions"] if version in rest]
        assert json.loads(text) == document
        if document["files"]:
            assert text == json.dumps(document, indent=indent)
