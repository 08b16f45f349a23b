"""How much slower this machine is at the moment than the one on which limits of CPU time were chosen.

CPU time, too, depends on what else runs: two threads of one core share it, and caches are shared by all.
"""

from __future__ import annotations

import time

#: Seconds of CPU that the loop takes on the machine on which the limits of the tests were chosen, at rest.
_AT_REST = 0.09


def slowness() -> float:
    """Return by how much to multiply a limit of CPU time; at least 1."""
    started = time.process_time()
    table: dict[int, str] = {}
    for number in range(1_000_000):
        table[number & 0xFFFF] = str(number)
    return max(1.0, (time.process_time() - started) / _AT_REST)
