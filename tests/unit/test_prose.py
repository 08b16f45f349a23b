"""The count of phrasing that reads as translated stays low: see tools/prose.py for the patterns."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.testing.tested_package import ROOT

#: Hits per 1,000 lines of Python.
LIMIT = 3


@pytest.mark.parametrize("tree", ["wheel_uploader", "tests", "benchmarks"])
def test_few_phrases_read_as_translated(tree: str) -> None:
    lines = sum(path.read_text(encoding="utf-8").count("\n") for path in (ROOT / tree).rglob("*.py"))
    command = [sys.executable, "tools/prose.py", "--max", str(LIMIT * lines // 1000), tree]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
