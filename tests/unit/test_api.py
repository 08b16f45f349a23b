"""Test the public API: typed, lazy, documented, and without side effects on the host process."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import wheel_uploader
from tools.testing import wheels
from tools.testing.indexes import scripted_index
from tools.testing.tested_package import ROOT

PAGE = ROOT / "docs" / "reference" / "api.rst"


def test_documents_every_public_name() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in wheel_uploader.__all__ if f"``{name}``" not in text] == []


@pytest.mark.parametrize("name", wheel_uploader.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(wheel_uploader, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = wheel_uploader.nonsense


def test_importing_loads_no_other_module() -> None:
    code = "import sys, wheel_uploader; print([name for name in sys.modules if 'wheel_uploader.' in name])"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout == "[]\n"


def test_type_checkers_see_every_name(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import wheel_uploader as w\n"
        + "".join(f"from wheel_uploader import {name} as {name}\n" for name in wheel_uploader.__all__)
        + "options: w.Options = w.Options(project='p', version='1', urls=('x',))\n"
        "report: w.Report = w.publish(options)\n"
        "findings: tuple[w.Finding, ...] = w.check_files(['x'], profile='any')\n"
        "selection: w.Selection = w.list_release(options)\n"
        "error: w.ReleaseError | None = report.error\n"
        "w.publish(options, wrong=1)  # type: ignore[call-arg]\n"
    )
    completed = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout


def test_publishes_and_leaves_the_process_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import rich

    monkeypatch.chdir(tmp_path)
    wheels.make_release(tmp_path / "staged")

    def state() -> list[object]:
        mask = os.umask(0o022)
        os.umask(mask)
        loggers = [logging.getLogger(name) for name in ("", "twine", "sigstore")]
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        logs = [(tuple(log.handlers), log.propagate, log.level) for log in loggers]
        return [mask, *handlers, *logs, rich.get_console().quiet]

    before = state()
    with scripted_index() as served:
        options = wheel_uploader.Options(
            project="dipy",
            version="1.11.0",
            urls=("staged",),
            repository_url=served.upload_url,
            username="me",
            password="my-password",
            confirm_timeout=3,
        )
        selection = wheel_uploader.list_release(options)
        report = wheel_uploader.publish(options)
    report.raise_for_error()
    assert len(selection.files) == len(report.confirmations) == 6
    assert state() == before
    assert capfd.readouterr() == ("", "")


def test_reports_findings_of_files_without_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    valid = wheels.make_wheel(tmp_path / "good")
    assert not [
        finding
        for finding in wheel_uploader.check_files([valid])
        if finding.severity is wheel_uploader.Severity.ERROR
    ]
    damaged = wheels.make_wheel(tmp_path / "bad", files={"dipy/a.py": b"a"})
    damaged.write_bytes(damaged.read_bytes()[:-30])
    assert any(
        finding.severity is wheel_uploader.Severity.ERROR for finding in wheel_uploader.check_files([damaged])
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "good"]


def test_profiles_and_ignores_reach_findings_about_a_name_that_is_staged_twice(tmp_path: Path) -> None:
    wheels.make_release(tmp_path)
    (tmp_path / "dipy-1.11.zip").write_bytes(
        wheels.zip_bytes({"dipy-1.11.0/PKG-INFO": b"Metadata-Version: 2.4\nName: dipy\nVersion: 1.11.0\n"})
    )
    wheels.make_wheel(tmp_path, version="1.11", tag=wheels.RELEASE_TAGS[0])
    wanted = ("release/clash", "release/two-sdists")
    for profile, severity in (("pypi", "error"), ("any", "note")):
        findings = wheel_uploader.check_files([tmp_path], profile=profile)
        assert {finding.check: finding.severity for finding in findings if finding.check in wanted} == {
            "release/clash": "error",
            "release/two-sdists": severity,
        }
    options = wheel_uploader.Options(
        project="dipy",
        version="1.11.0",
        urls=(str(tmp_path),),
        until=wheel_uploader.Stage.CHECK,
        ignore=dict.fromkeys(wanted, "both belong to the release"),
    )
    findings = wheel_uploader.publish(options).findings
    assert {finding.check: finding.is_ignored for finding in findings if finding.check in wanted} == (
        dict.fromkeys(wanted, True)
    )


def test_errors_are_raised_on_request(tmp_path: Path) -> None:
    with pytest.raises(wheel_uploader.NothingFoundError):
        wheel_uploader.check_files([tmp_path])
    with pytest.raises(wheel_uploader.UsageError):
        wheel_uploader.Options(project="dipy", version="1.11.0", urls=())
    with pytest.raises(ValueError, match="nonsense"):
        wheel_uploader.check_files([tmp_path], profile="nonsense")
