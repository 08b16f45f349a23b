"""A little of each of the long runs; all of them: ``python -m tests.soak``."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("there is no fork", allow_module_level=True)

from tests.soak import Skipped, cuts, disk, fuzz, runs, signals, swaps, syscalls
from tests.soak.hostile import FORBIDDEN, Arena
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.inspection import verification
from wheel_uploader.upload import package


def test_of_eight_runs_on_one_wheelhouse_one_works() -> None:
    with runs.started() as forks:
        for held in runs.HELD:
            assert runs.contend(forks, held=held) == []


@pytest.mark.slow
def test_signals_and_time_limits_end_a_run() -> None:
    """A signal of each kind and a time limit; and one run from its start."""
    with signals.bench(signals.Lengths()) as arena:
        tally = signals.Tally()
        for case in (0, 24, 30, 36, 42):
            tally.add(arena.try_case(case))
    assert tally.troubles == []
    assert (tally.moments, tally.whole) == (5, 1)


def test_a_full_disk() -> None:
    try:
        with disk.small_disk(signed=False) as small:
            for pages in (0, 1, 30, 41, 150, 200):
                found = small.with_room_for(pages)
                assert found.troubles == []
                assert found.was_full
            assert not small.with_room_for(250).was_full
    except Skipped as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("kind", cuts.LISTINGS)
def test_a_listing_that_is_cut(kind: str) -> None:
    assert cuts.cut_listing(kind, part=151) == []


@pytest.mark.parametrize("place", [0, 1, 100, 255])
def test_a_download_and_an_upload_that_are_cut(place: int) -> None:
    assert cuts.cut_download(place) == []
    assert cuts.cut_upload(place) == []


@pytest.mark.parametrize(("what", "step"), [("listings", 50), ("names", 40), ("wheels", 40)])
def test_hostile_input(what: str, step: int) -> None:
    # On a slow machine; the figure itself is for the long run.
    with Arena(most_seconds=20) as arena:
        costs = arena.costs_of(what, 0, step)
    assert costs.troubles == []
    assert costs.count > 3


def test_a_request_to_a_forbidden_place_would_be_seen() -> None:
    with Arena(more=["--allow-insecure-host", FORBIDDEN]) as arena:
        troubles = arena.costs_of("listings", 0, 1000).troubles
    assert len(troubles) > 1
    assert f"asked ['{FORBIDDEN}'" in troubles[0]
    assert "a place that is forbidden was asked" in troubles[-1]


def test_the_real_command_killed_and_given_errors() -> None:
    try:
        with syscalls.traced() as bench:
            points = bench.points()
            assert len(points) > 50
            for call, what in (
                ("fsync", syscalls.KILL),
                ("write", "error=ENOSPC"),
                ("sendto", "error=ECONNRESET"),
                ("flock", "error=ENOLCK"),
            ):
                last = [point for point in points if (point.call, point.what) == (call, what)][-1]
                assert bench.inject(last) == []
    except Skipped as reason:
        pytest.skip(str(reason))


def test_the_properties_can_be_fuzzed() -> None:
    found = fuzz.properties()
    assert len(found) > 20
    assert found["test_filenames.test_accepts_or_rejects_any_text_as_a_name"](bytes(100)) is not None


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at descriptors as Linux has them")
@pytest.mark.parametrize(
    ("place", "name", "way", "part"),
    [
        ("bad first", swaps.WHEEL, "replaced", 4),
        ("staged", swaps.SDIST, "replaced", 2),
        ("part", swaps.WHEEL, "overwritten", 3),
        ("house", swaps.WHEEL, "overwritten", 5),
        ("house", swaps.SDIST, "a fifo", 9),
        ("in place", swaps.WHEEL, "replaced", 6),
        ("in place", swaps.SDIST, "deleted", 9),
    ],
)
def test_a_file_that_is_swapped_during_a_run(place: str, name: str, way: str, part: int) -> None:
    with swaps.arena(signed=False) as swapped:
        where = place.replace("bad first", "house")
        count, troubles = swapped.sweep(where, name, way, part=part, bad_first=place == "bad first")
    assert count >= 2
    assert troubles == []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at descriptors as Linux has them")
@pytest.mark.parametrize("bad_first", [False, True])
def test_a_file_that_is_swapped_while_the_worker_reads_it(*, bad_first: bool) -> None:
    with swaps.arena(signed=False, worker=True) as swapped:
        count, troubles = swapped.sweep("in place", swaps.WHEEL, "overwritten", part=2, bad_first=bad_first)
    assert count >= 2
    assert troubles == []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at descriptors as Linux has them")
def test_the_sweep_notices_a_run_that_compares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge of the sweep is itself judged."""

    class Trusting(VerifiedFile):
        def __init__(self, path: Path, sha256: str, *, extra_hash: Any = None) -> None:
            del sha256
            super().__init__(path, hashlib.sha256(path.read_bytes()).hexdigest(), extra_hash=extra_hash)

    for module in (verification, package):
        monkeypatch.setattr(module, "VerifiedFile", Trusting)
    with swaps.arena(signed=False) as swapped:
        _, troubles = swapped.sweep("house", swaps.WHEEL, "replaced", part=3)
        _, remembered = swapped.sweep("house", swaps.WHEEL, "replaced", part=3, bad_first=True)
    assert any("posted: other bytes" in trouble for trouble in troubles)
    assert any("afterwards: 6 was expected" in trouble for trouble in remembered)
