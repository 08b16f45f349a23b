"""The results of a rehearsal and of smoke tests as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from wheel_uploader.display import counted, printable
from wheel_uploader.models import Installable, InstallKind, Report
from wheel_uploader.report import ending
from wheel_uploader.report.look import PLAIN, Look

_COLUMN_GAP = "  "
_WORSE_LABELS = {InstallKind.SOURCE: "SOURCE", InstallKind.NOTHING: "NONE"}
_LABELS = {InstallKind.WHEEL: "wheel", InstallKind.SOURCE: "source", InstallKind.NOTHING: "-"}


def lines(report: Report, style: Look = PLAIN) -> Iterator[str]:
    """Yield the table of the rehearsal and the failed smoke tests, if there are any."""
    if report.rehearsal:
        yield "what pip installs:"
        yield from _format_table(report.rehearsal, style)
        yield from _format_legend(report)
        yield from textwrap.wrap(
            f"rehearsal: {ending.rehearsed(report)}", style.width, subsequent_indent=_COLUMN_GAP
        )
    yield from _format_smoke_tests(report)


def word(installable: Installable) -> str:
    """Return the word for one cell, in capitals if the previous release had a wheel and this one has none."""
    if installable.is_worse:
        return _WORSE_LABELS[installable.kind]
    previous = installable.before
    if previous is not None and previous is not InstallKind.WHEEL and installable.kind is InstallKind.WHEEL:
        return "new"
    return _LABELS[installable.kind]


def _format_table(rehearsal: Sequence[Installable], style: Look) -> Iterator[str]:
    """Yield a line for each platform; if the table is too wide, in several parts."""
    machines = list(dict.fromkeys(install.machine for install in rehearsal))
    pythons = list(dict.fromkeys(install.python for install in rehearsal))
    words = {(machine, python): "" for machine in machines for python in pythons}
    words |= {(install.machine, install.python): word(install) for install in rehearsal}
    label_width = max(map(len, machines))
    widths = {
        python: max(len(python), *(len(words[machine, python]) for machine in machines)) for python in pythons
    }
    while pythons:
        room = style.width - len(_COLUMN_GAP) - label_width
        part: list[str] = []
        while pythons and (room >= len(_COLUMN_GAP) + widths[pythons[0]] or not part):
            room -= len(_COLUMN_GAP) + widths[pythons[0]]
            part.append(pythons.pop(0))
        yield _format_line("", label_width, [python.ljust(widths[python]) for python in part])
        for machine in machines:
            yield _format_line(
                machine, label_width, [words[machine, python].ljust(widths[python]) for python in part]
            )


def _format_line(first: str, label_width: int, cells: Sequence[str]) -> str:
    return _COLUMN_GAP.join(["", first.ljust(label_width), *cells]).rstrip()


def _format_legend(report: Report) -> Iterator[str]:
    shown = {word(install) for install in report.rehearsal}
    if "source" in shown or "SOURCE" in shown:
        yield f"{_COLUMN_GAP}source: built from the sdist, which needs a compiler for compiled code"
    if shown & {"-", "NONE"}:
        yield f"{_COLUMN_GAP}-: pip finds nothing to install"
    if worse := [word for word in _WORSE_LABELS.values() if word in shown]:
        yield f"{_COLUMN_GAP}{', '.join(worse)}: the previous release had a wheel"
    if "new" in shown:
        yield f"{_COLUMN_GAP}new: a wheel; the previous release had none"


def _format_smoke_tests(report: Report) -> Iterator[str]:
    if not report.trials:
        return
    failed = [trial for trial in report.trials if trial.failure]
    command = printable(report.options.smoke or "", limit=200)
    passed = f"{len(report.trials) - len(failed)} of {counted(len(report.trials), 'smoke test')}"
    yield f"{passed} passed: {command}"
    for trial in failed:
        yield f"  {trial.filename} with {trial.interpreter}: {printable(trial.failure)}"
        for line in trial.output.splitlines():
            yield f"    | {printable(line)}"
