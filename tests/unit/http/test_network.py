"""The network configuration: certificates to trust, and which requests go through which proxy."""

from __future__ import annotations

import itertools
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.testing.scripted import RESET, ScriptedServer, Step, answer
from tools.testing.servers import Certificate, certificate, free_port
from tools.testing.socks import SocksServer
from wheel_uploader.core.errors import (
    CredentialsError,
    HttpStatusError,
    NetworkError,
    ReleaseError,
    TransportError,
    UsageError,
)
from wheel_uploader.http import certificates
from wheel_uploader.http.certificates import TrustedCertificates, find_ignored_variables
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.proxy_settings import ProxyExceptions, ProxySettings

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CURL = shutil.which("curl")
needs_curl = pytest.mark.skipif(CURL is None, reason="curl is not installed")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate that no server here has."""
    return certificate(tmp_path_factory.mktemp("other"), subject="other")


@pytest.fixture
def server(pair: Certificate) -> Iterator[ScriptedServer]:
    with ScriptedServer([answer(200, b"ok")], tls=pair.context()) as started:
        yield started


def get(url: str, **options: Any) -> bytes:
    with HttpClient(user_urls=[url], **{"retries": 1, "timeout": 5, **options}) as http:
        return http.get(url).body


def error_of(url: str, **options: Any) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        get(url, **options)
    return caught.value


def curl_gets(url: str, environment: Mapping[str, str]) -> bool:
    """Return whether curl, which has its own rules for the variables, gets the page."""
    command = [CURL or "curl", "-sf", "--max-time", "10", "-o", os.devnull, url]
    return subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}).returncode == 0


# --- certificates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_trusts_the_file_of_each_variable(
    variable: str, pair: Certificate, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(pair.cert))
    assert get(server.url) == b"ok"


def test_the_first_variable_counts_and_is_named(
    pair: Certificate, other: Certificate, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for first, second in itertools.pairwise(ordered):
        monkeypatch.setenv(first, str(pair.cert))
        monkeypatch.setenv(second, str(other.cert))
        assert get(server.url) == b"ok"
        monkeypatch.setenv(first, str(other.cert))
        monkeypatch.setenv(second, str(pair.cert))
        error = error_of(server.url)
        assert "is not trusted" in error.message
        assert f"The certificates in {other.cert} ({first}) are trusted" in error.hint
        assert error.hint.endswith(f" {pair.cert} ({second}) does not count.")
        assert find_ignored_variables() == (
            f"certificates: {other.cert} ({first}) counts, not {pair.cert} ({second})"
        )
        monkeypatch.delenv(first)
        monkeypatch.delenv(second)


def test_says_nothing_about_variables_that_agree(
    pair: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copy(pair.cert, tmp_path / "copy.pem")
    assert find_ignored_variables() == ""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(pair.cert))
    assert find_ignored_variables() == ""
    monkeypatch.setenv("SSL_CERT_FILE", str(copy))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    assert find_ignored_variables() == ""


def test_a_variable_that_names_the_certificates_of_the_machine_does_not_hide_the_next_one(
    pair: Certificate, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of CI services set all variables to the machine's own store, and users one of them."""
    paths = ssl.get_default_verify_paths()
    if not Path(paths.openssl_cafile).is_file():
        pytest.skip("OpenSSL has no file of certificates here")
    link = tmp_path / "link.pem"
    link.symlink_to(paths.openssl_cafile)
    monkeypatch.setenv("SSL_CERT_FILE", str(link))
    monkeypatch.setenv("SSL_CERT_DIR", paths.openssl_capath)
    monkeypatch.setenv("CURL_CA_BUNDLE", paths.openssl_cafile)
    assert "is not trusted" in error_of(server.url).message
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pair.cert))
    assert get(server.url) == b"ok"
    assert find_ignored_variables() == ""


def test_a_python_without_default_certificates_can_be_used(
    pair: Certificate, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPython for WebAssembly has None for each of OpenSSL's default places."""
    nothing = ssl.DefaultVerifyPaths(None, None, None, None, None, None)  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    assert "is not trusted" in error_of(server.url).message
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pair.cert))
    assert get(server.url) == b"ok"


def test_an_option_counts_before_the_variables(
    pair: Certificate, other: Certificate, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(other.cert))
    assert get(server.url, verify=str(pair.cert)) == b"ok"
    assert get(server.url, verify=False) == b"ok"


@pytest.fixture(scope="module")
def directories(
    pair: Certificate, other: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Two directories of certificates as OpenSSL finds them: of the server, and of another one."""
    result = tmp_path_factory.mktemp("pair"), tmp_path_factory.mktemp("other")
    for source, directory in zip((pair, other), result, strict=True):
        shutil.copy(source.cert, directory / "x.pem")
        subprocess.run(["openssl", "rehash", str(directory)], check=True, capture_output=True)
    return result


def test_the_two_variables_of_openssl_count_together(
    pair: Certificate,
    other: Certificate,
    directories: tuple[Path, Path],
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for file, directory in ((pair, directories[1]), (other, directories[0])):
        monkeypatch.setenv("SSL_CERT_FILE", str(file.cert))
        monkeypatch.setenv("SSL_CERT_DIR", str(directory))
        assert get(server.url) == b"ok"


@needs_curl
@pytest.mark.parametrize("names", [(), ("SSL_CERT_FILE",), ("SSL_CERT_DIR",), ("CURL_CA_BUNDLE",)])
@pytest.mark.parametrize("is_trusted", [True, False])
def test_one_variable_counts_as_it_does_for_curl(
    names: tuple[str, ...],
    is_trusted: bool,
    pair: Certificate,
    other: Certificate,
    directories: tuple[Path, Path],
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, foreign = directories
    listed = f"{foreign}{os.pathsep}{own}{os.pathsep}/nowhere" if is_trusted else str(foreign)
    file = str((pair if is_trusted else other).cert)
    environment = {name: listed if name == "SSL_CERT_DIR" else file for name in names}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with HttpClient(user_urls=[server.url], retries=1, timeout=5) as http:
        try:
            ours = http.get(server.url).body == b"ok"
        except NetworkError:
            ours = False
    assert ours is curl_gets(server.url, environment) is bool(names and is_trusted)


@pytest.mark.parametrize("variable", CA_VARIABLES)
@pytest.mark.parametrize("others", [(), CA_VARIABLES])
def test_a_variable_that_names_a_missing_file_is_named(
    variable: str, others: tuple[str, ...], pair: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that does not count: another program would stop there, or trust something else."""
    for name in others:
        monkeypatch.setenv(name, str(pair.cert))
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(UsageError) as caught:
        HttpClient()
    assert str(caught.value) == (
        f"cannot read the certificates in /nowhere/ca.pem ({variable}): No such file or directory"
    )
    assert caught.value.hint == f"Pass a file in PEM format, or unset {variable}."


@pytest.mark.parametrize("place", ["openssl_cafile", "openssl_capath"])
def test_trusts_the_certificates_of_the_machine(
    place: str,
    pair: Certificate,
    directories: tuple[Path, Path],
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store of this test is at the place where OpenSSL looks."""
    assert "set SSL_CERT_FILE" in error_of(server.url).hint
    paths = SimpleNamespace(openssl_cafile="/nowhere/x", openssl_capath="/nowhere")
    setattr(paths, place, str(pair.cert if place == "openssl_cafile" else directories[0]))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert get(server.url) == b"ok"
    # An empty variable is not set.
    monkeypatch.setenv("SSL_CERT_FILE", "")
    assert get(server.url) == b"ok"


def test_truststore_finds_certificates_where_openssl_does_not(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = SimpleNamespace(
        cafile=None, capath=None, openssl_cafile="/nowhere/cert.pem", openssl_capath="/nowhere"
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    context = TrustedCertificates().context
    assert type(context).__module__.startswith("truststore")
    assert "is not trusted" in error_of(server.url).message


def test_truststore_is_used_on_macos_and_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform in ("darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        assert type(TrustedCertificates().context).__module__.startswith("truststore")


def test_truststore_and_certificates_are_loaded_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        pytest.fail("certificates were loaded")

    monkeypatch.setattr(certificates, "_machine_context", fail)
    with ScriptedServer([answer(200, b"ok")]) as plain:
        assert get(plain.url) == b"ok"
    # httpx2 imports truststore itself.
    script = (
        "import sys; from wheel_uploader.http import client, httpx_import; before = set(sys.modules); "
        "client.HttpClient(); print('truststore' in set(sys.modules) - before)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


# --- exceptions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("no_proxy", "host"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("10.0.0.0/8,127.0.0.1/30", "127.0.0.1"),
        ("127.0.0.2/32", "127.0.0.1"),
        ("127.0.0.0/33", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0", "127.0.0.1"),
        ("x 127.0.0.1", "127.0.0.1"),
        ("*", "127.0.0.1"),
        ("::1", "::1"),
        ("localhost", "localhost"),
        ("LOCALHOST", "localhost"),
        ("localhost.", "localhost"),
        (".localhost", "localhost"),
        ("host", "localhost"),
        (".localhost", "a.localhost"),
        ("localhost", "a.localhost"),
    ],
)
@needs_curl
def test_exceptions_are_those_of_curl(no_proxy: str, host: str) -> None:
    """Nothing listens at the two ports: curl names the one to which it connects."""
    target, proxy = free_port(), free_port()
    url = f"http://{f'[{host}]' if ':' in host else host}:{target}/"
    environment = {
        "PATH": os.environ["PATH"],
        "http_proxy": f"http://127.0.0.1:{proxy}",
        "no_proxy": no_proxy,
    }
    command = [CURL or "curl", "-sS", "--max-time", "10", url]
    words = subprocess.run(command, env=environment, capture_output=True, text=True).stderr.split()
    assert ProxyExceptions(no_proxy).contain(host, target) == (str(target) in words)
    assert (str(target) in words) != (str(proxy) in words)


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "expected"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.1", 80, False),
        ("127.0.0.0/8:8080", "127.0.0.1", 8080, True),
        ("127.0.0.0/8:8080", "127.0.0.1", 80, False),
        ("example.com:8443", "pypi.example.com", 8443, True),
        ("example.com:8443", "pypi.example.com", 443, False),
        ("example.com:x", "example.com", 443, False),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("[::1]", "::1", 80, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("[fd00::]/8", "fd12::1", 80, True),
        ("fd00::/8", "fe80::1", 80, False),
        ("10.0.0.0/8", "10.example.com", 80, False),
        ("*.example.com", "pypi.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        ("b\u00fccher.example", "xn--bcher-kva.example", 443, True),
        ("x,*", "example.com", 443, True),
        ("*:443", "example.com", 443, True),
        ("*:443", "example.com", 80, False),
        (", ,", "example.com", 443, False),
        ("", "example.com", 443, False),
    ],
)
def test_exceptions_have_ports_and_networks(no_proxy: str, host: str, port: int, expected: bool) -> None:
    assert ProxyExceptions(no_proxy).contain(host, port) is expected


# --- which proxy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "url", "expected"),
    [
        ({"HTTPS_PROXY": "http://p:1"}, "https://x.example/", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://x.example/", "None"),
        ({"HTTPS_PROXY": "http://p:1", "ALL_PROXY": "http://q"}, "http://x.example/", "http://q:80"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, "https://x.example/", "None"),
        ({"https_proxy": "https://p", "HTTPS_PROXY": "http://q:1"}, "https://x.example/", "https://p:443"),
        ({"ALL_PROXY": "me:pw@p:3128"}, "https://x.example/", "http://p:3128"),
        ({"ALL_PROXY": "socks://p"}, "https://x.example/", "socks5://p:1080"),
        ({"ALL_PROXY": "SOCKS5://p:9"}, "https://x.example/", "socks5://p:9"),
        ({"ALL_PROXY": "socks5h://[::1]:9"}, "https://x.example/", "socks5://[::1]:9"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "X.Example."}, "https://x.example/", "None"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "x.example:443"}, "https://x.example/", "None"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "127.0.0.0/8"}, "http://0x7f.1/", "None"),
    ],
)
def test_finds_the_proxy_for_a_url(
    environment: Mapping[str, str], url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(ProxySettings().find_proxy(url)) == expected


@pytest.mark.parametrize("port", ["0", "65536", "99999", "-1", "8_0", "0x50", "\u0668\u0660", "9" * 500])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_port_that_does_not_exist_is_not_replaced(
    scheme: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:s3cret@127.0.0.1:{port}")
    with pytest.raises(UsageError, match="is invalid") as caught:
        ProxySettings()
    assert "s3cret" not in caught.value.message


def test_a_proxy_is_shown_without_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://me:p%2Fw@p:1")
    proxy = ProxySettings().find_proxy("https://x.example/")
    assert proxy
    assert (str(proxy), proxy.url, proxy.password) == ("http://p:1", "http://me:p%2Fw@p:1", "p/w")


# --- what a proxy did ------------------------------------------------------------------------------

HTTP_URL, HTTPS_URL = "http://x.example/", "https://x.example:8443/"


def through(proxy: str, url: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> ReleaseError:
    monkeypatch.setenv("ALL_PROXY", proxy)
    return error_of(url, allow_insecure_hosts=["x.example"], **options)


@pytest.mark.parametrize("url", [HTTP_URL, HTTPS_URL])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_dead_proxy_is_named(scheme: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"{scheme}://127.0.0.1:{free_port()}"
    error = through(proxy, url, monkeypatch)
    assert error.message == f"cannot connect to the proxy {proxy}: Connection refused"
    assert isinstance(error, TransportError)
    assert "NO_PROXY" in error.hint


@pytest.mark.parametrize("url", [HTTP_URL, HTTPS_URL])
def test_a_proxy_that_requires_a_login_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(407, b"", {"Connection": "close"})]) as proxy:
        error = through(proxy.url, url, monkeypatch)
        assert isinstance(error, CredentialsError)
        assert error.message == f"the proxy {proxy.url[:-1]} requires a login (status 407)"
        assert "http://USER:PASSWORD@HOST:PORT" in error.hint
        error = through(proxy.url.replace("//", "//me:hunter22@"), url, monkeypatch)
        assert error.message == f"the proxy {proxy.url[:-1]} rejected the login in its URL (status 407)"


@pytest.mark.parametrize(("status", "is_retried"), [(502, True), (503, True), (403, False)])
def test_a_proxy_that_does_not_reach_the_server_is_named(
    status: int, is_retried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer(status, b"", {"Connection": "close"})]) as proxy:
        error = through(proxy.url, HTTPS_URL, monkeypatch)
        assert error.message == (
            f"the proxy {proxy.url[:-1]} cannot reach x.example:8443: it answered {status} Status"
        )
        assert isinstance(error, TransportError) is is_retried
        # The answer to a plain request may also be that of the server.
        error = through(proxy.url, HTTP_URL, monkeypatch)
        assert isinstance(error, HttpStatusError)
        assert f"may be that of the proxy {proxy.url[:-1]}" in error.hint


@pytest.mark.parametrize("script", [[b""], [RESET], [b"SSH-2.0-x\r\n"], [b"HTTP/1.1 2"]])
def test_a_proxy_that_breaks_the_connection_is_named(
    script: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(script) as proxy:
        error = through(proxy.url, HTTPS_URL, monkeypatch)
    assert isinstance(error, NetworkError)
    assert error.message.startswith(f"the proxy {proxy.url[:-1]} cannot reach x.example:8443: ")


def test_the_certificate_of_a_proxy_is_checked(
    pair: Certificate, other: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer(502, b"", {"Connection": "close"})], tls=pair.context()) as proxy:
        for url in (HTTP_URL, HTTPS_URL):
            monkeypatch.setenv("SSL_CERT_FILE", str(other.cert))
            error = through(proxy.url, url, monkeypatch)
            assert error.message.startswith(f"the proxy {proxy.url[:-1]} cannot reach x.example")
            assert "its TLS certificate is not trusted" in error.message
            monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
            assert "502" in through(proxy.url, url, monkeypatch).message


def test_a_server_behind_a_proxy_is_not_blamed_on_the_proxy(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SocksServer() as socks:
        monkeypatch.setenv("ALL_PROXY", socks.url)
        error = error_of(server.url)
    assert error.message.startswith(f"the TLS certificate of 127.0.0.1:{server.port} is not trusted")


# --- SOCKS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
@pytest.mark.parametrize("login", [("", ""), ("me", "hunter/22")])
def test_reads_through_a_socks_proxy(
    scheme: str,
    login: tuple[str, str],
    pair: Certificate,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    with SocksServer(*login, resolve={"localhost": "127.0.0.1"}) as socks:
        url = socks.url.replace("//", "//me:hunter%2F22@") if login[0] else socks.url
        monkeypatch.setenv("ALL_PROXY", url.replace("socks5", scheme))
        assert get(server.url.replace("127.0.0.1", "localhost")) == b"ok"
    # The proxy resolves the name.
    assert socks.targets == [("localhost", server.port)]


@pytest.mark.parametrize("url", [HTTP_URL, HTTPS_URL])
def test_a_socks_proxy_that_rejects_a_request_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with SocksServer("me", "hunter22") as socks:
        for login in ("", "me:wrong@"):
            error = through(socks.url.replace("//", f"//{login}"), url, monkeypatch)
            assert isinstance(error, CredentialsError), error.message
            assert error.message.startswith(f"the proxy {socks.url} ")
        error = through(socks.url.replace("//", "//me:hunter22@"), url, monkeypatch)
        assert error.message.startswith(f"the proxy {socks.url} cannot reach x.example")
    with SocksServer(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        error = through(web.url, url, monkeypatch)
    assert error.message.startswith(f"the proxy {web.url} cannot reach x.example")


@pytest.mark.parametrize("url", [HTTP_URL, HTTPS_URL])
def test_a_socks_proxy_that_is_silent_is_not_waited_for_long(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SocksServer(greeting=b"") as silent:
        error = through(silent.url, url, monkeypatch, timeout=0.3)
    assert error.message.startswith(f"the proxy {silent.url} cannot reach x.example")
    assert error.message.endswith(": timed out")


def test_the_packages_for_socks_are_needed_only_where_it_is_used(
    server: ScriptedServer, pair: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1080")
    error = error_of(server.url)
    assert isinstance(error, UsageError)
    assert error.message == "the proxy socks5://127.0.0.1:1080 needs a package that is not installed"
    assert "pip install 'wheel-uploader[socks]'" in error.hint
    monkeypatch.setenv("NO_PROXY", f"127.0.0.1:{server.port}")
    assert get(server.url) == b"ok"
