"""Runs the command in forks of a process that has imported its modules, which takes half of the time.

Run as a module this is that process. It has a single thread, so that it can be forked safely.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.testing import tested_package

#: Variables with these prefixes take effect when the interpreter or a library starts.
_START_UP_VARIABLES = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "COVERAGE", "XDG_CONFIG")
#: Passed on to the children of the command only.
_PATH = "PYTHONPATH"


@dataclass(frozen=True, kw_only=True)
class EndedRun:
    """A run of the command that has ended."""

    pid: int
    exit_code: int
    stdout: bytes
    stderr: bytes


def takes_effect_at_start(name: str) -> bool:
    """Return whether a variable has no effect on a process that runs already."""
    return name.startswith(_START_UP_VARIABLES)


def run(
    arguments: Sequence[str | bytes], folder: Path, environment: Mapping[str, str], *, timeout: int = 120
) -> EndedRun:
    """Run ``wheel-uploader ARGUMENTS`` in ``folder`` without standard input."""
    if not hasattr(os, "fork"):
        return run_new_process(arguments, folder, environment, timeout=timeout)
    start_up = frozenset(item for item in environment.items() if takes_effect_at_start(item[0]))
    request = {"arguments": list(map(os.fsdecode, arguments)), "folder": str(folder), "timeout": timeout}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(_server(start_up - {item for item in start_up if item[0] == _PATH}))
            message = json.dumps(request | {"environment": dict(environment)}).encode()
            socket.send_fds(connection, [len(message).to_bytes(8)], [stdout.fileno(), stderr.fileno()])
            connection.sendall(message)
            answer = connection.recv(64)
        outputs = []
        for file in (stdout, stderr):
            file.seek(0)
            outputs.append(file.read())
    assert answer, f"the run did not end: {outputs}"
    pid, exit_code = map(int, answer.split())
    return EndedRun(pid=pid, exit_code=exit_code, stdout=outputs[0], stderr=outputs[1])


def run_new_process(
    arguments: Sequence[str | bytes], folder: Path, environment: Mapping[str, str], *, timeout: int = 120
) -> EndedRun:
    """Run ``wheel-uploader ARGUMENTS`` as :func:`run` does, in a process that has imported nothing."""
    with subprocess.Popen(
        [sys.executable, "-m", "wheel_uploader", *map(os.fsdecode, arguments)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            process.kill()
    return EndedRun(pid=process.pid, exit_code=process.returncode, stdout=stdout, stderr=stderr)


@functools.cache
def _server(start_up: frozenset[tuple[str, str]]) -> str:
    """Return the path of the socket of a server with these variables, which the tests share."""
    folder = tempfile.TemporaryDirectory()
    path = str(Path(folder.name) / "socket")
    others = {name: value for name, value in os.environ.items() if not takes_effect_at_start(name)}
    process = subprocess.Popen(
        tested_package.run_module("tests.support.preloaded_command", path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=others | dict(start_up),
    )

    def stop() -> None:
        with process:
            assert process.stdin
            process.stdin.close()
        folder.cleanup()

    atexit.register(stop)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return path


# --- in the server -------------------------------------------------------------------------------------


def _serve(path: str) -> None:
    """Run the command once for each connection, until standard input ends."""
    _import_modules()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            connection, _ = listener.accept()
            with connection:
                if not os.fork():
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    listener.close()
                    _answer(connection)


def _import_modules() -> None:
    """Import all modules of the package."""
    import wheel_uploader

    for module in pkgutil.walk_packages(wheel_uploader.__path__, "wheel_uploader."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def _answer(connection: socket.socket) -> None:
    """Run the command in another fork, send its exit code, and exit."""
    size, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
    message = b""
    while len(message) < int.from_bytes(size):
        message += connection.recv(1 << 16)
    child = os.fork()
    if not child:
        connection.close()
        _run(json.loads(message), descriptors)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(f"{child} {code}".encode())
    os._exit(0)


def _run(request: dict[str, object], descriptors: Sequence[int]) -> None:
    """Run the command in this process."""
    signal.alarm(int(str(request["timeout"])))
    os.chdir(str(request["folder"]))
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, standard in zip(descriptors, (1, 2), strict=True):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os._exit(run_command(_run_as_script, request["arguments"]))  # type: ignore[arg-type]


def _run_as_script() -> None:
    runpy.run_module("wheel_uploader", run_name="__main__", alter_sys=True)


def run_command(main: Callable[[], object], arguments: Sequence[str]) -> int:
    """Call the command's ``main`` in this process, and return its exit code."""
    sys.argv = ["wheel-uploader", *arguments]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _serve(sys.argv[1])
