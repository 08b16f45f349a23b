"""The files in recipes/: each is what its program takes, and every command in them is one of ours."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support import tested_package
from tests.support.in_process import run

RECIPES = tested_package.ROOT / "recipes"
SERVICE = RECIPES / "wheel-uploader-nightly.service"
TIMER = RECIPES / "wheel-uploader-nightly.timer"
PROGRAM = "/opt/wheel-uploader/bin/wheel-uploader"


def text(name: str) -> str:
    return (RECIPES / name).read_text(encoding="utf-8")


#: The command of the one line in the crontab, as cron hands it to the shell.
CRON_LINE = next(
    line.split(maxsplit=5)[5] for line in text("crontab").splitlines() if re.match(r"[\d*]", line)
)


def scripts(name: str) -> Iterator[str]:
    """Every line of shell that a workflow runs."""
    document: dict[str, Any] = yaml.safe_load(text(name))
    for job in (document.get("jobs") or document).values():
        if isinstance(job, dict):
            yield from (step["run"] for step in job.get("steps", ()) if "run" in step)
            yield from job.get("script", ())


def commands() -> Iterator[tuple[str, str]]:
    yield "crontab", CRON_LINE
    yield (
        SERVICE.name,
        next(
            line.removeprefix("ExecStart=")
            for line in SERVICE.read_text(encoding="utf-8").splitlines()
            if line.startswith("ExecStart=")
        ),
    )
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        for line in scripts(name):
            if not line.startswith("pip install"):
                yield name, line
        for line in re.findall(r"^\s*#\s+(wheel-uploader .*)$", text(name), re.MULTILINE):
            yield f"{name}, in a comment", line


@pytest.mark.parametrize(("where", "line"), list(commands()))
def test_every_command_is_one_that_the_program_takes(
    where: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(line)
    assert program.rpartition("/")[2] == "wheel-uploader"
    arguments = [each.replace("/etc/wheel-uploader", str(RECIPES)) for each in arguments]
    shown = run(*arguments, "--show-config")
    assert shown.exit_code == 0, shown.stderr
    values = tomllib.loads(shown.stdout)
    assert values["project"] == "dipy"
    assert values["version"]
    assert values["url"]


def test_there_is_something_to_test() -> None:
    assert [where for where, _ in commands()] == [
        *("crontab", SERVICE.name, "github-actions.yml", "github-actions.yml, in a comment"),
        *("gitlab-ci.yml", "gitlab-ci.yml"),
    ]


def test_the_cron_line_needs_no_shell_but_sh() -> None:
    assert "%" not in CRON_LINE, "cron would take it for a line break"
    subprocess.run(["/bin/sh", "-n", "-c", CRON_LINE], check=True)


def test_trusted_publishing_has_its_permission() -> None:
    workflow = yaml.safe_load(text("github-actions.yml"))
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write", "actions": "read"}
    assert yaml.safe_load(text("gitlab-ci.yml"))["publish"]["id_tokens"] == {"PYPI_ID_TOKEN": {"aud": "pypi"}}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_service_and_the_timer(tmp_path: Path) -> None:
    for path in (SERVICE, TIMER):
        unit = path.read_text(encoding="utf-8")
        # The one thing that is not on this machine.
        (tmp_path / path.name).write_text(unit.replace(PROGRAM, "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in (SERVICE, TIMER))],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        timeout=60,
        check=False,
    )
    ours = [line for line in verified.stderr.splitlines() if "wheel-uploader" in line]
    assert (verified.returncode, ours) == (0, [])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_would_notice_a_mistake(tmp_path: Path) -> None:
    wrong = tmp_path / TIMER.name
    wrong.write_text(TIMER.read_text(encoding="utf-8").replace("OnCalendar=*-*-*", "OnCalendar=someday"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(wrong)], capture_output=True, text=True, timeout=60
    )
    assert "wheel-uploader-nightly.timer" in verified.stderr
