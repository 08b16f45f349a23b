"""Durations and counted words have one form in everything that a user reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.testing.tested_package import ROOT
from wheel_uploader.core.formatting import format_duration

PACKAGE = ROOT / "wheel_uploader"
#: The text after a value that makes it a duration.
_TIME_UNIT = re.compile(r" ?(?:ms|s|sec|secs|seconds?|min|mins|minutes?|h|hours?|days?)(?![\w/'])")
_PERCENT_FORMAT = re.compile(rf"%(?:\.\d)?[dfgs]{_TIME_UNIT.pattern}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.0004, "0 s"),
        (0.04, "40 ms"),
        (0.0996, "0.1 s"),
        (0.4, "0.4 s"),
        (3, "3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (12.2, "12 s"),
        (59.7, "60 s"),
        (90.4, "90 s"),
        (119.6, "2 min"),
        (200, "3 min 20 s"),
        (599.4, "9 min 59 s"),
        (599.6, "10 min"),
        (1199.8, "20 min"),
        (3599, "1 h"),
        (5400, "1 h 30 min"),
        (86400, "24 h"),
        (2 * 86400 - 20, "2 days"),
        (3 * 86400 + 7200, "3 days 2 h"),
        (190.4 * 86400, "190 days"),
    ],
)
def test_formats_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_no_duration_is_formatted_by_hand() -> None:
    sources = (path for path in PACKAGE.rglob("*.py") if path.name != "formatting.py")
    found = [place for path in sources for place in _find_handmade_durations(path)]
    assert found == [], "use core.formatting.format_duration"


def test_a_duration_that_is_formatted_by_hand_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        'a = f"after {limit:.0f} s"\nb = f"{age} days old"\nc = f"{seconds:.1f}"\n'
        'd = f"{size}/s"\ne = f"{names} said no"\nf = "%.1f min" % left\n'
    )
    assert [line for _, line in _find_handmade_durations(module)] == [1, 2, 3, 6]


def _find_handmade_durations(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the file and line of each value that a unit of time follows, or whose name says seconds."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            followers = [*node.values[1:], ast.Constant("")]
            pairs = zip(node.values, followers, strict=True)
            if any(_is_duration(value, follower) for value, follower in pairs):
                yield path.name, node.lineno
        elif isinstance(node, ast.Constant) and _PERCENT_FORMAT.search(str(node.value)):
            yield path.name, node.lineno


def _is_duration(value: ast.expr, follower: ast.expr) -> bool:
    if not isinstance(value, ast.FormattedValue):
        return False
    if isinstance(follower, ast.Constant) and _TIME_UNIT.match(str(follower.value)):
        return True
    return bool(value.format_spec) and "seconds" in ast.unparse(value.value)
