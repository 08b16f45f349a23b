"""A few cases of each long run; ``python -m tests.soak`` runs them all."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("there is no fork", allow_module_level=True)

from tests.soak import Skipped, cuts, disk, fuzz, prunes, runs, signals, swaps, syscalls
from tests.soak.hostile import FORBIDDEN, HostileRuns
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.inspection import verification
from wheel_uploader.upload import package


def test_only_one_of_eight_runs_works_on_a_wheelhouse() -> None:
    with runs.start_processes() as forks:
        for stage in runs.HELD:
            assert runs.contend(forks, held_at=stage) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["anaconda.org", "folder", "S3"])
def test_a_run_that_is_killed_while_it_prunes_is_finished_by_the_same_command(place: str) -> None:
    with prunes.open_sweep(place) as sweep:
        first, last = sweep.points()
        tally = prunes.PruneTally()
        for point in range(last - 4, first, -max(1, (last - first) // 5)):
            tally.add(sweep.kill_at(point))
    assert tally.problems == []
    assert tally.points >= 5
    assert 0 < tally.begun < tally.points


@pytest.mark.slow
@pytest.mark.parametrize("place", prunes.STATIC_PLACES)
def test_a_run_that_fails_while_it_prunes_is_finished_by_the_same_command(place: str) -> None:
    with prunes.open_sweep(place) as sweep:
        steps, tally = sweep.count_steps(), prunes.PruneTally()
        for number, fault in enumerate((prunes.FAULTS[place] * 2)[:5]):
            tally.add(sweep.fail_at(steps - 1 - 3 * number, fault))
    assert tally.problems == []
    assert tally.points >= 2


@pytest.mark.slow
def test_signals_and_time_limits_end_a_run() -> None:
    """Send a signal of each kind, set a time limit, and start one run in a new process."""
    with signals.open_bench(signals.Durations()) as bench:
        tally = signals.SignalTally()
        for case in (0, 24, 30, 36, 42):
            tally.add(bench.try_case(case))
    assert tally.problems == []
    assert (tally.moments, tally.from_start) == (5, 1)


def test_full_disk_leaves_no_torn_files() -> None:
    try:
        with disk.small_disk(signed=False) as small:
            for pages in (0, 1, 30, 41, 150, 200):
                result = small.with_room_for(pages)
                assert result.problems == []
                assert result.was_full
            assert not small.with_room_for(250).was_full
    except Skipped as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("kind", cuts.LISTINGS)
def test_cut_listing_gives_no_wrong_files(kind: str) -> None:
    assert cuts.cut_listing(kind, part=151) == []


@pytest.mark.parametrize("place", [0, 1, 100, 255])
def test_cut_download_and_upload_give_no_wrong_files(place: int) -> None:
    assert cuts.cut_download(place) == []
    assert cuts.cut_upload(place) == []


@pytest.mark.parametrize(("what", "step"), [("listings", 100), ("names", 60), ("wheels", 50)])
def test_hostile_input_is_handled_within_the_limits(what: str, step: int) -> None:
    # A generous limit for slow machines; the real limit is for the long run.
    with HostileRuns(max_seconds=20) as hostile_runs:
        costs = hostile_runs.run_cases(what, 0, step)
    assert costs.problems == []
    assert costs.count > 3


def test_detects_a_connection_to_a_forbidden_server() -> None:
    with HostileRuns(more=["--allow-insecure-host", FORBIDDEN]) as hostile_runs:
        problems = hostile_runs.run_cases("listings", 0, 1000).problems
    assert len(problems) > 1
    assert f"connected to ['{FORBIDDEN}'" in problems[0]
    assert "connected to a forbidden server" in problems[-1]


def test_command_survives_kills_and_failing_system_calls() -> None:
    try:
        with syscalls.open_bench() as bench:
            points = bench.points()
            assert len(points) > 50
            for call, effect in (
                ("fsync", syscalls.KILL),
                ("write", "error=ENOSPC"),
                ("sendto", "error=ECONNRESET"),
                ("flock", "error=ENOLCK"),
            ):
                last = [point for point in points if (point.call, point.effect) == (call, effect)][-1]
                assert bench.inject(last) == []
    except Skipped as reason:
        pytest.skip(str(reason))


def test_properties_can_be_fuzzed() -> None:
    properties = fuzz.properties()
    assert len(properties) > 20
    assert {name.rpartition(".")[0] for name in properties} == set(fuzz.MODULES)
    name = next(name for name in properties if name.startswith("core.test_filenames."))
    assert properties[name](bytes(100)) is not None


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/fd")
@pytest.mark.parametrize(
    ("place", "name", "way", "part"),
    [
        ("bad first", swaps.WHEEL, "replaced", 4),
        ("staged", swaps.SDIST, "replaced", 2),
        ("part", swaps.WHEEL, "overwritten", 3),
        ("wheelhouse", swaps.WHEEL, "overwritten", 5),
        ("wheelhouse", swaps.SDIST, "a fifo", 9),
        ("in place", swaps.WHEEL, "replaced", 6),
        ("in place", swaps.SDIST, "deleted", 9),
    ],
)
def test_swapped_file_is_never_published_unchecked(place: str, name: str, way: str, part: int) -> None:
    with swaps.open_swaps(signed=False) as release:
        where = place.replace("bad first", "wheelhouse")
        count, problems = release.sweep(where, name, way, part=part, bad_first=place == "bad first")
    assert count >= 2
    assert problems == []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/fd")
@pytest.mark.parametrize("bad_first", [False, True])
def test_file_swapped_during_inspection_is_never_published_unchecked(*, bad_first: bool) -> None:
    with swaps.open_swaps(signed=False, worker=True) as release:
        count, problems = release.sweep("in place", swaps.WHEEL, "overwritten", part=2, bad_first=bad_first)
    assert count >= 2
    assert problems == []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/fd")
def test_sweep_detects_a_run_that_does_not_compare_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trusting(VerifiedFile):
        def __init__(self, path: Path, sha256: str, *, extra_hash: Any = None) -> None:
            del sha256
            super().__init__(path, hashlib.sha256(path.read_bytes()).hexdigest(), extra_hash=extra_hash)

    monkeypatch.setattr(verification, "SinglePassFile", Trusting)
    monkeypatch.setattr(package, "VerifiedFile", Trusting)
    with swaps.open_swaps(signed=False) as release:
        _, problems = release.sweep("wheelhouse", swaps.WHEEL, "replaced", part=3)
        _, cached = release.sweep("wheelhouse", swaps.WHEEL, "replaced", part=3, bad_first=True)
    assert any("posted: other bytes" in problem for problem in problems)
    assert any("next run: 6 was expected" in problem for problem in cached)
