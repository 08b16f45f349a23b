"""Signals and time limits at any moment from the start of the process to its end: the run ends, and says so.

The judges are the exit code, the clock, standard error, the file of ``--report``, the wheelhouse and its
lock, the index's log, and /proc for what is left of the run's processes.

One run in five is a process from its start; the others are forks of one that has imported everything, which
takes a fifth of the time. As a module it is that process: it reads one task as JSON from each line, and
answers with a process ID and an exit code.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.soak import Figure, fixtures, verification
from tests.soak.forks import alone, plain
from tests.support import indexes, tested_package, wheels

#: All moments; one in so many of them belongs to a run with --smoke or --rehearse, which take long.
MOMENTS, _TRIALS = 2000, 100
#: The grace period of these runs; and the seconds after which one that still runs counts as hung. A machine
#: that does other things as well is slow.
_GRACE, _LIMIT = 10.0, 90.0
#: The command with a short grace period; the module is one that it imports first anyway.
_COMMAND = f"""
from wheel_uploader.core import cancellation
cancellation.UPLOAD_GRACE_SECONDS = {_GRACE}
from wheel_uploader.__main__ import main
main()
"""

#: Moments between two lines that say how far the soak is.
_SHOWN = 50

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TIME_LIMIT, _PARTIAL = 10, 8


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Send signals, and let time limits expire, at 2,000 moments of a run."""
    cases = range(0, MOMENTS, part)

    total, lengths = Tally(), Lengths()

    def lane(number: int) -> None:
        with bench(lengths) as arena:
            for case in cases[number::jobs]:
                tally = arena.try_case(case)
                with lengths.lock:
                    total.add(tally)
                    for trouble in tally.troubles:
                        print(trouble, file=sys.stderr, flush=True)
                    if total.moments % _SHOWN == 0:
                        print(f"so far: {total}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lane, range(jobs)))
    yield Figure(str(total), total.troubles)


@dataclass
class Tally:
    """What the runs have shown."""

    moments: int = 0
    #: In processes from their start.
    whole: int = 0
    #: Ended before the first line of the program, by the interpreter or by the signal itself.
    before: int = 0
    #: Had done everything when the signal came.
    after: int = 0
    #: Ended by the watchdog.
    forced: int = 0
    hangs: int = 0
    torn: int = 0
    without_report: int = 0
    locks_left: int = 0
    processes_left: int = 0
    other: int = 0
    troubles: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return (
            f"{self.moments} moments ({self.whole} of them in processes from their start; {self.before} "
            f"before the program's first line, {self.after} when all was done, {self.forced} ended by "
            f"force): {self.hangs} hangs, {self.torn} torn, "
            f"{self.without_report} without a report, {self.locks_left} locks left, {self.processes_left} "
            f"processes left, {self.other} other troubles"
        )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of run."""

    name: str
    more: tuple[str, ...]
    #: Where a wheel that can be installed here is staged.
    installs: bool = False


_KINDS = (
    Kind(name="publish", more=()),
    Kind(name="limited", more=("--max-duration", "300")),
    Kind(name="publish", more=("--upload-jobs", "1")),
    Kind(name="signed", more=("-s",)),
    Kind(name="limited", more=("--max-duration", "300", "--jobs", "1")),
    Kind(name="wait", more=("--wait", "60")),
)
_LONG = (
    Kind(name="smoke", more=("--smoke", "sleep 2"), installs=True),
    Kind(name="rehearse", more=("--rehearse",), installs=True),
)


class Lengths:
    """How many seconds runs take when nothing stops them; all lanes use the same."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._found: dict[tuple[Kind, bool], float] = {}

    def of(self, kind: Kind, whole: bool, measure: Callable[[], float]) -> float:
        with self.lock:
            if (kind, whole) not in self._found:
                self._found[kind, whole] = measure()
            return self._found[kind, whole]


class Bench:
    """Two staging places, an index, and what a run needs."""

    def __init__(
        self, home: Path, listings: Mapping[bool, str], served: indexes.Served, lengths: Lengths
    ) -> None:
        self._home = home
        self._lengths = lengths
        self._listings = listings
        self._served = served
        self._staged = {
            installs: {path.name: path.read_bytes() for path in (home / _folder(installs)).iterdir()}
            for installs in (False, True)
        }
        self._forks = Forks()
        self.environment = alone(home)

    def try_case(self, case: int) -> Tally:
        """Run the case of this number, and judge how it ended."""
        kind = _LONG[case // _TRIALS % 2] if case % _TRIALS == _TRIALS - 1 else _KINDS[case % len(_KINDS)]
        if kind.name == "signed" and "GNUPGHOME" not in self.environment:
            kind = _KINDS[0]
        # Each number has its moment, and they are spread evenly over the whole run.
        share = case * 0.6180339887 % 1 * 1.03
        way = case // len(_KINDS) % 4
        whole = case // 24 % 5 == 0
        moment = share * self._lengths.of(kind, whole, lambda: self._length(kind, whole=whole))
        twice = way < 3 and case % 11 == 0
        what = f"case {case}: {kind.name}{' from its start' * whole}, {moment:.2f} s, " + (
            "time limit" if way == 3 else _SIGNALS[way].name + " twice" * twice
        )
        run = self._start(kind, limit=moment if way == 3 else None, whole=whole)
        if way < 3:
            time.sleep(moment)
            run.send(_SIGNALS[way])
            if twice:
                time.sleep(0.05)
                run.send(_SIGNALS[way])
        tally = self._judge(run, kind, what, None if way == 3 else _SIGNALS[way], twice=twice)
        tally.whole = int(whole)
        return tally

    def close(self) -> None:
        self._forks.close()

    def _length(self, kind: Kind, *, whole: bool) -> float:
        begun = time.monotonic()
        run = self._start(kind, limit=None, whole=whole)
        code = run.wait(300)
        assert code == 0, (kind, code, run.said())
        return time.monotonic() - begun

    def _start(self, kind: Kind, *, limit: float | None, whole: bool) -> Run:
        folder = self._home / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._served.index.files.clear()
        self._served.index.posts.clear()
        arguments = [
            "-u",
            self._listings[kind.installs],
            "-w",
            "house",
            "--report",
            "report.json",
            *kind.more,
        ]
        arguments += ["--repository-url", self._served.upload_url]
        if limit is not None:
            arguments += ["--max-duration", f"{max(0.01, limit):.2f}"]
        arguments += ["dipy", "1.11.0"]
        if whole:
            return Run(folder, Process(folder, arguments, self.environment))
        return Run(folder, self._forks.start(folder, arguments, self.environment))

    def _judge(self, run: Run, kind: Kind, what: str, number: signal.Signals | None, *, twice: bool) -> Tally:
        tally = Tally(moments=1)

        def trouble(name: str, text: str) -> None:
            setattr(tally, name, getattr(tally, name) + 1)
            tally.troubles.append(f"{what}: {text}: {run.said()[-400:]!r}")

        code = run.wait(_LIMIT)
        if code is None:
            trouble("hangs", f"did not end within {_LIMIT:.0f} s")
            run.kill()
            return tally
        said, house = run.said(), run.folder / "house"
        allowed = {0, 128 + number, -number} if number else {0, _TIME_LIMIT, _PARTIAL}
        tally.forced = int("was terminated" in said)
        report = run.report()
        if code not in allowed:
            trouble("other", f"ended with {code}")
        if code == 0:
            tally.after = 1
        elif number and code == -number:
            tally.before = 1
            if house.exists() or report:
                trouble("other", "the signal itself ended a run that had begun")
        elif not (twice and "second signal" in said):
            reason = "(--max-duration)" if number is None else f"stopped by signal {number:d}"
            if reason not in said or report.get("exit_code") != code:
                trouble("without_report", f"exit code {code}, report {report.get('exit_code')}")
        if "Traceback" in said and not tally.before:
            trouble("other", "a traceback")
        for name in verification.torn_files(house, self._staged[kind.installs]):
            trouble("torn", name)
        for name in verification.posted_other_bytes(self._served.index, self._staged[kind.installs]):
            # What was cut off on its way was not whole, and the index did not take it.
            if name in self._served.index.files:
                trouble("torn", f"{name} on the index")
        if run.lock_is_held():
            trouble("locks_left", "the wheelhouse is locked")
        if left := run.left():
            trouble("processes_left", f"{left}")
        return tally


class Running(Protocol):
    """A process that runs the command."""

    #: In the environment of all processes of the run.
    mark: str
    #: Processes with that mark that are meant to stay.
    stay: frozenset[int]

    def send(self, number: signal.Signals) -> None: ...

    def wait(self, seconds: float) -> int | None:
        """Return its exit code; None if it runs longer."""
        ...


class Process:
    """The command in a process from its start."""

    def __init__(self, folder: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.mark, self.stay = uuid.uuid4().hex, frozenset[int]()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, *arguments],
                cwd=folder,
                env={
                    **plain(os.environ),
                    **environment,
                    "PYTHONPATH": str(tested_package.HOME),
                    "SOAK_MARK": self.mark,
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None


class Fork:
    """The command in a fork of the process that has imported everything."""

    def __init__(self, mark: str, server: subprocess.Popen[str], pid: int) -> None:
        self.mark, self.stay = mark, frozenset([server.pid])
        self._server, self._pid = server, pid

    def send(self, number: signal.Signals) -> None:
        # The server waits for it only when it is asked to: until then the number is not used again.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def wait(self, seconds: float) -> int | None:
        assert self._server.stdin
        assert self._server.stdout
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._server.stdin.write("poll\n")
            self._server.stdin.flush()
            if answer := self._server.stdout.readline().strip():
                return int(answer)
            time.sleep(0.02)
        return None


class Forks:
    """The process that is forked."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            tested_package.run_module("tests.soak.signals"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tested_package.ROOT,
            env={**plain(os.environ), "SOAK_MARK": self._mark},
        )

    def start(self, folder: Path, arguments: list[str], environment: Mapping[str, str]) -> Fork:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([str(folder), arguments, dict(environment)]) + "\n")
        self._process.stdin.flush()
        return Fork(self._mark, self._process, int(self._process.stdout.readline()))

    def close(self) -> None:
        with self._process:
            assert self._process.stdin
            self._process.stdin.close()


class Run:
    """One run of the command, and what it leaves."""

    def __init__(self, folder: Path, process: Running) -> None:
        self.folder, self._process = folder, process
        self.send, self.wait = process.send, process.wait

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait(10)

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def report(self) -> dict[str, object]:
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads((self.folder / "report.json").read_text()))
        return {}

    def lock_is_held(self) -> bool:
        """Whether the lock of its wheelhouse is held a moment later."""
        path = self.folder / "house" / ".wheel-uploader" / "lock"
        if not path.exists():
            return False
        with path.open("rb+") as file:
            for _ in range(20):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    time.sleep(0.1)
                else:
                    return False
        return True

    def left(self) -> list[str]:
        """The command lines of its processes that still run after 3 seconds; gpg's agent is meant to."""
        found: list[str] = []
        for _ in range(30):
            found = [line for line in map(self._line, Path("/proc").glob("[0-9]*")) if line]
            if not found:
                break
            time.sleep(0.1)
        return found

    def _line(self, folder: Path) -> str:
        with contextlib.suppress(OSError):
            marked = self._process.mark.encode() in (folder / "environ").read_bytes()
            if marked and int(folder.name) not in self._process.stay:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return "" if "gpg-agent" in line or "scdaemon" in line or "keyboxd" in line else line[:200]
        return ""


def _folder(installs: bool) -> str:
    return "installable" if installs else "staged"


@contextlib.contextmanager
def bench(lengths: Lengths) -> Iterator[Bench]:
    """A bench in a folder of its own."""
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wheel-uploader-signals-")))
        fixtures.stage(home / _folder(installs=False))
        wheels.make_wheel(home / _folder(installs=True), tag="py3-none-any")
        listings = {
            installs: stack.enter_context(fixtures.staging_server(home / _folder(installs)))
            for installs in (False, True)
        }
        served = stack.enter_context(indexes.scripted_index())
        arena = Bench(home, listings, served, lengths)
        arena.environment |= stack.enter_context(fixtures.signing_environment())
        with contextlib.closing(arena):
            yield arena


# --- in the process that is forked ---------------------------------------------------------------------


def _serve() -> None:
    from wheel_uploader.inspection import cache as inspection_cache
    from wheel_uploader.pipeline import check_stage, confirm_stage, run, sign_stage, upload_stage  # noqa: F401
    from wheel_uploader.report.formats import text  # noqa: F401
    from wheel_uploader.upload import twine_uploader  # noqa: F401

    inspection_cache.fingerprint()
    child = 0
    for line in sys.stdin:
        if line == "poll\n":
            pid, status = os.waitpid(child, os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if pid else "", flush=True)
            continue
        child = os.fork()
        if child == 0:
            _run(*json.loads(line))
        print(child, flush=True)


def _run(folder: str, arguments: list[str], environment: dict[str, str]) -> None:
    """In the fork: run the command; never returns."""
    from wheel_uploader.__main__ import main
    from wheel_uploader.core import cancellation

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.update(environment)
    nowhere, log = os.open(os.devnull, os.O_RDWR), os.open("log", os.O_WRONLY | os.O_CREAT, 0o600)
    for descriptor, target in ((nowhere, 0), (nowhere, 1), (log, 2)):
        os.dup2(descriptor, target)
    cancellation.UPLOAD_GRACE_SECONDS = _GRACE
    sys.argv = ["wheel-uploader", *arguments]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
