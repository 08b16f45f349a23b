"""The decision whether a release may be uploaded: stop if a finding or the index blocks it."""

from __future__ import annotations

from collections.abc import Sequence

from wheel_uploader import checks
from wheel_uploader.core.errors import ConflictError, FileError, NothingFoundError
from wheel_uploader.core.formatting import format_count, format_share
from wheel_uploader.core.models import (
    CheckProfile,
    FileComparison,
    Finding,
    IndexComparison,
    Report,
)

#: Checks whose findings are conflicts: the index will never accept this file under this name.
_CONFLICT_CHECKS = frozenset(
    {
        *("release/different-on-index", "release/same-bytes-other-name"),
        *("release/second-sdist", "release/closed"),
    }
)
#: The conflict that ends when the file on the index is deleted.
_REPLACEABLE_CHECK = "release/different-on-index"
#: The check whose findings ``--allow-missing`` accepts one by one.
_LOST_CHECK = "release/lost-against-previous"
#: Checks whose findings mean that files may still arrive.
_INCOMPLETE_CHECKS = frozenset({"release/expected"})
#: Maximum number of checks or conflicts in the details of the final error.
_MAX_DETAILS = 10


def raise_if_blocked(report: Report) -> None:
    """Raise an error if a finding blocks the release; the report contains all findings."""
    blocking = checks.select_blocking(report.findings, strict=report.options.strict)
    if not blocking:
        return
    hint = f"Nothing was uploaded. See 'wheel-uploader --explain {blocking[0].check}'; "
    if conflicts := [finding for finding in blocking if finding.check in _CONFLICT_CHECKS]:
        raise _make_conflict_error(
            report, conflicts, [finding for finding in blocking if finding not in conflicts]
        )
    if all(finding.check in _INCOMPLETE_CHECKS for finding in blocking):
        raise NothingFoundError(
            "the release does not match the expected files",
            details=[finding.message for finding in blocking[:_MAX_DETAILS]],
            hint=hint + "complete the staged files, or correct the expectation.",
        )
    files = {finding.subject for finding in blocking} - {checks.RELEASE_SUBJECT}
    excluded = report.selection.excluded_files if report.selection else ()
    count = len(report.downloaded_files) + sum(bool(file.failed_check) for file in excluded)
    failures = [f"{len(files)} of {format_count(count, 'file')}"] if files else []
    if any(finding.subject == checks.RELEASE_SUBJECT for finding in blocking):
        failures.append("the release as a whole")
    raise FileError(
        f"{' and '.join(failures)} failed the checks",
        details=_summarize_by_check(blocking),
        hint=hint + _suggest_after_failure(report, blocking),
    )


def _suggest_after_failure(report: Report, blocking: Sequence[Finding]) -> str:
    """Return the next step; for wheels that were dropped, the option that accepts only that."""
    if report.missing_cells and all(finding.check == _LOST_CHECK for finding in blocking):
        python, platform = report.missing_cells[0]
        return (
            "build the missing wheels, or accept an intended removal with --allow-missing PLATFORM or "
            f"PYTHON, such as '{platform}', '{python}' or '{python}-{platform}'."
        )
    return "fix or rebuild the files, or accept a finding with --ignore ID."


def _make_conflict_error(
    report: Report, conflicts: Sequence[Finding], others: Sequence[Finding]
) -> ConflictError:
    """Return the error for the conflicts, which also counts and lists the other blocking findings."""
    target = report.upload_url or "the index"
    files = {finding.subject for finding in conflicts} - {checks.RELEASE_SUBJECT}
    details = [f"{finding.subject}: {finding.message}" for finding in conflicts]
    remaining = len(details) - _MAX_DETAILS
    more = [f"and {remaining} more, see the report"] if remaining > 0 else []
    problem = (
        f"{format_share(len(files), len(report.downloaded_files), 'file', 'conflict')} with {target}"
        if files
        else f"{target} accepts no more files for this release"
    )
    also = f", and the checks found {format_count(len(others), 'other error')}" if others else ""
    return ConflictError(
        f"{problem}{also}; nothing was uploaded",
        details=[*details[:_MAX_DETAILS], *more, *_summarize_by_check(others)],
        hint=f"{_suggest_after_conflict(report, conflicts)} "
        f"See 'wheel-uploader --explain {conflicts[0].check}'.",
    )


def _suggest_after_conflict(report: Report, conflicts: Sequence[Finding]) -> str:
    """Return the next step. A nightly build may replace the one before on indexes other than PyPI."""
    version = report.selection.version if report.selection else None
    is_nightly = version is not None and (version.is_devrelease or version.local is not None)
    is_replaceable = all(finding.check == _REPLACEABLE_CHECK for finding in conflicts)
    if report.profile is CheckProfile.PYPI or not is_nightly or not is_replaceable:
        return ConflictError.default_hint
    return (
        f"If the index permits it, delete {version} there, and run the same command again; or give each "
        "build another version, such as .devYYYYMMDD."
    )


def _summarize_by_check(findings: Sequence[Finding]) -> list[str]:
    """Return one line for each check that blocks the release; the report contains the rest."""
    by_check: dict[str, list[Finding]] = {}
    for finding in findings:
        by_check.setdefault(finding.check, []).append(finding)
    lines = []
    for check, check_findings in by_check.items():
        first = check_findings[0]
        others = len({finding.subject for finding in check_findings}) - 1
        more = f" and {others} more" if others else ""
        lines.append(f"{check}: {first.subject}{more}: {first.message}")
    remaining = len(lines) - _MAX_DETAILS
    return lines[:_MAX_DETAILS] + (
        [f"and {format_count(remaining, 'more check')}, see the report"] if remaining > 0 else []
    )


def raise_if_conflict(plan: Sequence[IndexComparison], *, upload_url: str, skip_existing: bool) -> None:
    """Raise ConflictError if the index has a different file under the name of a local file."""
    details = [_describe_conflict(state) for state in plan if state.result in _CONFLICT_STATES]
    if details:
        raise ConflictError(
            f"{format_share(len(details), len(plan), 'file', 'conflict')} with {upload_url}; "
            "nothing was uploaded",
            details=details,
        )
    existing = [state.file.filename for state in plan if state.result is FileComparison.SAME]
    if existing and not skip_existing:
        raise ConflictError(
            f"{format_share(len(existing), len(plan), 'file', 'are')} already on {upload_url}; "
            "nothing was uploaded",
            details=existing,
            hint="Their contents are identical. To skip them, omit --no-skip-existing.",
        )


_CONFLICT_STATES = (FileComparison.DIFFERENT, FileComparison.SAME_BYTES_OTHER_NAME)


def _describe_conflict(state: IndexComparison) -> str:
    name = state.file.filename
    if state.result is FileComparison.DIFFERENT:
        spelled = f" as {state.other_name}" if state.other_name else ""
        return (
            f"{name}: its sha256 is {state.file.sha256}, but on the index{spelled} it is {state.index_sha256}"
        )
    return f"{name}: the index has the same contents as {state.other_name} (sha256 {state.file.sha256})"
