"""Detection of credentials in text: registered values, and values recognized by their context.

All functions take linear time. No regular expression here can scan the same characters from many starting
points: a repeated character class excludes the characters that a match starts with, or a lookbehind allows
only one start.
"""

from __future__ import annotations

import base64
import itertools
import re
import threading
from collections.abc import Iterable, Iterator

MASK = "***"

#: The login in a hint, which is not a secret.
LOGIN_PLACEHOLDER = "USER:PASSWORD"
#: ``//user:password@host``, also with slashes escaped for JSON, or with one slash as in a normalized path.
_USERINFO = re.compile(
    rf"(?i)(//|\\/\\/|\bhttps?:/)(?!(?-i:{LOGIN_PLACEHOLDER})@[^/?#\s\"'<>\\@]*+(?![^/?#\s\"'<>\\]))"
    r"[^/?#\s\"'<>\\]+(@|%40)"
)
#: The same, percent-encoded. An encoded slash ends it.
_ENCODED_USERINFO = re.compile(r"(?i)(%2F%2F)[^/?#\s\"'<>\\%]*(?:%(?!2F)[^/?#\s\"'<>\\%]*)*(@|%40)")
#: A word up to its last ``@``, and a login in it whose password contains an unencoded slash, ``?`` or ``#``:
#: the part in the position of the port is not a number. A host contains neither ``@`` nor a backslash; after
#: a mask they are the rest of a password that was split by a line end.
_TEXT_BEFORE_AT = re.compile(r"(?<![^\s\"'<>])[^\s\"'<>]*@")
_UNENCODED_LOGIN = re.compile(
    rf"//(?!{LOGIN_PLACEHOLDER}@)(?:[^/?#:]*+:(?!\d{{1,5}}[/?#]|@)|{re.escape(MASK)}@[^/?#:@\\]*+[@\\])"
)
#: A token in a path, as on anaconda.org and similar servers: the first segment of the path is ``t``.
TOKEN_PATH_PATTERN = re.compile(
    r"(?i)(\bhttps?:/{1,2}[^/?#\s\"'<>]++/t/|https?%3A%2F%2F[^/?#%\s\"'<>]*+(?:%(?!2F)[^/?#%\s\"'<>]*+)*+%2Ft%2F)"
    # The word in a hint, which is not a secret.
    r"(?!(?-i:TOKEN/OWNER/))([^/?#%\s\"'<>]+)"
)
#: URL parameters with secrets: by a word in the name, or by name for Azure, CloudFront and GitHub storage.
_SECRET_PARAMETER = re.compile(r"(?i)token|key|secret|passw|signature|credential|auth(?!or)|session")
_SECRET_PARAMETER_NAMES = frozenset({"sig", "jwt", "code", "policy", "pass", "pwd"})
_PARAMETER_NAME = re.compile(r"(?i)(?:[?&;]|%3F|%26)([\w.$-]++)(?:=|%3D)")
_PARAMETER_VALUE = re.compile(r"[^&;#\s\"'<>]+")
_KEY_PATTERN = r"(?:password|passwd|secret|token|api_?key)"
#: ``PASSWORD=...`` in an environment or a form, ``password = ...`` in a file, ``"password": "..."`` in JSON.
_ASSIGNED_SECRET = re.compile(rf"(?i)({_KEY_PATTERN}(?:=|\s{{1,5}}=\s{{0,5}}))(?![=\s]|\*\*\*)[^\s&;\"'<>,]+")
_QUOTED_SECRET = re.compile(
    rf"(?i)((?:{_KEY_PATTERN}|authorization)[\"']\s{{0,5}}[:,]\s{{0,5}}b?)"
    r"""("(?:[^"\\]++|\\.)++"|'(?:[^'\\]++|\\.)++')"""
)
#: A quoted request header: the authentication scheme may be shown, the word after it may not.
_SECRET_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|private-token|job-token|x-api-key)"
    r"""(["']?\s{0,5}:\s{0,5}(?:(?:basic|bearer|token|negotiate)\s{1,5})?)[^\s"',;]+"""
)
_BASIC_CREDENTIALS = re.compile(r"(?i)\b(basic\s{1,5})([A-Za-z0-9+/_-]{4,}={0,2})")
_BEARER_TOKEN = re.compile(r"(?i)\b(bearer\s{1,5})(?=[^\s\d]{0,200}\d)[\w.~+/=-]{12,}")
#: Tokens with a known prefix, of PyPI, GitHub and GitLab. A project may be named ``pypi-attestations``, but a
#: token has a capital letter or a digit before its first dash.
_PREFIXED_TOKEN = re.compile(
    r"\b(pypi-)(?=[a-z_]{0,40}[A-Z0-9])[\w-]{8,}|\b(gh[a-z]_|github_pat_|glpat-)[\w-]{16,}"
)
#: JSON Web Tokens: the header, then the payload and the signature.
_JWT_BEFORE_PAYLOAD = re.compile(r"(?<![\w-])[\w-]++(?=\.eyJ[\w-]{4})")
_JWT_HEADER = re.compile(r"\b(?:eyJ)(?=[\w-]{6})")
_JWT_REST = re.compile(r"\.eyJ[\w-]+(?:\.[\w-]*)?")


#: Every pattern above needs one of these substrings, in any case. Most text, such as a file name, has none.
_REQUIRED_SUBSTRINGS = (
    *("@", "%40", "=", "%3d", "/t/", "%2ft%2f"),
    *("token", "secret", "passw", "key", "authorization", "basic", "bearer"),
    *(".eyj", "pypi-", "gh", "pat_", "glpat-"),
)


def _has_no_credentials(text: str) -> bool:
    # With IGNORECASE, some non-ASCII letters also match ASCII ones.
    if not text.isascii():
        return False
    lower = text.lower()
    for substring in _REQUIRED_SUBSTRINGS:  # noqa: SIM110 - a generator takes twice the time
        if substring in lower:
            return False
    return True


def redact_by_pattern(text: str) -> str:
    """Mask the credentials in ``text`` that are recognizable by their context or prefix."""
    return text if _has_no_credentials(text) else _redact_by_pattern(text)


def _redact_by_pattern(text: str) -> str:
    text = _USERINFO.sub(rf"\1{MASK}\2", text)
    text = _ENCODED_USERINFO.sub(rf"\1{MASK}\2", text)
    # The rest of a password after a masked login may end with an encoded "@".
    text = _USERINFO.sub(rf"\1{MASK}\2", replace_unencoded_logins(text, f"//{MASK}@"))
    text = TOKEN_PATH_PATTERN.sub(rf"\1{MASK}", text)
    text = mask_spans(text, find_secret_parameters(text))
    text = _SECRET_HEADER.sub(rf"\1\2{MASK}", text)
    text = _QUOTED_SECRET.sub(lambda match: f"{match[1]}{match[2][0]}{MASK}{match[2][0]}", text)
    text = _ASSIGNED_SECRET.sub(rf"\1{MASK}", text)
    text = _BASIC_CREDENTIALS.sub(_hide_basic_credentials, text)
    text = _BEARER_TOKEN.sub(rf"\1{MASK}", text)
    text = mask_spans(text, _find_json_web_tokens(text))
    return _PREFIXED_TOKEN.sub(lambda match: f"{match[1] or match[2]}{MASK}", text)


def mask_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replace each of ``spans`` with ``***``. They are sorted; overlapping ones are merged."""
    pieces, position = [], 0
    for start, end in _merge_spans(spans):
        pieces += [text[position:start], MASK]
        position = end
    return "".join([*pieces, text[position:]]) if pieces else text


def _merge_spans(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: tuple[int, int] | None = None
    for start, end in spans:
        if last is None or start >= last[1]:
            if last:
                yield last
            last = start, end
        else:
            last = last[0], max(end, last[1])
    if last:
        yield last


def replace_unencoded_logins(text: str, replacement: str) -> str:
    """Replace logins with an unencoded password, such as ``//user:pass/word@``, with ``replacement``."""

    def replace_login(match: re.Match[str]) -> str:
        login = _UNENCODED_LOGIN.search(match[0])
        return match[0][: login.start()] + replacement if login else match[0]

    return _TEXT_BEFORE_AT.sub(replace_login, text)


def find_secret_parameters(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of parameter values whose name contains a secret word or is a secret name."""
    end = 0
    for name in _PARAMETER_NAME.finditer(text):
        is_secret = name[1].lower() in _SECRET_PARAMETER_NAMES or _SECRET_PARAMETER.search(name[1])
        if name.start() >= end and is_secret:
            value = _PARAMETER_VALUE.match(text, name.end())
            if value:
                end = value.end()
                yield value.span()


def _find_json_web_tokens(text: str) -> Iterator[tuple[int, int]]:
    end = 0
    for before in _JWT_BEFORE_PAYLOAD.finditer(text):
        header = _JWT_HEADER.search(text, before.start(), before.end())
        rest = _JWT_REST.match(text, before.end())
        if header and rest and header.start() >= end:
            end = rest.end()
            yield header.end(), end


def _hide_basic_credentials(match: re.Match[str]) -> str:
    """Hide the word after ``Basic`` if it is the base64 encoding of ``user:password``."""
    word = match[2].translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        decoded = base64.b64decode(word + "=" * (-len(word) % 4)).decode()
    except ValueError:
        return match[0]
    return f"{match[1]}{MASK}" if ":" in decoded and decoded.isprintable() else match[0]


class SecretSet:
    """A thread-safe set of secret values, which finds any number of them in one pass over a text."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._lock = threading.Lock()
        #: Compiled on first use; None after a change.
        self._expression: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        """Add values to the set."""
        with self._lock:
            old_count = len(self._values)
            self._values.update(values)
            if len(self._values) != old_count:
                self._expression = None

    def occur_in(self, text: str, min_length: int) -> bool:
        """Return whether ``text`` contains a value of at least ``min_length`` characters."""
        return any(len(value) >= min_length and value in text for value in self._values.copy())

    def mask_in(self, text: str) -> str:
        """Replace each value in ``text`` with ``***``, including values that overlap."""
        expression = self._expression
        if expression is None:
            with self._lock:
                if not self._values:
                    return text
                expression = self._expression = re.compile(_build_alternation(sorted(self._values)))
        return mask_spans(text, _find_overlapping(expression, text))


def _find_overlapping(expression: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    match = expression.search(text)
    while match:
        yield match.span()
        match = expression.search(text, match.start() + 1)


def _build_alternation(words: list[str]) -> str:
    """Return a pattern that matches any of ``words`` (sorted, not empty), preferring the longest.

    It is a prefix tree, so matching time does not depend on the number of words.
    """
    branches = []
    for _, group in itertools.groupby(filter(None, words), key=lambda word: word[0]):
        siblings = list(group)
        # The words are sorted, so a common prefix of the first and the last is a prefix of all.
        pairs = zip(siblings[0], siblings[-1], strict=False)
        length = next((i for i, (first, last) in enumerate(pairs) if first != last), len(siblings[0]))
        rest = [word[length:] for word in siblings]
        branches.append(re.escape(siblings[0][:length]) + (_build_alternation(rest) if len(rest) > 1 else ""))
    optional = "?" if "" in words else ""
    return f"(?:{'|'.join(branches)}){optional}"
