"""The uv that tools, tests and benchmarks run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def find_uv_program() -> str:
    """Return the uv next to this Python, or else on PATH; empty if it is not installed."""
    neighbor = Path(sys.executable).parent / "uv"
    return str(neighbor) if neighbor.exists() else shutil.which("uv") or ""
