"""Whatever text comes from outside, looking at it takes time in proportion to its length."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache

import pytest

from tests.support import regex_attacks
from wheel_uploader.upload.response import extract_server_message
from wheel_uploader.upload.response_rules import RESPONSE_RULES

pytestmark = pytest.mark.slow

#: Expressions that are built at run time, and from what: each was reviewed by hand.
DYNAMIC = {
    "upload.response.extract_server_message": "a status between two anchors",
    "upload.response.classify_response": "the table of rules, which are tried below",
    "core.secret_patterns.mask_in": "the secrets of this run: test_redaction tries thousands of them",
}
#: Expressions that see a limited number of characters, and the reason.
BOUNDED = {
    "upload.response_rules.RESPONSE_RULES": (
        4500,
        "extract_server_message quotes 400 characters, each of which may become an escape of ten",
    ),
}

#: Expressions that are known to be slow, and how each is asked: most from the literature on ReDoS.
EXPONENTIAL = (
    (r"(a+)+$", "match"),
    (r"(a|a)*b", "match"),
    (r"(\w+\s?)*$", "match"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "match"),
    (r"(?:[-\w]+\.?)+@", "match"),
    (r"(x(?:-a|-a-a|[^.])*)+\.com\Z", "match"),
    (r"(?:.|a)*?z", "finditer"),
    (r"(\d+|\d+\.)*;", "fullmatch"),
    (r"(?:a?){30}a{30}b", "match"),
)
QUADRATIC = (
    (r"\s+$", "finditer"),
    (r"a*a*b", "match"),
    (r".*=.*;", "finditer"),
    (r"<[^>]*>", "finditer"),
    (r"[a-z]+\d", "finditer"),
    (r"(?s)/\*.*?\*/", "finditer"),
    (r"\w+@\w+\.com", "finditer"),
    (r"(?:^|,)\s*\s*;", "match"),
    (r"\A[0-9]*\.?[0-9]*[A-Z]", "match"),
)
LINEAR = (
    (r"[A-Za-z0-9_.!+-]+\Z", "match"),
    (r"(?<![\w-])[\w-]++(?=\.x)", "finditer"),
    (r"<[^<>]*>", "finditer"),
    (r"(?:[a-z]+-)*[a-z]+\Z", "match"),
    (r"\s{0,5}=\s{0,5}", "finditer"),
    (r"[^;]*;", "match"),
)


@cache
def found() -> tuple[list[regex_attacks.Expression], list[str]]:
    expressions, dynamic = regex_attacks.package_expressions()
    rules = [
        regex_attacks.Expression(
            "upload.response_rules.RESPONSE_RULES", re.compile(rule.pattern, re.IGNORECASE), "finditer"
        )
        for rule in RESPONSE_RULES
    ]
    bounded = [
        dataclasses.replace(each, largest=BOUNDED[each.where][0]) if each.where in BOUNDED else each
        for each in (*expressions, *rules)
    ]
    return bounded, dynamic


def test_every_expression_is_linear() -> None:
    slow = regex_attacks.slow_expressions(found()[0])
    assert not slow, "\n".join(f"{where}: {why}" for where, why in slow.items())


def test_every_expression_is_found() -> None:
    places = {each.where for each in found()[0]}
    assert len(places) > 100
    assert {
        "listing.sources.html._HASH",
        "index.client._KNOWN_PATHS",
        "http.credentials._token_headers",
    } - places == set()
    assert set(found()[1]) == set(DYNAMIC)
    assert set(BOUNDED) <= places


def test_slow_expressions_are_noticed_and_fast_ones_are_not() -> None:
    known = [
        regex_attacks.Expression(f"{number}", re.compile(pattern), method)
        for number, (pattern, method) in enumerate((*EXPONENTIAL, *QUADRATIC, *LINEAR))
    ]
    told = {title.partition(" ")[0] for title in regex_attacks.slow_expressions(known)}
    noticed = [
        pattern
        for number, (pattern, _) in enumerate((*EXPONENTIAL, *QUADRATIC, *LINEAR))
        if f"{number}" in told
    ]
    assert noticed == [pattern for pattern, _ in (*EXPONENTIAL, *QUADRATIC)]


def test_a_call_that_no_signal_ends_is_ended_with_its_process() -> None:
    """One that never looks for signals is told as well, and those after it are tried."""
    deaf = regex_attacks.Expression("deaf", re.compile("never"), "deaf")
    told = regex_attacks.slow_expressions(
        [deaf, regex_attacks.Expression("good", re.compile("a"), "match")], cpu=2
    )
    assert [title.partition(" ")[0] for title in told] == ["deaf"]


def test_the_words_of_an_index_are_bounded_before_they_are_compared() -> None:
    """What ``BOUNDED`` says of the rules, whatever the index sends."""
    for body in ("exceed " * 100_000, json.dumps({"detail": "\ud800" * 100_000}), "<p>" + "\u202e" * 100_000):
        words = extract_server_message("x", body, 400), extract_server_message(body, "", 400)
        assert max(map(len, words)) <= BOUNDED["upload.response_rules.RESPONSE_RULES"][0]
