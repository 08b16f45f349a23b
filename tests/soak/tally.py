"""The results of many runs, which are added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self


@dataclass(kw_only=True)
class Tally:
    """Base class of the results of runs: numbers, and lists."""

    #: One line for each problem.
    problems: list[str] = field(default_factory=list)

    def add(self, other: Self) -> None:
        """Add the results of other runs."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def count(self, name: str, problem: str) -> None:
        """Count a problem under ``name``, and note it as a line."""
        setattr(self, name, getattr(self, name) + 1)
        self.problems.append(problem)
