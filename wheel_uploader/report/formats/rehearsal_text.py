"""The results of a rehearsal and of smoke tests as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import InstallKind, InstallOutcome, Report
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.report.formats.terminal_style import PLAIN_STYLE, TerminalStyle
from wheel_uploader.report.views import outcome as outcome_view

_COLUMN_GAP = "  "
_WORSE_LABELS = {InstallKind.SOURCE: "SOURCE", InstallKind.NOTHING: "NONE"}
_LABELS = {InstallKind.WHEEL: "wheel", InstallKind.SOURCE: "source", InstallKind.NOTHING: "-"}


def format_rehearsal(report: Report, style: TerminalStyle = PLAIN_STYLE) -> Iterator[str]:
    """Yield the table of the rehearsal and the failed smoke tests, if there are any."""
    if report.install_outcomes:
        yield "what pip installs:"
        yield from _format_table(report.install_outcomes, style)
        for line in _format_legend(report):
            yield from textwrap.wrap(
                line, style.width, initial_indent=_COLUMN_GAP, subsequent_indent=2 * _COLUMN_GAP
            )
        yield from textwrap.wrap(
            f"rehearsal: {outcome_view.describe_rehearsal(report)}",
            style.width,
            subsequent_indent=_COLUMN_GAP,
        )
    yield from _format_smoke_tests(report)


def get_install_label(outcome: InstallOutcome) -> str:
    """Return the word for one cell, in capitals if users are worse off than with the previous release."""
    if outcome.is_worse:
        return _WORSE_LABELS[outcome.kind]
    previous = outcome.previous_kind
    if previous is not None and previous is not InstallKind.WHEEL and outcome.kind is InstallKind.WHEEL:
        return "new"
    return _LABELS[outcome.kind]


def _format_table(rehearsal: Sequence[InstallOutcome], style: TerminalStyle) -> Iterator[str]:
    """Yield a line for each platform; if the table is too wide, in several parts."""
    machines = list(dict.fromkeys(install.platform_label for install in rehearsal))
    pythons = list(dict.fromkeys(install.python for install in rehearsal))
    words = {(machine, python): "" for machine in machines for python in pythons}
    words |= {(install.platform_label, install.python): get_install_label(install) for install in rehearsal}
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
    shown = {get_install_label(install) for install in report.install_outcomes}
    if "source" in shown or "SOURCE" in shown:
        yield "source: built from the sdist, which needs a compiler for compiled code"
    if shown & {"-", "NONE"}:
        yield "-: pip finds nothing to install"
    if "SOURCE" in shown:
        yield "SOURCE: the previous release had a wheel"
    if "NONE" in shown:
        yield "NONE: the previous release could be installed"
    if "new" in shown:
        yield "new: a wheel; the previous release had none"


def _format_smoke_tests(report: Report) -> Iterator[str]:
    if not report.smoke_results:
        return
    failed = [trial for trial in report.smoke_results if trial.failure]
    command = sanitize(report.options.smoke or "", limit=200)
    count = format_count(len(report.smoke_results), "smoke test")
    yield f"{len(report.smoke_results) - len(failed)} of {count} passed: {command}"
    for trial in failed:
        yield f"  {trial.filename} with {trial.interpreter}: {sanitize_message(trial.failure)}"
        for line in trial.output.splitlines():
            yield f"    | {sanitize(line)}"
