"""The recipes of docs/how-to/nightly-anaconda.rst for cron, systemd and GitHub Actions, night after night."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.anaconda_targets import NightlyTargets, nightly_targets, read_blocks
from tools.testing import servers, tested_package, wheels

STAGING = "https://staging.example.com/wheels/"
[CRONTAB] = read_blocks("text")
SERVICE, TIMER = read_blocks("ini")
[WORKFLOW] = read_blocks("yaml")
CRON_LINE = next(line.split(maxsplit=5)[5] for line in CRONTAB.splitlines() if re.match(r"\d", line))
EXEC_LINE = next(line.partition("=")[2] for line in SERVICE.splitlines() if line.startswith("ExecStart="))
*_, JOB_STEP = yaml.safe_load(WORKFLOW)["jobs"]["publish"]["steps"]
JOB_LINE = JOB_STEP["run"]
TAGS = ("cp312-cp312-manylinux_2_28_x86_64", "cp312-cp312-win_amd64")


@dataclass(frozen=True)
class Machine:
    """A machine that runs one of the recipes; the staging place and the targets are on loopback."""

    home: Path
    staged: Path
    url: str
    targets: NightlyTargets

    def stage(self, version: str, content: bytes = b"") -> set[str]:
        """Stage a build instead of the one before, and return the names of its files."""
        shutil.rmtree(self.staged)
        files = {"dipy/new.py": content} if content else {}
        return {wheels.make_wheel(self.staged, "dipy", version, tag, files=files).name for tag in TAGS}

    def run(self, line: str, *more: str) -> tuple[int, str]:
        """Run a line in an environment like cron's; return the exit code and the output."""
        line = line.replace(STAGING, self.url).replace(" -q ", f" -q {' '.join(more)} ")
        done = subprocess.run(
            ["env", "-i", f"HOME={self.home}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode, done.stdout

    def run_as_service(self) -> tuple[int, str]:
        """Run what systemd would."""
        line = EXEC_LINE.replace("%S", str(self.home)).replace("/etc/wheel-uploader", str(self.home))
        line = line.replace("/opt/wheel-uploader/bin/wheel-uploader", f"{self.home}/.venv/bin/wheel-uploader")
        return self.run(f". {self.home}/anaconda-tokens; {line}")

    def run_as_job(self) -> tuple[int, str]:
        """Run what the step of the workflow does."""
        assert list(JOB_STEP["env"]) == list(self.targets.variables)
        return self.run(f". {self.home}/anaconda-tokens; PATH={self.home}/.venv/bin:$PATH; {JOB_LINE}")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    home, staged = tmp_path / "home", tmp_path / "site" / "staged"
    staged.mkdir(parents=True)
    program = home / ".venv" / "bin" / "wheel-uploader"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(tested_package.HOME))} PYTHONWARNINGS=error "
        f'exec {shlex.quote(sys.executable)} -m wheel_uploader "$@"\n'
    )
    program.chmod(0o755)
    with servers.nginx(tmp_path / "site") as site, nightly_targets(home) as targets:
        tokens = [f"export {name}={value}\n" for name, value in targets.variables.items()]
        (home / "anaconda-tokens").write_text("".join(tokens))
        yield Machine(home, staged, f"{site}staged/", targets)


def names(*versions: str) -> set[str]:
    return {f"dipy-{version}-{tag}.whl" for version in versions for tag in TAGS}


def test_nights_with_cron_systemd_and_github_actions(machine: Machine) -> None:
    first, second = machine.targets.sites
    old = [f"1.11.0.dev{number}" for number in range(1, 7)]
    for version, target in itertools.product(old, (first, second)):
        for name in names(version):
            target.site.store("dipy", version, name, version.encode(), target.label)
            target.site.dists["dipy", name].upload_time = "2020-01-01 08:00:00+00:00"
    released, _ = sorted(names(old[0]))
    first.site.dists["dipy", released].labels.append("release")
    first.site.store("dipy", "1.10.0", "dipy-1.10.0-py3-none-any.whl", b"final", "dev", "main")
    # The first night, with cron.
    built = machine.stage("1.12.0.dev0")
    code, mail = machine.run(CRON_LINE)
    assert code == 0, mail
    assert "dipy 1.12.0.dev0, confirm (index): 2 uploaded to " in mail
    assert "removed from anaconda.org/dipy (label dev): dipy 1.11.0.dev1, 1.11.0.dev2 (4 files)" in mail
    kept = names(*old[2:]) | built
    assert first.filenames() == {*kept, "dipy-1.10.0-py3-none-any.whl"}
    assert second.filenames() == kept
    assert first.site.dists["dipy", released].labels == ["release"]
    assert machine.run(CRON_LINE) == (0, "")
    # The second night, with systemd: the same version has other bytes.
    assert machine.stage("1.12.0.dev0", b"y = 1\n") == built
    code, output = machine.run_as_service()
    assert code == 0, output
    for target in (first, second):
        for name in built:
            assert target.site.content(name) == (machine.staged / name).read_bytes()
    # The third night, with GitHub Actions: one of the organizations does not answer.
    newer = machine.stage("1.12.0.dev1")
    second.site.alter = lambda step, data: "" if step == "package get" else data
    code, output = machine.run_as_job()
    assert code == 8, output
    assert first.filenames() >= newer
    assert second.filenames() == kept
    second.site.alter = lambda _step, data: data
    code, output = machine.run_as_job()
    assert code == 0, output
    assert second.filenames() == (kept | newer) - names(old[2])


def test_a_build_that_is_too_old_is_a_failure(machine: Machine) -> None:
    an_old_time = time.time() - 11 * 86400
    for name in machine.stage("1.12.0.dev0"):
        os.utime(machine.staged / name, (an_old_time, an_old_time))
    code, mail = machine.run(CRON_LINE)
    assert (code, mail.count("\n")) == (3, 1)
    assert [target.filenames() for target in machine.targets.sites] == [set(), set()]


def test_the_three_recipes_have_the_same_options() -> None:
    commands = [set(shlex.split(line)) for line in (CRON_LINE, EXEC_LINE, JOB_LINE)]
    common = set.intersection(*commands)
    assert {"--replace", "--pre", "--max-age", "-q", "-r", "first", "second", "dipy", "latest"} <= common
    assert "%" not in CRON_LINE, "cron would take it for a line break"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = {"nightly-wheels.service": SERVICE, "nightly-wheels.timer": TIMER}
    for name, unit in units.items():
        (tmp_path / name).write_text(unit.replace("/opt/wheel-uploader/bin/wheel-uploader", "/bin/true"))
    completed = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units)],
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        timeout=60,
        check=False,
    )
    ours = [line for line in completed.stderr.splitlines() if "nightly-wheels" in line]
    assert (completed.returncode, ours) == (0, [])
