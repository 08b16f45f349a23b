"""A run that is killed at any operation: the next one completes it. All of them: ``tests.soak kills``."""

from __future__ import annotations

import shutil
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there is no fork", allow_module_level=True)

from tests.soak import kills
from tests.support import gpg


@pytest.mark.parametrize(("signed", "count"), [(False, 30), (True, 10)])
def test_killed_here_and_there_the_next_run_completes(signed: bool, count: int) -> None:
    if signed and not shutil.which(gpg.GPG):
        pytest.skip("gpg is not installed")
    tally = kills.Tally()
    with kills.sweeping(signed=signed) as sweep:
        points = sweep.points()
        assert points > 500
        for number in range(count):
            # From the first to the last, and more of them at the end, where files go up.
            part = 1 - (1 - number / count) ** 2
            tally.add(sweep.kill_at(1 + int(part * (points - 1))))
    assert tally.troubles == []
    assert tally.points == count
    # How many operations a run has differs a little; those beyond its end killed nothing.
    assert tally.beyond <= count // 2
    assert tally.killed_with_files_up > 1
