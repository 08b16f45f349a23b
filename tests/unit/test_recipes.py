"""Test the files in recipes/: each is valid for its program, and so is every command in it."""

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

from tests.support.in_process import run
from tools.testing import tested_package

RECIPES = tested_package.ROOT / "recipes"
SERVICE = RECIPES / "wheel-uploader-nightly.service"
TIMER = RECIPES / "wheel-uploader-nightly.timer"
PROGRAM = "/opt/wheel-uploader/bin/wheel-uploader"


def text(name: str) -> str:
    return (RECIPES / name).read_text(encoding="utf-8")


#: The command in the crontab, as cron passes it to the shell.
CRON_LINE = next(
    line.split(maxsplit=5)[5] for line in text("crontab").splitlines() if re.match(r"[\d*]", line)
)


def scripts(name: str) -> Iterator[str]:
    """Yield every shell line that a workflow runs."""
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


@pytest.mark.parametrize(("source", "line"), list(commands()))
def test_every_command_is_valid(
    source: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(line)
    assert program.rpartition("/")[2] == "wheel-uploader"
    arguments = [argument.replace("/etc/wheel-uploader", str(RECIPES)) for argument in arguments]
    result = run(*arguments, "--show-config")
    assert result.exit_code == 0, result.stderr
    values = tomllib.loads(result.stdout)
    assert values["project"] == "dipy"
    assert values["version"]
    assert values["url"]


def test_finds_the_commands_of_all_recipes() -> None:
    assert [source for source, _ in commands()] == [
        *("crontab", SERVICE.name, "github-actions.yml", "github-actions.yml, in a comment"),
        *("gitlab-ci.yml", "gitlab-ci.yml", "gitlab-ci.yml"),
    ]


def test_the_cron_line_is_valid_for_sh() -> None:
    assert "%" not in CRON_LINE, "cron would take it for a line break"
    subprocess.run(["/bin/sh", "-n", "-c", CRON_LINE], check=True)


def test_workflows_have_the_permissions_for_trusted_publishing() -> None:
    workflow = yaml.safe_load(text("github-actions.yml"))
    assert workflow["jobs"]["publish"]["permissions"] == {"id-token": "write", "actions": "read"}
    assert yaml.safe_load(text("gitlab-ci.yml"))["publish"]["id_tokens"] == {"PYPI_ID_TOKEN": {"aud": "pypi"}}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_service_and_the_timer(tmp_path: Path) -> None:
    for path in (SERVICE, TIMER):
        unit = path.read_text(encoding="utf-8")
        # The program is not installed at this path on this machine.
        (tmp_path / path.name).write_text(unit.replace(PROGRAM, "/bin/true"))
    completed = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / path.name) for path in (SERVICE, TIMER))],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        timeout=60,
        check=False,
    )
    ours = [line for line in completed.stderr.splitlines() if "wheel-uploader" in line]
    assert (completed.returncode, ours) == (0, [])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_rejects_an_invalid_timer(tmp_path: Path) -> None:
    invalid_unit = tmp_path / TIMER.name
    invalid_unit.write_text(
        TIMER.read_text(encoding="utf-8").replace("OnCalendar=*-*-*", "OnCalendar=someday")
    )
    completed = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(invalid_unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "wheel-uploader-nightly.timer" in completed.stderr
