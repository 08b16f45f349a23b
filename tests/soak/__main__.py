"""``python -m tests.soak WHAT...``: the long runs; each prints its figures and all problems.

Without WHAT they are listed. ``all`` runs all of them, which takes about an hour on two cores.
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
    long_tests,
    mutants,
    prunes,
    runs,
    selection,
    signals,
    states,
    storms,
    swaps,
    syscalls,
)

SOAKS = {
    "signals": signals.soak,
    "kills": kills.soak,
    "prunes": prunes.soak,
    "syscalls": syscalls.soak,
    "storms": storms.soak,
    "runs": runs.soak,
    "disk": disk.soak,
    "cuts": cuts.soak,
    "hostile": hostile.soak,
    "leaks": leaks.soak,
    "fuzz": fuzz.soak,
    "swaps": swaps.soak,
    "states": states.soak,
    "mutants": mutants.soak,
    "selection": selection.soak,
    "long": long_tests.soak,
}


def main() -> int:
    """Run the given long runs; return 1 if there were any problems."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("what", nargs="*", choices=[[], "all", *SOAKS], metavar="WHAT")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="only every N-th case")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="parallel jobs (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="the seed that selects the mutants (default: random, printed)"
    )
    parser.add_argument("--count", type=int, default=mutants.COUNT, metavar="N", help="the number of mutants")
    options = parser.parse_args()
    if not options.what:
        for name, soak in SOAKS.items():
            print(f"{name:10}{soak.__doc__}")
        return 0
    good = True
    for what in SOAKS if "all" in options.what else options.what:
        started = time.monotonic()
        try:
            more = {"seed": options.seed, "count": options.count} if what == "mutants" else {}
            for figure in SOAKS[what](options.part, options.jobs, **more):
                print(f"{what}: {figure.text}")
                for problem in figure.problems:
                    print(f"  {problem}")
                good &= not figure.problems
        except Skipped as reason:
            print(f"{what}: skipped: {reason}")
        print(f"{what}: {time.monotonic() - started:.0f} s", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
