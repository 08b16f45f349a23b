"""The login is known before anything is waited for, listed or downloaded, by the real command."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

import pytest

from tests.support.command_line import CommandLine
from tools.testing.indexes import Served

TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"
RELEASE = ("demo", "1.0")


def arguments(served: Served) -> list[str]:
    urls = ["--repository-url", served.upload_url, "--index-url", served.index_url]
    return ["-u", served.url + "staged/", *urls, "--retries", "1", "--confirm-timeout", "3", *RELEASE]


def test_no_login_is_exit_4_before_the_first_request(served: Served, command: CommandLine) -> None:
    ended = command.run("--wait", "1h", *arguments(served))
    assert ended.exit_code == 4
    assert "no username for" in ended.error_line
    assert (served.index.gets, served.index.posts) == ([], [])


def test_an_impossible_password_is_exit_4_before_the_first_request(
    served: Served, command: CommandLine
) -> None:
    ended = command.run(*arguments(served), TWINE_USERNAME="__token__", TWINE_PASSWORD=f'"{TOKEN}"')
    assert ended.exit_code == 4
    assert "the password from TWINE_PASSWORD is enclosed in quotation marks" in ended.error_line
    assert "AgEI" not in ended.stderr
    assert (served.index.gets, served.index.posts) == ([], [])


def test_a_line_end_is_left_out_with_a_note(served: Served, command: CommandLine) -> None:
    served.index.password = ("__token__", TOKEN)
    local = ["-u", "staged", *arguments(served)[2:]]
    ended = command.run(*local, TWINE_USERNAME="__token__", TWINE_PASSWORD=f"{TOKEN}\n")
    assert ended.exit_code == 0, ended.stderr
    assert ended.stderr.startswith("warning: the password from TWINE_PASSWORD ends or begins with a line end")
    assert len(served.index.posts) == 1


def test_says_nothing_about_an_ordinary_password(served: Served, command: CommandLine) -> None:
    password = "pa$wörd"
    served.index.password = ("jane", password)
    local = ["-u", "staged", *arguments(served)[2:]]
    ended = command.run(*local, TWINE_USERNAME="jane", TWINE_PASSWORD=password)
    assert ended.exit_code == 0, ended.stderr
    assert "warning" not in ended.stderr
    assert "login: user jane from TWINE_USERNAME, password from TWINE_PASSWORD\n" in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_prompts_before_the_first_request(served: Served, command: CommandLine) -> None:
    controller, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "wheel_uploader", *arguments(served), "--username", "jane"],
        cwd=command.home,
        env=command.environment,
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        shown, ends_at = b"", time.monotonic() + 60
        while b"password for" not in shown and time.monotonic() < ends_at:
            if select.select([controller], [], [], 1)[0]:
                shown += os.read(controller, 4096)
        assert b"Enter your password for" in shown
        assert (served.index.gets, served.index.posts) == ([], [])
        os.write(controller, b"\x04")
        process.terminate()
    os.close(controller)
