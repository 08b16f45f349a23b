"""The matrix of Pythons and platforms, with the state of each cell: present, new, lost, missing, covered."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, Report
from wheel_uploader.core.platforms import matrix as platforms_matrix
from wheel_uploader.core.platforms import platform_tags
from wheel_uploader.core.platforms.matrix import WheelSlot, group_by_slot, python_build, slots_by_cell
from wheel_uploader.core.platforms.platform_tags import PlatformFamily


class CellState(enum.StrEnum):
    """The state of one cell. The values are part of the JSON format."""

    PRESENT = "present"
    #: Present, and the previous release had no wheel here.
    NEW = "new"
    #: The previous release had a wheel here; this one has neither a wheel nor a substitute.
    LOST = "lost"
    #: A wheel is expected here, but there is none.
    MISSING = "missing"
    #: Expected or in the previous release; a wheel of another cell (universal2, abi3) is installed here.
    COVERED = "covered"


class CellPosition(NamedTuple):
    """The coordinates of a cell: a Python and a platform."""

    python: str
    platform: PlatformFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class CellContent:
    """A cell that is not empty: its state and its wheels."""

    state: CellState
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """The cells for the wheels of this release, of the previous one, and for the expected wheels."""

    pythons: tuple[str, ...]
    platforms: tuple[PlatformFamily, ...]
    cells: Mapping[CellPosition, CellContent]
    #: The version of the previous release; empty if nothing was compared.
    compared_with: str = ""


def build_report_matrix(report: Report) -> Matrix:
    """Return the matrix of a report; empty if no files were listed."""
    present = [name for name, _ in report.selection.files] if report.selection else []
    return build_matrix(present, report.previous_filenames, report.missing_cells, report.expected_cells)


def build_matrix(
    current: Sequence[DistName],
    previous: Iterable[str] = (),
    lost: Iterable[tuple[str, str]] = (),
    expected: Iterable[tuple[str, str]] = (),
) -> Matrix:
    """Return the matrix of the wheels among ``current``.

    ``previous`` holds the file names of the previous release, whether wheels or not, and ``lost`` the pairs
    of Python and platform that it has and this release lacks. A wheel that is absent on purpose, because
    Requires-Python now excludes its Python, has no cell. ``expected`` holds the pairs of Python and platform
    that wheels are expected for.
    """
    previous_names = tuple(parse_filenames(previous))
    previous_cells = slots_by_cell(previous_names, other_names=current)
    files_by_place = {
        _locate(slot): tuple(name.filename for name in names)
        for slot, names in group_by_slot(current).items()
    }
    previous_places = {_locate(slot) for slot in group_by_slot(previous_names)}
    cells = {
        place: CellContent(
            state=CellState.NEW if previous_places and place not in previous_places else CellState.PRESENT,
            files=files,
        )
        for place, files in files_by_place.items()
    }
    lost_pairs = set(lost)
    for cell, slots in previous_cells.items():
        for place in map(_locate, slots):
            if (cell.python, cell.platform) in lost_pairs and place not in files_by_place:
                cells[place] = CellContent(state=CellState.LOST)
            elif place not in cells and _is_covered(cell, current):
                cells[place] = CellContent(state=CellState.COVERED)
    for python, platform in expected:
        cell = platforms_matrix.MatrixCell(python, platform)
        state = CellState.COVERED if _is_covered(cell, current) else CellState.MISSING
        cells.setdefault(
            CellPosition(python, platform_tags.parse_platform_family(platform)[0]), CellContent(state=state)
        )
    return Matrix(
        pythons=tuple(sorted({place.python for place in cells}, key=_python_sort_key)),
        platforms=tuple(
            sorted(
                {place.platform for place in cells},
                key=lambda platform: (platform.system == "any", platform),
            )
        ),
        cells=cells,
        compared_with=str(previous_names[0].version) if previous_names else "",
    )


def _locate(slot: WheelSlot) -> CellPosition:
    return CellPosition(python_build(slot).label, platform_tags.parse_platform_family(slot.platform)[0])


def _is_covered(cell: platforms_matrix.MatrixCell, present: Iterable[DistName]) -> bool:
    return any(cell.is_satisfied_by(name) for name in present)


def parse_filenames(filenames: Iterable[str]) -> Iterator[DistName]:
    """Yield the parsed names of the wheels and sdists among ``filenames``."""
    for filename in filenames:
        try:
            yield core_filenames.parse_filename(filename)
        except core_filenames.InvalidFilename:
            continue


_INTERPRETER_ORDER = ("cp", "pp", "graalpy")


def _python_sort_key(python: str) -> tuple[int, bool, tuple[int, int], str]:
    """Return a sort key: CPython by version, its stable ABI, other interpreters, generic tags."""
    match = re.match(r"([a-z]+)(\d)(\d*)", python)
    if not match:
        return (len(_INTERPRETER_ORDER), True, (0, 0), python)
    interpreter = (
        _INTERPRETER_ORDER.index(match[1]) if match[1] in _INTERPRETER_ORDER else len(_INTERPRETER_ORDER)
    )
    return (interpreter, "-" in python, (int(match[2]), int(match[3] or 0)), python)
