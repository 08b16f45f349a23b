"""A run with a gap in a listing publishes nothing, and its exit code says what closes the gap."""

from __future__ import annotations

import pytest

from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.core.models import GapRemedy, ListingGap
from wheel_uploader.pipeline import list_stage


def make_gaps(*remedies: GapRemedy) -> tuple[ListingGap, ...]:
    return tuple(
        ListingGap(message=f"gap {remedy}", source="here", remedy=remedy, hint=f"Fix {remedy}.")
        for remedy in remedies
    )


@pytest.mark.parametrize(
    ("remedies", "exit_code"),
    [
        ([GapRemedy.WAIT], 3),
        ([GapRemedy.LAYOUT], 3),
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
        list_stage.raise_for_gaps(make_gaps(*remedies))
    assert raised.value.exit_code == exit_code
    assert raised.value.is_permanent == (remedies == [GapRemedy.LAYOUT])
    assert sorted(raised.value.details) == sorted(f"gap {remedy}" for remedy in remedies)


def test_accepts_a_complete_listing() -> None:
    list_stage.raise_for_gaps(())
