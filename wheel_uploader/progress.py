"""Progress and talk on standard error: the one home of tqdm, behind a small Protocol."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TextIO

from wheel_uploader.display import human_size, printable

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds that a file must be on its way before it gets a bar: a hundred small files would only flicker.
_DELAY = 0.3
#: Characters of a file name beside a bar.
_NAME = 40
#: Seconds between two lines about something long, where there are no bars.
_PATIENCE = 20.0


class Bar(Protocol):
    """The progress of one file in flight, or of many small steps."""

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
        """A bar for one file in flight; its bytes count for the whole stage too."""
        ...

    def steps(self, label: str, *, count: int) -> contextlib.AbstractContextManager[Bar]:
        """A bar for ``count`` steps that are no files and take their time, outside of any stage."""
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

    def advance(self, count: int) -> None:
        pass


def make(stream: TextIO, *, verbose: int, quiet: bool = False) -> Progress:
    """Bars on a terminal, one line for each file elsewhere; ``verbose`` shows the details too."""
    if quiet:
        return Silent()
    # A "dumb" terminal (an editor's shell, a log of CI) cannot move its cursor.
    bars = stream.isatty() and os.environ.get("TERM") != "dumb"
    return Bars(stream, verbose=verbose) if bars else Lines(stream, verbose=verbose)


class Lines:
    """A Progress in plain lines: one for each file that is done."""

    def __init__(self, stream: TextIO, *, verbose: int) -> None:
        self._stream: Any = _Listener(stream)
        self._verbose = verbose
        #: Held while anything is written or counted: the methods are called from many threads.
        self._lock = threading.RLock()
        self._done = "done"

    def say(self, text: str) -> None:
        self._write(printable(text))

    def detail(self, text: str) -> None:
        if self._verbose:
            self._write(printable(text))

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    @contextlib.contextmanager
    def total(self, verb: str, *, files: int, size: int | None) -> Iterator[None]:
        self._done = f"{verb}d" if verb.endswith("e") else f"{verb}ed"
        yield

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[Bar]:
        """``downloaded NAME (1.2 MB)``, unless it fails or not a byte of it was needed."""
        count = _Count()
        yield count
        if count.bytes:
            self.say(f"{self._done} {filename} ({human_size(count.bytes)})")

    @contextlib.contextmanager
    def steps(self, label: str, *, count: int) -> Iterator[Bar]:
        """``LABEL: 30 of 77`` every now and then."""
        yield _Steps(lambda done: self.say(f"{label}: {done} of {count}"), self._lock)


class _Listener:
    """A stream that may be full or gone: a run does not end in the middle because nobody hears of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class _Count:
    """A Bar that only counts."""

    def __init__(self) -> None:
        self.bytes = 0

    def advance(self, count: int) -> None:
        self.bytes += count


class _Steps:
    """A Bar that is told of every now and then."""

    def __init__(self, tell: Callable[[int], None], lock: threading.RLock) -> None:
        self._tell = tell
        self._lock = lock
        self._done = 0
        self._told = time.monotonic()

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
            if time.monotonic() - self._told >= _PATIENCE:
                self._told = time.monotonic()
                self._tell(self._done)


class Bars(Lines):
    """A Progress in tqdm's bars: one for the stage, one below it for each file in flight."""

    def __init__(self, stream: TextIO, *, verbose: int) -> None:
        super().__init__(stream, verbose=verbose)
        self._stage: _Stage | None = None
        #: The bar that lines are written above.
        self._top: tqdm[NoReturn] | None = None

    def _bar(self, label: str, size: int | None, delay: float, unit: str = "B") -> tqdm[NoReturn]:
        from tqdm import tqdm

        # Its own lock would load multiprocessing, its monitor would be one more thread; neither is needed.
        tqdm.set_lock(self._lock)
        tqdm.monitor_interval = 0
        with self._lock:
            return tqdm(
                desc=printable(label),
                total=size,
                file=self._stream,
                unit=unit,
                unit_scale=unit == "B",
                leave=False,
                dynamic_ncols=True,
                delay=delay,
            )

    def _write(self, line: str) -> None:
        with self._lock:
            if self._top is not None:
                self._top.write(line, file=self._stream)
            else:
                super()._write(line)

    @contextlib.contextmanager
    def total(self, verb: str, *, files: int, size: int | None) -> Iterator[None]:
        self._stage = _Stage(verb, files, self._bar(f"{verb} 0/{files}", size, 0))
        self._top = self._stage.bar
        try:
            yield
        finally:
            with self._lock:
                self._stage.bar.close()
                self._stage = self._top = None

    @contextlib.contextmanager
    def steps(self, label: str, *, count: int) -> Iterator[Bar]:
        self._top = self._bar(label, count, 0, " steps")
        bar = _FileBar(self._top, None, self._lock)
        try:
            yield bar
        finally:
            bar.close()
            self._top = None

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[Bar]:
        bar = _FileBar(self._bar(_short(filename), size, _DELAY), self._stage, self._lock)
        try:
            yield bar
        finally:
            bar.close()
        if self._stage and bar.bytes:
            with self._lock:
                self._stage.finish_one()


class _Stage:
    """The bar of a stage; whoever calls holds the lock."""

    def __init__(self, verb: str, files: int, bar: tqdm[NoReturn]) -> None:
        self.bar = bar
        self._verb = verb
        self._files = files
        self._finished = 0

    def finish_one(self) -> None:
        self._finished += 1
        # More files than were announced: one that was there already had to be fetched again.
        self._files = max(self._files, self._finished)
        self.bar.set_description(f"{self._verb} {self._finished}/{self._files}")


class _FileBar(_Count):
    """The bar of one file; what it counts is counted for the stage too."""

    def __init__(self, bar: tqdm[NoReturn], stage: _Stage | None, lock: threading.RLock) -> None:
        super().__init__()
        self._bar = bar
        self._stage = stage
        self._lock = lock

    def advance(self, count: int) -> None:
        super().advance(count)
        with self._lock:
            self._bar.update(count)
            if self._stage:
                self._stage.bar.update(count)

    def close(self) -> None:
        with self._lock:
            self._bar.close()


def _short(filename: str) -> str:
    """``filename`` with its middle left out: project and platform are what tells files apart."""
    half = (_NAME - 3) // 2
    return filename if len(filename) <= _NAME else f"{filename[:half]}...{filename[-half:]}"
