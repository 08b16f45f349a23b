"""The budget of one file: the resources that all readers and checks together may use for a wheel or sdist.

A limit per table would not suffice, because a file may have any number of tables. Each reader and check
therefore draws on one Budget, which stops the work on a file that needs more than any released file. Counts
are limited first, because they are the same on every machine; CPU time is the last resort.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from wheel_uploader.core.formatting import format_duration

#: Seconds of CPU time for one file, and additional seconds per second of decompressing and hashing.
BASE_CPU_SECONDS = 2.0
UNPACKING_FACTOR = 3.0
#: Estimated bytes of memory for the retained data of one file.
MAX_MEMORY = 160 << 20
#: Maximum count of each kind of item in one file. The largest released files stay below half of each.
COUNT_LIMITS: Mapping[str, int] = MappingProxyType(
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
#: Units of work between two checks of the clock; one unit takes at most about 10 microseconds.
_UNITS_PER_CLOCK_CHECK = 1000
#: Units of work from which on a member is named as the cause.
_MIN_BLAMED_UNITS = 20_000
#: The kind of anomaly that says that a file was not completely read or checked.
OVER_BUDGET = "over-budget"

_clock = getattr(time, "thread_time", time.process_time)
#: Elapsed time, which is at least the CPU time of a thread. Reading this clock takes a fraction of the time.
_elapsed_clock = time.perf_counter


class BudgetExceeded(Exception):
    """A file exceeds its budget. ``str()`` names the limit, ``member`` the archive member."""

    def __init__(self, message: str, member: str | None = None) -> None:
        super().__init__(message)
        self.member = member


class Budget:
    """The resources that one file has used. Methods that use more raise BudgetExceeded beyond the limit."""

    __slots__ = (
        "_costliest_member",
        "_costliest_units",
        "_counts",
        "_extra_seconds",
        "_shared_names",
        "_started_at",
        "_started_at_elapsed",
        "_units_before_member",
        "_units_done",
        "_units_until_check",
        "_unpacking_seconds",
        "_unpacking_started_at",
        "_used_elapsed_seconds",
        "_used_seconds",
        "member",
        "memory",
    )

    def __init__(self) -> None:
        #: The member that is being read or checked, for the error.
        self.member: str | None = None
        #: The member with the most work and its units; all units; the units before the current member.
        self._costliest_member: str | None = None
        self._costliest_units = _MIN_BLAMED_UNITS
        self._units_done = 0
        self._units_before_member = 0
        #: Estimated bytes of the retained data.
        self.memory = 0
        self._counts: dict[str, int] = {}
        self._shared_names: dict[str, str] = {}
        #: CPU and elapsed seconds of earlier ``measure_cpu_time`` blocks, and the start of the current one.
        self._used_seconds = 0.0
        self._used_elapsed_seconds = 0.0
        self._started_at: float | None = None
        self._started_at_elapsed = 0.0
        self._extra_seconds = 0.0
        self._unpacking_seconds = 0.0
        self._unpacking_started_at = 0.0
        self._units_until_check = _UNITS_PER_CLOCK_CHECK

    @contextlib.contextmanager
    def measure_cpu_time(self) -> Iterator[None]:
        """Measure the CPU time of a block. Elapsed time would make the results depend on the load."""
        outermost = self._started_at is None
        if outermost:
            self._started_at = _clock()
            self._started_at_elapsed = _elapsed_clock()
        try:
            yield
        finally:
            if outermost and self._started_at is not None:
                self._used_seconds, self._used_elapsed_seconds = self._measure_used()
                self._started_at = None

    @contextlib.contextmanager
    def exempt_cpu_time(self) -> Iterator[None]:
        """Exempt the CPU time of a block that reads the tables of an archive, which have separate limits."""
        start = _clock()
        try:
            yield
        finally:
            self._extra_seconds += max(0.0, _clock() - start)

    def start_unpacking(self) -> None:
        """Start measuring the elapsed time of decompressing and hashing, which raises the limit."""
        self._unpacking_started_at = _elapsed_clock()

    def stop_unpacking(self) -> None:
        """Stop measuring the time of decompressing and hashing."""
        self._unpacking_seconds += max(0.0, _elapsed_clock() - self._unpacking_started_at)

    def set_member(self, member: str | None) -> None:
        """Set the member that is read or checked from now on; None for none in particular."""
        work = self._units_done - self._units_before_member
        if work > self._costliest_units and self.member:
            self._costliest_units, self._costliest_member = work, self.member
        self.member, self._units_before_member = member, self._units_done

    def count_items(self, kind: str, count: int = 1) -> None:
        """Count ``count`` items of a kind, a key of COUNT_LIMITS."""
        total = self._counts[kind] = self._counts.get(kind, 0) + count
        if total > COUNT_LIMITS[kind]:
            raise BudgetExceeded(f"it has more than {COUNT_LIMITS[kind]:,} {kind}", self.member)
        # As in ``count_work``, which is not called because this is done for every entry of a table.
        self._units_until_check -= count
        self._units_done += count
        if self._units_until_check <= 0:
            self.check_time()

    def count_work(self, count: int = 1) -> None:
        """Count units of work that have no separate limit, and check the time at intervals."""
        self._units_until_check -= count
        self._units_done += count
        if self._units_until_check <= 0:
            self.check_time()

    def check_time(self) -> None:
        """Raise BudgetExceeded if the CPU time is used up."""
        self._units_until_check = _UNITS_PER_CLOCK_CHECK
        if self._started_at is None:
            return
        if self._used_seconds + _elapsed_clock() - self._started_at_elapsed <= BASE_CPU_SECONDS:
            return
        used, limit = self._measure_used()[0], self.cpu_limit
        if used > limit:
            message = f"reading and checking it takes more than {format_duration(limit)} of CPU time"
            raise BudgetExceeded(message, self.member or self._costliest_member)

    @property
    def cpu_limit(self) -> float:
        """The limit of CPU time for the file, in seconds."""
        used, elapsed = self._measure_used()
        # On a busy machine, the elapsed time of unpacking is many times its CPU time, which is estimated:
        # reading the clock of CPU time for every member takes too long.
        cpu_share = min(1.0, used / elapsed) if elapsed else 1.0
        unpacking = self._unpacking_seconds * cpu_share
        return BASE_CPU_SECONDS + self._extra_seconds + UNPACKING_FACTOR * unpacking

    def _measure_used(self) -> tuple[float, float]:
        """Return the CPU and the elapsed seconds that were used until now."""
        if self._started_at is None:
            return self._used_seconds, self._used_elapsed_seconds
        return (
            self._used_seconds + max(0.0, _clock() - self._started_at),
            self._used_elapsed_seconds + max(0.0, _elapsed_clock() - self._started_at_elapsed),
        )

    def reserve_memory(self, size: int) -> None:
        """Count ``size`` bytes of memory that are retained until the file is finished."""
        self.memory += size
        if self.memory > MAX_MEMORY:
            message = f"the data to retain takes more than {MAX_MEMORY >> 20} MiB of memory"
            raise BudgetExceeded(message, self.member)

    def intern_name(self, text: str) -> str:
        """Count and retain a name from a table, and return the shared copy of equal names."""
        self.count_items("names")
        return self.intern_text(text)

    def intern_text(self, text: str) -> str:
        """Like ``intern_name``, for text that is already counted."""
        if (shared := self._shared_names.get(text)) is not None:
            return shared
        self.reserve_memory(sys.getsizeof(text) + 100)
        self._shared_names[text] = text
        return text

    def item_counts(self) -> dict[str, int]:
        """Return the count of each kind of item."""
        return dict(self._counts)

    def used_fractions(self) -> dict[str, float]:
        """Return the used fraction of each limit, from 0 to 1."""
        shares = {kind: count / COUNT_LIMITS[kind] for kind, count in self._counts.items()}
        return {**shares, "memory": self.memory / MAX_MEMORY, "CPU time": self._used_seconds / self.cpu_limit}
