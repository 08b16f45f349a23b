"""Kinds of members by their paths: tests, documentation, templates."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wheel_uploader.core.string_cache import cached_for_short_strings

_WORD_SEPARATOR = re.compile(r"[_.\- ]")
_TEST_WORDS = frozenset(
    {
        *("test", "tests", "testing", "testsuite", "testdata", "selftest", "selftests", "conftest"),
        *("fixture", "fixtures", "mock", "mocks"),
    }
)
_EXAMPLE_WORDS = frozenset(
    {"doc", "docs", "documentation", "example", "examples", "sample", "samples", "tutorial", "tutorials"}
)
_TEMPLATE_WORDS = frozenset(
    {"template", "templates", "cookiecutter", "cookiecutters", "skeleton", "skeletons", "scaffold"}
)
#: Beginnings of words in the names of files and directories that only tests use: dummyserver, testcerts.
_TEST_BEGINNINGS = ("dummy", "fake", "mock", "test")


@cached_for_short_strings
def is_test_path(path: str) -> bool:
    """Return whether a file or one of its directories is named like tests or their data."""
    return _has_word(path.split("/"), _TEST_WORDS)


@cached_for_short_strings
def is_test_key_path(path: str) -> bool:
    """Return whether the path says that a private key in this file is for tests."""
    words = _WORD_SEPARATOR.split(path.lower().replace("/", "."))
    return is_test_path(path) or any(word.startswith(_TEST_BEGINNINGS) for word in words)


@cached_for_short_strings
def is_example_path(path: str) -> bool:
    """Return whether a file or one of its directories is named like documentation or examples."""
    return _has_word(path.split("/"), _EXAMPLE_WORDS)


@cached_for_short_strings
def is_template_path(path: str) -> bool:
    """Return whether a directory of the file is named like a directory of templates."""
    directories = path.split("/")[:-1]
    return "{{" in path or _has_word(directories, _TEMPLATE_WORDS)


def _has_word(parts: Iterable[str], words: frozenset[str]) -> bool:
    return any(not words.isdisjoint(_WORD_SEPARATOR.split(part.lower())) for part in parts)
