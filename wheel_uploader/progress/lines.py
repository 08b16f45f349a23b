"""Progress in plain lines, for logs: how a stage ended, and now and then how far it is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

from wheel_uploader.display import counted, human_size, in_words, printable
from wheel_uploader.progress.base import Bar
from wheel_uploader.progress.work import Flight, Steps, Work

#: Seconds between two lines of a stage that takes long.
_EVERY = 30.0
#: A file that is posted stays posted: the log says of each that it was.
_NAMED = frozenset({"upload"})
#: Seconds that an end at once may take.
_PATIENCE = 0.5
#: Seconds: below that a speed says nothing.
_SLOW = 1.0


class Lines:
    """A Progress in plain lines: one for each stage, and for each file that is uploaded."""

    def __init__(self, stream: TextIO, *, verbose: int, every: float = _EVERY) -> None:
        self._stream: Any = _Listener(stream)
        self._verbose = verbose
        #: Seconds between two calls of ``_tick``.
        self._every = every
        #: Held while anything is written or counted: the methods are called from many threads.
        self._lock = threading.RLock()
        self._work: Work | None = None

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
        """``downloaded 21 files, 184.6 MB, in 12 s (15.4 MB/s)``, unless it fails or was idle."""
        work = Work(verb, files, size, time.monotonic())
        with self._shown(work):
            yield
        if work.finished and (verb not in _NAMED or work.finished > 1):
            self.say(_done(work, time.monotonic() - work.begun))

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[Bar]:
        """``uploaded NAME (1.2 MB)``, unless it fails or not a byte of it was needed."""
        with self._lock:
            work = self._work
            flight = Flight(filename, size, work, self._lock)
            if work:
                work.flying.append(flight)
        try:
            yield flight
        finally:
            with self._lock:
                if work:
                    work.flying.remove(flight)
        if flight.bytes:
            self._finished(work, flight)

    def _finished(self, work: Work | None, flight: Flight) -> None:
        if work:
            with self._lock:
                work.finish(flight)
            self._arrived(work, flight)

    def _arrived(self, work: Work, flight: Flight) -> None:
        if work.verb in _NAMED or self._verbose > 1:
            self.say(f"{_past(work.verb)} {flight.filename} ({human_size(flight.bytes)})")

    @contextlib.contextmanager
    def steps(self, label: str, *, count: int) -> Iterator[Bar]:
        work = Work(label, count, count, time.monotonic(), steps=True)
        with self._shown(work):
            yield Steps(work, self._lock)

    @contextlib.contextmanager
    def during(self, what: str, *, seconds: float | None = None) -> Iterator[None]:
        """Nothing: a log has no room for what passes."""
        yield

    @contextlib.contextmanager
    def _shown(self, work: Work) -> Iterator[None]:
        """Tell of ``work`` while it lasts."""
        with self._lock:
            self._work = work
        try:
            with self._ticking():
                yield
        finally:
            with self._lock:
                self._work = None
                self._clear()

    # --- now and then ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _ticking(self) -> Iterator[None]:
        """Call ``_tick`` every so often, in a thread of its own."""
        done = threading.Event()

        def tick() -> None:
            while not done.wait(self._every):
                with self._lock:
                    if not done.is_set():
                        self._tick()

        threading.Thread(target=tick, name="progress", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _tick(self) -> None:
        if self._work:
            self._work.sample(time.monotonic())
            self.say(_so_far(self._work))

    def _clear(self) -> None:
        """Take away what does not stay."""

    def leave(self) -> None:
        # Whoever holds the lock may hang in a write to a terminal that was stopped.
        if self._lock.acquire(timeout=_PATIENCE):
            self._clear()


def _past(verb: str) -> str:
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def _done(work: Work, seconds: float) -> str:
    speed = f" ({human_size(round(work.bytes / seconds))}/s)" if seconds >= _SLOW else ""
    return (
        f"{_past(work.verb)} {counted(work.finished, 'file')}, {human_size(work.bytes)}, "
        f"in {in_words(seconds)}{speed}"
    )


def _so_far(work: Work) -> str:
    """``download: 12 of 21 files, 105.0 MB of 184.6 MB, 3.2 MB/s, 25 s left``; of steps, ``20 of 77``."""
    left = work.left()
    if work.steps:
        parts = [f"{work.verb}: {work.finished} of {work.files}"]
    else:
        parts = [
            f"{work.verb}: {work.finished} of {counted(work.files, 'file')}",
            human_size(work.bytes) + (f" of {human_size(work.size)}" if work.size else ""),
            f"{human_size(round(work.speed))}/s",
        ]
    return ", ".join([*parts, *([f"{in_words(left)} left"] if left else [])])


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
