"""The long runs and the figures that they print: ``python -m tests.soak``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Figure:
    """The result of a long run: one line of text, and one for each problem."""

    text: str
    problems: list[str] = field(default_factory=list)


class Skipped(Exception):
    """The run is not possible on this machine; the text is the reason."""
