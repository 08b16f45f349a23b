"""The long runs and the figures that they print: ``python -m tests.soak``."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Figure:
    """What a long run has to say: one line, and one for each thing that went wrong."""

    text: str
    troubles: list[str] = field(default_factory=list)


class Skipped(Exception):
    """This cannot be done on this machine; the text says why."""
