"""The command, run in a fork of a process that has imported everything: quick, and each run a fresh process.

As a module it is that process: it has a single thread, so that a fork of it is sound. Reads one Task as JSON
from each line of standard input and answers each with an Ended.
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

from tests.support import tested_package


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of the command in ``folder``; what it prints goes to the file ``log`` there."""

    arguments: list[str]
    folder: str
    environment: Mapping[str, str] = field(default_factory=dict)
    #: The number of the point to die at. 0: count them, into the file ``points``; -1: leave it alone.
    kill_at: int = -1
    #: Note in the file ``connected`` every address that it connects to or looks up.
    watch: bool = False
    #: Seconds after which it is killed.
    limit: int = 300


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How it ended: exit code or minus the signal, wall and CPU seconds, the most memory in bytes."""

    code: int
    seconds: float
    cpu: float
    memory: int


_ROOT = tested_package.ROOT
#: The checkout comes last on the path, as for pytest.
_IN_THE_PROCESS = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1));"
    "runpy.run_module('tests.soak.forks', run_name='__main__', alter_sys=True)"
)


class Forks:
    """A process that runs tasks, one at a time. ``before``: a command that starts it."""

    def __init__(self, *before: str) -> None:
        self.process = subprocess.Popen(
            [*before, sys.executable, "-c", _IN_THE_PROCESS, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env=plain(os.environ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            assert self.process.stdin
            self.process.stdin.close()

    def run(self, task: Task) -> Ended:
        self.start(task)
        return self.wait()

    def start(self, task: Task) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(asdict(task)) + "\n")
        self.process.stdin.flush()

    def wait(self) -> Ended:
        """Until the task that was started has ended."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait(10)}"
        return Ended(**json.loads(line))


def plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would configure the command, and without proxies."""
    ours = ("TWINE_", "WHEEL_UPLOADER_", "COVERAGE", "GITHUB_")
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }


def alone(home: Path) -> dict[str, str]:
    """The environment of a run that reads nothing of this machine's configuration, and asks nobody."""
    return {
        "TWINE_USERNAME": "",
        "TWINE_PASSWORD": "",
        "HOME": str(home),
        "NETRC": os.devnull,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }


# --- in the process ------------------------------------------------------------------------------------


def _run(task: Task) -> None:
    """In the fork: the command with its output in a file; never returns."""
    from tests.soak import kill_points
    from wheel_uploader.cli import main

    signal.alarm(task.limit)
    os.chdir(task.folder)
    os.environ.update(task.environment)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    sys.argv = ["wheel-uploader", *task.arguments]
    if task.watch:
        _watch()
    counter = kill_points.Counter(task.kill_at)
    if task.kill_at >= 0:
        kill_points.install(counter)
    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    if task.kill_at >= 0:
        with open("points", "w") as file:  # noqa: PTH123 - what pathlib would call is counted
            file.write(str(counter.passed))
    os._exit(code)


def _watch() -> None:
    notes = os.open("connected", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            os.write(notes, f"{json.dumps(arguments[1], default=str)}\n".encode())
        elif event == "socket.getaddrinfo":
            os.write(notes, f"{json.dumps(arguments[:2], default=str)}\n".encode())

    sys.addaudithook(hook)


def _serve() -> None:
    """Answer one task after the other until there is none."""
    # Once, not in each fork: all that a run loads or works out for itself.
    from wheel_uploader.inspection import cache as inspection_cache
    from wheel_uploader.pipeline import check_stage, confirm_stage, run, sign_stage, upload_stage  # noqa: F401
    from wheel_uploader.report.formats import text  # noqa: F401
    from wheel_uploader.upload import twine_uploader  # noqa: F401

    inspection_cache.fingerprint()

    for line in sys.stdin:
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            _run(Task(**json.loads(line)))
        _, status, used = os.wait4(child, 0)
        ended = Ended(
            code=os.waitstatus_to_exitcode(status),
            seconds=time.monotonic() - begun,
            cpu=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * 1024,
        )
        print(json.dumps(asdict(ended)), flush=True)


if __name__ == "__main__":
    _serve()
