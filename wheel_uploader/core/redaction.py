"""Text that is safe to show: secrets masked, and untrusted text made harmless for terminals, logs and CI."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
from collections.abc import Callable, Iterator

from wheel_uploader.core import characters, own_words
from wheel_uploader.core.secret_patterns import (
    TOKEN_PATH_PATTERN,
    SecretSet,
    find_secret_parameters,
    redact_by_pattern,
    replace_unencoded_logins,
)
from wheel_uploader.core.urls import quote, quote_plus, unquote, urlsplit, urlunsplit

#: Commands of GitHub Actions, Azure Pipelines and TeamCity. A command begins a word (``std::vector`` is not
#: one), but known commands match anywhere, because a line may be wrapped before them.
_WORKFLOW_COMMAND = re.compile(
    r"(?i)(?<!\w)::(?=[a-z])"
    r"|::(?=(?:error|warning|notice|debug|group|endgroup|add-mask|set-output|set-env|save-state|add-path|stop-commands)::)"
    r"|##(?=\[|vso\[|teamcity\[)"
)
#: Characters in the category of letters or marks that are invisible nevertheless.
_INVISIBLE_CHARACTER = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

#: Characters that end a URL in running text.
_URL_DELIMITERS = re.compile(r"[\s\"'<>\\]")

#: The passwords and tokens of this process, in every encoding.
_secrets = SecretSet()
#: The same without those that are words of this program's own sentences.
_uncommon_secrets = SecretSet()

#: Shorter secrets are not masked: masking every "a" would make the output unreadable and protect nothing.
_MIN_SECRET_LENGTH = 4
#: A value in the position of a token in a URL is a token for certain from this length on, and from
#: ``_MIN_TOKEN_LENGTH`` on if it is not a word.
_CERTAIN_TOKEN_LENGTH = 16
_MIN_TOKEN_LENGTH = 8
#: A login before a host, as in a URL that was typed without ``https://``.
_LOGIN_WITHOUT_SCHEME = re.compile(r"[^\s/\\@:]{2,200}:([^\s/\\@]{1,2000})@")
#: The domain of servers with a token in the URL path.
_ANACONDA_DOMAIN = "anaconda.org"


def register_secret(value: str | None) -> None:
    """Mask ``value`` and its common encodings in all text that is shown from now on."""
    if value is None:
        return
    variants = {*_encode_variants(value), *_encode_variants(value.strip())}
    _secrets.add(variants)
    _uncommon_secrets.add(variant for variant in variants if not own_words.contains(variant))


def register_basic_auth(username: str, password: str) -> None:
    """Mask a password, and the Basic authorization header that contains it."""
    register_secret(password)
    for charset in ("utf-8", "latin-1"):
        with contextlib.suppress(UnicodeEncodeError):
            register_secret(base64.b64encode(f"{username}:{password}".encode(charset)).decode())


def register_url_secrets(url: str) -> None:
    """Mask the secrets in a URL that the user gave, even if a server repeats them outside a URL.

    A local path has no secrets, whatever the names of its folders; ``user:password@host/`` is not a path. An
    ordinary word in the path or query is masked only in that position and not elsewhere: ``demo`` may be the
    name of the project.
    """
    scheme, separator, rest = url.partition("://")
    if not separator and (login := _LOGIN_WITHOUT_SCHEME.match(url)):
        register_secret(login[1])
    if not separator or not scheme.isascii() or scheme.lower() == "file":
        return
    authority = rest[: min(index if index >= 0 else len(rest) for index in map(rest.find, "/?#"))]
    userinfo, _, host = authority.rpartition("@")
    user, _, password = userinfo.partition(":")
    # A long name without a password is a token.
    secrets = [password, user if not password and len(user) >= _CERTAIN_TOKEN_LENGTH else ""]
    secrets += filter(_is_likely_token, (url[slice(*span)] for span in find_secret_parameters(url)))
    for match in TOKEN_PATH_PATTERN.finditer(url):
        hostname = host.lower().partition(":")[0]
        is_anaconda = hostname == _ANACONDA_DOMAIN or hostname.endswith(f".{_ANACONDA_DOMAIN}")
        secrets += [match[2]] if is_anaconda or _is_likely_token(match[2]) else []
    for secret in filter(None, secrets):
        register_secret(secret)
        register_secret(unquote(secret))


def _is_likely_token(value: str) -> bool:
    return len(value) >= _CERTAIN_TOKEN_LENGTH or (len(value) >= _MIN_TOKEN_LENGTH and not value.isalpha())


def _encode_variants(secret: str) -> Iterator[str]:
    """Yield the spellings of a secret in URLs, forms, Python reprs, JSON, HTML and longer base64 text."""
    if len(secret) < _MIN_SECRET_LENGTH or not secret.strip():
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
    yield from _encode_within_base64(data)


def _encode_within_base64(data: bytes) -> Iterator[str]:
    """Yield the base64 form of ``data`` inside longer text, such as after a user name, at each alignment."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
        # The first and last characters also contain bits of the neighboring bytes.
        inner = encoded[(offset * 8 + 5) // 6 : len(encoded) - bool((offset + len(data)) % 3)]
        if len(inner) >= 8:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def redact_secrets(text: str) -> str:
    """Mask credentials in ``text``: logins in URLs, token paths, signed queries and registered secrets."""
    return redact_by_pattern(_secrets.mask_in(text))


def _redact_message(text: str) -> str:
    return redact_by_pattern(_uncommon_secrets.mask_in(text))


#: Names of environment variables that contain secrets.
_SECRET_NAME = re.compile(
    r"(?i).*(?:token|secret|passw|passphrase|credential|(?:api|access|private|signing)_?key)"
    r"|(?:.*_)?(?:pat|pass|pwd|auth|key|dsn)\Z"
)


def is_secret_variable(name: str) -> bool:
    """Return whether an environment variable contains a secret, judging by its name."""
    return bool(_SECRET_NAME.match(name))


def contains_secret(text: str, *, min_length: int = _MIN_SECRET_LENGTH) -> bool:
    """Return whether ``text`` contains a registered secret of at least ``min_length`` characters."""
    return _secrets.occur_in(text, min_length)


def strip_url(url: str) -> str:
    """Return ``url`` without user info, query and fragment, so that it contains no credentials."""
    url = _quote_delimiters(url)
    try:
        parts = urlsplit(replace_unencoded_logins(url, "//"))
    except ValueError:
        return redact_secrets(re.split("[?#]", url, maxsplit=1)[0])
    host = parts.netloc.rpartition("@")[2]
    return redact_secrets(urlunsplit((parts.scheme, host, parts.path, "", "")))


def sanitize_source(url: str) -> str:
    """Return a ``-u`` argument, sanitized and without query; in a local path ``?`` and ``#`` are ordinary."""
    return sanitize(strip_url(url) if "://" in url else url)


def sanitize_url(url: str, *, limit: int = 2000) -> str:
    """Return a URL as ``sanitize`` does, even if its password contains characters that end a URL."""
    return sanitize(_quote_delimiters(url), limit=limit)


def _quote_delimiters(url: str) -> str:
    """Percent-encode characters that would end a URL in running text but may be part of a password."""
    return _URL_DELIMITERS.sub(lambda match: quote(match[0]), url) if "@" in url else url


def sanitize(text: str, *, limit: int = 2000) -> str:
    """Return harmless text of one line: secrets are masked; control, bidi and zero-width characters escaped.

    CI workflow commands (``::error::``) are broken up anywhere in the text, because a message may be printed
    at the start of a line. Long text is truncated.
    """
    return _sanitize(text, limit, redact_secrets)


def sanitize_message(text: str, *, limit: int = 2000) -> str:
    """Return a sentence of this program as ``sanitize`` does, but with its own words.

    With the password ``wheel``, "the *** is for win_amd64" would be hard to read, and tell the password. The
    parts from outside were sanitized when they were inserted into the sentence, so there it is masked.
    """
    return _sanitize(text, limit, _redact_message)


def _sanitize(text: str, limit: int, redact: Callable[[str], str]) -> str:
    text = redact(text[: 20 * limit])
    if len(text) > limit:
        text = text[:limit] + "..."
    if "::" in text or "##" in text:
        text = _WORKFLOW_COMMAND.sub(lambda match: " ".join(match[0]), text)
    if text.isascii() and text.isprintable():
        return text
    # Redact again: a URL that was split by a line end is recognizable now.
    return redact("".join(_make_visible(character) for character in text))


def _make_visible(character: str) -> str:
    # Not printable: control, format (bidi, zero-width), surrogates, private use, all spaces except " ".
    if (
        character.isprintable()
        and characters.is_assigned(character)
        and not _INVISIBLE_CHARACTER.match(character)
    ):
        return character
    return character.encode("unicode_escape").decode("ascii")


def is_utf8_stream(stream: object) -> bool:
    """Return whether a stream encodes text as UTF-8."""
    encoding = getattr(stream, "encoding", None) or ""
    return encoding.lower().replace("-", "").replace("_", "") == "utf8"
