"""Test the requests that the index client sends, and its reading of each answer, without a server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tools.testing.indexes import local_file
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    IndexNotFoundError,
    NetworkError,
    RedirectNotAllowed,
    SignInPageError,
    UnsupportedVersionError,
    UsageError,
)
from wheel_uploader.core.models import IndexFile, LocalFile, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.index import client as client_module
from wheel_uploader.index.client import IndexClient, derive_simple_urls, open_comparison_index, open_index
from wheel_uploader.index.project_page import ACCEPT_ANY, ACCEPT_HTML, INDEX_URL_HINT
from wheel_uploader.index.target import Target

ROOT = "https://index.example/simple/"
OTHER_ROOT = "https://index.example/+simple/"
PAGE = f"{ROOT}demo/"
FILE_URL = "https://index.example/files/demo-1.0.tar.gz"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
EMPTY_JSON = json.dumps({"meta": {"api-version": "1.0"}, "name": "demo", "files": []})
EMPTY_HTML = "<!DOCTYPE html><title>Links for demo</title>"
CONTENT = b"0123456789"


@dataclass(frozen=True)
class Answer:
    """An answer to a request: ``body`` may be in pieces, so that its length is not declared."""

    status: int = 200
    body: str | bytes | tuple[bytes, ...] = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def make(self) -> httpx.Response:
        content: Any = iter(self.body) if isinstance(self.body, tuple) else self.body
        return httpx.Response(self.status, content=content, headers=dict(self.headers))


def typed(content_type: str, body: str = "", status: int = 200) -> Answer:
    return Answer(status, body, {"Content-Type": content_type})


JSON_PAGE = typed(JSON_TYPE, EMPTY_JSON)
HTML_PAGE = typed("text/html", EMPTY_HTML)
NOT_ACCEPTABLE = Answer(406)
NOT_FOUND = Answer(404)
AWAY = Answer(302, headers={"Location": "https://other.example/simple/demo/"})


class Site:
    """Answers by URL; the last one of each URL is repeated. Other URLs do not exist."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self.answers.get(str(request.url), [NOT_FOUND])
        return (answers.pop(0) if len(answers) > 1 else answers[0]).make()

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.requests]

    def sent(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.requests]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def make_index(site: Site) -> Iterator[Callable[..., IndexClient]]:
    clients: list[HttpClient] = []

    def make_client(*urls: str, retries: int = 1) -> IndexClient:
        urls = urls or (ROOT,)
        transport = httpx.MockTransport(site)
        clients.append(
            HttpClient(user_urls=urls, retries=retries, transport=transport, sleep=lambda _seconds: None)
        )
        return IndexClient(clients[-1], *urls)

    yield make_client
    for http in clients:
        http.__exit__()


@pytest.fixture
def index(make_index: Callable[..., IndexClient]) -> IndexClient:
    return make_index()


# --- the URLs of the pages -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upload", "expected"),
    [
        ("https://eu-python.pkg.dev/project/repoX/", ["https://eu-python.pkg.dev/project/repoX/simple/"]),
        ("http://127.0.0.1/X/", ["http://127.0.0.1/X/simple/", "http://127.0.0.1/X/+simple/"]),
        (
            "https://python.cloudsmith.io./o/r/",
            [f"https://dl.cloudsmith.io/{kind}/o/r/python/simple/" for kind in ("public", "basic")],
        ),
        ("https://me:secret@upload.example.com/legacy", ["https://example.com/simple/"]),
        ("https://aws.example.com/pypi/repo", ["https://aws.example.com/pypi/repo/simple/"]),
        ("https://example.com/a/b", ["https://example.com/a/b/+simple/", "https://example.com/a/b/simple/"]),
    ],
)
def test_derives_simple_urls(upload: str, expected: list[str]) -> None:
    assert list(derive_simple_urls(upload)) == expected


def test_the_url_of_the_pages_ends_in_one_slash(make_index: Callable[..., IndexClient]) -> None:
    assert make_index(ROOT.rstrip("/")).url == make_index(ROOT, OTHER_ROOT).url == ROOT


# --- the page of a project -------------------------------------------------------------------------


def test_requests_the_normalized_name_and_revalidates_only_if_asked(site: Site, index: IndexClient) -> None:
    site.answers[f"{ROOT}my-demo/"] = [JSON_PAGE]
    assert index.fetch_project("My.Demo").exists
    assert index.fetch_project("my_demo", revalidate=True).exists
    assert site.urls == [f"{ROOT}my-demo/"] * 2
    assert site.sent("cache-control") == [None, "no-cache"]
    assert site.sent("accept") == [ACCEPT_ANY] * 2


@pytest.mark.parametrize("status", [406, 415])
def test_requests_html_from_an_index_that_does_not_know_json(
    site: Site, index: IndexClient, status: int
) -> None:
    site.answers[PAGE] = [Answer(status), HTML_PAGE]
    page = index.fetch_project("demo", revalidate=True)
    assert (page.exists, page.page_format) == (True, "html")
    assert index.fetch_project("demo").exists
    assert site.sent("accept") == [ACCEPT_ANY, "text/html", "text/html"]
    assert site.sent("cache-control") == ["no-cache", "no-cache", None]


@pytest.mark.parametrize(("status", "count"), [(406, 2), (415, 2), (405, 1), (407, 1), (416, 1)])
def test_an_index_that_accepts_nothing_has_failed(
    site: Site, index: IndexClient, status: int, count: int
) -> None:
    site.answers[PAGE] = [Answer(status)]
    with pytest.raises(HttpStatusError) as caught:
        index.fetch_project("demo")
    assert caught.value.status == status
    assert len(site.requests) == count


@pytest.mark.parametrize("status", [404, 410])
def test_a_project_that_does_not_exist_takes_one_request(site: Site, index: IndexClient, status: int) -> None:
    site.answers[PAGE] = [Answer(status)]
    page = index.fetch_project("demo")
    assert (page.url, page.exists, page.files) == (PAGE, False, ())
    assert site.urls == [PAGE]


@pytest.mark.parametrize("status", [403, 405, 409, 411, 500])
def test_another_status_does_not_mean_an_absent_project(site: Site, index: IndexClient, status: int) -> None:
    site.answers[PAGE] = [Answer(status)]
    for fetch in (index.fetch_project, index.fetch_html_project):
        with pytest.raises(HttpStatusError) as caught:
            fetch("demo")
        assert caught.value.status == status
    assert site.urls == [PAGE] * 2


def test_the_html_view_is_requested_as_pip_does(site: Site, index: IndexClient) -> None:
    site.answers[PAGE] = [HTML_PAGE, JSON_PAGE, NOT_FOUND, NOT_ACCEPTABLE, Answer(415), JSON_PAGE]
    page = index.fetch_html_project("Demo")
    assert page is not None
    assert (page.url, page.exists, page.page_format) == (PAGE, True, "html")
    assert index.fetch_html_project("demo") is None
    absent = index.fetch_html_project("demo")
    assert absent is not None
    assert (absent.url, absent.exists) == (PAGE, False)
    assert index.fetch_html_project("demo") is None
    assert index.fetch_html_project("demo") is None
    assert site.sent("accept") == [ACCEPT_HTML] * 5
    assert site.sent("cache-control") == ["no-cache"] * 5
    assert index.fetch_project("demo").page_format == "json"
    assert site.sent("accept")[-1] == ACCEPT_ANY


# --- redirects of a project ------------------------------------------------------------------------

LISTS = (
    *("text/html", "application/xhtml+xml", "application/json", "text/json", JSON_TYPE),
    *("application/vnd.pypi.simple.latest+json", "application/vnd.pypi.simple.v1+html"),
)


@pytest.mark.parametrize("content_type", LISTS)
def test_an_index_that_redirects_an_unknown_project_does_not_have_it(
    site: Site, index: IndexClient, content_type: str
) -> None:
    site.answers = {PAGE: [AWAY], ROOT: [typed(content_type)]}
    page = index.fetch_project("demo")
    assert (page.url, page.exists) == (PAGE, False)
    assert site.urls == [PAGE, ROOT]
    assert site.sent("accept") == [ACCEPT_ANY] * 2


@pytest.mark.parametrize(
    ("answers", "accepted"),
    [
        ([NOT_ACCEPTABLE, typed("text/html")], True),
        ([Answer(415), typed("text/html")], True),
        ([NOT_ACCEPTABLE, NOT_ACCEPTABLE], False),
        ([NOT_ACCEPTABLE, typed("text/plain")], False),
        ([NOT_ACCEPTABLE, Answer(404)], False),
    ],
)
def test_the_list_of_projects_may_be_html_only(
    site: Site, index: IndexClient, answers: list[Answer], accepted: bool
) -> None:
    site.answers = {PAGE: [AWAY], ROOT: answers}
    if accepted:
        assert not index.fetch_project("demo").exists
    else:
        with pytest.raises(RedirectNotAllowed):
            index.fetch_project("demo")
    assert site.sent("accept") == [ACCEPT_ANY, ACCEPT_ANY, "text/html"]


@pytest.mark.parametrize(
    "answer",
    [AWAY, typed("text/plain"), typed(""), Answer(403), NOT_FOUND, Answer(500), Answer(405), Answer(416)],
)
def test_a_url_that_redirects_and_has_no_list_is_not_an_index(
    site: Site, index: IndexClient, answer: Answer
) -> None:
    site.answers = {PAGE: [AWAY], ROOT: [answer]}
    with pytest.raises(RedirectNotAllowed, match=r"redirects to https://other\.example/simple/demo/"):
        index.fetch_project("demo")
    assert site.urls == [PAGE, ROOT]


# --- guesses ---------------------------------------------------------------------------------------


@pytest.fixture
def guesses(make_index: Callable[..., IndexClient]) -> IndexClient:
    return make_index(ROOT, OTHER_ROOT)


@pytest.mark.parametrize("first", [NOT_FOUND, Answer(500), Answer(403), typed("text/plain", "hello"), AWAY])
def test_keeps_the_guess_that_has_the_project(site: Site, guesses: IndexClient, first: Answer) -> None:
    site.answers = {PAGE: [first], f"{OTHER_ROOT}demo/": [JSON_PAGE]}
    assert guesses.fetch_project("demo").exists
    assert guesses.url == OTHER_ROOT
    site.requests.clear()
    assert not guesses.fetch_project("other").exists
    assert site.urls == [f"{OTHER_ROOT}other/"]


def test_keeps_the_first_guess_that_has_the_project(site: Site, guesses: IndexClient) -> None:
    site.answers = {PAGE: [JSON_PAGE], f"{OTHER_ROOT}demo/": [JSON_PAGE]}
    assert guesses.fetch_project("demo").url == PAGE
    assert guesses.url == ROOT
    assert site.urls == [PAGE]


@pytest.mark.parametrize(("root", "count"), [(ROOT, 3), (OTHER_ROOT, 4)])
def test_keeps_the_guess_that_lists_projects(site: Site, guesses: IndexClient, root: str, count: int) -> None:
    site.answers = {root: [HTML_PAGE]}
    page = guesses.fetch_project("demo")
    assert (page.url, page.exists, guesses.url) == (f"{root}demo/", False, root)
    assert site.urls == [PAGE, f"{OTHER_ROOT}demo/", ROOT, OTHER_ROOT][:count]


def test_says_that_no_guess_is_an_index(guesses: IndexClient) -> None:
    with pytest.raises(IndexNotFoundError) as caught:
        guesses.fetch_project("demo")
    assert caught.value.message == (
        f"no package index found at {ROOT} or {OTHER_ROOT}: neither has a page of the project, which is "
        "expected if it is new, or a list of projects"
    )
    assert caught.value.hint == (
        f"If the project is new, name the URL of the index's simple pages: --index-url {OTHER_ROOT}"
    )


def test_raises_the_first_error_of_the_guesses(site: Site, guesses: IndexClient) -> None:
    site.answers = {PAGE: [Answer(403)], f"{OTHER_ROOT}demo/": [Answer(500)]}
    with pytest.raises(HttpStatusError) as caught:
        guesses.fetch_project("demo")
    assert caught.value.status == 403
    assert site.urls == [PAGE, f"{OTHER_ROOT}demo/"]


def test_a_guess_that_failed_is_not_asked_for_its_list(site: Site, guesses: IndexClient) -> None:
    site.answers = {PAGE: [Answer(403)], ROOT: [HTML_PAGE]}
    with pytest.raises(HttpStatusError):
        guesses.fetch_project("demo")
    assert site.urls == [PAGE, f"{OTHER_ROOT}demo/", OTHER_ROOT]


def test_a_page_of_another_version_is_that_of_the_index(site: Site, guesses: IndexClient) -> None:
    site.answers = {PAGE: [typed("application/vnd.pypi.simple.v2+json")]}
    with pytest.raises(UnsupportedVersionError):
        guesses.fetch_project("demo")
    assert site.urls == [PAGE]


def test_a_login_is_not_a_wrong_guess(site: Site, guesses: IndexClient) -> None:
    site.answers = {PAGE: [Answer(401)]}
    with pytest.raises(CredentialsError):
        guesses.fetch_project("demo")
    assert site.urls == [PAGE]


# --- the kind of a page ----------------------------------------------------------------------------

ONE_FILE = f'{EMPTY_HTML}<a href="demo-1.0.tar.gz">demo-1.0.tar.gz</a>'
PART = "it is one page of several"
LOGIN = '<title>Log in</title><form><input type="password" name="p"></form>'


@pytest.mark.parametrize(
    ("answer", "reason", "is_permanent"),
    [
        (typed("text/plain", "hello"), "its content type is text/plain", False),
        (typed("text/plain", EMPTY_JSON), "its content type is text/plain", False),
        (
            typed("application/problem+json", EMPTY_JSON),
            "its content type is application/problem+json",
            False,
        ),
        (typed("application/json", "{}"), "its content type is application/json", False),
        (typed("text/json", "{}"), "its content type is text/json", False),
        (typed("application/zip", "PK"), "its content type is application/zip", True),
        (Answer(200, b"hello"), "its content type is missing", True),
        (typed("text/html", LOGIN), "it is a login page", False),
        (typed("text/html", f'{ONE_FILE}<a rel="next" href="?p=2">Next</a>'), PART, False),
        (typed("text/html", f"{ONE_FILE}<button>Next page</button>"), PART, False),
        (typed("text/html", f"{ONE_FILE}<p>Showing 1 to 50 of 120 files</p>"), PART, False),
    ],
)
def test_refuses_another_page(
    site: Site, index: IndexClient, answer: Answer, reason: str, is_permanent: bool
) -> None:
    site.answers[PAGE] = [answer]
    with pytest.raises(NetworkError) as caught:
        index.fetch_project("demo")
    assert caught.value.message == f"{PAGE} is not a page of a package index: {reason}"
    assert caught.value.hint == INDEX_URL_HINT
    assert caught.value.is_permanent == is_permanent
    assert isinstance(caught.value, SignInPageError) == (reason == "it is a login page")


@pytest.mark.parametrize("content_type", ["application/json", "text/json"])
def test_reads_json_of_a_plain_type(site: Site, index: IndexClient, content_type: str) -> None:
    site.answers[PAGE] = [typed(content_type, EMPTY_JSON)]
    page = index.fetch_project("demo")
    assert (page.exists, page.page_format) == (True, "json")


# --- files -----------------------------------------------------------------------------------------


def served(url: str = FILE_URL, **hashes: str) -> IndexFile:
    return IndexFile(filename="demo-1.0.tar.gz", url=url, hashes=hashes)


def partial(body: bytes, content_range: str, **headers: str) -> Answer:
    return Answer(206, body, {"Content-Range": content_range, **headers})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (partial(b"2345", "bytes 2-5/10"), (b"2345", 2, 10)),
        (partial(b"6789", "bytes 6-9/10"), (b"6789", 6, 10)),
        (partial(b"0", "bytes 0-0/1"), (b"0", 0, 1)),
        (Answer(200, CONTENT), (CONTENT, 0, 10)),
        (Answer(200, CONTENT, {"Content-Range": "bytes 2-5/10"}), (CONTENT, 0, 10)),
    ],
)
def test_reads_part_of_a_file(site: Site, index: IndexClient, answer: Answer, expected: object) -> None:
    site.answers[FILE_URL] = [answer]
    assert tuple(index.fetch_range(FILE_URL, "2-5")) == expected
    assert site.sent("range") == ["bytes=2-5"]


NO_RANGE = f"{FILE_URL} was not answered with a valid range"
OTHER_RANGE = "the index sent another range than it declared"
TOO_LARGE = "the index sends whole files only, and this one is too large to be read"
HUGE = 9 * 10**12


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(206, b"2345"), NO_RANGE),
        (partial(b"2345", "bytes */10"), NO_RANGE),
        (partial(b"2345", f"bytes {HUGE}-5/10"), NO_RANGE),
        (partial(b"2345", f"bytes 2-{HUGE}/10"), NO_RANGE),
        (partial(b"2345", f"bytes 2-5/{HUGE}"), NO_RANGE),
        (partial(b"2345", f"bytes 2-{HUGE}/{HUGE}"), NO_RANGE),
        (partial(b"2345", f"bytes {HUGE}-{HUGE}/10"), NO_RANGE),
        (Answer(416, b"2345", {"Content-Range": "bytes */10"}), NO_RANGE),
        (Answer(416, b"2345", {"Content-Range": "bytes 2-5/10"}), NO_RANGE),
        (partial(b"234", "bytes 2-5/10"), OTHER_RANGE),
        (partial(b"23456", "bytes 2-5/10"), OTHER_RANGE),
        (partial(b"2345", "bytes 2-5/5"), OTHER_RANGE),
        (partial(b"", "bytes 2-5/10"), OTHER_RANGE),
    ],
)
def test_refuses_another_range(site: Site, index: IndexClient, answer: Answer, message: str) -> None:
    site.answers[FILE_URL] = [answer]
    with pytest.raises(NetworkError) as caught:
        index.fetch_range(FILE_URL, "2-5")
    assert caught.value.message == message


def test_takes_a_whole_file_of_up_to_16_mib(site: Site, index: IndexClient) -> None:
    piece = bytes(1 << 20)
    site.answers[FILE_URL] = [Answer(200, (piece,) * 16), Answer(200, (*(piece,) * 16, b"x"))]
    assert index.fetch_range(FILE_URL, "0-9").total == 16 << 20
    with pytest.raises(NetworkError) as caught:
        index.fetch_range(FILE_URL, "0-9")
    assert caught.value.message == TOO_LARGE


def test_reads_a_small_file_up_to_the_limit(site: Site, index: IndexClient) -> None:
    pieces = (bytes(200_000), b"abc" * 70_000, b"end")
    content = b"".join(pieces)
    site.answers[FILE_URL] = [Answer(200, pieces)]
    assert index.fetch_bytes(FILE_URL, len(content)) == content
    with pytest.raises(NetworkError) as caught:
        index.fetch_bytes(FILE_URL, len(content) - 1)
    assert caught.value.message == TOO_LARGE


@pytest.mark.parametrize("status", [206, 304, 416])
def test_a_part_of_a_file_is_not_the_file(site: Site, index: IndexClient, status: int) -> None:
    site.answers[FILE_URL] = [Answer(status, b"" if status == 304 else b"part")]
    message = f"{FILE_URL} returned {status} instead of the whole file"
    with pytest.raises(NetworkError) as caught:
        index.get_sha256(served(md5="1"))
    assert caught.value.message == message
    with pytest.raises(NetworkError) as caught:
        index.fetch_bytes(FILE_URL, 100)
    assert caught.value.message == message


def test_retries_reading_a_file(site: Site, make_index: Callable[..., IndexClient]) -> None:
    index = make_index(retries=2)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    readings: list[tuple[Callable[[], object], object]] = [
        (lambda: index.fetch_bytes(FILE_URL, 10), CONTENT),
        (lambda: index.fetch_range(FILE_URL, "0-9"), (CONTENT, 0, 10)),
        (lambda: index.get_sha256(served()), sha256),
    ]
    for read, expected in readings:
        site.answers[FILE_URL] = [Answer(503), Answer(200, CONTENT)]
        assert read() == expected
    assert len(site.requests) == 6


def test_hashes_a_long_file_in_pieces(site: Site, index: IndexClient) -> None:
    pieces = (bytes(200_000), b"abc" * 70_000, b"end")
    site.answers[FILE_URL] = [Answer(200, pieces)]
    assert index.get_sha256(served(md5="1")) == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_document_of_another_host_is_not_fetched(site: Site, index: IndexClient) -> None:
    site.answers[FILE_URL] = [Answer(200, CONTENT)]
    assert index.fetch_linked_bytes(FILE_URL, 10) == CONTENT
    with pytest.raises(NetworkError) as caught:
        index.fetch_linked_bytes("https://other.example/x", 10)
    assert caught.value.message == (
        "refusing to fetch https://other.example/x: it is on another host, other.example (--allow-host "
        "other.example permits it)"
    )
    assert caught.value.is_permanent
    assert site.urls == [FILE_URL]


# --- the date of a file ----------------------------------------------------------------------------

DATE = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
#: A host that this run may not ask: without TLS.
PLAIN_URL = "http://files.example/demo-1.0.tar.gz"
STORAGE_URL = "https://storage.example/demo-1.0.tar.gz"


def test_reads_the_date_of_a_file(site: Site, index: IndexClient) -> None:
    site.answers[FILE_URL] = [partial(b"0", "bytes 0-0/10", **DATE), Answer(200, CONTENT)]
    date = index.fetch_date(served())
    assert date is not None
    assert date.isoformat() == "2026-01-01T00:00:00+00:00"
    assert index.fetch_date(served()) is None
    assert site.sent("range") == ["bytes=0-0"] * 2


@pytest.mark.parametrize(
    ("status", "is_error"),
    [
        *((403, False), (404, False), (428, False), (429, True), (430, False), (499, False)),
        *((500, True), (501, True), (503, True)),
    ],
)
def test_a_host_may_refuse_the_date(site: Site, index: IndexClient, status: int, is_error: bool) -> None:
    site.answers[FILE_URL] = [Answer(status)]
    if is_error:
        with pytest.raises(HttpStatusError):
            index.fetch_date(served())
    else:
        assert index.fetch_date(served()) is None


def test_follows_a_redirect_of_a_file_whose_hash_is_listed(
    site: Site, index: IndexClient, file: LocalFile
) -> None:
    site.answers = {
        FILE_URL: [Answer(302, headers={"Location": STORAGE_URL})],
        STORAGE_URL: [partial(CONTENT[:4], "bytes 0-3/10", **DATE)],
    }
    assert index.fetch_date(served(sha256="0" * 64)) is not None
    with pytest.raises(RedirectNotAllowed):
        index.fetch_date(served(md5="0"))
    assert site.urls == [FILE_URL, STORAGE_URL, FILE_URL]
    site.answers[STORAGE_URL] = [partial(b"abcd", "bytes 0-3/10")]
    assert "other contents" in index.probe_file(served(sha256="0" * 64), file)
    # Users may follow it.
    assert index.probe_file(served(md5="0"), file) == ""


def test_sends_no_request_to_a_host_that_is_not_permitted(
    site: Site, index: IndexClient, file: LocalFile
) -> None:
    assert index.fetch_date(served(PLAIN_URL)) is None
    assert index.probe_file(served(PLAIN_URL), file) == ""
    assert index.probe_file(served("https://me:secret@index.example/x"), file) == ""
    assert site.requests == []


# --- the beginning of a file -----------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    path = tmp_path / "demo-1.0.tar.gz"
    path.write_bytes(CONTENT)
    return local_file(path)


TEXT = {"Content-Type": "text/html"}
SAME = "bytes 0-3/10"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (partial(b"0123", SAME), ""),
        (Answer(206, b"0123"), ""),
        (Answer(200, CONTENT), ""),
        (Answer(200, (CONTENT,)), ""),
        (Answer(206, b"0123", {"Content-Length": "4"}), ""),
        (partial(b"0123", "bytes 0-3/11", **TEXT), "206 with 11 bytes instead of 10 (text/html)"),
        (partial(b"0123", "bytes 0-3/1"), "206 with 1 byte instead of 10 (no content type)"),
        (Answer(200, b"0123", TEXT), "200 with 4 bytes instead of 10 (text/html)"),
        (
            Answer(200, b"0123", {"Content-Range": "bytes 0-3/10"}),
            "200 with 4 bytes instead of 10 (no content type)",
        ),
        (Answer(200, b"", {"Content-Length": "0"}), "200 with 0 bytes instead of 10 (no content type)"),
        (partial(b"012x", SAME, **TEXT), "206 with other contents (text/html)"),
        (partial(b"", SAME), "206 with other contents (no content type)"),
        (partial(b"012", SAME), "206 with other contents (no content type)"),
        (Answer(200, b"012x456789"), "200 with other contents (no content type)"),
        # Decoded by users.
        (Answer(200, b"abc", {"Content-Encoding": "x-other"}), ""),
        (
            Answer(200, b"abc", {"Content-Encoding": "identity"}),
            "200 with 3 bytes instead of 10 (no content type)",
        ),
    ],
)
def test_compares_the_beginning_of_a_file(
    site: Site, index: IndexClient, file: LocalFile, answer: Answer, problem: str
) -> None:
    site.answers[FILE_URL] = [answer]
    expected = f"index.example answered {problem}" if problem else ""
    assert index.probe_file(served(), file) == expected
    assert site.sent("range") == ["bytes=0-3"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "Bad Request"), (405, "Method Not Allowed"), (501, "Not Implemented")],
)
def test_requests_the_whole_file_if_the_range_is_refused(
    site: Site, index: IndexClient, file: LocalFile, status: int, reason: str
) -> None:
    site.answers[FILE_URL] = [Answer(status), Answer(200, CONTENT), Answer(status)]
    assert index.probe_file(served(), file) == ""
    assert site.sent("range") == ["bytes=0-3", None]
    assert index.probe_file(served(), file) == f"index.example answered {status} ({reason})"
    assert len(site.requests) == 4


def test_requests_the_whole_file_after_416(site: Site, index: IndexClient, file: LocalFile) -> None:
    site.answers[FILE_URL] = [Answer(416), Answer(200, CONTENT), Answer(416)]
    assert index.probe_file(served(), file) == ""
    assert index.probe_file(served(), file) == "index.example answered 416"
    assert site.sent("range") == ["bytes=0-3", None] * 2


@pytest.mark.parametrize("status", [401, 402, 403, 404, 406, 417, 500, 502])
def test_sends_one_request_if_the_file_is_refused(
    site: Site, index: IndexClient, file: LocalFile, status: int
) -> None:
    site.answers[FILE_URL] = [Answer(status)]
    if status == 401:
        with pytest.raises(CredentialsError):
            index.probe_file(served(), file)
    else:
        assert index.probe_file(served(), file).startswith(f"index.example answered {status} (")
    assert site.sent("range") == ["bytes=0-3"]


def test_a_local_file_that_changed_is_not_compared(site: Site, index: IndexClient, file: LocalFile) -> None:
    site.answers[FILE_URL] = [partial(b"abcd", SAME)]
    file.path.write_bytes(b"x" * 10)
    assert index.probe_file(served(), file) == ""
    file.path.unlink()
    assert index.probe_file(served(), file) == ""


def test_compares_a_file_with_the_page_as_it_is_now(site: Site, index: IndexClient, file: LocalFile) -> None:
    entry = {"filename": file.filename, "url": FILE_URL, "hashes": {"sha256": file.sha256}}
    site.answers[PAGE] = [typed(JSON_TYPE, json.dumps({"files": [entry]}))]
    state = index.fetch_file_state("demo", file)
    assert (state.file, state.index_sha256) == (file, file.sha256)
    assert site.sent("cache-control") == ["no-cache"]


# --- opening an index ------------------------------------------------------------------------------


class RecordedClient(HttpClient):
    """Records its settings and sends nothing."""

    def __init__(self, **settings: Any) -> None:
        SETTINGS.append(settings)
        super().__init__(**{**settings, "verify": True}, transport=httpx.MockTransport(Site()))


SETTINGS: list[dict[str, Any]] = []


def options(**values: Any) -> Options:
    return Options(project="demo", version="1.0", urls=("https://staging.example/",), **values)


def test_opens_the_target_with_its_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "HttpClient", RecordedClient)
    SETTINGS.clear()
    chosen = options(allow_insecure_hosts=("x.example",), timeout=7.0, retries=4)
    target = Target(url="https://upload.example/legacy/", is_pypi=False, name="mine", cert=Path("ca.pem"))
    progress = SilentProgress()
    with open_index(chosen, target, progress) as index:
        assert index.url == "https://example/simple/"
    common = {
        "allow_insecure_hosts": ("x.example",),
        "timeout": 7.0,
        "retries": 4,
        "progress": progress,
    }
    target_only = {"max_connections": 32}
    assert [{"user_urls": (index.url,), "verify": "ca.pem", **common, **target_only}] == SETTINGS
    with open_index(
        options(index_url=ROOT, allow_insecure_hosts=("x.example",), timeout=7.0, retries=4),
        Target(url="https://push.fury.io/me/", is_pypi=False, name="mine"),
        progress,
    ) as index:
        assert index.url == ROOT
    assert SETTINGS[1] == {"user_urls": (ROOT,), "verify": True, **common, **target_only}
    with open_comparison_index(chosen, OTHER_ROOT, progress) as index:
        assert index.url == OTHER_ROOT
    assert SETTINGS[2] == {"user_urls": (OTHER_ROOT,), **common}


def test_names_the_option_if_the_pages_are_elsewhere() -> None:
    target = Target(url="https://push.fury.io/me/", is_pypi=False, name="mine")
    with pytest.raises(UsageError) as caught, open_index(options(), target, SilentProgress()):
        pass
    assert caught.value.message == "the pages of the index at https://push.fury.io/me/ are on another host"
    assert caught.value.hint == "Pass the URL that pip uses for this index with --index-url."
