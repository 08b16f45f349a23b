"""GET requests to misbehaving servers: limits, redirects, credentials, proxies and error messages."""

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

import pytest

from tools.testing.scripted import HANG, NEXT, RESET, Request, ScriptedServer, answer
from tools.testing.servers import certificate, nginx
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
from wheel_uploader.http import client as http_client
from wheel_uploader.http import proxies, transport
from wheel_uploader.http import response as http_response
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx

URL = "https://staging.example/wheels/"


def make_client(*user_urls: str, **options: Any) -> HttpClient:
    """Return a client that does not sleep between attempts."""
    return HttpClient(
        **{"user_urls": user_urls, "sleep": lambda _: None, "retries": 2, "timeout": 5.0, **options}
    )


def mock_client(
    handler: Callable[[httpx.Request], httpx.Response], *user_urls: str, **options: Any
) -> HttpClient:
    return make_client(*(user_urls or (URL,)), transport=httpx.MockTransport(handler), **options)


def get_body(*script: object, **options: Any) -> bytes:
    """Return the body that ``get`` reads from a server that repeats the script for every attempt."""
    with ScriptedServer(script) as server, make_client(server.url, **options) as http:
        return http.get(server.url).body


# --- requests --------------------------------------------------------------------------------------


def test_page_has_all_parts_of_the_response() -> None:
    body = b"<a href='x'>\xc3\xbc</a>"
    with ScriptedServer(
        [answer(200, body, {"Content-Type": "Text/HTML; charset=utf-8", "X-Y": "1"})]
    ) as server:
        with make_client(server.url) as http:
            page = http.get(f"{server.url}wheels/?a=1#top", accept="text/html", headers={"X-Mine": "2"})
        (request,) = server.requests
    assert (page.url, page.status, page.content_type) == (f"{server.url}wheels/?a=1#top", 200, "text/html")
    assert (page.body, page.text, page.headers["x-y"]) == (body, "<a href='x'>\xfc</a>", "1")
    assert (request.method, request.target) == ("GET", "/wheels/?a=1")
    assert request.headers["user-agent"] == f"wheel-uploader/{__version__}"
    assert (request.headers["accept"], request.headers["x-mine"]) == ("text/html", "2")
    assert request.headers["accept-encoding"] == "gzip"
    assert not request.headers.keys() & {"authorization", "cookie", "cache-control"}


def test_no_cache_asks_caches_to_revalidate() -> None:
    with ScriptedServer([answer()]) as server, make_client(server.url) as http:
        http.get(server.url, no_cache=True)
    assert server.requests[0].headers["cache-control"] == "no-cache"
    assert server.requests[0].headers["pragma"] == "no-cache"


def test_reuses_the_connection() -> None:
    with ScriptedServer([answer(), NEXT, answer(), NEXT, answer(404), NEXT, answer()]) as server:
        with make_client(server.url) as http:
            http.get(server.url)
            http.get(server.url)
            with pytest.raises(HttpStatusError):
                http.get(server.url)
            http.get(server.url)
        assert (server.connections, len(server.requests)) == (1, 4)


def test_threads_can_share_a_client() -> None:
    def script(request: Request) -> list[object]:
        return [answer(200, request.target.encode())]

    with ScriptedServer(script) as server, make_client(server.url) as http, ThreadPoolExecutor(8) as pool:
        pages = pool.map(lambda number: http.get(f"{server.url}{number}").body, range(40))
        assert list(pages) == [f"/{number}".encode() for number in range(40)]


def test_does_not_keep_cookies() -> None:
    cookie = {"Set-Cookie": "session=1; Path=/", "Connection": "close"}
    with ScriptedServer([answer(200, b"", cookie)]) as server, make_client(server.url) as http:
        http.get(server.url)
        http.get(server.url)
    assert "cookie" not in server.requests[1].headers


def test_decompresses_gzip() -> None:
    assert get_body(answer(200, gzip.compress(b"hello"), {"Content-Encoding": "gzip"})) == b"hello"


# --- errors ----------------------------------------------------------------------------------------


def test_status_error_quotes_the_server() -> None:
    with pytest.raises(HttpStatusError) as caught:
        get_body(
            answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})
        )
    error = caught.value
    assert str(error) == f"{error.url} returned 403 Status: AccessDenied"
    assert (error.status, error.reason, error.excerpt, error.exit_code) == (403, "Status", "AccessDenied", 5)
    assert "may require a login" in error.hint


def test_a_page_may_come_from_a_transforming_proxy() -> None:
    assert get_body(answer(203, b"x")) == b"x"


@pytest.mark.parametrize("status", [201, 202, 204, 205, 206, 226, 300, 304, 400, 404, 410, 418, 500, 599])
def test_any_status_without_a_whole_page_is_an_error(status: int) -> None:
    with pytest.raises(HttpStatusError) as caught:
        get_body(answer(status))
    assert caught.value.status == status


def test_retries_transient_errors_after_retry_after() -> None:
    pauses: list[float] = []
    first = answer(503, b"", {"Retry-After": "3", "Connection": "close"})
    with (
        ScriptedServer([first], [RESET], [answer(200, b"ok")]) as server,
        make_client(server.url, retries=3, sleep=pauses.append) as http,
    ):
        assert http.get(server.url).body == b"ok"
    assert len(server.requests) == 3
    assert 3 <= pauses[0] <= 4


def test_does_not_wait_for_an_endless_error_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_response, "_EXCERPT_TIMEOUT", 0.2)
    began = time.monotonic()
    with pytest.raises(HttpStatusError, match="returned 404 Status"):
        get_body(answer(404, b"x", {"Content-Length": "9999", "Content-Type": "text/plain"}), HANG)
    assert time.monotonic() - began < 3


def test_shortens_an_error_page_that_is_a_bomb() -> None:
    bomb = gzip.compress(bytes(2**26))
    with pytest.raises(HttpStatusError, match="returned 404 Status") as caught:
        get_body(answer(404, bomb, {"Content-Encoding": "gzip", "Content-Type": "text/plain"}))
    assert len(str(caught.value)) < 1500


def test_does_not_quote_an_error_page_in_an_unknown_coding() -> None:
    with pytest.raises(HttpStatusError) as caught:
        get_body(answer(404, b"x", {"Content-Encoding": "br", "Content-Type": "text/plain"}))
    assert caught.value.excerpt == ""


# --- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", ""])
def test_rejects_a_page_of_more_than_32_mib(coding: str) -> None:
    body = bytes(32 * 2**20 + 1)
    headers = {"Content-Encoding": coding} if coding else {}
    with pytest.raises(ListingError, match="returned more than 32 MiB"):
        get_body(answer(200, gzip.compress(body, 1) if coding else body, headers))


def test_rejects_brotli() -> None:
    with pytest.raises(ListingError, match=r"returned a Content-Encoding that was not requested \(br\)"):
        get_body(answer(200, b"x", {"Content-Encoding": "br"}))


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
def test_page_has_a_total_time_limit(script: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "PAGE_TIMEOUT", 0.5)
    began = time.monotonic()
    with pytest.raises(NetworkError, match=r"did not finish within 0\.5 s") as caught:
        get_body(*script)
    assert time.monotonic() - began < 3
    assert not isinstance(caught.value, TransportError)


def test_time_limit_applies_while_data_arrives() -> None:
    times = iter(range(0, 10_000, 50))

    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=EndlessStream())

    class EndlessStream(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x"

    with (
        mock_client(handler, clock=lambda: float(next(times))) as http,
        pytest.raises(NetworkError, match="did not finish within 2 min"),
    ):
        http.get(URL)


def test_silent_server_is_a_transport_error() -> None:
    with pytest.raises(
        TransportError, match=r"http://127.0.0.1:\d+/ stopped responding \(timed out\)"
    ) as caught:
        get_body(HANG, timeout=0.2)
    assert caught.value.details == ("tried 2 times",)


# --- broken connections ----------------------------------------------------------------------------


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
def test_broken_response_is_a_transport_error(script: list[object]) -> None:
    with pytest.raises(TransportError) as caught:
        get_body(*script)
    assert caught.value.details == ("tried 2 times",)
    assert "127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_reports_a_refused_connection(unused_port: int) -> None:
    url = f"http://127.0.0.1:{unused_port}/"
    with make_client(url) as http, pytest.raises(TransportError) as caught:
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
@pytest.mark.parametrize("is_user_url", [True, False])
def test_reports_an_unresolvable_host(
    errno: int, error: type[NetworkError], message: str, is_user_url: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(errno, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    url = "https://nowhere.example/"
    with make_client(*([url] if is_user_url else [])) as http, pytest.raises(error, match=message) as caught:
        http.get(url)
    assert type(caught.value) is error


def test_connecting_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("timed out", request=request)

    with mock_client(handler) as http, pytest.raises(TransportError) as caught:
        http.get(URL)
    assert str(caught.value) == "staging.example does not accept connections (timed out)"


def test_reports_a_server_without_tls(tmp_path: Path) -> None:
    with nginx(tmp_path) as http_url:
        url = http_url.replace("http:", "https:")
        with make_client(url) as http, pytest.raises(NetworkError, match=r"127.0.0.1:\d+ does not use TLS"):
            http.get(url)


def test_reports_http_to_a_tls_server(tmp_path: Path) -> None:
    with ScriptedServer([answer()], tls=certificate(tmp_path).context()) as server:
        url = server.url.replace("https:", "http:")
        with make_client(url) as http, pytest.raises(TransportError):
            http.get(url)


def test_reports_unreadable_certificates(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the certificates in .*none.pem: No such file"):
        HttpClient(verify=str(tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("x")
    with pytest.raises(UsageError, match=r"cannot read the certificates in .*bad.pem: "):
        HttpClient(verify=str(tmp_path / "bad.pem"))


def test_verification_can_be_disabled(tmp_path: Path) -> None:
    with (
        ScriptedServer([answer(200, b"ok")], tls=certificate(tmp_path, "DNS:x").context()) as server,
        make_client(server.url, verify=False) as http,
    ):
        assert http.get(server.url).body == b"ok"


# --- allowed hosts ---------------------------------------------------------------------------------


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
def test_rejects_forbidden_urls(url: str, error: type[Exception], message: str) -> None:
    with mock_client(lambda _: httpx.Response(200)) as http, pytest.raises(error, match=message) as caught:
        http.get(url)
    assert "hunter22" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Resolve every name to ``addresses`` and return a log of the resolved names."""
    resolved: list[str] = []
    real_getaddrinfo = socket.getaddrinfo

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        resolved.append(host)
        targets = addresses if host.endswith(".example") else (host,)
        return [
            entry for address in targets for entry in real_getaddrinfo(address, port, type=socket.SOCK_STREAM)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return resolved


@pytest.mark.parametrize(
    "addresses", [["127.0.0.2"], ["192.0.2.1", "127.0.0.2"], ["169.254.169.254"], ["::1"]]
)
def test_does_not_connect_to_a_name_with_a_private_address(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer()], host="127.0.0.2") as server:
        resolve_to(monkeypatch, *addresses)
        url = f"https://rebound.example:{server.port}/"
        with make_client() as http, pytest.raises(NetworkError) as caught:
            http.get(url)
        assert server.connections == 0
    private = addresses[0]
    assert str(caught.value) == (
        f"refusing to connect to rebound.example:{server.port}: "
        f"rebound.example is {private}, a private address"
    )
    assert caught.value.hint == "--allow-host rebound.example permits it."


def test_user_url_may_resolve_to_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(200, b"ok")]) as server:
        resolve_to(monkeypatch, "127.0.0.1")
        url = f"http://inside.example:{server.port}/"
        with make_client(url, allow_insecure_hosts=["inside.example"]) as http:
            assert http.get(url).body == b"ok"


def test_connects_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(200, b"ok")], tls=None) as server:
        resolved = resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(transport, "is_public_address", lambda _: True)
        backend = transport.GuardedBackend(lambda _, __: False)
        stream = backend.connect_tcp("public.example", server.port, 5.0)
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
        stream.close()
        assert resolved.count("public.example") == 1


# --- redirects -------------------------------------------------------------------------------------


def redirect_to(*locations: str, status: int = 302) -> Callable[[httpx.Request], httpx.Response]:
    """Return a handler that redirects to each location in turn, then returns the requested URL."""
    remaining = list(locations)

    def handler(request: httpx.Request) -> httpx.Response:
        if remaining:
            return httpx.Response(status, headers={"Location": remaining.pop(0)})
        return httpx.Response(200, content=str(request.url))

    return handler


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "final_url"),
    [
        ("/other/", "https://staging.example/other/"),
        ("sub/", "https://staging.example/wheels/sub/"),
        ("https://staging.example/wheels/?page=1#top", "https://staging.example/wheels/?page=1"),
        ("//staging.example/x", "https://staging.example/x"),
    ],
)
def test_follows_redirects(status: int, location: str, final_url: str) -> None:
    with mock_client(redirect_to(location, status=status)) as http:
        page = http.get(URL)
    assert (page.url, page.text) == (final_url, final_url)


def test_follows_at_most_five_redirects() -> None:
    with mock_client(redirect_to(*"abcde")) as http:
        assert http.get(URL).url == f"{URL}e"
    with mock_client(redirect_to(*"abcdef")) as http, pytest.raises(NetworkError, match="more than 5 times"):
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
def test_does_not_follow_forbidden_redirects(location: str, reason: str) -> None:
    requested: list[str] = []
    handler = redirect_to(location)

    def record_request(request: httpx.Request) -> httpx.Response:
        requested.append(str(request.url))
        return handler(request)

    with mock_client(record_request) as http, pytest.raises(RedirectNotAllowed, match=reason) as caught:
        http.get(URL)
    assert requested == [URL]
    assert str(caught.value).startswith(f"{URL} redirects to ")
    assert "hunter22" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_never_follows_a_redirect_from_https_to_http() -> None:
    rules = {"allow_insecure_hosts": ["staging.example"]}
    with (
        mock_client(redirect_to("http://staging.example/"), **rules) as http,
        pytest.raises(NetworkError, match="it downgrades https to http"),
    ):
        http.get(URL)


def test_follows_a_redirect_from_http_to_https() -> None:
    with mock_client(redirect_to(URL), URL, allow_insecure_hosts=["staging.example"]) as http:
        assert http.get("http://staging.example/").url == URL


def test_does_not_follow_a_redirect_to_another_loopback_address() -> None:
    with ScriptedServer([answer()], host="127.0.0.2") as other:
        script = [answer(302, b"", {"Location": other.url})]
        with ScriptedServer(script) as server, make_client(server.url) as http, pytest.raises(NetworkError):
            http.get(server.url)
        assert other.connections == 0


def test_redirect_without_location_is_a_status_error() -> None:
    with (
        mock_client(lambda _: httpx.Response(302)) as http,
        pytest.raises(HttpStatusError, match="returned 302 Found"),
    ):
        http.get(URL)


@pytest.mark.parametrize("size", [2, 4, 100])
def test_the_beginning_of_a_short_body_keeps_the_connection(size: int) -> None:
    part = answer(206, b"PK\3\4", {"Content-Range": "bytes 0-3/1000"})
    with ScriptedServer([part, NEXT, part, NEXT, part]) as server, make_client(server.url) as http:
        for _ in range(3):
            with http.stream(server.url) as response:
                assert response.read_beginning(size) == b"PK\3\4"[:size]
        assert server.connections == 1


def test_reads_only_the_beginning_of_a_large_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nPK\3\4"
    with ScriptedServer([head, HANG], [answer(200, b"ok")]) as server, make_client(server.url) as http:
        with http.stream(server.url) as response:
            assert response.read_beginning(4) == b"PK\3\4"
        assert http.get(server.url).body == b"ok"


def test_small_redirect_keeps_the_connection() -> None:
    moved = answer(301, b"moved", {"Location": "/x/"})
    with ScriptedServer([moved, NEXT, answer(200, b"ok")]) as server, make_client(server.url) as http:
        assert http.get(server.url).body == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize("length", ["999999", "99999999999", "x", "-1", ""])
def test_does_not_read_the_body_of_a_large_redirect(length: str) -> None:
    head = b"HTTP/1.1 301 Moved\r\nLocation: /x/\r\n"
    head += f"Content-Length: {length}\r\n\r\n".encode() if length.isdigit() else b"\r\n"
    with ScriptedServer([head, HANG], [answer(200, b"ok")]) as server, make_client(server.url) as http:
        assert http.get(server.url).body == b"ok"


# --- credentials -----------------------------------------------------------------------------------

LOGIN = {"WWW-Authenticate": 'Basic realm="x"'}


def require_login(request: Request) -> list[object]:
    expected = "Basic " + base64.b64encode(b"me@x:p:ss w\xc3\xb6rd").decode()
    return [
        answer(200, b"ok") if request.headers.get("authorization") == expected else answer(401, b"", LOGIN)
    ]


def test_uses_the_credentials_in_a_user_url() -> None:
    with ScriptedServer(require_login) as server:
        url = server.url.replace("//", "//me%40x:p%3Ass%20w%C3%B6rd@")
        with make_client(url) as http:
            assert http.get(url).body == b"ok"
            assert http.get(url).url == server.url
            assert http.get(f"{server.url}other").body == b"ok"
            with http.stream(f"{server.url}x", listing_url=server.url) as stream:
                assert b"".join(stream.iter_chunks()) == b"ok"
        with make_client(server.url) as http:
            http.add_credentials(server.url, "me@x", "p:ss w\xf6rd")
            assert http.get(server.url).body == b"ok"


def test_reports_missing_and_rejected_credentials() -> None:
    with ScriptedServer(require_login) as server:
        with make_client(server.url) as http, pytest.raises(CredentialsError) as caught:
            http.get(f"{server.url}wheels/")
        assert str(caught.value) == f"{server.url}wheels/ requires authentication"
        assert caught.value.hint == (
            f"Put the credentials into the URL (http://USER:PASSWORD@127.0.0.1:{server.port}/...), "
            "use --netrc, or set WHEEL_UPLOADER_URL_TOKEN."
        )
        url = server.url.replace("//", "//me:hunter22@")
        with make_client(url) as http, pytest.raises(CredentialsError) as caught:
            http.get(url)
        assert str(caught.value) == f"{server.url} rejected the credentials of me"
        assert caught.value.exit_code == 4


def test_does_not_use_credentials_of_other_urls() -> None:
    with ScriptedServer(require_login) as server, make_client(server.url) as http:
        with pytest.raises(UsageError, match="it contains credentials"):
            http.get(server.url.replace("//", "//me:hunter22@"))
        assert server.requests == []


@pytest.mark.parametrize("other", ["127.0.0.1", "127.0.0.2"])
def test_does_not_send_credentials_after_a_redirect(other: str) -> None:
    with ScriptedServer([answer(200, b"ok")], host=other) as storage:
        moved = answer(302, b"", {"Location": storage.url})
        with ScriptedServer([moved]) as server:
            allowed = [f"{other}:{storage.port}"]
            sent = {"X-Token": "t", "Authorization": "token t", "Range": "bytes=1-", "If-Range": '"e"'}
            with (
                make_client(server.url.replace("//", "//me:hunter22@"), allow_hosts=allowed) as http,
                http.stream(server.url, headers=sent) as stream,
            ):
                assert stream.url == storage.url
    assert "authorization" in server.requests[0].headers
    headers = storage.requests[0].headers
    assert not headers.keys() & {"authorization", "x-token"}
    assert (headers["range"], headers["if-range"]) == ("bytes=1-", '"e"')


def test_does_not_read_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password hunter22\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with ScriptedServer([answer()]) as server, make_client(server.url) as http:
        http.get(server.url)
    assert "authorization" not in server.requests[0].headers


# --- proxies ---------------------------------------------------------------------------------------


def test_uses_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(200, b"ok")]) as proxy:
        monkeypatch.setenv("http_proxy", f"me:hunter22@127.0.0.1:{proxy.port}")
        url = "http://staging.example/wheels/"
        with make_client(url, allow_insecure_hosts=["staging.example"]) as http:
            assert http.get(url).body == b"ok"
    (request,) = proxy.requests
    assert request.target == url
    assert request.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:hunter22").decode()


def test_no_proxy_excludes_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer()]) as proxy, ScriptedServer([answer(200, b"ok")]) as server:
        monkeypatch.setenv("all_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with make_client(server.url) as http:
            assert http.get(server.url).body == b"ok"
        assert proxy.connections == 0


def test_reports_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(407, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with (
            make_client(URL) as http,
            pytest.raises(CredentialsError, match=rf"^the proxy {proxy.url[:-1]} requires a login"),
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
def test_does_not_send_private_hosts_of_listed_files_to_a_proxy(
    link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer(407, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        resolve_to(monkeypatch, "10.1.2.3")
        with (
            make_client(URL) as http,
            pytest.raises(NetworkError, match="private"),
            http.stream(link, **PINNED),
        ):
            pass
    assert proxy.connections == 0


@pytest.mark.parametrize("addresses", [["1.1.1.1"], ["198.18.0.7"], []])
def test_sends_other_hosts_of_listed_files_to_a_proxy(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy, this machine may resolve no names, or all names to one address."""
    resolve_to(monkeypatch, *addresses)
    check_that_the_proxy_is_used(monkeypatch)


def test_does_not_wait_for_a_silent_resolver_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, real_getaddrinfo = threading.Event(), socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host == "files.example":
            ended.wait(30)
        return real_getaddrinfo(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(proxies, "_LOOKUP_TIMEOUT", 0.2)
    began = time.monotonic()
    check_that_the_proxy_is_used(monkeypatch)
    ended.set()
    assert time.monotonic() - began < 20


def check_that_the_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(502, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with (
            make_client(URL) as http,
            pytest.raises(TransportError, match=r"the proxy .* cannot reach files.example: it answered 502"),
            http.stream("https://files.example/x.whl", **PINNED),
        ):
            pass
    assert proxy.requests[0].target == "files.example:443"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_does_not_fetch_from_another_port_of_a_private_user_host(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    with ScriptedServer([answer(200, b"ok")]) as server, ScriptedServer([answer(200, b"secret")]) as other:
        for host in ("127.0.0.1", "inside.example", "127.1"):
            page = f"http://{host}:{server.port}/"
            link = f"{scheme}://{host}:{other.port}/x.whl"
            allowed = [f"inside.example:{server.port}"]
            with (
                make_client(page, allow_insecure_hosts=allowed) as http,
                pytest.raises(NetworkError, match=r"another port|private address|it is http"),
                http.stream(link, listing_url=page, has_trusted_digest=True),
            ):
                pass
        assert other.connections == 0


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:70", "http://x:y", "socks4://127.0.0.1:1", "http://"])
def test_rejects_invalid_proxies(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(UsageError, match=r"the proxy .* is invalid"):
        HttpClient()


# --- streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 206, 304, 416])
def test_stream_has_the_response_unchanged(status: int) -> None:
    body = b"" if status == 304 else b"12345"
    script = [answer(status, body, {"ETag": '"e"', "Content-Type": "application/zip"})]
    with (
        ScriptedServer(script) as server,
        make_client(server.url) as http,
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
        make_client(server.url) as http,
        pytest.raises(HttpStatusError, match="returned 404 Status: gone"),
        http.stream(server.url),
    ):
        pytest.fail("a stream was opened")
    assert len(server.requests) == 1


def test_does_not_decompress_a_stream() -> None:
    packed = gzip.compress(b"hello")
    with (
        ScriptedServer([answer(200, packed, {"Content-Encoding": "gzip"})]) as server,
        make_client(server.url) as http,
        http.stream(server.url) as stream,
    ):
        assert b"".join(stream.iter_chunks()) == packed


def test_chunks_have_the_requested_size() -> None:
    with (
        ScriptedServer([answer(200, bytes(1_000_000))]) as server,
        make_client(server.url) as http,
        http.stream(server.url) as stream,
    ):
        sizes = [len(chunk) for chunk in stream.iter_chunks(200_000)]
    assert sum(sizes) == 1_000_000
    assert all(size >= 200_000 for size in sizes[:-1])


@pytest.mark.parametrize("end", [b"", RESET])
def test_yields_the_data_before_a_cut(end: object) -> None:
    script = [answer(200, b"12345", {"Content-Length": "10"}), 0.2, end]
    with ScriptedServer(script) as server, make_client(server.url) as http, http.stream(server.url) as stream:
        chunks = stream.iter_chunks()
        assert next(chunks) == b"12345"
        with pytest.raises(TransportError):
            next(chunks)


def test_reports_a_cut_before_the_first_byte() -> None:
    with (
        ScriptedServer([answer(200, b"", {"Content-Length": "10"})]) as server,
        make_client(server.url) as http,
        http.stream(server.url) as stream,
        pytest.raises(TransportError, match="cut short"),
    ):
        next(stream.iter_chunks())


def test_stream_can_be_closed_early() -> None:
    with (
        ScriptedServer([answer(200, bytes(10_000_000))], [answer(200, b"ok")]) as server,
        make_client(server.url) as http,
    ):
        with http.stream(server.url) as stream:
            next(stream.iter_chunks())
        assert http.get(server.url).body == b"ok"


def test_opening_a_stream_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT", 0.1)
    began = time.monotonic()
    with (
        ScriptedServer([b"HTTP/1.1 200 OK\r\nX-Drip: ", *DRIP]) as server,
        make_client(server.url, timeout=0.3) as http,
        pytest.raises(TransportError, match="stopped responding"),
        http.stream(server.url),
    ):
        pytest.fail("a stream was opened")
    assert time.monotonic() - began < 3


def test_stream_has_no_total_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT", 0.1)
    slow = [part for _ in range(12) for part in (b"x", 0.1)]
    script = [answer(200, b"", {"Content-Length": "12"}), *slow]
    with (
        ScriptedServer(script) as server,
        make_client(server.url, timeout=0.4) as http,
        http.stream(server.url) as stream,
    ):
        assert b"".join(stream.iter_chunks()) == b"x" * 12


class SlowStream(httpx.SyncByteStream):
    """A body in chunks of ``size`` bytes, each of which advances the clock by ``seconds``."""

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
def test_rejects_less_than_a_kibibyte_per_second(size: int, seconds: float, slow: bool) -> None:
    clock = [0.0]
    body = SlowStream(clock, size, seconds, 200)
    with (
        mock_client(lambda _: httpx.Response(200, stream=body), clock=lambda: clock[0]) as http,
        http.stream(URL) as stream,
    ):
        if slow:
            with pytest.raises(TransportError, match="bytes in 60 s, which is too slow"):
                list(stream.iter_chunks())
        else:
            assert sum(map(len, stream.iter_chunks())) == 200 * size


def test_time_spent_by_the_caller_does_not_count() -> None:
    clock = [0.0]
    body = SlowStream(clock, 10, 0.0, 5)
    received = 0
    with (
        mock_client(lambda _: httpx.Response(200, stream=body), clock=lambda: clock[0]) as http,
        http.stream(URL) as stream,
    ):
        for chunk in stream.iter_chunks(1):
            received += len(chunk)
            clock[0] += 100
    assert received == 50


@pytest.mark.parametrize(
    ("url", "has_trusted_digest", "reason"),
    [
        ("https://evil.example/x.whl", False, "it is on another host"),
        ("http://staging.example/x.whl", True, "it is http, not https"),
        ("https://10.0.0.1/x.whl", True, "10.0.0.1 is a private address"),
        ("https://u:hunter22@staging.example/x.whl", True, "it contains credentials"),
    ],
)
def test_does_not_stream_forbidden_links(url: str, has_trusted_digest: bool, reason: str) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        pytest.fail("a request was sent")

    with (
        mock_client(handler) as http,
        pytest.raises(NetworkError, match=rf"^refusing to fetch https?://\S+: {reason}") as caught,
        http.stream(url, listing_url=URL, has_trusted_digest=has_trusted_digest),
    ):
        pytest.fail("a stream was opened")
    assert "hunter22" not in str(caught.value)


def test_file_with_a_trusted_digest_may_be_redirected_to_any_public_host() -> None:
    with mock_client(redirect_to("https://storage.example/x")) as http:
        with http.stream(f"{URL}x", listing_url=URL, has_trusted_digest=True) as stream:
            assert stream.url == "https://storage.example/x"
        assert (
            http.link_rejection("https://storage.example/x", listing_url=URL, has_trusted_digest=True) == ""
        )
    with (
        mock_client(redirect_to("https://storage.example/x")) as http,
        pytest.raises(RedirectNotAllowed),
        http.stream(f"{URL}x", listing_url=URL),
    ):
        pytest.fail("a stream was opened")


def test_deadlines_are_per_thread() -> None:
    with ScriptedServer([answer(200, b"ok")]) as server, make_client(server.url) as http:
        with transport.request_deadline(0):
            with pytest.raises(TransportError):
                http.get(server.url)
            thread = threading.Thread(target=lambda: bodies.append(http.get(server.url).body))
            bodies: list[bytes] = []
            thread.start()
            thread.join()
        assert bodies == [b"ok"]
        assert http.get(server.url).body == b"ok"
