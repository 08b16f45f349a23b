"""The kill sweep: a run is killed before, in and after every operation; then the same command runs again.

Verified are the index's storage, its log of posts, and the disk.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.soak import Figure, fixtures, verification
from tests.soak.fixtures import Place
from tests.soak.forks import Forks, Task
from tests.soak.tally import Tally


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Kill a run at every point, without and with signing, and run the command again."""
    for signed in (False, True):
        yield _sweep(part, jobs, signed=signed)


def _sweep(part: int, jobs: int, *, signed: bool) -> Figure:
    def lane(number: int) -> KillTally:
        tally = KillTally()
        with open_sweep(signed=signed) as sweep:
            for point in range(1 + number * part, sweep.points() + 1, part * jobs):
                tally.add(sweep.kill_at(point))
        return tally

    total = KillTally()
    with ThreadPoolExecutor(jobs) as pool:
        for tally in pool.map(lane, range(jobs)):
            total.add(tally)
    return Figure(f"{'with' if signed else 'without'} signing: {total}", total.problems)


@dataclass(kw_only=True)
class KillTally(Tally):
    """The results of a sweep."""

    points: int = 0
    #: Points that the run did not reach, because the number of points varies with the timing of threads.
    not_reached: int = 0
    killed_with_files_up: int = 0
    lost: int = 0
    posted_other_bytes: int = 0
    torn: int = 0
    left_over: int = 0
    #: Next runs that failed, or that posted a file that was already on the index.
    failed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.points} kill points ({self.killed_with_files_up} of them with files on the index), "
            f"{self.lost} lost, {self.posted_other_bytes} posted with other bytes, {self.torn} torn, "
            f"{self.left_over} leftovers, {self.failed} next runs failed"
        )


class Sweep:
    """A staged release, an index, and a process that can be killed at any point."""

    def __init__(self, place: Place) -> None:
        self._place, self._index = place, place.served.index
        self._arguments = ["-u", place.listing, "-w", "house", "--repository-url", place.served.upload_url]
        if place.can_sign:
            self._arguments.append("-s")
        self._arguments += ["dipy", "1.11.0"]
        self._target = Forks()

    def close(self) -> None:
        self._target.__exit__()

    def points(self) -> int:
        """Return the number of points of a complete run."""
        self._place.reset()
        assert self._run(0) == 0, self._log_tail()
        assert self._index.files == self._place.staged
        return int((self._place.folder / "points").read_text())

    def kill_at(self, point: int) -> KillTally:
        """Kill a run at a point, run the command again, and verify both."""
        tally, index = KillTally(points=1), self._index
        self._place.reset()
        code = self._run(point)
        if code != -signal.SIGKILL:
            tally.not_reached = 1
        self._settle()
        tally.killed_with_files_up = int(bool(index.files))
        self._verify(tally, point, complete=False)
        before = dict(index.files)
        index.posts.clear()
        code = self._run(0)
        if code != 0:
            tally.count("failed", f"point {point}: the next run ended with {code}: {self._log_tail()[-500:]}")
        if again := [name for name in index.posted_filenames() if name in before]:
            tally.count("failed", f"point {point}: posted although it was on the index: {again}")
        self._verify(tally, point, complete=True)
        return tally

    def _run(self, kill_at: int) -> int:
        task = Task(
            arguments=self._arguments,
            folder=str(self._place.folder),
            environment=self._place.environment,
            kill_at=kill_at,
        )
        return self._target.run(task).code

    def _log_tail(self) -> str:
        return (self._place.folder / "log").read_text()

    def _settle(self) -> None:
        """Wait until the index has processed all requests from before the kill."""
        count = -1
        while count != len(self._index.posts):
            count = len(self._index.posts)
            time.sleep(0.03)

    def _verify(self, tally: KillTally, point: int, *, complete: bool) -> None:
        index, staged, wheelhouse = self._index, self._place.staged, self._place.folder / "house"
        for name in verification.posted_other_bytes(index, staged):
            tally.count("posted_other_bytes", f"point {point}: {name} was posted with other bytes")
        for name in verification.torn_files(wheelhouse, staged):
            tally.count("torn", f"point {point}: {name} is torn")
        if complete and (names := verification.missing_from_index(index, staged)):
            tally.count("lost", f"point {point}: not as staged on the index: {names}")
        signed = self._place.can_sign
        if complete and (names := verification.leftover_files(wheelhouse, staged, signed=signed)):
            tally.count("left_over", f"point {point}: left over or missing: {names}")


@contextlib.contextmanager
def open_sweep(*, signed: bool) -> Iterator[Sweep]:
    """Open a sweep of a release of twelve wheels, in a temporary folder."""
    with fixtures.open_place("kills", signed=signed) as place, contextlib.closing(Sweep(place)) as sweep:
        yield sweep
