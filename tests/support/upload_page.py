"""Generates the parts of docs/explanation/upload.rst: ``python -m tests.support.upload_page``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.support.generated_parts import replace_parts
from tools.testing import tested_package
from wheel_uploader.upload.upload_states import (
    ACTIONS,
    REPLACE_ACTIONS,
    REPLACE_RESULTS,
    REPLACE_TRANSITIONS,
    RESULTS,
    TRANSITIONS,
    ReplaceState,
    State,
)

PAGE = tested_package.ROOT / "docs" / "explanation" / "upload.rst"


@dataclass(frozen=True)
class Machine:
    """A table of transitions, with the actions of its states and the results of its ends."""

    first: StrEnum
    transitions: Mapping[Any, Mapping[Any, Any]]
    actions: Mapping[Any, str]
    results: Mapping[Any, str]


UPLOAD = Machine(State.FIRST_POST, TRANSITIONS, ACTIONS, RESULTS)
REPLACEMENT = Machine(ReplaceState.SAVE, REPLACE_TRANSITIONS, REPLACE_ACTIONS, REPLACE_RESULTS)


def generated_parts() -> dict[str, str]:
    """Return the generated parts by NAME: the text between ``.. NAME begins`` and ``.. NAME ends``."""
    parts: dict[str, str] = {}
    for machine, prefix in ((UPLOAD, ""), (REPLACEMENT, "replacement ")):
        rows = [
            (f"{state} ({machine.actions[state]})" if first else "", str(event), str(following))
            for state, row in machine.transitions.items()
            for first, (event, following) in zip([True] + [False] * len(row), row.items(), strict=False)
        ]
        results = [(str(end), text) for end, text in machine.results.items()]
        parts |= {
            f"{prefix}drawing": "::\n\n" + "\n".join(f"    {line}" for line in drawing(machine)),
            f"{prefix}transitions": _table(("state (action)", "event", "next state"), rows),
            f"{prefix}results": _table(("end", "status of the file"), results),
        }
    return parts


def drawing(machine: Machine = UPLOAD) -> list[str]:
    """Return the lines of the graph: each state is drawn once, below the first state that leads to it."""
    return [f"({machine.first})", *_branches(machine, machine.first, {machine.first})]


def _branches(machine: Machine, state: StrEnum, drawn: set[StrEnum]) -> Iterator[str]:
    """Yield the lines below a state: one branch for each next state, with all events that lead there."""
    events: dict[StrEnum, list[StrEnum]] = {}
    for event, following in machine.transitions[state].items():
        events.setdefault(following, []).append(event)
    for position, (following, causes) in enumerate(events.items(), start=1):
        is_last, is_end = position == len(events), following in machine.results
        is_new = following not in drawn and not is_end
        drawn.add(following)
        label = f"[{following}]" if is_end else f"({following}){'' if is_new else ' ^'}"
        yield f"{'`' if is_last else '|'}-- {' | '.join(causes)} --> {label}"
        if is_new:
            yield from (
                f"{' ' if is_last else '|'}   {line}" for line in _branches(machine, following, drawn)
            )


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a list table, whose first column may span several rows by being empty."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        lines += [f"   {'*' if column == 0 else ' '} - {text}".rstrip() for column, text in enumerate(row)]
    return "\n".join(lines)


def with_generated_parts(text: str) -> str:
    """Return the page's text with the generated parts replaced."""
    return replace_parts(text, generated_parts())


if __name__ == "__main__":
    PAGE.write_text(with_generated_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
