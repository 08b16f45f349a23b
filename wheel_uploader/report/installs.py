"""What pip installs for whom, as a picture: a mark for each machine and python."""

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
    meaning="pip builds from the sdist: it needs a compiler where there is one to run",
)
NOTHING = Mark(id="not-tried", word="nothing", tone=Tone.PLAIN, sign="…", meaning="pip finds nothing at all")
NO_WHEEL = Mark(
    id="lost",
    word="source",
    tone=Tone.BAD,
    sign="▽",
    meaning="a build, where the previous release had a wheel",
)
GONE = Mark(
    id="failed",
    word="nothing",
    tone=Tone.BAD,
    sign="✗",
    meaning="nothing, where the previous release had a wheel",
)
_ORDER = (WHEEL, SOURCE, NOTHING, NO_WHEEL, GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What one user gets."""

    mark: Mark
    #: The previous release had no wheel for them.
    new: bool
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A line for each machine; None where nobody asked."""

    pythons: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Place | None, ...]], ...]
    legend: tuple[Mark, ...]


def picture(report: Report) -> Picture | None:
    """The picture of a rehearsal; None when there was none."""
    if not report.rehearsal:
        return None
    places = {(each.machine, each.python): _place(each) for each in report.rehearsal}
    pythons = tuple(dict.fromkeys(each.python for each in report.rehearsal))
    machines = dict.fromkeys(each.machine for each in report.rehearsal)
    shown = [place.mark for place in places.values()]
    return Picture(
        pythons=pythons,
        lines=tuple(
            (machine, tuple(places.get((machine, python)) for python in pythons)) for machine in machines
        ),
        legend=tuple(mark for mark in _ORDER if mark in shown),
    )


def _place(each: Installable) -> Place:
    has_wheel = each.kind is InstallKind.WHEEL
    mark = WHEEL if has_wheel else SOURCE if each.kind is InstallKind.SOURCE else NOTHING
    if each.is_worse:
        mark = NO_WHEEL if mark is SOURCE else GONE
    new = has_wheel and each.before not in (None, InstallKind.WHEEL)
    return Place(mark=mark, new=new, filename=each.filename)
