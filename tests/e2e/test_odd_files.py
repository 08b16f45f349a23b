"""Files of the user that are pipes, devices, huge or oddly encoded, and outputs that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import wheels

if sys.platform == "win32":
    pytest.skip("pipes, devices and redirections of POSIX", allow_module_level=True)

TARGET = ("--repository-url", "http://127.0.0.1:9/legacy/")
CHECK = ("--until", "check", "-u", "staged", "dipy", "1.11.0", "--ignore", "release/no-sdist")
#: The options that name a file, with ``FILE`` in its place, and the variables.
NAMED_FILES = {
    "configuration": (["--config", "FILE", *CHECK], {}),
    "expected files": (["--expect", "FILE", *CHECK], {}),
    "hashes": (["--sha256sums", "FILE", *CHECK], {}),
    "logins": (["--config-file", "FILE", "-r", "internal", "-u", "staged", "dipy", "1.11.0"], {}),
    "certificates": (["--cert", "FILE", *TARGET, "-u", "staged", "dipy", "1.11.0"], {}),
    "client certificate": (["--client-cert", "FILE", *TARGET, "-u", "staged", "dipy", "1.11.0"], {}),
    "certificates of the machine": (
        [*TARGET, "-u", "staged", "dipy", "1.11.0"],
        {"SSL_CERT_FILE": "FILE"},
    ),
    "logins of the staging server": (
        ["--netrc", "-u", "http://127.0.0.1:9/", "--until", "list", "dipy", "1.11.0"],
        {"NETRC": "FILE"},
    ),
}
NOBODY = {"TWINE_USERNAME": "", "TWINE_PASSWORD": ""}


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    wheels.make_wheel(tmp_path / "staged")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    return CommandLine(tmp_path)


@pytest.mark.parametrize("kind", NAMED_FILES)
def test_refuses_a_file_without_an_end_or_a_writer(kind: str, command: CommandLine) -> None:
    """The run neither waits for ever nor reads until the memory is full."""
    arguments, variables = NAMED_FILES[kind]
    for name in ("pipe", "endless", "huge"):
        if name == "huge" and "cert" in kind:
            continue  # OpenSSL reads no further than the first line.
        ended = command.run(
            *(name if word == "FILE" else word for word in arguments),
            **NOBODY,
            **dict.fromkeys(variables, name),
        )
        assert ended.exit_code == 2, (name, ended.stderr)
        assert name in ended.error_line


def test_reads_a_file_from_a_process(command: CommandLine) -> None:
    """A pipe of the shell, as in ``--expect <(ssh host list)``, whose writer takes its time."""
    name = wheels.wheel_filename("dipy", "1.11.0")
    line = f'"{sys.executable}" -m wheel_uploader {" ".join(CHECK)} --expect <(sleep 3; echo {name})'
    done = subprocess.run(
        ["bash", "-c", line], cwd=command.home, env=command.environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_reads_a_configuration_with_a_byte_order_mark(command: CommandLine) -> None:
    (command.home / "pyproject.toml").write_text("[tool.wheel-uploader]\nexpect = 2\n", encoding="utf-8-sig")
    ended = command.run(*CHECK)
    assert ended.exit_code == 3, ended.stderr
    assert ended.error_line == "error: dipy 1.11.0 is incomplete"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[my]\nusername = j\xfcrg\n", "it is not UTF-8 text"),
        (b"[my]\nusername = a\n[my]\n", "the section in line 3 was there before"),
        (b"[my]\nusername = a\nusername = b\n", "the option in line 3 was there before"),
        (b"username = secret-1\n[my]\n", "line 1 comes before the first section"),
        (b"[my]\nsecret-1\n", "line 2 is neither a section nor an option"),
    ],
)
def test_names_the_mistake_in_pypirc(text: bytes, reason: str, command: CommandLine) -> None:
    (command.home / ".pypirc").write_bytes(text)
    ended = command.run("-r", "my", "-u", "staged", "dipy", "1.11.0", LC_ALL="C.UTF-8")
    assert ended.exit_code == 2
    assert reason in ended.error_line
    assert "secret-1" not in ended.stderr


@pytest.mark.parametrize("option", ["--help", "--version", "--show-config", "--explain", "--completion=bash"])
def test_says_that_the_disk_of_the_output_is_full(option: str, command: CommandLine) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "wb") as full:  # noqa: PTH123 (a device)
        done = subprocess.run(
            [sys.executable, "-m", "wheel_uploader", option],
            cwd=command.home,
            env=command.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 13, done.stderr
    assert done.stderr.startswith("error: cannot write to standard output: No space left on device\nnext: ")


def test_does_not_wait_for_a_reader_of_the_outputs_of_a_step(command: CommandLine) -> None:
    ended = command.run(*CHECK, GITHUB_ACTIONS="true", GITHUB_OUTPUT="pipe", GITHUB_STEP_SUMMARY="pipe")
    assert ended.exit_code == 0, ended.stderr
    assert ended.stderr.count("warning: could not write to GITHUB_") == 2
