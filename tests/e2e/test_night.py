"""Every night by cron: the line of recipes/crontab in a minimal environment, between real servers."""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import indexes, servers, tested_package, wheels
from tests.unit.test_recipes import CRON_LINE
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

ROOT = tested_package.ROOT
FIRST, SECOND, THIRD = "1.12.0.dev1", "1.12.0.dev2", "1.12.0.dev10"


@dataclass(frozen=True)
class Night:
    """A machine whose cron runs the line of the recipe; staging and index are on loopback."""

    home: Path
    staged: Path
    packages: Path
    url: str
    index: str

    def comes(self, *, more: str = "") -> tuple[int, str]:
        """Cron runs the line, with ``more`` options: the exit code, and what it would mail."""
        line = CRON_LINE.replace("https://staging.example.com/wheels/", self.url)
        line = line.replace(" -q ", f" -q {more} ").replace("--keep-releases 5", "--keep-releases 2")
        minimal = ["HOME", "LOGNAME", "PATH", "SHELL"]
        values = [str(self.home), "release", "/usr/bin:/bin", "/bin/sh"]
        given = [f"{name}={value}" for name, value in zip(minimal, values, strict=True)]
        done = subprocess.run(
            ["env", "-i", *given, "/bin/sh", "-c", line],
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

    def builds(self, version: str) -> set[str]:
        """A new build is staged; the names of its files."""
        return {path.name for path in wheels.make_release(self.staged, version=version)}

    def in_wheelhouse(self) -> set[str]:
        return {path.name for path in (self.home / "wheelhouse").glob("[!.]*")} - {"SHA256SUMS"}


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
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
        yield Night(home=home, staged=staged, packages=packages, url=f"{site}staged/", index=index)


def test_cron_mails_only_what_changed_or_failed(night: Night) -> None:
    first = night.builds(FIRST)
    assert night.comes() == (0, f"dipy {FIRST} to {night.index}: 6 uploaded\n")
    assert {path.name for path in night.packages.iterdir()} == first
    assert night.comes() == (0, "")
    # Broken staging is one line.
    night.staged.rename(night.staged.with_name("gone"))
    code, mail = night.comes()
    assert (code, mail.count("\n")) == (3, 1)
    assert mail.startswith("error: ")
    assert night.url in mail
    assert "; next: " in mail
    assert night.comes(more="-q") == (3, "")
    code, mail = dataclasses.replace(night, url="http://127.0.0.1:1/").comes(more="--retries 1")
    assert (code, mail.count("\n")) == (5, 1)
    assert mail.startswith("error: 127.0.0.1:1 refuses connections")
    night.staged.with_name("gone").rename(night.staged)
    # Another run holds the wheelhouse.
    with Wheelhouse(night.home / "wheelhouse"):
        code, mail = night.comes()
    assert (code, mail.count("\n")) == (11, 1)
    assert mail.startswith("error: another run is using the wheelhouse ")


def test_old_builds_leave_the_wheelhouse_when_the_index_has_them(night: Night) -> None:
    first = night.builds(FIRST)
    assert night.comes()[0] == 0
    house = night.home / "wheelhouse"
    wheels.make_wheel(house, version="1.11.0")  # never published: not on the index
    wheels.make_wheel(house, "dipy-horizon", "0.1")
    own = {"dipy-1.11.0-py3-none-any.whl", "dipy_horizon-0.1-py3-none-any.whl"}
    (house / f"{min(first)}.asc").write_text("a signature")
    second = night.builds(SECOND)
    assert night.comes() == (0, f"dipy {SECOND} to {night.index}: 6 uploaded\n")
    assert night.in_wheelhouse() == first | second | own | {f"{min(first)}.asc"}
    third = night.builds(THIRD)
    code, told = night.comes(more="--dry-run")
    assert (code, told.splitlines()[1:]) == (0, [f"would be removed from the wheelhouse: dipy {FIRST}"])
    assert night.in_wheelhouse() >= first
    # dev10 is newer than dev2, and the oldest of the two kept.
    assert night.comes() == (
        0,
        f"dipy {THIRD} to {night.index}: 6 uploaded\nremoved from the wheelhouse: dipy {FIRST}\n",
    )
    assert night.in_wheelhouse() == second | third | own
    assert night.comes() == (0, "")


def test_a_stale_build_fails_loudly(night: Night) -> None:
    old = time.time() - 11 * 86400
    for name in night.builds(FIRST):
        os.utime(night.staged / name, (old, old))
    code, mail = night.comes()
    assert (code, mail.count("\n")) == (3, 1)
    assert f"the newest staged build, dipy {FIRST}, is 11 days old (20" in mail
    assert f"according to Last-Modified of {night.url}dipy-" in mail
    assert "but --max-age is 3 days; nothing was uploaded; next: Check why newer builds" in mail
    assert list(night.packages.iterdir()) == []
    # One new file is a sign of life.
    wheels.make_wheel(night.staged, version=FIRST)
    assert night.comes() == (0, f"dipy {FIRST} to {night.index}: 7 uploaded\n")
