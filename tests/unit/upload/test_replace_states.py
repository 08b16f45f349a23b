"""Test the table of a replacement's states: every sequence of events, and tables with one wrong line."""

from __future__ import annotations

import pytest

from tests.support.replacement_exploration import ReplacementExploration, ReplacementPath
from wheel_uploader.upload.upload_states import (
    REPLACE_ACTIONS,
    REPLACE_RESULTS,
    REPLACE_TRANSITIONS,
    ReplaceEvent,
    ReplaceState,
)

EDGES = {(state, event) for state, row in REPLACE_TRANSITIONS.items() for event in row}


def test_every_sequence_of_events_keeps_the_properties() -> None:
    exploration = ReplacementExploration().run()
    print(exploration.summary)
    assert exploration.problems == []
    assert exploration.sequences > 5000
    assert {*exploration.outcomes} == {"uploaded", "failed", "unknown", "conflict", "killed"}
    # Each line of the table was needed, except for a signal before the first step.
    assert EDGES - exploration.edges == {(ReplaceState.SAVE, ReplaceEvent.RUN_ENDS)}


def test_a_run_that_must_end_removes_nothing() -> None:
    path = ReplacementPath((), REPLACE_TRANSITIONS, ("done", "fresh"), must_end=True)
    assert path.follow() == "not tried"


WRONG = {
    "removes although the target refuses": (
        *(ReplaceState.PREPARE, ReplaceEvent.REFUSED, ReplaceState.REMOVE),
        "removed although the target refuses",
    ),
    "does not put the old bytes back": (
        *(ReplaceState.UPLOAD, ReplaceEvent.FAILED, ReplaceState.KEPT),
        "absent name were discarded",
    ),
    "takes an absent name for restored": (
        *(ReplaceState.LOOK_OLD, ReplaceEvent.ABSENT, ReplaceState.RESTORED),
        "absent name were discarded",
    ),
    "takes an absent file for replaced": (
        *(ReplaceState.LOOK_NEW, ReplaceEvent.ABSENT, ReplaceState.REPLACED),
        "the new bytes are not served",
    ),
    "takes other bytes for ours": (
        *(ReplaceState.LOOK_OLD, ReplaceEvent.OTHER, ReplaceState.REPLACED),
        "the new bytes are not served",
    ),
    "removes for ever": (ReplaceState.PAUSE, ReplaceEvent.USED_UP, ReplaceState.REMOVE, "does not end"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_finds_a_wrong_line_of_the_table(wrong: str) -> None:
    state, event, following, problem = WRONG[wrong]
    table = {**REPLACE_TRANSITIONS, state: {**REPLACE_TRANSITIONS[state], event: following}}
    found = ReplacementExploration(table=table).run().problems
    assert any(problem in each for each in found), found


def test_every_state_has_an_action_or_a_result() -> None:
    assert REPLACE_TRANSITIONS.keys() == REPLACE_ACTIONS.keys()
    assert {*REPLACE_ACTIONS, *REPLACE_RESULTS} == {*ReplaceState}
    assert not REPLACE_ACTIONS.keys() & REPLACE_RESULTS.keys()
    assert {event for _, event in EDGES} == {*ReplaceEvent}
