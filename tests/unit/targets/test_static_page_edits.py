"""Test the exact text of pages of a static index after each edit."""

from __future__ import annotations

import json

import pytest

from wheel_uploader.core.errors import ListingError
from wheel_uploader.targets.static_index import html_pages, json_pages, pages
from wheel_uploader.targets.static_index.html_scan import IncompletePage, scan_page, split_project_link
from wheel_uploader.targets.static_index.new_file import NewFile
from wheel_uploader.targets.static_index.object_store import StoredPage
from wheel_uploader.targets.static_index.pages import PageForm

N = NewFile(filename="n", href="n", sha256="5", size=1, version="1.0")
M = NewFile(filename="m", href="m", sha256="6", size=2, version="1.1")
OLD, NEW = "<a href=x>x</a>", '<a href="n#sha256=5">n</a>'


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        # O is the old link, and N the new one.
        ("<body>O<br></body>", "<body>O<br>\nN<br>\n</body>"),
        ("<body>O <BR /></body>", "<body>O <BR />\nN<br>\n</body>"),
        ("<body>O\t<br/></body>", "<body>O\t<br/>\nN<br>\n</body>"),
        ("O", "O\nN<br>\n"),
        ("O\n", "O\nN<br>\n"),
        ("O<br>\nrest", "O<br>\nN<br>\nrest"),
        ("  O<br>  \nrest", "  O<br>  \n  N<br>\nrest"),
        ("  O\n", "  O\n  N<br>\n"),
        ("\tO<br>\r\n", "\tO<br>\r\n\tN<br>\r\n"),
        ("a\r\n", "a\r\nN<br>\r\n"),
        ("<body>O<br>\r\n</body>", "<body>O<br>\r\nN<br>\r\n</body>"),
        ("<body>\n  O\n  </body>", "<body>\n  O\n  N<br>\n  </body>"),
        ("<body>\n  x O<br>\n  </body>", "<body>\n  x O<br>\nN<br>\n  </body>"),
        ("<body>\n    <h1>x</h1>\n\t</body>", "<body>\n    <h1>x</h1>\n    N<br>\n\t</body>"),
        ("<body></body>", "<body>\nN<br>\n</body>"),
        ("<h1>x</h1></body>", "<h1>x</h1>\nN<br>\n</body>"),
        ("", "N<br>\n"),
        ("text", "text\nN<br>\n"),
        (" text\n", " text\n N<br>\n"),
        ("<li>O</li>", "<li>O</li>\n<li>N</li>\n"),
        ("<ul>\n\t<li> O x</li>\n</ul>\n", "<ul>\n\t<li> O x</li>\n\t<li>N</li>\n</ul>\n"),
        # A list item with two links is not that of one of them.
        ("<ul><li>OO</li></ul>", "<ul><li>OO</li></ul>\nN<br>\n"),
        ("<li>O</li><li>x</li><p>O</p>", "<li>O</li><li>x</li><p>O</p>\nN<br>\n"),
        # The last link is not in the body.
        ("<html><body></body></html>O<br>", "<html><body>\nN<br>\n</body></html>O<br>"),
        ("<body>O</body></html>\n", "<body>O\nN<br>\n</body></html>\n"),
        ("  <p>O<br></p>\n</body>", "  <p>O<br>\nN<br>\n</p>\n</body>"),
        ("<body>\n <p>O</p></body>", "<body>\n <p>O</p>\nN<br>\n</body>"),
        ("<html>\nO<br>\n</html>", "<html>\nO<br>\nN<br>\n</html>"),
        ("<html><body>O<br></BODY ></HTML >", "<html><body>O<br>\nN<br>\n</BODY ></HTML >"),
    ],
)
def test_adds_a_link_below_the_last_one(text: str, edited: str) -> None:
    text, edited = (part.replace("O", OLD).replace("B<a href=x>x</a>DY", "BODY") for part in (text, edited))
    assert html_pages.add_files(text, [N]) == edited.replace("N", NEW)
    assert html_pages.add_files(text, []) == text


def test_adds_several_links_in_order() -> None:
    edited = html_pages.add_files(f"<body>\n {OLD}<br>\n</body>", [N, M])
    assert edited == (f'<body>\n {OLD}<br>\n {NEW}<br>\n <a href="m#sha256=6">m</a><br>\n</body>')


def test_the_first_pages_of_an_index() -> None:
    assert html_pages.make_root_page() == (
        '<!DOCTYPE html>\n<html lang="en">\n  <head>\n    <meta charset="utf-8">\n'
        '    <meta name="pypi:repository-version" content="1.0">\n    <title>Simple index</title>\n'
        "  </head>\n  <body>\n    <h1>Simple index</h1>\n  </body>\n</html>\n"
    )
    added = html_pages.add_files(html_pages.make_project_page("demo"), [N])
    assert f"    <h1>Links for demo</h1>\n    {NEW}<br>\n  </body>\n" in added
    added = html_pages.add_project(html_pages.make_root_page(), "demo")
    assert '    <h1>Simple index</h1>\n    <a href="demo/">demo</a><br>\n  </body>\n' in added
    assert json_pages.make_root_page() == '{\n "meta": {\n  "api-version": "1.1"\n },\n "projects": []\n}\n'
    assert json.loads(json_pages.make_project_page("demo")) == {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "versions": [],
        "files": [],
    }


def name_of(href: str) -> str:
    return href.partition("#")[0]


def test_removes_every_link_to_a_file() -> None:
    lines = [f'<a href="{name}">{number}</a><br>\n' for number, name in enumerate("nxnmn")]
    assert html_pages.remove_link("".join(lines), "n", name_of) == lines[1] + lines[3]
    assert html_pages.remove_link("".join(lines), "o", name_of) == "".join(lines)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_keeps_the_link_with_the_hash_or_else_the_first(number: int) -> None:
    hashes = ["aa", "bb", "cc"]
    links = [f'<a href="n#sha256={digest}" id={n}>{n}</a><br>\n' for n, digest in enumerate(hashes)]
    text = "".join(["<h1>x</h1>\n", links[0], OLD, "<br>\n", links[1], "<p>", links[2], "</p>\n"])
    edited = html_pages.keep_one_link(text, "n", hashes[number], name_of)
    for n, link in enumerate(links):
        assert (link in edited) == (n == number)
    assert f"{OLD}<br>\n" in edited
    first = html_pages.keep_one_link(text, "n", "dd", name_of)
    assert first.count(" id=") == 1
    assert '<a href="n#sha256=dd" id=0>' in first
    assert html_pages.keep_one_link(text, "o", "dd", name_of) == text
    upper = text.replace("sha256=bb", "SHA256=BB")
    assert '<a href="n#SHA256=BB" id=1>' in html_pages.keep_one_link(upper, "n", "bb", name_of)


def test_an_href_in_any_form_gets_the_hash() -> None:
    for quoted in ("'n&amp;o#x'", '"n&amp;o#x"', "n&amp;o#x"):
        text = f"<body><A id=1 HREF = {quoted} x>n</A></body>"
        edited = html_pages.keep_one_link(text, "n&o", "dd", name_of)
        assert edited == text.replace("n&amp;o#x", "n&amp;o#sha256=dd")


# --- markup ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<a href=x>x", "its last link is not closed"),
        ("<a href=x><a href=y>y</a>", "a link in it is not closed"),
        ("<html><body></html>", "it does not end with </body>"),
        ("<html><body></body>", "it does not end with </html>"),
        ("<!-- x ->", "it ends within a comment"),
        ("<!---", "it ends within a comment"),
        ("<!DOCTYPE html", "it ends within a declaration"),
        ("<?xml", "it ends within a declaration"),
        ("x</", "it ends within a tag"),
        ("x</a", "it ends within a tag"),
        ("x<", "it ends within a tag"),
        ("<a href='x", "it ends within a tag, or quotes in a tag are not closed"),
        ("<script>x</scrip>", "its <script> is not closed"),
        ("<TITLE>x", "its <title> is not closed"),
    ],
)
def test_markup_that_is_cut_is_not_accepted(text: str, reason: str) -> None:
    with pytest.raises(IncompletePage) as caught:
        scan_page(text)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("text", "hrefs"),
    [
        ("<!----><a href=x>x</a>", ["x"]),
        ("<!-- <!--><a href=x>x</a>", ["x"]),
        ("<!--><a href=y>--><a href=x>x</a>", ["x"]),
        ("<!DOCTYPE html><?x y?><a href=x>x</a>", ["x"]),
        ("1 < 2 <3 <a href=x>x</a>", ["x"]),
        ("</><a href=x>x</a></ >", ["x"]),
        ("<a name=x>x</a><a href=y>y</a>", ["y"]),
        ("</a><a href=x>x</a></a>", ["x"]),
        ("<a href=' x&amp;y '>x</a>", ["x&y"]),
        ("<a data-href=y title='href=z' href=x>x</a>", ["x"]),
        ("<script><a href=y></script ><a href=x>x</a>", ["x"]),
        ("<style><a href=y></STYLE><a href=x>x</a>", ["x"]),
        ("<noscript><a href=y></noscript><template><a href=z></template><a href=x>x</a>", ["x"]),
        ("<title/><a href=x>x</a>", ["x"]),
        ("<pre><a href=x>x</a></pre><A HREF=y>y</A>", ["x", "y"]),
    ],
)
def test_finds_the_links_of_markup(text: str, hrefs: list[str]) -> None:
    scan = scan_page(text)
    assert [anchor.href for anchor in scan.anchors] == hrefs
    for anchor in scan.anchors:
        assert text[anchor.start : anchor.end].lower().startswith("<a ")
        assert text[anchor.start : anchor.end].lower().endswith("</a>")
    assert not scan.has_base
    assert scan.body_end == len(text)


def test_finds_the_end_of_the_body() -> None:
    assert scan_page("<html><body>x</body></html>").body_end == len("<html><body>x")
    assert scan_page("<html>x</html>y").body_end == len("<html>x")
    assert scan_page("x<base href=y>").has_base


@pytest.mark.parametrize(
    ("href", "parts"),
    [
        ("demo/", ("", "demo", "/")),
        ("demo", ("", "demo", "")),
        ("/simple/demo/index.html?x#y", ("/simple/", "demo", "/index.html")),
        ("../demo/index.htm", ("../", "demo", "/index.htm")),
        ("https://h.example/demo/", ("https://h.example/", "demo", "/")),
        ("#top", ("", "#top", "/")),
        ("", ("", "", "/")),
    ],
)
def test_splits_the_link_to_a_project(href: str, parts: tuple[str, str, str]) -> None:
    assert split_project_link(href) == parts
    name = "" if href in ("#top", "") else parts[1]
    assert scan_page(f"<a href='{href}'>x</a>").anchors[0].last_segment == name


# --- JSON ------------------------------------------------------------------------------------------

ENTRY = '{"filename": "n", "url": "n", "hashes": {"sha256": "5"}, "size": 1}'
ENTRY_M = '{"filename": "m", "url": "m", "hashes": {"sha256": "6"}, "size": 2}'


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ('{"files": []}', '{"files": [N,M]}'),
        ('{"files":[ ]}', '{"files":[N,M]}'),
        ('{"files": [{}]}', '{"files": [{},N,M]}'),
        (
            '{"files": [\n {}\n ], "versions": ["1.0"]}',
            '{"files": [\n {},\n N,\n M\n ], "versions": ["1.0","1.1"]}',
        ),
        ('{"versions": [], "files": [{},{}  ]}', '{"versions": ["1.0","1.1"], "files": [{},{},N,M  ]}'),
        ('{"versions": 1, "files": []}', '{"versions": 1, "files": [N,M]}'),
        (
            '{"versions": [1.0, "2"], "files": [ {} ]}',
            '{"versions": [1.0, "2","1.1"], "files": [ {}, N, M ]}',
        ),
        ('{\n "files":\n[\n]\n, "x":1 }', '{\n "files":\n[N,M]\n, "x":1 }'),
        ('{"versions": ["1.1", "1.0"], "files": []}', '{"versions": ["1.1", "1.0"], "files": [N,M]}'),
        ('\ufeff {"files": []}', '\ufeff {"files": [N,M]}'),
    ],
)
def test_adds_entries_as_the_others_are_separated(text: str, edited: str) -> None:
    expected = edited.replace("N", ENTRY).replace("M", ENTRY_M)
    assert json_pages.add_files(text, [N, M]) == expected
    assert json_pages.add_files(text, []) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "it has no member 'files'"),
        ('{"files": {}}', "its member 'files' is not a list"),
        ('{"files": "[]"}', "its member 'files' is not a list"),
        ('{"files": [], "x": 1, "x": 2}', "its member 'x' is there twice"),
        (f'{{"files": [], "{"x" * 50}": 1, "{"x" * 50}": 2}}', f"its member '{'x' * 40}' is there twice"),
        ("[]", "it is not a JSON object"),
        ("{", "it is not complete JSON"),
    ],
)
def test_json_that_is_not_a_page_is_not_edited(text: str, reason: str) -> None:
    with pytest.raises(IncompletePage) as caught:
        json_pages.add_files(text, [N])
    assert str(caught.value) == reason


def test_reads_the_names_of_json() -> None:
    assert json_pages.find_project('{"name": "Demo"}') == "Demo"
    assert json_pages.find_project('{"name": 1}') == ""
    assert json_pages.find_project("{}") == ""
    text = '{"projects": [{"name": "A_b"}, {"name": 1}, {}, "c", {"name": "d"}]}'
    assert json_pages.find_projects(text) == {"a-b", "d"}
    for text in ("{}", '{"projects": {}}'):
        with pytest.raises(IncompletePage, match=r"^it has no list of projects \(PEP 691\)$"):
            json_pages.find_projects(text)


WHEEL, SDIST, OTHER = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-0.9.tar.gz"


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        # W, S and O are entries.
        ('{"versions": ["0.9", "1.0"], "files": [W, S, O]}', '{"versions": ["0.9", "1.0"], "files": [S, O]}'),
        ('{"versions": ["0.9", "1.0"], "files": [W, O]}', '{"versions": ["0.9"], "files": [O]}'),
        (
            '{"versions": ["1", "0.9", 1, "x y"], "files": [O ,W ]}',
            '{"versions": ["0.9", 1, "x y"], "files": [O ]}',
        ),
        ('{"versions": ["1.0.0"], "files": [ W,W ]}', '{"versions": [], "files": []}'),
        ('{"files": [O,  W,\nS, 1], "x": 1}', '{"files": [O,\nS, 1], "x": 1}'),
        ('{"files": [O, S], "versions": ["1.0"]}', '{"files": [O, S], "versions": ["1.0"]}'),
        ('{"files": [ ], "versions": ["1.0"] }', '{"files": [ ], "versions": [] }'),
    ],
)
def test_removes_an_entry_and_the_version_that_no_other_file_has(text: str, edited: str) -> None:
    names = {"W": WHEEL, "S": SDIST, "O": OTHER}
    others = [names[letter] for letter in "SO" if letter in text.partition("files")[2]]

    def fill(part: str) -> str:
        for letter, name in names.items():
            part = part.replace(letter, f'{{"filename": "{name}", "x": [1, {{}}]}}')
        return part

    assert json_pages.remove_entry(fill(text), WHEEL, others) == fill(edited)


def test_removes_an_entry_whose_name_has_no_version() -> None:
    text = '{"versions": ["1.0"], "files": [{"filename": "odd.zip"}]}'
    assert json_pages.remove_entry(text, "odd.zip", []) == '{"versions": ["1.0"], "files": []}'


@pytest.mark.parametrize(
    ("start", "end", "separator"), [("[", "]", ", "), ("[\n  ", "\n ]", ",\n  ")], ids=["line", "lines"]
)
def test_keeps_the_entry_with_the_hash_or_else_the_first(start: str, end: str, separator: str) -> None:
    entries = [
        {"filename": "n", "id": 0, "hashes": {"sha256": "aa", "md5": "0"}},
        {"filename": "m", "id": 1},
        {"filename": "n", "id": 2, "hashes": {"sha256": "bb"}},
        {"filename": "n", "id": 3},
    ]
    text = f'{{"files": {start}{separator.join(map(json.dumps, entries))}{end}, "x": 1}}'
    edited = json_pages.keep_one_entry(text, "n", "bb")
    value = json.loads(edited)
    assert [entry["id"] for entry in value["files"]] == [1, 2]
    assert value["files"][1]["hashes"] == {"sha256": "bb"}
    assert edited.endswith(', "x": 1}')
    assert ("\n" in edited) == ("\n" in text)
    if "\n" in text:
        assert '[\n {\n  "filename": "m"' in edited
    else:
        assert edited.startswith('{"files": [{"filename": "m", "id": 1}, ')
    value = json.loads(json_pages.keep_one_entry(text, "n", "cc"))
    assert [(entry["id"], entry.get("hashes")) for entry in value["files"]] == [
        (0, {"sha256": "cc"}),
        (1, None),
    ]
    assert json_pages.keep_one_entry(text, "o", "cc") == text
    assert json_pages.keep_one_entry('{"x": 1}', "o", "cc") == '{"x": 1}'


# --- the proof that nothing else changed -----------------------------------------------------------

URL = "https://index.example/simple/demo/"
LINK = f"{WHEEL}#sha256={'a' * 64}"


def read(text: str, **headers: str) -> pages.IndexPage:
    stored = StoredPage(data=text.encode(), version="1", headers=headers)
    return pages.read_project_page("k", PageForm.HTML, stored, url=URL, location="/index/")


def check(error: pytest.ExceptionInfo[ListingError], reason: str) -> None:
    assert error.value.message == f"/index/k cannot be edited: {reason}"
    assert error.value.is_permanent
    assert error.value.hint == (
        "Nothing was written. Restore or repair this page, or remove it if it is not one of the index, then "
        "run the same command again."
    )


def test_an_edit_that_is_read_in_another_way_is_refused() -> None:
    page = read(f"<a href='{LINK}'>x</a>")
    odd = NewFile(filename=OTHER, href="demo-0.8.tar.gz", sha256="b" * 64, size=1, version="0.9")
    with pytest.raises(ListingError) as caught:
        pages.add_files(page, [odd], url=URL, location="/index/")
    check(caught, "a link added to it is not read as expected")
    two = read(f"<a href='{LINK}'>x</a><a href='y/{WHEEL}'>y</a>")
    with pytest.raises(ListingError) as caught:
        pages.keep_one(two, "odd", "b" * 64, url=URL, location="/index/")
    check(caught, "a link changed in it is not read as expected")
    root = pages.read_root_page(
        "k", PageForm.HTML, StoredPage(data=b"<a href='x/'>x</a>", version="1"), location="/index/"
    )
    with pytest.raises(ListingError) as caught:
        pages.add_project(root, "Odd.Name", location="/index/")
    check(caught, "a link added to it is not read as expected")


@pytest.mark.parametrize(
    ("headers", "is_accepted"),
    [
        ({"ContentEncoding": "gzip"}, False),
        ({"content-encoding": "br" * 20}, False),
        ({"Content-Encoding": "identity"}, True),
        ({"ContentEncoding": ""}, True),
        ({"x": "gzip"}, True),
    ],
)
def test_a_page_that_is_stored_encoded_is_not_edited(headers: dict[str, str], *, is_accepted: bool) -> None:
    if is_accepted:
        assert len(read(f"<a href='{LINK}'>x</a>", **headers).files) == 1
        return
    with pytest.raises(ListingError) as caught:
        read(f"<a href='{LINK}'>x</a>", **headers)
    encoding = next(iter(headers.values()))[:20]
    check(caught, f"it is stored with the content encoding {encoding}")


def test_limits_the_size_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"<a href='{LINK}'>x</a>".ljust(1 << 20)
    monkeypatch.setattr(pages, "MAX_PAGE_SIZE", 1 << 20)
    assert len(read(text).files) == 1
    with pytest.raises(ListingError) as caught:
        read(f"{text} ")
    check(caught, "it is larger than 1 MiB")


@pytest.mark.parametrize(
    ("data", "form", "reason"),
    [
        (b" \n", PageForm.HTML, "it is empty"),
        (b"<\0a\0", PageForm.HTML, "it is not text in an encoding that extends ASCII"),
        (b'{"files": ["\xff"]}', PageForm.JSON, "it is not complete UTF-8"),
    ],
)
def test_a_page_that_is_not_text_is_not_edited(data: bytes, form: PageForm, reason: str) -> None:
    stored = StoredPage(data=data, version="1")
    with pytest.raises(ListingError) as caught:
        pages.read_project_page("k", form, stored, url=URL, location="/index/")
    check(caught, reason)
    with pytest.raises(ListingError) as caught:
        pages.read_root_page("k", form, stored, location="/index/")
    check(caught, reason)


def test_a_login_page_is_not_a_list_of_projects() -> None:
    form = b"<form>Password: <input type=password></form>"
    with pytest.raises(ListingError) as caught:
        pages.read_root_page("k", PageForm.HTML, StoredPage(data=form, version="1"), location="/index/")
    check(caught, "it is a login page")


def test_names_with_several_hashes_are_duplicates() -> None:
    page = read(
        f"<a href='{LINK}'>x</a><a href='{OTHER}'>y</a><a href='y/{WHEEL}'>y</a><a href='{OTHER}'>y</a>"
    )
    assert pages.find_duplicates(page.files) == {WHEEL: ("", "a" * 64)}


def test_the_name_of_a_link_is_its_last_segment() -> None:
    assert pages.get_name(URL, "../x/de%2Bmo.whl?y=/z#a/b") == "de+mo.whl"
    assert pages.get_name(URL, "http://[x") == ""
