"""The end of a token's life, if the token itself states it: PyPI's macaroons, and JSON Web Tokens."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from wheel_uploader.core import bounds
from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.upload.credential_values import TOKEN_PREFIX

#: A warning is due within this time before the end.
WARNING_PERIOD = timedelta(days=7)
#: Tokens with a shorter life are made for one run, so that their end is expected.
_LONG_LIFE = timedelta(days=2)
#: Longer secrets are not parsed.
_MAX_LENGTH = 64 << 10

_STANDARD_ALPHABET = str.maketrans("-_", "+/")

# Format 2 of macaroons: the version, and fields with a type, a length and data.
_VERSION = b"\x02"
_END, _IDENTIFIER = 0, 2
#: The type of PyPI's caveat for the time of use: ``[0, EXPIRES_AT, NOT_BEFORE]``.
_TIME_CAVEAT = 0
#: Claims of JSON Web Tokens with the time of issue; the last one is CodeArtifact's.
_ISSUE_CLAIMS = ("iat", "nbf", "isu")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLife:
    """The end of a token, and its begin if it states that, too."""

    ends_at: datetime
    begins_at: datetime | None = None


def describe_end(secret: str, *, subject: str, now: datetime, is_watch: bool) -> str:
    """Return a warning about a token that has expired or will soon; empty if there is no reason.

    ``subject`` names the token. ``is_watch``: also warn about tokens that are made for a few hours.
    """
    life = find_life(secret)
    if life is None or life.ends_at - now > WARNING_PERIOD:
        return ""
    left = (life.ends_at - now).total_seconds()
    date = f"{life.ends_at:%Y-%m-%d %H:%M} UTC"
    if left <= 0:
        return f"{subject} expired {format_duration(-left)} ago ({date}): replace it"
    is_short = life.begins_at is not None and life.ends_at - life.begins_at < _LONG_LIFE
    if is_short and not is_watch:
        return ""
    return f"{subject} expires in {format_duration(left)} ({date}): replace it before that"


def find_life(secret: str) -> TokenLife | None:
    """Return when a token ends according to itself; None if it does not say so, or is not a known kind."""
    if len(secret) > _MAX_LENGTH:
        return None
    if secret.startswith(TOKEN_PREFIX):
        lives = [_parse_caveat(text) for text in _iter_caveats(_decode(secret.removeprefix(TOKEN_PREFIX)))]
    else:
        lives = list(map(_parse_claims, map(_decode, secret.split(".")[:2]))) if "." in secret else []
        lives = lives or [_parse_claims(_decode(secret))]
    return min(filter(None, lives), key=lambda life: life.ends_at, default=None)


def _decode(text: str) -> bytes:
    """Decode base64 in either alphabet, with or without padding; return nothing for other text."""
    digits = text.rstrip("=").translate(_STANDARD_ALPHABET)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    except (binascii.Error, ValueError):
        return b""


def _iter_caveats(data: bytes) -> Iterator[bytes]:
    """Yield the identifiers of the caveats of a macaroon; stop at the first byte that is not valid."""
    if not data.startswith(_VERSION):
        return
    position, ended_sections = 1, 0
    while position < len(data):
        field_type = data[position]
        if field_type == _END:
            ended_sections, position = ended_sections + 1, position + 1
            continue
        length, start = _read_number(data, position + 1)
        # The first section is the macaroon's own.
        if field_type == _IDENTIFIER and ended_sections:
            yield data[start : start + length]
        position = start + length


def _read_number(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of 7 bits a byte, least significant first, and the position after it."""
    number = 0
    for index, byte in enumerate(data[position : position + 4]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, position + index + 1
    return len(data), len(data)


def _parse_caveat(text: bytes) -> TokenLife | None:
    caveat = _load(text)
    if isinstance(caveat, list) and len(caveat) == 3 and caveat[0] == _TIME_CAVEAT:
        return _make_life(caveat[1], caveat[2])
    return _parse_claims(text)


def _parse_claims(text: bytes) -> TokenLife | None:
    claims = _load(text)
    if not isinstance(claims, Mapping):
        return None
    return _make_life(claims.get("exp"), *(claims.get(name) for name in _ISSUE_CLAIMS))


def _load(text: bytes) -> object:
    try:
        return bounds.load_json(text)
    except ValueError:
        return None


def _make_life(end: object, *begins: object) -> TokenLife | None:
    ends_at, begins_at = _make_date(end), next(filter(None, map(_make_date, begins)), None)
    return TokenLife(ends_at=ends_at, begins_at=begins_at) if ends_at else None


def _make_date(timestamp: object) -> datetime | None:
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None
