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


@cached_for_short_strings
def is_test_path(path: str) -> bool:
    """Return whether a file or one of its directories is named like tests or their data."""
    return _has_word(path.split("/"), _TEST_WORDS)


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
