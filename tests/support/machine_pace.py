"""Measures how much slower this machine is at the moment than the one on which CPU limits were chosen.

CPU time also depends on the load, because hyper-threads share a core and all processes share caches.
"""

from __future__ import annotations

import time

#: Seconds of CPU that the loop takes on the idle machine on which the limits were chosen.
_AT_REST = 0.09


def slowness() -> float:
    """Return the factor for a limit of CPU time; at least 1."""
    started = time.process_time()
    table: dict[int, str] = {}
    for number in range(1_000_000):
        table[number & 0xFFFF] = str(number)
    return max(1.0, (time.process_time() - started) / _AT_REST)
