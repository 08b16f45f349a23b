"""Counters of a running stage: finished files, active files, speed and remaining time."""

from __future__ import annotations

import threading
from collections import deque

#: Seconds over which the speed is averaged.
_SPEED_WINDOW = 8.0
#: Stages that count a file only when it is finished, because the bytes read do not predict the time needed.
_STAGES_BY_FILE = frozenset({"check"})


class FileProgress:
    """The counter of one active file. It also counts for the stage."""

    def __init__(
        self, filename: str, size: int | None, work: StageProgress | None, lock: threading.RLock
    ) -> None:
        self.filename = filename
        self.size = size
        #: Bytes that are done.
        self.bytes_done = 0
        self._work = work
        self._lock = lock

    def set_total(self, size: int) -> None:
        """Set the size of the file."""
        with self._lock:
            self.size = size

    def advance(self, count: int) -> None:
        """Count bytes for the file and its stage."""
        with self._lock:
            self.bytes_done += count
            if self._work and self._work.verb not in _STAGES_BY_FILE:
                self._work.bytes_done += count

    @property
    def fraction_done(self) -> float | None:
        """The fraction that is done, from 0 to 1; None before the first byte or if the size is unknown."""
        return min(1.0, self.bytes_done / self.size) if self.bytes_done and self.size else None


class StepCounter:
    """The counter of a series of steps, each of which counts as a file of one byte."""

    def __init__(self, work: StageProgress, lock: threading.RLock) -> None:
        self._work = work
        self._lock = lock

    def set_total(self, size: int) -> None:
        """Set the number of steps."""
        with self._lock:
            self._work.file_count = self._work.total_bytes = size

    def advance(self, count: int) -> None:
        """Count finished steps."""
        with self._lock:
            self._work.files_done += count
            self._work.bytes_done += count


class StageProgress:
    """The counters of a stage, of files or of steps. The caller holds the lock."""

    def __init__(self, verb: str, files: int, size: int | None, now: float, *, steps: bool = False) -> None:
        self.verb = verb
        #: True if it counts steps and not bytes.
        self.counts_steps = steps
        self.file_count = files
        #: Bytes that are done, of finished and active files.
        self.bytes_done = 0
        self.files_done = 0
        self.active_files: list[FileProgress] = []
        self.started_at = now
        #: Bytes of all files; None if the size of a file is unknown.
        self.total_bytes = size
        #: Total bytes and number of the finished files, to estimate the size of the others.
        self._size_sample = [0, 0]
        self._samples = deque([(now, 0)])

    def finish_file(self, flight: FileProgress) -> None:
        """Count a finished file, of which at least a part was transferred."""
        self.files_done += 1
        # More than announced if a file that already existed was downloaded again.
        self.file_count = max(self.file_count, self.files_done)
        self._size_sample[0] += flight.bytes_done
        self._size_sample[1] += 1
        if self.verb in _STAGES_BY_FILE:
            self.bytes_done += flight.bytes_done

    def record_sample(self, now: float) -> None:
        """Record the current progress for the speed; called at intervals."""
        self._samples.append((now, self.bytes_done))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _SPEED_WINDOW:
            self._samples.popleft()

    @property
    def speed(self) -> float:
        """Recent bytes per second."""
        (start, bytes_at_start), (end, bytes_at_end) = self._samples[0], self._samples[-1]
        return max(0.0, bytes_at_end - bytes_at_start) / (end - start) if end > start else 0.0

    @property
    def fraction_done(self) -> float | None:
        """The fraction that is done, from 0 to 1: of the bytes, or of the files if no size is known."""
        expected = self._expected_bytes()
        if expected:
            return min(1.0, self.bytes_done / expected)
        return self.files_done / self.file_count if self.file_count else None

    def seconds_left(self) -> float | None:
        """Return the remaining seconds at the current speed; None if unknown."""
        expected, speed = self._expected_bytes(), self.speed
        return max(0.0, expected - self.bytes_done) / speed if expected and speed else None

    def _expected_bytes(self) -> float:
        """Return the total bytes, estimated from the known sizes if necessary; 0 if unknown."""
        if self.total_bytes is not None:
            return self.total_bytes
        flying = [flight.size for flight in self.active_files if flight.size]
        total, count = self._size_sample[0] + sum(flying), self._size_sample[1] + len(flying)
        return total / count * max(self.file_count, count) if count else 0.0
