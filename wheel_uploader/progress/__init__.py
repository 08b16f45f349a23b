"""Progress and talk on standard error: bars on a terminal, lines elsewhere, behind a small Protocol."""

from __future__ import annotations

import os
from typing import TextIO

from wheel_uploader.progress.bars import Bars
from wheel_uploader.progress.base import Bar, Progress, Silent
from wheel_uploader.progress.lines import Lines

__all__ = ["Bar", "Progress", "Silent", "make"]


def make(stream: TextIO, *, verbose: int, quiet: bool = False, color: bool = False) -> Progress:
    """Bars on a terminal, a few lines for each stage elsewhere; ``verbose`` shows the details too."""
    if quiet:
        return Silent()
    # A "dumb" terminal (an editor's shell, a log of CI) cannot move its cursor.
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return Bars(stream, verbose=verbose, color=color)
    return Lines(stream, verbose=verbose)
