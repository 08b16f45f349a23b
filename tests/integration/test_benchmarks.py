"""Test that every benchmark starts, and that those that need no release from PyPI run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.testing import tested_package

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
COMMANDS = sorted(
    path.stem for path in BENCHMARKS.glob("*.py") if "@click.command" in path.read_text("utf-8")
)


def run(*arguments: str) -> str:
    path = os.pathsep.join([str(tested_package.HOME), str(BENCHMARKS.parent)])
    completed = subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_starts(name: str) -> None:
    assert run(f"benchmarks.{name}", "--help").startswith(f"Usage: python -m benchmarks.{name}")


def test_the_benchmark_of_the_start_measures_each_command() -> None:
    rows = [line for line in run("benchmarks.startup", "1").splitlines() if line.startswith("| --")]
    assert len(rows) == 4
    for row in rows:
        first, end, cpu = (float(cell) for cell in row.split("|")[2:5])
        assert 0 < first <= end
        assert cpu > 0
