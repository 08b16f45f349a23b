"""The tests that take too long for the suite, such as those of releases with 50,000 files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from tests.soak import Figure
from tools.testing import tested_package


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Run the tests with the marker ``long``, which the suite leaves out (--part has no effect)."""
    del part
    options = ["-q", "-p", "no:cacheprovider", "-m", "long", "-n", str(jobs), "--dist", "loadfile", "-rfE"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tested_package.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    *lines, summary = done.stdout.splitlines() or [""]
    problems = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    yield Figure(summary, problems or [f"pytest exited with {done.returncode}"] * bool(done.returncode))
