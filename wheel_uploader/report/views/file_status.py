"""The symbol, word and emphasis for every status of a file: the one table that every format uses."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import FileStatus


class Emphasis(enum.StrEnum):
    """The emphasis of a status. It selects a colour, which never carries the meaning alone."""

    GOOD = "good"
    PLAIN = "plain"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """The representation of one status of a file, or of one result of a rehearsal."""

    #: ID of the SVG shape in formats/html/marks.svg.
    shape_id: str
    label: str
    emphasis: Emphasis
    #: The character that replaces the shape in text, and the one for output that is limited to ASCII.
    character: str
    ascii_character: str
    meaning: str

    def get_character(self, *, utf8: bool) -> str:
        """Return the character for a stream that accepts UTF-8, or for one that is limited to ASCII."""
        return self.character if utf8 else self.ascii_character


#: No two have the same character. They are in the order of the legend: a cell with several wheels shows the
#: status that comes last here.
SYMBOLS: Mapping[FileStatus, Symbol] = {
    FileStatus.CONFIRMED: Symbol(
        shape_id="published",
        label="confirmed",
        emphasis=Emphasis.GOOD,
        character="✓",
        ascii_character="+",
        meaning="uploaded by this run, or verified; the index serves the sha256 that was checked",
    ),
    FileStatus.UPLOADED: Symbol(
        shape_id="uploaded",
        label="uploaded",
        emphasis=Emphasis.GOOD,
        character="↑",
        ascii_character="^",
        meaning="uploaded by this run; the index has not been seen to serve it",
    ),
    FileStatus.SKIPPED: Symbol(
        shape_id="same",
        label="skipped",
        emphasis=Emphasis.GOOD,
        character="=",
        ascii_character="=",
        meaning="already on the index with the same sha256",
    ),
    FileStatus.WOULD_UPLOAD: Symbol(
        shape_id="would-post",
        label="would upload",
        emphasis=Emphasis.PLAIN,
        character="⇡",
        ascii_character=">",
        meaning="not yet on the index",
    ),
    FileStatus.SIGNED: Symbol(
        shape_id="signed",
        label="signed",
        emphasis=Emphasis.PLAIN,
        character="●",
        ascii_character="s",
        meaning="checked and signed; not uploaded",
    ),
    FileStatus.CHECKED: Symbol(
        shape_id="checked",
        label="checked",
        emphasis=Emphasis.PLAIN,
        character="○",
        ascii_character="o",
        meaning="verified, and passed the checks; not uploaded",
    ),
    FileStatus.DOWNLOADED: Symbol(
        shape_id="here",
        label="downloaded",
        emphasis=Emphasis.PLAIN,
        character="↓",
        ascii_character="v",
        meaning="in the wheelhouse; not yet checked",
    ),
    FileStatus.LISTED: Symbol(
        shape_id="listed",
        label="listed",
        emphasis=Emphasis.PLAIN,
        character="·",
        ascii_character=".",
        meaning="found in the staging area; not downloaded",
    ),
    FileStatus.COVERED: Symbol(
        shape_id="covered",
        label="covered",
        emphasis=Emphasis.PLAIN,
        character="◌",
        ascii_character="~",
        meaning="a wheel of another row or column is installed here",
    ),
    FileStatus.NOT_TRIED: Symbol(
        shape_id="not-tried",
        label="not tried",
        emphasis=Emphasis.WARN,
        character="…",
        ascii_character="_",
        meaning="the run ended before this file was uploaded",
    ),
    FileStatus.UNKNOWN: Symbol(
        shape_id="unknown",
        label="unknown",
        emphasis=Emphasis.WARN,
        character="?",
        ascii_character="?",
        meaning="sent, but the index did not respond and could not be queried",
    ),
    FileStatus.FAILED: Symbol(
        shape_id="not-uploaded",
        label="failed",
        emphasis=Emphasis.BAD,
        character="!",
        ascii_character="!",
        meaning="the upload failed; the index did not reject the file",
    ),
    FileStatus.REJECTED: Symbol(
        shape_id="refused",
        label="rejected",
        emphasis=Emphasis.BAD,
        character="⊘",
        ascii_character="R",
        meaning="the index refused the file",
    ),
    FileStatus.FAILED_CHECKS: Symbol(
        shape_id="failed",
        label="failed checks",
        emphasis=Emphasis.BAD,
        character="✗",
        ascii_character="x",
        meaning="has findings that block the release",
    ),
    FileStatus.CONFLICT: Symbol(
        shape_id="conflict",
        label="conflict",
        emphasis=Emphasis.BAD,
        character="≠",
        ascii_character="#",
        meaning="the index has other bytes under this name, or the same bytes under another name",
    ),
    FileStatus.MISSING: Symbol(
        shape_id="expected",
        label="missing",
        emphasis=Emphasis.BAD,
        character="□",
        ascii_character="M",
        meaning="expected, or in the previous release, and absent",
    ),
}
LEGEND_ORDER = tuple(SYMBOLS.values())


def format_status_counts(statuses: Iterable[FileStatus]) -> str:
    """Return the number of files in each status: ``3 uploaded, 1 skipped``."""
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {SYMBOLS[status].label}" for status in FileStatus if counts[status])
