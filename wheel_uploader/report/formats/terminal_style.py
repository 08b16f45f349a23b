"""The style of text output: its symbols, colours and width."""

from __future__ import annotations

import enum

from wheel_uploader.core.lazy_dataclass import dataclass


class Color(enum.StrEnum):
    """SGR parameters of the colours and weights; words carry the same meaning, so colour is optional."""

    GREEN = "32"
    YELLOW = "33"
    RED = "31;1"
    DIM = "2"
    BOLD = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalStyle:
    """The capabilities of the output stream."""

    #: The stream accepts characters beyond ASCII.
    utf8: bool = False
    color: bool = False
    #: Lines are wrapped and names shortened; in files and logs, names stay complete and searchable.
    is_terminal: bool = False
    #: Columns.
    width: int = 80

    def paint(self, text: str, color: Color | None) -> str:
        """Return ``text`` in the colour ``color`` if the stream supports colours."""
        return f"\x1b[{color}m{text}\x1b[0m" if self.color and color and text.strip() else text


PLAIN_STYLE = TerminalStyle()
