"""The decision whether a release may be uploaded: run the release checks and stop if a finding blocks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from packaging.version import Version

from wheel_uploader import checks
from wheel_uploader.checks.release_content import (
    ReleaseContent,
    parse_project_files,
    select_comparison_version,
)
from wheel_uploader.checks.release_index import find_missing_cells, is_allowed_missing
from wheel_uploader.core.errors import ConflictError, FileError, NothingFoundError
from wheel_uploader.core.filenames import ALL_PLATFORMS
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    AttestationPolicy,
    FileComparison,
    FileSummary,
    Finding,
    IndexComparison,
    Options,
    ProjectPage,
    Report,
    SdistName,
    Selection,
)
from wheel_uploader.core.platforms.matrix import slots_by_cell
from wheel_uploader.index.target import Target
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.listing.expected_files import Expectation, ExpectedItem, ExpectedSdist

#: Checks whose findings are conflicts: the index will never accept this file under this name.
_CONFLICT_CHECKS = frozenset(
    {
        *("release/different-on-index", "release/same-bytes-other-name"),
        *("release/second-sdist", "release/closed"),
    }
)
#: Checks whose findings mean that files may still arrive.
_INCOMPLETE_CHECKS = frozenset({"release/expected"})
#: Maximum number of checks or conflicts in the details of the final error.
_MAX_DETAILS = 10


def run_release_checks(
    report: Report,
    selection: Selection,
    summaries: Sequence[FileSummary],
    *,
    expectation: Expectation | None,
    target: Target | None,
    page: ProjectPage | None,
    states: Sequence[IndexComparison],
) -> None:
    """Add the findings of the release checks to ``report``, and what could not be checked.

    Without a ``page`` of the index and the ``states`` of the local files there, the checks that need them
    find nothing. Raise UsageError if the release to compare with is not on the index.
    """
    options = report.options
    content = ReleaseContent(
        project=selection.project,
        version=selection.version,
        summaries=tuple(summaries),
        files=tuple(fetched.file for fetched in report.downloaded_files),
        is_complete_selection=_is_complete_selection(options),
        expectation=expectation,
        project_page=page,
        index_states=tuple(states),
        comparison_version=_find_comparison_version(options, page, selection.project, selection.version)
        if page
        else None,
        allow_missing=options.allow_missing,
        attestations=report.attestations,
        attestations_required=options.attestations is AttestationPolicy.REQUIRE,
        will_attest=options.attest,
        now=datetime.now(UTC),
        targets_pypi=target is not None and target.is_pypi and not target.is_testpypi,
    )
    report.findings += checks.check_release(content, profile=report.profile, ignore=options.ignore)
    report.previous_filenames = tuple(name.filename for name in content.previous_names)
    report.missing_cells = tuple(sorted((cell.python, cell.platform) for cell in find_missing_cells(content)))
    report.previous_sizes = _get_listed_sizes(page, report.previous_filenames) if page else {}
    report.checks_not_run += tuple(_describe_unchecked(content))


def _get_listed_sizes(page: ProjectPage, filenames: Sequence[str]) -> dict[str, int]:
    """Return the size in bytes of each file for which the index lists one."""
    names = set(filenames)
    return {file.filename: file.size for file in page.files if file.filename in names and file.size}


def previous_release_expectation(page: ProjectPage, options: Options) -> tuple[Version, Expectation] | None:
    """Return the previous release and its files as an expectation to wait for; None if there is none."""
    like = _find_comparison_version(
        options, page, options.project, release_selection.parse_version(options.version)
    )
    previous = [name for name, _ in parse_project_files(page, options.project) if name.version == like]
    cells = sorted(slots_by_cell(previous), key=str)
    slots: list[ExpectedItem] = [
        cell for cell in cells if not is_allowed_missing(cell, options.allow_missing)
    ]
    if any(isinstance(name, SdistName) for name in previous):
        slots.append(ExpectedSdist())
    return (like, Expectation(items=tuple(slots))) if like and slots else None


def _find_comparison_version(
    options: Options, page: ProjectPage, project: str, version: Version
) -> Version | None:
    if options.no_compare:
        return None
    like = release_selection.parse_version(options.compare_with) if options.compare_with else None
    return select_comparison_version(page, project, version, like)


def _is_complete_selection(options: Options) -> bool:
    """Return whether an absent file counts as missing; not if only some files are selected or checked."""
    return ALL_PLATFORMS in options.types and bool(options.project)


def _describe_unchecked(content: ReleaseContent) -> Iterator[str]:
    """Yield what could not be checked."""
    if not content.is_complete_selection:
        yield "whether files of the release are missing, because only some were selected"
    files = content.project_page.files if content.project_page else ()
    if files and all(file.upload_time is None for file in files):
        yield "the age of the release and the size of the project, because the index does not list them"


def raise_if_blocked(report: Report) -> None:
    """Raise an error if a finding blocks the release; the report contains all findings."""
    blocking = checks.select_blocking(report.findings, strict=report.options.strict)
    if not blocking:
        return
    hint = f"Nothing was uploaded. See 'wheel-uploader --explain {blocking[0].check}'; "
    if conflicts := [finding for finding in blocking if finding.check in _CONFLICT_CHECKS]:
        raise _make_conflict_error(report, conflicts)
    if all(finding.check in _INCOMPLETE_CHECKS for finding in blocking):
        raise NothingFoundError(
            "the release does not match the expected files",
            details=[finding.message for finding in blocking[:_MAX_DETAILS]],
            hint=hint + "complete the staged files, or correct the expectation.",
        )
    files = {finding.subject for finding in blocking} - {checks.RELEASE_SUBJECT}
    failures = [f"{len(files)} of {format_count(len(report.downloaded_files), 'file')}"] if files else []
    if any(finding.subject == checks.RELEASE_SUBJECT for finding in blocking):
        failures.append("the release as a whole")
    raise FileError(
        f"{' and '.join(failures)} failed the checks",
        details=_summarize_by_check(blocking),
        hint=hint + "fix or rebuild the files, or accept a finding with --ignore ID.",
    )


def _make_conflict_error(report: Report, conflicts: Sequence[Finding]) -> ConflictError:
    target = report.upload_url or "the index"
    files = {finding.subject for finding in conflicts} - {checks.RELEASE_SUBJECT}
    details = [f"{finding.subject}: {finding.message}" for finding in conflicts]
    remaining = len(details) - _MAX_DETAILS
    return ConflictError(
        f"{len(files)} of {format_count(len(report.downloaded_files), 'file')} conflict with {target}; nothing was uploaded"
        if files
        else f"{target} accepts no more files for this release; nothing was uploaded",
        details=details[:_MAX_DETAILS] + ([f"and {remaining} more, see the report"] if remaining > 0 else []),
        hint=f"{ConflictError.default_hint} See 'wheel-uploader --explain {conflicts[0].check}'.",
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
    return lines[:_MAX_DETAILS] + ([f"and {remaining} more checks, see the report"] if remaining > 0 else [])


def raise_if_conflict(report: Report) -> None:
    """Raise ConflictError if the index has a different file under the name of a local file."""
    details = [_describe_conflict(state) for state in report.upload_plan if state.result in _CONFLICT_STATES]
    if details:
        raise ConflictError(
            f"{len(details)} of {format_count(len(report.upload_plan), 'file')} conflict with {report.upload_url}; "
            "nothing was uploaded",
            details=details,
        )
    existing = [state.file.filename for state in report.upload_plan if state.result is FileComparison.SAME]
    if existing and not report.options.skip_existing:
        raise ConflictError(
            f"{len(existing)} of {format_count(len(report.upload_plan), 'file')} are already on {report.upload_url}; "
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
