"""The real command under strace's fault injection: killed, or given an error, at each k-th call."""

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
from tests.soak.forks import isolated_environment, without_configuration
from tools.testing import indexes, tested_package
from tools.testing.indexes import Served

#: Calls that change the disk or reach a server. Calls are counted per thread, as strace does.
CALLS = (
    *("openat", "write", "fsync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "fchmod"),
    *("ftruncate", "flock", "connect", "sendto", "recvfrom", "shutdown"),
)
#: Errors for each call, as strace names them. None for openat, because the interpreter opens modules with it.
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
#: Seconds for one run under strace; generous for a busy machine.
_LIMIT = 120.0
#: Documented exit codes of a run that met an error; 1 is a bug.
_EXIT_CODES = (0, 3, 5, 6, 8, 10, 13)


@dataclass(frozen=True)
class Point:
    """A fault that is injected into the k-th call of a kind."""

    call: str
    effect: str
    count: int

    def __str__(self) -> str:
        return f"{self.call}:{self.effect}:when={self.count}"


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Kill the real command, or make a call fail, at the k-th system call of each kind (strace)."""
    with ThreadPoolExecutor(jobs) as pool:
        for kind, chosen in (("killed", True), ("given an error", False)):
            with open_bench() as first:
                points = [point for point in first.points() if (point.effect == KILL) == chosen][::part]

            def lane(number: int, points: list[Point] = points) -> list[str]:
                with open_bench() as bench:
                    return [problem for point in points[number::jobs] for problem in bench.inject(point)]

            problems = [problem for each in pool.map(lane, range(jobs)) for problem in each]
            yield Figure(
                f"the real command {kind} at {len(points)} system calls, and run again: {len(problems)} "
                "torn or lost files, repeated posts, tracebacks or undocumented exit codes",
                problems,
            )


class Bench:
    """A staging server, an index, and the real command."""

    def __init__(self, home: Path, listing: str, served: Served) -> None:
        self._home = home
        self._index = served.index
        self._staged = {path.name: path.read_bytes() for path in (home / "staged").iterdir()}
        self._wheelhouse = home / "run" / "house"
        # After an injected reset the real connection stays open, and the run waits until the timeout.
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
        self._environment = without_configuration(os.environ) | isolated_environment(home)
        # The interpreter must not write compiled files.
        self._environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tested_package.HOME)}

    def points(self) -> list[Point]:
        """Return the points of all calls of a normal run that concern the wheelhouse or a server."""
        log = self._home / "log"
        self._reset()
        code, stderr = self._run("-y", "-o", str(log), "-e", f"trace={','.join(CALLS)}")
        if "ptrace" in stderr or not shutil.which("strace"):
            raise Skipped("strace is not permitted to trace")
        assert code == 0, stderr
        counted: collections.Counter[tuple[str, str]] = collections.Counter()
        calls: dict[tuple[str, int], None] = {}
        for line in log.read_text(errors="replace").splitlines():
            thread, _, rest = line.partition(" ")
            call = re.match(r"\s*(\w+)\(", rest)
            if call and call[1] in CALLS:
                counted[thread, call[1]] += 1
                if str(self._wheelhouse) in rest or "<TCP" in rest or "<socket:" in rest:
                    calls[call[1], counted[thread, call[1]]] = None
        return [
            Point(call, what, count)
            for call, count in calls
            for what in (KILL, *(f"error={error}" for error in ERRORS.get(call, ())))
        ]

    def inject(self, point: Point) -> list[str]:
        """Run with the fault, then run again without it; return all problems."""
        self._reset()
        code, stderr = self._run("-o", os.devnull, "-e", f"trace={point.call}", "-e", f"inject={point}")
        problems = []
        if point.effect != KILL and (code not in _EXIT_CODES or "Traceback" in stderr):
            problems.append(f"exit code {code}: {stderr[-600:]}")
        if code == 0 and (wrong := verification.missing_from_index(self._index, self._staged)):
            problems.append(f"exit code 0, and not as staged on the index: {wrong}")
        problems += [f"torn: {name}" for name in verification.torn_files(self._wheelhouse, self._staged)]
        on_index = dict(self._index.files)
        posted = len(self._index.posts)
        code, stderr = self._run()
        if code != 0:
            problems.append(f"the next run ended with {code}: {stderr[-600:]}")
        if again := [post.filename for post in self._index.posts[posted:] if post.filename in on_index]:
            problems.append(f"posted although it was on the index: {again}")
        problems += [
            f"posted with other bytes: {x}"
            for x in verification.posted_other_bytes(self._index, self._staged)
        ]
        problems += [
            f"not as staged on the index: {x}"
            for x in verification.missing_from_index(self._index, self._staged)
        ]
        extra = verification.leftover_files(self._wheelhouse, self._staged, signed=False)
        problems += [f"torn: {name}" for name in verification.torn_files(self._wheelhouse, self._staged)]
        problems += [f"left over or missing: {name}" for name in extra]
        return [f"{point}: {problem}" for problem in problems]

    def _reset(self) -> None:
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
def open_bench() -> Iterator[Bench]:
    """Open a bench for a release of three wheels. Raise Skipped without strace."""
    if not shutil.which("strace"):
        raise Skipped("strace is not installed")
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-calls-")))
        fixtures.stage(home / "staged", fixtures.TAGS[:3])
        listing = stack.enter_context(fixtures.staging_server(home / "staged"))
        served = stack.enter_context(indexes.scripted_index())
        yield Bench(home, listing, served)
