"""What may be shown: secrets taken out, and text from outside made harmless for terminals, logs and CI."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
from collections.abc import Iterator

from wheel_uploader import characters
from wheel_uploader.redaction import TOKEN_PATH, Secrets, by_place, parameters, without_wild_logins
from wheel_uploader.urls import quote, quote_plus, unquote, urlsplit, urlunsplit

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

#: Characters that end a URL in running text.
_DELIMITERS = re.compile(r"[\s\"'<>\\]")

#: Values that were seen as a password or token in this process, in every spelling.
_secrets = Secrets()

#: Masking every "a" of a one-letter password would make output unreadable and hide nothing.
_SHORTEST_SECRET = 4
#: What stands where a token may stand in a URL is one for sure from this length on.
_LIKELY_TOKEN = 16
_SHORTEST_TOKEN = 8
#: Whose URLs have a token in their path.
_ANACONDA = "anaconda.org"


def remember_secret(value: str | None) -> None:
    """Mask ``value``, and its usual encodings, in everything that is shown from now on."""
    if value is not None:
        _secrets.add({*_spellings(value), *_spellings(value.strip())})


def remember_basic_auth(username: str, password: str) -> None:
    """Mask a password, and the Basic header that is made of it."""
    remember_secret(password)
    for charset in ("utf-8", "latin-1"):
        with contextlib.suppress(UnicodeEncodeError):
            remember_secret(base64.b64encode(f"{username}:{password}".encode(charset)).decode())


def remember_url(url: str) -> None:
    """Mask the secrets of a URL that the user gave, also where a server repeats them outside of a URL.

    A local path has none, whatever its folders are called. In a path and a query an ordinary word is masked
    where it is, and not remembered: ``demo`` may be the name of the project.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme.isascii() or scheme.lower() == "file":
        return
    authority = rest[: min(place if place >= 0 else len(rest) for place in map(rest.find, "/?#"))]
    userinfo, _, host = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    # A long name without a password is a token.
    secrets = [password, user if not password and len(user) >= _LIKELY_TOKEN else ""]
    secrets += filter(_is_likely_token, (url[slice(*span)] for span in parameters(url)))
    for found in TOKEN_PATH.finditer(url):
        name = host.lower().partition(":")[0]
        known = name == _ANACONDA or name.endswith(f".{_ANACONDA}")
        secrets += [found[2]] if known or _is_likely_token(found[2]) else []
    for secret in filter(None, secrets):
        remember_secret(secret)
        remember_secret(unquote(secret))


def _is_likely_token(value: str) -> bool:
    return len(value) >= _LIKELY_TOKEN or (len(value) >= _SHORTEST_TOKEN and not value.isalpha())


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
    """Return ``text`` without credentials: logins in URLs, token paths, signed queries, known secrets."""
    return by_place(_secrets.hidden(text))


#: Names of variables that hold secrets.
_SECRET_NAME = re.compile(
    r"(?i).*(?:token|secret|passw|passphrase|credential|(?:api|access|private|signing)_?key)"
    r"|(?:.*_)?(?:pat|pass|pwd|auth|key|dsn)\Z"
)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of the environment holds a secret, judged by its name."""
    return bool(_SECRET_NAME.match(name))


def holds_secret(text: str, *, shortest: int = _SHORTEST_SECRET) -> bool:
    """Tell whether ``text`` holds a password or token of this run, of at least ``shortest`` characters."""
    return _secrets.held_by(text, shortest)


def bare_url(url: str) -> str:
    """``url`` without user info, query and fragment: enough to say where, never enough to log in."""
    url = _undelimited(url)
    try:
        parts = urlsplit(without_wild_logins(url, "//"))
    except ValueError:
        return redact(re.split("[?#]", url, maxsplit=1)[0])
    host = parts.netloc.rpartition("@")[2]
    return redact(urlunsplit((parts.scheme, host, parts.path, "", "")))


def printable_url(url: str, *, limit: int = 2000) -> str:
    """Return ``printable`` of a text that is one URL as a whole, whatever characters its password has."""
    return printable(_undelimited(url), limit=limit)


def _undelimited(url: str) -> str:
    """Percent-encode what would end a URL in other text: it may stand in a password."""
    return _DELIMITERS.sub(lambda match: quote(match[0]), url) if "@" in url else url


def printable(text: str, *, limit: int = 2000) -> str:
    """One harmless line: secrets hidden, control, bidi and zero-width characters made visible.

    A workflow command of a CI (``::error::``) is broken up wherever it stands: a message may end up at the
    start of a line. Only the start of a very long text is looked at.
    """
    text = redact(text[: 20 * limit])
    if len(text) > limit:
        text = text[:limit] + "..."
    if "::" in text or "##" in text:
        text = _COMMAND.sub(lambda match: " ".join(match[0]), text)
    if text.isascii() and text.isprintable():
        return text
    # Once more: what was not taken for a URL because of a line end in it is one now.
    return redact("".join(_visible(character) for character in text))


def _visible(character: str) -> str:
    # Not printable: control, format (bidi, zero-width), surrogates, private use, every space but " ".
    if character.isprintable() and characters.is_known(character) and not _INVISIBLE.match(character):
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
