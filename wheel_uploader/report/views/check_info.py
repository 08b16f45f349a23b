"""Descriptions of the checks as reports show them, and the reasons for ignored findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wheel_uploader.core.models import Finding, Report, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInfo:
    """The description of a check: its title and the text of ``--explain``."""

    id: str
    severity: Severity
    title: str
    explanation: str


#: The subject of a finding that concerns the release as a whole.
RELEASE_SUBJECT = "release"
#: Check ID to description, in the order of the check registry.
CheckInfos = Mapping[str, CheckInfo]


def get_ignore_reason(report: Report, finding: Finding) -> str:
    """Return the reason that the user gave for ignoring a finding; empty if there is none."""
    reasons = report.options.ignore
    return reasons.get(finding.check) or reasons.get(finding.check.partition("/")[0], "")


def find_unused_ignores(report: Report) -> tuple[str, ...]:
    """Return the checks and families in ``--ignore`` that have no findings."""
    with_findings = {finding.check for finding in report.findings}
    with_findings |= {check.partition("/")[0] for check in with_findings}
    return tuple(check_id for check_id in report.options.ignore if check_id not in with_findings)
