"""Signals and time limits at any moment from the start of the process to its end: the run writes a report.

Verified are the exit code, the time, standard error, the report, the wheelhouse and its lock, the index's
log, and in /proc that no process of the run remains.

One run in five is a new process; the others are forks of a process that has imported everything, which takes
a fifth of the time. Run as a module this is that process: it reads one task as JSON from each line, and
prints a process ID and an exit code.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.soak import Figure, fixtures, verification
from tests.soak.fixtures import Place
from tests.soak.forks import load_everything, without_configuration
from tests.soak.tally import Tally
from tests.support.preloaded_command import run_command
from tools.testing import tested_package, wheels
from wheel_uploader.core.errors import RunInterrupted

#: The number of moments; and one in this many is of a slow run, with --smoke or --rehearse.
MOMENTS, _TRIALS = 2000, 100
#: The grace period of these runs; and the seconds after which a run counts as hung (generous for a busy
#: machine).
_GRACE, _LIMIT = 10.0, 90.0
#: The command with a short grace period. It imports this module first anyway.
_COMMAND = f"""
from wheel_uploader.core import cancellation
cancellation.UPLOAD_GRACE_SECONDS = {_GRACE}
from wheel_uploader.__main__ import main
main()
"""

#: Print the progress after each this many moments.
_PROGRESS_INTERVAL = 50

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TIME_LIMIT, _PARTIAL = 10, 8


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Send signals, and let time limits expire, at 2,000 moments of a run."""
    cases = range(0, MOMENTS, part)

    total, durations = SignalTally(), Durations()

    def lane(number: int) -> None:
        with open_bench(durations) as bench:
            for case in cases[number::jobs]:
                tally = bench.try_case(case)
                with durations.lock:
                    total.add(tally)
                    for problem in tally.problems:
                        print(problem, file=sys.stderr, flush=True)
                    if total.moments % _PROGRESS_INTERVAL == 0:
                        print(f"so far: {total}", file=sys.stderr, flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lane, range(jobs)))
    yield Figure(str(total), total.problems)


@dataclass(kw_only=True)
class SignalTally(Tally):
    """The results of the runs."""

    moments: int = 0
    #: Runs in a new process.
    from_start: int = 0
    #: Runs that the interpreter or the signal itself ended before the program's first line.
    before_program: int = 0
    #: Runs that were complete before the signal.
    after_end: int = 0
    #: Runs that the watchdog ended.
    forced: int = 0
    hangs: int = 0
    torn: int = 0
    without_report: int = 0
    locks_left: int = 0
    processes_left: int = 0
    other: int = 0

    def __str__(self) -> str:
        return (
            f"{self.moments} moments ({self.from_start} of them in new processes; {self.before_program} "
            f"before the program's first line, {self.after_end} after its end, {self.forced} ended by "
            f"force): {self.hangs} hangs, {self.torn} torn, "
            f"{self.without_report} without a report, {self.locks_left} locks left, {self.processes_left} "
            f"processes left, {self.other} other problems"
        )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of run."""

    name: str
    options: tuple[str, ...]
    #: True if the staged wheel can be installed on this machine.
    installs: bool = False


_KINDS = (
    Kind(name="publish", options=()),
    Kind(name="limited", options=("--max-duration", "300")),
    Kind(name="publish", options=("--upload-jobs", "1")),
    Kind(name="signed", options=("-s",)),
    Kind(name="limited", options=("--max-duration", "300", "--jobs", "1")),
    Kind(name="wait", options=("--wait", "60")),
)
_LONG_KINDS = (
    Kind(name="smoke", options=("--smoke", "sleep 2"), installs=True),
    Kind(name="rehearse", options=("--rehearse",), installs=True),
)


class Durations:
    """The seconds that runs of each kind take when nothing stops them, shared by all lanes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._seconds: dict[tuple[Kind, bool], float] = {}

    def of(self, kind: Kind, new_process: bool, measure: Callable[[], float]) -> float:
        with self.lock:
            if (kind, new_process) not in self._seconds:
                self._seconds[kind, new_process] = measure()
            return self._seconds[kind, new_process]


class Bench:
    """Two staged releases, one of which can be installed here, and an index."""

    def __init__(
        self, place: Place, installable: Mapping[str, bytes], url: str, durations: Durations
    ) -> None:
        self._place, self._index = place, place.served.index
        self._durations = durations
        self._staged = {False: place.staged, True: installable}
        self._listings = {False: place.listing, True: url}
        self._forks = Forks()

    def try_case(self, case: int) -> SignalTally:
        """Run the case of this number, and verify how it ended."""
        kind = (
            _LONG_KINDS[case // _TRIALS % 2] if case % _TRIALS == _TRIALS - 1 else _KINDS[case % len(_KINDS)]
        )
        if kind.name == "signed" and not self._place.can_sign:
            kind = _KINDS[0]
        # The moments of the cases are spread evenly over the run.
        share = case * 0.6180339887 % 1 * 1.03
        way = case // len(_KINDS) % 4
        new_process = case // 24 % 5 == 0
        moment = share * self._durations.of(
            kind, new_process, lambda: self._measure(kind, new_process=new_process)
        )
        twice = way < 3 and case % 11 == 0
        label = f"case {case}: {kind.name}{' in a new process' * new_process}, {moment:.2f} s, " + (
            "time limit" if way == 3 else _SIGNALS[way].name + " twice" * twice
        )
        run = self._start(kind, limit=moment if way == 3 else None, new_process=new_process)
        if way < 3:
            time.sleep(moment)
            run.send(_SIGNALS[way])
            if twice:
                time.sleep(0.05)
                run.send(_SIGNALS[way])
        tally = self._verify(run, kind, label, None if way == 3 else _SIGNALS[way], twice=twice)
        tally.from_start = int(new_process)
        return tally

    def close(self) -> None:
        self._forks.close()

    def _measure(self, kind: Kind, *, new_process: bool) -> float:
        started = time.monotonic()
        run = self._start(kind, limit=None, new_process=new_process)
        code = run.wait(300)
        assert code == 0, (kind, code, run.stderr())
        return time.monotonic() - started

    def _start(self, kind: Kind, *, limit: float | None, new_process: bool) -> Run:
        self._place.reset()
        folder, environment = self._place.folder, self._place.environment
        arguments = [
            "-u",
            self._listings[kind.installs],
            "-w",
            "house",
            "--report",
            "report.json",
            *kind.options,
        ]
        arguments += ["--repository-url", self._place.served.upload_url]
        if limit is not None:
            arguments += ["--max-duration", f"{max(0.01, limit):.2f}"]
        arguments += ["dipy", "1.11.0"]
        if new_process:
            return Run(folder, Process(folder, arguments, environment))
        return Run(folder, self._forks.start(folder, arguments, environment))

    def _verify(
        self, run: Run, kind: Kind, label: str, number: signal.Signals | None, *, twice: bool
    ) -> SignalTally:
        tally = SignalTally(moments=1)

        def problem(name: str, text: str) -> None:
            tally.count(name, f"{label}: {text}: {run.stderr()[-400:]!r}")

        code = run.wait(_LIMIT)
        if code is None:
            problem("hangs", f"did not end within {_LIMIT:.0f} s")
            run.kill()
            return tally
        stderr, wheelhouse = run.stderr(), run.folder / "house"
        allowed = {0, 128 + number, -number} if number else {0, _TIME_LIMIT, _PARTIAL}
        tally.forced = int("was terminated" in stderr)
        report = run.report()
        # Python starts with the import of a module, and ends with 1 if a signal interrupts that.
        has_python = "Failed to import the site module" not in stderr
        if code not in allowed and has_python:
            problem("other", f"ended with {code}")
        if code == 0:
            tally.after_end = 1
        elif number and (code == -number or not has_python):
            tally.before_program = 1
            if wheelhouse.exists() or report:
                problem("other", "the signal itself ended a run that had started")
        elif not (twice and "second signal" in stderr):
            reason = "(--max-duration)" if number is None else str(RunInterrupted(number))
            if reason not in stderr or report.get("exit_code") != code:
                problem("without_report", f"exit code {code}, report {report.get('exit_code')}")
        if "Traceback" in stderr and not tally.before_program:
            problem("other", "a traceback")
        for name in verification.torn_files(wheelhouse, self._staged[kind.installs]):
            problem("torn", name)
        for name in verification.posted_other_bytes(self._index, self._staged[kind.installs]):
            # The index did not store an upload that was cut off.
            if name in self._index.files:
                problem("torn", f"{name} on the index")
        if run.lock_is_held():
            problem("locks_left", "the wheelhouse is locked")
        if remaining_processes := run.remaining_processes():
            problem("processes_left", f"{remaining_processes}")
        return tally


class Running(Protocol):
    """A process that runs the command."""

    #: A variable in the environment of all processes of the run.
    mark: str
    #: Processes with that mark that do not belong to the run.
    excluded: frozenset[int]

    def send(self, number: signal.Signals) -> None: ...

    def wait(self, seconds: float) -> int | None:
        """Return the exit code; None if the process runs longer."""
        ...


class Process:
    """The command in a new process."""

    def __init__(self, folder: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.mark, self.excluded = uuid.uuid4().hex, frozenset[int]()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, *arguments],
                cwd=folder,
                env={
                    **without_configuration(os.environ),
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
    """The command in a fork of a process that has imported everything."""

    def __init__(self, mark: str, server: subprocess.Popen[str], pid: int) -> None:
        self.mark, self.excluded = mark, frozenset([server.pid])
        self._server, self._pid = server, pid

    def send(self, number: signal.Signals) -> None:
        # The server reaps the process only in wait(), so its ID cannot belong to another process yet.
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
    """The process that is forked for each run."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            tested_package.run_module("tests.soak.signals"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tested_package.ROOT,
            env={**without_configuration(os.environ), "SOAK_MARK": self._mark},
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
    """One run of the command, with its output and leftovers."""

    def __init__(self, folder: Path, process: Running) -> None:
        self.folder, self._process = folder, process
        self.send, self.wait = process.send, process.wait

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.wait(10)

    def stderr(self) -> str:
        # A fork may be ended before it has opened its log, which is before the program's first line.
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "log").read_text(errors="replace")
        return ""

    def report(self) -> dict[str, object]:
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads((self.folder / "report.json").read_text()))
        return {}

    def lock_is_held(self) -> bool:
        """Return True if the lock of the wheelhouse is still held after 2 seconds."""
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

    def remaining_processes(self) -> list[str]:
        """Return the command lines of its processes that still run after 3 seconds, except gpg's agent."""
        commands: list[str] = []
        for _ in range(30):
            commands = [line for line in map(self._command_line, Path("/proc").glob("[0-9]*")) if line]
            if not commands:
                break
            time.sleep(0.1)
        return commands

    def _command_line(self, folder: Path) -> str:
        with contextlib.suppress(OSError):
            marked = self._process.mark.encode() in (folder / "environ").read_bytes()
            if marked and int(folder.name) not in self._process.excluded:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                return "" if "gpg-agent" in line or "scdaemon" in line or "keyboxd" in line else line[:200]
        return ""


@contextlib.contextmanager
def open_bench(durations: Durations) -> Iterator[Bench]:
    """Open a bench in a temporary folder."""
    with fixtures.open_place("signals", signed=True) as place:
        wheel = wheels.make_wheel(place.home / "installable", tag="py3-none-any")
        with (
            fixtures.staging_server(wheel.parent) as url,
            contextlib.closing(Bench(place, {wheel.name: wheel.read_bytes()}, url, durations)) as bench,
        ):
            yield bench


# --- in the forked process -----------------------------------------------------------------------------


def _serve() -> None:
    load_everything()
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
    """Run the command in the fork; never return."""
    from wheel_uploader.__main__ import main
    from wheel_uploader.core import cancellation

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.update(environment)
    nowhere, log = os.open(os.devnull, os.O_RDWR), os.open("log", os.O_WRONLY | os.O_CREAT, 0o600)
    for descriptor, target in ((nowhere, 0), (nowhere, 1), (log, 2)):
        os.dup2(descriptor, target)
    cancellation.UPLOAD_GRACE_SECONDS = _GRACE
    os._exit(run_command(main, arguments))


if __name__ == "__main__":
    _serve()
