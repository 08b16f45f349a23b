"""Fixtures for tests of the whole command with one release and a scripted index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine
from tools.testing import wheels
from tools.testing.indexes import Served, scripted_index


@pytest.fixture
def served() -> Iterator[Served]:
    with scripted_index() as running:
        yield running


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """Stage the release demo 1.0 in ``staged``, and return the command to run beside it."""
    wheels.make_wheel(tmp_path / "staged", project="demo", version="1.0")
    return CommandLine(tmp_path)
