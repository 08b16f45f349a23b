"""Findings as the HTML and Markdown reports show them: a limited number of messages and files per check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Finding, Report, Severity
from wheel_uploader.report.formats.findings_text import SEVERITY_ORDER, group_by_message
from wheel_uploader.report.views.check_info import RELEASE_SUBJECT, CheckInfos, get_ignore_reasons

#: Messages per check, files per message and members per file that are shown; the rest is counted.
_MAX_MESSAGES = 20
_MAX_FILES = 20
_MAX_MEMBERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectedFile:
    """A file, or the release as a whole if the name is empty, with the affected members."""

    filename: str
    members: tuple[str, ...] = ()
    omitted_members: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingMessage:
    """One message of a check, and the files that it applies to."""

    text: str
    files: tuple[AffectedFile, ...]
    omitted_files: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """The findings of one check with one severity."""

    check: str
    severity: Severity
    title: str
    #: Paragraphs: why it matters, common causes, how to fix it.
    explanation: tuple[str, ...]
    messages: tuple[FindingMessage, ...]
    #: Number of messages beyond the limit.
    omitted_messages: int = 0
    #: Number of affected files; 0: the release as a whole.
    file_count: int = 0
    ignored: bool = False
    #: The reason for ignoring the findings; empty if none was given.
    reason: str = ""


def build_finding_groups(report: Report, check_infos: CheckInfos) -> Iterator[FindingGroup]:
    """Yield the groups, most severe first, ignored findings last."""
    findings: dict[tuple[bool, Severity, str], list[Finding]] = defaultdict(list)
    for finding in report.findings:
        findings[finding.is_ignored, finding.severity, finding.check].append(finding)
    for key in sorted(findings, key=lambda key: (key[0], SEVERITY_ORDER.index(key[1]))):
        yield _build_group(report, check_infos, findings[key])


def _build_group(report: Report, check_infos: CheckInfos, findings: Sequence[Finding]) -> FindingGroup:
    first = findings[0]
    rule = check_infos.get(first.check)
    messages = list(group_by_message(findings).items())
    return FindingGroup(
        check=first.check,
        severity=first.severity,
        title=rule.title if rule else "",
        explanation=tuple(_split_paragraphs(rule.explanation)) if rule else (),
        messages=tuple(_build_message(text, same_text) for text, same_text in messages[:_MAX_MESSAGES]),
        omitted_messages=max(0, len(messages) - _MAX_MESSAGES),
        file_count=len({finding.subject for finding in findings} - {RELEASE_SUBJECT}),
        ignored=first.is_ignored,
        reason=get_ignore_reasons(report, findings) if first.is_ignored else "",
    )


def _split_paragraphs(explanation: str) -> Iterator[str]:
    for paragraph in explanation.split("\n\n"):
        if text := " ".join(paragraph.split()):
            yield text


def _build_message(text: str, findings: Sequence[Finding]) -> FindingMessage:
    members: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        members[finding.subject].extend([finding.member] if finding.member is not None else [])
    return FindingMessage(
        text=text,
        files=tuple(
            AffectedFile(
                filename="" if subject == RELEASE_SUBJECT else subject,
                members=tuple(subject_members[:_MAX_MEMBERS]),
                omitted_members=max(0, len(subject_members) - _MAX_MEMBERS),
            )
            for subject, subject_members in list(members.items())[:_MAX_FILES]
        ),
        omitted_files=max(0, len(members) - _MAX_FILES),
    )
