"""Child processes: limited in output and time, and ended with their descendants however this process ends."""

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

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and shells")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def run_shell(
    script: str, *, kind: ChildKind = ChildKind.SMOKE_COMMAND, seconds: float = 60, merged: bool = False
) -> CompletedChild:
    return run_child(["/bin/sh", "-c", script], kind, timeout=seconds, merge_stderr=merged)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(*pids: int, within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while any(map(is_running, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def wait_for_pids(path: Path, count: int) -> list[int]:
    """Wait until ``count`` processes have written their PIDs to ``path``, and return the PIDs."""
    deadline = time.monotonic() + 30
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(line) for line in path.read_text().split()]


# --- output ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 128, 129, 1000])
def test_keeps_the_start_and_the_end_of_the_output(size: int, step: int) -> None:
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
def test_limits_the_memory_for_endless_output() -> None:
    completed = run_shell("yes; echo unreachable", seconds=1.5)
    assert completed.timed_out
    assert completed.output.size > 4 * MAX_OUTPUT_SIZE
    assert len(bytes(completed.output)) == MAX_OUTPUT_SIZE
    both = run_shell("yes >&2 & yes & sleep 0.5; kill %1 %2; echo end", merged=True)
    assert len(bytes(both.output)) <= MAX_OUTPUT_SIZE


@POSIX
def test_decodes_output_that_is_not_text() -> None:
    completed = run_shell(r"printf '\377\303(\n'; printf 'a\000b' >&2")
    assert completed.output.text() == "\ufffd\ufffd(\n"
    assert completed.error_output.text() == "a\0b"


@POSIX
def test_sends_input_of_any_size_even_if_it_is_not_read() -> None:
    data = os.urandom(1 << 20)
    counted = run_child(["/bin/sh", "-c", "wc -c"], ChildKind.SMOKE_COMMAND, timeout=60, stdin=data)
    assert int(counted.output.text()) == 1 << 20
    assert (
        run_child(["/bin/sh", "-c", "exit 3"], ChildKind.SMOKE_COMMAND, timeout=60, stdin=data).exit_status
        == 3
    )


def broken_input() -> Iterator[bytes]:
    yield b"the first half, "
    raise ValueError("no second half")


@POSIX
def test_kills_a_child_whose_input_cannot_be_produced(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", f"cat; touch {tmp_path}/complete"]
    with pytest.raises(ValueError, match="no second half"):
        run_child(command, ChildKind.SMOKE_COMMAND, timeout=60, stdin_pieces=broken_input())
    assert not (tmp_path / "complete").exists()


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@LINUX
@pytest.mark.parametrize("pieces", [None, [b"a", b"b"], [bytes(1 << 20)]])
@pytest.mark.parametrize("command", ["cat", "exit 3", "setsid sleep 300 & cat; echo"])
@pytest.mark.parametrize("merged", [False, True])
def test_closes_every_pipe(command: str, pieces: list[bytes] | None, merged: bool) -> None:
    def run(program: str) -> CompletedChild:
        return run_child(
            [program, "-c", command],
            ChildKind.SMOKE_COMMAND,
            timeout=60,
            stdin_pieces=pieces,
            merge_stderr=merged,
        )

    run("/bin/sh")
    before = open_descriptors()
    run("/bin/sh")
    with pytest.raises(ChildStartError):
        run("/no/such/program")
    assert open_descriptors() == before


# --- exit status -----------------------------------------------------------------------------------


@POSIX
def test_names_every_signal() -> None:
    names = {describe_exit_status(-number) for number in range(1, 65)}
    assert {"killed by SIGKILL", "killed by SIGRTMIN", "killed by SIGRTMIN+1", "killed by SIGRTMAX"} <= names
    assert describe_exit_status(-1000) == "killed by signal 1000"
    assert len(names) == 64
    assert describe_exit_status(3) == "exit code 3"


@LINUX
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGRTMIN, signal.SIGRTMIN + 5, signal.SIGRTMAX])
def test_reports_a_child_that_is_killed_by_any_signal(number: int) -> None:
    completed = run_child(
        [sys.executable, "-c", f"import os; os.kill(os.getpid(), {int(number)})"],
        ChildKind.PYTHON,
        timeout=60,
    )
    assert describe_exit_status(completed.exit_status).startswith("killed by SIG")


@POSIX
@pytest.mark.parametrize("command", [["/no/such/program"], ["/"], ["a\0b"], ["/bin/sh", "\ud800"]])
def test_reports_a_command_that_cannot_be_started(command: list[str]) -> None:
    with pytest.raises(ChildStartError):
        run_child(command, ChildKind.SMOKE_COMMAND, timeout=60)


#: Background processes that a child may leave: in its process group, in its session, or in a new session.
BACKGROUND = {
    "group": "sleep 300 &",
    "session": "set -m; sleep 300 &",
    "new session": "setsid sleep 300 &",
    "stubborn": "(trap '' TERM INT HUP; while :; do sleep 300; done) &",
}


@LINUX
@pytest.mark.parametrize("kind", BACKGROUND)
def test_ends_the_background_processes_of_a_child(kind: str, tmp_path: Path) -> None:
    """The call does not wait for their open pipes either."""
    pids = tmp_path / "pids"
    began = time.monotonic()
    completed = run_shell(f"{BACKGROUND[kind]} echo $! > {pids}; echo said")
    assert (completed.exit_status, completed.output.text()) == (0, "said\n")
    assert wait_until_gone(*wait_for_pids(pids, 1))
    assert time.monotonic() - began < 10


@LINUX
@pytest.mark.parametrize("kind", BACKGROUND)
def test_a_timeout_ends_a_child_and_its_descendants(kind: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    completed = run_shell(
        f"trap '' TERM; {BACKGROUND[kind]} echo $! > {pids}; echo $$ >> {pids}; sleep 300 & wait; wait",
        seconds=1,
    )
    assert completed.timed_out
    assert wait_until_gone(*wait_for_pids(pids, 2))


@LINUX
def test_a_child_may_clean_up_on_sigterm(tmp_path: Path) -> None:
    script = f"trap 'echo clean > {tmp_path}/up; exit 5' TERM; echo $$ > {tmp_path}/pid; "
    script += "while :; do sleep 0.1; done"
    with ChildProcess(["/bin/sh", "-c", script], ChildKind.SMOKE_COMMAND):
        wait_for_pids(tmp_path / "pid", 1)
    assert (tmp_path / "up").read_text() == "clean\n"


# --- several children ------------------------------------------------------------------------------


@LINUX
def test_a_failure_ends_the_other_children_and_starts_no_more(tmp_path: Path) -> None:
    started: list[int] = []
    scope = ChildScope()

    def work(number: int) -> int:
        started.append(number)
        if number == 0:
            wait_for_pids(tmp_path / "pids", 1)
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
    assert wait_until_gone(*wait_for_pids(tmp_path / "pids", 1))
    assert len(started) < 50
    with pytest.raises(ChildScopeEnded):
        run_child(["/bin/true"], ChildKind.SMOKE_COMMAND, timeout=60, scope=scope)


@LINUX
@pytest.mark.parametrize("end", [child_process.terminate_all_children, child_process.kill_all_children])
def test_ends_all_children_from_another_thread(end: object, tmp_path: Path) -> None:
    ended: list[CompletedChild] = []
    threads = [
        threading.Thread(
            target=lambda: ended.append(run_shell(f"echo $$ >> {tmp_path}/pids; exec sleep 300"))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    pids = wait_for_pids(tmp_path / "pids", 3)
    assert callable(end)
    end()
    for thread in threads:
        thread.join(20)
    assert wait_until_gone(*pids)
    assert {completed.exit_status for completed in ended} <= {-signal.SIGTERM, -signal.SIGKILL}
    assert not child_process._running_children


# --- the end of this process -----------------------------------------------------------------------

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
    check_children_end(kind, "killed", "group", tmp_path)


@LINUX
@pytest.mark.parametrize(
    ("end", "background"), [("forced exit", "stubborn"), ("crash", "group"), ("killed", "new session")]
)
def test_descendants_end_however_this_process_ends(end: str, background: str, tmp_path: Path) -> None:
    check_children_end(ChildKind.SMOKE_COMMAND, end, background, tmp_path)


def check_children_end(kind: ChildKind, end: str, background: str, folder: Path) -> None:
    pids = folder / "pids"
    script = (
        f"{BACKGROUND[background]} echo $! > {pids}.new; echo $$ >> {pids}.new; mv {pids}.new {pids}; wait"
    )
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT.format(end=ENDS[end]), script, kind.name, str(pids)],
        stderr=subprocess.DEVNULL,
    ) as parent:
        try:
            children = wait_for_pids(pids, 2)
            if end == "killed":
                assert all(map(is_running, children))
        finally:
            if end == "killed":
                parent.kill()
            parent.wait(60)
    assert wait_until_gone(*children)


# --- no other place starts processes ---------------------------------------------------------------

#: Functions of ``os`` and ``asyncio`` that start a process, or become one.
_STARTS = re.compile(r"system|popen|fork|exec[lv]|spawn|posix_spawn|startfile|create_subprocess")
_LIBRARIES = {"subprocess", "multiprocessing", "pty", "ProcessPoolExecutor", "webbrowser"}


def find_process_starts() -> Iterator[str]:
    """Yield every place in the package that starts a process without ``child_processes``."""
    package = Path(wheel_uploader.__file__).parent
    for path in package.rglob("*.py"):
        # The watchdog is a fork of the run and starts nothing.
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


def test_starts_no_process_anywhere_else() -> None:
    assert not list(find_process_starts())
