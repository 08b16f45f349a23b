"""Child processes: bounded in output and time, and ended with all they started, however this one ends."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import wheel_uploader
from wheel_uploader.core.child_processes import process as child_process
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import (
    MAX_OUTPUT_SIZE,
    CapturedOutput,
    ChildScopeEnded,
    ChildStartError,
    CompletedChild,
    describe_exit_status,
)
from wheel_uploader.core.child_processes.process import ChildProcess, run_child
from wheel_uploader.core.child_processes.scope import ChildScope

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and shell scripts of POSIX")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux has them")


def shell(
    script: str, *, kind: ChildKind = ChildKind.SMOKE_COMMAND, seconds: float = 60, merged: bool = False
) -> CompletedChild:
    return run_child(["/bin/sh", "-c", script], kind, timeout=seconds, merge_stderr=merged)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(*pids: int, within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while any(map(is_there, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids_in(path: Path, count: int) -> list[int]:
    """Wait until so many processes have written down their numbers."""
    deadline = time.monotonic() + 30
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(line) for line in path.read_text().split()]


# --- output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 129, 1000])
def test_the_start_and_the_end_of_an_output_are_kept(size: int, step: int) -> None:
    data = bytes(number % 251 for number in range(size))
    output = CapturedOutput(128)
    for begin in range(0, size, step):
        output.add(data[begin : begin + step])
    assert output.size == size
    if size <= 128:
        assert (bytes(output), output.dropped_bytes) == (data, 0)
    else:
        assert (bytes(output), output.dropped_bytes) == (data[:64] + data[-64:], size - 128)
        assert f"\n... {size - 128} bytes omitted ...\n" in output.text()


@POSIX
def test_a_flood_takes_no_memory_and_does_not_block() -> None:
    done = shell("yes; echo unreachable", seconds=1.5)
    assert done.timed_out
    assert done.output.size > 4 * MAX_OUTPUT_SIZE
    assert len(bytes(done.output)) == MAX_OUTPUT_SIZE
    both = shell("yes >&2 & yes & sleep 0.5; kill %1 %2; echo end", merged=True)
    assert len(bytes(both.output)) <= MAX_OUTPUT_SIZE


@POSIX
def test_output_that_is_no_text_is_readable() -> None:
    done = shell(r"printf '\377\303(\n'; printf 'a\000b' >&2")
    assert done.output.text() == "\ufffd\ufffd(\n"
    assert done.error_output.text() == "a\0b"


@POSIX
def test_input_of_any_size_is_given_and_need_not_be_read() -> None:
    data = os.urandom(1 << 20)
    counted = run_child(["/bin/sh", "-c", "wc -c"], ChildKind.SMOKE_COMMAND, timeout=60, stdin=data)
    assert int(counted.output.text()) == 1 << 20
    assert (
        run_child(["/bin/sh", "-c", "exit 3"], ChildKind.SMOKE_COMMAND, timeout=60, stdin=data).exit_status
        == 3
    )


# --- how it ends -----------------------------------------------------------------------------------


@POSIX
def test_every_signal_has_a_name() -> None:
    names = {describe_exit_status(-number) for number in range(1, 65)}
    assert {"killed by SIGKILL", "killed by SIGRTMIN", "killed by SIGRTMIN+1", "killed by SIGRTMAX"} <= names
    assert describe_exit_status(-1000) == "killed by signal 1000"
    assert len(names) == 64
    assert describe_exit_status(3) == "exit code 3"


@LINUX
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGRTMIN, signal.SIGRTMIN + 5, signal.SIGRTMAX])
def test_a_child_that_is_killed_by_any_signal_is_an_ordinary_failure(number: int) -> None:
    done = run_child(
        [sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(number)})"],
        ChildKind.PYTHON,
        timeout=60,
    )
    assert describe_exit_status(done.exit_status).startswith("killed by SIG")


@POSIX
@pytest.mark.parametrize("command", [["/no/such/program"], ["/"], ["a\0b"], ["/bin/sh", "\ud800"]])
def test_what_cannot_be_started_is_said(command: list[str]) -> None:
    with pytest.raises(ChildStartError):
        run_child(command, ChildKind.SMOKE_COMMAND, timeout=60)


#: What a child may leave behind: in its process group, in its session, and in a session of its own.
BACKGROUND = {
    "group": "sleep 300 &",
    "session": "set -m; sleep 300 &",
    "own session": "setsid sleep 300 &",
    "stubborn": "(trap '' TERM INT HUP; while :; do sleep 300; done) &",
}


@LINUX
@pytest.mark.parametrize("kind", BACKGROUND)
def test_what_a_child_left_behind_ends_with_it(kind: str, tmp_path: Path) -> None:
    """And its open pipes are not waited for."""
    pids = tmp_path / "pids"
    began = time.monotonic()
    done = shell(f"{BACKGROUND[kind]} echo $! > {pids}; echo said")
    assert (done.exit_status, done.output.text()) == (0, "said\n")
    assert gone(*pids_in(pids, 1))
    assert time.monotonic() - began < 10


@LINUX
@pytest.mark.parametrize("kind", BACKGROUND)
def test_a_time_limit_ends_a_child_and_what_it_started(kind: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    done = shell(
        f"trap '' TERM; {BACKGROUND[kind]} echo $! > {pids}; echo $$ >> {pids}; sleep 300 & wait; wait",
        seconds=1,
    )
    assert done.timed_out
    assert gone(*pids_in(pids, 2))


@LINUX
def test_a_child_that_keeps_its_word_may_clean_up(tmp_path: Path) -> None:
    script = f"trap 'echo clean > {tmp_path}/up; exit 5' TERM; echo $$ > {tmp_path}/pid; "
    script += "while :; do sleep 0.1; done"
    with ChildProcess(["/bin/sh", "-c", script], ChildKind.SMOKE_COMMAND):
        pids_in(tmp_path / "pid", 1)
    assert (tmp_path / "up").read_text() == "clean\n"


# --- together --------------------------------------------------------------------------------------


@LINUX
def test_when_one_of_many_fails_the_others_end_and_none_begins(tmp_path: Path) -> None:
    begun: list[int] = []
    scope = ChildScope()

    def work(number: int) -> int:
        begun.append(number)
        if number == 0:
            pids_in(tmp_path / "pids", 1)
            raise ValueError("the first")
        run_child(
            ["/bin/sh", "-c", f"echo $$ >> {tmp_path}/pids; sleep 300"],
            ChildKind.SMOKE_COMMAND,
            timeout=60,
            scope=scope,
        )
        return number

    with pytest.raises(ValueError, match="the first"):
        scope.map_in_threads(work, range(50), max_threads=2)
    assert gone(*pids_in(tmp_path / "pids", 1))
    assert len(begun) < 50
    with pytest.raises(ChildScopeEnded):
        run_child(["/bin/true"], ChildKind.SMOKE_COMMAND, timeout=60, scope=scope)


@LINUX
@pytest.mark.parametrize("end", [child_process.terminate_all_children, child_process.kill_all_children])
def test_all_children_can_be_ended_from_anywhere(end: object, tmp_path: Path) -> None:
    ended: list[CompletedChild] = []
    threads = [
        threading.Thread(target=lambda: ended.append(shell(f"echo $$ >> {tmp_path}/pids; exec sleep 300")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    pids = pids_in(tmp_path / "pids", 3)
    assert callable(end)
    end()
    for thread in threads:
        thread.join(20)
    assert gone(*pids)
    assert {done.exit_status for done in ended} <= {-signal.SIGTERM, -signal.SIGKILL}
    assert not child_process._running_children


# --- when this process is gone ---------------------------------------------------------------------

_PARENT = """
import os, sys
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.process import ChildProcess
child = ChildProcess(["/bin/sh", "-c", sys.argv[1]], ChildKind[sys.argv[2]])
{end}
"""
_WAIT = "import time\nwhile not os.path.exists(sys.argv[3]): time.sleep(0.02)\n"
ENDS = {
    "killed": "import time; time.sleep(300)",
    "forced exit": _WAIT + "os._exit(3)",
    "crash": _WAIT + "import ctypes; ctypes.string_at(1)",
}


@LINUX
@pytest.mark.parametrize("kind", ChildKind)
def test_a_child_of_each_kind_ends_when_this_process_is_killed(kind: ChildKind, tmp_path: Path) -> None:
    ends_with(kind, "killed", "group", tmp_path)


@LINUX
@pytest.mark.parametrize(
    ("end", "left"), [("forced exit", "stubborn"), ("crash", "group"), ("killed", "own session")]
)
def test_what_a_child_started_ends_however_this_process_ends(end: str, left: str, tmp_path: Path) -> None:
    ends_with(ChildKind.SMOKE_COMMAND, end, left, tmp_path)


def ends_with(kind: ChildKind, end: str, left: str, folder: Path) -> None:
    pids = folder / "pids"
    script = f"{BACKGROUND[left]} echo $! > {pids}.new; echo $$ >> {pids}.new; mv {pids}.new {pids}; wait"
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT.format(end=ENDS[end]), script, kind.name, str(pids)],
        stderr=subprocess.DEVNULL,
    ) as parent:
        try:
            found = pids_in(pids, 2)
            if end == "killed":
                assert all(map(is_there, found))
        finally:
            if end == "killed":
                parent.kill()
            parent.wait(60)
    assert gone(*found)


# --- the only place --------------------------------------------------------------------------------

#: Functions of ``os`` and ``asyncio`` that start a process, or become one.
_STARTS = re.compile(r"system|popen|fork|exec[lv]|spawn|posix_spawn|startfile|create_subprocess")
_LIBRARIES = {"subprocess", "multiprocessing", "pty", "ProcessPoolExecutor", "webbrowser"}


def starts() -> Iterator[str]:
    """Yield every place of the package that could start a process without the module for it."""
    package = Path(wheel_uploader.__file__).parent
    for path in package.rglob("*.py"):
        # The watchdog is a fork of the run that starts nothing.
        if path.parent.name == "child_processes" or path.name == "watchdog.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            imported: set[str] = set()
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
            if imported & _LIBRARIES:
                yield f"{path}: {imported}"
            if not isinstance(node, ast.Attribute) or not _STARTS.match(node.attr):
                continue
            if ast.unparse(node.value) in {"os", "asyncio"}:
                yield f"{path}: {ast.unparse(node)}"


def test_no_process_is_started_anywhere_else() -> None:
    assert not list(starts())
