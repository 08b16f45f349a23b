"""What a run tells of itself while it is at work, and one that tells nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Bar(Protocol):
    """The progress of one file in flight, or of many small steps."""

    def expect(self, size: int) -> None:
        """The file has so many bytes: known only now, for its listing did not say it."""
        ...

    def advance(self, count: int) -> None:
        """``count`` more bytes are done; negative when an attempt starts again from an earlier byte.

        Of steps, so many more.
        """
        ...


class Progress(Protocol):
    """Where a run says how far it is. Every method may be called from any thread."""

    def say(self, text: str) -> None:
        """One line that everybody sees."""
        ...

    def detail(self, text: str) -> None:
        """One line that is shown under ``-v``."""
        ...

    def total(self, verb: str, *, files: int, size: int | None) -> contextlib.AbstractContextManager[None]:
        """A bar for a whole stage (``verb``: download, upload, ...) of ``size`` bytes, while it lasts."""
        ...

    def file(self, filename: str, *, size: int | None) -> contextlib.AbstractContextManager[Bar]:
        """One file in flight; its bytes count for the whole stage too."""
        ...

    def steps(self, label: str, *, count: int) -> contextlib.AbstractContextManager[Bar]:
        """A bar for ``count`` steps that are no files and take their time, outside of any stage."""
        ...

    def during(self, what: str, *, seconds: float | None = None) -> contextlib.AbstractContextManager[None]:
        """What is waited for, where there is a screen for it; ``seconds``: no longer than that."""
        ...

    def leave(self) -> None:
        """The process ends at once: take away what would be left on the screen."""
        ...


class Silent:
    """A Progress that says nothing: for callers that are no person, and for tests."""

    def say(self, text: str) -> None:
        pass

    def detail(self, text: str) -> None:
        pass

    @contextlib.contextmanager
    def total(self, verb: str, *, files: int, size: int | None) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[Bar]:
        yield self

    @contextlib.contextmanager
    def steps(self, label: str, *, count: int) -> Iterator[Bar]:
        yield self

    @contextlib.contextmanager
    def during(self, what: str, *, seconds: float | None = None) -> Iterator[None]:
        yield

    def leave(self) -> None:
        pass

    def expect(self, size: int) -> None:
        pass

    def advance(self, count: int) -> None:
        pass
