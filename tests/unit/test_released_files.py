"""Test how ``python -m benchmarks.released`` judges accusations, with made wheels as the released files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tools.testing import released_files
from tools.testing.released_files import Outcome
from tools.testing.wheels import make_wheel

BYTECODE = {"files": {"faulty/module.pyc": b"x"}}
CREDENTIALS = {"files": {"faulty/.pypirc": b"[pypi]\npassword=not-a-real-password\n"}}
BOTH_TRUE = """
# The wheel was made so.
content/secret faulty true: it contains a password
content/unwanted-file faulty,another tolerated: the file is intended
"""


def judge_two_wheels(folder: Path, arguments: str, faults: dict[str, dict[str, bytes]]) -> Outcome:
    """Judge a good wheel and one with ``faults``."""
    wheels = make_wheel(folder, "good", "1.0"), make_wheel(folder, "faulty", "1.0", **faults)  # type: ignore[arg-type]
    listed = [
        f"{path.name.partition('-')[0]}==1.0 {path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in wheels
    ]
    (folder / "list.txt").write_text("# Two releases.\n\n" + "".join(listed))
    (folder / "arguments.txt").write_text(arguments)
    files = released_files.read_list(folder / "list.txt")
    return released_files.judge(files, folder, released_files.read_arguments(folder / "arguments.txt"))


def report(outcome: Outcome) -> str:
    return "\n".join(released_files.format_outcome(outcome))


def test_fails_for_an_accusation_without_an_argument(tmp_path: Path) -> None:
    outcome = judge_two_wheels(tmp_path, "", BYTECODE)
    text = report(outcome)
    assert "content/bytecode (warning): 1 finding, 1 file, 1 project\n  faulty: NOT ARGUED\n" in text
    assert "faulty-1.0-py3-none-any.whl: faulty/module.pyc: it is compiled bytecode" in text
    assert outcome.failures == ["1 accusation has no argument"]


def test_passes_if_every_accusation_is_argued(tmp_path: Path) -> None:
    outcome = judge_two_wheels(tmp_path, BOTH_TRUE, CREDENTIALS)
    text = report(outcome)
    assert "  faulty: true: it contains a password\n" in text
    assert "2 wheels and 0 sdists of 2 projects: 1 (50.0%) wheels with an error, 0 (0.0%) with" in text
    assert "not needed: the argument for content/unwanted-file, another" in text
    assert outcome.failures == []


def test_an_error_that_is_only_tolerated_is_a_false_alarm(tmp_path: Path) -> None:
    outcome = judge_two_wheels(tmp_path, BOTH_TRUE.replace("true:", "tolerated:"), CREDENTIALS)
    assert outcome.failures == ["1 of 2 wheels have an error that is not argued as true: more than 0.5%"]


def test_a_release_whose_checks_cannot_run_is_accused(tmp_path: Path) -> None:
    outcome = judge_two_wheels(tmp_path, "", {})
    assert outcome.failures == []
    (tmp_path / "good-1.0-py3-none-any.whl").unlink()
    again = released_files.judge(outcome.files, tmp_path, {})
    assert "run/failed (error): 1 finding, 1 file, 1 project\n  good: NOT ARGUED\n" in report(again)
    assert again.wheels_with_error == {"good-1.0-py3-none-any.whl"}


@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_a_missing_or_changed_file_is_not_in_the_folder(tmp_path: Path, fault: str) -> None:
    first, second = judge_two_wheels(tmp_path, "", {}).files
    path = tmp_path / first.filename
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b"more")
    assert [first.is_in(tmp_path), second.is_in(tmp_path)] == [False, True]
