"""Printed text: secrets are redacted in any encoding, control sequences are escaped, nothing else changes."""

from __future__ import annotations

import ast
import base64
import html
import itertools
import json
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.testing.tested_package import ROOT
from wheel_uploader.core import redaction as core_redaction
from wheel_uploader.core import secret_patterns
from wheel_uploader.core.formatting import format_approximate_size, format_size
from wheel_uploader.core.redaction import (
    redact_secrets,
    register_basic_auth,
    register_secret,
    register_url_secrets,
    sanitize,
    sanitize_message,
    sanitize_url,
    strip_url,
)
from wheel_uploader.core.secret_patterns import MASK, SecretSet


@pytest.fixture(autouse=True)
def no_registered_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_redaction, "_secrets", SecretSet())
    monkeypatch.setattr(core_redaction, "_uncommon_secrets", SecretSet())


# --- secrets recognized by their context -----------------------------------------------------------

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvIn0.c2VjcmV0LXZhbHVl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # user info
        ("https://user:s3cret@host/simple/", "https://***@host/simple/"),
        ("https://s3cret@host/simple/", "https://***@host/simple/"),
        ("https://user:s3c@ret@host/", "https://***@host/"),
        ("https://USER:PASSWORD@s3cret@host/", "https://***@host/"),
        ("https://USER:PASSWORDs3cret@host/", "https://***@host/"),
        ("https://user:password@host/", "https://***@host/"),
        ("https://user:s3%40cret@host/", "https://***@host/"),
        ("https://user:pa/s3cret@host/", "https://***@host/"),
        ("https://user:pa?s3cret#x@host/", "https://***@host/"),
        (r"https:\/\/user:s3cret@host\/x", r"https:\/\/***@host\/x"),
        ("next=https%3A%2F%2Fuser%3As3cret%40host%2Fx", "next=https%3A%2F%2F***%40host%2Fx"),
        ("//user:s3cret@host/", "//***@host/"),
        ("ssh://git:s3cret@host and ftp://u:s3cret@h", "ssh://***@host and ftp://***@h"),
        # tokens in a path
        ("https://host/t/an-s3cret/org/simple/", "https://host/t/***/org/simple/"),
        ("https://host/t/an-s3cret", "https://host/t/***"),
        ("u=https%3A%2F%2Fhost%2Ft%2Fan-s3cret%2Forg", "u=https%3A%2F%2Fhost%2Ft%2F***%2Forg"),
        # queries
        ("https://host/x.whl?token=s3cret", "https://host/x.whl?token=***"),
        ("https://host/x.whl?a=1&access_token=s3cret&b=2", "https://host/x.whl?a=1&access_token=***&b=2"),
        ("https://host/x.whl?private_token=s3cret#f", "https://host/x.whl?private_token=***#f"),
        ("https://host/x?a=1&amp;api_key=s3cret&amp;b=2", "https://host/x?a=1&amp;api_key=***&amp;b=2"),
        ("u=%2Fx%3Ftoken%3Ds3cret", "u=%2Fx%3Ftoken%3D***"),
        (
            "https://s3/x?X-Amz-Credential=s3cret%2Fx&X-Amz-Date=1&X-Amz-Security-Token=s3cret",
            "https://s3/x?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Security-Token=***",
        ),
        (
            "https://s3/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=s3cret",
            "https://s3/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=***",
        ),
        (
            "https://s3/x?AWSAccessKeyId=s3cret&Signature=s3cret%3D&Expires=1",
            "https://s3/x?AWSAccessKeyId=***&Signature=***&Expires=1",
        ),
        (
            "https://gcs/x?X-Goog-Credential=s3cret&X-Goog-Expires=1&X-Goog-Signature=s3cret",
            "https://gcs/x?X-Goog-Credential=***&X-Goog-Expires=1&X-Goog-Signature=***",
        ),
        ("https://blob/x?sv=2024&sp=r&sig=s3cret%2Bx%3D", "https://blob/x?sv=2024&sp=r&sig=***"),
        (f"https://files/x?sp=r&jwt={JWT}&n=1", "https://files/x?sp=r&jwt=***&n=1"),
        ("https://cdn/x?Policy=s3cret&Key-Pair-Id=s3cret", "https://cdn/x?Policy=***&Key-Pair-Id=***"),
        # headers
        ("Authorization: Basic dXNlcjpzM2NyZXQ=", "Authorization: Basic ***"),
        ("authorization: bearer s3cret", "authorization: bearer ***"),
        ("Authorization: token s3cret", "Authorization: token ***"),
        ("Proxy-Authorization: Negotiate s3cret==", "Proxy-Authorization: Negotiate ***"),
        ("Authorization: s3cret", "Authorization: ***"),
        ("PRIVATE-TOKEN: s3cret", "PRIVATE-TOKEN: ***"),
        ("{'Authorization': 'Basic dXNlcjpzM2NyZXQ='}", "{'Authorization': '***'}"),
        ("[(b'Authorization', b'Bearer s3cret')]", "[(b'Authorization', b'***')]"),
        ("sent Basic dXNlcjpzM2NyZXQ= to it", "sent Basic *** to it"),
        ("sent Bearer s3cret-0123456789 to it", "sent Bearer *** to it"),
        # assignments
        ("TWINE_PASSWORD=s3cret", "TWINE_PASSWORD=***"),
        ("password = s3cret", "password = ***"),
        ("password=s3cret&x=1", "password=***&x=1"),
        ('{"password": "s3c\\"ret", "user": "me"}', '{"password": "***", "user": "me"}'),
        ("{'api_token': 's3cret'}", "{'api_token': '***'}"),
        # tokens with a known prefix
        ("pypi-" + "AgEIcHlwaS5vcmcCJDAwMDAwMDAwL", "pypi-***"),
        ("token pypi-0123456789abcdef, again", "token pypi-***, again"),
        ("ghp_0123456789abcdefABCDEF0123456789abcd", "ghp_***"),
        ("ghs_0123456789abcdefABCDEF0123456789abcd", "ghs_***"),
        ("github_pat_11ABCDEFG0123456789_abcdef", "github_pat_***"),
        ("glpat-" + "0123456789abcdefABCD", "glpat-***"),
        (f"got {JWT}.", "got eyJ***."),
    ],
)
def test_redacts_a_secret_by_its_context(text: str, expected: str) -> None:
    assert redact_secrets(text) == expected
    assert sanitize(text) == expected
    assert redact_secrets(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "token permissions: the token has no scope for this project",
        "token-based access, key-value, key=value",
        "C++ std::vector and boost::system are named in the summary",
        "Private :: Do Not Upload",
        "Programming Language :: Python :: 3 :: Only, License :: OSI Approved :: BSD License",
        "see https://host:8080/a@v1/b?x=1&version=2&author=me#sha256=abc",
        "mail me@example.com or <you@example.com>, or both@once.",
        "git+https://host/project@main",
        "a basic wheel, the basic manylinux_2_17_x86_64 one, Basic usage-guide-2",
        "bearer of news; Bearer tokens-are-not-supported",
        "Uploaded pypi-attestations-0.0.20.tar.gz, pypi-simple, pypi-timemachine-1",
        "tiktoken==0.9.0, secret>=1, keyring>=25",
        "/home/user/tmp/wheelhouse",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "password is missing; Secret key: none; passwords must not be empty",
        "## Heading [link](x), section 2.1: a::b, ratio 1::2, ::1 and [::1]:8080, fe80::1",
        "Größe 中文 ñ é λ 🎉 ½ € — “quotes” and a combining e\u0301",
        "C:\\Users\\me\\wheelhouse",
        "a login may be required (https://USER:PASSWORD@HOST/...), or http://USER:PASSWORD@127.0.0.1:8080/x",
    ],
)
def test_does_not_change_ordinary_text(text: str) -> None:
    assert sanitize(text) == text


# --- registered secrets ----------------------------------------------------------------------------

SECRETS = [
    "correct horse",
    "pa\"ss'wo<r>d&co\\",
    "p/a?s#s@w:o%r+d=",
    "пароль-日本",
    "line\nbreak\ttab",
    "esc\x1b[31mape",
    "hunter2?>~~~",
    "test",
]


def encode_in_every_way(secret: str) -> dict[str, str]:
    data = secret.encode()
    percent = quote(secret, safe="")
    return {
        "raw": secret,
        "percent": percent,
        "percent, lower case": "".join(
            part.lower() if index % 2 else part for index, part in enumerate(re.split("(%..)", percent))
        ),
        "path": quote(secret),
        "form": quote_plus(secret),
        "repr": repr(secret)[1:-1],
        "ascii": ascii(secret)[1:-1],
        "bytes": repr(data)[2:-1],
        "json": json.dumps(secret)[1:-1],
        "json, utf-8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "html": html.escape(secret),
        "html text": html.escape(secret, quote=False),
        "base64": base64.b64encode(data).decode(),
        "base64, no padding": base64.b64encode(data).decode().rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(data).decode(),
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_redacts_a_registered_secret_in_every_encoding(secret: str) -> None:
    register_secret(secret)
    for kind, encoded in encode_in_every_way(secret).items():
        text = f"it said: {encoded}!"
        assert redact_secrets(text).rstrip("!=") == "it said: ***", kind
        assert encoded not in sanitize(text)
        assert sanitize(text).startswith("it said: ***")


def test_a_message_keeps_its_own_words_and_no_other_secret() -> None:
    register_secret("wheel")
    register_secret("xyzzyplugh")
    text = "the wheel is named xyzzyplugh"
    assert sanitize_message(text) == "the wheel is named ***"
    assert sanitize(text) == "the *** is named ***"


def test_no_sentence_of_the_program_is_masked() -> None:
    own = [text for path in (ROOT / "wheel_uploader").rglob("*.py") for text in _find_strings(path)]
    assert [text for text in own if redact_secrets(text) != text] == []


def _find_strings(path: Path) -> Iterator[str]:
    """Yield the string literals of a module, except for docstrings and parts of f-strings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {
        value
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Expr)
        for value in (node.values if isinstance(node, ast.JoinedStr) else [node.value])
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.value


def test_ignores_whitespace_around_a_secret() -> None:
    register_secret("correct horse\n")
    assert redact_secrets("<correct horse>") == "<***>"


def test_redacts_a_secret_that_contains_another() -> None:
    register_secret("correct")
    register_secret("correct horse")
    assert redact_secrets("correct horse, correct") == "***, ***"


@pytest.mark.parametrize(
    ("user", "password"), [("me", "pässwörd"), ("__token__", "abcd"), ("", "correct horse")]
)
def test_redacts_a_basic_auth_header_in_both_charsets(user: str, password: str) -> None:
    register_basic_auth(user, password)
    for charset in ("utf-8", "latin-1"):
        header = base64.b64encode(f"{user}:{password}".encode(charset)).decode()
        assert redact_secrets(f"x{header}x") == "x***x"
    assert redact_secrets(password) == "***"


@pytest.mark.parametrize("user", ["", "m", "me", "you", "somebody"])
def test_redacts_the_password_in_the_basic_auth_header_of_any_user(user: str) -> None:
    register_secret("correct horse")
    header = base64.b64encode(f"{user}:correct horse and more".encode()).decode()
    shown = redact_secrets(header)
    assert "***" in shown
    kept = base64.b64decode(shown.partition("***")[0] + "====")
    assert b"cor" not in kept


def test_redacts_a_password_that_latin_1_cannot_encode() -> None:
    register_basic_auth("me", "пароль")
    assert redact_secrets(base64.b64encode("me:пароль".encode()).decode()) == "***"


@pytest.mark.parametrize("short", [None, "", "a", "ab", "abc", "   ", "     ", "\n\n\n\n\n", " ab  "])
def test_does_not_redact_a_very_short_secret(short: str | None) -> None:
    """Masking every "a" would hide nothing: the positions of the masks reveal the password."""
    register_secret(short)
    text = "a cab,  a      b\n\n\n\n\n"
    assert redact_secrets(text) == text


def test_registers_secrets_while_other_threads_redact() -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def show() -> None:
        try:
            while not stop.is_set():
                redact_secrets("some text")
        except RuntimeError as error:
            failures.append(error)

    threads = [threading.Thread(target=show) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(200):
        register_secret(f"secret-{number}")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert redact_secrets("secret-0 secret-199") == "*** ***"


@given(st.text(min_size=4), st.text(max_size=20), st.text(max_size=20))
def test_never_shows_a_registered_secret(secret: str, before: str, after: str) -> None:
    core_redaction._secrets = SecretSet()
    register_secret(secret)
    if not secret.strip() or secret in MASK or secret in "...":
        return
    shown = redact_secrets(before + secret + after)
    assert secret not in shown.replace("***", "") or secret in before + after or len(secret.strip()) < 4


# --- control sequences and CI commands -------------------------------------------------------------

PAYLOADS = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H",
    "cursor up, erase": "\x1b[1A\x1b[2Kfake line",
    "window title": "\x1b]0;owned\x07",
    "title, answered back": "\x1b]2;rm -rf /\x07\x1b[21t",
    "link": "\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4K\x07",
    "iTerm file": "\x1b]1337;File=name=eA==:AAAA\x07",
    "notification": "\x1b]9;owned\x07",
    "device control": "\x1bP+q544e\x1b\\",
    "screen's title": "\x1bkowned\x1b\\",
    "application command": "\x1b_owned\x1b\\",
    "privacy message": "\x1b^owned\x1b\\",
    "reset": "\x1bc",
    "character set": "\x1b(0lqqk\x1b(B",
    "alternate screen": "\x1b[?1049h",
    "bracketed paste": "\x1b[200~rm -rf ~\n\x1b[201~",
    "C1 CSI": "\x9b31mred",
    "C1 OSC": "\x9d0;owned\x9c",
    "C1 next line": "a\x85b",
    "carriage return": "uploaded evil\rnothing wrong",
    "backspace": "evil\b\b\b\bgood",
    "delete": "a\x7fb",
    "bell": "\a\a\a",
    "NUL": "dipy\x00.exe",
    "shift out": "\x0e\x0f",
    "tab and form feed": "a\tb\fc\vd",
    "new lines": "first\nfake second\r\nfake third",
    "Unicode line ends": "a\u2028b\u2029c",
    "bidi override": "dipy\u202egpj.exe\u202c",
    "bidi isolates": "\u2066a\u2067b\u2068c\u2069",
    "bidi marks": "a\u200e\u200f\u061cb",
    "zero width": "d\u200bi\u200cp\u200dy\u2060",
    "byte order mark": "\ufeffdipy",
    "soft hyphen": "di\u00adpy",
    "tag characters": "dipy\U000e0064\U000e0065",
    "invisible letters": "di\u3164p\u115fy\uffa0\u034f\ufe0f\U000e0100",
    "odd spaces": "a\u00a0b\u2003c\u3000d\u2800e",
    "lone surrogates": "a\ud800b\udc80c\udfff",
    "private use and unassigned": "\ue000\U000f0000\uffff\U0010ffff\u0378",
    "error command": "::error file=a.py,line=1::owned",
    "set-output": "::set-output name=path::/evil",
    "add-mask": "::add-mask::e",
    "stop-commands": "::stop-commands::pause",
    "command after a new line": "fine\n::error::owned",
    "command after a carriage return": "fine\r::warning::owned",
    "command after spaces": "  \t::debug::owned",
    "command behind an invisible character": "\u200b::error::owned",
    "command in a word": "x::set-env name=PATH::evil ::ERROR::x x::error::y",
    "Azure": "##vso[task.setvariable variable=x]y",
    "Azure's colours": "text ##[error]owned",
    "TeamCity": "##teamcity[buildStatus status='SUCCESS']",
    "very long": "A" * 1_000_000,
    "very long and hostile": "\x1b[31m" * 100_000,
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
@pytest.mark.parametrize("around", ["{}", "dipy {} 1.0", "{}\n{}"], ids=["alone", "amid", "twice"])
def test_makes_a_payload_harmless(payload: str, around: str) -> None:
    started = time.thread_time()
    shown = sanitize(around.format(payload, payload))
    assert time.thread_time() - started < 2
    assert_harmless(shown)
    assert len(shown) < 25_000


def assert_harmless(shown: str) -> None:
    assert shown.isprintable()
    assert shown.splitlines() in ([shown], [])
    shown.encode("utf-8")
    assert not {unicodedata.category(character) for character in shown} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    }
    lowered = shown.lower()
    assert "##[" not in lowered
    assert "##vso[" not in lowered
    assert "##teamcity[" not in lowered
    for command in ("error", "warning", "debug", "set-output", "set-env", "add-mask", "stop-commands"):
        assert not lowered.lstrip().startswith(f"::{command}")
        assert f" ::{command}" not in lowered
        assert f"::{command}::" not in lowered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("x\u202ey\u200bz", r"x\u202ey\u200bz"),
        ("\ud800", r"\ud800"),
        ("\U000e0064", r"\U000e0064"),
        ("::error::owned", ": :error::owned"),
        ("a\n::set-output name=x::y", r"a\n: :set-output name=x::y"),
        ("##[error]x ##vso[y]", "# #[error]x # #vso[y]"),
        ("", ""),
    ],
)
def test_escapes_are_readable(text: str, expected: str) -> None:
    assert sanitize(text) == expected


def test_shortens_a_long_text_after_redacting_it() -> None:
    register_secret("correct horse battery staple")
    shown = sanitize("x" * 90 + "correct horse battery staple", limit=100)
    assert shown == "x" * 90 + "***"
    assert sanitize("y" * 101, limit=100) == "y" * 100 + "..."
    assert sanitize("y" * 100, limit=100) == "y" * 100


@given(st.text(alphabet=st.characters(codec=None)))
def test_sanitizes_any_text_to_one_harmless_line(text: str) -> None:
    shown = sanitize(text)
    assert_harmless(shown)
    assert sanitize(shown) == shown


@given(
    st.lists(
        st.sampled_from(
            [
                ":",
                "::",
                "error",
                "set-output",
                " ",
                "\n",
                "\x1b",
                "#",
                "##",
                "[",
                "vso[",
                "a",
                ",",
                "//",
                "@",
                "=",
            ]
        ),
        max_size=12,
    )
)
def test_no_combination_of_command_parts_is_a_command(parts: list[str]) -> None:
    shown = sanitize("".join(parts))
    assert_harmless(shown)
    assert sanitize(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("//me:sec\nmore@ret@host", "//***@host"),
        ("https://me:s3c@r\nmore@ret@host/x", "https://***@host/x"),
        ("https://me:s3c/r\nmore@ret@host/x", "https://***@host/x"),
        ("https://me:s3cret@host\nsee me@index.example", "https://***@host\\nsee me@index.example"),
    ],
)
def test_masks_all_of_a_password_with_line_ends_and_at_signs(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@settings(max_examples=500)
@given(
    st.lists(
        st.sampled_from(
            [
                "//",
                "https://",
                ":",
                "\n",
                "@",
                "%40",
                "secret",
                "/",
                "\\",
                "#",
                "?",
                " ",
                "***",
                '"',
                "//***@",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_masks_every_combination_of_url_parts_in_one_pass(text: str) -> None:
    shown = sanitize(text)
    assert sanitize(shown) == shown


@pytest.mark.parametrize(
    "part",
    [
        "//a:b",
        "//***@a\\",
        "?token",
        "&key=",
        "a.a-",
        "%2Ft%2F",
        "eyJ.",
        "eyJabcdefgh.eyJabcd",
        "basic ",
        "'password': '",
        "::a",
        "._",
        "pypi-A",
    ],
)
def test_sanitizes_a_long_hostile_text_quickly(part: str) -> None:
    # CPU time of this thread, because other tests keep the machine busy.
    started = time.thread_time()
    sanitize(part * 300_000)
    assert time.thread_time() - started < 2


# --- URLs and sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:s3cret@host:8080/simple/?token=s3cret#s3cret", "https://host:8080/simple/"),
        ("https://user:pa/s3cret@host/x", "https://host/x"),
        ("https://user:pa?s3cret@host/x", "https://host/x"),
        ("https://host/t/s3cret/x", "https://host/t/***/x"),
        ("http://[::1]:8080/x?y", "http://[::1]:8080/x"),
        ("http://[::1/x?token=s3cret", "http://[::1/x"),
        ("file:///srv/wheels/", "file:///srv/wheels/"),
        ("host/path?x#y", "host/path"),
        ("", ""),
    ],
)
def test_strips_credentials_from_a_url(url: str, shown: str) -> None:
    assert strip_url(url) == shown


@given(st.text())
def test_strips_the_query_from_any_url(text: str) -> None:
    assert "?" not in strip_url(f"https://host/{text}")
    strip_url(text)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (None, "?"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (1_500_000_000, "1.5 GB"),
        (2_000_000_000_000, "2000.0 GB"),
    ],
)
def test_formats_sizes(size: int | None, shown: str) -> None:
    assert format_size(size) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (7, "about 7 B"),
        (512, "about 510 B"),
        (999, "about 1 kB"),
        (16_777_216, "about 17 MB"),
        (347_200_000, "about 350 MB"),
        (1_234_000_000, "about 1.2 GB"),
        (2_000_000_000_000, "about 2000 GB"),
    ],
)
def test_formats_approximate_sizes_with_two_digits(size: int, shown: str) -> None:
    assert format_approximate_size(size) == shown


# --- text that is not secret -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "/any/t/demo",
        "any/t/demo-1.0/dist",
        "/t/demo",
        "C:\\t\\demo",
        "C:\\t\\demo@main\\x",
        "any/t:demo/me@work",
        "//server/t/demo",
        "file:///any/t/demo",
        "file:///any/t/demo?token=demo",
        "https://wheels.example/any/t/demo/",
        "https://wheels.example/t/demo/",
        "https://wheels.example/x?key=demo&code=main",
    ],
)
def test_does_not_register_an_ordinary_word_of_a_url(place: str) -> None:
    register_url_secrets(place)
    line = "copied demo-1.0-py3-none-any.whl from /srv/demo, main"
    assert sanitize(line) == line
    if "//wheels.example" not in place and "?" not in place:
        assert sanitize(place) == place


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://anaconda.org/t/demo/owner/name", "demo"),
        ("https://pypi.anaconda.org:443/t/tk-1/owner/simple", "tk-1"),
        ("https://quetz.example/t/an-s3cret/channel", "an-s3cret"),
        ("https://wheels.example/x?token=0123456789", "0123456789"),
        ("https://wheels.example/x?token=abcdefghijklmnopq", "abcdefghijklmnopq"),
        ("https://me:demo@wheels.example/", "demo"),
        ("https://abcdefghijklmnopq@wheels.example/", "abcdefghijklmnopq"),
        ("https://me:p%40ssword@wheels.example/", "p@ssword"),
        ("me:demo@wheels.example/", "demo"),
    ],
)
def test_registers_a_secret_of_a_url(url: str, secret: str) -> None:
    register_url_secrets(url)
    assert redact_secrets(f"<{secret}>") == "<***>"
    assert secret not in sanitize(url)


def test_redacts_overlapping_secrets() -> None:
    register_secret("abcdefg")
    register_secret("efghijk")
    assert redact_secrets("xabcdefghijkx abcdefgefghijk") == "x***x ******"


def test_redacts_thousands_of_secrets_in_a_long_text() -> None:
    started = time.thread_time()
    for number in range(3000):
        register_secret(f"secret-{number * 7919:x}-{number}")
    text = "wheel-1.0 secret-1eef-1 and secret-no " * 30_000
    assert redact_secrets(text).count("***") == 30_000
    assert time.thread_time() - started < 20


@pytest.mark.parametrize(
    "pump", ["%2Fx", "%2F", "%2F%2Fa", "//:", "//a:", "eyJ-", "eyJabcdef.eyJ", "<h1", "?a=", "a.-"]
)
def test_redacts_credentials_in_linear_time(pump: str) -> None:
    text = pump * ((1 << 20) // len(pump))
    started = time.thread_time()
    redact_secrets(text)
    assert time.thread_time() - started < 6


WORDS = [
    *("//", "user:pw@", "%2F%2Fu%3Apw%40h", "https://h/t/abc", "?token=x", "&sig=x", "password = x"),
    *('"secret": "x"', "Authorization: Basic dTpw", "basic dTpw", "Bearer abcdef123456", "x-api-key: 1"),
    *("eyJhbGciOiJ9.eyJzdWIiOiJ9.x", "pypi-" + "AgEIcHlwaS5vcmc", "ghs_0123456789abcdef", "/T/abc"),
    *("glpat-0123456789abcdef", "github_pat_0123456789abcdef", "%3Fkey%3Dx", "\u017fecret=x"),
    *("dipy-1.0-py3-none-any.whl", "version 1.1, not 1.0", " ", "\n", "'"),
]


@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_the_quick_scan_never_misses_a_secret(case: Callable[[str], str]) -> None:
    for words in itertools.product(["", *WORDS], ["", *WORDS]):
        text = case("".join(words))
        assert secret_patterns.redact_by_pattern(text) == secret_patterns._redact_by_pattern(text)


def test_the_quick_scan_is_enough_for_file_names() -> None:
    assert secret_patterns._has_no_credentials(
        "not selected: dipy-1.1-cp311-cp311-win_amd64.whl: version 1.1, not 1.0"
    )


@pytest.mark.parametrize("middle", ["/", "#", "?", "@", '"', "'", "<", " ", "\\", "["])
def test_removes_a_password_of_any_characters_from_a_url(middle: str) -> None:
    shown = sanitize_url(f"https://me:s3cret{middle}s3cret@host/x y")
    assert "s3cret" not in shown
    assert shown.startswith("https://***@host/x")
    assert "s3cret" not in strip_url(f"https://me:s3cret{middle}s3cret@host/")
