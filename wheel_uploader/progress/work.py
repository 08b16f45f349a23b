"""A stage under way, in numbers: what is done, what is in flight, how fast, and how much longer."""

from __future__ import annotations

import threading
from collections import deque

#: Seconds: the speed is that of the last so many.
_WINDOW = 8.0
#: Read and judged in one go: what is read says nothing of how long the judging takes.
_WHOLE_FILES = frozenset({"check"})


class Flight:
    """One file in flight: a Bar that counts, for its stage as well."""

    def __init__(self, filename: str, size: int | None, work: Work | None, lock: threading.RLock) -> None:
        self.filename = filename
        self.size = size
        #: Bytes so far.
        self.bytes = 0
        self._work = work
        self._lock = lock

    def expect(self, size: int) -> None:
        with self._lock:
            self.size = size

    def advance(self, count: int) -> None:
        with self._lock:
            self.bytes += count
            if self._work and self._work.verb not in _WHOLE_FILES:
                self._work.bytes += count

    @property
    def share(self) -> float | None:
        """How much of it is done, 1.0 for all; None where nothing has come or its size is not known."""
        return min(1.0, self.bytes / self.size) if self.bytes and self.size else None


class Steps:
    """A Bar for what is no file: its steps are counted as bytes are, and as files."""

    def __init__(self, work: Work, lock: threading.RLock) -> None:
        self._work = work
        self._lock = lock

    def expect(self, size: int) -> None:
        with self._lock:
            self._work.files = self._work.size = size

    def advance(self, count: int) -> None:
        with self._lock:
            self._work.finished += count
            self._work.bytes += count


class Work:
    """A stage of so many files, or of so many steps; whoever calls holds the lock."""

    def __init__(self, verb: str, files: int, size: int | None, now: float, *, steps: bool = False) -> None:
        self.verb = verb
        #: Nothing of it is counted in bytes.
        self.steps = steps
        self.files = files
        #: Bytes of the files that are done and in flight.
        self.bytes = 0
        self.finished = 0
        self.flying: list[Flight] = []
        self.begun = now
        #: Bytes of all files; None when one of them is not known.
        self.size = size
        #: Sizes of the files that were begun, in sum and number: what they are on average, others may be.
        self._seen = [0, 0]
        self._samples = deque([(now, 0)])

    def finish(self, flight: Flight) -> None:
        """A file has arrived, and not all of it was there before."""
        self.finished += 1
        # More files than were announced: one that was there already had to be fetched again.
        self.files = max(self.files, self.finished)
        self._seen[0] += flight.bytes
        self._seen[1] += 1
        if self.verb in _WHOLE_FILES:
            self.bytes += flight.bytes

    def sample(self, now: float) -> None:
        """Note how far it is; to be called now and then."""
        self._samples.append((now, self.bytes))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()

    @property
    def speed(self) -> float:
        """Bytes per second, of late."""
        (before, had), (now, have) = self._samples[0], self._samples[-1]
        return max(0.0, have - had) / (now - before) if now > before else 0.0

    @property
    def share(self) -> float | None:
        """How much is done, 1.0 for all: of the bytes, of the files where nobody knows their sizes."""
        expected = self._expected()
        if expected:
            return min(1.0, self.bytes / expected)
        return self.finished / self.files if self.files else None

    def left(self) -> float | None:
        """Seconds to go at the present speed; None when that cannot be said."""
        expected, speed = self._expected(), self.speed
        return max(0.0, expected - self.bytes) / speed if expected and speed else None

    def _expected(self) -> float:
        """Bytes in all; where sizes are not listed, what those that are seen make likely; 0: not known."""
        if self.size is not None:
            return self.size
        flying = [flight.size for flight in self.flying if flight.size]
        known, count = self._seen[0] + sum(flying), self._seen[1] + len(flying)
        return known / count * max(self.files, count) if count else 0.0
