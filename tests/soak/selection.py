"""The wheel of a release for each Python and platform, selected by tags and by pip, in random releases."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.soak import Figure
from tests.support import pip_selection
from tests.support.pip_selection import Comparison

#: Environments to compare.
ENVIRONMENTS = 20_000


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Compare the wheel that is selected by tags with the choice of pip, in 20,000 environments."""
    del jobs
    numbers, comparison, releases = random.Random(), Comparison(), 0
    while comparison.certain < ENVIRONMENTS / part:
        pip_selection.compare(pip_selection.make_release(numbers), comparison)
        releases += 1
    yield Figure(
        f"{comparison.certain:,} environments of {releases:,} releases, {comparison.with_wheel:,} with a "
        f"wheel; pip must be asked for {comparison.total - comparison.certain:,} more",
        comparison.differences,
    )
