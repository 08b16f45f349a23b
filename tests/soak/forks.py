"""Runs the command in forks of a process that has imported everything: fast, and each run is a new process.

Run as a module this is that process. It has a single thread, so that it can be forked safely. It reads one
Task as JSON from each line of standard input, and prints a TaskResult for each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from tests.support.preloaded_command import run_command
from tools.testing import tested_package


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of the command in ``folder``; its output goes to the file ``log`` there."""

    arguments: list[str]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    #: The point to be killed at. 0: count the points, into the file ``points``; -1: neither.
    kill_at: int = -1
    #: Count the operations that write, and let the one at that point fail.
    fails: bool = False
    #: Write every address that the run connects to or looks up to the file ``connected``.
    watch: bool = False
    #: Seconds after which the run is killed.
    limit: int = 300


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The exit code or minus the signal, seconds of real and CPU time, and the peak of memory in bytes."""

    code: int
    seconds: float
    cpu: float
    memory: int


_ROOT = tested_package.ROOT
#: The checkout comes last on the path, as for pytest.
_PROGRAM = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1));"
    "runpy.run_module('tests.soak.forks', run_name='__main__', alter_sys=True)"
)


class Forks:
    """A process that runs tasks, one at a time. ``before``: a command prefix that starts it."""

    def __init__(self, *before: str) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, "-c", _PROGRAM, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=without_configuration(os.environ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            assert self.process.stdin
            self.process.stdin.close()

    def run(self, task: Task) -> TaskResult:
        self.start(task)
        return self.wait()

    def start(self, task: Task) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(asdict(task)) + "\n")
        self.process.stdin.flush()

    def wait(self) -> TaskResult:
        """Wait until the started task has ended."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait(10)}"
        return TaskResult(**json.loads(line))


def without_configuration(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that neither configure the command nor name proxies."""
    prefixes = ("TWINE_", "WHEEL_UPLOADER_", "COVERAGE", "GITHUB_")
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(prefixes) and not name.lower().endswith("_proxy")
    }


def isolated_environment(home: Path) -> dict[str, str]:
    """Return the environment of a run without this machine's configuration and without prompts."""
    return {
        "TWINE_USERNAME": "",
        "TWINE_PASSWORD": "",
        "HOME": str(home),
        "NETRC": os.devnull,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


# --- in the process ------------------------------------------------------------------------------------


def _run(task: Task) -> None:
    """Run the command in the fork, with its output in a file; never return."""
    from tests.soak import kill_points
    from wheel_uploader.cli import main

    signal.alarm(task.limit)
    os.chdir(task.folder)
    os.environ.update(task.environment)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    if task.watch:
        _record_connections()
    counter = kill_points.Counter(task.kill_at, fails=task.fails)
    if task.kill_at >= 0:
        kill_points.install(counter)
    code = run_command(main, task.arguments)
    if task.kill_at >= 0:
        with open("points", "w") as file:  # noqa: PTH123 - the calls of pathlib are counted
            file.write(str(counter.passed))
    os._exit(code)


def load_everything() -> None:
    """Import and compute once, not in each fork, everything that a run loads on demand."""
    from wheel_uploader.inspection import cache as inspection_cache
    from wheel_uploader.pipeline import check_stage, confirm_stage, run, sign_stage, upload_stage  # noqa: F401
    from wheel_uploader.report.formats import text  # noqa: F401
    from wheel_uploader.upload import twine_uploader  # noqa: F401

    inspection_cache.fingerprint()


def _record_connections() -> None:
    notes = os.open("connected", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            os.write(notes, f"{json.dumps(arguments[1], default=str)}\n".encode())
        elif event == "socket.getaddrinfo":
            os.write(notes, f"{json.dumps(arguments[:2], default=str)}\n".encode())

    sys.addaudithook(hook)


def _serve() -> None:
    """Run tasks until the end of standard input."""
    load_everything()
    for line in sys.stdin:
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _run(Task(**json.loads(line)))
        _, status, used = os.wait4(child, 0)
        ended = TaskResult(
            code=os.waitstatus_to_exitcode(status),
            seconds=time.monotonic() - started,
            cpu=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * 1024,
        )
        print(json.dumps(asdict(ended)), flush=True)


if __name__ == "__main__":
    _serve()
