"""The kill sweep: a run is killed before, in and after every operation; then the same command runs again.

Verified are the index's storage, its log of posts, and the disk.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak import Figure, fixtures, verification
from tests.soak.forks import Forks, Task, isolated_environment
from tools.testing import indexes
from tools.testing.indexes import Served


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Kill a run at every point, without and with signing, and run the command again."""
    for signed in (False, True):
        yield _sweep(part, jobs, signed=signed)


def _sweep(part: int, jobs: int, *, signed: bool) -> Figure:
    def lane(number: int) -> Tally:
        tally = Tally()
        with open_sweep(signed=signed) as sweep:
            for point in range(1 + number * part, sweep.points() + 1, part * jobs):
                tally.add(sweep.kill_at(point))
        return tally

    total = Tally()
    with ThreadPoolExecutor(jobs) as pool:
        for tally in pool.map(lane, range(jobs)):
            total.add(tally)
    return Figure(f"{'with' if signed else 'without'} signing: {total}", total.problems)


@dataclass
class Tally:
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
    #: One line for each problem.
    problems: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return (
            f"{self.points} kill points ({self.killed_with_files_up} of them with files on the index), "
            f"{self.lost} lost, {self.posted_other_bytes} posted with other bytes, {self.torn} torn, "
            f"{self.left_over} leftovers, {self.failed} next runs failed"
        )


class Sweep:
    """A staging server, an index, and a process that can be killed at any point."""

    def __init__(self, home: Path, listing: str, served: Served, environment: Mapping[str, str]) -> None:
        self._home = home
        self._served = served
        self._environment = dict(environment)
        self._staged = {path.name: path.read_bytes() for path in (home / "staged").iterdir()}
        self._wheelhouse = home / "run" / "house"
        self._arguments = ["-u", listing, "-w", "house", "--repository-url", served.upload_url]
        if "GNUPGHOME" in environment:
            self._arguments.append("-s")
        self._arguments += ["dipy", "1.11.0"]
        self._target = Forks()

    def close(self) -> None:
        self._target.__exit__()

    def points(self) -> int:
        """Return the number of points of a complete run."""
        self._reset()
        assert self._run(0) == 0, self._log_tail()
        assert self._served.index.files == self._staged
        return int((self._home / "run" / "points").read_text())

    def kill_at(self, point: int) -> Tally:
        """Kill a run at a point, run the command again, and verify both."""
        tally, index = Tally(points=1), self._served.index
        self._reset()
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
            tally.failed += 1
            tally.problems.append(f"point {point}: the next run ended with {code}: {self._log_tail()[-500:]}")
        if again := [name for name in index.posted_filenames() if name in before]:
            tally.failed += 1
            tally.problems.append(f"point {point}: posted although it was on the index: {again}")
        self._verify(tally, point, complete=True)
        return tally

    def _reset(self) -> None:
        folder = self._home / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._served.index.files.clear()
        self._served.index.posts.clear()

    def _run(self, kill_at: int) -> int:
        task = Task(
            arguments=self._arguments,
            folder=str(self._home / "run"),
            environment=self._environment,
            kill_at=kill_at,
        )
        return self._target.run(task).code

    def _log_tail(self) -> str:
        return (self._home / "run" / "log").read_text()

    def _settle(self) -> None:
        """Wait until the index has processed all requests from before the kill."""
        count = -1
        while count != len(self._served.index.posts):
            count = len(self._served.index.posts)
            time.sleep(0.03)

    def _verify(self, tally: Tally, point: int, *, complete: bool) -> None:
        index = self._served.index

        def problem(text: str) -> None:
            tally.problems.append(f"point {point}: {text}")

        for name in verification.posted_other_bytes(index, self._staged):
            tally.posted_other_bytes += 1
            problem(f"{name} was posted with other bytes")
        for name in verification.torn_files(self._wheelhouse, self._staged):
            tally.torn += 1
            problem(f"{name} is torn")
        if complete and (names := verification.missing_from_index(index, self._staged)):
            tally.lost += 1
            problem(f"not as staged on the index: {names}")
        if complete and (
            names := verification.leftover_files(
                self._wheelhouse, self._staged, signed="-s" in self._arguments
            )
        ):
            tally.left_over += 1
            problem(f"left over or missing: {names}")


@contextlib.contextmanager
def open_sweep(*, signed: bool) -> Iterator[Sweep]:
    """Open a sweep of a release of twelve wheels, in a temporary folder."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-kills-")))
        fixtures.stage(home / "staged")
        environment = isolated_environment(home) | (
            stack.enter_context(fixtures.signing_environment()) if signed else {}
        )
        listing = stack.enter_context(fixtures.staging_server(home / "staged"))
        served = stack.enter_context(indexes.scripted_index())
        yield stack.enter_context(contextlib.closing(Sweep(home, listing, served, environment)))
