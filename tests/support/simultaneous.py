"""Counts the requests that a server is answering at the same time."""

from __future__ import annotations

import threading


class SimultaneousRequests:
    """The largest number of requests that were answered at the same time."""

    def __init__(self, expected: int) -> None:
        self.most = 0
        self._expected = expected
        self._waiting = 0
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Return a moment after the expected number of requests is waiting, as one more may arrive."""
        with self._changed:
            self._waiting += 1
            self.most = max(self.most, self._waiting)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self._expected, timeout=5)
            self._changed.wait(0.1)
            self._waiting -= 1
