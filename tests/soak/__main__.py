"""``python -m tests.soak WHAT...``: the long runs; each prints its figures, and all that went wrong.

Without WHAT they are listed. ``all`` does all of them, which takes about an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.soak import (
    Skipped,
    cuts,
    disk,
    fuzz,
    hostile,
    kills,
    leaks,
    mutants,
    runs,
    signals,
    storms,
    swaps,
    syscalls,
)

SOAKS = {
    "signals": signals.soak,
    "kills": kills.soak,
    "syscalls": syscalls.soak,
    "storms": storms.soak,
    "runs": runs.soak,
    "disk": disk.soak,
    "cuts": cuts.soak,
    "hostile": hostile.soak,
    "leaks": leaks.soak,
    "fuzz": fuzz.soak,
    "swaps": swaps.soak,
    "mutants": mutants.soak,
}


def main() -> int:
    """Run what was asked for; 1 when anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("what", nargs="*", choices=[[], "all", *SOAKS], metavar="WHAT")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="every N-th case only")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="at once (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="which mutants (default: a new one, printed)")
    parser.add_argument("--count", type=int, default=mutants.COUNT, metavar="N", help="how many mutants")
    asked = parser.parse_args()
    if not asked.what:
        for name, soak in SOAKS.items():
            print(f"{name:10}{soak.__doc__}")
        return 0
    good = True
    for what in SOAKS if "all" in asked.what else asked.what:
        begun = time.monotonic()
        try:
            more = {"seed": asked.seed, "count": asked.count} if what == "mutants" else {}
            for figure in SOAKS[what](asked.part, asked.jobs, **more):
                print(f"{what}: {figure.text}")
                for trouble in figure.troubles:
                    print(f"  {trouble}")
                good &= not figure.troubles
        except Skipped as reason:
            print(f"{what}: skipped: {reason}")
        print(f"{what}: {time.monotonic() - begun:.0f} s", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
