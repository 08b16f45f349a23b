"""What a report says of a check itself, beside what the check found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wheel_uploader.models import Finding, Report, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A check as people read of it: one line, and all that ``--explain`` says."""

    id: str
    severity: Severity
    title: str
    explanation: str


#: The subject of what is found in no file of its own.
RELEASE = "release"
#: Check id to rule, in the order of the table of checks.
Rules = Mapping[str, Rule]


def reason(report: Report, finding: Finding) -> str:
    """Why the person accepted a finding; empty when no reason was given."""
    given = report.options.ignore
    return given.get(finding.check) or given.get(finding.check.partition("/")[0], "")


def idle_ignores(report: Report) -> tuple[str, ...]:
    """The checks and families that were to be ignored, and found nothing."""
    matched = {finding.check for finding in report.findings}
    matched |= {check.partition("/")[0] for check in matched}
    return tuple(check_id for check_id in report.options.ignore if check_id not in matched)
