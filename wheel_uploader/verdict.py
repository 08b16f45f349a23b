"""The decision whether a release may be uploaded: run the release checks and stop if a finding blocks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from packaging.version import Version

from wheel_uploader import checks, release
from wheel_uploader.brought.expect import Expectation, Sdist, Slot
from wheel_uploader.checks.release_content import ReleaseContent, parsed, release_to_compare_with
from wheel_uploader.checks.release_index import lost_of, may_be_lost
from wheel_uploader.display import counted
from wheel_uploader.errors import ConflictError, FileError, NothingFoundError
from wheel_uploader.models import (
    Attestations,
    FileState,
    FileSummary,
    Finding,
    IndexState,
    Options,
    ProjectPage,
    Report,
    SdistName,
    Selection,
)
from wheel_uploader.names import ALL_TYPES
from wheel_uploader.platforms.places import cells_of
from wheel_uploader.publish.target import Target

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


def judge(
    report: Report,
    selection: Selection,
    summaries: Sequence[FileSummary],
    *,
    expectation: Expectation | None,
    target: Target | None,
    page: ProjectPage | None,
    states: Sequence[IndexState],
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
        files=tuple(fetched.file for fetched in report.fetched),
        whole=_is_complete_selection(options),
        expectation=expectation,
        page=page,
        states=tuple(states),
        like=_find_comparison_version(options, page, selection.project, selection.version) if page else None,
        allow_lost=options.allow_missing,
        attestations=report.attestations,
        attestations_required=options.attestations is Attestations.REQUIRE,
        attests=options.attest,
        now=datetime.now(UTC),
        to_pypi=target is not None and target.is_pypi and not target.is_trial,
    )
    report.findings += checks.run_release(content, profile=report.profile, ignore=options.ignore)
    report.previous = tuple(name.filename for name in content.previous)
    report.lost = tuple(sorted((cell.python, cell.platform) for cell in lost_of(content)))
    report.previous_sizes = _get_listed_sizes(page, report.previous) if page else {}
    report.not_checked += tuple(_describe_unchecked(content))


def _get_listed_sizes(page: ProjectPage, filenames: Sequence[str]) -> dict[str, int]:
    """Return the size in bytes of each file for which the index lists one."""
    names = set(filenames)
    return {file.filename: file.size for file in page.files if file.filename in names and file.size}


def as_before(page: ProjectPage, options: Options) -> tuple[Version, Expectation] | None:
    """Return the previous release and its files as an expectation to wait for; None if there is none."""
    like = _find_comparison_version(options, page, options.project, release.parse_version(options.version))
    previous = [name for name, _ in parsed(page, options.project) if name.version == like]
    cells = sorted(cells_of(previous), key=str)
    slots: list[Slot] = [cell for cell in cells if not may_be_lost(cell, options.allow_missing)]
    if any(isinstance(name, SdistName) for name in previous):
        slots.append(Sdist())
    return (like, Expectation(slots=tuple(slots))) if like and slots else None


def _find_comparison_version(
    options: Options, page: ProjectPage, project: str, version: Version
) -> Version | None:
    if options.no_compare:
        return None
    like = release.parse_version(options.compare_with) if options.compare_with else None
    return release_to_compare_with(page, project, version, like)


def _is_complete_selection(options: Options) -> bool:
    """Return whether an absent file counts as missing; not if only some files are selected or checked."""
    return ALL_TYPES in options.types and bool(options.project)


def _describe_unchecked(content: ReleaseContent) -> Iterator[str]:
    """Yield what could not be checked."""
    if not content.whole:
        yield "whether files of the release are missing, because only some were selected"
    files = content.page.files if content.page else ()
    if files and all(file.upload_time is None for file in files):
        yield "the age of the release and the size of the project, because the index does not list them"


def stop_if_blocked(report: Report) -> None:
    """Raise an error if a finding blocks the release; the report contains all findings."""
    blocking = checks.blocking(report.findings, strict=report.options.strict)
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
    files = {finding.subject for finding in blocking} - {checks.RELEASE}
    failures = [f"{len(files)} of {counted(len(report.fetched), 'file')}"] if files else []
    if any(finding.subject == checks.RELEASE for finding in blocking):
        failures.append("the release as a whole")
    raise FileError(
        f"{' and '.join(failures)} failed the checks",
        details=_summarize_by_check(blocking),
        hint=hint + "fix or rebuild the files, or accept a finding with --ignore ID.",
    )


def _make_conflict_error(report: Report, conflicts: Sequence[Finding]) -> ConflictError:
    target = report.target or "the index"
    files = {finding.subject for finding in conflicts} - {checks.RELEASE}
    details = [f"{finding.subject}: {finding.message}" for finding in conflicts]
    remaining = len(details) - _MAX_DETAILS
    return ConflictError(
        f"{len(files)} of {counted(len(report.fetched), 'file')} conflict with {target}; nothing was uploaded"
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


def stop_if_conflict(report: Report) -> None:
    """Raise ConflictError if the index has a different file under the name of a local file."""
    details = [_describe_conflict(state) for state in report.plan if state.state in _CONFLICT_STATES]
    if details:
        raise ConflictError(
            f"{len(details)} of {counted(len(report.plan), 'file')} conflict with {report.target}; "
            "nothing was uploaded",
            details=details,
        )
    existing = [state.file.filename for state in report.plan if state.state is FileState.SAME]
    if existing and not report.options.skip_existing:
        raise ConflictError(
            f"{len(existing)} of {counted(len(report.plan), 'file')} are already on {report.target}; "
            "nothing was uploaded",
            details=existing,
            hint="Their contents are identical. To skip them, omit --no-skip-existing.",
        )


_CONFLICT_STATES = (FileState.DIFFERENT, FileState.SAME_BYTES_OTHER_NAME)


def _describe_conflict(state: IndexState) -> str:
    name = state.file.filename
    if state.state is FileState.DIFFERENT:
        spelled = f" as {state.other_name}" if state.other_name else ""
        return (
            f"{name}: its sha256 is {state.file.sha256}, but on the index{spelled} it is {state.index_sha256}"
        )
    return f"{name}: the index has the same contents as {state.other_name} (sha256 {state.file.sha256})"
