"""How text looks on the screen that it is for: its symbols, its colours and its width."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Ink(enum.StrEnum):
    """A colour or a weight, as terminals are told; words say the same, so that it may be left out."""

    GREEN = "32"
    YELLOW = "33"
    RED = "31;1"
    DIM = "2"
    BOLD = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a screen can show."""

    #: More than ASCII.
    utf8: bool = False
    color: bool = False
    #: A line that is too long breaks in an ugly place; elsewhere people search for whole names.
    terminal: bool = False
    #: Columns.
    width: int = 80

    def paint(self, text: str, ink: Ink | None) -> str:
        """``text`` in that colour, where there are colours."""
        return f"\x1b[{ink}m{text}\x1b[0m" if self.color and ink and text.strip() else text


PLAIN = Look()
