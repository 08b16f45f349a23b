"""Progress on standard error, behind a small Protocol: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
from typing import TextIO

from wheel_uploader.core.progress.plain import PlainProgress
from wheel_uploader.core.progress.protocol import Progress, ProgressCounter, SilentProgress
from wheel_uploader.core.progress.terminal import TerminalProgress

__all__ = ["Progress", "ProgressCounter", "SilentProgress", "make_progress"]


def make_progress(stream: TextIO, *, verbose: int, quiet: bool = False, color: bool = False) -> Progress:
    """Return a Progress for ``stream``: bars on a terminal, plain lines otherwise, silent if ``quiet``."""
    if quiet:
        return SilentProgress()
    # A "dumb" terminal (an editor's shell, a CI log) cannot move its cursor.
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalProgress(stream, verbose=verbose, color=color)
    return PlainProgress(stream, verbose=verbose)
