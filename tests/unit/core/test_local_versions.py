"""Versions that differ in a commit have no order; dates, numbers and words have one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from packaging.version import Version

from wheel_uploader.core import local_versions


@pytest.mark.parametrize(
    "segment", ["gf97f66ab", "git886365ca", "git88636512", "f97f66ab", "abc1234", "sha1234567", "gdeadbee"]
)
def test_commits(segment: str) -> None:
    assert local_versions.is_commit(segment)


@pytest.mark.parametrize(
    "segment",
    [
        "cu118",
        "cpu",
        "20261128",
        "d20261128",
        "git20261128",
        "5",
        "12345678",
        "rocm5",
        "ubuntu1",
        "dirty",
        "abc",
    ],
)
def test_other_segments(segment: str) -> None:
    assert not local_versions.is_commit(segment)


@pytest.mark.parametrize(
    ("first", "second", "are_rivals"),
    [
        ("3.7.0+gitf97f66ab", "3.7.0+git886365ca", True),
        ("1.0.dev0+g1234567", "1.0.dev0+gabcdef1", True),
        ("1.0+5.gabcdef1", "1.0+5.g1234567", True),
        ("1.0+5.gabcdef1", "1.0+7.g1234567", False),
        ("1.0.dev5+gabcdef1", "1.0.dev7+g1234567", False),
        ("1.0+git20261128.abc1234", "1.0+git20261127.def1234", False),
        ("1.0+gabcdef1", "1.0+gabcdef1.d20261128", False),
        ("1.0+gabcdef1", "1.0", False),
        ("1.0+cu118", "1.0+cpu", False),
        ("1.0+gabcdef1", "1.0+cpu", True),
        ("1.0+gabcdef1", "1.1+g1234567", False),
    ],
)
def test_rivals(first: str, second: str, are_rivals: bool) -> None:
    one, two = Version(first), Version(second)
    assert local_versions.find_rivals(one, [one, two]) == ([two] if are_rivals else [])
    assert local_versions.find_rivals(two, [one, two]) == ([one] if are_rivals else [])


def test_date_in_the_local_part() -> None:
    for text in ("1.0+git20261128.abc1234", "1.0+gabc1234.d20261128", "1.0+202611281530"):
        assert local_versions.date_from_local(Version(text)) == datetime(2026, 11, 29, tzinfo=UTC), text
    for text in ("1.0", "1.0+20261399", "1.0+20260231", "1.0+gabc1234", "1.0.dev20261128"):
        assert local_versions.date_from_local(Version(text)) is None, text


def test_newest_is_certain_or_unknown() -> None:
    old, new, other = Version("1.0+gabcdef1"), Version("1.0+g1234567"), Version("1.0+g7654321")
    now = datetime(2026, 11, 29, tzinfo=UTC)
    day = timedelta(days=1)
    assert local_versions.find_newest({old: now - day, new: now}) == new
    assert local_versions.find_newest({old: now - day, new: now, other: now - 2 * day}) == new
    assert local_versions.find_newest({old: None, new: now}) is None
    # Copied one after the other.
    assert local_versions.find_newest({old: now - timedelta(seconds=3), new: now}) is None
    assert local_versions.find_newest({}) is None
