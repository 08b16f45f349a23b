"""Whatever text comes from outside, looking at it takes time in proportion to its length."""

from __future__ import annotations

from functools import cache

import pytest

from tests import pumps

#: Expressions that are put together at run time: what of, so that somebody has looked at each.
DYNAMIC = {
    "publish.answers.server_words": "a status between two anchors",
    "publish.answers.understand": "the table of rules, whose expressions are tried as they are there",
    "redaction.hidden": "the secrets of this run: test_display tries thousands of them",
}
#: Expressions that take more than linear time, and never see more than so many characters; and why not.
BOUNDED: dict[str, tuple[int, str]] = {}

_PARTS = 4


@cache
def found() -> tuple[list[pumps.Found], list[str]]:
    return pumps.found_in_package()


@pytest.mark.parametrize("part", range(_PARTS))
def test_every_expression_is_linear(part: int) -> None:
    slow = []
    for each in found()[0][part::_PARTS]:
        largest, _ = BOUNDED.get(each.where, (pumps.LARGE, ""))
        if why := pumps.slow(each.ask, pumps.attacks(each.pattern), largest=largest):
            slow.append(f"{each.where} ({each.method}): {why}")
    assert not slow, "\n".join(slow)


def test_every_expression_is_found() -> None:
    places = {each.where for each in found()[0]}
    assert len(places) > 100
    assert {"sources.html._HASH", "index._KNOWN_PATHS", "http.logins._with_token"} - places == set()
    assert set(found()[1]) == set(DYNAMIC)
    assert set(BOUNDED) <= places
