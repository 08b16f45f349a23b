"""What pip installs for whom, as a table of machines and pythons; and how trials on this machine ended."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from wheel_uploader.display import counted, printable
from wheel_uploader.models import Installable, InstallKind, Report
from wheel_uploader.report import ending
from wheel_uploader.report.look import PLAIN, Look

_GAP = "  "
_WORSE = {InstallKind.SOURCE: "SOURCE", InstallKind.NOTHING: "NONE"}
_WORDS = {InstallKind.WHEEL: "wheel", InstallKind.SOURCE: "source", InstallKind.NOTHING: "-"}


def lines(report: Report, look: Look = PLAIN) -> Iterator[str]:
    """The table of a rehearsal and the trials that failed; nothing where there were none."""
    if report.rehearsal:
        yield "what pip installs:"
        yield from _table(report.rehearsal, look)
        yield from _legend(report)
        yield from textwrap.wrap(f"rehearsal: {ending.rehearsed(report)}", look.width, subsequent_indent=_GAP)
    yield from _trials(report)


def word(installable: Installable) -> str:
    """What a person sees at one place: capitals where the previous release had a wheel."""
    if installable.is_worse:
        return _WORSE[installable.kind]
    before = installable.before
    if before is not None and before is not InstallKind.WHEEL and installable.kind is InstallKind.WHEEL:
        return "new"
    return _WORDS[installable.kind]


def _table(rehearsal: Sequence[Installable], look: Look) -> Iterator[str]:
    """A line for each machine, and as many pythons beside each other as fit."""
    machines = list(dict.fromkeys(each.machine for each in rehearsal))
    pythons = list(dict.fromkeys(each.python for each in rehearsal))
    words = {(machine, python): "" for machine in machines for python in pythons}
    words |= {(each.machine, each.python): word(each) for each in rehearsal}
    label = max(map(len, machines))
    widths = {
        python: max(len(python), *(len(words[machine, python]) for machine in machines)) for python in pythons
    }
    while pythons:
        room = look.width - len(_GAP) - label
        part: list[str] = []
        while pythons and (room >= len(_GAP) + widths[pythons[0]] or not part):
            room -= len(_GAP) + widths[pythons[0]]
            part.append(pythons.pop(0))
        yield _line("", label, [python.ljust(widths[python]) for python in part])
        for machine in machines:
            yield _line(machine, label, [words[machine, python].ljust(widths[python]) for python in part])


def _line(first: str, label: int, cells: Sequence[str]) -> str:
    return _GAP.join(["", first.ljust(label), *cells]).rstrip()


def _legend(report: Report) -> Iterator[str]:
    shown = {word(each) for each in report.rehearsal}
    if "source" in shown or "SOURCE" in shown:
        yield f"{_GAP}source: built from the sdist; it needs a compiler where there is one to run"
    if shown & {"-", "NONE"}:
        yield f"{_GAP}-: nothing at all"
    if worse := [word for word in _WORSE.values() if word in shown]:
        yield f"{_GAP}{', '.join(worse)}: the previous release had a wheel there"
    if "new" in shown:
        yield f"{_GAP}new: a wheel, and the previous release had none there"


def _trials(report: Report) -> Iterator[str]:
    if not report.trials:
        return
    failed = [trial for trial in report.trials if trial.failure]
    command = printable(report.options.smoke or "", limit=200)
    worked = f"{len(report.trials) - len(failed)} of {counted(len(report.trials), 'trial')}"
    yield f"smoke: {worked} worked: {command}"
    for trial in failed:
        yield f"  {trial.filename} with {trial.interpreter}: {printable(trial.failure)}"
        for line in trial.output.splitlines():
            yield f"    | {printable(line)}"
