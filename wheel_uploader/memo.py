"""Functions of a short text that remember what they said: all wheels of a release ask the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Answers that a function keeps, and the characters of a text from which on it keeps none: a hostile
#: wheel has thousands of paths of 64 kB each.
_ANSWERS = 1 << 14
_SHORT = 300


def remembers(function: Callable[[str], T]) -> Callable[[str], T]:
    """``function``, which has to say the same of the same text each time."""
    remembering = functools.lru_cache(maxsize=_ANSWERS)(function)

    @functools.wraps(function)
    def answer(text: str) -> T:
        return remembering(text) if len(text) <= _SHORT else function(text)

    return answer
