"""Helpers of the checks of compiled code: which code counts, and one finding for many members."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wheel_uploader.checks.registry import Observation
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import BinaryFacts, BinaryFormat, BinaryKind, BinarySlice, WheelContent

#: Names of files that Python or the system's loader would load as code.
LIBRARY_NAME_PATTERN = re.compile(r"\.(?:so(?:\.[0-9]+)*|pyd|dll|dylib)\Z", re.IGNORECASE)
_SCRIPT_PATH = re.compile(r"[^/]+\.data/scripts/[^/]+\Z")
#: Estimated bytes of memory for a sentence and its members, without the text.
_MEMORY_PER_SENTENCE = 400
_EXE_SUFFIX = re.compile(r"\.exe\Z", re.IGNORECASE)


#: Directories whose files are data of tests, including compiled code for any system.
_TEST_DIRECTORIES = frozenset({"test", "tests", "testdata", "test_data"})


class LoadableCode(NamedTuple):
    """Code for one architecture in one member."""

    binary: BinaryFacts
    slice: BinarySlice

    @property
    def member(self) -> str:
        """The path of the member."""
        return self.binary.member


def is_installed_script(member: str) -> bool:
    """Return whether the member is installed as a command."""
    return bool(_SCRIPT_PATH.match(member))


def is_expected_code(facts: BinaryFacts) -> bool:
    """Return whether the member's name or location implies code for this wheel's platform."""
    return bool(
        LIBRARY_NAME_PATTERN.search(facts.member)
        or is_installed_script(facts.member)
        or _EXE_SUFFIX.search(facts.member)
    )


def is_test_data(wheel: WheelContent, member: str) -> bool:
    """Return whether the member is data of tests in a wheel for any platform."""
    return wheel.name.platforms == ("any",) and not _TEST_DIRECTORIES.isdisjoint(member.split("/")[:-1])


def is_for_several_systems(wheel: WheelContent) -> bool:
    """Return whether a wheel for any platform has libraries for several systems or processors."""
    kinds = {
        (facts.format, frozenset(code_slice.arch for code_slice in facts.slices))
        for facts in wheel.binaries
        if not is_test_data(wheel, facts.member)
        and any(code_slice.kind is BinaryKind.LIBRARY for code_slice in facts.slices)
    }
    return wheel.name.platforms == ("any",) and len(kinds) > 1


def iter_loadable_code(wheel: WheelContent) -> Iterator[LoadableCode]:
    """Yield the code that the wheel's platform loads.

    Skip other programs and firmware that some wheels contain as data: launchers for Windows, programs that
    do not request a loader, and data of tests.
    """
    selected: tuple[tuple[LoadableCode, int], ...] | None = wheel.derived.get("loadable code")
    if selected is None:
        selected = wheel.derived["loadable code"] = tuple(_select_loadable(wheel))
    for code, work in selected:
        wheel.budget.set_member(code.member)
        wheel.budget.count_work(work)
        yield code
    wheel.budget.set_member(None)


def _select_loadable(wheel: WheelContent) -> Iterator[tuple[LoadableCode, int]]:
    """Yield the loadable code, and roughly the units of work for examining its tables."""
    for facts in wheel.binaries:
        if is_test_data(wheel, facts.member):
            continue
        for code in (LoadableCode(facts, code_slice) for code_slice in facts.slices):
            tables = len(code.slice.needed_libraries) + len(code.slice.symbol_versions)
            if code.slice.kind is BinaryKind.LIBRARY or (
                code.slice.kind is BinaryKind.EXECUTABLE
                and (is_installed_script(code.member) or _is_program(code))
            ):
                yield code, 1 + tables + len(code.slice.python_imports) // 8


def _is_program(code: LoadableCode) -> bool:
    return code.binary.format is BinaryFormat.MACHO or bool(code.slice.interpreter)


def group_by_message(wheel: WheelContent, findings: Iterable[tuple[str, str]]) -> Iterator[Observation]:
    """Yield each sentence once, with the first member that it applies to and the number of others."""
    by_sentence: dict[str, dict[str, None]] = {}
    for member, sentence in findings:
        wheel.budget.count_work()
        if sentence not in by_sentence:
            wheel.budget.reserve_memory(_MEMORY_PER_SENTENCE + len(sentence))
        by_sentence.setdefault(sentence, {})[member] = None
    for sentence, members in by_sentence.items():
        first, *others = members
        yield first, f"{sentence} ({_count_others(len(others))})" if others else sentence


def _count_others(count: int) -> str:
    return f"and {format_count(count, 'more file')}"
