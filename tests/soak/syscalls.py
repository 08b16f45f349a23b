"""The real command under strace's injection: killed, or told of an error, at the k-th call of each kind."""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.soak import Figure, Skipped, fixtures, verification
from tests.soak.forks import alone, plain
from tests.support import indexes, tested_package
from tests.support.indexes import Served

#: What changes the disk or reaches a server. The k-th call is counted by thread, as strace does it.
CALLS = (
    *("openat", "write", "fsync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "fchmod"),
    *("ftruncate", "flock", "connect", "sendto", "recvfrom", "shutdown"),
)
#: Errors that can befall a call, as strace spells them. Of openat none: the interpreter opens modules so.
ERRORS = {
    "write": ("ENOSPC", "EIO"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "EACCES"),
    "mkdir": ("ENOSPC", "EROFS"),
    "flock": ("ENOLCK",),
    "connect": ("ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH"),
    "sendto": ("ECONNRESET", "EPIPE"),
    "recvfrom": ("ECONNRESET", "ETIMEDOUT"),
}
KILL = "signal=KILL"
#: Seconds that one run under strace may take on a busy machine.
_LIMIT = 120.0
#: Documented ends of a run that met an error; 1 is a bug.
_ENDS = (0, 3, 5, 6, 8, 10, 13)


@dataclass(frozen=True)
class Point:
    """What is injected into the k-th call of a kind."""

    call: str
    what: str
    count: int

    def __str__(self) -> str:
        return f"{self.call}:{self.what}:when={self.count}"


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Kill the real command, or fail a call of it, at the k-th system call of each kind (strace)."""
    with ThreadPoolExecutor(jobs) as pool:
        for kind, chosen in (("killed", True), ("given an error", False)):
            with traced() as first:
                points = [point for point in first.points() if (point.what == KILL) == chosen][::part]

            def lane(number: int, points: list[Point] = points) -> list[str]:
                with traced() as bench:
                    return [trouble for point in points[number::jobs] for trouble in bench.inject(point)]

            troubles = [trouble for each in pool.map(lane, range(jobs)) for trouble in each]
            yield Figure(
                f"the real command {kind} at {len(points)} system calls, and run again: {len(troubles)} "
                "torn or lost files, posts of what was there, tracebacks or undocumented ends",
                troubles,
            )


class Bench:
    """A staging server, an index, and the real command before them."""

    def __init__(self, home: Path, listing: str, served: Served) -> None:
        self._home = home
        self._index = served.index
        self._staged = {path.name: path.read_bytes() for path in (home / "staged").iterdir()}
        self._house = home / "run" / "house"
        # A connection that was only told to be reset is silent afterwards.
        self._command = [
            sys.executable,
            "-m",
            "wheel_uploader",
            "-u",
            listing,
            "-w",
            "house",
            "--timeout",
            "1",
        ]
        self._command += ["--repository-url", served.upload_url, "dipy", "1.11.0"]
        self._environment = plain(os.environ) | alone(home)
        # What the interpreter itself writes is not ours.
        self._environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tested_package.HOME)}

    def points(self) -> list[Point]:
        """Every call of an undisturbed run that touches the wheelhouse or a server. Raises Skipped."""
        log = self._home / "log"
        self._begin()
        code, said = self._run("-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}")
        if "ptrace" in said or not shutil.which("strace"):
            raise Skipped("strace may not trace here")
        assert code == 0, said
        counted: collections.Counter[tuple[str, str]] = collections.Counter()
        found: dict[tuple[str, int], None] = {}
        for line in log.read_text(errors="replace").splitlines():
            thread, _, rest = line.partition(" ")
            call = re.match(r"\s*(\w+)\(", rest)
            if call and call[1] in CALLS:
                counted[thread, call[1]] += 1
                if str(self._house) in rest or "<TCP" in rest or "<socket:" in rest:
                    found[call[1], counted[thread, call[1]]] = None
        return [
            Point(call, what, count)
            for call, count in found
            for what in (KILL, *(f"error={error}" for error in ERRORS.get(call, ())))
        ]

    def inject(self, point: Point) -> list[str]:
        """One run that meets this, then one that does not; what is not as it should be."""
        self._begin()
        code, said = self._run("-o", os.devnull, "-e", f"trace={point.call}", "-e", f"inject={point}")
        troubles = []
        if point.what != KILL and (code not in _ENDS or "Traceback" in said):
            troubles.append(f"exit code {code}: {said[-600:]}")
        if code == 0 and (wrong := verification.missing_from_index(self._index, self._staged)):
            troubles.append(f"exit code 0, and not as staged on the index: {wrong}")
        troubles += [f"torn: {name}" for name in verification.torn_files(self._house, self._staged)]
        there = dict(self._index.files)
        posted = len(self._index.posts)
        code, said = self._run()
        if code != 0:
            troubles.append(f"the next run ended with {code}: {said[-600:]}")
        if again := [post.filename for post in self._index.posts[posted:] if post.filename in there]:
            troubles.append(f"posted although it was there: {again}")
        troubles += [
            f"posted with other bytes: {x}"
            for x in verification.posted_other_bytes(self._index, self._staged)
        ]
        troubles += [
            f"not as staged on the index: {x}"
            for x in verification.missing_from_index(self._index, self._staged)
        ]
        extra = verification.leftover_files(self._house, self._staged, signed=False)
        troubles += [f"torn: {name}" for name in verification.torn_files(self._house, self._staged)]
        troubles += [f"left over or missing: {name}" for name in extra]
        return [f"{point}: {trouble}" for trouble in troubles]

    def _begin(self) -> None:
        shutil.rmtree(self._home / "run", ignore_errors=True)
        (self._home / "run").mkdir()
        self._index.files.clear()
        self._index.posts.clear()

    def _run(self, *strace: str) -> tuple[int, str]:
        before = ["strace", "-f", "-qq", *strace] if strace else []
        done = subprocess.run(
            [*before, *self._command],
            cwd=self._home / "run",
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )
        return done.returncode, done.stderr


@contextlib.contextmanager
def traced() -> Iterator[Bench]:
    """A release of three wheels, and all that it needs. Raises Skipped where there is no strace."""
    if not shutil.which("strace"):
        raise Skipped("strace is not installed")
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-calls-")))
        fixtures.stage(home / "staged", fixtures.TAGS[:3])
        listing = stack.enter_context(fixtures.staging_server(home / "staged"))
        served = stack.enter_context(indexes.scripted_index())
        yield Bench(home, listing, served)
