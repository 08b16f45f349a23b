"""Somebody who runs the command: in a process of its own, without a terminal, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

#: What a person's machine may have that no test may use.
_FOREIGN = ("TWINE_", "WHEEL_UPLOADER_", "PIP_")


class RunResult:
    """A run that has ended: its exit code and what it said."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.exit_code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        assert "Traceback" not in self.stderr, self.stderr
        if self.exit_code:
            # Each end but a good one says what to do next, in its last line.
            assert self.stderr.splitlines()[-1].startswith("next: "), self.stderr

    @property
    def error_line(self) -> str:
        """The sentence that says what happened."""
        return next(line for line in self.stderr.splitlines() if line.startswith("error: "))


class CommandLine:
    """Somebody at a terminal-less shell in an empty folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
        self.environment |= {"HOME": str(home), "NETRC": os.devnull, "PYTHONWARNINGS": "error"}
        self.environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

    def run(self, *arguments: str | Path, **variables: str) -> RunResult:
        """``wheel-uploader ARGUMENTS``, with ``variables`` in the environment."""
        command = [sys.executable, "-m", "wheel_uploader", *map(str, arguments)]
        return RunResult(
            subprocess.run(
                command,
                cwd=self.home,
                env=self.environment | variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        )

    def report_files(self, *arguments: str | Path, **variables: str) -> dict[str, dict[str, object]]:
        """The files of the JSON report of a run that ended well, by name."""
        ended = self.run("--format", "json", *arguments, **variables)
        assert ended.exit_code == 0, ended.stderr
        return {file["filename"]: file for file in json.loads(ended.stdout)["files"]}
