"""What a person or a program reads after a run; every format is made from the Report alone."""

from __future__ import annotations

from collections.abc import Callable

from wheel_uploader import checks
from wheel_uploader.models import Report
from wheel_uploader.report import github, json, sarif, text
from wheel_uploader.report.rule import Rule

#: What the reports say of each check.
RULES = {
    check.id: Rule(id=check.id, severity=check.severity, title=check.title, explanation=check.explanation)
    for check in checks.CHECKS
}

#: ``--format`` to the function that makes it; its argument says whether the screen takes UTF-8.
FORMATS: dict[str, Callable[[Report, bool], str]] = {
    "text": lambda report, utf8: text.render(report, RULES, utf8=utf8),
    "json": lambda report, _: json.render(report),
    "sarif": lambda report, _: sarif.render(report, RULES),
}


def workflow_commands(report: Report) -> str:
    """What GitHub Actions shows beside the log, as workflow commands."""
    return github.render(report, RULES)
