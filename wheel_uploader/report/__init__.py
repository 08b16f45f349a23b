"""What a person or a program reads after a run; every format is made from the Report alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from wheel_uploader.models import Report
from wheel_uploader.report.look import Look
from wheel_uploader.report.rule import Rule

# A format is loaded when it is asked for, and the checks when they have found something.


@functools.cache
def rules() -> Mapping[str, Rule]:
    """What the reports say of each check."""
    from wheel_uploader import checks

    return {
        check.id: Rule(id=check.id, severity=check.severity, title=check.title, explanation=check.explanation)
        for check in checks.CHECKS
    }


def _text(report: Report, look: Look, *, error: bool = True) -> str:
    from wheel_uploader.report import text

    return text.render(report, rules() if report.findings else {}, look, error=error)


def _html(report: Report) -> str:
    from wheel_uploader.report import html

    return html.render(report, rules())


def _markdown(report: Report, limit: int | None = None) -> str:
    from wheel_uploader.report import markdown

    return markdown.render(report, rules(), limit=limit)


def _json(report: Report) -> str:
    from wheel_uploader.report import json

    return json.render(report)


def _sarif(report: Report) -> str:
    from wheel_uploader.report import sarif

    return sarif.render(report, rules())


def _notes_md(report: Report) -> str:
    from wheel_uploader.report import notes

    return notes.markdown(report)


def _notes_rst(report: Report) -> str:
    from wheel_uploader.report import notes

    return notes.rest(report)


#: ``--format`` to the function that makes it; its argument says whether the screen takes UTF-8.
FORMATS: dict[str, Callable[[Report, bool], str]] = {
    "text": lambda report, utf8: _text(report, Look(utf8=utf8)),
    "html": lambda report, _: _html(report),
    "markdown": lambda report, _: _markdown(report),
    "json": lambda report, _: _json(report),
    "sarif": lambda report, _: _sarif(report),
    "notes-md": lambda report, _: _notes_md(report),
    "notes-rst": lambda report, _: _notes_rst(report),
}

#: How the name of a file ends to the format that it is for.
SUFFIXES = {
    ".notes.md": "notes-md",
    ".notes.rst": "notes-rst",
    ".html": "html",
    ".md": "markdown",
    ".json": "json",
    ".sarif": "sarif",
    ".txt": "text",
}


def on_screen(report: Report, look: Look) -> str:
    """The report as text for somebody who sees it, and who is told of an error elsewhere."""
    return _text(report, look, error=False)


def workflow_commands(report: Report) -> str:
    """What GitHub Actions shows beside the log, as workflow commands."""
    from wheel_uploader.report import github

    return github.render(report, rules())


def workflow_outputs(report: Report) -> dict[str, str]:
    """What later steps of a job in GitHub Actions can use, by name; a value may have several lines."""
    from wheel_uploader.report import github

    return github.outputs(report)


def workflow_summary(report: Report, limit: int) -> str:
    """The report as Markdown of at most ``limit`` bytes."""
    return _markdown(report, limit)
