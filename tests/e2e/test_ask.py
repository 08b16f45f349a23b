"""The question before the upload, by the real command on a pseudo-terminal."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time

import pytest

from tests.support.command_line import CommandLine
from tools.testing.indexes import Served

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

LOGIN = {"TWINE_USERNAME": "jane", "TWINE_PASSWORD": "hunter2-hunter2"}


def arguments(served: Served) -> list[str]:
    urls = ["--repository-url", served.upload_url, "--index-url", served.index_url]
    return ["-u", "staged", *urls, "--retries", "1", "--confirm-timeout", "3", "--ask", "demo", "1.0"]


def answered(served: Served, command: CommandLine, answer: str, *more: str) -> tuple[int, str]:
    """Run the command on a terminal, answer its question, and return exit code and output."""
    controller, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "wheel_uploader", *more, *arguments(served)],
        cwd=command.home,
        env={**command.environment, **LOGIN, "COLUMNS": "500"},
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        assert process.stderr
        shown, is_answered, ends_at = b"", False, time.monotonic() + 60
        while time.monotonic() < ends_at and select.select([process.stderr], [], [], 60)[0]:
            data = os.read(process.stderr.fileno(), 4096)
            if not data:
                break
            shown += data
            if b"[y/N]" in shown and not is_answered:
                assert served.index.posts == []
                os.write(controller, f"{answer}\n".encode())
                is_answered = True
    os.close(controller)
    return process.returncode, shown.decode()


def test_uploads_after_yes(served: Served, command: CommandLine) -> None:
    code, shown = answered(served, command, "y", "-q")
    assert code == 0, shown
    question = (
        rf"Upload 1 file \([\d.]+ k?B\) of demo 1\.0 to {re.escape(served.upload_url)} "
        r"\(login: user jane from TWINE_USERNAME, password from TWINE_PASSWORD\)\? \[y/N\] "
    )
    assert re.search(question, shown), shown
    assert "hunter2" not in shown
    assert len(served.index.posts) == 1
    # Now there is nothing to upload, and no question.
    code, shown = answered(served, command, "n")
    assert (code, "[y/N]" in shown) == (0, False)


@pytest.mark.parametrize("answer", ["", "no"])
def test_uploads_nothing_after_any_other_answer(served: Served, command: CommandLine, answer: str) -> None:
    code, shown = answered(served, command, answer)
    assert (code, served.index.posts) == (2, [])
    assert "the upload was declined; nothing was uploaded" in shown


def test_needs_a_terminal(served: Served, command: CommandLine) -> None:
    ended = command.run(*arguments(served), **LOGIN)
    assert ended.exit_code == 2
    assert ended.error_line == "error: --ask: there is no terminal to ask on"
    assert (served.index.gets, served.index.posts) == ([], [])
    both = command.run("--non-interactive", *arguments(served), **LOGIN)
    assert (both.exit_code, "mutually exclusive" in both.stderr) == (2, True)
    # A dry run uploads nothing, so it has nothing to ask.
    dry = command.run("--dry-run", *arguments(served), **LOGIN)
    assert dry.exit_code == 0, dry.stderr
    assert "--ask, --confirm-timeout have no effect with --dry-run" in dry.stderr
