"""The number of parallel uploads: as many as configured and as finish within the time limit of the index.

Performs no I/O.
"""

from __future__ import annotations

#: Seconds after which PyPI aborts an upload in progress; other indexes have similar limits.
UPLOAD_TIME_LIMIT = 240.0
#: Share of the limit to plan with: bandwidth may drop, and storing the file takes time as well.
_PLANNED_SHARE = 0.5
#: In seconds; a shorter upload is mostly latency and says little about the bandwidth.
_MIN_MEASUREMENT = 1.0


class ConcurrencyController:
    """The measured bandwidth to the index, and the parallel uploads that it allows; not safe for threads."""

    def __init__(self, jobs: int, *, limit: float = UPLOAD_TIME_LIMIT) -> None:
        self._jobs = max(jobs, 1)
        self._limit = limit
        #: Total bandwidth in bytes per second; None before the first measurement.
        self._rate: float | None = None

    def limit(self, largest_size: int) -> int:
        """Return how many uploads may run in parallel if the largest has that many bytes.

        They share the bandwidth: with too many, each takes longer than the index allows.
        """
        if self._rate is None:
            return 1
        fitting = self._rate * self._limit * _PLANNED_SHARE / max(largest_size, 1)
        return max(1, min(self._jobs, int(fitting)))

    def estimated_seconds(self, size: int) -> float:
        """Return the seconds that a file of that many bytes takes on its own; 0 if unknown."""
        return size / self._rate if self._rate else 0.0

    def exceeds_server_limit(self, size: int) -> bool:
        """Return whether a file of that many bytes exceeds the time limit even on its own."""
        return self.estimated_seconds(size) > self._limit

    def record_success(self, size: int, seconds: float, parallel_uploads: int) -> None:
        """Record that ``size`` bytes took ``seconds`` while at least ``parallel_uploads`` uploads ran."""
        rate = size / max(seconds, 0.001) * parallel_uploads
        if self._rate is None or rate > self._rate or seconds >= _MIN_MEASUREMENT:
            self._rate = rate

    def record_failure(self, parallel_uploads: int) -> None:
        """Record a server error while ``parallel_uploads`` uploads ran: allow half as many from now on."""
        self._jobs = max(1, min(self._jobs, parallel_uploads // 2))
