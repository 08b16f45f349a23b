"""What an index serves, compared with ours: real pypiserver and devpi, and answers that no real one gives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import indexes, wheels
from tests.support.indexes import Served, VirtualTime, local_file
from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    DeadlineError,
    HttpStatusError,
    NetworkError,
)
from wheel_uploader.core.models import FileComparison, IndexFile, LocalFile, ProjectPage
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index.client import IndexClient, compare_with_index, derive_simple_urls
from wheel_uploader.index.confirmation import confirm_files


@pytest.fixture
def release(tmp_path: Path) -> list[LocalFile]:
    return [local_file(path) for path in wheels.make_release(tmp_path / "release")]


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Callable[..., IndexClient]]:
    """Opens an Index at URLs; nothing is waited for."""
    made: list[HttpClient] = []

    def open_index(*urls: str) -> IndexClient:
        made.append(HttpClient(user_urls=urls, sleep=lambda _: None, timeout=5))
        return IndexClient(made[-1], *urls)

    yield open_index
    for http in made:
        http.__exit__()


# --- where an index is read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upload", "reading"),
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
    ],
)
def test_reading_urls(upload: str, reading: list[str]) -> None:
    assert list(derive_simple_urls(upload)) == reading


# --- real servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_pypiserver(
    tmp_path: Path, release: list[LocalFile], opened: Callable[..., IndexClient], algorithm: str
) -> None:
    store = tmp_path / "store"
    with indexes.pypiserver(store, hash_algorithm=algorithm) as url:
        index = opened(*derive_simple_urls(url))
        assert not index.fetch_project("dipy").exists
        assert index.url == f"{url}simple/"
        for file in release[:3]:
            (store / file.filename).write_bytes(file.path.read_bytes())
        (store / release[3].filename).write_bytes(wheels.wheel_bytes(files={"dipy/other.py": b"other"}))
        states = [index.fetch_file_state("Dipy", file).result for file in release]
        assert states == [FileComparison.SAME] * 3 + [FileComparison.DIFFERENT] + [FileComparison.ABSENT] * 2
        confirmed = confirm_files(index, "dipy", release[:3], timeout=0, progress=SilentProgress())
    assert [(each.filename, each.sha256) for each in confirmed] == [
        (file.filename, file.sha256) for file in release[:3]
    ]


def test_pypiserver_that_sends_strangers_to_another_index(
    tmp_path: Path, release: list[LocalFile], opened: Callable[..., IndexClient], served: Served
) -> None:
    """Its default is to answer with a redirect to PyPI, whose project of that name is none of ours."""
    for file in release:
        served.index.store(file.path)
    with indexes.pypiserver(tmp_path / "store", fallback_url=served.index_url) as url:
        assert not opened(*derive_simple_urls(url)).fetch_project("dipy").exists
    assert served.index.gets == []


# --- pages -----------------------------------------------------------------------------------------


def test_a_json_page_says_all(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    served.index.store(release[0].path)
    served.index.status = {"status": "archived", "reason": "moved\x1b[2J"}
    page = opened(served.index_url).fetch_project("Dipy", revalidate=True)
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
    path, headers = served.index.gets[0]
    assert path == "/simple/dipy/"
    assert "no-cache" in headers["cache-control"]
    assert headers["accept"].startswith("application/vnd.pypi.simple.v1+json")


@pytest.mark.parametrize("view", ["json", "html"])
def test_an_index_without_hashes_is_asked_for_the_bytes(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient], view: str
) -> None:
    served.index.view, served.index.hashes = view, False
    served.index.store(release[0].path)
    served.index.files[release[1].filename] = b"other bytes"
    index = opened(served.index_url)
    states = compare_with_index(index.fetch_project("dipy"), release[:3], index.get_sha256)
    assert [state.result for state in states] == [
        FileComparison.SAME,
        FileComparison.DIFFERENT,
        FileComparison.ABSENT,
    ]
    assert states[1].index_sha256 == hashlib.sha256(b"other bytes").hexdigest()
    assert [path for path, _ in served.index.gets if "/files/" in path] == [
        f"/files/{release[0].filename}",
        f"/files/{release[1].filename}",
    ]


def test_credentials_are_sent_after_a_login(served: Served, opened: Callable[..., IndexClient]) -> None:
    index = opened(served.index_url)
    index.fetch_project("dipy")
    index.log_in("me", "secret-1")
    index.fetch_project("dipy")
    sent = [{name.lower(): value for name, value in headers.items()} for _, headers in served.index.gets]
    assert "authorization" not in sent[0]
    assert sent[-1]["authorization"] == indexes.basic("me", "secret-1")


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_does_not_exist_is_a_project_without_files(
    served: Served, opened: Callable[..., IndexClient], status: int
) -> None:
    served.index.page = (status, "text/plain", "gone")
    index = opened(served.index_url)
    for page in (index.fetch_project("dipy"), index.fetch_html_project("dipy")):
        assert page is not None
        assert (page.exists, page.files) == (False, ())


@pytest.mark.parametrize("status", [400, 403, 405, 409, 411, 451, 500])
def test_any_other_failure_is_not_taken_for_an_unknown_project(
    served: Served, opened: Callable[..., IndexClient], status: int
) -> None:
    """Otherwise all files would count as new."""
    served.index.page = (status, "text/plain", "no")
    for ask in (IndexClient.fetch_project, IndexClient.fetch_html_project):
        with pytest.raises(NetworkError):
            ask(opened(served.index_url), "dipy")


@pytest.mark.parametrize("status", [406, 415])
def test_an_index_that_refuses_html_has_no_html_view(
    served: Served, opened: Callable[..., IndexClient], status: int
) -> None:
    served.index.page = (status, "text/plain", "no")
    assert opened(served.index_url).fetch_html_project("dipy") is None


@pytest.mark.parametrize(("hashes", "fetched"), [({"md5": "1"}, 1), ({}, 2), ({"sha256": "2" * 64}, 0)])
def test_a_file_is_fetched_once_if_a_weaker_hash_tells_whether_it_was_replaced(
    served: Served, opened: Callable[..., IndexClient], hashes: dict[str, str], fetched: int
) -> None:
    served.index.files["x.whl"] = b"bytes"
    file = IndexFile(filename="x.whl", url=f"{served.url}files/x.whl", hashes=hashes)
    index = opened(served.index_url)
    wanted = hashes.get("sha256") or hashlib.sha256(b"bytes").hexdigest()
    assert [index.get_sha256(file), index.get_sha256(file)] == [wanted, wanted]
    assert len(served.index.gets) == fetched
    replaced = IndexFile(filename="x.whl", url=file.url, hashes={"md5": "2"})
    served.index.files["x.whl"] = b"other"
    assert index.get_sha256(replaced) == hashlib.sha256(b"other").hexdigest()


LOGIN = '<title>Log in</title><form><input type="password" name="p"></form>'


@pytest.mark.parametrize(
    ("page", "why"),
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
def test_what_is_no_index_page_is_refused_with_the_way_out(
    served: Served, opened: Callable[..., IndexClient], page: tuple[int, str, str], why: str
) -> None:
    served.index.page = page
    with pytest.raises(NetworkError, match=why) as caught:
        opened(served.index_url).fetch_project("dipy")
    assert f"{served.index_url}dipy/ is not a page of a package index" in caught.value.message
    assert "--index-url" in caught.value.hint


@pytest.mark.parametrize(
    "page", ["<title>Links for dipy</title>", '<meta name="pypi:repository-version" content="1.4">']
)
def test_a_project_without_files_is_a_project(
    served: Served, opened: Callable[..., IndexClient], page: str
) -> None:
    served.index.page = (200, "text/html", page)
    found = opened(served.index_url).fetch_project("dipy")
    assert (found.exists, found.files) == (True, ())


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ("application/vnd.pypi.simple.v1+json", "json"),
        ("application/vnd.pypi.simple.latest+json", "json"),
        ("application/vnd.pypi.simple.v1+html", "html"),
        ("application/vnd.pypi.simple.latest+html", "html"),
        ("application/xhtml+xml", "html"),
        ("text/html; charset=utf-8", "html"),
    ],
)
def test_every_type_that_a_page_may_have(
    served: Served, opened: Callable[..., IndexClient], kind: str, view: str
) -> None:
    text = {"json": '{"files": []}', "html": "<title>Links for dipy</title>"}[view]
    served.index.page = (200, kind, text)
    page = opened(served.index_url).fetch_project("dipy")
    assert (page.exists, page.page_format) == (True, view)


def test_a_page_is_known_by_its_files(served: Served, opened: Callable[..., IndexClient]) -> None:
    served.index.page = (200, "text/html", "<a href='../old.txt'>o</a><a href='dipy-1.0.tar.gz'>d</a>")
    found = opened(served.index_url).fetch_project("dipy")
    assert [file.filename for file in found.files] == ["old.txt", "dipy-1.0.tar.gz"]


@pytest.mark.parametrize("attribute", ["data-yanked='it is broken'", "data-yanked=''", "DATA-YANKED"])
def test_a_yanked_file_is_seen_in_html_too(
    served: Served, opened: Callable[..., IndexClient], attribute: str
) -> None:
    digest = "0" * 64
    text = (
        f"<a href='dipy-1.0.tar.gz#sha256={digest}' {attribute}>dipy-1.0.tar.gz</a>"
        "<a href='dipy-1.1.tar.gz' data-requires-python='&gt;=3.11'>dipy-1.1.tar.gz</a>"
    )
    served.index.page = (200, "text/html", text)
    files = opened(served.index_url).fetch_project("dipy").files
    assert {file.filename: file.yanked for file in files} == {
        "dipy-1.0.tar.gz": True,
        "dipy-1.1.tar.gz": False,
    }
    assert files[0].hashes == {"sha256": digest}


def test_a_quarantined_project_is_seen_in_html_too(
    served: Served, opened: Callable[..., IndexClient]
) -> None:
    text = (
        '<meta name="pypi:repository-version" content="1.4">'
        '<meta name="pypi:project-status" content="quarantined">'
    )
    served.index.page = (200, "text/html", text)
    assert opened(served.index_url).fetch_project("dipy").status == "quarantined"


def test_odd_values_in_json_are_left_out(served: Served, opened: Callable[..., IndexClient]) -> None:
    file = {
        "filename": "dipy-1.0.tar.gz",
        "url": "../files/x",
        "hashes": {"sha256": "short"},
        "size": "9",
        "upload-time": "yesterday",
        "yanked": "broken",
    }
    served.index.page = (200, "application/vnd.pypi.simple.v1+json", json.dumps({"files": [file]}))
    [found] = opened(served.index_url).fetch_project("dipy").files
    assert found == IndexFile(
        filename="dipy-1.0.tar.gz", url=f"{served.index_url}files/x", hashes={}, yanked=True
    )


# --- guesses ---------------------------------------------------------------------------------------


def test_the_guess_that_answers_is_kept(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    served.index.store(release[0].path)
    index = opened(f"{served.url}nothing/", served.index_url)
    assert index.fetch_project("dipy").exists
    assert index.fetch_project("dipy").exists
    assert [path for path, _ in served.index.gets] == ["/nothing/dipy/", "/simple/dipy/", "/simple/dipy/"]


def test_a_new_project_is_told_from_a_wrong_guess(served: Served, opened: Callable[..., IndexClient]) -> None:
    index = opened(f"{served.url}nothing/", served.index_url)
    assert not index.fetch_project("dipy").exists
    assert index.url == served.index_url


def test_no_guess_is_an_index(served: Served, opened: Callable[..., IndexClient]) -> None:
    with pytest.raises(NetworkError, match="no package index found at") as caught:
        opened(f"{served.url}one/", f"{served.url}two/").fetch_project("dipy")
    assert "--index-url" in caught.value.hint


def test_a_guess_that_is_a_login_page_is_told(served: Served, opened: Callable[..., IndexClient]) -> None:
    served.index.page = (200, "text/html", LOGIN)
    with pytest.raises(NetworkError, match="login page"):
        opened(f"{served.url}nothing/", f"{served.url}simple/sub/").fetch_project("dipy")


def test_an_index_that_fails_is_no_empty_index(served: Served, opened: Callable[..., IndexClient]) -> None:
    served.index.page = (500, "text/html", "broken")
    with pytest.raises(NetworkError, match="500"):
        opened(served.index_url).fetch_project("dipy")


def test_an_index_that_sends_everybody_to_its_login_is_no_empty_index(
    opened: Callable[..., IndexClient],
) -> None:
    elsewhere = "http://127.0.0.2:9/login"
    with (
        indexes.redirect_server(elsewhere) as url,
        pytest.raises(NetworkError, match=r"redirects to .*login"),
    ):
        opened(url).fetch_project("dipy")


def test_an_index_that_wants_a_login(tmp_path: Path, opened: Callable[..., IndexClient]) -> None:
    with indexes.pypiserver(tmp_path / "store", users={"me": "secret-1"}, read_protected=True) as url:
        index = opened(f"{url}simple/")
        with pytest.raises(CredentialsError):
            index.fetch_project("dipy")
        index.log_in("me", "secret-1")
        assert not index.fetch_project("dipy").exists


# --- ours and theirs -------------------------------------------------------------------------------


def page_of(**files: str) -> ProjectPage:
    """A page that lists these names with these hashes."""
    listed = tuple(
        IndexFile(filename=name, url=f"https://example.com/{name}", hashes={"sha256": digest})
        for name, digest in files.items()
    )
    return ProjectPage(url="https://example.com/simple/dipy/", exists=True, files=listed)


def no_fetch(file: IndexFile) -> str:
    return file.hashes["sha256"]


def test_spellings_that_an_index_takes_for_one_name(release: list[LocalFile]) -> None:
    wheel, sdist = release[0], release[-1]
    other_wheel = wheel.filename.replace("dipy-", "Dipy-")
    page = page_of(**{other_wheel: "0" * 64, "DIPY-1.11.0.tar.gz": sdist.sha256})
    states = compare_with_index(page, [wheel, sdist], no_fetch)
    assert [(state.result, state.other_name) for state in states] == [
        (FileComparison.DIFFERENT, other_wheel),
        (FileComparison.SAME_BYTES_OTHER_NAME, "DIPY-1.11.0.tar.gz"),
    ]


def test_the_same_bytes_under_another_name(release: list[LocalFile]) -> None:
    page = page_of(**{"dipy-1.11.0-1-py3-none-any.whl": release[0].sha256, "notes.txt": "1" * 64})
    [state] = compare_with_index(page, release[:1], no_fetch)
    assert (state.result, state.other_name) == (
        FileComparison.SAME_BYTES_OTHER_NAME,
        "dipy-1.11.0-1-py3-none-any.whl",
    )


def test_a_build_number_makes_another_file(release: list[LocalFile]) -> None:
    """An index keeps both, and an installer takes the one with the higher number."""
    ours = release[0]
    project, version, tags = ours.filename.split("-", 2)
    page = page_of(**{f"{project}-{version}-1-{tags}": "0" * 64})
    assert compare_with_index(page, [ours], no_fetch)[0].result is FileComparison.ABSENT


def test_a_name_that_is_listed_twice_with_two_hashes_is_different(release: list[LocalFile]) -> None:
    name = release[0].filename
    page = page_of(**{name: release[0].sha256})
    twice = ProjectPage(url=page.url, exists=True, files=(*page_of(**{name: "2" * 64}).files, *page.files))
    assert compare_with_index(twice, release[:1], no_fetch)[0].result is FileComparison.DIFFERENT


# --- confirm ---------------------------------------------------------------------------------------


def test_confirm_waits_for_a_listing_that_is_behind(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    for file in release:
        served.index.store(file.path)
    served.index.stale_reads = 3
    time = VirtualTime()
    found = confirm_files(
        opened(served.index_url),
        "dipy",
        release,
        timeout=60,
        progress=SilentProgress(),
        sleep=time.sleep,
        clock=time.clock,
    )
    assert [each.filename for each in found] == [file.filename for file in release]
    assert len(time.slept) == 3


def test_confirm_looks_again_after_longer_and_longer_pauses(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    time, told = VirtualTime(), []

    class Talk(SilentProgress):
        def debug(self, text: str) -> None:
            told.append(text)

    with pytest.raises(DeadlineError):
        confirm_files(
            opened(served.index_url),
            "dipy",
            release,
            timeout=100,
            progress=Talk(),
            sleep=time.sleep,
            clock=time.clock,
        )
    pauses = [1.0, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 17.0859375, 20.0, 20.0]
    assert time.slept == [*pauses, 100 - sum(pauses)]
    assert told == ["the index does not yet list 6 of 6 files; checking again"] * len(time.slept)
    # Once more at the very end.
    assert len(served.index.gets) == len(time.slept) + 1


def test_confirm_names_what_is_missing_when_time_is_up(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    for file in release[1:]:
        served.index.store(file.path)
    time = VirtualTime()
    with pytest.raises(DeadlineError) as caught:
        confirm_files(
            opened(served.index_url),
            "dipy",
            release,
            timeout=60,
            progress=SilentProgress(),
            sleep=time.sleep,
            clock=time.clock,
        )
    assert caught.value.message == f"after 60 s {served.index_url} does not list 1 of 6 files"
    assert caught.value.details == (release[0].filename,)
    assert time.now == 60


def test_confirm_outlasts_an_index_that_fails_and_says_so_in_the_end(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    served.index.page = (500, "text/html", "broken")
    time = VirtualTime()
    with pytest.raises(DeadlineError, match="returned 500"):
        confirm_files(
            opened(served.index_url),
            "dipy",
            release,
            timeout=5,
            progress=SilentProgress(),
            sleep=time.sleep,
            clock=time.clock,
        )


def test_confirm_is_loud_about_other_bytes(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    served.index.store(release[0].path)
    served.index.files[release[1].filename] = b"evil"
    with pytest.raises(ConflictError) as caught:
        confirm_files(opened(served.index_url), "dipy", release[:2], timeout=60, progress=SilentProgress())
    evil = hashlib.sha256(b"evil").hexdigest()
    assert caught.value.details == (
        f"{release[1].filename}: local sha256 {release[1].sha256}, index sha256 {evil}",
    )


@pytest.mark.parametrize(
    ("view", "seen", "gets"),
    [
        ("json", ("json",), 2),
        ("json only", ("json",), 2),
        ("html", ("html",), 1),
        ("both", ("json", "html"), 2),
    ],
)
def test_confirm_looks_at_every_view_that_there_is(
    served: Served,
    release: list[LocalFile],
    opened: Callable[..., IndexClient],
    view: str,
    seen: tuple[str, ...],
    gets: int,
) -> None:
    for file in release:
        served.index.store(file.path)
    served.index.view = view
    found = confirm_files(opened(served.index_url), "dipy", release, timeout=0, progress=SilentProgress())
    assert {each.page_formats for each in found} == {seen}
    assert len(served.index.gets) == gets
    assert all("no-cache" in headers["cache-control"] for _, headers in served.index.gets)


def test_confirm_waits_for_the_view_that_is_behind(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    for file in release:
        served.index.store(file.path)
    served.index.view, served.index.stale_html_reads = "both", 2
    time = VirtualTime()
    index = opened(served.index_url)
    silent = SilentProgress()
    found = confirm_files(
        index, "dipy", release, timeout=60, progress=silent, sleep=time.sleep, clock=time.clock
    )
    assert len(found) == len(release)
    assert len(time.slept) == 2
    served.index.stale_html_reads = 99
    with pytest.raises(DeadlineError) as caught:
        confirm_files(index, "dipy", release, timeout=60, progress=silent, sleep=time.sleep, clock=time.clock)
    assert caught.value.details[0] == f"{release[0].filename} (in its HTML view)"
    assert "the index accepted the files" in caught.value.hint.lower()


def test_confirm_is_loud_about_other_bytes_in_one_view(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    for file in release:
        served.index.store(file.path)
    served.index.view = "both"
    served.index.html_overrides = {release[2].filename: b"evil"}
    with pytest.raises(ConflictError) as caught:
        confirm_files(opened(served.index_url), "dipy", release, timeout=60, progress=SilentProgress())
    evil = hashlib.sha256(b"evil").hexdigest()
    assert caught.value.details == (
        f"{release[2].filename}: local sha256 {release[2].sha256}, index sha256 {evil}",
    )


def test_confirm_waits_for_a_project_that_is_not_there_yet(
    served: Served, release: list[LocalFile], opened: Callable[..., IndexClient]
) -> None:
    time = VirtualTime()

    def appear(seconds: float) -> None:
        time.sleep(seconds)
        for file in release:
            served.index.store(file.path)

    found = confirm_files(
        opened(served.index_url),
        "dipy",
        release,
        timeout=60,
        progress=SilentProgress(),
        sleep=appear,
        clock=time.clock,
    )
    assert {each.page_formats for each in found} == {("json",)}
    assert len(time.slept) == 1


def test_an_html_view_that_fails_is_waited_for(
    served: Served,
    release: list[LocalFile],
    opened: Callable[..., IndexClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for file in release:
        served.index.store(file.path)
    time = VirtualTime()
    index = opened(served.index_url)

    def failing(project: str) -> ProjectPage | None:
        raise HttpStatusError(502, "https://example.com/simple/dipy/")

    monkeypatch.setattr(index, "fetch_html_project", failing)
    with pytest.raises(DeadlineError, match=r"did not return the HTML view of 6 files .*returned 502"):
        confirm_files(
            index, "dipy", release, timeout=9, progress=SilentProgress(), sleep=time.sleep, clock=time.clock
        )
