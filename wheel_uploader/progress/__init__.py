"""Progress on standard error, behind a small Protocol: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from typing import TextIO

from wheel_uploader.progress.bars import TerminalProgress
from wheel_uploader.progress.base import Progress, ProgressCounter, SilentProgress
from wheel_uploader.progress.lines import PlainProgress

__all__ = ["Progress", "ProgressCounter", "SilentProgress", "make_progress"]


def make_progress(stream: TextIO, *, verbose: int, quiet: bool = False, color: bool = False) -> Progress:
    """Return a Progress for ``stream``: bars on a terminal, plain lines otherwise, silent if ``quiet``."""
    if quiet:
        return SilentProgress()
    # A "dumb" terminal (an editor's shell, a CI log) cannot move its cursor.
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalProgress(stream, verbose=verbose, color=color)
    return PlainProgress(stream, verbose=verbose)
