"""Progress in plain lines, for logs: a summary of each stage, and a status line at intervals."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

from wheel_uploader.core.formatting import format_count, format_duration, format_size
from wheel_uploader.core.progress.protocol import ProgressCounter
from wheel_uploader.core.progress.stage_progress import FileProgress, StageProgress, StepCounter
from wheel_uploader.core.redaction import sanitize_message

#: Seconds between two status lines.
_INTERVAL = 30.0
#: Stages that print a line for each file. An upload cannot be undone, so the log records every one.
_LISTED_STAGES = frozenset({"upload"})
#: Seconds that ``clear_display`` may wait for the lock.
_LOCK_TIMEOUT = 0.5
_WARNING_PREFIX = "warning: "
#: Minimum duration, in seconds, for a meaningful speed.
_MIN_SECONDS_FOR_SPEED = 1.0


class PlainProgress:
    """A Progress in plain lines: one for each stage, and for each file that is uploaded."""

    def __init__(self, stream: TextIO, *, verbose: int, interval: float = _INTERVAL) -> None:
        self._stream: Any = _TolerantStream(stream)
        self._verbose = verbose
        #: Seconds between two calls of ``_tick``.
        self._every = interval
        #: Held while anything is written or counted: the methods are called from many threads.
        self._lock = threading.RLock()
        self._printed_warnings: set[str] = set()
        self._work: StageProgress | None = None

    def info(self, text: str) -> None:
        """Print a line; a warning is printed once, although each target of a run may report it."""
        line = sanitize_message(text)
        with self._lock:
            if line.startswith(_WARNING_PREFIX):
                if line in self._printed_warnings:
                    return
                self._printed_warnings.add(line)
            self._write(line)

    def debug(self, text: str) -> None:
        """Print a line, with ``-v`` only."""
        if self._verbose:
            self._write(sanitize_message(text))

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    @contextlib.contextmanager
    def stage(self, verb: str, *, files: int, size: int | None) -> Iterator[None]:
        """Print ``downloaded 21 files, 184.6 MB, in 12 s (15.4 MB/s)``, unless it fails or had no work."""
        work = StageProgress(verb, files, size, time.monotonic())
        with self._reporting(work):
            yield
        if work.files_done and (verb not in _LISTED_STAGES or work.files_done > 1):
            self.info(_format_summary(work, time.monotonic() - work.started_at))

    @contextlib.contextmanager
    def file(self, filename: str, *, size: int | None) -> Iterator[ProgressCounter]:
        """Print ``uploaded NAME (1.2 MB)`` if the stage lists files and bytes were transferred."""
        with self._lock:
            work = self._work
            flight = FileProgress(filename, size, work, self._lock)
            if work:
                work.active_files.append(flight)
        try:
            yield flight
        finally:
            with self._lock:
                if work:
                    work.active_files.remove(flight)
        if flight.bytes_done:
            self._finish_file(work, flight)

    def _finish_file(self, work: StageProgress | None, flight: FileProgress) -> None:
        if work:
            with self._lock:
                work.finish_file(flight)
            self._report_file(work, flight)

    def _report_file(self, work: StageProgress, flight: FileProgress) -> None:
        if work.verb in _LISTED_STAGES or self._verbose > 1:
            self.info(f"{_to_past_tense(work.verb)} {flight.filename} ({format_size(flight.bytes_done)})")

    @contextlib.contextmanager
    def counter(self, label: str, *, count: int) -> Iterator[ProgressCounter]:
        """Print a status line at intervals."""
        work = StageProgress(label, count, count, time.monotonic(), steps=True)
        with self._reporting(work):
            yield StepCounter(work, self._lock)

    @contextlib.contextmanager
    def waiting(self, description: str, *, seconds: float | None = None) -> Iterator[None]:
        """Print nothing: a wait is not worth a line in a log."""
        yield

    @contextlib.contextmanager
    def _reporting(self, work: StageProgress) -> Iterator[None]:
        """Report on ``work`` within the context."""
        with self._lock:
            self._work = work
        try:
            with self._ticking_thread():
                yield
        finally:
            with self._lock:
                self._work = None
                self._clear()

    # --- periodic updates ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _ticking_thread(self) -> Iterator[None]:
        """Call ``_tick`` at intervals from a separate thread within the context."""
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
            self._work.record_sample(time.monotonic())
            self.info(_format_status(self._work))

    def _clear(self) -> None:
        """Clear lines that are not permanent; plain lines all are."""

    def clear_display(self) -> None:
        """Clear the display before an immediate exit."""
        # Another thread may hold the lock while it is blocked in a write to a stopped terminal.
        if self._lock.acquire(timeout=_LOCK_TIMEOUT):
            self._clear()


def _to_past_tense(verb: str) -> str:
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def _format_summary(work: StageProgress, seconds: float) -> str:
    speed = (
        f" ({format_size(round(work.bytes_done / seconds))}/s)" if seconds >= _MIN_SECONDS_FOR_SPEED else ""
    )
    return (
        f"{_to_past_tense(work.verb)} {format_count(work.files_done, 'file')}, "
        f"{format_size(work.bytes_done)}, in {format_duration(seconds)}{speed}"
    )


def _format_status(work: StageProgress) -> str:
    """Return ``download: 12 of 21 files, 105.0 MB of 184.6 MB, 3.2 MB/s, 25 s left``, or ``20 of 77``."""
    left = work.seconds_left()
    if work.counts_steps:
        parts = [f"{work.verb}: {work.files_done} of {work.file_count}"]
    else:
        parts = [
            f"{work.verb}: {work.files_done} of {format_count(work.file_count, 'file')}",
            format_size(work.bytes_done)
            + (f" of {format_size(work.total_bytes)}" if work.total_bytes else ""),
            f"{format_size(round(work.speed))}/s",
        ]
    return ", ".join([*parts, *([f"{format_duration(round(left))} left"] if left else [])])


class _TolerantStream:
    """A stream that ignores write errors: a closed pipe or a full disk must not stop the run."""

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
