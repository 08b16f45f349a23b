"""Credentials in text: those that are known, and those that can be told by where they are.

All of it takes time in proportion to the text. No expression here can run over the same characters from
many places: what a run may hold excludes what it begins with, or a look-behind lets it begin only once.
"""

from __future__ import annotations

import base64
import itertools
import re
import threading
from collections.abc import Iterable, Iterator

HIDDEN = "***"

#: ``//user:password@host``, also with its slashes escaped for JSON, or joined as in a path.
_USERINFO = re.compile(r"(?i)(//|\\/\\/|\bhttps?:/)[^/?#\s\"'<>\\]+(@|%40)")
#: The same percent-encoded: an encoded slash ends it.
_ENCODED_USERINFO = re.compile(r"(?i)(%2F%2F)[^/?#\s\"'<>\\%]*(?:%(?!2F)[^/?#\s\"'<>\\%]*)*(@|%40)")
#: All that is before an ``@``, and in it a login with a raw slash, ``?`` or ``#`` in the password: what would
#: be the port is not a number.
_BEFORE_AT = re.compile(r"(?<![^\s@\"'<>])[^\s@\"'<>]++@")
_WILD_LOGIN = re.compile(r"//[^/?#:]*+:(?!\d{1,5}[/?#]|@)")
#: A token in a path, as anaconda.org and servers like it have it: the first part of a URL's path is ``t``.
TOKEN_PATH = re.compile(
    r"(?i)(\bhttps?:/{1,2}[^/?#\s\"'<>]++/t/|https?%3A%2F%2F[^/?#%\s\"'<>]*+(?:%(?!2F)[^/?#%\s\"'<>]*+)*+%2Ft%2F)"
    r"([^/?#%\s\"'<>]+)"
)
#: Parameters of a URL: by a word in them, and those of Azure, CloudFront and GitHub's storage by name.
_TELLING = re.compile(r"(?i)token|key|secret|passw|signature|credential|auth(?!or)|session")
_WHOLE_NAMES = frozenset({"sig", "jwt", "code", "policy", "pass", "pwd"})
_NAME = re.compile(r"(?i)(?:[?&;]|%3F|%26)([\w.$-]++)(?:=|%3D)")
_VALUE = re.compile(r"[^&;#\s\"'<>]+")
_PASSWORDS = r"(?:password|passwd|secret|token|api_?key)"
#: ``PASSWORD=...`` of an environment or a form, ``password = ...`` of a file, ``"password": "..."`` of JSON.
_ASSIGNED = re.compile(rf"(?i)({_PASSWORDS}(?:=|\s{{1,5}}=\s{{0,5}}))(?![=\s]|\*\*\*)[^\s&;\"'<>,]+")
_QUOTED = re.compile(
    rf"(?i)((?:{_PASSWORDS}|authorization)[\"']\s{{0,5}}[:,]\s{{0,5}}b?)"
    r"""("(?:[^"\\]++|\\.)++"|'(?:[^'\\]++|\\.)++')"""
)
#: A header of a request that somebody quotes: its scheme may be seen, the word after it not.
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|private-token|job-token|x-api-key)"
    r"""(["']?\s{0,5}:\s{0,5}(?:(?:basic|bearer|token|negotiate)\s{1,5})?)[^\s"',;]+"""
)
_BASIC = re.compile(r"(?i)\b(basic\s{1,5})([A-Za-z0-9+/_-]{4,}={0,2})")
_BEARER = re.compile(r"(?i)\b(bearer\s{1,5})(?=[^\s\d]{0,200}\d)[\w.~+/=-]{12,}")
#: Tokens that say what they are: of PyPI, GitHub and GitLab. A project may well be called
#: ``pypi-attestations``: a token has a capital letter or a digit before its first dash.
_TOKEN = re.compile(r"\b(pypi-)(?=[a-z_]{0,40}[A-Z0-9])[\w-]{8,}|\b(gh[a-z]_|github_pat_|glpat-)[\w-]{16,}")
#: JSON Web Tokens: the header, then the payload and the signature.
_BEFORE_PAYLOAD = re.compile(r"(?<![\w-])[\w-]++(?=\.eyJ[\w-]{4})")
_JWT_HEADER = re.compile(r"\b(?:eyJ)(?=[\w-]{6})")
_JWT_REST = re.compile(r"\.eyJ[\w-]+(?:\.[\w-]*)?")


#: Each expression above needs one of these, in any case; of most texts, such as file names, none has any.
_NEEDED = (
    *("@", "%40", "=", "%3d", "/t/", "%2ft%2f"),
    *("token", "secret", "passw", "key", "authorization", "basic", "bearer"),
    *(".eyj", "pypi-", "gh", "pat_", "glpat-"),
)


def _is_plain(text: str) -> bool:
    # Beyond ASCII there are more letters that count as another case of those in a word.
    if not text.isascii():
        return False
    lower = text.lower()
    for needed in _NEEDED:  # noqa: SIM110 - a generator takes twice the time
        if needed in lower:
            return False
    return True


def by_place(text: str) -> str:
    """Return ``text`` without credentials that can be told by where they are, or by how they begin."""
    return text if _is_plain(text) else _by_place(text)


def _by_place(text: str) -> str:
    text = _USERINFO.sub(rf"\1{HIDDEN}\2", text)
    text = _ENCODED_USERINFO.sub(rf"\1{HIDDEN}\2", text)
    text = without_wild_logins(text, f"//{HIDDEN}@")
    text = TOKEN_PATH.sub(rf"\1{HIDDEN}", text)
    text = hide(text, parameters(text))
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    text = _QUOTED.sub(lambda match: f"{match[1]}{match[2][0]}{HIDDEN}{match[2][0]}", text)
    text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
    text = _BASIC.sub(_without_basic, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = hide(text, _json_web_tokens(text))
    return _TOKEN.sub(lambda match: f"{match[1] or match[2]}{HIDDEN}", text)


def hide(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return ``text`` with ``***`` for each of ``spans``, which are in order; those that overlap are one."""
    pieces, shown = [], 0
    for begin, end in _merged(spans):
        pieces += [text[shown:begin], HIDDEN]
        shown = end
    return "".join([*pieces, text[shown:]]) if pieces else text


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: tuple[int, int] | None = None
    for begin, end in spans:
        if last is None or begin >= last[1]:
            if last:
                yield last
            last = begin, end
        else:
            last = last[0], max(end, last[1])
    if last:
        yield last


def without_wild_logins(text: str, instead: str) -> str:
    """Return ``text`` with ``instead`` for ``//user:pass/word@``: a login whose password is not encoded."""

    def without(match: re.Match[str]) -> str:
        login = _WILD_LOGIN.search(match[0])
        return match[0][: login.start()] + instead if login else match[0]

    return _BEFORE_AT.sub(without, text)


def parameters(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the values of telling parameters are: by a word in the name, or by the whole name."""
    end = 0
    for name in _NAME.finditer(text):
        telling = name[1].lower() in _WHOLE_NAMES or _TELLING.search(name[1])
        if name.start() >= end and telling:
            value = _VALUE.match(text, name.end())
            if value:
                end = value.end()
                yield value.span()


def _json_web_tokens(text: str) -> Iterator[tuple[int, int]]:
    end = 0
    for before in _BEFORE_PAYLOAD.finditer(text):
        header = _JWT_HEADER.search(text, before.start(), before.end())
        rest = _JWT_REST.match(text, before.end())
        if header and rest and header.start() >= end:
            end = rest.end()
            yield header.end(), end


def _without_basic(match: re.Match[str]) -> str:
    """Hide the word after ``Basic`` only if it is base64 of ``user:password``."""
    word = match[2].translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        said = base64.b64decode(word + "=" * (-len(word) % 4)).decode()
    except ValueError:
        return match[0]
    return f"{match[1]}{HIDDEN}" if ":" in said and said.isprintable() else match[0]


class Secrets:
    """Values that are never shown, however many, found in one pass over a text. Threads may share it."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._lock = threading.Lock()
        #: Made when it is needed first; None after a change.
        self._expression: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        with self._lock:
            before = len(self._values)
            self._values.update(values)
            if len(self._values) != before:
                self._expression = None

    def held_by(self, text: str, shortest: int) -> bool:
        """Tell whether ``text`` holds a value of at least ``shortest`` characters."""
        return any(len(value) >= shortest and value in text for value in self._values.copy())

    def hidden(self, text: str) -> str:
        """Return ``text`` with ``***`` for each value; nothing is left of one that overlaps another."""
        expression = self._expression
        if expression is None:
            with self._lock:
                if not self._values:
                    return text
                expression = self._expression = re.compile(_any_of(sorted(self._values)))
        return hide(text, _overlapping(expression, text))


def _overlapping(expression: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    found = expression.search(text)
    while found:
        yield found.span()
        found = expression.search(text, found.start() + 1)


def _any_of(words: list[str]) -> str:
    """Return an expression for any of ``words`` (sorted, not empty), the longest first.

    Each character of a text is compared with the few that may come next, however many words there are.
    """
    branches = []
    for _, group in itertools.groupby(filter(None, words), key=lambda word: word[0]):
        same = list(group)
        # They are sorted: what the first and the last begin with, all begin with.
        pairs = zip(same[0], same[-1], strict=False)
        length = next((place for place, (one, other) in enumerate(pairs) if one != other), len(same[0]))
        rest = [word[length:] for word in same]
        branches.append(re.escape(same[0][:length]) + (_any_of(rest) if len(rest) > 1 else ""))
    optional = "?" if "" in words else ""
    return f"(?:{'|'.join(branches)}){optional}"
