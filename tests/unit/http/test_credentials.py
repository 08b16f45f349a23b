"""Credentials from a token and from netrc: which hosts receive them, and the error messages."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from wheel_uploader.core.errors import CredentialsError, UsageError
from wheel_uploader.core.redaction import redact_secrets
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.httpx_import import httpx
from wheel_uploader.listing.sources import anaconda

MINE, OTHER = "https://staging.example:8443/wheels/", "https://other.example/wheels/"


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bind_headers(*user_urls: str, **options: Any) -> list[tuple[str, Mapping[str, str]]]:
    return list(http_credentials.headers_for_urls(user_urls, **options))


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "my-netrc"
    path.touch(mode=0o600)
    monkeypatch.setenv("NETRC", str(path))
    yield path


def send_request(
    url: str, *user_urls: str, redirect: str = "", **options: Any
) -> list[tuple[str, str | None]]:
    """Return each requested URL, following ``redirect``, with the Authorization that was sent."""
    sent: list[tuple[str, str | None]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append((str(request.url), request.headers.get("authorization")))
        return (
            httpx.Response(302, headers={"location": redirect})
            if redirect and len(sent) == 1
            else httpx.Response(200)
        )

    with HttpClient(user_urls=user_urls, transport=httpx.MockTransport(handler)) as http:
        for base_url, headers in http_credentials.headers_for_urls(user_urls, **options):
            http.add_headers(base_url, headers)
        http.get(url)
    return sent


# --- the token -------------------------------------------------------------------------------------


def test_sends_the_token_to_the_user_urls() -> None:
    assert bind_headers(MINE, OTHER, "dist", token="abcd-1") == [
        ("https://staging.example:8443", {"authorization": "Bearer abcd-1"}),
        ("https://other.example", {"authorization": "Bearer abcd-1"}),
    ]
    assert bind_headers("https://me:word@staging.example/", token="abcd-1")[0][0] == "https://staging.example"
    assert bind_headers("dist", "s3://bucket/wheels", token="abcd-1") == []
    assert bind_headers(MINE) == bind_headers(MINE, token=None) == bind_headers(MINE, token="") == []


@pytest.mark.parametrize(
    ("url", "is_sent"),
    [
        ("https://staging.example:8443/wheels/", True),
        ("https://staging.example:8443/else?x=1", True),
        ("https://STAGING.example:8443/", True),
        ("https://staging.example/wheels/", False),
        ("https://staging.example:8444/wheels/", False),
        ("https://sub.staging.example:8443/wheels/", False),
        ("https://other.example/wheels/", False),
    ],
)  # fmt: skip
def test_token_is_bound_to_host_and_port(url: str, is_sent: bool) -> None:
    ((_, authorization),) = send_request(url, MINE, token="abcd-1")
    assert authorization == ("Bearer abcd-1" if is_sent else None)


def test_token_is_bound_to_the_scheme() -> None:
    ((_, authorization),) = send_request("http://127.0.0.1:80/", "https://127.0.0.1:80/", token="abcd-1")
    assert authorization is None


def test_token_does_not_follow_a_redirect() -> None:
    location = "https://storage.example/x"
    with pytest.raises(Exception, match=r"redirects to https://storage\.example/x, which is not followed"):
        send_request(MINE, MINE, redirect=location, token="abcd-1")

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        return httpx.Response(302, headers={"location": location}) if len(sent) == 1 else httpx.Response(200)

    sent: list[str | None] = []
    options: dict[str, Any] = {"allow_hosts": ["storage.example"], "transport": httpx.MockTransport(handler)}
    with HttpClient(user_urls=[MINE], **options) as http:
        for base_url, headers in http_credentials.headers_for_urls([MINE], token="abcd-1"):
            http.add_headers(base_url, headers)
        http.get(MINE)
    assert sent == ["Bearer abcd-1", None]


@pytest.mark.parametrize("host", sorted(http_credentials.ANACONDA_HOSTS))
def test_sends_the_token_in_the_format_of_anaconda(host: str) -> None:
    headers = dict(bind_headers(f"https://{host}/channels/me", token="abcd-1"))
    assert headers == {
        f"https://{name}": {"authorization": "token abcd-1"} for name in http_credentials.ANACONDA_HOSTS
    }


def test_anaconda_hosts_are_those_of_the_source() -> None:
    assert http_credentials.ANACONDA_HOSTS == anaconda._HOSTS


def test_sends_an_anaconda_token_neither_to_storage_nor_to_similar_hosts() -> None:
    package_url = "https://anaconda.org/me/dipy/files"
    file = "https://api.anaconda.org/download/me/dipy/1/x.whl"
    storage = "https://binstar-cio-packages-prod.s3.amazonaws.com/x.whl"
    assert send_request(file, package_url, redirect=storage, token="abcd-1") == [
        (file, "token abcd-1"),
        (storage, None),
    ]
    assert bind_headers("https://anaconda.org.evil.example/me", token="abcd-1")[0][1] == {
        "authorization": "Bearer abcd-1"
    }


@pytest.mark.parametrize(
    "token", ["Bearer abcd", "ab\ncd", "ab\x00cd", "t\xf6ken-abcd", "  ", "\u201cabcd\u201d"]
)
def test_rejects_an_invalid_token_without_showing_it(token: str) -> None:
    with pytest.raises(UsageError) as caught:
        bind_headers(MINE, token=token)
    assert str(caught.value) == "WHEEL_UPLOADER_URL_TOKEN is not a token"
    assert caught.value.hint == "Set it to the token alone, without 'Bearer' in front."


def test_strips_space_around_a_token() -> None:
    assert bind_headers(MINE, token=" abcd-1\n")[0][1] == {"authorization": "Bearer abcd-1"}


def test_redacts_the_token_from_then_on() -> None:
    token = uuid4().hex
    assert token in redact_secrets(f"x {token}")
    bind_headers(MINE, token=token)
    assert token not in redact_secrets(f"x {token}")


# --- netrc -----------------------------------------------------------------------------------------


def test_reads_netrc_only_on_request(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\n")
    assert bind_headers(MINE) == []
    assert bind_headers(MINE, OTHER, netrc=True) == [
        ("https://staging.example:8443", {"authorization": basic("me", "word-1")})
    ]


def test_precedence_is_netrc_host_then_token_then_netrc_default(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\ndefault login any password word-2\n")
    assert send_request(MINE, MINE, OTHER, netrc=True, token="abcd-1")[0][1] == basic("me", "word-1")
    assert send_request(OTHER, MINE, OTHER, netrc=True, token="abcd-1")[0][1] == "Bearer abcd-1"
    assert send_request(OTHER, MINE, OTHER, netrc=True)[0][1] == basic("any", "word-2")


def test_credentials_in_a_url_take_precedence(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\n")
    url = "https://you:word-3@staging.example:8443/wheels/"
    ((requested, authorization),) = send_request(url, url, netrc=True, token="abcd-1")
    assert (requested, authorization) == (MINE, basic("you", "word-3"))


def test_reads_netrc_in_the_home_directory(
    tmp_path: Path, netrc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").touch(mode=0o600)
    (tmp_path / ".netrc").write_text("machine staging.example login me password word-1\n")
    assert bind_headers(MINE, netrc=True)[0][1] == {"authorization": basic("me", "word-1")}


def test_sends_a_netrc_entry_without_password(netrc: Path) -> None:
    netrc.write_text("machine staging.example login word-only-login\n")
    assert bind_headers(MINE, netrc=True)[0][1] == {"authorization": basic("word-only-login", "")}


def test_rejects_a_netrc_that_others_may_read(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\n")
    for mode in (0o640, 0o604, 0o620):
        netrc.chmod(mode)
        with pytest.raises(UsageError) as caught:
            bind_headers(MINE, netrc=True)
        assert str(caught.value) == f"{netrc} holds passwords, and other users can read it"
        assert caught.value.hint == f"Run: chmod 600 {netrc}"
    netrc.chmod(0o400)
    assert bind_headers(MINE, netrc=True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"machine staging.example login me passwort word-1\n", " (near line 1)"),
        (b"\nword-1 x\n", " (near line 2)"),
        (b"machine staging.example login me password w\xf6rd-1\n", ""),
    ],
)
def test_reports_an_invalid_netrc_without_quoting_it(netrc: Path, text: bytes, line: str) -> None:
    netrc.write_bytes(text)
    with pytest.raises(UsageError) as caught:
        bind_headers(MINE, netrc=True)
    assert str(caught.value) == f"cannot parse {netrc}{line}"
    assert caught.value.hint == "Its entries look like 'machine HOST login NAME password WORD'."


def test_reports_a_missing_netrc(netrc: Path) -> None:
    netrc.unlink()
    with pytest.raises(UsageError) as caught:
        bind_headers(MINE, netrc=True)
    assert str(caught.value) == f"cannot read {netrc}: No such file or directory"
    assert (
        caught.value.hint
        == "Create it with the line 'machine HOST login NAME password WORD', or omit --netrc."
    )


def test_reports_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NETRC")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(UsageError, match=r"^cannot read \.netrc: "):
        bind_headers(MINE, netrc=True)


def test_reports_rejected_credentials() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(401, text="no"))
    with HttpClient(user_urls=[MINE], transport=transport) as http:
        for base_url, headers in http_credentials.headers_for_urls([MINE], token="abcd-1"):
            http.add_headers(base_url, headers)
        with pytest.raises(CredentialsError) as caught:
            http.get(MINE)
    assert str(caught.value) == f"{MINE} rejected the token or the credentials that were sent"
    assert caught.value.hint == (
        "Check that they are for this host, allow reading this URL, and have not expired."
    )
