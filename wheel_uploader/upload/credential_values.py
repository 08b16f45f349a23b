"""Values of user names and passwords that are almost certainly mistakes. Performs no I/O.

A value is named by its origin and never quoted: a message ends up in the log of a CI job.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.lazy_dataclass import dataclass

TOKEN_USERNAME = "__token__"  # noqa: S105 (the user name of every token)
TOKEN_PREFIX = "pypi-"  # noqa: S105 (the prefix of every token of PyPI)

#: In characters. Servers accept headers of 8 to 64 KiB, and tokens of cloud services have up to 8 KiB.
_MAX_LENGTH = 32 * 1024

_LINE_ENDS = "\r\n"
#: Opening to closing quotation mark, as shells, files and word processors write them.
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u201e": "\u201c"}
#: The beginning of every token of PyPI: the prefix, and the version and first field in base64.
_TOKEN_START = re.compile(rf"{TOKEN_PREFIX}AgE", re.IGNORECASE)
#: Characters of a token: base64, and what tokens of other indexes add.
_TOKEN_CHARACTERS = re.compile(r"[A-Za-z0-9_.=+/~-]*\Z")

#: Text that only a template has: no shell, CI or tool replaced it.
_TEMPLATE = re.compile(r"\{\{[^{}]{0,200}\}\}")
#: A reference to a secret store, or the encrypted value, in the notation of common tools.
_SECRET_REFERENCE = re.compile(
    "|".join(
        (
            r"(?:op|vault|ref\+[a-z]{1,20}|secretref|keeper|bws|akv|gcpsm|awssm)://\S{1,500}",
            r"arn:aws[\w-]{0,20}:(?:secretsmanager|ssm):\S{1,500}",
            r"@Microsoft\.KeyVault\(.{1,500}\)",
            r"ENC\[AES256_GCM,.{1,5000}\]",
            r"<%.{1,200}%>",
        )
    )
)
#: Text that belongs before a password in a header, a file or a command, and not to the password.
_LABEL = re.compile(
    r"(?:authorization|x-[a-z-]{1,40}|private-token) ?: ?"
    r"|(?:bearer|basic|token|password|export|set) {1,5}\S{8}"
    r"|(?:export {1,5}|set {1,5}|\$env:|--?)?[\"']?\w{0,60}(?:pass(?:word|wd)?|token|secret|api_?key)[\"']?"
    r" ?[:=] ?[\"']?\S{8}",
    re.IGNORECASE | re.ASCII,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,8192}={0,2}\Z")
#: ``user:token``, as it is encoded for the header of a login.
_USER_AND_TOKEN = re.compile(r"[\w.@+-]{1,100}:[\x21-\x7e]{8,4096}\Z", re.ASCII)
#: Tokens of Artifactory are base64 of text that begins with this.
_ENCODED_TOKEN_START = "reftkn:"  # noqa: S105 (not a token)
#: The beginning of a token of PyPI without its prefix.
_BARE_TOKEN = re.compile(r"(?:p?ypi-|pi-|i-|-)?AgE[A-Za-z0-9_-]{40,}")
_VAULT_HEADER = "$ANSIBLE_VAULT;"
#: Words that programs print for a variable without a value.
_NO_VALUES = frozenset({"none", "null", "nil", "undefined", "(null)", "<nil>", "[object object]"})
#: The whole value is a reference to a variable. Lower case may be a password.
_VARIABLE = re.compile(
    r"\$\{\w{1,200}\}|\$\([\w.]{1,200}\)|\$\[\w{1,200}\]|\$[A-Z_][A-Z0-9_]{1,200}|\$(?i:env):\w{1,200}"
    r"|%[A-Z_]\w{1,200}%|@[A-Z_][A-Z0-9_]{1,200}@|(?:secrets|env|vars)\.\w{1,200}",
    re.ASCII,
)
#: The same in lower case, and the placeholders of documentation and logs.
_PLACEHOLDER = re.compile(r"\$\w{1,200}|%\w{1,200}%|<[^<>]{1,200}>|\*{3,200}|\[[A-Z ]{1,200}\]", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedValue:
    """A value as it is sent, and warnings about it."""

    value: str
    #: Sentences for the user; the first ones are about removed characters.
    warnings: tuple[str, ...] = ()


def check_password(value: str, *, origin: str, is_pypi: bool) -> CheckedValue:
    """Return the password to send. Raises CredentialsError if it cannot be the right one."""
    return _check(value, subject=f"the password from {origin}", origin=origin, is_pypi=is_pypi)


def check_username(value: str, *, origin: str) -> CheckedValue:
    """Return the user name to send. Raises CredentialsError if it cannot be the right one."""
    subject = f"the user name from {origin}"
    checked = _check(value, subject=subject, origin=origin, is_pypi=False)
    if ":" in checked.value:
        warning = f"{subject} contains a colon: servers take what follows it for a part of the password"
        return CheckedValue(value=checked.value, warnings=(*checked.warnings, warning))
    return checked


def find_mismatch(username: str, password: str, *, origin: str) -> str:
    """Return a sentence if user name and password do not belong together; empty if they may."""
    if username.startswith(TOKEN_PREFIX):
        return f"the user name begins with '{TOKEN_PREFIX}' as a token does: are the two values swapped?"
    if password.startswith(TOKEN_PREFIX) and username != TOKEN_USERNAME:
        return (
            f"the password from {origin} is an API token of PyPI ('{TOKEN_PREFIX}...'), whose user name is "
            f"{TOKEN_USERNAME}; the given user name is another one"
        )
    return ""


def _check(value: str, *, subject: str, origin: str, is_pypi: bool) -> CheckedValue:
    if len(value) > _MAX_LENGTH:
        raise CredentialsError(
            f"{subject} has {len(value):,} characters, more than servers accept; nothing was sent",
            hint=f"{_hint(origin)} It may be the content of a whole file.",
        )
    removed: list[str] = []
    cleaned = value.strip(_LINE_ENDS)
    if cleaned != value:
        removed.append(f"{subject} ends or begins with a line end, which is left out")
    bare = _strip_quotes(cleaned.strip())
    is_token = is_pypi or bare.startswith(TOKEN_PREFIX) or bool(_TOKEN_START.search(cleaned))
    if is_token and cleaned.strip() != cleaned:
        cleaned = cleaned.strip()
        removed.append(f"{subject} has blanks around it, which are left out")
    problems = tuple(f"{subject} {problem.text}" for problem in _PROBLEMS if problem.applies(cleaned))
    if any(problem.applies(cleaned) and (is_token or problem.is_fatal) for problem in _PROBLEMS):
        raise CredentialsError(f"{problems[0]}; nothing was sent", details=problems[1:], hint=_hint(origin))
    if is_pypi and _PLACEHOLDER.fullmatch(cleaned):
        raise CredentialsError(f"{subject} {_NOT_REPLACED}; nothing was sent", hint=_hint(origin))
    if bare.startswith(TOKEN_PREFIX) and not _TOKEN_CHARACTERS.match(cleaned):
        raise CredentialsError(f"{subject} {_NO_TOKEN}; nothing was sent", hint=_hint(origin))
    if bare == TOKEN_PREFIX or (bare.startswith(TOKEN_PREFIX) and bare.endswith("..")):
        raise CredentialsError(f"{subject} {_CUT_TOKEN}; nothing was sent", hint=_hint(origin))
    if _TOKEN_START.search(cleaned) and not bare.startswith(TOKEN_PREFIX):
        raise CredentialsError(f"{subject} {_WRAPPED_TOKEN}; nothing was sent", hint=_hint(origin))
    if _TOKEN_START.search(_decode(cleaned)):
        raise CredentialsError(f"{subject} {_ENCODED_TOKEN}; nothing was sent", hint=_hint(origin))
    if is_pypi and _BARE_TOKEN.match(cleaned):
        raise CredentialsError(f"{subject} {_TOKEN_WITHOUT_PREFIX}; nothing was sent", hint=_hint(origin))
    return CheckedValue(value=cleaned, warnings=(*removed, *problems))


def _decode(text: str) -> str:
    """Return the text that a value is the base64 of, also over several lines or twice; else empty."""
    decoded = ""
    for _ in range(2):
        compact = _strip_quotes("".join(text.split()))
        if not _BASE64.match(compact):
            break
        padded = compact.rstrip("=") + "=" * (-len(compact.rstrip("=")) % 4)
        try:
            text = base64.b64decode(padded.translate(_URL_SAFE)).decode("ascii")
        except (binascii.Error, ValueError):
            break
        decoded = text.strip()
    return decoded


_URL_SAFE = str.maketrans("-_", "+/")


def _has_label(text: str) -> bool:
    # For a token of PyPI, another message is better.
    return _LABEL.match(text) is not None and not _TOKEN_START.search(text)


def _is_encoded_login(text: str) -> bool:
    decoded = _decode(text)
    return not decoded.startswith(_ENCODED_TOKEN_START) and _USER_AND_TOKEN.match(decoded) is not None


def _hint(origin: str) -> str:
    return f"Correct {origin}: it must be the value itself, without anything around it."


def _strip_quotes(text: str) -> str:
    return text.strip("".join({*_QUOTES, *_QUOTES.values()}))


def _is_secret_reference(text: str) -> bool:
    return text.startswith(_VAULT_HEADER) or _SECRET_REFERENCE.fullmatch(text) is not None


def _is_no_value(text: str) -> bool:
    return text.lower() in _NO_VALUES


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and _QUOTES.get(text[0]) == text[-1]


def _has_blanks_around(text: str) -> bool:
    return text != text.strip()


def _is_undecodable(text: str) -> bool:
    return any(unicodedata.category(character) == "Cs" for character in text)


def _has_invisible_characters(text: str) -> bool:
    """Return whether there are control or format characters, such as Ctrl-V pasted into a console."""
    return any(category in {"Cc", "Cf", "Zl", "Zp"} for category in map(unicodedata.category, text))


_NO_TOKEN = "begins like an API token and contains characters that no token has"  # noqa: S105 (a message)
_CUT_TOKEN = "is only the beginning of an API token"  # noqa: S105 (a message)
_WRAPPED_TOKEN = "contains an API token with other text before it, or in capitals"  # noqa: S105 (a message)
_ENCODED_TOKEN = "is an API token in base64, not the token itself"  # noqa: S105 (a message)
_TOKEN_WITHOUT_PREFIX = f"is an API token without its beginning, '{TOKEN_PREFIX}'"
_NOT_REPLACED = "is a placeholder: the name of a variable or secret, not its value"
_NOT_RESOLVED = "is a reference to a secret, or its encrypted form, and not the secret"


@dataclass(frozen=True, slots=True)
class _Problem:
    #: Continues a sentence that begins with the value's origin.
    text: str
    applies: Callable[[str], object]
    #: True if no index can accept such a value; the others are fatal for an API token only.
    is_fatal: bool = False


_PROBLEMS = (
    _Problem("is not valid text in UTF-8", _is_undecodable, is_fatal=True),
    _Problem(_NOT_REPLACED, _TEMPLATE.search, is_fatal=True),
    _Problem(_NOT_REPLACED, _VARIABLE.fullmatch),
    _Problem(_NOT_RESOLVED, _is_secret_reference),
    _Problem("is a user name and a password in base64", _is_encoded_login),
    _Problem("begins with the name of a variable or header, which is not a part of it", _has_label),
    _Problem("is the word for a value that is not set", _is_no_value),
    _Problem("is enclosed in quotation marks", _is_quoted),
    _Problem("has blanks around it", _has_blanks_around),
    _Problem("contains control or invisible characters", _has_invisible_characters),
)
