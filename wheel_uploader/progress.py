"""Progress and talk on standard error: the one home of tqdm, behind a small Protocol."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Bar(Protocol):
    """The progress of one file in flight."""

    def advance(self, count: int) -> None:
        """``count`` more bytes are done; negative when an attempt starts again from an earlier byte."""
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
        """A bar for one file in flight; its bytes count for the whole stage too."""
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

    def advance(self, count: int) -> None:
        pass
