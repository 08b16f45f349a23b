"""A run with a gap in a listing publishes nothing, and its exit code says what closes the gap."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.models import GapRemedy, ListingGap, Selection
from wheel_uploader.pipeline import list_stage


def make_selection(*remedies: GapRemedy) -> Selection:
    gaps = tuple(
        ListingGap(message=f"gap {remedy}", source="here", remedy=remedy, hint=f"Fix {remedy}.")
        for remedy in remedies
    )
    return Selection(project=canonicalize_name("demo"), version=Version("1.0"), files=(), gaps=gaps)


@pytest.mark.parametrize(
    ("remedies", "exit_code"),
    [
        ([GapRemedy.WAIT], 3),
        ([GapRemedy.CALL], 2),
        ([GapRemedy.FILE], 6),
        ([GapRemedy.WAIT, GapRemedy.CALL], 2),
        ([GapRemedy.CALL, GapRemedy.WAIT, GapRemedy.FILE], 6),
    ],
)
def test_the_gap_that_waiting_cannot_close_decides_the_exit_code(
    remedies: list[GapRemedy], exit_code: int
) -> None:
    with pytest.raises(ReleaseError) as raised:
        list_stage.raise_if_incomplete(make_selection(*remedies))
    assert raised.value.exit_code == exit_code
    assert sorted(raised.value.details) == sorted(f"gap {remedy}" for remedy in remedies)


def test_a_complete_listing_is_no_error() -> None:
    list_stage.raise_if_incomplete(make_selection())
