"""The result of a rehearsal as a matrix: what pip installs on each platform for each Python."""

from __future__ import annotations

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import InstallKind, InstallOutcome, Report
from wheel_uploader.report.views.file_status import Emphasis, Symbol

WHEEL_SYMBOL = Symbol(
    shape_id="published",
    label="wheel",
    emphasis=Emphasis.GOOD,
    character="✓",
    ascii_character="+",
    meaning="pip installs a wheel",
)
SOURCE_SYMBOL = Symbol(
    shape_id="uploaded",
    label="source",
    emphasis=Emphasis.WARN,
    character="!",
    ascii_character="!",
    meaning="pip builds from the sdist, which needs a compiler if the project has compiled code",
)
NOTHING_SYMBOL = Symbol(
    shape_id="not-tried",
    label="nothing",
    emphasis=Emphasis.PLAIN,
    character="…",
    ascii_character="_",
    meaning="pip finds nothing to install",
)
SOURCE_INSTEAD_OF_WHEEL_SYMBOL = Symbol(
    shape_id="lost",
    label="source",
    emphasis=Emphasis.BAD,
    character="▽",
    ascii_character="L",
    meaning="pip builds from the sdist; the previous release had a wheel",
)
NOTHING_ANY_MORE_SYMBOL = Symbol(
    shape_id="failed",
    label="nothing",
    emphasis=Emphasis.BAD,
    character="✗",
    ascii_character="x",
    meaning="pip finds nothing to install; the previous release could be installed",
)
_LEGEND_ORDER = (
    WHEEL_SYMBOL,
    SOURCE_SYMBOL,
    NOTHING_SYMBOL,
    SOURCE_INSTEAD_OF_WHEEL_SYMBOL,
    NOTHING_ANY_MORE_SYMBOL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallCell:
    """The file that pip installs in one environment."""

    symbol: Symbol
    #: There is a wheel now, and the previous release had none.
    is_new: bool
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallMatrix:
    """A row for each platform; None for a Python that pip was not run for."""

    pythons: tuple[str, ...]
    rows: tuple[tuple[str, tuple[InstallCell | None, ...]], ...]
    legend: tuple[Symbol, ...]


def build_install_matrix(report: Report) -> InstallMatrix | None:
    """Return the matrix of the rehearsal; None if there was no rehearsal."""
    if not report.install_outcomes:
        return None
    cells = {
        (install.platform_label, install.python): _build_cell(install) for install in report.install_outcomes
    }
    pythons = tuple(dict.fromkeys(install.python for install in report.install_outcomes))
    machines = dict.fromkeys(install.platform_label for install in report.install_outcomes)
    used_symbols = [cell.symbol for cell in cells.values()]
    return InstallMatrix(
        pythons=pythons,
        rows=tuple(
            (machine, tuple(cells.get((machine, python)) for python in pythons)) for machine in machines
        ),
        legend=tuple(symbol for symbol in _LEGEND_ORDER if symbol in used_symbols),
    )


def _build_cell(install: InstallOutcome) -> InstallCell:
    has_wheel = install.kind is InstallKind.WHEEL
    symbol = (
        WHEEL_SYMBOL if has_wheel else SOURCE_SYMBOL if install.kind is InstallKind.SOURCE else NOTHING_SYMBOL
    )
    if install.is_worse:
        symbol = SOURCE_INSTEAD_OF_WHEEL_SYMBOL if symbol is SOURCE_SYMBOL else NOTHING_ANY_MORE_SYMBOL
    is_new = has_wheel and install.previous_kind not in (None, InstallKind.WHEEL)
    return InstallCell(symbol=symbol, is_new=is_new, filename=install.filename)
