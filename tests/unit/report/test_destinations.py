"""Reports in files, and what GitHub Actions gets: whole or not there, and never what a run fails on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import hostile_reports, reports, servers, wheels
from tests.support.in_process import run
from wheel_uploader.cli.options.run import FORMATS
from wheel_uploader.core.errors import StorageError, UsageError
from wheel_uploader.report import destinations, formats_table
from wheel_uploader.report.destinations import ReportDestination

ALL = ("r.html", "r.md", "r.json", "r.sarif", "r.txt", "r.notes.md", "r.notes.rst")


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    return tmp_path / "staged"


# --- --report --------------------------------------------------------------------------------------


def test_the_name_says_the_format(staged: Path) -> None:
    options = [part for name in (*ALL, "sub/folder/R.HTML") for part in ("--report", name)]
    ran = run("--until", "check", "-u", staged, *options, "dipy", "1.11.0")
    assert ran.exit_code == 0
    text = {name: Path(name).read_text(encoding="utf-8") for name in ALL}
    assert text["r.html"].startswith("<!DOCTYPE html>")
    assert Path("sub/folder/R.HTML").read_text(encoding="utf-8") == text["r.html"]
    assert text["r.md"].startswith("## `dipy` `1.11.0`: Checked\n")
    assert json.loads(text["r.json"])["reached"] == "check"
    assert json.loads(text["r.json"])["began"].endswith("+00:00")
    assert json.loads(text["r.sarif"])["version"] == "2.1.0"
    assert text["r.txt"].replace("✓", "x").replace("·", ".") == ran.stdout.replace("✓", "x").replace("·", ".")
    assert text["r.notes.md"].startswith("| File |")
    assert text["r.notes.rst"].startswith(".. list-table::")
    assert {path.name for path in Path().iterdir()} == {*ALL, "staged", "sub"}


def test_every_format_has_a_suffix_and_is_an_option() -> None:
    assert set(formats_table.FORMAT_BY_SUFFIX.values()) == set(formats_table.RENDERERS)
    said = run("--help").stdout
    assert all(suffix in said for suffix in formats_table.FORMAT_BY_SUFFIX)
    assert set(FORMATS) == set(formats_table.RENDERERS)


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.rst", "html"])
def test_a_name_that_says_no_format(staged: Path, name: str) -> None:
    ran = run("-u", "https://127.0.0.1:1/", "--report", name, "dipy", "1.11.0")
    assert ran.exit_code == 2
    assert ran.stderr == (
        f"error: --report {name}: the file name has no suffix of a known report format\n"
        "next: Use one of these suffixes: .notes.md, .notes.rst, .html, .md, .json, .sarif, .txt.\n"
    )


def test_what_cannot_be_written_is_told_before_anything_starts(staged: Path) -> None:
    Path("file").write_text("x", encoding="utf-8")
    Path("folder.html").mkdir()
    for name, why in (
        ("file/r.html", f"{Path('file').absolute()} is not a directory"),
        ("folder.html", "it is not a regular file"),
        ("x" * 300 + ".html", "File name too long"),
    ):
        ran = run("--until", "check", "-u", staged, "--report", name, "dipy", "1.11.0")
        assert ran.exit_code == 13
        assert ran.stderr.splitlines()[0] == f"error: could not write the report {name}: {why}"
        assert ran.stdout == ""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed")
    with pytest.raises(StorageError, match=r"no write permission for .*closed"):
        destinations.parse_destinations([tmp_path / "closed" / "r.html"])


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("exit_code", [13, 6])
def test_a_disk_that_fails_in_the_end(staged: Path, exit_code: int) -> None:
    """The run is what it was; where all was well, its end says that something is left to do."""
    if exit_code == 6:
        (staged / "dipy-1.11.0-cp311-cp311-linux_x86_64.whl").write_bytes(b"no wheel")
    command = [sys.executable, "-m", "wheel_uploader", "--until", "check", "-u", str(staged)]
    command += ["--report", "r.html", "--report", "s.html", "--report", "r.md", "dipy", "1.11.0"]
    # Files of 8 KiB and no more: enough for the Markdown, not for the page.
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", *command]
    ran = subprocess.run(limited, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == exit_code, ran.stderr
    assert "error: could not write the report r.html: File too large\n" in ran.stderr
    assert "  could not write the report s.html: File too large\n" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("next: ")
    assert {path.name for path in Path().iterdir()} == {"r.md", "staged"}


def test_a_failed_run_leaves_its_report(staged: Path) -> None:
    ran = run("-u", staged / "nowhere", "--report", "r.html", "--report", "r.json", "dipy", "1.11.0", "-n")
    assert ran.exit_code != 0
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["exit_code"] == ran.exit_code
    assert "<strong>" in Path("r.html").read_text(encoding="utf-8")


def test_a_run_that_never_began_leaves_its_report(staged: Path) -> None:
    ran = run("--report", "r.md", "dipy", "1.11.0")
    assert ran.exit_code == 2
    assert Path("r.md").read_text(encoding="utf-8").startswith("## `dipy` `1.11.0`: Configuration error\n")
    assert ran.stdout == ""


def test_a_signal_leaves_the_report(tmp_path: Path) -> None:
    """A real one, to the real command, while it waits for what never comes."""
    wheels.make_release(tmp_path / "staged")
    with servers.python_http_server(tmp_path / "staged") as url:
        command = [sys.executable, "-m", "wheel_uploader", "--until", "check", "-u", url, "--expect", "99"]
        command += ["--wait", "1h", "--report", "r.html", "--report", "r.json", "-v", "dipy", "1.11.0"]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            for line in process.stderr:
                if "wait" in line:
                    break
            process.terminate()
            process.communicate(timeout=120)
    assert process.returncode == 128 + 15
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["exit_code"] == 128 + 15
    assert "<strong>Interrupted</strong>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_report_takes_the_place_of_the_last_one_and_a_link_stays_a_link(tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_text("old", encoding="utf-8")
    link = tmp_path / "link.json"
    link.symlink_to(old)
    assert (
        destinations.write_reports(reports.published(), [ReportDestination(path=link, format="json")]) is None
    )
    assert link.is_symlink()
    assert json.loads(old.read_text(encoding="utf-8"))["exit_code"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"link.json", "old.json"}


def test_the_same_file_twice_is_written_once(tmp_path: Path) -> None:
    assert len(destinations.parse_destinations([tmp_path / "a.md", tmp_path / "a.md"])) == 1
    with pytest.raises(UsageError):
        destinations.parse_destinations([tmp_path / "a.md", tmp_path / "a"])


def test_reports_come_from_the_configuration_too(staged: Path) -> None:
    Path("pyproject.toml").write_text(
        '[tool.wheel-uploader]\nreport = ["a.md", "b.json"]\n', encoding="utf-8"
    )
    assert run("--until", "list", "-u", staged, "dipy", "1.11.0").exit_code == 0
    assert Path("a.md").is_file()
    assert Path("b.json").is_file()


# --- GitHub Actions --------------------------------------------------------------------------------


def read_outputs(text: str) -> dict[str, str]:
    """As the runner reads them: NAME<<END, lines, END."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, arrow, end = line.partition("<<")
        assert arrow, line
        value = []
        for inner in lines:
            if inner == end:
                break
            value.append(inner)
        found[name] = "\n".join(value)
    return found


def test_the_summary_and_the_outputs(staged: Path) -> None:
    Path("summary").write_text("what was there\n", encoding="utf-8")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_OUTPUT": "output"}
    ran = run("--until", "check", "-u", staged, "dipy", "1.11.0", env=env)
    assert ran.exit_code == 0
    assert (
        Path("summary")
        .read_text(encoding="utf-8")
        .startswith("what was there\n## `dipy` `1.11.0`: Checked\n")
    )
    found = read_outputs(Path("output").read_text(encoding="utf-8"))
    assert found == {"published": "", "skipped": "", "missing": "", "exit_code": "0"}
    assert (
        run("--until", "check", "-u", staged, "dipy", "1.11.0", env={**env, "GITHUB_ACTIONS": ""}).exit_code
        == 0
    )
    assert Path("summary").read_text(encoding="utf-8").count("## `dipy`") == 1


def test_the_outputs_are_lists() -> None:
    found = formats_table.build_workflow_outputs(reports.published())
    assert found["published"].splitlines() == [*reports.WHEELS[1:], reports.SDIST]
    assert found["skipped"] == reports.WHEELS[0]
    assert formats_table.build_workflow_outputs(reports.everything())["missing"].splitlines() == [
        "cp310-win_amd64",
        "cp314-macosx_arm64",
    ]


@pytest.mark.parametrize("payload", hostile_reports.PAYLOADS, ids=lambda payload: ascii(payload)[:30])
def test_nothing_of_somebody_else_becomes_an_output(tmp_path: Path, payload: str) -> None:
    output = tmp_path / "output"
    assert not list(
        destinations.write_github_outputs(
            hostile_reports.hostile_report(payload), 6, {"GITHUB_OUTPUT": str(output)}
        )
    )
    found = read_outputs(output.read_text(encoding="utf-8"))
    assert set(found) == {"published", "skipped", "missing", "exit_code"}
    assert found["exit_code"] == "6"


def test_a_summary_never_gets_too_long(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    made = hostile_reports.report_with_findings(10_000)
    for _ in range(6):
        assert not list(destinations.write_github_outputs(made, 6, environment))
    assert destinations.SUMMARY_LIMIT - 10_000 < summary.stat().st_size <= destinations.SUMMARY_LIMIT
    assert "is cut here" in summary.read_text(encoding="utf-8")


def test_a_summary_that_cannot_be_written_fails_nothing(staged: Path) -> None:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "no/such", "GITHUB_OUTPUT": "."}
    ran = run("--until", "check", "-u", staged, "dipy", "1.11.0", env=env)
    assert ran.exit_code == 0
    assert [line for line in ran.stderr.splitlines() if line.startswith("warning: could not write")] == [
        "warning: could not write to GITHUB_STEP_SUMMARY: No such file or directory",
        "warning: could not write to GITHUB_OUTPUT: Is a directory",
    ]
    assert "GITHUB" not in run("-qq", "--until", "check", "-u", staged, "dipy", "1.11.0", env=env).stderr
