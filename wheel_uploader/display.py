"""What may be shown: secrets taken out, and text from outside made harmless for terminals, logs and CI."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

HIDDEN = "***"

# Every repetition is bounded, so that no text from outside can make a search slow.
#: ``//user:password@host``, also with its slashes escaped for JSON, percent-encoded, or joined as in a path.
_USERINFO = re.compile(r"(?i)(//|\\/\\/|%2F%2F|\bhttps?:/)[^/?#\s\"'<>\\]{1,2000}(@|%40)")
#: The same with a raw slash, ``?`` or ``#`` in the password: what would be the port is no number.
_WILD_USERINFO = re.compile(r"//[^/?#\s@:]{0,200}:(?!\d{1,5}(?:[/?#\s\"']|$))[^\s@\"'<>]{1,500}@")
_TOKEN_PATH = re.compile(r"(?i)((?:/|%2F)t(?:/|%2F))[^/?#%\s\"'<>]{1,2000}")
_TELLING = r"token|key|secret|passw|signature|credential|auth(?!or)|session"
#: Parameters of a URL: by a word in them, and those of Azure, CloudFront and GitHub's storage by name.
_PARAMETER = re.compile(
    rf"(?i)([?&;]|%3F|%26)((?:[\w.$-]{{0,60}}?(?:{_TELLING})[\w.$-]{{0,60}}|sig|jwt|code|policy|pass|pwd)(?:=|%3D))"
    r"[^&;#\s\"'<>]{1,8000}"
)
#: ``PASSWORD=...`` of an environment or a form, ``password = ...`` of a file, ``"password": "..."`` of JSON.
_ASSIGNED = re.compile(
    r"(?i)\b([\w.-]{0,60}?(?:password|passwd|secret|token|api_?key)(?:=|\s{1,5}=\s{0,5}))(?![=\s]|\*\*\*)"
    r"[^\s&;\"'<>,]{1,8000}"
)
_QUOTED = re.compile(
    r"""(?i)(["'][\w.-]{0,60}?(?:password|passwd|secret|token|api_?key|authorization)["']\s{0,5}[:,]\s{0,5}b?)"""
    r"""("(?:[^"\\]|\\.){1,8000}"|'(?:[^'\\]|\\.){1,8000}')"""
)
#: A header of a request that somebody quotes: its scheme may be seen, the word after it not.
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|private-token|job-token|x-api-key)"
    r"""(["']?\s{0,5}:\s{0,5}(?:(?:basic|bearer|token|negotiate)\s{1,5})?)[^\s"',;]{1,8000}"""
)
_BASIC = re.compile(r"(?i)\b(basic\s{1,5})([A-Za-z0-9+/_-]{4,8000}={0,2})")
_BEARER = re.compile(r"(?i)\b(bearer\s{1,5})(?=[^\s\d]{0,200}\d)[\w.~+/=-]{12,8000}")
#: Tokens that say what they are: of PyPI, GitHub and GitLab, and JSON Web Tokens. A project may well be
#: called ``pypi-attestations``: a token has a capital letter or a digit before its first dash.
_TOKEN = re.compile(
    r"\b(pypi-)(?=[a-z_]{0,40}[A-Z0-9])[\w-]{8,8000}"
    r"|\b(gh[a-z]_|github_pat_|glpat-)[\w-]{16,8000}"
    r"|\b(eyJ)[\w-]{6,8000}\.eyJ[\w-]{4,8000}(?:\.[\w-]{0,8000})?"
)

#: Commands of GitHub Actions, Azure Pipelines and TeamCity. ``std::vector`` is none: a command begins a word,
#: but for those that a line may be broken before.
_COMMAND = re.compile(
    r"(?i)(?<!\w)::(?=[a-z])"
    r"|::(?=(?:error|warning|notice|debug|group|endgroup|add-mask|set-output|set-env|save-state|add-path|stop-commands)::)"
    r"|##(?=\[|vso\[|teamcity\[)"
)
#: Characters that are letters or marks by their category and still show nothing.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

#: Values that were seen as a password or token in this process, in every spelling, the longest first.
_secrets: list[str] = []
_lock = threading.Lock()

#: Masking every "a" of a one-letter password would make output unreadable and hide nothing.
_SHORTEST_SECRET = 4
_LIKELY_TOKEN = 16


def remember_secret(value: str | None) -> None:
    """Mask ``value``, and its usual encodings, in everything that is shown from now on."""
    if value is None:
        return
    with _lock:
        known = {*_secrets, *_spellings(value), *_spellings(value.strip())}
        _secrets[:] = sorted(known, key=len, reverse=True)


def remember_basic_auth(username: str, password: str) -> None:
    """Mask a password, and the Basic header that is made of it."""
    remember_secret(password)
    for charset in ("utf-8", "latin-1"):
        with contextlib.suppress(UnicodeEncodeError):
            remember_secret(base64.b64encode(f"{username}:{password}".encode(charset)).decode())


def remember_url(url: str) -> None:
    """Mask what is secret in a URL that a person gave, also where a server repeats it outside of a URL."""
    login = re.match(r"[\w+.-]{1,20}://([^/?#:@]*):?([^/?#]*)@", url)
    user, password = login.groups() if login else ("", "")
    # A long name without a password is a token.
    token = user if not password and len(user) >= _LIKELY_TOKEN else ""
    for found in filter(None, (password, token, *_in_path(url))):
        remember_secret(found)
        remember_secret(unquote(found))


def _in_path(url: str) -> Iterator[str]:
    """The values that ``redact`` takes out of a path and a query."""
    for pattern in (_TOKEN_PATH, _PARAMETER):
        for found in pattern.finditer(url):
            yield found[0].removeprefix("".join(map(str, found.groups())))


def _spellings(secret: str) -> Iterator[str]:
    """How a secret may look in a URL, a form, a log of Python, JSON, HTML, and within base64 of more."""
    if len(secret) < _SHORTEST_SECRET or not secret.strip():
        return
    yield secret
    data = secret.encode("utf-8", "surrogatepass")
    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield encoded
        yield re.sub("%..", lambda match: match[0].lower(), encoded)
    for escaped in (repr(secret), ascii(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        yield escaped[1:-1]
    yield repr(data)[2:-1]
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    yield base64.b64encode(data).decode().rstrip("=")
    yield base64.urlsafe_b64encode(data).decode().rstrip("=")
    yield from _within_base64(data)


def _within_base64(data: bytes) -> Iterator[str]:
    """What base64 of a longer text has of ``data``, wherever it begins in there: of a user name before it."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        # The first and the last character also hold bits of what stands beside.
        inner = whole[(before * 8 + 5) // 6 : len(whole) - bool((before + len(data)) % 3)]
        if len(inner) >= 8:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def redact(text: str) -> str:
    """``text`` without credentials: URL user info, token paths, signed queries, tokens, known secrets."""
    for secret in tuple(_secrets):
        text = text.replace(secret, HIDDEN)
    text = _USERINFO.sub(rf"\1{HIDDEN}\2", text)
    text = _WILD_USERINFO.sub(f"//{HIDDEN}@", text)
    text = _TOKEN_PATH.sub(rf"\1{HIDDEN}", text)
    text = _PARAMETER.sub(rf"\1\2{HIDDEN}", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _QUOTED.sub(lambda match: f"{match[1]}{match[2][0]}{HIDDEN}{match[2][0]}", text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    text = _BASIC.sub(_without_basic, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(lambda match: f"{match[1] or match[2] or match[3]}{HIDDEN}", text)


#: Names of variables that hold secrets; what is meant for gpg itself is none of ours to judge.
_SECRET_NAME = re.compile(r"(?i)(?!GPG|GNUPG).*(?:token|secret|passw|credential|(?:api|access|private)_?key)")


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable of the environment holds a secret, by its name or by what stands in it."""
    return bool(_SECRET_NAME.match(name)) or redact(value) != value


def _without_basic(match: re.Match[str]) -> str:
    """``Basic`` and a word: credentials only if the word is base64 of ``user:password``."""
    word = match[2].translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        said = base64.b64decode(word + "=" * (-len(word) % 4)).decode()
    except ValueError:
        return match[0]
    return f"{match[1]}{HIDDEN}" if ":" in said and said.isprintable() else match[0]


def bare_url(url: str) -> str:
    """``url`` without user info, query and fragment: enough to say where, never enough to log in."""
    try:
        parts = urlsplit(_WILD_USERINFO.sub("//", url))
    except ValueError:
        return redact(re.split("[?#]", url, maxsplit=1)[0])
    host = parts.netloc.rpartition("@")[2]
    return redact(urlunsplit((parts.scheme, host, parts.path, "", "")))


def printable(text: str, *, limit: int = 2000) -> str:
    """One harmless line: secrets hidden, control, bidi and zero-width characters made visible.

    A workflow command of a CI (``::error::``) is broken up wherever it stands: a message may end up at the
    start of a line. Only the start of a very long text is looked at.
    """
    text = redact(text[: 20 * limit])
    if len(text) > limit:
        text = text[:limit] + "..."
    text = _COMMAND.sub(lambda match: " ".join(match[0]), text)
    if text.isascii() and text.isprintable():
        return text
    # Once more: what was not taken for a URL because of a line end in it is one now.
    return redact("".join(_visible(character) for character in text))


def _visible(character: str) -> str:
    # Not printable: control, format (bidi, zero-width), surrogates, private use, every space but " ".
    if character.isprintable() and not _INVISIBLE.match(character):
        return character
    return character.encode("unicode_escape").decode("ascii")


def is_utf8(stream: object) -> bool:
    """Whether what is written there may have more than ASCII."""
    encoding = getattr(stream, "encoding", None) or ""
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def in_words(seconds: float) -> str:
    """A duration for people: ``3 days 2 h``, ``1 h 30 min``, ``20 min``, ``90 s``."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole >= 2 * 86400:
        days, hours = divmod(round(whole / 3600), 24)
        return f"{days} days" + (f" {hours} h" if hours else "")
    minutes = round(whole / 60)
    parts = [f"{minutes // 60} h"] * (minutes >= 60) + [f"{minutes % 60} min"] * bool(minutes % 60)
    return " ".join(parts)


def clock(seconds: float) -> str:
    """A duration that changes while somebody looks: ``0:05``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
