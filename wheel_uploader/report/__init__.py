"""What a person or a program reads after a run; every format is made from the Report alone."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader import checks
from wheel_uploader.models import Report
from wheel_uploader.report import github, html, json, markdown, notes, sarif, text
from wheel_uploader.report.look import Look
from wheel_uploader.report.rule import Rule

#: What the reports say of each check.
RULES = {
    check.id: Rule(id=check.id, severity=check.severity, title=check.title, explanation=check.explanation)
    for check in checks.CHECKS
}

#: ``--format`` to the function that makes it; its argument says whether the screen takes UTF-8.
FORMATS: dict[str, Callable[[Report, bool], str]] = {
    "text": lambda report, utf8: text.render(report, RULES, Look(utf8=utf8)),
    "html": lambda report, _: html.render(report, RULES),
    "markdown": lambda report, _: markdown.render(report, RULES),
    "json": lambda report, _: json.render(report),
    "sarif": lambda report, _: sarif.render(report, RULES),
    "notes-md": lambda report, _: notes.markdown(report),
    "notes-rst": lambda report, _: notes.rest(report),
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
    return text.render(report, RULES, look, error=False)


def workflow_commands(report: Report) -> str:
    """What GitHub Actions shows beside the log, as workflow commands."""
    return github.render(report, RULES)


def workflow_outputs(report: Report) -> dict[str, str]:
    """What later steps of a job in GitHub Actions can use, by name; a value may have several lines."""
    return github.outputs(report)


def workflow_summary(report: Report, limit: int) -> str:
    """The report as Markdown of at most ``limit`` bytes."""
    return markdown.render(report, RULES, limit=limit)
