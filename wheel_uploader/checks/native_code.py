"""What the checks of native code share: the code that counts, and findings told once for many members."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wheel_uploader.checks.registry import Yielded
from wheel_uploader.models import NativeFacts, NativeFormat, NativeKind, NativeSlice, WheelContent

#: Names that promise code that Python or the system's loader loads.
LIBRARY_NAME = re.compile(r"\.(?:so(?:\.[0-9]+)*|pyd|dll|dylib)\Z", re.IGNORECASE)
_SCRIPTS = re.compile(r"[^/]+\.data/scripts/[^/]+\Z")
#: Bytes of memory for a sentence and its members, without its text.
_SENTENCE = 400
_EXE = re.compile(r"\.exe\Z", re.IGNORECASE)


class Code(NamedTuple):
    """One architecture's code in one member."""

    facts: NativeFacts
    slice: NativeSlice

    @property
    def member(self) -> str:
        return self.facts.member


def is_script(member: str) -> bool:
    """Whether it is installed as a command."""
    return bool(_SCRIPTS.match(member))


def is_promised(facts: NativeFacts) -> bool:
    """Whether its name or its place says that it is code for this wheel's platform."""
    return bool(LIBRARY_NAME.search(facts.member) or is_script(facts.member) or _EXE.search(facts.member))


def loaded(wheel: WheelContent) -> Iterator[Code]:
    """All code that the platform is to load.

    Not the other programs and firmware that some wheels carry as data: launchers for Windows, and programs
    that ask for no loader.
    """
    for facts in wheel.natives:
        wheel.budget.enter(facts.member)
        for part in facts.slices:
            # About what looking at its tables takes.
            wheel.budget.tick(1 + len(part.needed) + len(part.versions) + len(part.python_symbols) // 8)
            if part.kind is NativeKind.LIBRARY or (
                part.kind is NativeKind.EXECUTABLE and (is_script(facts.member) or _is_program(facts, part))
            ):
                yield Code(facts, part)
    wheel.budget.enter(None)


def _is_program(facts: NativeFacts, part: NativeSlice) -> bool:
    return facts.format is NativeFormat.MACHO or bool(part.interpreter)


def gathered(wheel: WheelContent, found: Iterable[tuple[str, str]]) -> Iterator[Yielded]:
    """Each sentence once: of the first member that it was said of, and of how many more."""
    members: dict[str, dict[str, None]] = {}
    for member, sentence in found:
        wheel.budget.tick()
        if sentence not in members:
            wheel.budget.keep(_SENTENCE + len(sentence))
        members.setdefault(sentence, {})[member] = None
    for sentence, those in members.items():
        first, *more = those
        yield first, f"{sentence} ({_files(len(more))})" if more else sentence


def _files(count: int) -> str:
    return f"and {count} more files" if count > 1 else "and one more file"


def few(words: Iterable[str], most: int = 4) -> str:
    """The first of ``words``, and how many more there are."""
    listed = list(words)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
