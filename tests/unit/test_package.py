"""Test that the whole suite uses one package: the installed one, which may be the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import tested_package

ROOT = tested_package.ROOT
SITECUSTOMIZE = """
import atexit, sys
atexit.register(lambda: print("from", sys.modules["wheel_uploader"].__file__, file=sys.stderr))
"""
PRINT_LOCATION = "import wheel_uploader; print(wheel_uploader.__file__)"


@pytest.mark.parametrize("folder", [ROOT, ROOT / "tests", None], ids=["checkout", "tests", "elsewhere"])
def test_child_processes_import_the_tested_package(folder: Path | None, tmp_path: Path) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", PRINT_LOCATION],
        cwd=folder or tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(completed.stdout.strip()).parent.parent == tested_package.HOME


def test_the_command_imports_the_tested_package(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    result = CommandLine(tmp_path).run("--version", PYTHONPATH=str(tmp_path))
    assert f"from {tested_package.HOME / 'wheel_uploader'}" in result.stderr


def test_the_installed_script_imports_the_tested_package(tmp_path: Path) -> None:
    script = shutil.which("wheel-uploader", path=sysconfig.get_path("scripts"))
    if script is None:
        pytest.skip("the package is not installed, so there is no script")
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    completed = subprocess.run(
        [script, "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"from {tested_package.HOME / 'wheel_uploader'}" in completed.stderr
