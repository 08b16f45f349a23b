"""Hostile listings, names and wheels, each to a fresh process that is watched by its parent and the kernel.

Nothing may be written outside of the wheelhouse, nothing asked of another place than the one that was typed,
and each run has to be over in time, with little memory, and a documented end.
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
from tests.soak.forks import Ended, Forks, Task, alone
from tests.soak.hostile_listings import LINKED, Served, hostile_listings
from tests.soak.hostile_names import hostile_names, named
from tests.soak.hostile_wheels import hostile_wheels
from tests.support.scripted import Request, ScriptedServer, Step, answer
from tests.support.wheels import wheel_bytes
from wheel_uploader.wheelhouse.wheelhouse import CHECKSUMS_FILENAME, HIDDEN_DIRECTORY

#: The promise: seconds of work, and bytes.
MOST_SECONDS = 2.0
MOST_MEMORY = 256 << 20
#: Where nobody may be sent.
FORBIDDEN = "127.0.0.2"
#: Documented ends; 1 is a bug.
_ENDS = {0, 3, 4, 5, 6, 7, 10, 13}
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Give it hostile listings, names and wheels, and watch where it writes, whom it asks, what it costs."""
    for what in ("listings", "names", "wheels"):

        def lane(number: int, what: str = what) -> Costs:
            with Arena() as arena:
                return arena.costs_of(what, number * part, part * jobs)

        with ThreadPoolExecutor(jobs) as pool:
            costs = sum(pool.map(lane, range(jobs)), Costs())
        yield Figure(f"{costs.count} hostile {what}: {costs}", costs.troubles)


class Costs:
    """What a number of runs cost, and what went wrong."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.wall = 0.0
        self.memory = 0
        self.troubles: list[str] = []

    def __add__(self, other: Costs) -> Costs:
        both = Costs()
        both.count = self.count + other.count
        both.seconds = max(self.seconds, other.seconds)
        both.wall = max(self.wall, other.wall)
        both.memory = max(self.memory, other.memory)
        both.troubles = [*self.troubles, *other.troubles]
        return both

    def note(self, ended: Ended) -> None:
        self.count += 1
        self.seconds = max(self.seconds, ended.cpu)
        self.wall = max(self.wall, ended.seconds)
        self.memory = max(self.memory, ended.memory)

    def __str__(self) -> str:
        return (
            f"{len(self.troubles)} writes outside of the wheelhouse, requests elsewhere or other exceptions; "
            f"at most {self.seconds:.1f} s of CPU ({self.wall:.1f} s by the clock), {self.memory >> 20} MiB"
        )


class Arena:
    """A folder with things that must stay as they are, a server, and places that nobody may be sent to."""

    def __init__(self, most_seconds: float = MOST_SECONDS, more: Sequence[str] = ()) -> None:
        """``more``: what the command is told besides."""
        self._most_seconds = most_seconds
        self._more = more
        self._stack = contextlib.ExitStack()
        self._listing: Sequence[Step] = ()
        self._body = wheel_bytes()

    def __enter__(self) -> Arena:
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

    def costs_of(self, what: str, first: int, step: int) -> Costs:
        """Every ``step``-th of them."""
        costs = Costs()
        cases = {"listings": self._listings, "names": self._names, "wheels": self._wheels}[what]()
        for number, (label, arguments) in enumerate(cases):
            if number % step == first % step and number >= first:
                self._judge(label, arguments, costs)
        return costs

    def _listings(self) -> Iterator[tuple[str, list[str]]]:
        place = Served(
            typed=self._server.port,
            forbidden=self._others[0].port,
            other_port=self._others[1].port,
            secret=str(self._home / "around" / "secret.whl"),
        )
        for label, steps in hostile_listings(place):
            self._listing = steps
            yield label, ["-u", self._server.url, "--until", "download"]

    def _names(self) -> Iterator[tuple[str, list[str]]]:
        for name in hostile_names():
            for kind, steps in named(name):
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

    def _judge(self, label: str, arguments: list[str], costs: Costs) -> None:
        """One run in fresh folders, and what it did."""
        around, told = self._home / "around", self._home / "told"
        for folder in (around, told):
            shutil.rmtree(folder, ignore_errors=True)
        (around / "run").mkdir(parents=True)
        (around / "tmp").mkdir()
        told.mkdir()
        (around / "secret.whl").write_bytes(self._body)
        before = [server.connections for server in self._others]
        house = around / "run" / "house"
        arguments = [
            *arguments,
            "-w",
            str(house),
            "--retries",
            "1",
            "--timeout",
            "5",
            *self._more,
            "dipy",
            "1.11.0",
        ]
        environment = alone(around) | {"TMPDIR": str(around / "tmp")}
        ended = self._forks.run(
            Task(arguments=arguments, folder=str(told), environment=environment, watch=True, limit=60)
        )
        costs.note(ended)
        said = (told / "log").read_text(errors="surrogateescape")
        found = list(self._wrong(ended, said, around, house))
        asked = [json.loads(line) for line in (told / "connected").read_text().splitlines()]
        found += [f"asked {each}" for each in asked if each not in self._may_ask()]
        if before != [server.connections for server in self._others]:
            found.append("a place that is forbidden was asked")
        costs.troubles += [f"{label}: {trouble}" for trouble in found]

    def _may_ask(self) -> list[object]:
        here = ["127.0.0.1", self._server.port]
        return [here, ["127.0.0.1", str(self._server.port)]]

    def _wrong(self, ended: Ended, said: str, around: Path, house: Path) -> Iterator[str]:
        if ended.code not in _ENDS or "Traceback" in said:
            yield f"exit code {ended.code}: {said[-500:]}"
        if raw := _RAW.search(said):
            yield f"printed raw: {raw[0]!r}"
        if ended.cpu > self._most_seconds:
            yield f"{ended.cpu:.1f} s of CPU, {ended.seconds:.1f} s by the clock"
        if ended.memory > MOST_MEMORY:
            yield f"{ended.memory >> 20} MiB"
        there = {
            path.relative_to(around).as_posix() for path in around.rglob("*") if house not in path.parents
        }
        if extra := there - {"run", "run/house", "tmp", "secret.whl"}:
            yield f"written outside of the wheelhouse: {sorted(extra)}"
        for path in house.iterdir() if house.exists() else ():
            if path.name not in {HIDDEN_DIRECTORY, CHECKSUMS_FILENAME} and not (
                path.is_file() and _HARMLESS.fullmatch(path.name)
            ):
                yield f"written: {path.name!r}"
