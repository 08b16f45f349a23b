"""Completion in real shells on a real terminal: a word is typed partly, Tab is pressed, and the line runs."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.in_process import run
from tools.testing import tested_package
from wheel_uploader.cli import completion

ROOT = tested_package.ROOT
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
#: Seconds for a response of a shell; generous for a busy machine.
TIMEOUT = 60.0


class Shell:
    """An interactive shell on a new terminal."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        terminal, shell_end = pty.openpty()
        fcntl.ioctl(shell_end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self._terminal = terminal
        self._seen = ""
        # fish needs a controlling terminal.
        command = ["setsid", "--ctty", *command]
        self._process = subprocess.Popen(
            command, stdin=shell_end, stdout=shell_end, stderr=shell_end, cwd=folder, env=environment
        )
        os.close(shell_end)

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def read_until(self, marker: str) -> str:
        """Wait for ``marker`` in the output, and return the output before it."""
        end = time.monotonic() + TIMEOUT
        while marker not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{marker!r} is not in the output: {self._seen!r}"
            self._seen += os.read(self._terminal, 65536).decode(errors="replace")
        before, _, self._seen = self._seen.partition(marker)
        return before

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture(params=list(SHELLS))
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """Return a shell with the completion script, and a program that prints its arguments."""
    name: str = request.param
    for needed in (name, "setsid"):
        if not shutil.which(needed):
            pytest.skip(f"{needed} is not installed")
    program = tmp_path / "bin" / "wheel-uploader"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'[ -z "$_WHEEL_UPLOADER_COMPLETE" ] || exec {shlex.quote(sys.executable)} -m wheel_uploader "$@"\n'
        "printf '{'; printf '<%s>' \"$@\"; printf '}\\n'\n"
    )
    program.chmod(0o755)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.wheel-uploader.profiles.nightly]\npre = true\n"
        '[tool.wheel-uploader.targets.mirror]\nurl = "https://index.example/"\n'
    )
    (tmp_path / ".pypirc").write_text("[distutils]\nindex-servers = internal\n[internal]\nusername = jane\n")
    shown = run("--completion", name)
    assert (shown.exit_code, shown.stderr) == (0, "")
    script = tmp_path / "script"
    script.write_text(shown.stdout)
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tested_package.HOME),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }
    started = Shell(SHELLS[name], tmp_path, environment)
    request.addfinalizer(started.close)
    if name == "zsh":
        started.type("autoload -U compinit; compinit -u -D\n")
    started.type(f"source {script}; echo rea''dy\n")
    started.read_until("ready")
    return started


def test_tab_completes(shell: Shell) -> None:
    for typed, expected in (
        ("--max-d", "<--max-duration>"),
        ("--until conf", "<--until><confirm>"),
        ("--config-profile ni", "<--config-profile><nightly>"),
        ("-t many", "<-t><manylinux>"),
        ("--explain wheel/tags-mis", "<--explain><wheel/tags-mismatch-filename>"),
        ("--ignore native/missing-l", "<--ignore><native/missing-library>"),
        ("--config pypr", "<--config><pyproject.toml>"),
        ("-u pypr", "<-u><pyproject.toml>"),
        ("-r inter", "<-r><internal>"),
        ("--repository mir", "<--repository><mirror>"),
    ):
        shell.type(f"wheel-uploader {typed}\t END\n")
        assert shell.read_until("<END>}").rpartition("{")[2] == expected


@pytest.mark.parametrize("name", SHELLS)
def test_script_is_valid_for_its_shell(name: str, tmp_path: Path) -> None:
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    script = tmp_path / "script"
    script.write_text(run("--completion", name).stdout)
    subprocess.run([name, "-n", str(script)], check=True)


def test_unsupported_shell_error_lists_the_supported_ones() -> None:
    result = run("--completion", "tcsh")
    assert result.exit_code == 2
    assert "'bash', 'zsh', 'fish'" in result.stderr


@pytest.mark.parametrize(
    ("complete", "typed", "some"),
    [
        (completion.complete_checks, "", {"wheel", "record", "wheel/tags-mismatch-filename"}),
        (completion.complete_checks, "rec", {"record", "record/hash-mismatch"}),
        (completion.complete_checks, "record/h", {"record/hash-mismatch"}),
        (completion.complete_checks, "zzz", set()),
    ],
)
def test_completes_checks_and_families(
    complete: Callable[..., list[object]], typed: str, some: set[str]
) -> None:
    values = {getattr(item, "value", "") for item in complete(None, None, typed)}
    assert some <= values
    assert all(value.startswith(typed) for value in values)
