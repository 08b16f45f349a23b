"""GET against servers that do everything wrong: limits, redirects, credentials, and one clear sentence."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.scripted import HANG, NEXT, RESET, Request, ScriptedServer, answer
from tests.support.servers import certificate, nginx
from wheel_uploader import __version__
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    ListingError,
    NetworkError,
    RedirectNotAllowed,
    TransportError,
    UsageError,
)
from wheel_uploader.http import client as http_module
from wheel_uploader.http import proxies, transport
from wheel_uploader.http import response as http_response
from wheel_uploader.http.client import HttpClient

URL = "https://staging.example/wheels/"


def client(*typed: str, **options: Any) -> HttpClient:
    """An Http that does not wait between attempts."""
    return HttpClient(
        **{"user_urls": typed, "sleep": lambda _: None, "retries": 2, "timeout": 5.0, **options}
    )


def mocked(handler: Callable[[httpx.Request], httpx.Response], *typed: str, **options: Any) -> HttpClient:
    return client(*(typed or (URL,)), transport=httpx.MockTransport(handler), **options)


def got(*script: object, **options: Any) -> bytes:
    """The body that ``get`` makes of one scripted answer, which is given for every attempt."""
    with ScriptedServer(script) as server, client(server.url, **options) as http:
        return http.get(server.url).body


# --- what is asked ---------------------------------------------------------------------------------


def test_a_page_is_all_that_the_server_said() -> None:
    body = b"<a href='x'>\xc3\xbc</a>"
    with ScriptedServer(
        [answer(200, body, {"Content-Type": "Text/HTML; charset=utf-8", "X-Y": "1"})]
    ) as server:
        with client(server.url) as http:
            page = http.get(f"{server.url}wheels/?a=1#top", accept="text/html", headers={"X-Mine": "2"})
        (request,) = server.requests
    assert (page.url, page.status, page.content_type) == (f"{server.url}wheels/?a=1#top", 200, "text/html")
    assert (page.body, page.text, page.headers["x-y"]) == (body, "<a href='x'>\xfc</a>", "1")
    assert (request.method, request.target) == ("GET", "/wheels/?a=1")
    assert request.headers["user-agent"] == f"wheel-uploader/{__version__}"
    assert (request.headers["accept"], request.headers["x-mine"]) == ("text/html", "2")
    assert request.headers["accept-encoding"] == "gzip"
    assert not request.headers.keys() & {"authorization", "cookie", "cache-control"}


def test_caches_are_asked_to_look_again() -> None:
    with ScriptedServer([answer()]) as server, client(server.url) as http:
        http.get(server.url, no_cache=True)
    assert server.requests[0].headers["cache-control"] == "no-cache"
    assert server.requests[0].headers["pragma"] == "no-cache"


def test_one_connection_serves_many_requests() -> None:
    with ScriptedServer([answer(), NEXT, answer(), NEXT, answer(404), NEXT, answer()]) as server:
        with client(server.url) as http:
            http.get(server.url)
            http.get(server.url)
            with pytest.raises(HttpStatusError):
                http.get(server.url)
            http.get(server.url)
        assert (server.connections, len(server.requests)) == (1, 4)


def test_many_threads_may_ask() -> None:
    def script(request: Request) -> list[object]:
        return [answer(200, request.target.encode())]

    with ScriptedServer(script) as server, client(server.url) as http, ThreadPoolExecutor(8) as pool:
        pages = pool.map(lambda number: http.get(f"{server.url}{number}").body, range(40))
        assert list(pages) == [f"/{number}".encode() for number in range(40)]


def test_cookies_are_not_kept() -> None:
    cookie = {"Set-Cookie": "session=1; Path=/", "Connection": "close"}
    with ScriptedServer([answer(200, b"", cookie)]) as server, client(server.url) as http:
        http.get(server.url)
        http.get(server.url)
    assert "cookie" not in server.requests[1].headers


def test_a_gzip_is_unpacked() -> None:
    assert got(answer(200, gzip.compress(b"hello"), {"Content-Encoding": "gzip"})) == b"hello"


# --- what is not a page ----------------------------------------------------------------------------


def test_a_status_is_told_with_what_the_server_said() -> None:
    with pytest.raises(HttpStatusError) as caught:
        got(answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"}))
    error = caught.value
    assert str(error) == f"{error.url} returned 403 Status: AccessDenied"
    assert (error.status, error.reason, error.excerpt, error.exit_code) == (403, "Status", "AccessDenied", 5)
    assert "may require a login" in error.hint


@pytest.mark.parametrize("status", [204, 206])
def test_any_success_is_a_page(status: int) -> None:
    assert got(answer(status, b"", {"Content-Length": "0"})) == b""


@pytest.mark.parametrize("status", [300, 304, 400, 404, 410, 418, 500, 599])
def test_any_other_status_is_none(status: int) -> None:
    with pytest.raises(HttpStatusError) as caught:
        got(answer(status))
    assert caught.value.status == status


def test_what_passes_is_asked_again_after_what_the_server_says() -> None:
    pauses: list[float] = []
    first = answer(503, b"", {"Retry-After": "3", "Connection": "close"})
    with (
        ScriptedServer([first], [RESET], [answer(200, b"ok")]) as server,
        client(server.url, retries=3, sleep=pauses.append) as http,
    ):
        assert http.get(server.url).body == b"ok"
    assert len(server.requests) == 3
    assert 3 <= pauses[0] <= 4


def test_an_error_page_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_response, "_EXCERPT_TIMEOUT", 0.2)
    began = time.monotonic()
    with pytest.raises(HttpStatusError, match="returned 404 Status"):
        got(answer(404, b"x", {"Content-Length": "9999", "Content-Type": "text/plain"}), HANG)
    assert time.monotonic() - began < 3


def test_an_error_page_that_is_a_bomb_is_cut() -> None:
    bomb = gzip.compress(bytes(2**26))
    with pytest.raises(HttpStatusError, match="returned 404 Status") as caught:
        got(answer(404, bomb, {"Content-Encoding": "gzip", "Content-Type": "text/plain"}))
    assert len(str(caught.value)) < 1500


def test_an_error_page_in_an_odd_coding_is_not_quoted() -> None:
    with pytest.raises(HttpStatusError) as caught:
        got(answer(404, b"x", {"Content-Encoding": "br", "Content-Type": "text/plain"}))
    assert caught.value.excerpt == ""


# --- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", ""])
def test_a_page_of_more_than_32_mib_is_given_up(coding: str) -> None:
    body = bytes(32 * 2**20 + 1)
    headers = {"Content-Encoding": coding} if coding else {}
    with pytest.raises(ListingError, match="returned more than 32 MiB"):
        got(answer(200, gzip.compress(body, 1) if coding else body, headers))


def test_brotli_was_not_asked_for() -> None:
    with pytest.raises(ListingError, match=r"returned a Content-Encoding that was not requested \(br\)"):
        got(answer(200, b"x", {"Content-Encoding": "br"}))


DRIP = [part for number in range(2000) for part in (b"x", 0.02)]


@pytest.mark.parametrize(
    "script",
    [
        [answer(200, b"", {"Content-Length": "99999"}), *DRIP],
        [b"HTTP/1.1 200 OK\r\nX-Drip: ", *DRIP],
        [answer(200, b"", {"Content-Length": "99999"}), HANG],
        [HANG],
    ],
    ids=["body", "headers", "silent body", "silent"],
)
def test_a_page_has_a_time_limit_in_all(script: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "PAGE_TIMEOUT", 0.5)
    began = time.monotonic()
    with pytest.raises(NetworkError, match="did not finish within 0 s") as caught:
        got(*script)
    assert time.monotonic() - began < 3
    assert not isinstance(caught.value, TransportError)


def test_a_page_is_given_up_by_the_clock_even_while_it_comes() -> None:
    times = iter(range(0, 10_000, 50))

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Pieces())

    class Pieces(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x"

    with (
        mocked(handler, clock=lambda: float(next(times))) as http,
        pytest.raises(NetworkError, match="did not finish within 120 s"),
    ):
        http.get(URL)


def test_silence_is_an_error_that_may_pass() -> None:
    with pytest.raises(
        TransportError, match=r"http://127.0.0.1:\d+/ stopped responding \(timed out\)"
    ) as caught:
        got(HANG, timeout=0.2)
    assert caught.value.details == ("tried 2 times",)


# --- what breaks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        [],
        [RESET],
        [b"SSH-2.0-OpenSSH_9.2\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", RESET],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
        [b"HTTP/1.1 999999 OK\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"],
        [answer(200, gzip.compress(b"hello")[:-4], {"Content-Encoding": "gzip"})],
    ],
)
def test_a_broken_answer_is_a_transport_error(script: list[object]) -> None:
    with pytest.raises(TransportError) as caught:
        got(*script)
    assert caught.value.details == ("tried 2 times",)
    assert "127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_connection(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}/"
    with client(url) as http, pytest.raises(TransportError) as caught:
        http.get(url)
    assert str(caught.value) == f"127.0.0.1:{unused_port} refuses connections"
    assert "Check that the server is running" in caught.value.hint


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("errno", "error", "message"),
    [
        (socket.EAI_NONAME, NetworkError, "the host nowhere.example does not exist"),
        (socket.EAI_AGAIN, TransportError, "the connection to nowhere.example broke: "),
    ],
)
@pytest.mark.parametrize("typed", [True, False])
def test_a_name_that_leads_nowhere(
    errno: int, error: type[NetworkError], message: str, typed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    url = "https://nowhere.example/"
    with client(*([url] if typed else [])) as http, pytest.raises(error, match=message) as caught:
        http.get(url)
    assert type(caught.value) is error


def test_a_host_that_never_accepts_is_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out", request=request)

    with mocked(handler) as http, pytest.raises(TransportError) as caught:
        http.get(URL)
    assert str(caught.value) == "staging.example does not accept connections (timed out)"


def test_http_where_tls_was_meant(tmp_path: Path) -> None:
    with nginx(tmp_path) as served:
        url = served.replace("http:", "https:")
        with client(url) as http, pytest.raises(NetworkError, match=r"127.0.0.1:\d+ does not use TLS"):
            http.get(url)


def test_tls_where_http_was_meant(tmp_path: Path) -> None:
    with ScriptedServer([answer()], tls=certificate(tmp_path).context()) as server:
        url = server.url.replace("https:", "http:")
        with client(url) as http, pytest.raises(TransportError):
            http.get(url)


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the certificates in .*none.pem: No such file"):
        HttpClient(verify=str(tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("x")
    with pytest.raises(UsageError, match=r"cannot read the certificates in .*bad.pem: "):
        HttpClient(verify=str(tmp_path / "bad.pem"))


def test_certificates_need_not_be_checked(tmp_path: Path) -> None:
    with (
        ScriptedServer([answer(200, b"ok")], tls=certificate(tmp_path, "DNS:x").context()) as server,
        client(server.url, verify=False) as http,
    ):
        assert http.get(server.url).body == b"ok"


# --- who may be asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("http://staging.example/", UsageError, "it is http, not https"),
        ("http://other.example/", NetworkError, "it is http, not https"),
        ("https://10.0.0.1/", NetworkError, "10.0.0.1 is a private address"),
        ("https://user:hunter22@other.example/", NetworkError, "it contains credentials"),
        ("nonsense", UsageError, "its scheme is missing"),
        ("https://x\x1b[2J/", UsageError, "it is not a URL"),
        ("https://\u2603.example/", UsageError, "its host is not a valid host name"),
        ("https://staging.example/\udc80", NetworkError, "cannot fetch "),
        ("https://staging.example/\x01", NetworkError, "cannot fetch "),
        ("https://\xaa.example/", UsageError, "its host is not a valid host name"),
    ],
)
def test_a_url_that_must_not_be_asked(url: str, error: type[Exception], message: str) -> None:
    with mocked(lambda _: httpx.Response(200)) as http, pytest.raises(error, match=message) as caught:
        http.get(url)
    assert "hunter22" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Make every name lead to ``addresses``; the names that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        leads_to = addresses if host.endswith(".example") else (host,)
        return [entry for address in leads_to for entry in real(address, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.parametrize(
    "addresses", [["127.0.0.2"], ["192.0.2.1", "127.0.0.2"], ["169.254.169.254"], ["::1"]]
)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer()], host="127.0.0.2") as server:
        resolving(monkeypatch, *addresses)
        url = f"https://rebound.example:{server.port}/"
        with client() as http, pytest.raises(NetworkError) as caught:
            http.get(url)
        assert server.connections == 0
    private = addresses[0]
    assert str(caught.value) == (
        f"refusing to connect to rebound.example:{server.port}: "
        f"rebound.example is {private}, a private address"
    )
    assert caught.value.hint == "--allow-host rebound.example permits it."


def test_a_name_that_the_person_typed_may_lead_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(200, b"ok")]) as server:
        resolving(monkeypatch, "127.0.0.1")
        url = f"http://inside.example:{server.port}/"
        with client(url, allow_insecure_hosts=["inside.example"]) as http:
            assert http.get(url).body == b"ok"


def test_the_address_that_was_judged_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(200, b"ok")], tls=None) as server:
        asked = resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(transport, "is_public_address", lambda _: True)
        backend = transport.GuardedBackend(lambda _, __: False)
        stream = backend.connect_tcp("public.example", server.port, 5.0)
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        stream.close()
        assert asked.count("public.example") == 1


# --- redirects -------------------------------------------------------------------------------------


def redirecting(*locations: str, status: int = 302) -> Callable[[httpx.Request], httpx.Response]:
    """Answers each request with the next location, then with the URL that was asked."""
    left = list(locations)

    def handler(request: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(status, headers={"Location": left.pop(0)})
        return httpx.Response(200, content=str(request.url))

    return handler


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "end"),
    [
        ("/other/", "https://staging.example/other/"),
        ("sub/", "https://staging.example/wheels/sub/"),
        ("https://staging.example/wheels/?page=1#top", "https://staging.example/wheels/?page=1"),
        ("//staging.example/x", "https://staging.example/x"),
    ],
)
def test_redirects_are_followed(status: int, location: str, end: str) -> None:
    with mocked(redirecting(location, status=status)) as http:
        page = http.get(URL)
    assert (page.url, page.text) == (end, end)


def test_five_redirects_are_the_most() -> None:
    with mocked(redirecting(*"abcde")) as http:
        assert http.get(URL).url == f"{URL}e"
    with mocked(redirecting(*"abcdef")) as http, pytest.raises(NetworkError, match="more than 5 times"):
        http.get(URL)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://staging.example/", "it downgrades https to http"),
        ("https://evil.example/", "it is on another host, evil.example"),
        ("https://127.0.0.1/", "127.0.0.1 is a private address"),
        ("https://user:hunter22@staging.example/", "it contains credentials"),
        ("file:///etc/passwd", "its scheme is file"),
        ("https://[x/", "it is not a URL"),
        ("https://evil.example/\x1b[2J", "it is on another host"),
    ],
)
def test_redirects_that_are_not_followed(location: str, reason: str) -> None:
    asked: list[str] = []
    handler = redirecting(location)

    def noting(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return handler(request)

    with mocked(noting) as http, pytest.raises(RedirectNotAllowed, match=reason) as caught:
        http.get(URL)
    assert asked == [URL]
    assert str(caught.value).startswith(f"{URL} redirects to ")
    assert "hunter22" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_from_https_to_http_is_never_followed() -> None:
    rules = {"allow_insecure_hosts": ["staging.example"]}
    with (
        mocked(redirecting("http://staging.example/"), **rules) as http,
        pytest.raises(NetworkError, match="it downgrades https to http"),
    ):
        http.get(URL)


def test_from_http_to_https_is_followed() -> None:
    with mocked(redirecting(URL), URL, allow_insecure_hosts=["staging.example"]) as http:
        assert http.get("http://staging.example/").url == URL


def test_a_redirect_to_a_loopback_neighbour_is_not_followed() -> None:
    with ScriptedServer([answer()], host="127.0.0.2") as other:
        script = [answer(302, b"", {"Location": other.url})]
        with ScriptedServer(script) as server, client(server.url) as http, pytest.raises(NetworkError):
            http.get(server.url)
        assert other.connections == 0


def test_a_redirect_without_location_is_a_status() -> None:
    with (
        mocked(lambda _: httpx.Response(302)) as http,
        pytest.raises(HttpStatusError, match="returned 302 Found"),
    ):
        http.get(URL)


def test_a_small_redirect_keeps_the_connection() -> None:
    moved = answer(301, b"moved", {"Location": "/x/"})
    with ScriptedServer([moved, NEXT, answer(200, b"ok")]) as server, client(server.url) as http:
        assert http.get(server.url).body == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize("length", ["999999", "99999999999", "x", "-1", ""])
def test_a_large_redirect_is_not_read(length: str) -> None:
    head = b"HTTP/1.1 301 Moved\r\nLocation: /x/\r\n"
    head += f"Content-Length: {length}\r\n\r\n".encode() if length.isdigit() else b"\r\n"
    with ScriptedServer([head, HANG], [answer(200, b"ok")]) as server, client(server.url) as http:
        assert http.get(server.url).body == b"ok"


# --- credentials -----------------------------------------------------------------------------------

LOGIN = {"WWW-Authenticate": 'Basic realm="x"'}


def guarded(request: Request) -> list[object]:
    wanted = "Basic " + base64.b64encode(b"me@x:p:ss w\xc3\xb6rd").decode()
    return [answer(200, b"ok") if request.headers.get("authorization") == wanted else answer(401, b"", LOGIN)]


def test_a_login_stands_in_the_url_that_was_typed() -> None:
    with ScriptedServer(guarded) as server:
        typed = server.url.replace("//", "//me%40x:p%3Ass%20w%C3%B6rd@")
        with client(typed) as http:
            assert http.get(typed).body == b"ok"
            assert http.get(typed).url == server.url
            assert http.get(f"{server.url}other").body == b"ok"
            with http.stream(f"{server.url}x", listing_url=server.url) as stream:
                assert b"".join(stream.iter_chunks()) == b"ok"
        with client(server.url) as http:
            http.add_credentials(server.url, "me@x", "p:ss w\xf6rd")
            assert http.get(server.url).body == b"ok"


def test_a_login_that_is_missing_or_refused_is_said() -> None:
    with ScriptedServer(guarded) as server:
        with client(server.url) as http, pytest.raises(CredentialsError) as caught:
            http.get(f"{server.url}wheels/")
        assert str(caught.value) == f"{server.url}wheels/ requires authentication"
        assert caught.value.hint == (
            f"Put the credentials into the URL (http://USER:PASSWORD@127.0.0.1:{server.port}/...), "
            "use --netrc, or set WHEEL_UPLOADER_URL_TOKEN."
        )
        typed = server.url.replace("//", "//me:hunter22@")
        with client(typed) as http, pytest.raises(CredentialsError) as caught:
            http.get(typed)
        assert str(caught.value) == f"{server.url} rejected the credentials of me"
        assert caught.value.exit_code == 4


def test_credentials_that_nobody_typed_are_not_used() -> None:
    with ScriptedServer(guarded) as server, client(server.url) as http:
        with pytest.raises(UsageError, match="it contains credentials"):
            http.get(server.url.replace("//", "//me:hunter22@"))
        assert server.requests == []


@pytest.mark.parametrize("other", ["127.0.0.1", "127.0.0.2"])
def test_a_login_and_headers_of_ours_do_not_follow_a_redirect(other: str) -> None:
    with ScriptedServer([answer(200, b"ok")], host=other) as storage:
        moved = answer(302, b"", {"Location": storage.url})
        with ScriptedServer([moved]) as server:
            allowed = [f"{other}:{storage.port}"]
            sent = {"X-Token": "t", "Authorization": "token t", "Range": "bytes=1-", "If-Range": '"e"'}
            with (
                client(server.url.replace("//", "//me:hunter22@"), allow_hosts=allowed) as http,
                http.stream(server.url, headers=sent) as stream,
            ):
                assert stream.url == storage.url
    assert "authorization" in server.requests[0].headers
    headers = storage.requests[0].headers
    assert not headers.keys() & {"authorization", "x-token"}
    assert (headers["range"], headers["if-range"]) == ("bytes=1-", '"e"')


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password hunter22\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with ScriptedServer([answer()]) as server, client(server.url) as http:
        http.get(server.url)
    assert "authorization" not in server.requests[0].headers


# --- proxies ---------------------------------------------------------------------------------------


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(200, b"ok")]) as proxy:
        monkeypatch.setenv("http_proxy", f"me:hunter22@127.0.0.1:{proxy.port}")
        url = "http://staging.example/wheels/"
        with client(url, allow_insecure_hosts=["staging.example"]) as http:
            assert http.get(url).body == b"ok"
    (request,) = proxy.requests
    assert request.target == url
    assert request.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:hunter22").decode()


def test_hosts_are_left_out_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer()]) as proxy, ScriptedServer([answer(200, b"ok")]) as server:
        monkeypatch.setenv("all_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with client(server.url) as http:
            assert http.get(server.url).body == b"ok"
        assert proxy.connections == 0


def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(407, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with (
            client(URL) as http,
            pytest.raises(NetworkError, match=r"the proxy cannot reach staging.example"),
        ):
            http.get(URL)
    assert proxy.requests[0].method == "CONNECT"


PINNED: dict[str, Any] = {"listing_url": URL, "has_trusted_digest": True}


@pytest.mark.parametrize(
    "link",
    [
        "https://rebound.example/x.whl",
        "https://localhost/x.whl",
        "https://wiki/x.whl",
        "https://Wiki.Corp./x.whl",
        "https://db.home.arpa:8443/x.whl",
        "https://2130706433/x.whl",
        "https://0x7f.1/x.whl",
        "https://[::ffff:10.0.0.1]/x.whl",
        "https://[64:ff9b::a00:1]/x.whl",
    ],
)
def test_a_proxy_is_not_asked_for_a_private_host_that_a_listing_pins(
    link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer(407, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        resolving(monkeypatch, "10.1.2.3")
        with client(URL) as http, pytest.raises(NetworkError, match="private"), http.stream(link, **PINNED):
            pass
    assert proxy.connections == 0


@pytest.mark.parametrize("addresses", [["1.1.1.1"], ["198.18.0.7"], []])
def test_a_proxy_is_asked_for_a_pinned_host_that_is_not_known_as_private(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy this machine may know no name, or have an address that stands for any."""
    resolving(monkeypatch, *addresses)
    asks_the_proxy_for_a_pinned_host(monkeypatch)


def test_a_resolver_that_is_silent_behind_a_proxy_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, real = threading.Event(), socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host == "files.example":
            ended.wait(30)
        return real(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(proxies, "_LOOKUP_TIMEOUT", 0.2)
    began = time.monotonic()
    asks_the_proxy_for_a_pinned_host(monkeypatch)
    ended.set()
    assert time.monotonic() - began < 20


def asks_the_proxy_for_a_pinned_host(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(407, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with (
            client(URL) as http,
            pytest.raises(NetworkError, match="the proxy cannot reach"),
            http.stream("https://files.example/x.whl", **PINNED),
        ):
            pass
    assert proxy.requests[0].target == "files.example:443"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_pinned_link_to_another_port_of_a_private_host_that_was_typed_is_not_fetched(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, "127.0.0.1")
    with ScriptedServer([answer(200, b"ok")]) as typed, ScriptedServer([answer(200, b"secret")]) as other:
        for host in ("127.0.0.1", "inside.example", "127.1"):
            page = f"http://{host}:{typed.port}/"
            link = f"{scheme}://{host}:{other.port}/x.whl"
            allowed = [f"inside.example:{typed.port}"]
            with (
                client(page, allow_insecure_hosts=allowed) as http,
                pytest.raises(NetworkError, match=r"another port|private address|it is http"),
                http.stream(link, listing_url=page, has_trusted_digest=True),
            ):
                pass
        assert other.connections == 0


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:70", "http://x:y", "socks5://127.0.0.1:1080"])
def test_a_proxy_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(UsageError, match=r"the proxy .* (is invalid|needs a package)"):
        HttpClient()


# --- streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 206, 304, 416])
def test_a_stream_is_given_as_it_is(status: int) -> None:
    body = b"" if status == 304 else b"12345"
    script = [answer(status, body, {"ETag": '"e"', "Content-Type": "application/zip"})]
    with (
        ScriptedServer(script) as server,
        client(server.url) as http,
        http.stream(server.url, headers={"Range": "bytes=5-"}) as stream,
    ):
        assert (stream.status, stream.headers["etag"]) == (status, '"e"')
        assert (stream.url, stream.content_type) == (server.url, "application/zip")
        assert b"".join(stream.iter_chunks()) == body
    assert server.requests[0].headers["accept-encoding"] == "identity"
    assert server.requests[0].headers["range"] == "bytes=5-"


def test_other_statuses_of_a_stream_are_errors() -> None:
    with (
        ScriptedServer([answer(404, b"gone", {"Content-Type": "text/plain"})]) as server,
        client(server.url) as http,
        pytest.raises(HttpStatusError, match="returned 404 Status: gone"),
        http.stream(server.url),
    ):
        pytest.fail("there is no stream")
    assert len(server.requests) == 1


def test_a_stream_is_not_unpacked() -> None:
    packed = gzip.compress(b"hello")
    with (
        ScriptedServer([answer(200, packed, {"Content-Encoding": "gzip"})]) as server,
        client(server.url) as http,
        http.stream(server.url) as stream,
    ):
        assert b"".join(stream.iter_chunks()) == packed


def test_chunks_are_as_large_as_was_asked() -> None:
    with (
        ScriptedServer([answer(200, bytes(1_000_000))]) as server,
        client(server.url) as http,
        http.stream(server.url) as stream,
    ):
        sizes = [len(chunk) for chunk in stream.iter_chunks(200_000)]
    assert sum(sizes) == 1_000_000
    assert all(size >= 200_000 for size in sizes[:-1])


@pytest.mark.parametrize("end", [b"", RESET])
def test_what_came_before_a_cut_is_given(end: object) -> None:
    script = [answer(200, b"12345", {"Content-Length": "10"}), 0.2, end]
    with ScriptedServer(script) as server, client(server.url) as http, http.stream(server.url) as stream:
        chunks = stream.iter_chunks()
        assert next(chunks) == b"12345"
        with pytest.raises(TransportError):
            next(chunks)


def test_a_cut_before_any_byte_is_one_too() -> None:
    with (
        ScriptedServer([answer(200, b"", {"Content-Length": "10"})]) as server,
        client(server.url) as http,
        http.stream(server.url) as stream,
        pytest.raises(TransportError, match="cut short"),
    ):
        next(stream.iter_chunks())


def test_a_stream_may_be_left_early() -> None:
    with (
        ScriptedServer([answer(200, bytes(10_000_000))], [answer(200, b"ok")]) as server,
        client(server.url) as http,
    ):
        with http.stream(server.url) as stream:
            next(stream.iter_chunks())
        assert http.get(server.url).body == b"ok"


def test_the_way_to_a_stream_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "CONNECT_TIMEOUT", 0.1)
    began = time.monotonic()
    with (
        ScriptedServer([b"HTTP/1.1 200 OK\r\nX-Drip: ", *DRIP]) as server,
        client(server.url, timeout=0.3) as http,
        pytest.raises(TransportError, match="stopped responding"),
        http.stream(server.url),
    ):
        pytest.fail("there is no stream")
    assert time.monotonic() - began < 3


def test_the_body_of_a_stream_has_none_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "CONNECT_TIMEOUT", 0.1)
    slow = [part for _ in range(12) for part in (b"x", 0.1)]
    script = [answer(200, b"", {"Content-Length": "12"}), *slow]
    with (
        ScriptedServer(script) as server,
        client(server.url, timeout=0.4) as http,
        http.stream(server.url) as stream,
    ):
        assert b"".join(stream.iter_chunks()) == b"x" * 12


class Dribble(httpx.SyncByteStream):
    """A body in pieces of ``size`` bytes, for each of which a clock goes on by ``seconds``."""

    def __init__(self, clock: list[float], size: int, seconds: float, number: int) -> None:
        self.clock, self.size, self.seconds, self.number = clock, size, seconds, number

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.number):
            self.clock[0] += self.seconds
            yield bytes(self.size)


@pytest.mark.parametrize(
    ("size", "seconds", "slow"),
    [(1, 20.0, True), (1000, 1.0, True), (1025, 1.0, False), (70_000, 60.0, False)],
)
def test_less_than_a_kibibyte_a_second_is_too_slow(size: int, seconds: float, slow: bool) -> None:
    clock = [0.0]
    body = Dribble(clock, size, seconds, 200)
    with (
        mocked(lambda _: httpx.Response(200, stream=body), clock=lambda: clock[0]) as http,
        http.stream(URL) as stream,
    ):
        if slow:
            with pytest.raises(TransportError, match="bytes in 60 s, which is too slow"):
                list(stream.iter_chunks())
        else:
            assert sum(map(len, stream.iter_chunks())) == 200 * size


def test_a_slow_disk_is_not_the_servers_fault() -> None:
    clock = [0.0]
    body = Dribble(clock, 10, 0.0, 5)
    received = 0
    with (
        mocked(lambda _: httpx.Response(200, stream=body), clock=lambda: clock[0]) as http,
        http.stream(URL) as stream,
    ):
        for chunk in stream.iter_chunks(1):
            received += len(chunk)
            clock[0] += 100
    assert received == 50


@pytest.mark.parametrize(
    ("url", "pinned", "reason"),
    [
        ("https://evil.example/x.whl", False, "it is on another host"),
        ("http://staging.example/x.whl", True, "it is http, not https"),
        ("https://10.0.0.1/x.whl", True, "10.0.0.1 is a private address"),
        ("https://u:hunter22@staging.example/x.whl", True, "it contains credentials"),
    ],
)
def test_a_link_that_is_not_allowed_is_not_streamed(url: str, pinned: bool, reason: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        pytest.fail("it was asked for")

    with (
        mocked(handler) as http,
        pytest.raises(NetworkError, match=rf"^refusing to fetch https?://\S+: {reason}") as caught,
        http.stream(url, listing_url=URL, has_trusted_digest=pinned),
    ):
        pytest.fail("there is no stream")
    assert "hunter22" not in str(caught.value)


def test_a_pinned_file_may_be_redirected_anywhere_public() -> None:
    with mocked(redirecting("https://storage.example/x")) as http:
        with http.stream(f"{URL}x", listing_url=URL, has_trusted_digest=True) as stream:
            assert stream.url == "https://storage.example/x"
        assert (
            http.link_rejection("https://storage.example/x", listing_url=URL, has_trusted_digest=True) == ""
        )
    with (
        mocked(redirecting("https://storage.example/x")) as http,
        pytest.raises(RedirectNotAllowed),
        http.stream(f"{URL}x", listing_url=URL),
    ):
        pytest.fail("there is no stream")


def test_the_limit_of_one_thread_is_not_that_of_another() -> None:
    with ScriptedServer([answer(200, b"ok")]) as server, client(server.url) as http:
        with transport.request_deadline(0):
            with pytest.raises(TransportError):
                http.get(server.url)
            thread = threading.Thread(target=lambda: bodies.append(http.get(server.url).body))
            bodies: list[bytes] = []
            thread.start()
            thread.join()
        assert bodies == [b"ok"]
        assert http.get(server.url).body == b"ok"
