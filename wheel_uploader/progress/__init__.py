"""Progress on standard error, behind a small Protocol: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from typing import TextIO

from wheel_uploader.progress.bars import Bars
from wheel_uploader.progress.base import Bar, Progress, Silent
from wheel_uploader.progress.lines import Lines

__all__ = ["Bar", "Progress", "Silent", "make"]


def make(stream: TextIO, *, verbose: int, quiet: bool = False, color: bool = False) -> Progress:
    """Return a Progress for ``stream``: bars on a terminal, plain lines otherwise, silent if ``quiet``."""
    if quiet:
        return Silent()
    # A "dumb" terminal (an editor's shell, a CI log) cannot move its cursor.
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return Bars(stream, verbose=verbose, color=color)
    return Lines(stream, verbose=verbose)
