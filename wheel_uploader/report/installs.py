"""The result of a rehearsal as a matrix: what pip installs on each platform for each Python."""

from __future__ import annotations

from dataclasses import dataclass

from wheel_uploader.models import Installable, InstallKind, Report
from wheel_uploader.report.marks import Mark, Tone

WHEEL = Mark(id="checked", word="wheel", tone=Tone.GOOD, sign="✓", meaning="pip installs a wheel")
SOURCE = Mark(
    id="uploaded",
    word="source",
    tone=Tone.WARN,
    sign="!",
    meaning="pip builds from the sdist, which needs a compiler if the project has compiled code",
)
NOTHING = Mark(
    id="not-tried", word="nothing", tone=Tone.PLAIN, sign="…", meaning="pip finds nothing to install"
)
NO_WHEEL = Mark(
    id="lost",
    word="source",
    tone=Tone.BAD,
    sign="▽",
    meaning="pip builds from the sdist; the previous release had a wheel",
)
GONE = Mark(
    id="failed",
    word="nothing",
    tone=Tone.BAD,
    sign="✗",
    meaning="pip finds nothing to install; the previous release had a wheel",
)
_LEGEND_ORDER = (WHEEL, SOURCE, NOTHING, NO_WHEEL, GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The file that pip installs in one environment."""

    mark: Mark
    #: There is a wheel now, and the previous release had none.
    new: bool
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A row for each platform; None for a Python that pip was not run for."""

    pythons: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Place | None, ...]], ...]
    legend: tuple[Mark, ...]


def picture(report: Report) -> Picture | None:
    """Return the matrix of the rehearsal; None if there was no rehearsal."""
    if not report.rehearsal:
        return None
    cells = {(install.machine, install.python): _build_cell(install) for install in report.rehearsal}
    pythons = tuple(dict.fromkeys(install.python for install in report.rehearsal))
    machines = dict.fromkeys(install.machine for install in report.rehearsal)
    used_symbols = [cell.mark for cell in cells.values()]
    return Picture(
        pythons=pythons,
        lines=tuple(
            (machine, tuple(cells.get((machine, python)) for python in pythons)) for machine in machines
        ),
        legend=tuple(symbol for symbol in _LEGEND_ORDER if symbol in used_symbols),
    )


def _build_cell(install: Installable) -> Place:
    has_wheel = install.kind is InstallKind.WHEEL
    symbol = WHEEL if has_wheel else SOURCE if install.kind is InstallKind.SOURCE else NOTHING
    if install.is_worse:
        symbol = NO_WHEEL if symbol is SOURCE else GONE
    is_new = has_wheel and install.before not in (None, InstallKind.WHEEL)
    return Place(mark=symbol, new=is_new, filename=install.filename)
