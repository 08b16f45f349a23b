"""JSON pages of an index: valid fields are read, and invalid ones ignored or rejected."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wheel_uploader.core.errors import ListingError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.facts.index_pages import iter_json_files, read_json_listing

BASE = "https://index.example/simple/dipy/"
WHEEL = "dipy-1.11.0-py3-none-any.whl"
SHA256 = "a1" * 32


def page(*files: object, **more: object) -> str:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "dipy", "files": files, **more})


def parse(text: str) -> list[RemoteFile]:
    return list(iter_json_files(text, BASE, "index"))


def test_reads_a_file_with_its_hashes_and_size() -> None:
    entry = {
        "filename": WHEEL,
        "url": f"../../files/{WHEEL}#sha256={SHA256}",
        "hashes": {"sha256": SHA256.upper(), "md5": "0f" * 16},
        "size": 1207,
        "requires-python": ">=3.10",
        "yanked": False,
        "core-metadata": {"sha256": "b2" * 32},
    }
    (file,) = parse(page(entry))
    assert file == RemoteFile(
        filename=WHEEL,
        url=f"https://index.example/files/{WHEEL}",
        size=1207,
        hashes={"sha256": SHA256, "md5": "0f" * 16},
        source="index",
    )


@pytest.mark.parametrize("size", [-1, True, "1207", 1.5, None, [1]])
def test_ignores_invalid_sizes(size: object) -> None:
    assert parse(page({"filename": WHEEL, "url": WHEEL, "size": size}))[0].size is None


@pytest.mark.parametrize("hashes", [None, [], "sha256", {"sha256": 1}, {"sha256": "None"}, {"sha256": "a1"}])
def test_ignores_invalid_hashes(hashes: object) -> None:
    assert parse(page({"filename": WHEEL, "url": WHEEL, "hashes": hashes}))[0].hashes == {}


@pytest.mark.parametrize(
    "file",
    [
        None,
        "x",
        [],
        {},
        {"filename": 1, "url": WHEEL},
    ],
)
def test_skips_invalid_files(file: object) -> None:
    assert parse(page(file)) == []


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ({}, "the listing has no link to it"),
        ({"url": 1}, "the listing has no link to it"),
        ({"url": f"file:///{WHEEL}"}, "its link is not valid: it is neither http nor https"),
        ({"url": "data:,x"}, "its link is not valid: it is neither http nor https"),
        ({"url": "https://[x"}, "its link is not valid: it is neither http nor https"),
    ],
)
def test_a_file_without_a_usable_link_is_unavailable(file: dict[str, object], reason: str) -> None:
    assert [each.unavailable_reason for each in parse(page({"filename": WHEEL, **file}))] == [reason]


@pytest.mark.parametrize(
    "status",
    [
        {"project-status": {"status": "quarantined"}},
        {"project-status": "quarantined"},
        {"meta": {"api-version": "1.4", "project-status": "Quarantined"}},
    ],
)
def test_a_quarantined_project_has_no_files_in_any_spelling(status: dict[str, object]) -> None:
    (file,) = parse(page({"filename": WHEEL, "url": WHEEL}, **status))
    assert file.is_withdrawn
    assert file.unavailable_reason == "its project is quarantined on the index"


def test_projects_of_a_root_are_subpages() -> None:
    projects = [{"name": "Di.Py"}, {"name": "../x"}, {}, None, {"name": 1}]
    text = json.dumps({"meta": {"api-version": "1.0"}, "projects": projects})
    listing = read_json_listing(text, "https://index.example/simple/", "index")
    assert listing.files == ()
    assert listing.subpage_urls == {
        "di-py": "https://index.example/simple/di-py/",
        "-/x": "https://index.example/simple/-%2Fx/",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "returned invalid JSON"),
        ("{", "returned invalid JSON"),
        ("[" * 200_000, "returned invalid JSON"),
        ('{"a": ' + "9" * 5000 + "}", "returned invalid JSON"),
        ("[]", "not an index page"),
        ("null", "not an index page"),
        ('[{"name": "dipy.whl", "url": "./dipy.whl"}]', "not an index page"),
        ('{"files": []}', "not an index page"),
        ('{"meta": {"api-version": 1}, "files": []}', "not an index page"),
        ('{"meta": {"api-version": "1.0"}}', "not an index page"),
        (
            '{"meta": {"api-version": "2.0"}, "files": []}',
            "version 2.0 of the index API, which is not supported",
        ),
        ('{"meta": {"api-version": "1.0"}, "files": {}}', "files or projects are not a list"),
        ('{"meta": {"api-version": "1.0"}, "projects": 1}', "files or projects are not a list"),
        ("[" * 500_000, "more than 100000 files"),
        ("[" + "1," * 2_100_000 + "1]", "more than 100000 files"),
        (page(*[0] * 100_001), "more than 100000 files"),
    ],
    ids=lambda value: value[:40],
)
def test_rejects_invalid_pages(text: str, message: str) -> None:
    with pytest.raises(ListingError, match=message) as caught:
        parse(text)
    assert str(caught.value).startswith("index ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["meta", "files", "filename", "url", "hashes", "size", "name"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4))
@example([{"filename": "x", "url": "//[", "hashes": {"a": "b"}, "size": 10**400}])
def test_arbitrary_files_raise_no_exception(files: list[object]) -> None:
    for file in parse(page(*files)):
        assert file.unavailable_reason or file.url.startswith(("http://", "https://"))


@given(st.text() | JSON.map(json.dumps))
def test_arbitrary_text_raises_only_listing_error(text: str) -> None:
    with contextlib.suppress(ListingError):
        assert parse(text) == []
