"""Findings as text: grouped by check, each message once with the files that it applies to."""

from __future__ import annotations

import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import Finding, Report, Severity, Stage
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.report.formats.changes_text import format_changes
from wheel_uploader.report.formats.terminal_style import PLAIN_STYLE, Color, TerminalStyle
from wheel_uploader.report.views.check_info import (
    RELEASE_SUBJECT,
    CheckInfos,
    find_unused_ignores,
    get_ignore_reasons,
)

#: Most severe first.
SEVERITY_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
#: Messages per check, and files per message, that are shown without ``-v``; the rest is counted.
_MAX_SHOWN = 5
#: Indentation of file names.
_FILE_INDENT = "      "
#: The space between a number and its unit, and the character that keeps it from being a line break.
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:ms|s|min|h|days|B|kB|MB|GB)\b)")
_GLUE = "\0"


def format_findings(
    report: Report, check_infos: CheckInfos, style: TerminalStyle = PLAIN_STYLE
) -> Iterator[str]:
    """Yield the findings, most severe first, and their counts; notes only under ``-v``."""
    groups = group_by_severity_and_check(report.findings)
    verbose = bool(report.options.verbose)
    for (severity, check), findings in groups.items():
        if severity is not Severity.NOTE or verbose:
            yield from _format_heading(severity, check, check_infos, style)
            yield from _format_messages(report, findings, style)
    for check, findings in _group_ignored(report.findings).items():
        if findings[0].severity is not Severity.NOTE or verbose:
            yield from _format_ignored(report, check, findings, style)
    if Stage.CHECK not in report.stage_seconds:
        if report.options.verify:
            yield from _format_checks_not_run(report, style, verbose=verbose)
        return
    for check_id in find_unused_ignores(report) if verbose else ():
        yield f"unused ignore: {sanitize(check_id)} has no findings"
    if report.comparison:
        yield from wrap_text(f"compared with {report.comparison}", "", "  ", style)
    if report.changes:
        for line in format_changes(report.changes, verbose=verbose):
            indent = "  " if line.startswith(" ") else ""
            yield from wrap_text(line.strip(), indent, indent + "  ", style)
    yield from _format_checks_not_run(report, style, verbose=verbose)
    yield from wrap_text(f"checks: {format_counts(report)} (profile {report.profile})", "", "  ", style)


def _format_checks_not_run(report: Report, style: TerminalStyle, *, verbose: bool) -> Iterator[str]:
    # Files that are checked on their own are not expected to form a complete release.
    for sentence in report.checks_not_run if report.options.project or verbose else ():
        yield from wrap_text(f"not checked: {sanitize_message(sentence)}", "", "  ", style)


def group_by_severity_and_check(findings: Sequence[Finding]) -> dict[tuple[Severity, str], list[Finding]]:
    """Group the findings that are not ignored by severity and check, most severe first."""
    groups: dict[tuple[Severity, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        if not finding.is_ignored:
            groups[finding.severity, finding.check].append(finding)
    return dict(sorted(groups.items(), key=lambda item: SEVERITY_ORDER.index(item[0][0])))


def group_by_message(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Group the findings of one check by message."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.message].append(finding)
    return dict(groups)


def _group_ignored(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.is_ignored:
            groups[finding.check].append(finding)
    return dict(groups)


_COLORS = {Severity.ERROR: Color.RED, Severity.WARNING: Color.YELLOW, Severity.NOTE: Color.BOLD}


def _format_heading(
    severity: Severity, check: str, check_infos: CheckInfos, style: TerminalStyle
) -> Iterator[str]:
    title = f": {check_infos[check].title}" if check in check_infos else ""
    first, *others = wrap_text(f"{severity}: {check}{title}", "", "  ", style)
    yield style.paint(severity, _COLORS[severity]) + first.removeprefix(severity)
    yield from others


def _format_ignored(
    report: Report, check: str, findings: Sequence[Finding], style: TerminalStyle
) -> Iterator[str]:
    """Yield the ignored findings of one check and the reason; the messages only under ``-v``."""
    count = len({finding.subject for finding in findings} - {RELEASE_SUBJECT})
    justification = get_ignore_reasons(report, findings)
    because = f" because {sanitize(justification)}" if justification else ""
    subjects = format_count(count, "file") if count else "the release"
    yield from wrap_text(f"ignored: {check} ({findings[0].severity}, {subjects}){because}", "", "  ", style)
    if report.options.verbose:
        yield from _format_messages(report, findings, style)


def _format_messages(report: Report, findings: Sequence[Finding], style: TerminalStyle) -> Iterator[str]:
    """Yield each message of one check once, followed by the files."""
    most = len(findings) if report.options.verbose else _MAX_SHOWN
    messages = list(group_by_message(findings).items())
    for message, same_message in messages[:most]:
        yield from wrap_text(sanitize_message(message), "  ", "  ", style)
        yield from _format_subjects(report, same_message, most, style)
    if len(messages) > most:
        yield f"  and {len(messages) - most} more like these: -v shows all"


def _format_subjects(
    report: Report, findings: Sequence[Finding], most: int, style: TerminalStyle
) -> Iterator[str]:
    """Yield the files that one message applies to, each with its first affected member.

    The release itself, and its file if it has only one, are not named.
    """
    members: Mapping[str, list[str | None]] = defaultdict(list)
    for finding in findings:
        members[finding.subject].append(finding.member)
    filenames = report.selection and [name.filename for name, _ in report.selection.files]
    for subject, subject_members in list(members.items())[:most]:
        names = [sanitize(member) for member in subject_members if member is not None]
        if subject == RELEASE_SUBJECT or [subject] == filenames:
            yield from (_FILE_INDENT + name for name in names[:most])
            if len(names) > most:
                yield f"{_FILE_INDENT}and {len(names) - most} more"
            continue
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield from _format_subject(sanitize(subject), f"{names[0]}{more}" if names else "", style)
    if len(members) > most:
        yield f"{_FILE_INDENT}and {len(members) - most} more"


def _format_subject(subject: str, member: str, style: TerminalStyle) -> Iterator[str]:
    """Yield a file and its member, on one line if it is wide enough."""
    line = f"{_FILE_INDENT}{subject}: {member}" if member else _FILE_INDENT + subject
    if len(line) <= style.width or not member:
        yield line
    else:
        yield f"{_FILE_INDENT}{subject}"
        yield f"{_FILE_INDENT}  {member}"


def format_counts(report: Report) -> str:
    """Return the number of findings: ``1 error, 0 warnings, 3 notes, 2 ignored``."""
    by_severity = Counter(finding.severity for finding in report.findings if not finding.is_ignored)
    ignored = sum(finding.is_ignored for finding in report.findings)
    parts = [format_count(by_severity[severity], severity) for severity in SEVERITY_ORDER]
    return ", ".join([*parts, *([f"{ignored} ignored"] if ignored else [])])


def wrap_text(text: str, first_indent: str, next_indent: str, style: TerminalStyle) -> list[str]:
    """Return ``text`` wrapped to the width of the terminal; long words are not broken, nor ``40 ms``."""
    lines = textwrap.wrap(
        _BEFORE_UNIT.sub(_GLUE, text),
        style.width,
        initial_indent=first_indent,
        subsequent_indent=next_indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]
