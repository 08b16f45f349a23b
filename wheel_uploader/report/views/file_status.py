"""The symbol, word and emphasis for every status of a file: the one table that every format uses."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
    #: The character that replaces the shape in text.
    character: str
    meaning: str
    #: The word for a cell of the matrix in text, in place of a check mark; empty if there is no problem.
    cell_word: str = ""


#: In the order of the legend: a cell with several wheels shows the status that comes last here.
SYMBOLS: Mapping[FileStatus, Symbol] = {
    FileStatus.CONFIRMED: Symbol(
        shape_id="published",
        label="confirmed",
        emphasis=Emphasis.GOOD,
        character="✓",
        meaning="uploaded by this run, or verified; the index serves the sha256 that was checked",
    ),
    FileStatus.UPLOADED: Symbol(
        shape_id="uploaded",
        label="uploaded",
        emphasis=Emphasis.GOOD,
        character="↑",
        meaning="uploaded by this run; the index has not been seen to serve it",
    ),
    FileStatus.SKIPPED: Symbol(
        shape_id="same",
        label="skipped",
        emphasis=Emphasis.GOOD,
        character="=",
        meaning="already on the index with the same sha256",
    ),
    FileStatus.WOULD_UPLOAD: Symbol(
        shape_id="would-post",
        label="would upload",
        emphasis=Emphasis.PLAIN,
        character="↑",
        meaning="not yet on the index",
    ),
    FileStatus.SIGNED: Symbol(
        shape_id="signed",
        label="signed",
        emphasis=Emphasis.PLAIN,
        character="○",
        meaning="checked and signed; not uploaded",
    ),
    FileStatus.CHECKED: Symbol(
        shape_id="checked",
        label="checked",
        emphasis=Emphasis.PLAIN,
        character="○",
        meaning="verified, and passed the checks; not uploaded",
    ),
    FileStatus.DOWNLOADED: Symbol(
        shape_id="here",
        label="downloaded",
        emphasis=Emphasis.PLAIN,
        character="↓",
        meaning="in the wheelhouse; not yet checked",
    ),
    FileStatus.LISTED: Symbol(
        shape_id="listed",
        label="listed",
        emphasis=Emphasis.PLAIN,
        character="·",
        meaning="found in the staging area; not downloaded",
    ),
    FileStatus.COVERED: Symbol(
        shape_id="covered",
        label="covered",
        emphasis=Emphasis.PLAIN,
        character="◌",
        meaning="a wheel of another row or column is installed here",
    ),
    FileStatus.NOT_TRIED: Symbol(
        shape_id="not-tried",
        label="not tried",
        emphasis=Emphasis.WARN,
        character="…",
        meaning="the run ended before this file was uploaded",
        cell_word="not tried",
    ),
    FileStatus.UNKNOWN: Symbol(
        shape_id="unknown",
        label="unknown",
        emphasis=Emphasis.WARN,
        character="?",
        meaning="sent, but the index did not respond and could not be queried",
        cell_word="UNKNOWN",
    ),
    FileStatus.FAILED: Symbol(
        shape_id="not-uploaded",
        label="failed",
        emphasis=Emphasis.BAD,
        character="!",
        meaning="the upload failed; the index did not reject the file",
        cell_word="NOT UPLOADED",
    ),
    FileStatus.REJECTED: Symbol(
        shape_id="refused",
        label="rejected",
        emphasis=Emphasis.BAD,
        character="⊘",
        meaning="the index refused the file",
        cell_word="REJECTED",
    ),
    FileStatus.FAILED_CHECKS: Symbol(
        shape_id="failed",
        label="failed checks",
        emphasis=Emphasis.BAD,
        character="✗",
        meaning="has findings that block the release",
        cell_word="FAILED",
    ),
    FileStatus.CONFLICT: Symbol(
        shape_id="conflict",
        label="conflict",
        emphasis=Emphasis.BAD,
        character="≠",
        meaning="the index has other bytes under this name, or the same bytes under another name",
        cell_word="CONFLICT",
    ),
    FileStatus.LOST: Symbol(
        shape_id="lost",
        label="lost",
        emphasis=Emphasis.BAD,
        character="▽",
        meaning="the previous release has a wheel here, this one has none",
        cell_word="LOST",
    ),
    FileStatus.MISSING: Symbol(
        shape_id="expected",
        label="missing",
        emphasis=Emphasis.BAD,
        character="□",
        meaning="a file is expected here or on the index, but there is none",
        cell_word="MISSING",
    ),
}
LEGEND_ORDER = tuple(SYMBOLS.values())


def format_status_counts(statuses: Iterable[FileStatus]) -> str:
    """Return the number of files in each status: ``3 uploaded, 1 skipped``."""
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {SYMBOLS[status].label}" for status in FileStatus if counts[status])
