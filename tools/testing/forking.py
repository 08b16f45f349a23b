"""Runs a Python command once per file, in a fork of a process that has loaded its modules. POSIX only.

``python forking.py -m MODULE ARGUMENT...`` (or ``-c CODE``) takes paths on standard input, runs MODULE with
ARGUMENT... and the path, and prints its exit code and its output as a line of JSON. It does not import our
modules, because it runs in the Python environment of the command's package.
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

#: Seconds after which a checker counts as failed on a file.
TIMEOUT_SECONDS = 60


def main() -> None:
    option, command, *arguments = sys.argv[1:]
    paths = sys.stdin.read().splitlines()
    _preload(option, command, arguments)
    for path in paths:
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if not child:
                _run_child(option, command, [*arguments, path], output.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            print(json.dumps([code, output.read().decode(errors="replace")]))


def _preload(option: str, command: str, arguments: list[str]) -> None:
    """Run the command once in this process, on a missing file, to load its modules."""
    discarded = io.StringIO()
    with (
        contextlib.redirect_stdout(discarded),
        contextlib.redirect_stderr(discarded),
        contextlib.suppress(BaseException),
    ):
        _run(option, command, [*arguments, "absent-1.0-py3-none-any.whl"])


def _run(option: str, command: str, arguments: list[str]) -> None:
    sys.argv = [command, *arguments]
    if option == "-m":
        runpy.run_module(command, run_name="__main__", alter_sys=True)
    else:
        exec(compile(command, "<command>", "exec"), {"__name__": "__main__"})


def _run_child(option: str, command: str, arguments: list[str], output_fd: int) -> None:
    """Run the command in this forked child, and exit."""
    signal.alarm(TIMEOUT_SECONDS)
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    code: object = 0
    try:
        _run(option, command, arguments)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - a traceback is part of the command's output
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1 if code else 0)


if __name__ == "__main__":
    main()
