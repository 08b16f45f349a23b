"""Logins from a token and from netrc: to whom they go, to whom they do not, and what is said."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from wheel_uploader.core.errors import CredentialsError, UsageError
from wheel_uploader.core.redaction import redact_secrets
from wheel_uploader.http import credentials as http_credentials
from wheel_uploader.http.client import HttpClient
from wheel_uploader.listing.sources import anaconda

MINE, OTHER = "https://staging.example:8443/wheels/", "https://other.example/wheels/"


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bound(*typed: str, **options: Any) -> list[tuple[str, Mapping[str, str]]]:
    return list(http_credentials.headers_for_urls(typed, **options))


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "my-netrc"
    path.touch(mode=0o600)
    monkeypatch.setenv("NETRC", str(path))
    yield path


def sent(asked: str, *typed: str, then: str = "", **options: Any) -> list[tuple[str, str | None]]:
    """Each URL that ``asked`` leads to, with the Authorization that it got; ``then``: a redirect."""
    seen: list[tuple[str, str | None]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), request.headers.get("authorization")))
        return (
            httpx.Response(302, headers={"location": then})
            if then and len(seen) == 1
            else httpx.Response(200)
        )

    with HttpClient(user_urls=typed, transport=httpx.MockTransport(handler)) as http:
        for below, headers in http_credentials.headers_for_urls(typed, **options):
            http.add_headers(below, headers)
        http.get(asked)
    return seen


# --- the token -------------------------------------------------------------------------------------


def test_a_token_goes_to_the_places_that_were_typed() -> None:
    assert bound(MINE, OTHER, "dist", token="abcd-1") == [
        ("https://staging.example:8443", {"authorization": "Bearer abcd-1"}),
        ("https://other.example", {"authorization": "Bearer abcd-1"}),
    ]
    assert bound("https://me:word@staging.example/", token="abcd-1")[0][0] == "https://staging.example"
    assert bound("dist", "s3://bucket/wheels", token="abcd-1") == []
    assert bound(MINE) == bound(MINE, token=None) == bound(MINE, token="") == []


@pytest.mark.parametrize(
    ("asked", "goes"),
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
def test_a_token_is_bound_to_scheme_host_and_port(asked: str, goes: bool) -> None:
    ((_, authorization),) = sent(asked, MINE, token="abcd-1")
    assert authorization == ("Bearer abcd-1" if goes else None)


def test_a_token_is_bound_to_its_scheme() -> None:
    ((_, authorization),) = sent("http://127.0.0.1:80/", "https://127.0.0.1:80/", token="abcd-1")
    assert authorization is None


def test_a_token_does_not_follow_a_redirect() -> None:
    there = "https://storage.example/x"
    with pytest.raises(Exception, match=r"redirects to https://storage\.example/x, which is not followed"):
        sent(MINE, MINE, then=there, token="abcd-1")

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(302, headers={"location": there}) if len(seen) == 1 else httpx.Response(200)

    seen: list[str | None] = []
    options: dict[str, Any] = {"allow_hosts": ["storage.example"], "transport": httpx.MockTransport(handler)}
    with HttpClient(user_urls=[MINE], **options) as http:
        for below, headers in http_credentials.headers_for_urls([MINE], token="abcd-1"):
            http.add_headers(below, headers)
        http.get(MINE)
    assert seen == ["Bearer abcd-1", None]


@pytest.mark.parametrize("host", sorted(http_credentials.ANACONDA_HOSTS))
def test_anaconda_gets_the_token_in_its_own_words_at_its_own_hosts(host: str) -> None:
    given = dict(bound(f"https://{host}/channels/me", token="abcd-1"))
    assert given == {
        f"https://{each}": {"authorization": "token abcd-1"} for each in http_credentials.ANACONDA_HOSTS
    }


def test_the_hosts_of_anaconda_are_those_of_the_source() -> None:
    assert http_credentials.ANACONDA_HOSTS == anaconda._HOSTS


def test_a_token_for_anaconda_reaches_neither_its_storage_nor_a_likeness() -> None:
    typed = "https://anaconda.org/me/dipy/files"
    file = "https://api.anaconda.org/download/me/dipy/1/x.whl"
    storage = "https://binstar-cio-packages-prod.s3.amazonaws.com/x.whl"
    assert sent(file, typed, then=storage, token="abcd-1") == [(file, "token abcd-1"), (storage, None)]
    assert bound("https://anaconda.org.evil.example/me", token="abcd-1")[0][1] == {
        "authorization": "Bearer abcd-1"
    }


@pytest.mark.parametrize(
    "token", ["Bearer abcd", "ab\ncd", "ab\x00cd", "t\xf6ken-abcd", "  ", "\u201cabcd\u201d"]
)
def test_what_is_no_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(UsageError) as caught:
        bound(MINE, token=token)
    assert str(caught.value) == "WHEEL_UPLOADER_URL_TOKEN is not a token"
    assert caught.value.hint == "Set it to the token alone, without 'Bearer' in front."


def test_space_around_a_token_is_not_part_of_it() -> None:
    assert bound(MINE, token=" abcd-1\n")[0][1] == {"authorization": "Bearer abcd-1"}


def test_a_token_is_masked_from_then_on() -> None:
    token = uuid4().hex
    assert token in redact_secrets(f"x {token}")
    bound(MINE, token=token)
    assert token not in redact_secrets(f"x {token}")


# --- netrc -----------------------------------------------------------------------------------------


def test_netrc_counts_only_when_asked_for(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\n")
    assert bound(MINE) == []
    assert bound(MINE, OTHER, netrc=True) == [
        ("https://staging.example:8443", {"authorization": basic("me", "word-1")})
    ]


def test_a_host_of_netrc_goes_before_the_token_and_its_default_after(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\ndefault login any password word-2\n")
    assert sent(MINE, MINE, OTHER, netrc=True, token="abcd-1")[0][1] == basic("me", "word-1")
    assert sent(OTHER, MINE, OTHER, netrc=True, token="abcd-1")[0][1] == "Bearer abcd-1"
    assert sent(OTHER, MINE, OTHER, netrc=True)[0][1] == basic("any", "word-2")


def test_the_login_in_a_url_goes_before_all(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\n")
    url = "https://you:word-3@staging.example:8443/wheels/"
    ((asked, authorization),) = sent(url, url, netrc=True, token="abcd-1")
    assert (asked, authorization) == (MINE, basic("you", "word-3"))


def test_netrc_lies_in_the_home_directory(
    tmp_path: Path, netrc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").touch(mode=0o600)
    (tmp_path / ".netrc").write_text("machine staging.example login me password word-1\n")
    assert bound(MINE, netrc=True)[0][1] == {"authorization": basic("me", "word-1")}


def test_an_entry_without_a_name_or_password_is_sent_as_it_is(netrc: Path) -> None:
    netrc.write_text("machine staging.example login word-only-login\n")
    assert bound(MINE, netrc=True)[0][1] == {"authorization": basic("word-only-login", "")}


def test_a_netrc_that_others_may_read_is_refused(netrc: Path) -> None:
    netrc.write_text("machine staging.example login me password word-1\n")
    for mode in (0o640, 0o604, 0o620):
        netrc.chmod(mode)
        with pytest.raises(UsageError) as caught:
            bound(MINE, netrc=True)
        assert str(caught.value) == f"{netrc} holds passwords, and other users can read it"
        assert caught.value.hint == f"Run: chmod 600 {netrc}"
    netrc.chmod(0o400)
    assert bound(MINE, netrc=True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"machine staging.example login me passwort word-1\n", " (near line 1)"),
        (b"\nword-1 x\n", " (near line 2)"),
        (b"machine staging.example login me password w\xf6rd-1\n", ""),
    ],
)
def test_a_netrc_that_is_none_is_said_and_not_quoted(netrc: Path, text: bytes, line: str) -> None:
    netrc.write_bytes(text)
    with pytest.raises(UsageError) as caught:
        bound(MINE, netrc=True)
    assert str(caught.value) == f"cannot parse {netrc}{line}"
    assert caught.value.hint == "Its entries look like 'machine HOST login NAME password WORD'."


def test_a_netrc_that_is_not_there_is_said(netrc: Path) -> None:
    netrc.unlink()
    with pytest.raises(UsageError) as caught:
        bound(MINE, netrc=True)
    assert str(caught.value) == f"cannot read {netrc}: No such file or directory"
    assert (
        caught.value.hint
        == "Create it with the line 'machine HOST login NAME password WORD', or omit --netrc."
    )


def test_a_user_without_a_home_has_no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NETRC")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UsageError, match=r"^cannot read \.netrc: "):
        bound(MINE, netrc=True)


def test_a_login_that_is_refused_is_said() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(401, text="no"))
    with HttpClient(user_urls=[MINE], transport=transport) as http:
        for below, headers in http_credentials.headers_for_urls([MINE], token="abcd-1"):
            http.add_headers(below, headers)
        with pytest.raises(CredentialsError) as caught:
            http.get(MINE)
    assert str(caught.value) == f"{MINE} rejected the token or the credentials that were sent"
    assert caught.value.hint == (
        "Check that they are for this host, allow reading this URL, and have not expired."
    )
