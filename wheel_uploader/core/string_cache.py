"""A cache for functions of one string. All wheels of a release pass the same few strings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Number of cached results per function, and the maximum length of a cached string. A hostile wheel may have
#: thousands of paths of 64 kB each.
_CACHE_SIZE = 1 << 14
_MAX_TEXT_LENGTH = 300


def cached_for_short_strings(function: Callable[[str], T]) -> Callable[[str], T]:
    """Cache the results of a deterministic function for short strings."""
    cached = functools.lru_cache(maxsize=_CACHE_SIZE)(function)

    @functools.wraps(function)
    def wrapper(text: str) -> T:
        return cached(text) if len(text) <= _MAX_TEXT_LENGTH else function(text)

    return wrapper
