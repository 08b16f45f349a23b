"""Pythons x platforms: where the release has a wheel, where it lost or gained one, where one is missing."""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wheel_uploader import names
from wheel_uploader.brought import expect
from wheel_uploader.models import DistName, Report, WheelName

#: Columns of the screen.
WIDTH = 80
_GAP = "  "


class State(enum.StrEnum):
    """What is known of one place of the matrix."""

    PRESENT = "present"
    #: The release that was compared with had no wheel in this place.
    NEW = "new"
    #: It had one, and nothing takes its place.
    LOST = "lost"
    MISSING = "missing"
    #: It had one, or one is expected: a wheel of another place (universal2, abi3) is installed there.
    COVERED = "covered"


class Platform(NamedTuple):
    """A column: a family of platform tags, whatever their versions, and an architecture."""

    family: str
    arch: str

    def __str__(self) -> str:
        """As the configuration says it: ``manylinux_x86_64``, ``win32``, ``any``."""
        return f"{self.family}_{self.arch}" if self.arch and self.arch != "32" else self.family + self.arch


class Place(NamedTuple):
    """A row and a column."""

    python: str
    platform: Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A place with something to say: its state, and the wheels that stand there."""

    state: State
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All places that a wheel of this release or of the previous one has, or that one is expected for."""

    pythons: tuple[str, ...]
    platforms: tuple[Platform, ...]
    cells: Mapping[Place, Cell]
    #: The version that was compared with; empty when none was.
    compared_with: str = ""


# --- from names ------------------------------------------------------------------------------------


def of(report: Report) -> Matrix:
    """The matrix of a report; without rows when nothing was found."""
    present = [name for name, _ in report.selection.files] if report.selection else []
    return make(present, report.previous, report.expected)


def make(
    present: Collection[DistName], previous: Iterable[str] = (), expected: Iterable[tuple[str, str]] = ()
) -> Matrix:
    """The matrix of the wheels among ``present``.

    ``previous`` are file names of the release before, of which some may be no wheel's; ``expected`` are
    pythons and platforms as expect has them.
    """
    here = _by_place(present)
    parsed = tuple(_parsed(previous))
    before = _by_place(parsed)
    wanted = {Place(python, _platform(platform)) for python, platform in expected}
    cells = {place: _cell(place, here, before, present) for place in (*here, *before, *wanted)}
    return Matrix(
        pythons=tuple(sorted({place.python for place in cells}, key=_python_order)),
        platforms=tuple(
            sorted({place.platform for place in cells}, key=lambda each: (each.family == "any", each))
        ),
        cells=cells,
        compared_with=str(parsed[0].version) if parsed else "",
    )


def _cell(
    place: Place,
    here: Mapping[Place, list[str]],
    before: Mapping[Place, list[str]],
    present: Collection[DistName],
) -> Cell:
    if place in here:
        is_new = bool(before) and place not in before
        return Cell(state=State.NEW if is_new else State.PRESENT, files=tuple(here[place]))
    cell = expect.Cell(place.python.partition("-")[0], str(place.platform))
    if any(cell.is_filled_by(name) for name in present):
        return Cell(state=State.COVERED)
    return Cell(state=State.LOST if place in before else State.MISSING)


def _parsed(filenames: Iterable[str]) -> Iterator[DistName]:
    for filename in filenames:
        try:
            yield names.parse(filename)
        except names.NameRefused:
            continue


def _by_place(present: Iterable[DistName]) -> dict[Place, list[str]]:
    """File names of wheels by every place that they stand in, in order of name."""
    found: dict[Place, list[str]] = defaultdict(list)
    for name in sorted(present, key=str):
        if isinstance(name, WheelName):
            pythons = {_python(python, abi) for python in name.pythons for abi in name.abis}
            platforms = {_platform(platform) for platform in name.platforms}
            for place in (Place(python, platform) for python in pythons for platform in platforms):
                found[place].append(name.filename)
    return dict(found)


def _python(python: str, abi: str) -> str:
    """A row: ``cp313``, ``cp313t``, ``cp39-abi3``, ``pp311``, ``py3``."""
    if abi.startswith("abi3"):
        return f"{python}-{abi}"
    return f"{python}t" if abi.startswith(python) and abi.endswith("t") else python


#: A family, perhaps a version, and an architecture, which begins with a letter.
_TAG = re.compile(r"([a-z]+)(?:\d+|(?:_\d+)*)_([a-z]\w*)")


def _platform(tag: str) -> Platform:
    if tag == "win32":
        return Platform("win", "32")
    found = _TAG.fullmatch(tag)
    return Platform(found[1], found[2]) if found else Platform(tag, "")


_KINDS = ("cp", "pp", "graalpy")


def _python_order(python: str) -> tuple[int, bool, tuple[int, int], str]:
    """CPython by version, its stable ABI, other interpreters, and what runs on all of them."""
    found = re.match(r"([a-z]+)(\d)(\d*)", python)
    if not found:
        return (len(_KINDS), True, (0, 0), python)
    kind = _KINDS.index(found[1]) if found[1] in _KINDS else len(_KINDS)
    return (kind, "-" in python, (int(found[2]), int(found[3] or 0)), python)


# --- on the screen ---------------------------------------------------------------------------------


def lines(matrix: Matrix, *, utf8: bool = False) -> Iterator[str]:
    """The matrix as text of at most ``WIDTH`` columns, in several parts if need be."""
    label = max(len(python) for python in matrix.pythons)
    platforms = list(matrix.platforms)
    words = _words(utf8)
    while platforms:
        widths = _widths(matrix, platforms, words, WIDTH - len(_GAP) - label)
        yield from _part(matrix, widths, label, words)
        del platforms[: len(widths)]
    states = {cell.state for cell in matrix.cells.values()}
    if matrix.compared_with and states & {State.NEW, State.LOST}:
        yield f"{_GAP}new, LOST: compared with {matrix.compared_with}"
    if State.COVERED in states:
        yield f"{_GAP}{words[State.COVERED]}: a wheel of another row or column is installed there"


def _words(utf8: bool) -> dict[State | None, str]:
    mark, nothing = ("\N{CHECK MARK}", "\N{MIDDLE DOT}") if utf8 else ("x", ".")
    return {
        None: nothing,
        State.PRESENT: mark,
        State.NEW: "new",
        State.LOST: "LOST",
        State.MISSING: "MISSING",
        State.COVERED: f"({mark})",
    }


def _widths(
    matrix: Matrix, platforms: Sequence[Platform], words: Mapping[State | None, str], room: int
) -> dict[Platform, int]:
    """As many of the next platforms as fit beside each other, one at least, with the width of each."""
    widths: dict[Platform, int] = {}
    family = ""
    for platform, following in zip(platforms, [*platforms[1:], None], strict=True):
        states = (_state(matrix, python, platform) for python in matrix.pythons)
        width = max(len(platform.arch), *(len(words[state]) for state in states))
        # The family's name stands over all of its columns.
        needed = max(width, len(platform.family)) if platform.family != family else width
        family = platform.family
        if following is None or following.family != family:
            width = needed
        if room < len(_GAP) + needed and widths:
            break
        widths[platform] = width
        room -= len(_GAP) + width
    return widths


def _state(matrix: Matrix, python: str, platform: Platform) -> State | None:
    cell = matrix.cells.get(Place(python, platform))
    return cell.state if cell else None


def _part(
    matrix: Matrix, widths: Mapping[Platform, int], label: int, words: Mapping[State | None, str]
) -> Iterator[str]:
    """Two lines of headings, and a line for each python."""
    families: dict[str, int] = {}
    for platform, width in widths.items():
        before = families.get(platform.family)
        families[platform.family] = width if before is None else before + len(_GAP) + width
    yield _line("", label, [family.ljust(width) for family, width in families.items()])
    yield _line("", label, [platform.arch.ljust(width) for platform, width in widths.items()])
    for python in matrix.pythons:
        cells = [words[_state(matrix, python, platform)].ljust(width) for platform, width in widths.items()]
        yield _line(python, label, cells)


def _line(python: str, label: int, cells: Iterable[str]) -> str:
    return _GAP.join(["", python.ljust(label), *cells]).rstrip()
