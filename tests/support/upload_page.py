"""Generates the parts of docs/explanation/upload.rst: ``python -m tests.support.upload_page``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.support.generated_parts import replace_parts
from tools.testing import tested_package
from wheel_uploader.upload.upload_states import ACTIONS, RESULTS, TRANSITIONS, Event, State

PAGE = tested_package.ROOT / "docs" / "explanation" / "upload.rst"


def generated_parts() -> dict[str, str]:
    """Return the generated parts by NAME: the text between ``.. NAME begins`` and ``.. NAME ends``."""
    rows = [
        (f"{state} ({ACTIONS[state]})" if first else "", str(event), str(following))
        for state, row in TRANSITIONS.items()
        for first, (event, following) in zip([True] + [False] * len(row), row.items(), strict=False)
    ]
    return {
        "drawing": "::\n\n" + "\n".join(f"    {line}" for line in drawing()),
        "transitions": _table(("state (action)", "event", "next state"), rows),
        "results": _table(("end", "status of the file"), [(str(end), text) for end, text in RESULTS.items()]),
    }


def drawing() -> list[str]:
    """Return the lines of the graph: each state is drawn once, below the first state that leads to it."""
    return [f"({State.FIRST_POST})", *_branches(State.FIRST_POST, {State.FIRST_POST})]


def _branches(state: State, drawn: set[State]) -> Iterator[str]:
    """Yield the lines below a state: one branch for each next state, with all events that lead there."""
    events: dict[State, list[Event]] = {}
    for event, following in TRANSITIONS[state].items():
        events.setdefault(following, []).append(event)
    for position, (following, causes) in enumerate(events.items(), start=1):
        is_last = position == len(events)
        is_new = following not in drawn and not following.is_end
        drawn.add(following)
        label = f"[{following}]" if following.is_end else f"({following}){'' if is_new else ' ^'}"
        yield f"{'`' if is_last else '|'}-- {' | '.join(causes)} --> {label}"
        if is_new:
            yield from (f"{' ' if is_last else '|'}   {line}" for line in _branches(following, drawn))


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
