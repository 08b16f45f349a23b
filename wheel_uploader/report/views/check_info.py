"""Descriptions of the checks as reports show them, and the reasons for ignored findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wheel_uploader.core.ignored_findings import find_ignore
from wheel_uploader.core.lazy_dataclass import dataclass
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
    with_reason = [text for text, reason in reasons.items() if reason]
    accepted_by = find_ignore(finding, with_reason)
    return reasons[accepted_by] if accepted_by is not None else ""


def get_ignore_reasons(report: Report, findings: Iterable[Finding]) -> str:
    """Return the different reasons that the user gave for ignoring ``findings``; empty if there are none."""
    reasons = dict.fromkeys(get_ignore_reason(report, finding) for finding in findings)
    return "; ".join(reason for reason in reasons if reason)


def find_unused_ignores(report: Report) -> tuple[str, ...]:
    """Return the values of ``--ignore`` that accept no finding."""
    return tuple(
        text
        for text in report.options.ignore
        if not any(find_ignore(finding, (text,)) for finding in report.findings)
    )
