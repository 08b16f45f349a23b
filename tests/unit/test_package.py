"""The suite tests one package: the one that is installed, or the checkout where it is installed as such."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support import tested_package
from tests.support.command_line import CommandLine

ROOT = tested_package.ROOT
AT_EXIT = """
import atexit, sys
atexit.register(lambda: print("from", sys.modules["wheel_uploader"].__file__, file=sys.stderr))
"""
WHERE = "import wheel_uploader; print(wheel_uploader.__file__)"


@pytest.mark.parametrize("folder", [ROOT, ROOT / "tests", None], ids=["checkout", "tests", "elsewhere"])
def test_children_import_the_package_that_is_tested(folder: Path | None, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHERE], cwd=folder or tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent.parent == tested_package.HOME


def test_so_does_the_command_of_a_person(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(AT_EXIT)
    ended = CommandLine(tmp_path).run("--version", PYTHONPATH=str(tmp_path))
    assert f"from {tested_package.HOME / 'wheel_uploader'}" in ended.stderr


def test_so_does_the_script_that_is_installed(tmp_path: Path) -> None:
    script = shutil.which("wheel-uploader", path=sysconfig.get_path("scripts"))
    if script is None:
        pytest.skip("the package is not installed, so there is no script")
    (tmp_path / "sitecustomize.py").write_text(AT_EXIT)
    done = subprocess.run(
        [script, "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"from {tested_package.HOME / 'wheel_uploader'}" in done.stderr
