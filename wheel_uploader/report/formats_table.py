"""Reports of a run, for people and for programs; every format is rendered from the Report alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from wheel_uploader.core.models import Report
from wheel_uploader.report.formats.terminal_style import TerminalStyle
from wheel_uploader.report.views.check_info import CheckInfo

# Formats are imported on first use, and the checks only if there are findings, to keep startup fast.


@functools.cache
def load_check_infos() -> Mapping[str, CheckInfo]:
    """Return the title, severity and explanation of every check, by check ID."""
    from wheel_uploader import checks

    return {
        check.id: CheckInfo(
            id=check.id, severity=check.severity, title=check.title, explanation=check.explanation
        )
        for check in checks.CHECKS
    }


def _render_text(report: Report, style: TerminalStyle, *, error: bool = True) -> str:
    from wheel_uploader.report.formats import text

    return text.render_text(report, load_check_infos() if report.findings else {}, style, error=error)


def _render_html(report: Report) -> str:
    from wheel_uploader.report.formats.html import renderer

    return renderer.render_html(report, load_check_infos())


def _render_markdown(report: Report, limit: int | None = None) -> str:
    from wheel_uploader.report.formats import markdown

    return markdown.render_markdown(report, load_check_infos(), limit=limit)


def _render_json(report: Report) -> str:
    from wheel_uploader.report.formats import json

    return json.render_json(report)


def _render_sarif(report: Report) -> str:
    from wheel_uploader.report.formats import sarif

    return sarif.render_sarif(report, load_check_infos())


def _render_notes_markdown(report: Report) -> str:
    from wheel_uploader.report.formats import release_notes

    return release_notes.render_notes_markdown(report)


def _render_notes_rst(report: Report) -> str:
    from wheel_uploader.report.formats import release_notes

    return release_notes.render_notes_rst(report)


#: Name of a ``--format`` to its renderer; the second argument is whether the output may contain UTF-8.
RENDERERS: dict[str, Callable[[Report, bool], str]] = {
    "text": lambda report, utf8: _render_text(report, TerminalStyle(utf8=utf8)),
    "html": lambda report, _: _render_html(report),
    "markdown": lambda report, _: _render_markdown(report),
    "json": lambda report, _: _render_json(report),
    "sarif": lambda report, _: _render_sarif(report),
    "notes-md": lambda report, _: _render_notes_markdown(report),
    "notes-rst": lambda report, _: _render_notes_rst(report),
}

#: File name suffix to the format that it selects.
FORMAT_BY_SUFFIX = {
    ".notes.md": "notes-md",
    ".notes.rst": "notes-rst",
    ".html": "html",
    ".md": "markdown",
    ".json": "json",
    ".sarif": "sarif",
    ".txt": "text",
}


def render_for_terminal(report: Report, style: TerminalStyle) -> str:
    """Return the report as text for the terminal, without the error, which is printed separately."""
    return _render_text(report, style, error=False)


def render_workflow_commands(report: Report) -> str:
    """Return the annotations for GitHub Actions, as workflow commands."""
    from wheel_uploader.report.formats import github_actions

    return github_actions.render_annotations(report, load_check_infos())


def build_workflow_outputs(report: Report) -> dict[str, str]:
    """Return the step outputs for GitHub Actions, by name; a value may have several lines."""
    from wheel_uploader.report.formats import github_actions

    return github_actions.build_step_outputs(report)


def render_workflow_summary(report: Report, limit: int) -> str:
    """Return the report as Markdown of at most ``limit`` bytes."""
    return _render_markdown(report, limit)
