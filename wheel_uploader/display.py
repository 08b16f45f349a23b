"""What may be shown: secrets taken out, and text from outside made harmless for terminals, logs and CI."""

from __future__ import annotations

import base64
import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

HIDDEN = "***"

#: Query parameters and path prefixes that carry secrets on the staging places we know.
_SECRET_PARAMETER = re.compile(
    r"(?i)([?&;](?:[^=&;#]*(?:token|key|secret|password|passwd|signature|credential|auth)[^=&;#]*|sig|se|sp|sv|code))=[^&;#\s]*"
)
_TOKEN_PATH = re.compile(r"(/t/)[^/?#\s]+")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/?#\s]*@")
_INDEX_TOKEN = re.compile(r"\bpypi-[A-Za-z0-9_-]{8,}")
_AUTHORIZATION = re.compile(r"(?i)\b(basic|bearer|token)\s+(?=\S*[0-9=])[A-Za-z0-9+/=._~-]{12,}")
#: A workflow command of GitHub Actions or Azure Pipelines, wherever it stands.
_COMMAND = re.compile(r"::(?=[A-Za-z-]+[ :,])|##(?=\[)")

#: Values that were seen as a password or token in this process: masked wherever they turn up.
_secrets: set[str] = set()


def remember_secret(value: str | None) -> None:
    """Mask ``value``, and its usual encodings, in everything that is shown from now on."""
    # Masking every "a" of a one-letter password would make output unreadable and hide nothing.
    if value and len(value) >= 4:
        _secrets.update({value, quote(value, safe="")})
        _secrets.add(base64.b64encode(value.encode()).decode())


def remember_basic_auth(username: str, password: str) -> None:
    """Mask a password, and the Basic header that is made of it."""
    remember_secret(password)
    remember_secret(base64.b64encode(f"{username}:{password}".encode()).decode())


def redact(text: str) -> str:
    """``text`` without credentials: URL user info, token paths, signed queries, tokens, known secrets."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    text = _TOKEN_PATH.sub(rf"\1{HIDDEN}", text)
    text = _SECRET_PARAMETER.sub(rf"\1={HIDDEN}", text)
    text = _INDEX_TOKEN.sub(f"pypi-{HIDDEN}", text)
    return _AUTHORIZATION.sub(rf"\1 {HIDDEN}", text)


def bare_url(url: str) -> str:
    """``url`` without user info, query and fragment: enough to say where, never enough to log in."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return redact(urlunsplit((parts.scheme, host, parts.path, "", "")))


def printable(text: str, *, limit: int = 2000) -> str:
    """One harmless line: secrets hidden, control, bidi and zero-width characters made visible.

    A line that would be a workflow command of GitHub Actions (``::error::``) is broken up, wherever
    in a line it stands, for a message may end up at the start of one.
    """
    text = redact(text)
    if len(text) > limit:
        text = text[:limit] + "..."
    shown = "".join(_visible(character) for character in text)
    return _COMMAND.sub(lambda match: " ".join(match[0]), shown)


def _visible(character: str) -> str:
    # Cc control, Cf format (bidi, zero-width), Cs surrogate, Co private, Zl/Zp line and paragraph separators.
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character


def human_size(size: int | None) -> str:
    """A size in bytes for people: ``1.2 MB`` (decimal units, as indexes show them); ``?`` when unknown."""
    if size is None:
        return "?"
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
