"""Runs the command in a separate process, without a terminal, in an empty folder."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from tests.support import preloaded_command

#: Variables that the user's environment may have and that no test may use.
_USER_VARIABLES = ("TWINE_", "WHEEL_UPLOADER_", "PIP_")


class RunResult:
    """The exit code and the output of a run."""

    def __init__(self, arguments: Sequence[str], ended: preloaded_command.EndedRun) -> None:
        self.exit_code, self.stdout, self.stderr = (
            ended.exit_code,
            ended.stdout.decode(),
            ended.stderr.decode(),
        )
        assert "Traceback" not in self.stderr, self.stderr
        if self.exit_code and "--doctor" not in arguments:
            # The last line of every failed run is the hint what to do next.
            assert self.stderr.splitlines()[-1].startswith("next: "), self.stderr

    @property
    def error_line(self) -> str:
        """Return the line with the error message."""
        return next(line for line in self.stderr.splitlines() if line.startswith("error: "))


class CommandLine:
    """The command line of a user whose home directory is the current directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(_USER_VARIABLES)
        }
        self.environment |= {"HOME": str(home), "NETRC": os.devnull, "PYTHONWARNINGS": "error"}
        self.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

    def run(self, *arguments: str | Path, **variables: str) -> RunResult:
        """Run ``wheel-uploader ARGUMENTS``, with ``variables`` in the environment."""
        words, environment = [str(argument) for argument in arguments], self.environment | variables
        if any(map(preloaded_command.takes_effect_at_start, variables)):
            ended = preloaded_command.run_new_process(words, self.home, environment)
        else:
            ended = preloaded_command.run(words, self.home, environment)
        return RunResult(words, ended)

    def report_files(self, *arguments: str | Path, **variables: str) -> dict[str, dict[str, object]]:
        """Run the command, which must succeed, and return the files of its JSON report by name."""
        ended = self.run("--format", "json", *arguments, **variables)
        assert ended.exit_code == 0, ended.stderr
        return {file["filename"]: file for file in json.loads(ended.stdout)["files"]}
