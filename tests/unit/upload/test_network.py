"""Uploads through proxies and with certificates, by the same configuration as reading."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from twine import utils

from tests.support.canaries import Tunnel
from tools.testing import indexes, wheels
from tools.testing.indexes import Served, local_file
from tools.testing.scripted import RESET, ScriptedServer, Step, answer
from tools.testing.servers import certificate, free_port
from tools.testing.socks import SocksServer
from wheel_uploader.core.errors import (
    CredentialsError,
    NetworkError,
    ReleaseError,
    TransportError,
    UsageError,
)
from wheel_uploader.core.models import LocalFile, Options
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.requests_network import (
    Network,
    find_proxy_problem,
    libraries_follow_network,
)
from wheel_uploader.upload import clients
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind
from wheel_uploader.upload.twine_uploader import TwineUploader

HTTP_URL, HTTPS_URL = "http://x.example/", "https://x.example/"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> LocalFile:
    return local_file(next(iter(wheels.make_release(tmp_path_factory.mktemp("release")))))


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Served, Path]]:
    with indexes.tls_index(tmp_path) as served:
        yield served


@pytest.fixture
def plain() -> Iterator[Served]:
    with indexes.scripted_index() as served:
        yield served


def make_uploader(**options: Any) -> TwineUploader:
    all_options = Options(
        **{
            "project": "dipy",
            "version": "1",
            "urls": ("https://staging.example/",),
            "username": "me",
            "password": "hunter22",
            "timeout": 5.0,
            **options,
        }
    )
    return TwineUploader(all_options, clients.resolve_target(all_options), SilentProgress())


def served_port(served: Served) -> int:
    return int(served.url.rstrip("/").rpartition(":")[2])


def upload(file: LocalFile, url: str, **options: Any) -> UploadResponse:
    """Upload a file once."""
    uploader = make_uploader(repository_url=url, **options)
    try:
        return uploader.upload(file)
    finally:
        uploader.close()


def read(url: str, **options: Any) -> str:
    """Return the message of the error of reading a page."""
    with HttpClient(user_urls=[url], retries=1, timeout=5, **options) as http:
        try:
            http.get(url)
        except ReleaseError as error:
            return error.message
    return ""


# --- certificates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_variable_counts_for_reading_and_for_uploads(
    variable: str, file: LocalFile, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pem = secure
    monkeypatch.setenv(variable, str(pem))
    assert read(served.index_url) == ""
    assert upload(file, served.upload_url).kind is ResponseKind.ACCEPTED


def test_the_same_variable_counts_for_both(
    file: LocalFile, secure: tuple[Served, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pem = secure
    (tmp_path / "other").mkdir()
    other = certificate(tmp_path / "other", subject="other").cert
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    assert read(served.index_url) == ""
    assert upload(file, served.upload_url).kind is ResponseKind.ACCEPTED
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    assert "is not trusted" in read(served.index_url)
    response = upload(file, served.upload_url)
    assert (response.kind, response.error_type) == (ResponseKind.REJECTED, NetworkError)
    assert f"The certificates in {other} (SSL_CERT_FILE) are trusted" in (response.hint or "")
    assert "--cert FILE" in (response.hint or "")
    # The option counts for the index, whatever the variables say.
    assert upload(file, served.upload_url, cert=pem).kind is ResponseKind.ACCEPTED
    assert len(served.index.posts) == 2


def test_a_variable_that_names_a_missing_file_prevents_the_upload(
    file: LocalFile, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pem = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with pytest.raises(UsageError, match=r"/nonexistent \(REQUESTS_CA_BUNDLE\): No such file"):
        upload(file, served.upload_url)
    assert not served.index.posts


def test_trusts_the_certificates_of_the_machine(
    file: LocalFile, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pem = secure
    response = upload(file, served.upload_url)
    assert response.diagnosis.startswith("cannot verify the TLS certificate of the index (self-signed")
    assert "set SSL_CERT_FILE" in (response.hint or "")
    paths = type("Paths", (), {"openssl_cafile": str(pem), "openssl_capath": "/nowhere"})
    monkeypatch.setattr("ssl.get_default_verify_paths", lambda: paths)
    assert upload(file, served.upload_url).kind is ResponseKind.ACCEPTED


# --- proxies ---------------------------------------------------------------------------------------


def test_uploads_through_a_tunnel(
    file: LocalFile, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pem = secure
    with Tunnel(served_port(served)) as tunnel:
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/9")
        assert upload(file, "https://127.0.0.1/legacy/", cert=pem).kind is ResponseKind.RETRY
        monkeypatch.setenv("NO_PROXY", "128.0.0.0/8,127.0.0.1:80")
        assert upload(file, "https://127.0.0.1/legacy/", cert=pem).kind is ResponseKind.ACCEPTED


@pytest.mark.parametrize("login", ["", "me:p%C3%A9%2F@"])
@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
def test_uploads_through_a_socks_proxy(
    scheme: str,
    login: str,
    file: LocalFile,
    secure: tuple[Served, Path],
    plain: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served, pem = secure
    given = ("me", "p\u00e9/") if login else ("", "")
    with SocksServer(*given, resolve={"localhost": "127.0.0.1"}) as socks:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{login}{socks.url.partition('//')[2]}")
        assert upload(file, served.upload_url, cert=pem).kind is ResponseKind.ACCEPTED
        url = plain.upload_url.replace("127.0.0.1", "localhost")
        assert upload(file, url).kind is ResponseKind.ACCEPTED
    # The proxy resolves the name.
    assert [host for host, _ in socks.targets] == ["127.0.0.1", "localhost"]


@pytest.mark.parametrize(
    ("no_proxy", "is_direct"),
    [
        ("127.0.0.0/8", True),
        ("127.0.0.1:{port}", True),
        ("127.0.0.1", True),
        ("*", True),
        ("127.0.0.1:1", False),
        ("10.0.0.0/8", False),
    ],
)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{dead}", "socks5h://127.0.0.1:{dead}"])
def test_both_halves_follow_the_same_exceptions(
    proxy: str,
    no_proxy: str,
    is_direct: bool,
    file: LocalFile,
    plain: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = proxy.format(dead=free_port())
    monkeypatch.setenv("ALL_PROXY", dead)
    monkeypatch.setenv("NO_PROXY", no_proxy.format(port=served_port(plain)))
    response = upload(file, plain.upload_url)
    assert (response.kind is ResponseKind.ACCEPTED) is is_direct
    shown = dead.replace("socks5h", "socks5")
    message = "" if is_direct else f"cannot connect to the proxy {shown}: Connection refused"
    assert (response.diagnosis, read(plain.index_url)) == (message, message)


def test_the_packages_for_socks_are_required_before_anything_else(
    file: LocalFile, plain: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:1080")
    with pytest.raises(UsageError, match="needs a package that is not installed"):
        upload(file, plain.upload_url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert upload(file, plain.upload_url).kind is ResponseKind.ACCEPTED


# --- failures of a proxy ---------------------------------------------------------------------------

CLOSE = {"Connection": "close"}
FAILURES: Mapping[str, list[Step]] = {
    "407": [answer(407, b"", CLOSE)],
    "502": [answer(502, b"", CLOSE)],
    "403": [answer(403, b"", CLOSE)],
    "closed": [b""],
    "reset": [RESET],
    "no proxy": [b"SSH-2.0-OpenSSH\r\n"],
}


@pytest.mark.parametrize(("scheme", "name"), [("http", "407"), *(("https", name) for name in FAILURES)])
def test_both_halves_report_a_failure_of_a_proxy_alike(
    scheme: str, name: str, file: LocalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{scheme}://x.example/"
    hosts = ("x.example",)
    with ScriptedServer(FAILURES[name]) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        response = upload(file, f"{url}legacy/", allow_insecure_hosts=hosts)
        message = read(f"{url}simple/", allow_insecure_hosts=hosts)
    start = f"the proxy {proxy.url[:-1]} "
    for text in (response.diagnosis, message):
        assert text.startswith(start), text
    if name.isdecimal():
        assert response.diagnosis == message
    assert response.status == 0
    assert (response.kind is ResponseKind.RETRY) is (name not in {"407", "403"})
    assert response.error_type is (CredentialsError if name == "407" else NetworkError)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_error_through_a_plain_proxy_may_be_that_of_the_proxy(
    status: int, file: LocalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer([answer(status, b"", {"Connection": "close"})]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        response = upload(file, HTTP_URL, allow_insecure_hosts=("x.example",))
    assert response.summary.startswith(
        f"the index, or the proxy {proxy.url[:-1]}, returned a server error (status {status})"
    )


def test_a_socks_proxy_that_rejects_an_upload_is_named(
    file: LocalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SocksServer("me", "hunter22") as socks:
        for login in ("", "me:wrong@"):
            monkeypatch.setenv("ALL_PROXY", socks.url.replace("//", f"//{login}"))
            response = upload(file, HTTPS_URL)
            assert response.diagnosis.startswith(f"the proxy {socks.url} re"), response.diagnosis
            assert response.error_type is CredentialsError
        monkeypatch.setenv("ALL_PROXY", socks.url.replace("//", "//me:hunter22@"))
        response = upload(file, HTTPS_URL)
    assert response.diagnosis == f"the proxy {socks.url} cannot reach x.example: Host unreachable"
    assert response.kind is ResponseKind.RETRY


def test_the_certificate_of_a_proxy_is_checked(
    file: LocalFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = certificate(tmp_path)
    with ScriptedServer([answer(502, b"", {"Connection": "close"})], tls=pair.context()) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        response = upload(file, HTTPS_URL)
        assert response.diagnosis.startswith(f"the proxy {proxy.url[:-1]} cannot reach x.example: its TLS")
        monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
        assert "it answered 502" in upload(file, HTTPS_URL).diagnosis


def test_a_server_behind_a_proxy_is_not_blamed_on_the_proxy(
    file: LocalFile, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, _ = secure
    with SocksServer() as socks:
        monkeypatch.setenv("ALL_PROXY", socks.url)
        assert "certificate of the index" in upload(file, served.upload_url).diagnosis
    with Tunnel(served_port(served)) as tunnel:
        monkeypatch.setenv("ALL_PROXY", tunnel.url)
        assert "certificate of the index" in upload(file, "https://127.0.0.1/").diagnosis


# --- libraries that make their own requests --------------------------------------------------------


def by_session(url: str) -> bytes:
    with requests.Session() as session:
        return session.get(url, timeout=5).content


def by_urllib3(url: str) -> bytes:
    return bytes(urllib3.request("GET", url, timeout=5, retries=False).data)


LIBRARIES: Mapping[str, Callable[[str], bytes]] = {"requests": by_session, "urllib3": by_urllib3}


@pytest.mark.parametrize("fetch", LIBRARIES.values(), ids=LIBRARIES)
def test_libraries_follow_the_configuration(
    fetch: Callable[[str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = certificate(tmp_path)
    # The libraries themselves would read REQUESTS_CA_BUNDLE, or neither of the two.
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate_of_another(tmp_path))
    with ScriptedServer([answer(200, b"ok")], tls=pair.context()) as server, SocksServer() as socks:
        with libraries_follow_network(Network()):
            assert fetch(server.url) == b"ok"
        monkeypatch.setenv("ALL_PROXY", socks.url.replace("socks5", "socks"))
        with libraries_follow_network(Network()):
            assert fetch(server.url) == b"ok"
        assert socks.targets == [("127.0.0.1", server.port)]
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        with libraries_follow_network(Network()):
            assert fetch(server.url) == b"ok"
        assert len(socks.targets) == 1


def certificate_of_another(folder: Path) -> str:
    (folder / "other").mkdir()
    return str(certificate(folder / "other", subject="other").cert)


@pytest.mark.parametrize("fetch", LIBRARIES.values(), ids=LIBRARIES)
def test_a_failure_of_a_proxy_is_found_in_the_error_of_a_library(
    fetch: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    errors = (requests.RequestException, urllib3.exceptions.HTTPError)
    with libraries_follow_network(Network()), pytest.raises(errors) as caught:
        fetch(HTTPS_URL)
    problem = find_proxy_problem(caught.value)
    assert problem
    assert problem.message.startswith("cannot connect to the proxy http://127.0.0.1:")


def test_other_threads_and_later_requests_do_not_follow() -> None:
    before = requests.Session.get_adapter, urllib3.PoolManager.urlopen
    seen = []
    with requests.Session() as session, libraries_follow_network(Network()):
        thread = threading.Thread(target=lambda: seen.append(type(session.get_adapter(HTTPS_URL))))
        thread.start()
        thread.join()
        with libraries_follow_network(Network()):
            pass
        assert type(session.get_adapter(HTTPS_URL)).__name__ == "NetworkAdapter"
    assert seen == [requests.adapters.HTTPAdapter]
    assert (requests.Session.get_adapter, urllib3.PoolManager.urlopen) == before


# --- trusted publishing and Sigstore ---------------------------------------------------------------


@pytest.fixture
def ci_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter22")


@pytest.mark.usefixtures("ci_job")
def test_trusted_publishing_follows_the_configuration(
    tmp_path: Path, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate of --cert counts for the index only: the CI has another one."""
    served, pem = secure
    served.index.minted_token = "pypi-minted"
    (tmp_path / "ci").mkdir()
    pair = certificate(tmp_path / "ci", subject="ci")
    monkeypatch.setattr(utils, "DEFAULT_REPOSITORY", served.upload_url)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    claims = base64.urlsafe_b64encode(b'{"aud": "pypi"}').decode().rstrip("=")
    token = answer(200, f'{{"value": "x.{claims}.y"}}'.encode(), {"Content-Type": "application/json"})
    with ScriptedServer([token], tls=pair.context()) as ci, SocksServer() as socks:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{ci.url}?api-version=2")
        for proxy in ("", socks.url):
            monkeypatch.setenv("ALL_PROXY", proxy)
            uploader = make_uploader(username=None, password=None, cert=pem, repository_url=None)
            assert uploader.credentials() == ("__token__", "pypi-minted")
    assert {port for _, port in socks.targets} == {ci.port, served_port(served)}


@pytest.mark.usefixtures("ci_job")
@pytest.mark.parametrize("is_index_excepted", [True, False])
def test_trusted_publishing_names_a_dead_proxy(
    is_index_excepted: bool, secure: tuple[Served, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    served, pem = secure
    served.index.minted_token = "pypi-minted"
    monkeypatch.setattr(utils, "DEFAULT_REPOSITORY", served.upload_url)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{HTTPS_URL}?api-version=2")
    dead = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HTTPS_PROXY", dead)
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8" if is_index_excepted else "")
    uploader = make_uploader(username=None, password=None, cert=pem, repository_url=None)
    with pytest.raises(CredentialsError, match=f"cannot connect to the proxy {dead}"):
        uploader.credentials()


@pytest.mark.usefixtures("ci_job")
def test_sigstore_names_a_dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    sigstore_signer = pytest.importorskip("wheel_uploader.signing.sigstore_signer")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{HTTPS_URL}?api-version=2")
    dead = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HTTPS_PROXY", dead)
    with pytest.raises(TransportError, match=f"cannot connect to the proxy {dead}"):
        sigstore_signer.SigstoreSigner()
