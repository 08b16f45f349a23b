"""Test the table of the upload's states: every sequence of events, and tables with one wrong line."""

from __future__ import annotations

import re

import pytest

from tests.support.upload_exploration import Exploration
from tools.testing import tested_package
from wheel_uploader.upload.upload_states import (
    ACTIONS,
    RESULTS,
    TRANSITIONS,
    Event,
    ReplaceEvent,
    ReplaceState,
    State,
)

EDGES = {(state, event) for state, row in TRANSITIONS.items() for event in row}


def test_every_sequence_of_events_keeps_the_five_properties() -> None:
    """``python -m tests.soak states`` follows each sequence without the shortcut for known situations."""
    read, unread = Exploration().run(), Exploration(reads=False).run()
    for each in (read, unread, Exploration(reads=False, repeats=True).run()):
        print(each.summary)
        assert each.problems == []
    assert read.sequences > 10_000
    # Each line of the table was needed, and each was there.
    assert read.edges | unread.edges == EDGES
    assert {"success, uploaded", "success, skipped", "conflict", "rejected", "failed", "unknown"} <= {
        *read.outcomes
    }
    # Without a look nothing is confirmed, and nothing is skipped or found.
    assert {*unread.outcomes} == {"uploaded, not confirmed", "rejected", "failed", "unknown", "not tried"}


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "write-only"])
def test_known_situations_are_continued_once_and_counted_each_time(reads: bool) -> None:
    short, complete = (Exploration(reads=reads, length=4, prunes=prunes).run() for prunes in (True, False))
    assert short.sequences == complete.sequences
    assert short.runs < complete.runs
    assert {*short.outcomes} == {*complete.outcomes}
    assert short.edges == complete.edges


#: One wrong line of the table, and the problem that the exploration must find.
WRONG = {
    "posts again without a look": (
        State.PAUSE,
        Event.PAUSED,
        State.POST_AGAIN,
        "posted again without a look",
    ),
    "posts again after a look that failed": (
        *(State.LOOK, Event.UNREADABLE, State.POST_AGAIN),
        "posted again without a look",
    ),
    "posts again after a refusal": (
        *(State.LOOK_REFUSED, Event.UNREADABLE, State.POST_AGAIN),
        "posted again without a look",
    ),
    "takes an unread file for uploaded": (
        *(State.LOOK_LAST, Event.UNREADABLE, State.FOUND),
        "uploaded without the hash",
    ),
    "takes an absent file for uploaded": (
        *(State.LOOK_IN_DOUBT, Event.ABSENT, State.FOUND),
        "uploaded without the hash",
    ),
    "takes the index's words for a skipped file": (
        *(State.FIRST_POST, Event.SAYS_EXISTS, State.SKIPPED),
        "skipped without the hash",
    ),
    "takes no answer for an acceptance": (
        *(State.FIRST_POST, Event.NOT_FINAL, State.ACCEPTED),
        "uploaded without the hash",
    ),
    "takes other bytes for ours": (State.LOOK, Event.OTHER, State.FOUND, "uploaded without the hash"),
    "retries a conflict": (State.LOOK, Event.OTHER, State.POST_AGAIN, "posted again after a conflict"),
    "retries a conflict in the end": (
        *(State.LOOK_EXISTS, Event.OTHER, State.PAUSE),
        "after a conflict",
    ),
    "retries an existing name": (
        *(State.LOOK_EXISTS, Event.ABSENT, State.POST_AGAIN),
        "posted again after a conflict",
    ),
    "takes the index's words for a conflict": (
        *(State.LOOK_EXISTS, Event.ABSENT, State.CONFLICT),
        "a conflict that the index does not show",
    ),
    "looks for ever": (State.LOOK, Event.UNREADABLE, State.LOOK, "does not end"),
    "waits for ever": (State.LOOK_EXISTS, Event.ABSENT, State.LOOK_EXISTS, "does not end"),
    "tries for ever": (State.PAUSE, Event.GIVE_UP, State.LOOK, "does not end"),
    "calls an unclear upload failed": (
        *(State.LOOK_LAST, Event.ABSENT, State.REFUSED),
        "failed, and a POST may have stored the file",
    ),
    "calls an unclear upload rejected": (
        *(State.LOOK_IN_DOUBT, Event.UNREADABLE, State.REFUSED_UNREAD),
        "and a POST may have stored the file",
    ),
    "calls an unclear upload an error on this side": (
        *(State.POST_AGAIN, Event.FAIL_IN_DOUBT, State.LOCAL_ERROR),
        "failed, and a POST may have stored the file",
    ),
    "calls a certain failure unknown": (
        *(State.PAUSE, Event.GIVE_UP, State.LOOK_LAST),
        "unknown, and nothing can have been stored",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_finds_a_wrong_line_of_the_table(wrong: str) -> None:
    state, event, following, problem = WRONG[wrong]
    table = {**TRANSITIONS, state: {**TRANSITIONS[state], event: following}}
    found = Exploration(table=table).run().problems
    assert any(problem in each for each in found), found


@pytest.mark.parametrize(("state", "event"), sorted(EDGES))
def test_finds_a_line_that_is_missing(state: State, event: Event) -> None:
    row = {other: following for other, following in TRANSITIONS[state].items() if other is not event}
    explorations = (Exploration(table={**TRANSITIONS, state: row}, reads=reads) for reads in (True, False))
    assert any(
        "the table lacks" in each for exploration in explorations for each in exploration.run().problems
    )


def test_the_documentation_has_the_word_of_every_state_and_event() -> None:
    page = (tested_package.ROOT / "docs/explanation/upload.rst").read_text(encoding="utf-8")
    words = {*State, *Event, *ReplaceState, *ReplaceEvent}
    assert [word for word in words if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", page)] == []


def test_every_state_has_an_action_or_a_result() -> None:
    assert TRANSITIONS.keys() == ACTIONS.keys()
    assert {*ACTIONS, *RESULTS} == {*State}
    assert not ACTIONS.keys() & RESULTS.keys()
    assert {event for _, event in EDGES} == {*Event}


def test_every_state_can_be_reached_and_leads_to_a_result() -> None:
    reached = {State.FIRST_POST}
    for _ in State:
        reached |= {
            following for state in reached & TRANSITIONS.keys() for following in TRANSITIONS[state].values()
        }
    assert reached == {*State}
    ending = {*RESULTS}
    for _ in State:
        ending |= {state for state, row in TRANSITIONS.items() if ending & {*row.values()}}
    assert ending == {*State}
