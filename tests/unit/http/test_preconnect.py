"""Connections that are opened while the listing loads: used when they are good, and never missed."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpcore
import pytest
from click.testing import Result

from tests.support import wheels
from tests.support.in_process import run
from tests.support.scripted import NEXT, Answer, Request, ScriptedServer, answer
from tests.support.servers import Certificate, certificate
from tests.support.staging import Site
from wheel_uploader.http import client as http_client
from wheel_uploader.http import preconnect, transport
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import sources

TAGS = [f"cp{number}-cp{number}-win_amd64" for number in range(310, 319)]
FILES = {wheels.wheel_filename("dipy", "1.11.0", tag): wheels.wheel_bytes(tag=tag) for tag in TAGS}
FEW = dict(list(FILES.items())[:2])
#: Beside the first connection.
AHEAD = 15
#: As they are where no test is patient.
LONGEST_WAIT, FIRST_TOOK = preconnect.MAX_WAIT_SECONDS, preconnect.ConnectionStash.record_connect_time


class Watched(ScriptedServer):
    """Counts what becomes of its connections; the ``odd`` ones meet with what a test says."""

    def __init__(self, *answers: Answer, tls: Certificate | None, odd: range = range(0)) -> None:
        super().__init__(*answers, tls=tls.context() if tls else None)
        self.changed = threading.Condition()
        self.odd = odd
        self.begun = 0
        #: Whose TLS was done; which the client ended before it asked, without a reset; all that ended.
        self.shaken, self.left, self.ended = 0, 0, 0
        #: What an odd connection does before TLS, and at which point it is closed.
        self.before: Callable[[], object] = lambda: None
        self.closes = ""
        self.demanding = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._odd_ones = threading.local()

    def wait_for(self, wanted: Callable[[], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(wanted, 30)

    def _count(self, name: str) -> int:
        with self.changed:
            before: int = getattr(self, name)
            setattr(self, name, before + 1)
            self.changed.notify_all()
        return before

    def _serve(self, connection: socket.socket, script: Answer) -> None:
        self._odd_ones.here = self._count("begun") in self.odd
        if self._odd_ones.here:
            self.before()
        if self._odd_ones.here and self.closes == "before TLS":
            connection.close()
        elif self._odd_ones.here and self.closes == "by an alert":
            # It asks for a certificate that nobody has, which a client of TLS 1.3 learns after the handshake.
            with contextlib.suppress(OSError):
                self.demanding.wrap_socket(connection, server_side=True)
        else:
            super()._serve(connection, script)
        self._count("ended")

    def _request(self, connection: socket.socket) -> Request | None:
        self._count("shaken")
        if self._odd_ones.here and self.closes == "after TLS":
            return None
        request = super()._request(connection)
        if request is None and not self._over.is_set():
            self._count("left")
        return request


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("own"), "IP:127.0.0.1,DNS:localhost,DNS:staging.example")


@pytest.fixture(autouse=True)
def _patiently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory; and a machine under load is no reason to open one more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preconnect, "MAX_WAIT_SECONDS", 20.0)
    monkeypatch.setattr(preconnect, "MAX_UNUSED_SECONDS", 60.0)
    monkeypatch.setattr(preconnect.ConnectionStash, "record_connect_time", lambda *_: None)


@contextlib.contextmanager
def staged(
    files: dict[str, bytes], tls: Certificate | None, until: Callable[[Watched], bool], odd: range = range(0)
) -> Iterator[tuple[Watched, Site, list[bool]]]:
    """A staging place that answers with its listing when ``until`` holds, and whether it came to hold."""
    held: list[bool] = []
    site = Site(files, before_listing=lambda *_: held.append(server.wait_for(lambda: until(server))))
    with Watched(site, tls=tls, odd=odd) as server:
        yield server, site, held


def fetched(url: str, own: Certificate, *options: str, until: str = "download") -> Result:
    arguments = ("-u", url, "--until", until, "--retries", "1", *options, "dipy", "1.11.0")
    return run(*arguments, env={"SSL_CERT_FILE": str(own.cert)})


def test_files_travel_over_connections_that_were_opened_while_the_listing_was_made(own: Certificate) -> None:
    with staged(FILES, own, lambda server: server.shaken == 1 + AHEAD) as (server, site, held):
        result = fetched(server.url, own)
        assert (result.exit_code, held) == (0, [True]), result.output
        assert sorted(site.fetched) == sorted(FILES)
        # More of them were opened than there are files.
        assert server.wait_for(lambda: server.left == AHEAD - len(FILES))
        assert server.connections == 1 + AHEAD


def test_those_that_nobody_needed_are_closed_in_the_end(own: Certificate) -> None:
    with staged(FEW, own, lambda server: server.shaken == 1 + AHEAD) as (server, _, held):
        assert (fetched(server.url, own).exit_code, held) == (0, [True])
        assert server.wait_for(lambda: server.left == AHEAD - len(FEW))
        assert server.connections == 1 + AHEAD


def test_no_more_than_are_used_at_once(own: Certificate) -> None:
    with staged(FEW, own, lambda server: server.shaken == 3) as (server, _, held):
        assert (fetched(server.url, own, "--jobs", "3").exit_code, held) == (0, [True])
        assert server.connections == 3


@pytest.mark.parametrize(
    ("path", "until", "needed"), [("", "list", 1), ("simple/dipy/", "download", 1 + len(FEW))]
)
def test_none_where_no_files_will_be_fetched(own: Certificate, path: str, until: str, needed: int) -> None:
    with staged(FEW, own, lambda _: True) as (server, _, _):
        assert fetched(server.url + path, own, until=until).exit_code == 0
        assert server.connections == needed


def test_none_for_http(own: Certificate) -> None:
    with staged(FEW, None, lambda _: True) as (server, _, _):
        assert fetched(server.url, own).exit_code == 0
        assert server.connections == 1 + len(FEW)


def test_none_for_a_host_that_nobody_typed(own: Certificate) -> None:
    with Watched(Site(FEW), tls=own) as other:
        links = "".join(f'<a href="https://localhost:{other.port}/{name}">{name}</a>\n' for name in FEW)
        with Watched([answer(200, links.encode())], tls=own) as server:
            result = fetched(server.url, own, "--allow-host", "localhost")
            assert result.exit_code == 0, result.output
        assert other.connections == len(FEW)


class Tunnel(Watched):
    """A proxy for https, which is also what it leads to."""

    def _serve(self, connection: socket.socket, script: Answer) -> None:
        self._odd_ones.here = False
        connection.settimeout(0.2)
        if self._request(connection):
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            super()._serve(connection, script)


def test_none_through_a_proxy(own: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(Site(FEW), tls=own) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}/")
        assert fetched("https://staging.example/", own).exit_code == 0
        assert proxy.connections == 1 + len(FEW)


@pytest.mark.parametrize("closes", ["before TLS", "after TLS", "by an alert"])
def test_those_that_the_server_closed_are_not_used(own: Certificate, closes: str) -> None:
    first_ones = range(1, 1 + AHEAD)
    with staged(FEW, own, lambda server: server.ended == AHEAD, odd=first_ones) as (server, site, held):
        server.closes = closes
        server.demanding.load_cert_chain(own.cert, own.key)
        server.demanding.verify_mode = ssl.CERT_REQUIRED
        assert (fetched(server.url, own).exit_code, held) == (0, [True])
        assert sorted(site.fetched) == sorted(FEW)
        assert server.connections == 1 + AHEAD + len(FEW)


def test_those_that_never_become_open_are_not_waited_for(
    own: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconnect, "MAX_WAIT_SECONDS", LONGEST_WAIT)
    monkeypatch.setattr(preconnect.ConnectionStash, "record_connect_time", FIRST_TOOK)
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT", 300.0)
    begun, stuck = time.monotonic(), threading.Event()
    with staged(FEW, own, lambda server: server.begun == 1 + AHEAD, odd=range(1, 1 + AHEAD)) as (
        server,
        site,
        held,
    ):
        server.before = lambda: stuck.wait(120)
        try:
            assert (fetched(server.url, own, "--timeout", "300").exit_code, held) == (0, [True])
            assert sorted(site.fetched) == sorted(FEW)
            assert server.connections == 1 + AHEAD + len(FEW)
            assert time.monotonic() - begun < 100
        finally:
            stuck.set()
        # When they become open at last, nobody is there who wants them.
        assert server.wait_for(lambda: server.left == AHEAD)


def test_those_that_wait_too_long_are_closed(own: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preconnect, "MAX_UNUSED_SECONDS", 0.0)
    with (
        Watched([answer(200, b"a"), NEXT, answer(200, b"b")], tls=own) as server,
        HttpClient(user_urls=[server.url], preconnect={server.url: 3}, verify=str(own.cert)) as http,
    ):
        assert http.get(server.url).text == "a"
        assert server.wait_for(lambda: server.left == 3)
        assert http.get(server.url).text == "b"
        assert server.connections == 4


def test_those_that_become_open_after_the_end_are_closed(own: Certificate) -> None:
    stuck = threading.Event()
    with Watched([answer(200, b"a")], tls=own, odd=range(1, 4)) as server:
        server.before = lambda: stuck.wait(60)
        with HttpClient(user_urls=[server.url], preconnect={server.url: 3}, verify=str(own.cert)) as http:
            assert http.get(server.url).text == "a"
        stuck.set()
        assert server.wait_for(lambda: server.left == 3)


def test_a_stashed_connection_serves_only_the_name_that_it_was_opened_for(own: Certificate) -> None:
    context = own.context()
    stream = transport.PreconnectedStream(httpcore.MockStream([]), context, "staging.example")
    assert stream.start_tls(context, "staging.example") is not stream
    with pytest.raises(httpcore.ConnectError):
        stream.start_tls(context, "other.example")


def test_a_machine_without_threads_left_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    stash = preconnect.ConnectionStash[preconnect.Connection](3)
    stash.start_connecting(lambda: pytest.fail("no thread"))
    assert stash.take_connection(None) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://staging.example/wheels/", True),
        ("https://staging.example/simple-things/", True),
        ("https://bucket.s3.amazonaws.com/?prefix=dipy/", True),
        ("https://staging.example/simple", False),
        ("https://staging.example/root/+simple/dipy/", True),
        ("https://staging.example/simple/dipy/", False),
        ("https://anaconda.org/scipy-wheels-nightly/dipy", False),
        ("https://github.com/dipy/dipy/releases/tag/1.11.0", False),
        ("wheels", False),
        ("ftp://staging.example/", False),
    ],
)
def test_where_files_are_expected(url: str, expected: bool) -> None:
    assert sources.probably_hosts_files(url) is expected


def test_what_is_no_url_of_https_gets_nothing() -> None:
    assert preconnect.count_connections({"http://a/": 1, "https://": 1, "https://b/c": 2}) == {("b", 443): 2}
