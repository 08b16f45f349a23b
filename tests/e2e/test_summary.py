"""The end of a run that failed, as a user reads it on a terminal: each fact once, then one next step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing.indexes import Reply, Served, scripted_index
from tools.testing.wheels import make_sdist

WHEEL = "demo-1.0-py3-none-any.whl"
LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-" + "login-word"}


def read_both_streams(command: CommandLine, *arguments: str | Path) -> str:
    """Run the command with standard output and standard error in one pipe, and return the text."""
    ended = subprocess.run(
        [sys.executable, "-m", "wheel_uploader", "-u", "staged", *arguments, "demo", "1.0"],
        cwd=command.home,
        env=command.environment | LOGIN,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    assert ended.returncode, ended.stdout.decode()
    return ended.stdout.decode()


def count(text: str, phrase: str) -> int:
    """Return how often a phrase is in the text, which may be wrapped in it."""
    return " ".join(text.split()).count(phrase)


def to(served: Served) -> tuple[str, ...]:
    return ("--repository-url", served.upload_url, "--index-url", served.index_url)


def assert_ends_with_one_next_step(text: str) -> None:
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("next: ")] == lines[-1:]


def test_a_conflict_is_described_once(command: CommandLine, served: Served) -> None:
    served.index.files[WHEEL] = b"other bytes"
    text = read_both_streams(command, *to(served))
    assert count(text, "but on the index it is") == 1
    assert count(text, "conflicts with") == 1
    assert_ends_with_one_next_step(text)


def test_a_failed_check_is_described_once(command: CommandLine) -> None:
    (command.home / "staged" / WHEEL).rename(
        command.home / "staged" / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    )
    text = read_both_streams(command, "--until", "check")
    assert count(text, "run 'auditwheel repair'") == 1
    assert_ends_with_one_next_step(text)


@pytest.mark.parametrize("status", [400, 403])
def test_a_rejected_upload_is_described_once(command: CommandLine, served: Served, status: int) -> None:
    served.index.script = [Reply(status, "400 Not for us")]
    text = read_both_streams(command, *to(served))
    assert count(text, "Not for us") == 1
    assert_ends_with_one_next_step(text)


def test_a_conflict_with_one_of_two_targets_is_described_once(command: CommandLine, served: Served) -> None:
    with scripted_index() as second:
        second.index.files[WHEEL] = b"other bytes"
        pypirc = command.home / ".pypirc"
        pypirc.write_text(
            f"[distutils]\nindex-servers =\n  one\n  two\n[one]\nrepository={served.upload_url}\n"
            f"[two]\nrepository={second.upload_url}\n"
        )
        text = read_both_streams(command, "-r", "one", "-r", "two")
    assert count(text, "conflicts with") == 1
    assert "error: 1 of 2 targets stopped the run, and nothing was uploaded\n" in text
    assert_ends_with_one_next_step(text)


def test_standard_error_alone_has_every_detail(command: CommandLine, served: Served) -> None:
    served.index.files[WHEEL] = b"other bytes"
    ended = command.run("-u", "staged", *to(served), "demo", "1.0", **LOGIN)
    assert f"  {WHEEL}: its sha256 is " in ended.stderr


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


@pytest.mark.parametrize("verbosity", [(), ("-v",)])
def test_a_truncated_wheel_is_described_once(command: CommandLine, verbosity: tuple[str, ...]) -> None:
    cut(command.home / "staged" / WHEEL)
    text = read_both_streams(command, *verbosity, "--until", "check")
    assert count(text, "it is truncated, or not a ZIP") == 1
    assert "error: 1 of 1 file failed the checks\n" in text
    assert_ends_with_one_next_step(text)


def test_files_that_are_checked_in_place_are_not_said_to_be_in_a_wheelhouse(command: CommandLine) -> None:
    make_sdist(command.home / "staged", "demo", "1.0")
    cut(command.home / "staged" / WHEEL)
    text = read_both_streams(command, "--until", "check")
    assert "  1 of 2 files is complete\n" in text
    assert "wheelhouse" not in text


def test_a_warning_is_printed_once_for_all_targets(command: CommandLine, served: Served) -> None:
    with scripted_index() as second:
        second.index.files[WHEEL] = b"other bytes"
        pypirc = command.home / ".pypirc"
        login = f"username=me\npassword={LOGIN['TWINE_PASSWORD']}\n"
        pypirc.write_text(
            f"[distutils]\nindex-servers =\n  one\n  two\n[one]\nrepository={served.upload_url}\n{login}"
            f"[two]\nrepository={second.upload_url}\n{login}"
        )
        pypirc.chmod(0o644)
        text = read_both_streams(command, "-r", "one", "-r", "two")
    assert count(text, "is readable by other users") == 1
    assert count(text, "the index has no release of demo (one)") == 1


def test_one_line_of_quiet_has_the_reason_of_a_rejected_file_once(
    command: CommandLine, served: Served
) -> None:
    make_sdist(command.home / "staged", "demo", "1.0")
    served.index.by_name[WHEEL] = Reply(400, "Not for us")
    text = read_both_streams(command, "-q", "--keep-going", *to(served))
    assert count(text, "Not for us") == 1
    assert f"\n  not in: {WHEEL}\n" in text


def test_the_reason_of_an_empty_file_is_not_promised_for_a_second_run(command: CommandLine) -> None:
    (command.home / "staged" / "demo-1.0-cp312-cp312-win_amd64.whl").write_bytes(b"")
    text = read_both_streams(command, "--until", "check")
    assert "1 other not selected, see above" in text
    assert "-v shows why" not in text
