"""When tokens say that they end: PyPI's macaroons, and JSON Web Tokens."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from wheel_uploader.upload import token_expiry
from wheel_uploader.upload.token_expiry import TokenLife

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEGIN, END = 1780000000, 1790000000


def field(kind: int, data: bytes) -> bytes:
    """Return a field of a macaroon: its type, its length in 7 bits a byte, and its data."""
    length, digits = len(data), []
    while length >= 0x80:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([kind, *digits, length]) + data


def macaroon(*caveats: object, identifier: bytes = b"an identifier") -> str:
    """Return a token as PyPI makes them, with these restrictions."""
    head = b"\x02" + field(1, b"index.example") + field(2, identifier) + b"\0"
    body = b"".join(field(2, json.dumps(caveat).encode()) + b"\0" for caveat in caveats)
    data = head + body + b"\0" + field(6, bytes(32))
    return "pypi-" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def web_token(**claims: object) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*(part.rstrip("=") for part in parts), "c2lnbmF0dXJl"])


def life(end: int | None = END, begin: int | None = BEGIN) -> TokenLife | None:
    if end is None:
        return None
    begins_at = None if begin is None else datetime.fromtimestamp(begin, UTC)
    return TokenLife(ends_at=datetime.fromtimestamp(end, UTC), begins_at=begins_at)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def binary(token: str) -> bytes:
    digits = token.removeprefix("pypi-")
    return base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))


def other_fields(caveat: object) -> str:
    text = json.dumps(caveat).encode()
    return "pypi-" + encoded(b"\x02" + field(1, b"x") + field(2, b"y") + b"\0" + field(4, text) + b"\0\0")


TEXT = json.dumps([0, END, BEGIN]).encode()
TEXT_LENGTH = len(TEXT)
LONG = macaroon([1, ["demo" * 5200]], [0, END, BEGIN])


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (macaroon([0, END, BEGIN]), life()),
        (macaroon([1, ["demo"]], [0, END, BEGIN]), life()),
        # The end that comes first counts.
        (macaroon([0, END, BEGIN], [0, END - 5, BEGIN]), life(END - 5)),
        # A restriction to projects with names of many characters: its length takes two bytes.
        (macaroon([1, ["demo" * 40]], [0, END, BEGIN]), life()),
        (macaroon([1, ["demo" * 5000]], [0, END, BEGIN]), life()),
        (macaroon({"exp": END, "nbf": BEGIN}), life()),
        # The lengths of the fields take three and four bytes.
        (macaroon([0, END, BEGIN], [1, ["demo" * 5000]]), life()),
        (LONG, life()),
        (macaroon(*[[0, END + number, BEGIN] for number in (5, 0, 3)]), life()),
        (macaroon({"exp": END, "isu": BEGIN, "iat": "soon"}), life()),
        (macaroon([0, END, None]), life(begin=None)),
        (macaroon([0, END, BEGIN, 1]), None),
        (macaroon([0, 1e300, BEGIN]), None),
        (macaroon([False, END, BEGIN]), life()),
        # A field of another type is not a caveat, also after the first section.
        (other_fields([0, END, BEGIN]), None),
        # Another version of the format, and a length that does not end.
        ("pypi-" + encoded(b"\x03" + binary(macaroon([0, END, BEGIN]))[1:]), None),
        ("pypi-" + encoded(b"\x02\0\x02" + b"\x80" * 4 + b"\x01x"), None),
        ("pypi-" + encoded(b"\x02\0\x02" + bytes([0x80 | TEXT_LENGTH, 0x80, 0x80, 0]) + TEXT), life()),
        ("pypi-" + encoded(b"\x02\0\x02" + bytes([0x80 | TEXT_LENGTH, 0x80, 0x80, 0x80, 0]) + TEXT), None),
        (macaroon(), None),
        (macaroon([1, ["demo"]]), None),
        (macaroon([1, END, BEGIN]), None),
        (macaroon([0, END]), None),
        (macaroon([0, "soon", BEGIN]), None),
        # The identifier is chosen by the index and restricts nothing.
        (macaroon([1, ["demo"]], identifier=json.dumps([0, END, BEGIN]).encode()), None),
        ("pypi-" + "x" * 100, None),
        ("pypi-AgE", None),
        (web_token(exp=END, iat=BEGIN), life()),
        (web_token(exp=END, nbf=BEGIN), life()),
        (web_token(exp=END), life(begin=None)),
        (web_token(iat=BEGIN), None),
        (web_token(exp=True), None),
        (base64.b64encode(json.dumps({"exp": END, "isu": BEGIN}).encode()).decode(), life()),
        ("a password.with.dots", None),
        ("hunter2", None),
        ("", None),
    ],
)
def test_finds_the_end_that_a_token_states(token: str, expected: TokenLife | None) -> None:
    assert token_expiry.find_life(token) == expected


def test_a_macaroon_that_is_cut_anywhere_is_read_as_far_as_it_goes() -> None:
    token = macaroon([1, ["demo"]], [0, END, BEGIN])
    assert {token_expiry.find_life(token[:length]) for length in range(len(token))} == {None, life()}


def test_a_secret_of_64_kib_is_parsed() -> None:
    text = json.dumps({"exp": END}).encode()
    longest = base64.b64encode(text.ljust((64 << 10) // 4 * 3)).decode()
    assert len(longest) == 64 << 10
    assert token_expiry.find_life(longest) == life(begin=None)
    assert token_expiry.find_life(longest + "=") is None


def test_warns_within_seven_days_of_the_end() -> None:
    def text(left: timedelta) -> str:
        token = web_token(exp=int((NOW + left).timestamp()))
        return token_expiry.describe_end(token, subject="the token", now=NOW, is_watch=False)

    assert text(timedelta(days=7, seconds=1)) == ""
    date = "2026-06-08 00:00 UTC"
    assert text(timedelta(days=7)) == f"the token expires in 7 days ({date}): replace it before that"
    assert text(timedelta(seconds=-1)) == "the token expired 1 s ago (2026-05-31 23:59 UTC): replace it"
    assert token_expiry.describe_end("hunter2", subject="x", now=NOW, is_watch=True) == ""


def test_a_very_long_secret_is_not_parsed() -> None:
    assert token_expiry.find_life(macaroon([0, END, BEGIN], *[[1, ["demo"]]] * 5000)) is None


@pytest.mark.parametrize(
    ("left", "lasts", "is_watch", "expected"),
    [
        (timedelta(days=8), timedelta(days=90), True, ""),
        (timedelta(days=6), timedelta(days=90), False, "the token expires in 6 days (2026-06-07 00:00 UTC)"),
        (timedelta(0), timedelta(days=90), False, "the token expired 0 s ago (2026-06-01 00:00 UTC)"),
        (-timedelta(hours=2), timedelta(hours=3), False, "the token expired 2 h ago (2026-05-31 22:00 UTC)"),
        # A token of one job is expected to end.
        (timedelta(minutes=15), timedelta(minutes=15), False, ""),
        (timedelta(hours=2), timedelta(hours=12), True, "the token expires in 2 h (2026-06-01 02:00 UTC)"),
        (timedelta(days=1), timedelta(days=2), False, "the token expires in 24 h (2026-06-02 00:00 UTC)"),
    ],
)
def test_warns_of_an_end_that_matters(
    left: timedelta, lasts: timedelta, is_watch: bool, expected: str
) -> None:
    end = int((NOW + left).timestamp())
    token = web_token(exp=end, iat=end - int(lasts.total_seconds()))
    text = token_expiry.describe_end(token, subject="the token", now=NOW, is_watch=is_watch)
    assert text.partition(": replace it")[0] == expected
