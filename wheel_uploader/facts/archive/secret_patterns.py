"""Find private keys, tokens of known services and passwords in text, without false alarms on examples.

Each pattern has a literal that is searched for first, which takes a fraction of the time of unpacking; the
regular expression is tried only where the literal occurs. A token is recognized by its service's prefix and
length, and by its checksum or structure if its format has one; it is ignored if its value is obviously a
placeholder.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import TextFactKind
from wheel_uploader.facts.archive import token_formats

#: Occurrences of a literal that are examined in one member. Few real files have more than a hundred.
_MAX_OCCURRENCES = 2000
#: Matches of one pattern that are reported for one member.
_MAX_MATCHES = 3
#: Bytes before and after an AWS access key in which its secret is searched.
_AWS_DISTANCE = 200
#: Distinct characters of a token; random ones have many more.
_MIN_DISTINCT = 8
#: Length of a sequence such as "abcdef" or "345678", which random text does not contain.
_SEQUENCE_LENGTH = 6
_PLACEHOLDER_WORDS = re.compile(
    rb"example|xxxx|your|dummy|fake|redact|placeholder|changeme|secret|token", re.IGNORECASE
)
_PLACEHOLDER_PASSWORDS = re.compile(
    rb"[$<{%*.].*|(?:pass(?:word|wd)?|pwd|foo|bar|baz|none|null|test(?:ing)?|admin|my.*|[^a-zA-Z0-9]*)\Z",
    re.IGNORECASE,
)


class Passage(NamedTuple):
    """A match: its kind, its offset in bytes, and its description as a noun phrase."""

    kind: TextFactKind
    offset: int
    description: str


class _Pattern(NamedTuple):
    literal: bytes
    #: Matched at the literal; its last group is the random part of the token.
    expression: re.Pattern[bytes]
    description: str
    #: A test of the last group, the random part, for tokens whose format can be verified.
    is_valid: Callable[[bytes], bool] = bool


def _pattern(
    literal: bytes, rest: bytes, description: str, is_valid: Callable[[bytes], bool] = bool
) -> _Pattern:
    return _Pattern(literal, re.compile(re.escape(literal) + rest), description, is_valid)


_END = rb"(?![A-Za-z0-9])"
#: The tokens that contain ``_LONG_WORD`` and begin in several ways; one search takes less than five.
_GITHUB_TOKEN = re.compile(rb"gh[pousr]_([A-Za-z0-9]{36})" + _END)
#: The other tokens that contain ``_LONG_WORD``.
_TOKENS_WITH_LONG_WORD = (
    _pattern(b"github_pat_", rb"([A-Za-z0-9]{22}_[A-Za-z0-9]{40,70})" + _END, "a GitHub token"),
    _pattern(b"npm_", rb"([A-Za-z0-9]{36})" + _END, "an npm token", token_formats.has_base62_checksum),
    _pattern(b"hf_", rb"([A-Za-z0-9]{34})" + _END, "a Hugging Face token"),
)
_OTHER_TOKENS = (
    _pattern(b"pypi-AgE", rb"([A-Za-z0-9_-]{24,400})", "a PyPI token", token_formats.continues_macaroon),
    _pattern(b"glpat-", rb"([A-Za-z0-9_-]{20,64})(?![A-Za-z0-9_-])", "a GitLab token"),
    _pattern(b"xox", rb"[abpors]-[0-9]{6,20}-(?:[0-9]{6,20}-){0,2}([A-Za-z0-9]{16,64})", "a Slack token"),
    _pattern(b"sk-ant-", rb"[a-z0-9]{3,8}-([A-Za-z0-9_-]{40,200})", "an Anthropic key"),
    _pattern(b"sk-proj-", rb"([A-Za-z0-9_-]{40,200})", "an OpenAI key"),
    _pattern(b"sk_live_", rb"([A-Za-z0-9]{24,120})" + _END, "a Stripe key"),
    _pattern(
        b"hooks.slack.com/services/", rb"T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/([A-Za-z0-9]{24})", "a Slack webhook"
    ),
)
#: The access keys of users, and temporary ones.
_AWS_PREFIXES = (b"AKIA", b"ASIA")
_AWS_KEY = re.compile(rb"A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])")
_AWS_SECRET = re.compile(rb"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_KEY_BEGINNING = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(rb"[A-Za-z0-9+/]{40}")
#: Bytes after the beginning of a key in which the first line of its contents is searched.
_KEY_BODY_DISTANCE = 300

#: The pattern of a password in each kind of credentials file; its group is the password.
_CREDENTIAL_FILES = {
    ".pypirc": re.compile(rb"^[ \t]*password[ \t]*[=:][ \t]*([^\s]{1,2000})", re.MULTILINE),
    ".netrc": re.compile(rb"\bpassword[ \t]+([^\s]{1,2000})"),
    "_netrc": re.compile(rb"\bpassword[ \t]+([^\s]{1,2000})"),
    ".npmrc": re.compile(rb"_(?:authToken|auth|password)[ \t]*=[ \t]*([^\s]{1,2000})"),
    ".git-credentials": re.compile(rb"://[^\s:/@]{1,200}:([^\s/@]{1,2000})@"),
    **dict.fromkeys(("pip.conf", "pip.ini"), re.compile(rb"://[^\s:/@]{1,200}:([^\s/@]{1,2000})@")),
    ".pgpass": re.compile(rb"^(?:[^:\n]{1,200}:){4}([^\s]{1,200})", re.MULTILINE),
}
#: Those of them that have other settings as well, and often no password.
_MIXED_SETTINGS = frozenset({".npmrc", "pip.conf", "pip.ini"})
#: A word of letters and digits in a text whose letters and digits are all replaced by "a".
_LONG_WORD = b"a" * 34
_WORD_CHARACTERS = bytes(ord("a") if bytes([code]).isalnum() else ord(" ") for code in range(256))
_KEY_FILES = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk"})
#: Directories in which users keep their keys.
_KEY_DIRECTORIES = frozenset({".ssh", ".gnupg", ".aws", ".kube"})
#: The login of a container registry, and a key in base64 for a cluster: a literal that the files contain, and
#: the value.
_ENCODED_CREDENTIALS = (
    (
        b'"auths"',
        re.compile(rb'"auth"\s{0,9}:\s{0,9}"([A-Za-z0-9+/=]{12,2000})"'),
        "the login of a container registry",
    ),
    (
        b"client-key-data",
        re.compile(rb"client-key-data:\s{0,9}(LS0tLS1CRUdJTi[A-Za-z0-9+/=]{40})"),
        "a private key",
    ),
)
#: The beginning of the private part of a key in the format of PuTTY.
_PUTTY_KEY = re.compile(rb"PuTTY-User-Key-File-[0-9]:[\x20-\x7e\r\n]{1,4000}?\nPrivate-Lines: [1-9]")
#: The type in the JSON of a key with which programs log in to a cloud.
_SERVICE_ACCOUNT = b'"service_account"'


def is_credential_file(name: str) -> bool:
    """Return whether the last part of a path is the name of a file for passwords or private keys."""
    return name in _KEY_FILES or (name in _CREDENTIAL_FILES and name not in _MIXED_SETTINGS)


def is_credential_path(path: str) -> bool:
    """Return whether a user keeps passwords, tokens or keys in a file of this path."""
    *directories, name = path.split("/")
    return name == ".env" or is_credential_file(name) or not _KEY_DIRECTORIES.isdisjoint(directories)


def find_secrets(data: bytes, name: str, budget: Budget, *, is_quick: bool = False) -> Iterator[Passage]:
    """Yield the secrets in the text of a file whose path ends in ``name``.

    With ``is_quick``, text without a word as long as the random part of most tokens is not searched.
    """
    # Searching for each literal of these tokens takes several times as long.
    has_long_word = _LONG_WORD in data.translate(_WORD_CHARACTERS)
    if is_quick and not has_long_word:
        return
    if expression := _CREDENTIAL_FILES.get(name):
        yield from _find_passwords(data, expression)
    yield from _find_private_keys(data, budget)
    yield from _find_encoded_credentials(data)
    if has_long_word:
        yield from _find_github_tokens(data, budget)
    for pattern in (*_TOKENS_WITH_LONG_WORD, *_OTHER_TOKENS) if has_long_word else _OTHER_TOKENS:
        for match in _matches(data, pattern.literal, pattern.expression, budget):
            if pattern.is_valid(match[1]):
                yield from _judge(match, pattern.description)
    for prefix in _AWS_PREFIXES:
        for match in _matches(data, prefix, _AWS_KEY, budget, _has_aws_secret):
            yield from _judge(match, "an AWS access key with its secret")


def _find_github_tokens(data: bytes, budget: Budget) -> Iterator[Passage]:
    found = 0
    for match in itertools.islice(_GITHUB_TOKEN.finditer(data), _MAX_OCCURRENCES):
        budget.count_work()
        if not _continues_word(data, match.start()) and token_formats.has_base62_checksum(match[1]):
            found += 1
            yield from _judge(match, "a GitHub token")
        if found == _MAX_MATCHES:
            return


def _matches(
    data: bytes,
    literal: bytes,
    expression: re.Pattern[bytes],
    budget: Budget,
    accept: Callable[[re.Match[bytes]], bool] = bool,
) -> Iterator[re.Match[bytes]]:
    """Yield the first matches of ``expression``, which begins with ``literal``."""
    offset = data.find(literal)
    found = 0
    for _ in range(_MAX_OCCURRENCES):
        if offset < 0 or found == _MAX_MATCHES:
            return
        budget.count_work()
        match = expression.match(data, offset)
        if match and not _continues_word(data, offset) and accept(match):
            found += 1
            yield match
        offset = data.find(literal, match.end() if match else offset + 1)


def _continues_word(data: bytes, offset: int) -> bool:
    return offset > 0 and (data[offset - 1 : offset].isalnum() or data[offset - 1 : offset] == b"_")


def _judge(match: re.Match[bytes], description: str) -> Iterator[Passage]:
    """Yield the passage of a token, unless its value is obviously a placeholder."""
    value = match[match.lastindex or 0]
    if len(set(value)) < _MIN_DISTINCT or _PLACEHOLDER_WORDS.search(value):
        return
    doubtful = _has_sequence(value)
    kind = TextFactKind.DOUBTFUL_CREDENTIAL if doubtful else TextFactKind.CREDENTIAL
    yield Passage(kind, match.start(), description)


def _has_sequence(value: bytes) -> bool:
    """Return whether the value contains successive characters, as people type them for an example."""
    length = 1
    for previous, current in itertools.pairwise(value):
        length = length + 1 if current == previous + 1 else 1
        if length == _SEQUENCE_LENGTH:
            return True
    return False


def _has_aws_secret(key: re.Match[bytes]) -> bool:
    start = max(0, key.start() - _AWS_DISTANCE)
    for match in _AWS_SECRET.finditer(key.string, start, key.end() + _AWS_DISTANCE):
        value = match[0]
        # A sha1 digest has 40 characters as well, all in one case.
        if value.lower() != value != value.upper() and b"EXAMPLE" not in value:
            return True
    return False


def _find_private_keys(data: bytes, budget: Budget) -> Iterator[Passage]:
    offset = data.find(b"PRIVATE KEY")
    if offset < 0:
        return
    is_key_file = _KEY_BEGINNING.match(data.lstrip()[:100]) is not None
    is_account = _SERVICE_ACCOUNT in data
    kind = TextFactKind.CREDENTIAL if is_account else TextFactKind.PRIVATE_KEY
    description = "the key of a service account" if is_account else "a private key"
    found = 0
    for match in _matches(data, b"-----BEGIN ", _KEY_BEGINNING, budget):
        if (is_key_file and not found) or _has_key_body(data, match.end()):
            found += 1
            yield Passage(kind, match.start(), description)


def _find_encoded_credentials(data: bytes) -> Iterator[Passage]:
    """Yield the credentials in the files of Docker, Kubernetes and PuTTY."""
    for literal, expression, description in _ENCODED_CREDENTIALS:
        if literal in data and (match := expression.search(data)):
            yield Passage(TextFactKind.CREDENTIAL, match.start(), description)
    if data.startswith(b"PuTTY-User-Key-File-") and (match := _PUTTY_KEY.match(data)):
        yield Passage(TextFactKind.PRIVATE_KEY, match.start(), "a private key")


def _has_key_body(data: bytes, start: int) -> bool:
    """Return whether base64 follows the first line of a key, as it does not in code that parses keys."""
    end = start + _KEY_BODY_DISTANCE
    next_dashes = data.find(b"-----", start, end)
    return _KEY_BODY.search(data, start, end if next_dashes < 0 else next_dashes) is not None


def _find_passwords(data: bytes, expression: re.Pattern[bytes]) -> Iterator[Passage]:
    for found, match in enumerate(expression.finditer(data)):
        if found == _MAX_MATCHES:
            return
        if not _PLACEHOLDER_PASSWORDS.match(match[1].strip(b"\"'")):
            yield Passage(TextFactKind.CREDENTIAL, match.start(1), "a password")
