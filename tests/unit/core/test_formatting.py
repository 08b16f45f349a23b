"""Durations and counted words have one form in everything that a user reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.testing import reports
from tools.testing.tested_package import ROOT
from wheel_uploader.core.formatting import format_count, format_duration, format_share, format_verb
from wheel_uploader.core.models import Severity
from wheel_uploader.report import formats_table

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


#: A number that a fixed plural follows: "1 files", "1 of 5 files are".
_WRONG_NUMBER = re.compile(
    r"(?<![\d.])1 (?:more |other )?"
    r"(?:files|bytes|errors|warnings|notes|places|environments|times|wheels|members|records|lines|targets|keys)\b"
    r"|(?<![\d.])1 of \d+ \w+ (?:are|have|do|match|conflict)\b|(?<![\d.])1 (?:are|have|follow|precede)\b"
)
_PLURAL = re.compile(
    r" (?:more |other )?(?:files|errors|warnings|places|environments|wheels|members|lines|targets|keys)\b"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_count(1, "file"), "1 file"),
        (format_count(0, "file"), "0 files"),
        (format_count(2, "entry"), "2 entries"),
        (format_count(2, "day"), "2 days"),
        (format_share(1, 5, "file", "are"), "1 of 5 files is"),
        (format_share(1, 1, "file", "conflict"), "1 of 1 file conflicts"),
        (format_share(2, 5, "file", "have"), "2 of 5 files have"),
        (format_verb(1, "do"), "does"),
    ],
)
def test_formats_counts(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize("format_name", ["text", "markdown", "html", "json"])
def test_a_report_with_one_of_each_is_grammatical(format_name: str) -> None:
    kinds = [
        reports.checked(
            reports.finding("record/untidy", "a blank line", severity=severity), filenames=reports.WHEELS[:1]
        )
        for severity in Severity
    ]
    kinds += [report() for report in reports.ALL.values()]
    for report in kinds:
        text = formats_table.RENDERERS[format_name](report, True)
        assert not _WRONG_NUMBER.search(re.sub(r"<[^>]+>", "", text)), format_name


@pytest.mark.parametrize("text", ["1 files", "1 of 5 files are on the index", "upload: 1 have"])
def test_a_wrong_number_is_found(text: str) -> None:
    assert _WRONG_NUMBER.search(text)


def test_no_variable_number_has_a_fixed_plural() -> None:
    found = [
        (path.name, node.lineno)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
        for value, follower in zip(node.values, node.values[1:], strict=False)
        if isinstance(value, ast.FormattedValue)
        and isinstance(follower, ast.Constant)
        and _PLURAL.match(str(follower.value))
        and not _is_above_one(ast.unparse(value.value))
    ]
    assert found == [], "use core.formatting.format_count"


def _is_above_one(code: str) -> bool:
    """Return whether a value is a constant, which is a limit, or not a number (".so files")."""
    return code == "extension" or bool(re.fullmatch(r"[\w.]*\b_?[A-Z][A-Z_0-9]+", code))
