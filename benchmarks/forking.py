"""Runs a command of Python once for each file, in a fork of a process that has loaded its modules. For POSIX.

``python forking.py -m MODULE ARGUMENT...`` (or ``-c CODE``) takes paths on standard input, runs MODULE with
ARGUMENT... and the path, and prints a line of JSON for each: its exit code, and what it said. It imports
nothing of ours: the Python that runs it is one that has the command's package.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import signal
import sys
import tempfile
import traceback

#: A file on which a checker takes longer is one that it fails on.
LIMIT = 60


def main() -> None:
    kind, command, *arguments = sys.argv[1:]
    paths = sys.stdin.read().splitlines()
    _load(kind, command, arguments)
    for path in paths:
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if not child:
                _child(kind, command, [*arguments, path], said.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            print(json.dumps([code, said.read().decode(errors="replace")]))


def _load(kind: str, command: str, arguments: list[str]) -> None:
    """Run it once in this process, on no file that there is, so that its modules are loaded."""
    nothing = io.StringIO()
    with (
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
        contextlib.suppress(BaseException),
    ):
        _run(kind, command, [*arguments, "absent-1.0-py3-none-any.whl"])


def _run(kind: str, command: str, arguments: list[str]) -> None:
    sys.argv = [command, *arguments]
    if kind == "-m":
        runpy.run_module(command, run_name="__main__", alter_sys=True)
    else:
        exec(compile(command, "<command>", "exec"), {"__name__": "__main__"})


def _child(kind: str, command: str, arguments: list[str], said: int) -> None:
    """Never returns."""
    signal.alarm(LIMIT)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code: object = 0
    try:
        _run(kind, command, arguments)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - a traceback of the command is its answer
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


if __name__ == "__main__":
    main()
