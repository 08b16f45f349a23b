"""Findings as the HTML and Markdown reports show them: a limited number of messages and files per check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wheel_uploader.models import Finding, Report, Severity
from wheel_uploader.report.findings import ORDER, by_message
from wheel_uploader.report.rule import RELEASE, Rules, reason

#: Messages per check, files per message and members per file that are shown; the rest is counted.
_MAX_MESSAGES = 20
_MAX_FILES = 20
_MAX_MEMBERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file, or the release as a whole if the name is empty, with the affected members."""

    filename: str
    members: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One message of a check, and the files that it applies to."""

    message: str
    places: tuple[Place, ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The findings of one check with one severity."""

    check: str
    severity: Severity
    title: str
    #: Paragraphs: why it matters, common causes, how to fix it.
    explanation: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    #: Number of messages beyond the limit.
    more: int = 0
    #: Number of affected files; 0: the release as a whole.
    files: int = 0
    ignored: bool = False
    #: The reason for ignoring the findings; empty if none was given.
    reason: str = ""


def of(report: Report, check_infos: Rules) -> Iterator[Group]:
    """Yield the groups, most severe first, ignored findings last."""
    findings: dict[tuple[bool, Severity, str], list[Finding]] = defaultdict(list)
    for finding in report.findings:
        findings[finding.ignored, finding.severity, finding.check].append(finding)
    for key in sorted(findings, key=lambda key: (key[0], ORDER.index(key[1]))):
        yield _build_group(report, check_infos, findings[key])


def _build_group(report: Report, check_infos: Rules, findings: Sequence[Finding]) -> Group:
    first = findings[0]
    rule = check_infos.get(first.check)
    messages = list(by_message(findings).items())
    return Group(
        check=first.check,
        severity=first.severity,
        title=rule.title if rule else "",
        explanation=tuple(_split_paragraphs(rule.explanation)) if rule else (),
        sentences=tuple(_build_message(text, same_text) for text, same_text in messages[:_MAX_MESSAGES]),
        more=max(0, len(messages) - _MAX_MESSAGES),
        files=len({finding.subject for finding in findings} - {RELEASE}),
        ignored=first.ignored,
        reason=reason(report, first) if first.ignored else "",
    )


def _split_paragraphs(explanation: str) -> Iterator[str]:
    for paragraph in explanation.split("\n\n"):
        if text := " ".join(paragraph.split()):
            yield text


def _build_message(text: str, findings: Sequence[Finding]) -> Sentence:
    members: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        members[finding.subject].extend([finding.member] if finding.member is not None else [])
    return Sentence(
        message=text,
        places=tuple(
            Place(
                filename="" if subject == RELEASE else subject,
                members=tuple(subject_members[:_MAX_MEMBERS]),
                more=max(0, len(subject_members) - _MAX_MEMBERS),
            )
            for subject, subject_members in list(members.items())[:_MAX_FILES]
        ),
        more=max(0, len(members) - _MAX_FILES),
    )
