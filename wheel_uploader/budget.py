"""The budget of one file: what all readers and checks together may spend on a wheel or an sdist.

Limits for each table do not add up, because a file has as many tables as it likes. Each reader and check
therefore takes what it needs from one Budget, which ends the work on a file that asks for more than any
released one does. Counts come first, because they are the same on every machine; the clock is the last
resort.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType

#: Seconds of CPU time for one file, and how much more for each second that inflating and hashing takes.
SECONDS = 2.0
FACTOR = 3.0
#: Bytes of memory for what is kept of one file, as estimated here.
MEMORY = 160 << 20
#: How many of each thing one file may have. The largest released files stay below half of each.
LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "members": 65_535,
        "remarks": 200_000,
        "extra fields": 500_000,
        "compiled files": 16_384,
        "slices": 16_384,
        "load commands": 500_000,
        "sections": 500_000,
        "dynamic tags": 1_000_000,
        "symbols": 4_000_000,
        "symbol versions": 500_000,
        "import tables": 200_000,
        "names": 1_000_000,
        "RECORD rows": 131_072,
        "extended headers": 200_000,
        "gzip members": 10_000,
    }
)
#: Units of work between two looks at the clock; none takes more than about 10 microseconds.
_PACE = 1000
#: Units of work from which on a member may be to blame.
_NOTABLE = 20_000
#: The kind of the fact that a file was not read or checked to its end.
OVER_BUDGET = "over-budget"

_clock = getattr(time, "thread_time", time.process_time)


class Exhausted(Exception):
    """A file costs more than any released one; ``str()`` says which limit it reached, ``member`` where."""

    def __init__(self, message: str, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member


class Budget:
    """What one file has cost so far; what takes something raises Exhausted when it is used up."""

    __slots__ = (
        *("_added", "_began", "_dearest", "_done", "_done_before", "_left", "_most", "_pool", "_spent"),
        *("_unpacking", "_unpacking_since", "_used", "member", "memory"),
    )

    def __init__(self) -> None:
        #: The member that is being read or checked, for the message.
        self.member: str | None = None
        #: The member that took the most work so far, how much, and what was done when the present one began.
        self._dearest: str | None = None
        self._most = _NOTABLE
        self._done = 0
        self._done_before = 0
        #: Bytes kept, as estimated.
        self.memory = 0
        self._spent: dict[str, int] = {}
        self._pool: dict[str, str] = {}
        #: Seconds of CPU time of earlier stretches of work, and when this one began.
        self._used = 0.0
        self._began: float | None = None
        self._added = 0.0
        self._unpacking = 0.0
        self._unpacking_since = 0.0
        self._left = _PACE

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Let the clock run; time of the CPU, so that a busy machine does not change a verdict."""
        outermost = self._began is None
        if outermost:
            self._began = _clock()
        try:
            yield
        finally:
            if outermost and self._began is not None:
                self._used += max(0.0, _clock() - self._began)
                self._began = None

    @contextlib.contextmanager
    def framing(self) -> Iterator[None]:
        """Add the time that the tables of an archive take, which have limits of their own."""
        began = _clock()
        try:
            yield
        finally:
            self._added += max(0.0, _clock() - began)

    def start_unpacking(self) -> None:
        """From here to ``stop_unpacking`` bytes are inflated and hashed, for which time is added."""
        self._unpacking_since = _clock()

    def stop_unpacking(self) -> None:
        self._unpacking += max(0.0, _clock() - self._unpacking_since)

    def enter(self, member: str | None) -> None:
        """From here on ``member`` is read or checked; None: no one in particular."""
        work = self._done - self._done_before
        if work > self._most and self.member:
            self._most, self._dearest = work, self.member
        self.member, self._done_before = member, self._done

    def spend(self, what: str, count: int = 1) -> None:
        """Take ``count`` of ``what``, a key of LIMITS."""
        spent = self._spent[what] = self._spent.get(what, 0) + count
        if spent > LIMITS[what]:
            raise Exhausted(f"it has more than {LIMITS[what]:,} {what}", self.member)
        self.tick(count)

    def tick(self, count: int = 1) -> None:
        """Take the time of ``count`` units of work that have no limit of their own."""
        self._left -= count
        self._done += count
        if self._left <= 0:
            self.check_time()

    def check_time(self) -> None:
        """Look at the clock."""
        self._left = _PACE
        if self._began is None:
            return
        used = self._used + _clock() - self._began
        if used > self.seconds:
            message = f"reading and checking it takes more than {self.seconds:.1f} s of CPU time"
            raise Exhausted(message, self.member or self._dearest)

    @property
    def seconds(self) -> float:
        """How many seconds of CPU time the file may take."""
        return SECONDS + self._added + FACTOR * self._unpacking

    def keep(self, size: int) -> None:
        """Take ``size`` bytes of memory until the file is done with."""
        self.memory += size
        if self.memory > MEMORY:
            message = f"what has to be kept of it takes more than {MEMORY >> 20} MiB of memory"
            raise Exhausted(message, self.member)

    def name(self, text: str) -> str:
        """Keep ``text``, a name that a table has; equal ones are kept once."""
        self.spend("names")
        return self.share(text)

    def share(self, text: str) -> str:
        """As ``name``, of a text that was counted before."""
        if (known := self._pool.get(text)) is not None:
            return known
        self.keep(sys.getsizeof(text) + 100)
        self._pool[text] = text
        return text

    def spent(self) -> dict[str, int]:
        """How many of each thing were taken so far."""
        return dict(self._spent)

    def shares(self) -> dict[str, float]:
        """Which part of each limit is used, from 0 to 1."""
        shares = {what: count / LIMITS[what] for what, count in self._spent.items()}
        return {**shares, "memory": self.memory / MEMORY, "CPU time": self._used / self.seconds}
