"""A run that is killed at any operation: the next run completes it. ``tests.soak kills`` tries them all."""

from __future__ import annotations

import shutil
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there is no fork", allow_module_level=True)

from tests.soak import kills
from tools.testing import gpg


@pytest.mark.parametrize(("signed", "count"), [(False, 10), (True, 6)])
def test_next_run_completes_a_killed_run(signed: bool, count: int) -> None:
    if signed and not shutil.which(gpg.GPG):
        pytest.skip("gpg is not installed")
    tally = kills.KillTally()
    with kills.open_sweep(signed=signed) as sweep:
        points = sweep.points()
        assert points > 500
        for number in range(count):
            # Points from the first to the last, and more of them at the end, where files are uploaded.
            part = 1 - (1 - number / count) ** 2
            tally.add(sweep.kill_at(1 + int(part * (points - 1))))
    assert tally.problems == []
    assert tally.points == count
    # The number of operations varies a little between runs; points after the end kill nothing.
    assert tally.not_reached <= count // 2
    assert tally.killed_with_files_up > 1
