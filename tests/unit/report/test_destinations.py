"""Test report files and GitHub Actions outputs, including those that cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import hostile_reports
from tests.support.in_process import run
from tools.testing import reports, servers, wheels
from wheel_uploader.cli.options.run import FORMATS
from wheel_uploader.core.errors import StorageError, UsageError
from wheel_uploader.report import destinations, formats_table
from wheel_uploader.report.destinations import ReportDestination

REPORT_NAMES = ("r.html", "r.md", "r.json", "r.sarif", "r.txt", "r.notes.md", "r.notes.rst")


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")
    return tmp_path / "staged"


# --- --report --------------------------------------------------------------------------------------


def test_takes_the_format_from_the_file_name(staged: Path) -> None:
    options = [part for name in (*REPORT_NAMES, "sub/folder/R.HTML") for part in ("--report", name)]
    result = run("--until", "check", "-u", staged, *options, "dipy", "1.11.0")
    assert result.exit_code == 0
    text = {name: Path(name).read_text(encoding="utf-8") for name in REPORT_NAMES}
    assert text["r.html"].startswith("<!DOCTYPE html>")
    assert Path("sub/folder/R.HTML").read_text(encoding="utf-8") == text["r.html"]
    assert text["r.md"].startswith("## `dipy` `1.11.0`: Checked\n")
    assert json.loads(text["r.json"])["reached"] == "check"
    assert json.loads(text["r.json"])["began"].endswith("+00:00")
    assert json.loads(text["r.sarif"])["version"] == "2.1.0"
    assert text["r.txt"].replace("✓", "x").replace("·", ".") == result.stdout.replace("✓", "x").replace(
        "·", "."
    )
    assert text["r.notes.md"].startswith("| File |")
    assert text["r.notes.rst"].startswith(".. list-table::")
    assert {path.name for path in Path().iterdir()} == {*REPORT_NAMES, "staged", "sub"}


def test_every_format_has_a_suffix_and_is_an_option() -> None:
    assert set(formats_table.FORMAT_BY_SUFFIX.values()) == set(formats_table.RENDERERS)
    help_text = run("--help").stdout
    assert all(suffix in help_text for suffix in formats_table.FORMAT_BY_SUFFIX)
    assert set(FORMATS) == set(formats_table.RENDERERS)


@pytest.mark.parametrize("name", ["report", "report.pdf", "report.rst", "html"])
def test_rejects_a_file_name_without_a_known_suffix(staged: Path, name: str) -> None:
    result = run("-u", "https://127.0.0.1:1/", "--report", name, "dipy", "1.11.0")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: --report {name}: the file name has no suffix of a known report format\n"
        "next: Use one of these suffixes: .notes.md, .notes.rst, .html, .md, .json, .sarif, .txt.\n"
    )


def test_reports_an_unwritable_destination_before_the_run_starts(staged: Path) -> None:
    Path("file").write_text("x", encoding="utf-8")
    Path("folder.html").mkdir()
    for name, reason in (
        ("file/r.html", f"{Path('file').absolute()} is not a directory"),
        ("folder.html", "it is not a regular file"),
        ("x" * 300 + ".html", "File name too long"),
    ):
        result = run("--until", "check", "-u", staged, "--report", name, "dipy", "1.11.0")
        assert result.exit_code == 13
        assert result.stderr.splitlines()[0] == f"error: could not write the report {name}: {reason}"
        assert result.stdout == ""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_rejects_a_folder_without_write_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed")
    with pytest.raises(StorageError, match=r"no write permission for .*closed"):
        destinations.parse_destinations([tmp_path / "closed" / "r.html"])


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize("exit_code", [13, 6])
def test_reports_a_disk_error_at_the_end_of_a_run(staged: Path, exit_code: int) -> None:
    """The exit code reports the disk error only if the run was otherwise successful."""
    if exit_code == 6:
        (staged / "dipy-1.11.0-cp311-cp311-linux_x86_64.whl").write_bytes(b"no wheel")
    command = [sys.executable, "-m", "wheel_uploader", "--until", "check", "-u", str(staged)]
    command += ["--report", "r.html", "--report", "s.html", "--report", "r.md", "dipy", "1.11.0"]
    # Limit files to 8 KiB: enough for Markdown, too small for HTML.
    limited = ["bash", "-c", 'ulimit -f 8; exec "$@"', "bash", *command]
    result = subprocess.run(limited, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == exit_code, result.stderr
    assert "error: could not write the report r.html: File too large\n" in result.stderr
    assert "  could not write the report s.html: File too large\n" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("next: ")
    assert {path.name for path in Path().iterdir()} == {"r.md", "staged"}


def test_a_failed_run_writes_its_report(staged: Path) -> None:
    result = run("-u", staged / "nowhere", "--report", "r.html", "--report", "r.json", "dipy", "1.11.0", "-n")
    assert result.exit_code != 0
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["exit_code"] == result.exit_code
    assert "<strong>" in Path("r.html").read_text(encoding="utf-8")


def test_a_configuration_error_writes_a_report(staged: Path) -> None:
    result = run("--report", "r.md", "dipy", "1.11.0")
    assert result.exit_code == 2
    assert Path("r.md").read_text(encoding="utf-8").startswith("## `dipy` `1.11.0`: Configuration error\n")
    assert result.stdout == ""


def test_an_interrupted_run_writes_its_report(tmp_path: Path) -> None:
    """Send a real signal to the command while it waits for files that never appear."""
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


def test_replaces_an_old_report_and_keeps_a_symlink(tmp_path: Path) -> None:
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


def test_writes_a_repeated_destination_once(tmp_path: Path) -> None:
    assert len(destinations.parse_destinations([tmp_path / "a.md", tmp_path / "a.md"])) == 1
    with pytest.raises(UsageError):
        destinations.parse_destinations([tmp_path / "a.md", tmp_path / "a"])


def test_reads_report_destinations_from_the_configuration(staged: Path) -> None:
    Path("pyproject.toml").write_text(
        '[tool.wheel-uploader]\nreport = ["a.md", "b.json"]\n', encoding="utf-8"
    )
    assert run("--until", "list", "-u", staged, "dipy", "1.11.0").exit_code == 0
    assert Path("a.md").is_file()
    assert Path("b.json").is_file()


# --- GitHub Actions --------------------------------------------------------------------------------


def read_outputs(text: str) -> dict[str, str]:
    """Parse outputs as the runner does: NAME<<END, lines, END."""
    values: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, arrow, end = line.partition("<<")
        assert arrow, line
        value = []
        for inner in lines:
            if inner == end:
                break
            value.append(inner)
        values[name] = "\n".join(value)
    return values


def test_writes_the_step_summary_and_the_outputs(staged: Path) -> None:
    Path("summary").write_text("earlier content\n", encoding="utf-8")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_OUTPUT": "output"}
    result = run("--until", "check", "-u", staged, "dipy", "1.11.0", env=env)
    assert result.exit_code == 0
    assert (
        Path("summary")
        .read_text(encoding="utf-8")
        .startswith("earlier content\n## `dipy` `1.11.0`: Checked\n")
    )
    values = read_outputs(Path("output").read_text(encoding="utf-8"))
    assert values == {"published": "", "skipped": "", "missing": "", "exit_code": "0"}
    assert (
        run("--until", "check", "-u", staged, "dipy", "1.11.0", env={**env, "GITHUB_ACTIONS": ""}).exit_code
        == 0
    )
    assert Path("summary").read_text(encoding="utf-8").count("## `dipy`") == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("-u", "missing", "dipy", "1.11.0"), 3, "no such file or directory: missing"),
        (("-u", "missing"), 2, "no project given"),
        (("--no-such-option", "-u", "missing", "dipy"), 2, "no such option"),
        (("--report", "report.docx", "-u", "missing", "dipy", "1.11.0"), 2, "report.docx"),
        (("upload", "dist/*"), 2, "upload"),
        (("--explain", "no/such"), 2, "unknown check"),
        (("--config", "missing.toml", "-u", ".", "dipy"), 2, "missing.toml"),
    ],
)
def test_an_error_before_the_run_reaches_the_pages_of_the_job(
    staged: Path, arguments: tuple[str, ...], exit_code: int, message: str
) -> None:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_OUTPUT": "output"}
    result = run(*arguments, env=env)
    assert result.exit_code == exit_code, result.stderr
    (annotation,) = (line for line in result.stderr.splitlines() if line.startswith("::"))
    assert annotation.startswith("::error title=wheel-uploader::")
    assert message in annotation.lower()
    assert message in Path("summary").read_text(encoding="utf-8").lower()
    values = read_outputs(Path("output").read_text(encoding="utf-8"))
    assert values == {"published": "", "skipped": "", "missing": "", "exit_code": str(exit_code)}


def test_an_error_before_a_silent_run_reaches_the_summary_only(staged: Path) -> None:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_OUTPUT": "output"}
    silent = run("-qq", "-u", "missing", "dipy", "1.11.0", env=env)
    assert (silent.exit_code, silent.output) == (3, "")
    assert "no such file or directory" in Path("summary").read_text(encoding="utf-8")


def test_outputs_are_lists_of_files() -> None:
    values = formats_table.build_workflow_outputs(reports.published())
    assert values["published"].splitlines() == [*reports.WHEELS[1:], reports.SDIST]
    assert values["skipped"] == reports.WHEELS[0]
    assert formats_table.build_workflow_outputs(reports.everything())["missing"].splitlines() == [
        "cp310-win_amd64",
        "cp314-macosx_arm64",
    ]


@pytest.mark.parametrize("payload", hostile_reports.PAYLOADS, ids=lambda payload: ascii(payload)[:30])
def test_hostile_text_cannot_add_an_output(tmp_path: Path, payload: str) -> None:
    output = tmp_path / "output"
    assert not list(
        destinations.write_github_outputs(
            hostile_reports.hostile_report(payload), 6, {"GITHUB_OUTPUT": str(output)}
        )
    )
    values = read_outputs(output.read_text(encoding="utf-8"))
    assert set(values) == {"published", "skipped", "missing", "exit_code"}
    assert values["exit_code"] == "6"


@pytest.mark.parametrize("room", [0, 1, 50, 103, 104, 105, 300])
def test_a_summary_that_is_almost_full_stays_within_its_limit(tmp_path: Path, room: int) -> None:
    summary = tmp_path / "summary"
    summary.write_bytes(b"x" * (destinations.SUMMARY_LIMIT - room))
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    assert not list(
        destinations.write_github_outputs(hostile_reports.report_with_findings(10), 6, environment)
    )
    assert summary.stat().st_size <= destinations.SUMMARY_LIMIT


def test_limits_the_size_of_the_summary(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    report = hostile_reports.report_with_findings(10_000)
    for _ in range(6):
        assert not list(destinations.write_github_outputs(report, 6, environment))
    assert destinations.SUMMARY_LIMIT - 10_000 < summary.stat().st_size <= destinations.SUMMARY_LIMIT
    assert "is cut here" in summary.read_text(encoding="utf-8")


def test_an_unwritable_summary_does_not_fail_the_run(staged: Path) -> None:
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "no/such", "GITHUB_OUTPUT": "."}
    result = run("--until", "check", "-u", staged, "dipy", "1.11.0", env=env)
    assert result.exit_code == 0
    assert [line for line in result.stderr.splitlines() if line.startswith("warning: could not write")] == [
        "warning: could not write to GITHUB_STEP_SUMMARY: No such file or directory",
        "warning: could not write to GITHUB_OUTPUT: Is a directory",
    ]
    assert "GITHUB" not in run("-qq", "--until", "check", "-u", staged, "dipy", "1.11.0", env=env).stderr
