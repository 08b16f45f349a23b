"""Helpers of the checks of compiled code: which code counts, and one finding for many members."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wheel_uploader.checks.registry import Yielded
from wheel_uploader.models import NativeFacts, NativeFormat, NativeKind, NativeSlice, WheelContent

#: Names of files that Python or the system's loader would load as code.
LIBRARY_NAME = re.compile(r"\.(?:so(?:\.[0-9]+)*|pyd|dll|dylib)\Z", re.IGNORECASE)
_SCRIPT_PATH = re.compile(r"[^/]+\.data/scripts/[^/]+\Z")
#: Estimated bytes of memory for a sentence and its members, without the text.
_MEMORY_PER_SENTENCE = 400
_EXE_SUFFIX = re.compile(r"\.exe\Z", re.IGNORECASE)


class Code(NamedTuple):
    """Code for one architecture in one member."""

    facts: NativeFacts
    slice: NativeSlice

    @property
    def member(self) -> str:
        """The path of the member."""
        return self.facts.member


def is_script(member: str) -> bool:
    """Return whether the member is installed as a command."""
    return bool(_SCRIPT_PATH.match(member))


def is_promised(facts: NativeFacts) -> bool:
    """Return whether the member's name or location implies code for this wheel's platform."""
    return bool(
        LIBRARY_NAME.search(facts.member) or is_script(facts.member) or _EXE_SUFFIX.search(facts.member)
    )


def loaded(wheel: WheelContent) -> Iterator[Code]:
    """Yield the code that the wheel's platform loads.

    Skip other programs and firmware that some wheels contain as data: launchers for Windows, and programs
    that do not request a loader.
    """
    for facts in wheel.natives:
        wheel.budget.enter(facts.member)
        for code in (Code(facts, code_slice) for code_slice in facts.slices):
            # Roughly the work of examining its tables.
            wheel.budget.tick(
                1 + len(code.slice.needed) + len(code.slice.versions) + len(code.slice.python_symbols) // 8
            )
            if code.slice.kind is NativeKind.LIBRARY or (
                code.slice.kind is NativeKind.EXECUTABLE and (is_script(code.member) or _is_program(code))
            ):
                yield code
    wheel.budget.enter(None)


def _is_program(code: Code) -> bool:
    return code.facts.format is NativeFormat.MACHO or bool(code.slice.interpreter)


def gathered(wheel: WheelContent, findings: Iterable[tuple[str, str]]) -> Iterator[Yielded]:
    """Yield each sentence once, with the first member that it applies to and the number of others."""
    by_sentence: dict[str, dict[str, None]] = {}
    for member, sentence in findings:
        wheel.budget.tick()
        if sentence not in by_sentence:
            wheel.budget.keep(_MEMORY_PER_SENTENCE + len(sentence))
        by_sentence.setdefault(sentence, {})[member] = None
    for sentence, members in by_sentence.items():
        first, *others = members
        yield first, f"{sentence} ({_count_others(len(others))})" if others else sentence


def _count_others(count: int) -> str:
    return f"and {count} more files" if count > 1 else "and 1 more file"


def few(words: Iterable[str], most: int = 4) -> str:
    """Return the first ``most`` of ``words``, and how many more there are."""
    items = list(words)
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
