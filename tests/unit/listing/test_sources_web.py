"""Web sources: the response decides the reader, and other responses are clear errors."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.listings import list_staged, select_from
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NothingFoundError,
    RedirectNotAllowed,
    ReleaseError,
)
from wheel_uploader.core.models import GapRemedy, Options
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing.sources import ReleaseQuery, list_staged_files

URL = "https://staging.example/wheels/"
WHEEL = "dipy-1.11.0-py3-none-any.whl"
HTML = {"Content-Type": "text/html; charset=ISO-8859-1"}
JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}


def list_filenames(handler: Callable[[httpx.Request], httpx.Response], url: str = URL) -> list[str]:
    with HttpClient(user_urls=[url], retries=1, transport=httpx.MockTransport(handler)) as http:
        return [file.filename for file in list_staged([url], "dipy", http)]


def list_response(content: str | bytes, headers: dict[str, str], status: int = 200) -> list[str]:
    return list_filenames(lambda request: httpx.Response(status, content=content, headers=headers))


LINK = f'<a href="{WHEEL}">x</a>'
PAGE = json.dumps({"meta": {"api-version": "1.0"}, "files": [{"filename": WHEEL, "url": WHEEL}]})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html", LINK),
        ("TEXT/HTML;charset=utf-8", LINK),
        ("application/xhtml+xml", f'<?xml version="1.0"?>\n<!DOCTYPE html><html xmlns="x">{LINK}</html>'),
        ("application/vnd.pypi.simple.v1+html", LINK),
        ("application/vnd.pypi.simple.v1+json", PAGE),
        ("application/json; charset=utf-8", PAGE),
    ],
)
def test_content_type_selects_the_reader(kind: str, content: str) -> None:
    assert list_response(content, {"Content-Type": kind}) == [WHEEL]


def test_response_without_content_type_is_read_as_html() -> None:
    assert list_response(LINK, {}) == [WHEEL]


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "utf-16"])
def test_detects_the_encoding_whatever_is_declared(charset: str) -> None:
    content = f'<p>\xe9t\xe9</p><a href="{WHEEL}">x</a>'.encode(charset)
    assert list_response(content, {"Content-Type": "text/html; charset=unicode_escape"}) == [WHEEL]


def test_requests_index_json_first() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["Accept"].startswith("application/vnd.pypi.simple.v1+json, ")
        return httpx.Response(200, content=LINK, headers=HTML)

    assert list_filenames(respond) == [WHEEL]


# --- index roots and missing slashes ---------------------------------------------------------------


def make_handler(pages: dict[str, str]) -> Callable[[httpx.Request], httpx.Response]:
    def respond(request: httpx.Request) -> httpx.Response:
        content = pages.get(request.url.path)
        if content is None:
            return httpx.Response(404, content="Not found", headers={"Content-Type": "text/plain"})
        kind = JSON if content.startswith("{") else HTML
        return httpx.Response(200, content=content, headers=kind)

    return respond


PROJECTS = json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": "numpy"}, {"name": "DiPy"}]})


@pytest.mark.parametrize(
    "root", ['<a href="numpy/">numpy</a><a href="DiPy/">DiPy</a>', '<a href="/wheels/dipy/">x</a>', PROJECTS]
)
def test_root_leads_to_the_project_page(root: str) -> None:
    pages = {"/wheels/": root, "/wheels/dipy/": LINK, "/wheels/DiPy/": LINK}
    assert list_filenames(make_handler(pages)) == [WHEEL]


def test_follows_a_folder_of_the_project_in_addition_to_its_files() -> None:
    pages = {"/wheels/": f'<a href="dipy/">old</a>{LINK}', "/wheels/dipy/": '<a href="dipy-1.0.tar.gz">x</a>'}
    assert list_filenames(make_handler(pages)) == [WHEEL, "dipy-1.0.tar.gz"]


def test_keeps_files_of_other_projects_for_the_report() -> None:
    pages = {"/wheels/": '<a href="dipy/">x</a><a href="x-1.0.tar.gz">x</a><a href=notes>x</a>'}
    assert list_filenames(make_handler({**pages, "/wheels/dipy/": LINK})) == ["x-1.0.tar.gz", "notes", WHEEL]


def test_a_link_to_another_host_is_a_gap() -> None:
    pages = {"/wheels/": '<base href="https://evil.example/"><a href="dipy/">x</a>'}
    transport = httpx.MockTransport(make_handler(pages))
    with HttpClient(user_urls=[URL], retries=1, transport=transport) as http:
        (gap,) = list_staged_files([URL], ReleaseQuery(project="dipy"), http).gaps
    assert gap.remedy is GapRemedy.CALL
    assert "the folder dipy/ was not read: it is on another host, evil.example" in gap.message
    assert gap.hint == "If you trust that host, add --allow-host evil.example"


def test_tries_a_missing_slash() -> None:
    pages = {"/wheels/": LINK}
    assert list_filenames(make_handler(pages), URL.rstrip("/")) == [WHEEL]


def test_tries_a_missing_slash_before_the_query() -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.raw_path != b"/wheels/?token=x":
            return httpx.Response(404)
        return httpx.Response(200, content=LINK, headers=HTML)

    assert list_filenames(respond, "https://staging.example/wheels?token=x") == [WHEEL]


# --- other responses -------------------------------------------------------------------------------

NO_SUCH_KEY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error>'
    "<Code>NoSuchKey</Code><Message>No key &amp; none</Message></Error>"
)


@pytest.mark.parametrize("status", [404, 410])
def test_missing_page_is_a_not_found_error(status: int) -> None:
    with pytest.raises(NothingFoundError) as caught:
        list_response("gone", HTML, status)
    assert str(caught.value) == f"{URL} was not found (status {status})"


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("<form><input type='password' name='p'></form>", "text/html", "returned a login page"),
        (b"\x89PNG\r\n", "image/png", "returned image/png, not a file listing"),
        (
            b"PK\x03\x04",
            "application/zip",
            "returned a ZIP file .sent as application/zip., not a file listing",
        ),
        ("hello", "text/plain", "returned text/plain, not a file listing"),
        ("hello", "x/\x1b[2J::error::", r"returned x/\\x1b\[2j: :error::, not a file listing"),
        (NO_SUCH_KEY, "application/xml", "returned XML that is not a file listing: NoSuchKey, No key & none"),
        (NO_SUCH_KEY, "text/xml", "returned XML that is not a file listing: NoSuchKey, No key & none"),
        (NO_SUCH_KEY, "text/html", "returned XML that is not a file listing: NoSuchKey, No key & none"),
        (NO_SUCH_KEY, "", "returned XML that is not a file listing: NoSuchKey"),
        ("{}", "application/json", "returned JSON that is not an index page"),
    ],
)
def test_rejects_responses_that_are_not_listings(content: str | bytes, kind: str, message: str) -> None:
    with pytest.raises(ListingError, match=message) as caught:
        list_response(content, {"Content-Type": kind})
    assert str(caught.value).startswith("https://staging.example/wheels/ ")
    assert "\n" not in str(caught.value)


def test_the_url_of_a_wheel_is_that_wheel() -> None:
    wheel = f"{URL}{WHEEL}"
    names = list_filenames(
        lambda request: httpx.Response(200, headers={"Content-Type": "application/zip"}), wheel
    )
    assert names == [WHEEL]


def test_recognizes_a_link_that_leads_to_a_wheel() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(WHEEL):
            return httpx.Response(200, headers={"Content-Type": "application/zip"})
        return httpx.Response(302, headers={"Location": f"{URL}{WHEEL}"})

    with pytest.raises(ListingError, match="is a file, not a listing") as caught:
        list_filenames(reply, f"{URL}latest")
    assert caught.value.hint == "Pass the URL of its directory."
    assert caught.value.exit_code == 2


def test_accepts_a_listing_with_a_login_form() -> None:
    assert list_response(f"<input type=password>{LINK}", HTML) == [WHEEL]


def test_empty_page_lists_nothing() -> None:
    assert list_response("", HTML) == []


@pytest.mark.parametrize(
    ("status", "error"), [(401, CredentialsError), (403, HttpStatusError), (500, HttpStatusError)]
)
def test_passes_on_other_http_errors(status: int, error: type[ReleaseError]) -> None:
    with pytest.raises(error):
        list_response("no", HTML, status)


#: Invalid hosts. The first one triggers catastrophic backtracking in a naive regular expression.
INVALID_HOSTS = [
    "x.s3-" + "a-" * 40 + ".example.com",
    "a" * 64 + ".example",
    "a..example",
    "-\N{SNOWMAN}\u2024.e",
    "1.2.3.999",
]


@pytest.mark.parametrize("host", INVALID_HOSTS)
@pytest.mark.parametrize("headers", [HTML, JSON])
def test_link_with_an_invalid_host_is_an_unavailable_file(host: str, headers: dict[str, str]) -> None:
    url = f"https://{host}/{WHEEL}"
    file = {"filename": WHEEL, "url": url, "hashes": {"sha256": "0" * 64}}
    page = (
        f'<a href="{url}#sha256={"0" * 64}">x</a>'
        if headers is HTML
        else json.dumps({**json.loads(PAGE), "files": [file]})
    )
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=page, headers=headers))
    with HttpClient(user_urls=[URL], retries=1, transport=transport) as http:
        listed = list_staged([URL], "dipy", http)
    options = Options(project="dipy", version="1.11.0", urls=(URL,))
    with pytest.raises(NothingFoundError) as caught:
        select_from(listed, options, lambda _: "")
    assert "its link is not valid: its host is " in caught.value.details[0]
    assert "fix the staging area" in caught.value.hint


@pytest.mark.parametrize("host", [host for host in INVALID_HOSTS if host.isascii()])
def test_does_not_follow_a_redirect_to_an_invalid_host(host: str) -> None:
    with pytest.raises(
        NothingFoundError, match=r"redirects to .*, which is not followed: its host is "
    ) as caught:
        list_response("", {"Location": f"https://{host}/x/"}, status=302)
    assert "Correct the redirect on the staging server" in caught.value.hint


@pytest.mark.parametrize("location", ["https://elsewhere.example/", "http://staging.example/"])
def test_does_not_follow_a_forbidden_redirect(location: str) -> None:
    with pytest.raises(RedirectNotAllowed, match="which is not followed"):
        list_response("", {"Location": location}, status=302)
