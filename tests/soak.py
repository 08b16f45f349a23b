"""The long runs: ``python -m tests.soak storms`` and ``kills``; they print their figures."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

from tests import kills, storms


def soak_storms(seeds: int, jobs: int) -> bool:
    """Publish a release in each of so many storms."""
    with ProcessPoolExecutor(jobs, initializer=_alone) as pool:
        ended = list(pool.map(_storm, range(seeds), chunksize=5))
    troubles = [trouble for each in ended for trouble in each.troubles]
    good = sum(not each.troubles for each in ended)
    runs = sorted(each.runs for each in ended)
    print(
        f"storms: {good} of {seeds} end with the index equal to the plan; runs of the command: median "
        f"{runs[len(runs) // 2]}, at most {runs[-1]}; {sum(each.posts for each in ended)} posts, "
        f"{sum(each.seconds for each in ended) / 3600:.0f} h of pauses on the virtual clock"
    )
    return _told(troubles)


def _storm(seed: int) -> storms.Weathered:
    with tempfile.TemporaryDirectory() as folder:
        return storms.weather(seed, Path(folder))


def _alone() -> None:
    """Nothing of this machine's configuration."""
    os.environ.update(
        NETRC=os.devnull, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring", HOME="/nowhere"
    )
    for name in [name for name in os.environ if name.startswith("TWINE_")]:
        del os.environ[name]


def soak_kills(every: int, jobs: int, *, signed: bool) -> bool:
    """Kill a run at every point, or at every n-th, and run it again."""

    def lane(number: int) -> kills.Tally:
        tally = kills.Tally()
        with kills.sweeping(signed=signed) as sweep:
            for point in range(1 + number * every, sweep.points() + 1, every * jobs):
                tally.add(sweep.kill_at(point))
        return tally

    with ThreadPoolExecutor(jobs) as pool:
        total = kills.Tally()
        for tally in pool.map(lane, range(jobs)):
            total.add(tally)
    print(f"kills {'with' if signed else 'without'} signing: {total}")
    return _told(total.troubles)


def _told(troubles: list[str]) -> bool:
    for trouble in troubles:
        print(f"  {trouble}")
    return not troubles


def main() -> int:
    """Run what was asked for; 1 when anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("what", choices=["storms", "kills"], nargs="+")
    parser.add_argument("--seeds", type=int, default=500, help="storms (default: %(default)s)")
    parser.add_argument(
        "--every", type=int, default=1, help="kill at every n-th point (default: %(default)s)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="at once (default: %(default)s)"
    )
    asked = parser.parse_args()
    soaks: dict[str, Callable[[], list[bool]]] = {
        "storms": lambda: [soak_storms(asked.seeds, asked.jobs)],
        "kills": lambda: [soak_kills(asked.every, asked.jobs, signed=signed) for signed in (False, True)],
    }
    good = True
    for what in asked.what:
        begun = time.monotonic()
        good &= all(soaks[what]())
        print(f"{what}: {time.monotonic() - begun:.0f} s", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
