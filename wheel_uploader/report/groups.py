"""Findings as a page shows them: a group for each check, its sentences, and the files; never too many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wheel_uploader.models import Finding, Report, Severity
from wheel_uploader.report.findings import ORDER, by_message
from wheel_uploader.report.rule import RELEASE, Rules, reason

#: Sentences of one check, files of one sentence, and members of one file, before the rest is counted.
_SENTENCES = 20
_FILES = 20
_MEMBERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file, or the release (empty), and what is meant of it."""

    filename: str
    members: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One thing that was found, and where."""

    message: str
    places: tuple[Place, ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All that one check found with one severity."""

    check: str
    severity: Severity
    title: str
    #: Paragraphs: why it matters, what commonly causes it, what to do.
    explanation: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    #: Sentences that are not among them.
    more: int = 0
    #: How many files it is about; 0: the release as a whole.
    files: int = 0
    ignored: bool = False
    #: Why it was ignored; empty when no reason was given.
    reason: str = ""


def of(report: Report, rules: Rules) -> Iterator[Group]:
    """Every group: the worst first, and what was ignored at the end."""
    found: dict[tuple[bool, Severity, str], list[Finding]] = defaultdict(list)
    for finding in report.findings:
        found[finding.ignored, finding.severity, finding.check].append(finding)
    for key in sorted(found, key=lambda each: (each[0], ORDER.index(each[1]))):
        yield _group(report, rules, found[key])


def _group(report: Report, rules: Rules, findings: Sequence[Finding]) -> Group:
    first = findings[0]
    rule = rules.get(first.check)
    sentences = list(by_message(findings).items())
    return Group(
        check=first.check,
        severity=first.severity,
        title=rule.title if rule else "",
        explanation=tuple(_paragraphs(rule.explanation)) if rule else (),
        sentences=tuple(_sentence(message, same) for message, same in sentences[:_SENTENCES]),
        more=max(0, len(sentences) - _SENTENCES),
        files=len({finding.subject for finding in findings} - {RELEASE}),
        ignored=first.ignored,
        reason=reason(report, first) if first.ignored else "",
    )


def _paragraphs(explanation: str) -> Iterator[str]:
    for paragraph in explanation.split("\n\n"):
        if words := " ".join(paragraph.split()):
            yield words


def _sentence(message: str, findings: Sequence[Finding]) -> Sentence:
    members: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        members[finding.subject].extend([finding.member] if finding.member is not None else [])
    return Sentence(
        message=message,
        places=tuple(
            Place(
                filename="" if subject == RELEASE else subject,
                members=tuple(inside[:_MEMBERS]),
                more=max(0, len(inside) - _MEMBERS),
            )
            for subject, inside in list(members.items())[:_FILES]
        ),
        more=max(0, len(members) - _FILES),
    )
