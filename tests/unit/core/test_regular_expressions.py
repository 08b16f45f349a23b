"""Every regular expression of the package takes linear time for any untrusted text."""

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
    "facts.archive.secret_patterns._pattern": "a literal, and repetitions that have an upper limit",
    "core.secret_patterns.mask_in": "the secrets of this run: test_redaction tries thousands of them",
}
#: Expressions that see a limited number of characters, and the reason.
BOUNDED = {
    "upload.response_rules.RESPONSE_RULES": (
        4500,
        "extract_server_message quotes 400 characters, each of which may become an escape of ten",
    ),
}

#: Slow expressions with the method to call, mostly from the literature on ReDoS.
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
def collect_expressions() -> tuple[list[regex_attacks.Expression], list[str]]:
    expressions, dynamic = regex_attacks.package_expressions()
    rules = [
        regex_attacks.Expression(
            "upload.response_rules.RESPONSE_RULES", re.compile(rule.pattern, re.IGNORECASE), "finditer"
        )
        for rule in RESPONSE_RULES
    ]
    bounded = [
        dataclasses.replace(expression, largest=BOUNDED[expression.where][0])
        if expression.where in BOUNDED
        else expression
        for expression in (*expressions, *rules)
    ]
    return bounded, dynamic


def test_every_expression_is_linear() -> None:
    slow = regex_attacks.slow_expressions(collect_expressions()[0])
    assert not slow, "\n".join(f"{where}: {why}" for where, why in slow.items())


def test_finds_every_expression() -> None:
    places = {expression.where for expression in collect_expressions()[0]}
    assert len(places) > 100
    assert {
        "facts.html_links._HASH",
        "index.client._KNOWN_PATHS",
        "http.credentials._token_headers",
    } - places == set()
    assert set(collect_expressions()[1]) == set(DYNAMIC)
    assert set(BOUNDED) <= places


def test_detects_slow_expressions_only() -> None:
    expressions = [
        regex_attacks.Expression(f"{number}", re.compile(pattern), method)
        for number, (pattern, method) in enumerate((*EXPONENTIAL, *QUADRATIC, *LINEAR))
    ]
    reported = {title.partition(" ")[0] for title in regex_attacks.slow_expressions(expressions)}
    slow = [
        pattern
        for number, (pattern, _) in enumerate((*EXPONENTIAL, *QUADRATIC, *LINEAR))
        if f"{number}" in reported
    ]
    assert slow == [pattern for pattern, _ in (*EXPONENTIAL, *QUADRATIC)]


def test_kills_the_process_of_a_call_that_ignores_signals() -> None:
    """An expression that ignores signals is reported as well, and those after it are tried."""
    deaf = regex_attacks.Expression("deaf", re.compile("never"), "deaf")
    reported = regex_attacks.slow_expressions(
        [deaf, regex_attacks.Expression("good", re.compile("a"), "match")], cpu=2
    )
    assert [title.partition(" ")[0] for title in reported] == ["deaf"]


def test_limits_the_server_message_before_matching_it() -> None:
    """The limit in ``BOUNDED`` holds for any response of the index."""
    for body in ("exceed " * 100_000, json.dumps({"detail": "\ud800" * 100_000}), "<p>" + "\u202e" * 100_000):
        words = extract_server_message("x", body, 400), extract_server_message(body, "", 400)
        assert max(map(len, words)) <= BOUNDED["upload.response_rules.RESPONSE_RULES"][0]
