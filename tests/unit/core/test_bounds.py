"""Parsers of untrusted numbers, dates, versions and JSON, with values that break Python's own parsers."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime

import pytest
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from wheel_uploader.core import bounds
from wheel_uploader.core.formatting import parse_duration

#: Not plain ASCII digits. ``int`` accepts some of them: other scripts, signs, separators, spaces.
LENIENT = ("１２", "١٢", "1_000", "+5", " 5", "5 ", "5\n", "-1", "1e3", "0x10", "1.0", "²", "", "\0" + "5")
TOO_LARGE = bounds.MAX_FILE_SIZE + 1


@pytest.mark.parametrize("text", LENIENT)
def test_accepts_only_ascii_digits_as_a_whole_number(text: str) -> None:
    assert not bounds.is_whole_number(text)
    assert bounds.parse_digits(text) is None
    assert bounds.parse_whole_number(text, 10**30) is None
    assert bounds.parse_listed_size_text(text) == (None, "")


def test_parses_digits_up_to_the_limit() -> None:
    assert bounds.parse_whole_number("0", 0) == 0
    assert bounds.parse_whole_number("007", 7) == 7
    assert bounds.parse_whole_number("8", 7) is None


@pytest.mark.parametrize("count", [41, 640, 641, 4300, 4301, 5000])
def test_caps_a_number_with_very_many_digits(count: int) -> None:
    text = "9" * count
    assert bounds.parse_digits(text) == 10**40
    assert bounds.parse_whole_number(text, bounds.MAX_FILE_SIZE) is None
    assert bounds.parse_listed_size_text(text).rejection_reason


@pytest.mark.parametrize("text", ["-0", "-7", "7", "-" + "9" * 400, "9" * 4300])
def test_a_json_integer_keeps_its_sign(text: str) -> None:
    number = bounds.parse_json_integer(text)
    assert number == 0 if text == "-0" else (number < 0) == text.startswith("-")
    assert abs(number) <= 10**40


@pytest.mark.parametrize("text", ["9" * 5000, "", "-", "--1", "１２", "1_000", "+5", " 5"])
def test_rejects_an_invalid_json_integer(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        bounds.parse_json_integer(text)


# --- sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stated", [0, 1, bounds.MAX_FILE_SIZE])
def test_accepts_a_listed_size(stated: int) -> None:
    assert bounds.parse_listed_size(stated) == (stated, "")
    assert bounds.parse_listed_size_text(str(stated)) == (stated, "")
    assert bounds.is_valid_size(stated)


@pytest.mark.parametrize("stated", [TOO_LARGE, 10**18, 2**63, 10**400])
def test_rejects_a_listed_size_beyond_the_limit(stated: int) -> None:
    size, excess = bounds.parse_listed_size(stated)
    assert size is None
    assert bounds.MAX_FILE_SIZE_TEXT in excess
    assert not bounds.is_valid_size(stated)


@pytest.mark.parametrize("stated", [-1, -(10**400), True, False, None, 1.0, math.nan, math.inf, "7", [7], {}])
def test_ignores_an_invalid_size(stated: object) -> None:
    assert bounds.parse_listed_size(stated) == (None, "")
    assert not bounds.is_valid_size(stated)


# --- dates and durations ---------------------------------------------------------------------------

GOOD_DATES = {
    "2026-01-02T03:04:05Z": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "2026-01-02T03:04:05": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    " 2026-01-02T03:04:05+14:00\n": datetime(2026, 1, 1, 13, 4, 5, tzinfo=UTC),
    "2026-01-02T03:04:05-14:00": datetime(2026, 1, 2, 17, 4, 5, tzinfo=UTC),
    "Fri, 02 Jan 2026 03:04:05 GMT": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "1970-01-01T00:00:00Z": datetime(1970, 1, 1, tzinfo=UTC),
}
ZONES = ("", "Z", "+14:00", "-14:00", "+23:59", "-23:59")


@pytest.mark.parametrize("text", GOOD_DATES)
def test_parses_a_date(text: str) -> None:
    assert bounds.parse_listed_date(text) == GOOD_DATES[text]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("date", ["0000-01-01", "0001-01-01", "1969-12-30", "9999-12-31", "10000-01-01"])
def test_ignores_an_implausible_date(date: str, zone: str) -> None:
    assert bounds.parse_listed_date(f"{date}T00:00:00{zone}") is None


@pytest.mark.parametrize(
    "text",
    [
        "Fri, ０２ Jan 2026 03:04:05 GMT",
        "２０２６-01-02T03:04:05Z",
        "Fri, 31 Dec 9999 23:59:59 -1400",
        "Fri, 31 Dec 99999 23:59:59 GMT",
        "Fri, 31 Dec 2026 23:59:59 +999999999999",
        "Fri, 31 Dec 2026 99999999999:59:59 GMT",
        f"Fri, 31 Dec 2{'0' * 60} 00:00:00 GMT",
        "9" * 5000,
        "2026-13-01",
        "2026-01-02T25:00:00Z",
        "0",
        "",
    ],
)
def test_ignores_an_invalid_date(text: str) -> None:
    assert bounds.parse_listed_date(text) is None


@pytest.mark.parametrize("value", [None, True, 0, 10**400, math.nan, math.inf, [], {}, b"2026-01-01"])
def test_ignores_a_date_that_is_not_text(value: object) -> None:
    assert bounds.parse_listed_date(value) is None


def test_a_parsed_date_converts_to_any_time_zone() -> None:
    """``datetime`` overflows at both ends of its range; accepted dates are far from them."""
    for text in ("1970-01-01T00:00:00+00:00", "8999-12-31T23:59:59+23:59", "8999-12-31T00:00:00-23:59"):
        when = bounds.parse_listed_date(text)
        assert when is None or when.astimezone(UTC).timestamp() >= 0


@pytest.mark.parametrize(
    "stamp", [-(2.0**63), -1.0, 0.0, 1.7e9, 2.0**63, 1e300, math.inf, -math.inf, math.nan]
)
def test_converts_any_timestamp_to_a_usable_date(stamp: float) -> None:
    when = bounds.date_from_timestamp(stamp)
    assert 1970 <= when.year <= 9000
    assert stamp != 1.7e9 or when.timestamp() == stamp


@pytest.mark.parametrize("number", [0, 0.5, 86400, bounds.MAX_SECONDS])
def test_accepts_seconds_within_ten_years(number: float) -> None:
    assert bounds.bounded_seconds(number) == number


@pytest.mark.parametrize("number", [-1, -0.1, bounds.MAX_SECONDS + 1, 10**400, math.inf, math.nan])
def test_ignores_seconds_out_of_range(number: float) -> None:
    assert bounds.bounded_seconds(number) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("90", 90), ("1h30m", 5400), ("3d", 259200), (" 1 H ", 3600)]
)
def test_parses_a_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "+5", "1e400", "nan", "inf", "１２", "1_000", "9" * 5000, "999999999d", "3661d", "1x"]
)
def test_rejects_an_invalid_duration_with_a_short_message(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration|longer than ten years") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 250


# --- versions --------------------------------------------------------------------------------------


def test_parses_a_version_and_a_list_of_specifiers() -> None:
    assert bounds.parse_pep440_version("1.0rc1") == Version("1.0rc1")
    assert bounds.parse_specifiers(">=3.9,<4").contains("3.11")


@pytest.mark.parametrize("text", ["9" * 201, "1." * 5000 + "1", "", "1.0.x", "x" * 10**6])
def test_rejects_an_invalid_version(text: str) -> None:
    with pytest.raises(InvalidVersion):
        bounds.parse_pep440_version(text)


@pytest.mark.parametrize("text", [">=" + "9" * 5000, ">=3," * 2000, ">=x", "３"])
def test_rejects_invalid_specifiers(text: str) -> None:
    with pytest.raises(InvalidSpecifier):
        bounds.parse_specifiers(text)


# --- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" * 400 + ".0e99"])
def test_reads_json_numbers_that_are_not_finite_as_none(text: str) -> None:
    assert bounds.load_json(f'{{"size": {text}}}') == {"size": None}


def test_a_json_number_keeps_its_type() -> None:
    value = bounds.load_json(f'[true, 1, 1.5, -1, {10**400}, "１２"]')
    assert value == [True, 1, 1.5, -1, 10**40, "１２"]
    assert [type(item) for item in value] == [bool, int, float, int, int, str]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        "-",
        "+5",
        "1_000",
        "１２",
        "01",
        b"\xff\xfe\x00",
    ],
    ids=lambda text: str(text)[:8],
)
def test_invalid_json_raises_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # the message varies
        bounds.load_json(text)


def test_passes_each_object_to_the_hook() -> None:
    assert bounds.load_json('[{"a": 1}, {"a": {"b": 2}}]', len) == [1, 1]


def test_does_not_depend_on_the_digit_limit_of_the_interpreter() -> None:
    before = sys.get_int_max_str_digits()
    text = json.dumps([10**4000])
    try:
        for limit in (640, 0):
            sys.set_int_max_str_digits(limit)
            assert bounds.load_json(text) == [10**40]
            assert bounds.parse_digits("9" * 5000) == 10**40
    finally:
        sys.set_int_max_str_digits(before)
