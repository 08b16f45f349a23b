"""Findings for a person: grouped by check, each sentence once with the files that it is about."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from wheel_uploader.display import counted, printable
from wheel_uploader.models import Finding, Report, Severity, Stage
from wheel_uploader.report.look import PLAIN, Ink, Look
from wheel_uploader.report.rule import RELEASE, Rules, idle_ignores, reason

#: The worst first.
ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
#: Sentences of one check, and files of one sentence, before the rest is counted; ``-v`` shows all.
_SHOWN = 5
#: What stands before the name of a file.
_PLACE = "      "


def lines(report: Report, rules: Rules, look: Look = PLAIN) -> Iterator[str]:
    """Every group, the worst first, and how many there are; notes only under ``-v``."""
    groups = grouped(report.findings)
    verbose = bool(report.options.verbose)
    for (severity, check), findings in groups.items():
        if severity is not Severity.NOTE or verbose:
            yield from _heading(severity, check, rules, look)
            yield from _sentences(report, findings, look)
    for check, findings in _ignored(report.findings).items():
        if findings[0].severity is not Severity.NOTE or verbose:
            yield from _accepted(report, check, findings, look)
    if Stage.CHECK not in report.timings:
        return
    for check_id in idle_ignores(report) if verbose else ():
        yield f"ignore has {printable(check_id)}, which found nothing"
    # Nobody expects a release as a whole of files that are checked on their own.
    for sentence in report.not_checked if report.options.project or verbose else ():
        yield from wrapped(f"not checked: {printable(sentence)}", "", "  ", look)
    yield f"checks: {counts(report)} (profile {report.profile})"


def grouped(findings: Sequence[Finding]) -> dict[tuple[Severity, str], list[Finding]]:
    """What was not ignored, by severity and check, the worst first."""
    groups: dict[tuple[Severity, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        if not finding.ignored:
            groups[finding.severity, finding.check].append(finding)
    return dict(sorted(groups.items(), key=lambda item: ORDER.index(item[0][0])))


def by_message(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings of one check, by what they say."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.message].append(finding)
    return dict(groups)


def _ignored(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.ignored:
            groups[finding.check].append(finding)
    return dict(groups)


_INKS = {Severity.ERROR: Ink.RED, Severity.WARNING: Ink.YELLOW, Severity.NOTE: Ink.BOLD}


def _heading(severity: Severity, check: str, rules: Rules, look: Look) -> Iterator[str]:
    title = f": {rules[check].title}" if check in rules else ""
    first, *others = wrapped(f"{severity}: {check}{title}", "", "  ", look)
    yield look.paint(severity, _INKS[severity]) + first.removeprefix(severity)
    yield from others


def _accepted(report: Report, check: str, findings: Sequence[Finding], look: Look) -> Iterator[str]:
    """What the person accepted, and why; the sentences only under ``-v``."""
    count = len({finding.subject for finding in findings} - {RELEASE})
    why = reason(report, findings[0])
    because = f" because {printable(why)}" if why else ""
    where = counted(count, "file") if count else "the release"
    yield from wrapped(f"ignored: {check} ({findings[0].severity}, {where}){because}", "", "  ", look)
    if report.options.verbose:
        yield from _sentences(report, findings, look)


def _sentences(report: Report, findings: Sequence[Finding], look: Look) -> Iterator[str]:
    """Each sentence of one check once, and below it the files."""
    most = len(findings) if report.options.verbose else _SHOWN
    sentences = list(by_message(findings).items())
    for message, same in sentences[:most]:
        yield from wrapped(printable(message), "  ", "  ", look)
        yield from _places(report, same, most, look)
    if len(sentences) > most:
        yield f"  and {len(sentences) - most} more like these: -v shows all"


def _places(report: Report, findings: Sequence[Finding], most: int, look: Look) -> Iterator[str]:
    """Where one thing was found: files, with a member of each.

    Neither the only file of a release needs to be named, nor the release itself.
    """
    members: Mapping[str, list[str | None]] = defaultdict(list)
    for finding in findings:
        members[finding.subject].append(finding.member)
    only = report.selection and [name.filename for name, _ in report.selection.files]
    for subject, inside in list(members.items())[:most]:
        named = [printable(member) for member in inside if member is not None]
        if subject == RELEASE or [subject] == only:
            yield from (_PLACE + member for member in named[:most])
            if len(named) > most:
                yield f"{_PLACE}and {len(named) - most} more"
            continue
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        yield from _place(printable(subject), f"{named[0]}{more}" if named else "", look)
    if len(members) > most:
        yield f"{_PLACE}and {len(members) - most} more"


def _place(subject: str, member: str, look: Look) -> Iterator[str]:
    """A file and what is meant of it, on one line if they fit."""
    together = f"{_PLACE}{subject}: {member}" if member else _PLACE + subject
    if len(together) <= look.width or not member:
        yield together
    else:
        yield f"{_PLACE}{subject}"
        yield f"{_PLACE}  {member}"


def counts(report: Report) -> str:
    """``1 error, 0 warnings, 3 notes, 2 ignored``."""
    found = Counter(finding.severity for finding in report.findings if not finding.ignored)
    ignored = sum(finding.ignored for finding in report.findings)
    said = [counted(found[severity], severity) for severity in ORDER]
    return ", ".join([*said, *([f"{ignored} ignored"] if ignored else [])])


def wrapped(text: str, first: str, others: str, look: Look) -> list[str]:
    """``text`` in lines of the screen; what has no spaces is not broken."""
    return textwrap.wrap(
        text,
        look.width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
