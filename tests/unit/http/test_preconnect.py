"""Connections opened while the listing loads: used if usable, and never required."""

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

from tests.support.in_process import run
from tools.testing import wheels
from tools.testing.scripted import NEXT, Answer, Request, ScriptedServer, answer
from tools.testing.servers import Certificate, certificate
from tools.testing.staging import Site
from wheel_uploader.http import client as http_client
from wheel_uploader.http import preconnect, transport
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing import sources

TAGS = [f"cp{number}-cp{number}-win_amd64" for number in range(310, 319)]
FILES = {wheels.wheel_filename("dipy", "1.11.0", tag): wheels.wheel_bytes(tag=tag) for tag in TAGS}
TWO_FILES = dict(list(FILES.items())[:2])
#: Connections opened in addition to the first one.
EXTRA = 15
#: The original values, which the fixture below replaces.
LONGEST_WAIT, RECORD_CONNECT_TIME = (
    preconnect.MAX_WAIT_SECONDS,
    preconnect.ConnectionStash.record_connect_time,
)


class ObservedServer(ScriptedServer):
    """A server that counts the states of its connections; those in ``faulty`` are delayed or closed early."""

    def __init__(self, *answers: Answer, tls: Certificate | None, faulty: range = range(0)) -> None:
        super().__init__(*answers, tls=tls.context() if tls else None)
        self.changed = threading.Condition()
        self.faulty = faulty
        self.accepted = 0
        #: Completed TLS handshakes; connections that the client closed before a request; all that ended.
        self.handshakes, self.closed_unused, self.ended = 0, 0, 0
        #: A function that runs before TLS on a faulty connection, and the point at which it is closed.
        self.before_tls: Callable[[], object] = lambda: None
        self.close_point = ""
        self.mutual_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._thread_state = threading.local()

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, 90)

    def _count(self, name: str) -> int:
        with self.changed:
            count: int = getattr(self, name)
            setattr(self, name, count + 1)
            self.changed.notify_all()
        return count

    def _serve(self, connection: socket.socket, script: Answer) -> None:
        self._thread_state.is_faulty = self._count("accepted") in self.faulty
        if self._thread_state.is_faulty:
            self.before_tls()
        if self._thread_state.is_faulty and self.close_point == "before TLS":
            connection.close()
        elif self._thread_state.is_faulty and self.close_point == "by an alert":
            # A TLS 1.3 client learns only after the handshake that a client certificate is required.
            with contextlib.suppress(OSError):
                self.mutual_tls.wrap_socket(connection, server_side=True)
        else:
            super()._serve(connection, script)
        self._count("ended")

    def _request(self, connection: socket.socket) -> Request | None:
        self._count("handshakes")
        if self._thread_state.is_faulty and self.close_point == "after TLS":
            return None
        request = super()._request(connection)
        if request is None and not self._stopped.is_set():
            self._count("closed_unused")
        return request


@pytest.fixture(scope="module")
def cert(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("own"), "IP:127.0.0.1,DNS:localhost,DNS:staging.example")


@pytest.fixture(autouse=True)
def _generous_timeouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty directory, and raise the time limits so that load does not open more connections."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preconnect, "MAX_WAIT_SECONDS", 20.0)
    monkeypatch.setattr(preconnect, "MAX_UNUSED_SECONDS", 60.0)
    monkeypatch.setattr(preconnect.ConnectionStash, "record_connect_time", lambda *_: None)


@contextlib.contextmanager
def staging_server(
    files: dict[str, bytes],
    tls: Certificate | None,
    until: Callable[[ObservedServer], bool],
    faulty: range = range(0),
) -> Iterator[tuple[ObservedServer, Site, list[bool]]]:
    """Serve a listing as soon as ``until`` holds, and record whether it did."""
    reached: list[bool] = []
    site = Site(files, before_listing=lambda *_: reached.append(server.wait_for(lambda: until(server))))
    with ObservedServer(site, tls=tls, faulty=faulty) as server:
        yield server, site, reached


def download(url: str, cert: Certificate, *options: str, until: str = "download") -> Result:
    arguments = ("-u", url, "--until", until, "--retries", "1", *options, "dipy", "1.11.0")
    return run(*arguments, env={"SSL_CERT_FILE": str(cert.cert)})


def test_downloads_use_preconnected_connections(cert: Certificate) -> None:
    with staging_server(FILES, cert, lambda server: server.handshakes == 1 + EXTRA) as (
        server,
        site,
        reached,
    ):
        result = download(server.url, cert)
        assert (result.exit_code, reached) == (0, [True]), result.output
        assert sorted(site.fetched) == sorted(FILES)
        # More connections were opened than there are files.
        assert server.wait_for(lambda: server.closed_unused == EXTRA - len(FILES))
        assert server.connections == 1 + EXTRA


def test_closes_unused_connections_at_the_end(cert: Certificate) -> None:
    with staging_server(TWO_FILES, cert, lambda server: server.handshakes == 1 + EXTRA) as (
        server,
        _,
        reached,
    ):
        assert (download(server.url, cert).exit_code, reached) == (0, [True])
        assert server.wait_for(lambda: server.closed_unused == EXTRA - len(TWO_FILES))
        assert server.connections == 1 + EXTRA


def test_opens_no_more_connections_than_jobs(cert: Certificate) -> None:
    with staging_server(TWO_FILES, cert, lambda server: server.handshakes == 3) as (server, _, reached):
        assert (download(server.url, cert, "--jobs", "3").exit_code, reached) == (0, [True])
        assert server.connections == 3


@pytest.mark.parametrize(
    ("path", "until", "needed"), [("", "list", 1), ("simple/dipy/", "download", 1 + len(TWO_FILES))]
)
def test_opens_none_if_no_files_will_be_downloaded(
    cert: Certificate, path: str, until: str, needed: int
) -> None:
    with staging_server(TWO_FILES, cert, lambda _: True) as (server, _, _):
        assert download(server.url + path, cert, until=until).exit_code == 0
        assert server.connections == needed


def test_opens_none_for_http(cert: Certificate) -> None:
    with staging_server(TWO_FILES, None, lambda _: True) as (server, _, _):
        assert download(server.url, cert).exit_code == 0
        assert server.connections == 1 + len(TWO_FILES)


def test_opens_none_for_other_hosts(cert: Certificate) -> None:
    with ObservedServer(Site(TWO_FILES), tls=cert) as other:
        links = "".join(f'<a href="https://localhost:{other.port}/{name}">{name}</a>\n' for name in TWO_FILES)
        with ObservedServer([answer(200, links.encode())], tls=cert) as server:
            result = download(server.url, cert, "--allow-host", "localhost")
            assert result.exit_code == 0, result.output
        assert other.connections == len(TWO_FILES)


class Tunnel(ObservedServer):
    """A proxy for https that also answers as the target server."""

    def _serve(self, connection: socket.socket, script: Answer) -> None:
        self._thread_state.is_faulty = False
        connection.settimeout(0.2)
        if self._request(connection):
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            super()._serve(connection, script)


def test_opens_none_through_a_proxy(cert: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    with Tunnel(Site(TWO_FILES), tls=cert) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}/")
        assert download("https://staging.example/", cert).exit_code == 0
        assert proxy.connections == 1 + len(TWO_FILES)


@pytest.mark.parametrize("close_point", ["before TLS", "after TLS", "by an alert"])
def test_does_not_use_connections_that_the_server_closed(cert: Certificate, close_point: str) -> None:
    preconnected = range(1, 1 + EXTRA)
    with staging_server(TWO_FILES, cert, lambda server: server.ended == EXTRA, faulty=preconnected) as (
        server,
        site,
        reached,
    ):
        server.close_point = close_point
        server.mutual_tls.load_cert_chain(cert.cert, cert.key)
        server.mutual_tls.verify_mode = ssl.CERT_REQUIRED
        assert (download(server.url, cert).exit_code, reached) == (0, [True])
        assert sorted(site.fetched) == sorted(TWO_FILES)
        assert server.connections == 1 + EXTRA + len(TWO_FILES)


def test_does_not_wait_for_connections_that_never_open(
    cert: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preconnect, "MAX_WAIT_SECONDS", LONGEST_WAIT)
    monkeypatch.setattr(preconnect.ConnectionStash, "record_connect_time", RECORD_CONNECT_TIME)
    monkeypatch.setattr(http_client, "CONNECT_TIMEOUT", 300.0)
    began, release = time.monotonic(), threading.Event()
    with staging_server(
        TWO_FILES, cert, lambda server: server.accepted == 1 + EXTRA, faulty=range(1, 1 + EXTRA)
    ) as (
        server,
        site,
        reached,
    ):
        server.before_tls = lambda: release.wait(120)
        try:
            assert (download(server.url, cert, "--timeout", "300").exit_code, reached) == (0, [True])
            assert sorted(site.fetched) == sorted(TWO_FILES)
            assert server.connections == 1 + EXTRA + len(TWO_FILES)
            assert time.monotonic() - began < 100
        finally:
            release.set()
        # Connections that open late are closed unused.
        assert server.wait_for(lambda: server.closed_unused == EXTRA)


def test_closes_connections_unused_for_too_long(cert: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preconnect, "MAX_UNUSED_SECONDS", 0.0)
    with (
        ObservedServer([answer(200, b"a"), NEXT, answer(200, b"b")], tls=cert) as server,
        HttpClient(user_urls=[server.url], preconnect={server.url: 3}, verify=str(cert.cert)) as http,
    ):
        assert http.get(server.url).text == "a"
        assert server.wait_for(lambda: server.closed_unused == 3)
        assert http.get(server.url).text == "b"
        assert server.connections == 4


def test_closes_connections_that_open_after_the_end(cert: Certificate) -> None:
    release = threading.Event()
    with ObservedServer([answer(200, b"a")], tls=cert, faulty=range(1, 4)) as server:
        server.before_tls = lambda: release.wait(60)
        with HttpClient(user_urls=[server.url], preconnect={server.url: 3}, verify=str(cert.cert)) as http:
            assert http.get(server.url).text == "a"
        release.set()
        assert server.wait_for(lambda: server.closed_unused == 3)


def test_preconnected_stream_serves_only_its_host_name(cert: Certificate) -> None:
    context = cert.context()
    stream = transport.PreconnectedStream(httpcore.MockStream([]), context, "staging.example")
    assert stream.start_tls(context, "staging.example") is not stream
    with pytest.raises(httpcore.ConnectError):
        stream.start_tls(context, "other.example")


def test_works_if_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_to_start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail_to_start)
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
def test_probably_hosts_files(url: str, expected: bool) -> None:
    assert sources.probably_hosts_files(url) is expected


def test_counts_only_https_urls() -> None:
    assert preconnect.count_connections({"http://a/": 1, "https://": 1, "https://b/c": 2}) == {("b", 443): 2}
