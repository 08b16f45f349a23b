"""The line of recipes/crontab, run in cron's minimal environment with real servers."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.test_recipes import CRON_LINE
from tools.testing import indexes, servers, tested_package, wheels
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

ROOT = tested_package.ROOT
FIRST, SECOND, THIRD = "1.12.0.dev1", "1.12.0.dev2", "1.12.0.dev10"


@dataclass(frozen=True)
class CronMachine:
    """A machine whose cron runs the line of the recipe; the staging area and the index are on loopback."""

    home: Path
    staged: Path
    packages: Path
    url: str
    index: str

    def run_cron(self, *, more: str = "") -> tuple[int, str]:
        """Run the line with ``more`` options; return the exit code and the output, which cron would mail."""
        line = CRON_LINE.replace("https://staging.example.com/wheels/", self.url)
        line = line.replace(" -q ", f" -q {more} ").replace("--keep-releases 5", "--keep-releases 2")
        minimal = ["HOME", "LOGNAME", "PATH", "SHELL"]
        values = [str(self.home), "release", "/usr/bin:/bin", "/bin/sh"]
        variables = [f"{name}={value}" for name, value in zip(minimal, values, strict=True)]
        done = subprocess.run(
            ["env", "-i", *variables, "/bin/sh", "-c", line],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    def stage_build(self, version: str) -> set[str]:
        """Stage a new build, and return the names of its files."""
        return {path.name for path in wheels.make_release(self.staged, version=version)}

    def wheelhouse_files(self) -> set[str]:
        return {path.name for path in (self.home / "wheelhouse").glob("[!.]*")} - {"SHA256SUMS"}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[CronMachine]:
    home, staged, packages = tmp_path / "home", tmp_path / "site" / "staged", tmp_path / "packages"
    staged.mkdir(parents=True)
    program = home / ".venv" / "bin" / "wheel-uploader"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(tested_package.HOME))} PYTHONWARNINGS=error "
        f'exec {shlex.quote(sys.executable)} -m wheel_uploader "$@"\n'
    )
    program.chmod(0o755)
    with (
        servers.nginx(tmp_path / "site") as site,
        indexes.pypiserver(packages, users={"me": "my-password"}) as index,
    ):
        pypirc = home / ".pypirc"
        pypirc.write_text(
            f"[distutils]\nindex-servers = internal\n"
            f"[internal]\nrepository = {index}\nusername = me\npassword = my-password\n"
        )
        pypirc.chmod(0o600)
        yield CronMachine(home=home, staged=staged, packages=packages, url=f"{site}staged/", index=index)


def test_cron_mails_only_what_changed_or_failed(machine: CronMachine) -> None:
    first = machine.stage_build(FIRST)
    assert machine.run_cron() == (0, f"dipy {FIRST}, confirm (index): 6 uploaded to {machine.index}\n")
    assert {path.name for path in machine.packages.iterdir()} == first
    assert machine.run_cron() == (0, "")
    # A missing staging area is reported in one line.
    machine.staged.rename(machine.staged.with_name("gone"))
    code, mail = machine.run_cron()
    assert (code, mail.count("\n")) == (3, 1)
    assert re.match(r"dipy latest, list \(staging\): error: ", mail), mail
    assert machine.url in mail
    assert "; next: " in mail
    assert machine.run_cron(more="-q") == (3, "")
    code, mail = dataclasses.replace(machine, url="http://127.0.0.1:1/").run_cron(more="--retries 1")
    assert (code, mail.count("\n")) == (5, 1)
    assert mail.startswith("dipy latest, list (staging): error: 127.0.0.1:1 refuses connections")
    machine.staged.with_name("gone").rename(machine.staged)
    # Another run holds the wheelhouse.
    with Wheelhouse(machine.home / "wheelhouse"):
        code, mail = machine.run_cron()
    assert (code, mail.count("\n")) == (11, 1)
    assert mail.startswith(f"dipy {FIRST}, list: error: another run is using the wheelhouse ")


def test_removes_old_builds_that_are_on_the_index_from_the_wheelhouse(machine: CronMachine) -> None:
    first = machine.stage_build(FIRST)
    assert machine.run_cron()[0] == 0
    wheelhouse = machine.home / "wheelhouse"
    wheels.make_wheel(wheelhouse, version="1.11.0")  # never published: not on the index
    wheels.make_wheel(wheelhouse, "dipy-horizon", "0.1")
    unpublished = {"dipy-1.11.0-py3-none-any.whl", "dipy_horizon-0.1-py3-none-any.whl"}
    (wheelhouse / f"{min(first)}.asc").write_text("a signature")
    second = machine.stage_build(SECOND)
    assert machine.run_cron() == (0, f"dipy {SECOND}, confirm (index): 6 uploaded to {machine.index}\n")
    assert machine.wheelhouse_files() == first | second | unpublished | {f"{min(first)}.asc"}
    third = machine.stage_build(THIRD)
    code, output = machine.run_cron(more="--dry-run")
    assert (code, output.splitlines()[1:]) == (
        0,
        [f"dipy {THIRD}, upload (index): would be removed from the wheelhouse: {FIRST}"],
    )
    assert machine.wheelhouse_files() >= first
    # dev10 is newer than dev2, so dev1 is removed.
    prefix = f"dipy {THIRD}, confirm (index): "
    expected = f"{prefix}6 uploaded to {machine.index}\n{prefix}removed from the wheelhouse: {FIRST}\n"
    assert machine.run_cron() == (0, expected)
    assert machine.wheelhouse_files() == second | third | unpublished
    assert machine.run_cron() == (0, "")


def test_fails_if_the_newest_build_is_too_old(machine: CronMachine) -> None:
    old = time.time() - 11 * 86400
    for name in machine.stage_build(FIRST):
        os.utime(machine.staged / name, (old, old))
    code, mail = machine.run_cron()
    assert (code, mail.count("\n")) == (3, 1)
    assert f"the newest staged build, dipy {FIRST}, is 11 days old (20" in mail
    assert f"according to Last-Modified of {machine.url}dipy-" in mail
    assert "but --max-age is 3 days; nothing was uploaded; next: Check why newer builds" in mail
    assert list(machine.packages.iterdir()) == []
    # One new file is enough.
    wheels.make_wheel(machine.staged, version=FIRST)
    assert machine.run_cron() == (0, f"dipy {FIRST}, confirm (index): 7 uploaded to {machine.index}\n")
