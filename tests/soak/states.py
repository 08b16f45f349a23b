"""Every sequence of events in the upload of one file, with the program's own code on an index in memory."""

from __future__ import annotations

from collections.abc import Iterator

from tests.soak import Figure
from tests.support.replacement_exploration import ReplacementExploration
from tests.support.upload_exploration import Exploration

#: Beyond the length of the complete exploration, only new situations are continued.
LONG = 12


def soak(part: int, jobs: int) -> Iterator[Figure]:
    """Follow every sequence of events in the upload of one file; check the properties of docs/upload.rst."""
    for reads, repeats in ((True, False), (False, False), (False, True)):
        for exploration in (
            Exploration(reads=reads, repeats=repeats, prunes=False),
            Exploration(reads=reads, repeats=repeats),
            Exploration(reads=reads, repeats=repeats, length=LONG),
        ):
            exploration.run()
            yield Figure(exploration.summary, exploration.problems)
    replacement = ReplacementExploration(length=LONG - 3).run()
    yield Figure(replacement.summary, replacement.problems)
