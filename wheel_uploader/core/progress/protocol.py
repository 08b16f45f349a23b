"""The interface for reporting the progress of a run, and an implementation that prints nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class ProgressCounter(Protocol):
    """The progress of one file being transferred, or of a series of steps."""

    def set_total(self, size: int) -> None:
        """Set the total number of bytes or steps, if it was not known at the start."""
        ...

    def advance(self, count: int) -> None:
        """Add ``count`` to the bytes or steps that are done.

        ``count`` is negative if an attempt starts again from an earlier byte.
        """
        ...


class Progress(Protocol):
    """Receives the progress of a run.

    Every method may be called from any thread. Context managers show their display until they exit.
    """

    def info(self, text: str) -> None:
        """Print a line at the default verbosity."""
        ...

    def debug(self, text: str) -> None:
        """Print a line that is shown only with ``-v``."""
        ...

    def stage(self, verb: str, *, files: int, size: int | None) -> contextlib.AbstractContextManager[None]:
        """Show the progress of a stage (``verb``: download, upload, ...) of ``size`` bytes."""
        ...

    def file(self, filename: str, *, size: int | None) -> contextlib.AbstractContextManager[ProgressCounter]:
        """Show the progress of one file; its bytes also count for the stage."""
        ...

    def counter(self, label: str, *, count: int) -> contextlib.AbstractContextManager[ProgressCounter]:
        """Show the progress of ``count`` slow steps other than files, outside of any stage."""
        ...

    def waiting(
        self, description: str, *, seconds: float | None = None
    ) -> contextlib.AbstractContextManager[None]:
        """Show on a terminal what the run waits for, and the time left if ``seconds`` limits it."""
        ...

    def clear_display(self) -> None:
        """Clear the progress display, because the process is about to exit immediately."""
        ...


class SilentProgress:
    """A Progress that prints nothing, for use as a library and in tests."""

    def info(self, text: str) -> None:
        """Ignore the line."""

    def debug(self, text: str) -> None:
        """Ignore the line."""

    @contextlib.contextmanager
    def stage(self, verb: str, *, files: int, size: int | None) -> Iterator[None]:
        """Show nothing."""
        yield

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[ProgressCounter]:
        """Show nothing."""
        yield self

    @contextlib.contextmanager
    def counter(self, label: str, *, count: int) -> Iterator[ProgressCounter]:
        """Show nothing."""
        yield self

    @contextlib.contextmanager
    def waiting(self, description: str, *, seconds: float | None = None) -> Iterator[None]:
        """Show nothing."""
        yield

    def clear_display(self) -> None:
        """Do nothing."""

    def set_total(self, size: int) -> None:
        """Ignore the total."""

    def advance(self, count: int) -> None:
        """Ignore the count."""
