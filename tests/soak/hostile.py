"""Hostile listings, names and wheels, each given to a new process whose behaviour is checked.

The process may write only into the wheelhouse and connect only to the given URL, and it must end in time,
with little memory and a documented exit code.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.soak import Figure
from tests.soak.forks import Forks, Task, TaskResult, isolated_environment
from tests.soak.hostile_listings import LINKED, Targets, hostile_listings
from tests.soak.hostile_names import hostile_names, listings_with
from tests.soak.hostile_wheels import hostile_wheels
from tools.testing.scripted import Request, ScriptedServer, Step, answer
from tools.testing.wheels import wheel_bytes
from wheel_uploader.core import budget
from wheel_uploader.wheelhouse.wheelhouse import CHECKSUMS_FILENAME, HIDDEN_DIRECTORY

#: The limits of a run: seconds of CPU (the budget of a file, and the start of the program), bytes of memory.
MAX_SECONDS = budget.BASE_CPU_SECONDS + 1.0
MAX_MEMORY = 256 << 20
#: A host that the command must not connect to.
FORBIDDEN = "127.0.0.2"
#: Documented exit codes; 1 is a bug.
_EXIT_CODES = {0, 2, 3, 4, 5, 6, 7, 10, 13}
#: The key for cached results, which is in the cache directory of the user.
_OWN_CACHE = (".cache", ".cache/wheel-uploader", ".cache/wheel-uploader/key")
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_RAW_CHARACTERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Run on hostile listings, names and wheels; check writes, connections, CPU and memory."""
    for what in ("listings", "names", "wheels"):

        def lane(number: int, what: str = what) -> Costs:
            with HostileRuns() as arena:
                return arena.run_cases(what, number * part, part * jobs)

        with ThreadPoolExecutor(jobs) as pool:
            costs = sum(pool.map(lane, range(jobs)), Costs())
        yield Figure(f"{costs.count} hostile {what}: {costs}", costs.problems)


class Costs:
    """The costs and problems of a number of runs."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.wall = 0.0
        self.memory = 0
        self.problems: list[str] = []

    def __add__(self, other: Costs) -> Costs:
        both = Costs()
        both.count = self.count + other.count
        both.seconds = max(self.seconds, other.seconds)
        both.wall = max(self.wall, other.wall)
        both.memory = max(self.memory, other.memory)
        both.problems = [*self.problems, *other.problems]
        return both

    def add_run(self, ended: TaskResult) -> None:
        self.count += 1
        self.seconds = max(self.seconds, ended.cpu)
        self.wall = max(self.wall, ended.seconds)
        self.memory = max(self.memory, ended.memory)

    def __str__(self) -> str:
        return (
            f"{len(self.problems)} writes outside of the wheelhouse, requests to other hosts or other "
            f"problems; at most {self.seconds:.1f} s of CPU ({self.wall:.1f} s of real time), "
            f"{self.memory >> 20} MiB"
        )


class HostileRuns:
    """Runs of the command in a protected folder, with a hostile server and two forbidden ones."""

    def __init__(self, max_seconds: float = MAX_SECONDS, more: Sequence[str] = ()) -> None:
        """Set up the runs; ``more``: additional options of the command."""
        self._max_seconds = max_seconds
        self._more = more
        self._stack = contextlib.ExitStack()
        self._listing: Sequence[Step] = ()
        self._body = wheel_bytes()

    def __enter__(self) -> HostileRuns:
        stack = self._stack
        self._home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-hostile-")))
        self._forks = stack.enter_context(Forks())
        self._server = stack.enter_context(ScriptedServer(self._answer))
        self._others = [
            stack.enter_context(ScriptedServer([answer(200, self._body)], host=host))
            for host in (FORBIDDEN, "127.0.0.1")
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run_cases(self, what: str, first: int, step: int) -> Costs:
        """Run every ``step``-th case of ``what``, beginning with ``first``."""
        costs = Costs()
        cases = {"listings": self._listings, "names": self._names, "wheels": self._wheels}[what]()
        for number, (label, arguments) in enumerate(cases):
            if number % step == first % step and number >= first:
                self._run_case(label, arguments, costs)
        return costs

    def _listings(self) -> Iterator[tuple[str, list[str]]]:
        targets = Targets(
            listing_port=self._server.port,
            forbidden_port=self._others[0].port,
            other_port=self._others[1].port,
            secret_path=str(self._home / "around" / "secret.whl"),
        )
        for label, steps in hostile_listings(targets):
            self._listing = steps
            yield label, ["-u", self._server.url, "--until", "download"]

    def _names(self) -> Iterator[tuple[str, list[str]]]:
        for name in hostile_names():
            for kind, steps in listings_with(name):
                self._listing = steps
                yield f"{kind}: {name!r}", ["-u", self._server.url, "--until", "download"]

    def _wheels(self) -> Iterator[tuple[str, list[str]]]:
        folder = self._home / "staged"
        for label, name, make in hostile_wheels(self._others[0].port):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / name).write_bytes(make())
            yield label, ["-u", str(folder), "--until", "check", "--profile", "pypi", "--no-compare"]

    def _answer(self, request: Request) -> Sequence[Step]:
        if request.target.startswith("/redirect/"):
            return [answer(302, b"", {"Location": f"http://{FORBIDDEN}:{self._others[0].port}/{LINKED}"})]
        if request.target in ("/", "/simple/dipy/", "/dipy/") or "?" in request.target:
            return self._listing
        return [answer(200, self._body, {"Content-Type": "application/octet-stream"})]

    def _run_case(self, label: str, arguments: list[str], costs: Costs) -> None:
        """Run one case in new folders, and check it."""
        outside, run_folder = self._home / "around", self._home / "told"
        for folder in (outside, run_folder):
            shutil.rmtree(folder, ignore_errors=True)
        (outside / "run").mkdir(parents=True)
        (outside / "tmp").mkdir()
        run_folder.mkdir()
        (outside / "secret.whl").write_bytes(self._body)
        before = [server.connections for server in self._others]
        wheelhouse = outside / "run" / "house"
        arguments = [
            *arguments,
            "-w",
            str(wheelhouse),
            "--retries",
            "1",
            "--timeout",
            "5",
            *self._more,
            "dipy",
            "1.11.0",
        ]
        environment = isolated_environment(outside) | {"TMPDIR": str(outside / "tmp")}
        ended = self._forks.run(
            Task(arguments=arguments, folder=str(run_folder), environment=environment, watch=True, limit=60)
        )
        costs.add_run(ended)
        output = (run_folder / "log").read_text(errors="surrogateescape")
        problems = list(self._find_problems(ended, output, outside, wheelhouse))
        connections = [json.loads(line) for line in (run_folder / "connected").read_text().splitlines()]
        problems += [
            f"connected to {each}" for each in connections if each not in self._allowed_connections()
        ]
        if before != [server.connections for server in self._others]:
            problems.append("connected to a forbidden server")
        costs.problems += [f"{label}: {problem}" for problem in problems]

    def _allowed_connections(self) -> list[object]:
        here = ["127.0.0.1", self._server.port]
        return [here, ["127.0.0.1", str(self._server.port)]]

    def _find_problems(
        self, ended: TaskResult, output: str, outside: Path, wheelhouse: Path
    ) -> Iterator[str]:
        if ended.code not in _EXIT_CODES or "Traceback" in output:
            yield f"exit code {ended.code}: {output[-500:]}"
        if raw := _RAW_CHARACTERS.search(output):
            yield f"printed a raw character: {raw[0]!r}"
        if ended.cpu > self._max_seconds:
            yield f"{ended.cpu:.1f} s of CPU, {ended.seconds:.1f} s of real time"
        if ended.memory > MAX_MEMORY:
            yield f"{ended.memory >> 20} MiB"
        paths = {
            path.relative_to(outside).as_posix()
            for path in outside.rglob("*")
            if wheelhouse not in path.parents
        }
        if extra := paths - {"run", "run/house", "tmp", "secret.whl", *_OWN_CACHE}:
            yield f"written outside of the wheelhouse: {sorted(extra)}"
        for path in wheelhouse.iterdir() if wheelhouse.exists() else ():
            if path.name not in {HIDDEN_DIRECTORY, CHECKSUMS_FILENAME} and not (
                path.is_file() and _HARMLESS.fullmatch(path.name)
            ):
                yield f"written: {path.name!r}"
