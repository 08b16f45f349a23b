"""Annotations and step outputs for GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import FileStatus, Finding, Report, Severity, Stage
from wheel_uploader.core.redaction import sanitize, sanitize_message
from wheel_uploader.report.formats.findings_text import group_by_message, group_by_severity_and_check
from wheel_uploader.report.views import file_rows, matrix_view
from wheel_uploader.report.views.check_info import RELEASE_SUBJECT, CheckInfos

#: GitHub shows at most this many annotations of one level per step.
_MAX_ANNOTATIONS = 10
#: Messages per annotation, and files per message.
_MAX_SHOWN = 5
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_annotations(report: Report, check_infos: CheckInfos) -> str:
    """Return one line per annotation, notes only under ``-v``; empty if there is nothing to report."""
    return "".join(
        f"{line}\n" for severity in Severity for line in _build_annotations(report, check_infos, severity)
    )


def build_step_outputs(report: Report) -> dict[str, str]:
    """Return the step outputs by name; each value lists file names, or cells of the matrix, one per line."""
    rows = file_rows.build_file_rows(report)
    uploaded = [row.filename for row in rows if row.status in (FileStatus.CONFIRMED, FileStatus.UPLOADED)]
    # A run that ended before the upload stage has skipped nothing.
    skipped = [row.filename for row in rows if row.upload_result and row.status is FileStatus.SKIPPED]
    lists = {"published": uploaded, "skipped": skipped, "missing": matrix_view.list_missing(report, rows)}
    return {name: "\n".join(map(sanitize, lines)) for name, lines in lists.items()}


def _build_annotations(report: Report, check_infos: CheckInfos, severity: Severity) -> Iterator[str]:
    if severity is Severity.NOTE and not report.options.verbose:
        return
    annotations = [
        (
            f"{check}: {check_infos[check].title}" if check in check_infos else check,
            _format_messages(findings),
        )
        for (group_severity, check), findings in group_by_severity_and_check(report.findings).items()
        if group_severity is severity
    ]
    error = report.error if severity is Severity.ERROR else None
    if error and not (annotations and _is_stopped_by_checks(report)):
        details = error.details[:_MAX_SHOWN]
        annotations.insert(0, ("wheel-uploader", [error.message, *details, f"next: {error.hint}"]))
    excess = len(annotations) - _MAX_ANNOTATIONS
    if excess > 0:
        annotations[_MAX_ANNOTATIONS - 1 :] = [
            ("wheel-uploader", [f"findings of {format_count(excess + 1, 'more check')}: see the log"])
        ]
    for title, messages in annotations:
        yield _format_command(_LEVELS[severity], title, messages)


def _is_stopped_by_checks(report: Report) -> bool:
    """Return whether the error only repeats the findings."""
    return Stage.CHECK in report.stage_seconds and (report.last_stage or Stage.LIST) < Stage.CHECK


def _format_messages(findings: Sequence[Finding]) -> list[str]:
    """Return the messages of one check, each with the files that it applies to."""
    messages = []
    for message, same_message in group_by_message(findings).items():
        subjects = list(
            dict.fromkeys(finding.subject for finding in same_message if finding.subject != RELEASE_SUBJECT)
        )
        more = f" and {len(subjects) - _MAX_SHOWN} more" if len(subjects) > _MAX_SHOWN else ""
        messages.append(f"{message} ({', '.join(subjects[:_MAX_SHOWN])}{more})" if subjects else message)
    excess = len(messages) - _MAX_SHOWN
    return messages[:_MAX_SHOWN] + ([f"and {excess} more like these"] if excess > 0 else [])


def _format_command(level: str, title: str, messages: list[str]) -> str:
    """Return a workflow command, escaped so that text from a wheel cannot start another one."""
    text = "\n".join(sanitize_message(message) for message in messages)
    return f"::{level} title={_escape_property(sanitize_message(title))}::{_escape_data(text)}"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
