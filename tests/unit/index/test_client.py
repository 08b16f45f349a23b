"""The index client and the comparison with local files, against real servers and scripted responses."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served, VirtualTime, local_file
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    HttpStatusError,
    NetworkError,
    TransportError,
    UnsupportedVersionError,
)
from wheel_uploader.core.models import Confirmation, FileComparison, IndexFile, LocalFile, ProjectPage
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.index.confirmation import confirm_files


@pytest.fixture
def release(tmp_path: Path) -> list[LocalFile]:
    return [local_file(path) for path in wheels.make_release(tmp_path / "release")]


@pytest.fixture
def server() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def open_index() -> Iterator[Callable[..., IndexClient]]:
    """Return a function that opens a client at URLs and does not sleep between attempts."""
    clients: list[HttpClient] = []

    def make_client(*urls: str) -> IndexClient:
        clients.append(HttpClient(user_urls=urls, sleep=lambda _: None, timeout=5))
        return IndexClient(clients[-1], *urls)

    yield make_client
    for http in clients:
        http.__exit__()


# --- index URLs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upload", "expected"),
    [
        ("https://upload.example.org/legacy/", ["https://example.org/simple/"]),
        ("https://test.example.org/legacy/", ["https://test.example.org/simple/"]),
        (
            "https://gitlab.example.com/api/v4/projects/7/packages/pypi",
            ["https://gitlab.example.com/api/v4/projects/7/packages/pypi/simple/"],
        ),
        (
            "https://git.example.com/api/packages/me/pypi",
            ["https://git.example.com/api/packages/me/pypi/simple/"],
        ),
        (
            "https://art.example.com/artifactory/api/pypi/local",
            ["https://art.example.com/artifactory/api/pypi/local/simple/"],
        ),
        ("https://nexus.example.com/repository/pypi/", ["https://nexus.example.com/repository/pypi/simple/"]),
        (
            "https://pkgs.example.com/org/_packaging/feed/pypi/upload/",
            ["https://pkgs.example.com/org/_packaging/feed/pypi/simple/"],
        ),
        (
            "https://devpi.example.com/alice/dev/",
            ["https://devpi.example.com/alice/dev/+simple/", "https://devpi.example.com/alice/dev/simple/"],
        ),
        ("http://127.0.0.1:8080/", ["http://127.0.0.1:8080/simple/", "http://127.0.0.1:8080/+simple/"]),
        ("http://127.0.0.1:8080", ["http://127.0.0.1:8080/simple/", "http://127.0.0.1:8080/+simple/"]),
        ("https://me:secret@example.com/legacy/", ["https://example.com/simple/"]),
        ("https://pulp.example.com/pypi/main/simple/", ["https://pulp.example.com/pypi/main/simple/"]),
        ("https://pulp.example.com/pypi/main/legacy/", ["https://pulp.example.com/pypi/main/simple/"]),
        ("https://aws.example.com/pypi/repo/", ["https://aws.example.com/pypi/repo/simple/"]),
        (
            "https://europe-west1-python.pkg.dev/project/repo/",
            ["https://europe-west1-python.pkg.dev/project/repo/simple/"],
        ),
        (
            "https://python.cloudsmith.io/owner/repo/",
            [
                "https://dl.cloudsmith.io/public/owner/repo/python/simple/",
                "https://dl.cloudsmith.io/basic/owner/repo/python/simple/",
            ],
        ),
        ("https://push.fury.io/account", []),
    ],
)
def test_derives_simple_urls(upload: str, expected: list[str]) -> None:
    assert list(derive_simple_urls(upload)) == expected


# --- real servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_compares_and_confirms_files_on_pypiserver(
    tmp_path: Path, release: list[LocalFile], open_index: Callable[..., IndexClient], algorithm: str
) -> None:
    store = tmp_path / "store"
    with indexes.pypiserver(store, hash_algorithm=algorithm) as url:
        index = open_index(*derive_simple_urls(url))
        assert not index.fetch_project("dipy").exists
        assert index.url == f"{url}simple/"
        for file in release[:3]:
            (store / file.filename).write_bytes(file.path.read_bytes())
        (store / release[3].filename).write_bytes(wheels.wheel_bytes(files={"dipy/other.py": b"other"}))
        states = [index.fetch_file_state("Dipy", file).result for file in release]
        assert states == [FileComparison.SAME] * 3 + [FileComparison.DIFFERENT] + [FileComparison.ABSENT] * 2
        confirmed = confirm_files(index, "dipy", release[:3], timeout=0, progress=SilentProgress())
    assert [(confirmed_file.filename, confirmed_file.sha256) for confirmed_file in confirmed] == [
        (file.filename, file.sha256) for file in release[:3]
    ]


def test_pypiserver_redirect_to_another_index_means_an_unknown_project(
    tmp_path: Path, release: list[LocalFile], open_index: Callable[..., IndexClient], server: Served
) -> None:
    """By default pypiserver redirects unknown projects to PyPI, where the name may be another project."""
    for file in release:
        server.index.store(file.path)
    with indexes.pypiserver(tmp_path / "store", fallback_url=server.index_url) as url:
        assert not open_index(*derive_simple_urls(url)).fetch_project("dipy").exists
    assert server.index.gets == []


# --- pages -----------------------------------------------------------------------------------------


def test_reads_all_fields_of_a_json_page(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    server.index.store(release[0].path)
    server.index.status = {"status": "archived", "reason": "moved\x1b[2J"}
    page = open_index(server.index_url).fetch_project("Dipy", revalidate=True)
    assert (page.exists, page.page_format, page.status, page.status_reason) == (
        True,
        "json",
        "archived",
        "moved\\x1b[2J",
    )
    [file] = page.files
    assert (file.filename, file.size, file.hashes) == (
        release[0].filename,
        release[0].size,
        {"sha256": release[0].sha256},
    )
    assert file.upload_time is not None
    assert file.upload_time.isoformat() == "2026-01-02T03:04:05.678901+00:00"
    path, headers = server.index.gets[0]
    assert path == "/simple/dipy/"
    assert "no-cache" in headers["cache-control"]
    assert headers["accept"].startswith("application/vnd.pypi.simple.v1+json")


@pytest.mark.parametrize("view", ["json", "html"])
def test_downloads_files_if_the_index_has_no_hashes(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient], view: str
) -> None:
    server.index.view, server.index.hashes = view, False
    server.index.store(release[0].path)
    server.index.files[release[1].filename] = b"other bytes"
    index = open_index(server.index_url)
    states = compare_with_index(index.fetch_project("dipy"), release[:3], index.get_sha256)
    assert [state.result for state in states] == [
        FileComparison.SAME,
        FileComparison.DIFFERENT,
        FileComparison.ABSENT,
    ]
    assert states[1].index_sha256 == hashlib.sha256(b"other bytes").hexdigest()
    assert [path for path, _ in server.index.gets if "/files/" in path] == [
        f"/files/{release[0].filename}",
        f"/files/{release[1].filename}",
    ]


def test_sends_credentials_after_log_in(server: Served, open_index: Callable[..., IndexClient]) -> None:
    index = open_index(server.index_url)
    index.fetch_project("dipy")
    index.log_in("me", "secret-1")
    index.fetch_project("dipy")
    sent_headers = [
        {name.lower(): value for name, value in headers.items()} for _, headers in server.index.gets
    ]
    assert "authorization" not in sent_headers[0]
    assert sent_headers[-1]["authorization"] == indexes.basic("me", "secret-1")


def test_does_not_compare_files_that_changed_after_the_upload(
    server: Served, open_index: Callable[..., IndexClient], release: list[LocalFile]
) -> None:
    """A FIFO in place of a file must not stop the run, either."""
    index = open_index(server.index_url)
    file = release[0]
    server.index.store(file.path)
    served = index.fetch_project("dipy").files[0]
    assert index.probe_file(served, file) == ""
    file.path.write_bytes(b"x" * file.size)
    assert index.probe_file(served, file) == ""
    file.path.unlink()
    assert index.probe_file(served, file) == ""
    if hasattr(os, "mkfifo"):
        os.mkfifo(file.path)
        assert index.probe_file(served, file) == ""


def test_other_bytes_of_the_same_size_are_reported(
    server: Served, open_index: Callable[..., IndexClient], release: list[LocalFile]
) -> None:
    index = open_index(server.index_url)
    server.index.files[release[0].filename] = b"x" * release[0].size
    served = index.fetch_project("dipy").files[0]
    assert "other contents" in index.probe_file(served, release[0])


@pytest.mark.parametrize("status", [404, 410])
def test_missing_page_is_a_project_without_files(
    server: Served, open_index: Callable[..., IndexClient], status: int
) -> None:
    server.index.page = (status, "text/plain", "gone")
    index = open_index(server.index_url)
    for page in (index.fetch_project("dipy"), index.fetch_html_project("dipy")):
        assert page is not None
        assert (page.exists, page.files) == (False, ())


@pytest.mark.parametrize("status", [400, 403, 405, 409, 411, 451, 500])
def test_other_http_errors_are_not_an_unknown_project(
    server: Served, open_index: Callable[..., IndexClient], status: int
) -> None:
    """Otherwise, all files would count as new."""
    server.index.page = (status, "text/plain", "no")
    for fetch in (IndexClient.fetch_project, IndexClient.fetch_html_project):
        with pytest.raises(NetworkError):
            fetch(open_index(server.index_url), "dipy")


@pytest.mark.parametrize("status", [406, 415])
def test_index_that_refuses_html_has_no_html_view(
    server: Served, open_index: Callable[..., IndexClient], status: int
) -> None:
    server.index.page = (status, "text/plain", "no")
    assert open_index(server.index_url).fetch_html_project("dipy") is None


@pytest.mark.parametrize(("hashes", "get_count"), [({"md5": "1"}, 1), ({}, 2), ({"sha256": "2" * 64}, 0)])
def test_downloads_a_file_once_if_any_hash_identifies_it(
    server: Served, open_index: Callable[..., IndexClient], hashes: dict[str, str], get_count: int
) -> None:
    server.index.files["x.whl"] = b"bytes"
    file = IndexFile(filename="x.whl", url=f"{server.url}files/x.whl", hashes=hashes)
    index = open_index(server.index_url)
    expected = hashes.get("sha256") or hashlib.sha256(b"bytes").hexdigest()
    assert [index.get_sha256(file), index.get_sha256(file)] == [expected, expected]
    assert len(server.index.gets) == get_count
    replaced = IndexFile(filename="x.whl", url=file.url, hashes={"md5": "2"})
    server.index.files["x.whl"] = b"other"
    assert index.get_sha256(replaced) == hashlib.sha256(b"other").hexdigest()


LOGIN = '<title>Log in</title><form><input type="password" name="p"></form>'


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ((200, "text/html", LOGIN), "it is a login page"),
        (
            (200, "text/html", "<p>Welcome! <a href='about.html'>About</a>"),
            "it lists neither a wheel nor an sdist",
        ),
        ((200, "text/plain", "hello"), "its content type is text/plain"),
        ((200, "application/vnd.pypi.simple.v1+json", "[]"), "its JSON is not a project's page"),
        ((200, "application/vnd.pypi.simple.v1+json", '{"files": [{}]}'), "its JSON is not a project's page"),
        (
            (
                200,
                "application/vnd.pypi.simple.v1+json",
                '{"files": [{"filename": 1, "hashes": {}, "url": ""}]}',
            ),
            "its JSON is not a project's page",
        ),
    ],
)
def test_rejects_other_pages_with_a_hint(
    server: Served, open_index: Callable[..., IndexClient], page: tuple[int, str, str], reason: str
) -> None:
    server.index.page = page
    with pytest.raises(NetworkError, match=reason) as caught:
        open_index(server.index_url).fetch_project("dipy")
    assert f"{server.index_url}dipy/ is not a page of a package index" in caught.value.message
    assert "--index-url" in caught.value.hint


@pytest.mark.parametrize(
    "page", ["<title>Links for dipy</title>", '<meta name="pypi:repository-version" content="1.4">']
)
def test_accepts_a_project_without_files(
    server: Served, open_index: Callable[..., IndexClient], page: str
) -> None:
    server.index.page = (200, "text/html", page)
    project = open_index(server.index_url).fetch_project("dipy")
    assert (project.exists, project.files) == (True, ())


@pytest.mark.parametrize(
    ("content_type", "view"),
    [
        ("application/vnd.pypi.simple.v1+json", "json"),
        ("application/vnd.pypi.simple.latest+json", "json"),
        ("application/vnd.pypi.simple.v1+html", "html"),
        ("application/vnd.pypi.simple.latest+html", "html"),
        ("application/xhtml+xml", "html"),
        ("text/html; charset=utf-8", "html"),
    ],
)
def test_accepts_every_content_type_of_a_page(
    server: Served, open_index: Callable[..., IndexClient], content_type: str, view: str
) -> None:
    text = {"json": '{"files": []}', "html": "<title>Links for dipy</title>"}[view]
    server.index.page = (200, content_type, text)
    page = open_index(server.index_url).fetch_project("dipy")
    assert (page.exists, page.page_format) == (True, view)


def test_recognizes_a_page_by_its_files(server: Served, open_index: Callable[..., IndexClient]) -> None:
    server.index.page = (200, "text/html", "<a href='../old.txt'>o</a><a href='dipy-1.0.tar.gz'>d</a>")
    page = open_index(server.index_url).fetch_project("dipy")
    assert [file.filename for file in page.files] == ["old.txt", "dipy-1.0.tar.gz"]


@pytest.mark.parametrize("attribute", ["data-yanked='it is broken'", "data-yanked=''", "DATA-YANKED"])
def test_reads_yanked_from_html(
    server: Served, open_index: Callable[..., IndexClient], attribute: str
) -> None:
    digest = "0" * 64
    text = (
        f"<a href='dipy-1.0.tar.gz#sha256={digest}' {attribute}>dipy-1.0.tar.gz</a>"
        "<a href='dipy-1.1.tar.gz' data-requires-python='&gt;=3.11'>dipy-1.1.tar.gz</a>"
    )
    server.index.page = (200, "text/html", text)
    files = open_index(server.index_url).fetch_project("dipy").files
    assert {file.filename: file.yanked for file in files} == {
        "dipy-1.0.tar.gz": True,
        "dipy-1.1.tar.gz": False,
    }
    assert files[0].hashes == {"sha256": digest}
    assert files[0].yanked_reason == ("it is broken" if "broken" in attribute else "")


def test_reads_quarantine_from_html(server: Served, open_index: Callable[..., IndexClient]) -> None:
    text = (
        '<meta name="pypi:repository-version" content="1.4">'
        '<meta name="pypi:project-status" content="quarantined">'
    )
    server.index.page = (200, "text/html", text)
    assert open_index(server.index_url).fetch_project("dipy").status == "quarantined"


def test_ignores_invalid_values_in_json(server: Served, open_index: Callable[..., IndexClient]) -> None:
    entry = {
        "filename": "dipy-1.0.tar.gz",
        "url": "../files/x",
        "hashes": {"sha256": "short"},
        "size": "9",
        "upload-time": "yesterday",
        "yanked": "broken",
    }
    server.index.page = (200, "application/vnd.pypi.simple.v1+json", json.dumps({"files": [entry]}))
    [file] = open_index(server.index_url).fetch_project("dipy").files
    assert file == IndexFile(
        filename="dipy-1.0.tar.gz",
        url=f"{server.index_url}files/x",
        hashes={},
        yanked=True,
        yanked_reason="broken",
    )


JSON_TYPE = "application/vnd.pypi.simple.v1+json"
VERSION_META = (
    '<meta name="pypi:repository-version" content="{}">\n<a href="dipy-1.0.tar.gz">dipy-1.0.tar.gz</a>'
)


def json_page(version: object) -> str:
    return json.dumps({"meta": {"api-version": version}, "name": "dipy", "files": []})


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        *(
            (JSON_TYPE, json_page(version))
            for version in ("2.0", "2", "10.1", "0.9", "", 2, 1.0, None, ["1"])
        ),
        ("application/vnd.pypi.simple.v2+json", json_page("2.0")),
        ("application/vnd.pypi.simple.v2+json", "{}"),
        ("application/vnd.pypi.simple.v2+html", VERSION_META.format("1.0")),
        ("text/html", VERSION_META.format("2.0")),
        ("text/html", VERSION_META.format("2.0").replace('"', "'").upper()),
    ],
)
def test_refuses_another_major_version(
    server: Served, open_index: Callable[..., IndexClient], content_type: str, text: str
) -> None:
    """It may list files where this version has none: all of them would be published again."""
    server.index.page = (200, content_type, text)
    index = open_index(f"{server.url}simple/guess/", server.index_url)
    with pytest.raises(UnsupportedVersionError, match=r"version .* of the index API") as caught:
        index.fetch_project("dipy")
    assert caught.value.exit_code == 2
    assert len(server.index.gets) == 1


@pytest.mark.parametrize("version", ["1.0", "1.4", "1.99", "1"])
def test_accepts_every_minor_version(
    server: Served, open_index: Callable[..., IndexClient], version: str
) -> None:
    for content_type, text in ((JSON_TYPE, json_page(version)), ("text/html", VERSION_META.format(version))):
        server.index.page = (200, content_type, text)
        assert open_index(server.index_url).fetch_project("dipy").exists


GOOD_ENTRY = {"filename": "dipy-1.0.tar.gz", "url": "dipy-1.0.tar.gz", "hashes": {}}


@pytest.mark.parametrize(
    "changes",
    [
        {"filename": None},
        {"filename": 1},
        {"url": None},
        {"url": []},
        {"url": "ftp://x/y"},
        {"url": "http://["},
    ],
)
def test_refuses_a_page_with_an_entry_that_is_not_a_file(
    server: Served, open_index: Callable[..., IndexClient], changes: dict[str, object]
) -> None:
    """A file that is not seen would be published again."""
    files = [GOOD_ENTRY, {**GOOD_ENTRY, **changes}]
    server.index.page = (200, JSON_TYPE, json.dumps({"files": files}))
    with pytest.raises(NetworkError, match="its JSON is not a project's page"):
        open_index(server.index_url).fetch_project("dipy")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"files": [GOOD_ENTRY]}).replace("[{", "[" + "{}," * 400_000 + "{"),
        '{"files": ' + "[" * 500_000,
        json.dumps({"files": [0] * 100_001}),
        json.dumps({"files": 1}),
        json.dumps({"files": [], "project-status": ["archived"]}),
        '{"files": [], "x": ' + "9" * 5000 + "}",
    ],
    ids=["too many objects", "deep", "too many files", "no list", "status", "number"],
)
def test_refuses_a_page_beyond_the_limits(
    server: Served, open_index: Callable[..., IndexClient], text: str
) -> None:
    server.index.page = (200, JSON_TYPE, text)
    with pytest.raises(NetworkError, match="its JSON is not a project's page"):
        open_index(server.index_url).fetch_project("dipy")


# --- guessed URLs ----------------------------------------------------------------------------------


def test_keeps_the_guessed_url_that_responds(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    server.index.store(release[0].path)
    index = open_index(f"{server.url}nothing/", server.index_url)
    assert index.fetch_project("dipy").exists
    assert index.fetch_project("dipy").exists
    assert [path for path, _ in server.index.gets] == ["/nothing/dipy/", "/simple/dipy/", "/simple/dipy/"]


def test_distinguishes_a_new_project_from_a_wrong_guess(
    server: Served, open_index: Callable[..., IndexClient]
) -> None:
    index = open_index(f"{server.url}nothing/", server.index_url)
    assert not index.fetch_project("dipy").exists
    assert index.url == server.index_url


def test_reports_that_no_guessed_url_is_an_index(
    server: Served, open_index: Callable[..., IndexClient]
) -> None:
    with pytest.raises(NetworkError, match="no package index found at") as caught:
        open_index(f"{server.url}one/", f"{server.url}two/").fetch_project("dipy")
    assert "--index-url" in caught.value.hint


def test_reports_a_guessed_url_with_a_login_page(
    server: Served, open_index: Callable[..., IndexClient]
) -> None:
    server.index.page = (200, "text/html", LOGIN)
    with pytest.raises(NetworkError, match="login page"):
        open_index(f"{server.url}nothing/", f"{server.url}simple/sub/").fetch_project("dipy")


def test_server_error_is_not_an_empty_index(server: Served, open_index: Callable[..., IndexClient]) -> None:
    server.index.page = (500, "text/html", "broken")
    with pytest.raises(NetworkError, match="500"):
        open_index(server.index_url).fetch_project("dipy")


def test_redirect_to_a_login_is_not_an_empty_index(
    open_index: Callable[..., IndexClient],
) -> None:
    elsewhere = "http://127.0.0.2:9/login"
    with (
        indexes.redirect_server(elsewhere) as url,
        pytest.raises(NetworkError, match=r"redirects to .*login"),
    ):
        open_index(url).fetch_project("dipy")


def test_reads_an_index_that_requires_a_login(tmp_path: Path, open_index: Callable[..., IndexClient]) -> None:
    with indexes.pypiserver(tmp_path / "store", users={"me": "secret-1"}, read_protected=True) as url:
        index = open_index(f"{url}simple/")
        with pytest.raises(CredentialsError):
            index.fetch_project("dipy")
        index.log_in("me", "secret-1")
        assert not index.fetch_project("dipy").exists


# --- comparing files -------------------------------------------------------------------------------


def make_page(**files: str) -> ProjectPage:
    """Return a page with files of the given names and SHA-256 hashes."""
    files_on_page = tuple(
        IndexFile(filename=name, url=f"https://example.com/{name}", hashes={"sha256": digest})
        for name, digest in files.items()
    )
    return ProjectPage(url="https://example.com/simple/dipy/", exists=True, files=files_on_page)


def get_listed_sha256(file: IndexFile) -> str:
    return file.hashes["sha256"]


def test_compares_equivalent_spellings_of_a_name(release: list[LocalFile]) -> None:
    wheel, sdist = release[0], release[-1]
    other_wheel = wheel.filename.replace("dipy-", "Dipy-")
    page = make_page(**{other_wheel: "0" * 64, "DIPY-1.11.0.tar.gz": sdist.sha256})
    states = compare_with_index(page, [wheel, sdist], get_listed_sha256)
    assert [(state.result, state.other_name) for state in states] == [
        (FileComparison.DIFFERENT, other_wheel),
        (FileComparison.SAME_BYTES_OTHER_NAME, "DIPY-1.11.0.tar.gz"),
    ]


def test_finds_the_same_bytes_under_another_name(release: list[LocalFile]) -> None:
    page = make_page(**{"dipy-1.11.0-1-py3-none-any.whl": release[0].sha256, "notes.txt": "1" * 64})
    [state] = compare_with_index(page, release[:1], get_listed_sha256)
    assert (state.result, state.other_name) == (
        FileComparison.SAME_BYTES_OTHER_NAME,
        "dipy-1.11.0-1-py3-none-any.whl",
    )


def test_other_build_number_is_another_file(release: list[LocalFile]) -> None:
    """An index keeps both, and installers prefer the higher build number."""
    local = release[0]
    project, version, tags = local.filename.split("-", 2)
    page = make_page(**{f"{project}-{version}-1-{tags}": "0" * 64})
    assert compare_with_index(page, [local], get_listed_sha256)[0].result is FileComparison.ABSENT


def test_name_listed_with_two_hashes_is_different(release: list[LocalFile]) -> None:
    name = release[0].filename
    page = make_page(**{name: release[0].sha256})
    duplicated = ProjectPage(
        url=page.url, exists=True, files=(*make_page(**{name: "2" * 64}).files, *page.files)
    )
    assert (
        compare_with_index(duplicated, release[:1], get_listed_sha256)[0].result is FileComparison.DIFFERENT
    )


# --- confirm ---------------------------------------------------------------------------------------


def confirm(
    index: IndexClient, files: Sequence[LocalFile], time: VirtualTime, *, timeout: float, **options: Any
) -> tuple[Confirmation, ...]:
    """Confirm files of dipy in virtual time."""
    timing = {"sleep": time.sleep, "clock": time.clock}
    return confirm_files(
        index, "dipy", files, timeout=timeout, **{"progress": SilentProgress(), **timing, **options}
    )


def test_confirm_waits_for_a_delayed_listing(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    for file in release:
        server.index.store(file.path)
    server.index.stale_reads = 3
    time = VirtualTime()
    confirmed = confirm(open_index(server.index_url), release, time, timeout=60)
    assert [confirmed_file.filename for confirmed_file in confirmed] == [file.filename for file in release]
    assert len(time.slept) == 3


def test_confirm_checks_again_after_growing_pauses(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    time, messages = VirtualTime(), []

    class RecordingProgress(SilentProgress):
        def debug(self, text: str) -> None:
            messages.append(text)

    with pytest.raises(DeadlineError):
        confirm_files(
            open_index(server.index_url),
            "dipy",
            release,
            timeout=100,
            progress=RecordingProgress(),
            sleep=time.sleep,
            clock=time.clock,
        )
    pauses = [1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 17.0859375, 20.0, 20.0]
    assert time.slept == [*pauses, 100 - sum(pauses)]
    assert messages == ["the index does not yet list 6 of 6 files; checking again"] * len(time.slept)
    # The last check is at the deadline.
    assert len(server.index.gets) == len(time.slept) + 1


def test_confirm_names_the_missing_files_on_timeout(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    for file in release[1:]:
        server.index.store(file.path)
    time = VirtualTime()
    with pytest.raises(DeadlineError) as caught:
        confirm(open_index(server.index_url), release, time, timeout=60)
    assert caught.value.message == f"after 60 s {server.index_url} does not list 1 of 6 files"
    assert caught.value.details == (release[0].filename,)
    assert time.now == 60


def test_confirm_reports_a_failing_index_on_timeout(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    server.index.page = (500, "text/html", "broken")
    time = VirtualTime()
    with pytest.raises(DeadlineError, match="returned 500"):
        confirm(open_index(server.index_url), release, time, timeout=5)


def test_confirm_reports_different_bytes(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    server.index.store(release[0].path)
    server.index.files[release[1].filename] = b"evil"
    with pytest.raises(ConflictError) as caught:
        confirm_files(
            open_index(server.index_url), "dipy", release[:2], timeout=60, progress=SilentProgress()
        )
    other_sha256 = hashlib.sha256(b"evil").hexdigest()
    assert caught.value.details == (
        f"{release[1].filename}: local sha256 {release[1].sha256}, index sha256 {other_sha256}",
    )


@pytest.mark.parametrize(
    ("view", "formats", "get_count"),
    [
        ("json", ("json",), 2),
        ("json only", ("json",), 2),
        ("html", ("html",), 1),
        ("both", ("json", "html"), 2),
    ],
)
def test_confirm_checks_every_view_of_the_index(
    server: Served,
    release: list[LocalFile],
    open_index: Callable[..., IndexClient],
    view: str,
    formats: tuple[str, ...],
    get_count: int,
) -> None:
    for file in release:
        server.index.store(file.path)
    server.index.view = view
    confirmed = confirm_files(
        open_index(server.index_url), "dipy", release, timeout=0, progress=SilentProgress()
    )
    assert {file.page_formats for file in confirmed} == {formats}
    pages = [headers for path, headers in server.index.gets if path.startswith("/simple/")]
    assert len(pages) == get_count
    assert all("no-cache" in headers["cache-control"] for headers in pages)
    # Each file is requested once, and only its beginning.
    files = [headers["range"] for path, headers in server.index.gets if path.startswith("/files/")]
    assert files == ["bytes=0-3"] * len(release)


def test_confirm_waits_for_a_delayed_html_view(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    for file in release:
        server.index.store(file.path)
    server.index.view, server.index.stale_html_reads = "both", 2
    time = VirtualTime()
    index = open_index(server.index_url)
    silent = SilentProgress()
    confirmed = confirm_files(
        index, "dipy", release, timeout=60, progress=silent, sleep=time.sleep, clock=time.clock
    )
    assert len(confirmed) == len(release)
    assert len(time.slept) == 2
    server.index.stale_html_reads = 99
    with pytest.raises(DeadlineError) as caught:
        confirm_files(index, "dipy", release, timeout=60, progress=silent, sleep=time.sleep, clock=time.clock)
    assert caught.value.details[0] == f"{release[0].filename} (in its HTML view)"
    assert "the index accepted the files" in caught.value.hint.lower()


def test_confirm_reports_different_bytes_in_one_view(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    for file in release:
        server.index.store(file.path)
    server.index.view = "both"
    server.index.html_overrides = {release[2].filename: b"evil"}
    with pytest.raises(ConflictError) as caught:
        confirm_files(open_index(server.index_url), "dipy", release, timeout=60, progress=SilentProgress())
    other_sha256 = hashlib.sha256(b"evil").hexdigest()
    assert caught.value.details == (
        f"{release[2].filename}: local sha256 {release[2].sha256}, index sha256 {other_sha256}",
    )


def test_confirm_waits_for_a_new_project_to_appear(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    time = VirtualTime()

    def store_files(seconds: float) -> None:
        time.sleep(seconds)
        for file in release:
            server.index.store(file.path)

    confirmed = confirm_files(
        open_index(server.index_url),
        "dipy",
        release,
        timeout=60,
        progress=SilentProgress(),
        sleep=store_files,
        clock=time.clock,
    )
    assert {file.page_formats for file in confirmed} == {("json",)}
    assert len(time.slept) == 1


def test_confirm_waits_for_a_failing_html_view(
    server: Served,
    release: list[LocalFile],
    open_index: Callable[..., IndexClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for file in release:
        server.index.store(file.path)
    time = VirtualTime()
    index = open_index(server.index_url)

    def fail(project: str) -> ProjectPage | None:
        raise HttpStatusError(502, "https://example.com/simple/dipy/")

    monkeypatch.setattr(index, "fetch_html_project", fail)
    with pytest.raises(DeadlineError, match=r"did not return the HTML view of 6 files .*returned 502"):
        confirm_files(
            index, "dipy", release, timeout=9, progress=SilentProgress(), sleep=time.sleep, clock=time.clock
        )


def test_confirm_does_not_wait_for_pages_of_another_kind(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    server.index.page = (200, "application/zip", "hello")
    time = VirtualTime()
    with pytest.raises(DeadlineError, match="nothing shows that the index serves 6 files") as caught:
        confirm(open_index(server.index_url), release, time, timeout=600, was_uploaded=True)
    assert "The index accepted the files." in caught.value.hint
    assert "--index-url" in caught.value.hint
    assert caught.value.details == tuple(file.filename for file in release)
    assert time.slept == []


@pytest.mark.parametrize("is_accepted", [True, False])
def test_confirm_logs_in_once_for_files_that_require_it(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient], is_accepted: bool
) -> None:
    for file in release[:2]:
        server.index.store(file.path)
    server.index.file_script = [Reply(401)] * (2 if is_accepted else 1000)
    logins: list[bool] = []
    time = VirtualTime()

    def log_in() -> bool:
        logins.append(True)
        return True

    index = open_index(server.index_url)
    if is_accepted:
        assert len(confirm(index, release[:2], time, timeout=30, log_in=log_in)) == 2
        assert time.slept == []
    else:
        with pytest.raises(DeadlineError, match="lists 2 files, and 2 cannot be downloaded") as caught:
            confirm(index, release[:2], time, timeout=30, log_in=log_in)
        assert [detail.partition(":")[0] for detail in caught.value.details] == [
            file.filename for file in release[:2]
        ]
        # Each look requests each file once, and the first one again after the login.
        assert 1000 - len(server.index.file_script) == 2 * (len(time.slept) + 1) + 2
    assert logins == [True]


def test_a_connection_that_breaks_once_does_not_delay_the_confirmation(
    server: Served,
    release: list[LocalFile],
    open_index: Callable[..., IndexClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for file in release[:2]:
        server.index.store(file.path)
    index, time = open_index(server.index_url), VirtualTime()
    probe_file, broken = index.probe_file, set[str]()

    def break_once(served: IndexFile, file: LocalFile) -> str:
        if file.filename not in broken:
            broken.add(file.filename)
            raise TransportError("the server closed the connection")
        return probe_file(served, file)

    monkeypatch.setattr(index, "probe_file", break_once)
    assert len(confirm(index, release[:2], time, timeout=30)) == 2
    assert len(broken) == 2
    assert time.slept == []


# --- single requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 405, 416, 501])
def test_a_file_is_requested_whole_if_the_host_refuses_a_range(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient], status: int
) -> None:
    server.index.store(release[0].path)
    index = open_index(server.index_url)
    (listed,) = index.fetch_project("dipy").files
    server.index.file_script = [Reply(status)]
    assert index.probe_file(listed, release[0]) == ""
    ranges = [headers.get("range") for path, headers in server.index.gets if "/files/" in path]
    assert ranges == ["bytes=0-3", None]


@pytest.mark.parametrize("status", [403, 404, 500, 502])
def test_a_file_is_not_requested_whole_after_another_error(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient], status: int
) -> None:
    server.index.store(release[0].path)
    index = open_index(server.index_url)
    (listed,) = index.fetch_project("dipy").files
    server.index.file_script = [Reply(status)] * 9
    assert str(status) in index.probe_file(listed, release[0])
    ranges = [headers.get("range") for path, headers in server.index.gets if "/files/" in path]
    assert set(ranges) == {"bytes=0-3"}


def test_the_date_of_a_file_takes_one_byte(
    server: Served, release: list[LocalFile], open_index: Callable[..., IndexClient]
) -> None:
    server.index.store(release[0].path)
    index = open_index(server.index_url)
    (listed,) = index.fetch_project("dipy").files
    server.index.file_script = [Reply(200, headers={"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})]
    date = index.fetch_date(listed)
    assert date is not None
    assert date.isoformat() == "2026-01-01T00:00:00+00:00"
    assert [headers.get("range") for path, headers in server.index.gets if "/files/" in path] == ["bytes=0-0"]
    server.index.file_script = [Reply(404)]
    assert index.fetch_date(listed) is None
    server.index.file_script = [Reply(429)] * 9
    with pytest.raises(HttpStatusError):
        index.fetch_date(listed)
