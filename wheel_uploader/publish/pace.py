"""How many files go up at once: as many as wanted, but no more than the line can carry in good time. Pure."""

from __future__ import annotations

#: Seconds after which PyPI stops an upload, however much of it has come; other indexes have such limits too.
LIMIT = 240.0
#: The part of it that is planned with: lines get slower, and a file has to be stored after it has come.
_PLANNED = 0.5
#: Seconds: a post that took less was mostly waiting, and says little about the line.
_TELLING = 1.0


class Pace:
    """What was learnt about the line to the index, and what follows from it; not safe for threads."""

    def __init__(self, jobs: int, *, limit: float = LIMIT) -> None:
        self._jobs = max(jobs, 1)
        self._limit = limit
        #: Bytes per second of all streams together; None before anything was measured.
        self._rate: float | None = None

    def streams(self, largest: int) -> int:
        """How many may be under way at once when the largest of them has so many bytes.

        They share the line: with too many of them each needs longer than the index waits.
        """
        if self._rate is None:
            return 1
        in_time = self._rate * self._limit * _PLANNED / max(largest, 1)
        return max(1, min(self._jobs, int(in_time)))

    def needs(self, size: int) -> float:
        """Seconds that a file of so many bytes needs when it has the line for itself; 0 when unknown."""
        return size / self._rate if self._rate else 0.0

    def too_long(self, size: int) -> bool:
        """Whether even on its own it needs longer than the index waits."""
        return self.needs(size) > self._limit

    def measured(self, size: int, seconds: float, streams: int) -> None:
        """A file of ``size`` bytes took ``seconds``, with ``streams`` on the line all that time."""
        rate = size / max(seconds, 0.001) * streams
        if self._rate is None or rate > self._rate or seconds >= _TELLING:
            self._rate = rate

    def troubled(self, streams: int) -> None:
        """The index failed while so many were on the line: half as many from now on."""
        self._jobs = max(1, min(self._jobs, streams // 2))
