"""Whether the release may go on: judged as a whole, with what the index says, and stopped if need be."""

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

#: What the index will not take under this name, now or later.
_CONFLICTS = frozenset(
    {
        *("release/different-on-index", "release/same-bytes-other-name"),
        *("release/second-sdist", "release/closed"),
    }
)
#: What is not there yet, and may come.
_INCOMPLETE = frozenset({"release/expected"})
#: Checks, or conflicts, that the last lines on the screen repeat.
_SHOWN = 10


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
    """Add to ``report`` what the checks find in the release as a whole, and which could not be made.

    Without a ``page`` of the index, and our files' ``states`` there, those that need one find nothing.
    Raises UsageError when the release to compare with is not there.
    """
    options = report.options
    content = ReleaseContent(
        project=selection.project,
        version=selection.version,
        summaries=tuple(summaries),
        files=tuple(fetched.file for fetched in report.fetched),
        whole=_is_whole(options),
        expectation=expectation,
        page=page,
        states=tuple(states),
        like=_like(options, page, selection.project, selection.version) if page else None,
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
    report.previous_sizes = _sizes(page, report.previous) if page else {}
    report.not_checked += tuple(_not_made(content))


def _sizes(page: ProjectPage, filenames: Sequence[str]) -> dict[str, int]:
    """Bytes of the files that the index gives a size for."""
    wanted = set(filenames)
    return {file.filename: file.size for file in page.files if file.filename in wanted and file.size}


def as_before(page: ProjectPage, options: Options) -> tuple[Version, Expectation] | None:
    """What the previous release on the index had, as something to wait for; None when there is none."""
    like = _like(options, page, options.project, release.parse_version(options.version))
    previous = [name for name, _ in parsed(page, options.project) if name.version == like]
    cells = sorted(cells_of(previous), key=str)
    slots: list[Slot] = [cell for cell in cells if not may_be_lost(cell, options.allow_missing)]
    if any(isinstance(name, SdistName) for name in previous):
        slots.append(Sdist())
    return (like, Expectation(slots=tuple(slots))) if like and slots else None


def _like(options: Options, page: ProjectPage, project: str, version: Version) -> Version | None:
    if options.no_compare:
        return None
    wanted = release.parse_version(options.compare_with) if options.compare_with else None
    return release_to_compare_with(page, project, version, wanted)


def _is_whole(options: Options) -> bool:
    """Whether a file that is not there is missing: not where some files are checked on their own."""
    return ALL_TYPES in options.types and bool(options.project)


def _not_made(content: ReleaseContent) -> Iterator[str]:
    """What was not looked at, with an index or without."""
    if not content.whole:
        yield "whether files of the release are missing, for not all were asked for"
    files = content.page.files if content.page else ()
    if files and all(file.upload_time is None for file in files):
        yield "when the release began and how large the project is, for the index does not say it"


def stop_if_blocked(report: Report) -> None:
    """Raise for what stops the release, if anything does; every finding is in the report."""
    blocking = checks.blocking(report.findings, strict=report.options.strict)
    if not blocking:
        return
    hint = f"Nothing was posted. See 'wheel-uploader --explain {blocking[0].check}'; "
    if conflicts := [finding for finding in blocking if finding.check in _CONFLICTS]:
        raise _conflict(report, conflicts)
    if all(finding.check in _INCOMPLETE for finding in blocking):
        raise NothingFoundError(
            "the release is not what is expected",
            details=[finding.message for finding in blocking[:_SHOWN]],
            hint=hint + "complete the files that are staged, or correct what is expected.",
        )
    files = {finding.subject for finding in blocking} - {checks.RELEASE}
    failed = [f"{len(files)} of {counted(len(report.fetched), 'file')}"] if files else []
    failed += ["the release as a whole"] if any(each.subject == checks.RELEASE for each in blocking) else []
    raise FileError(
        f"{' and '.join(failed)} failed the checks",
        details=_by_check(blocking),
        hint=hint + "fix or rebuild the files, or accept a finding with --ignore ID.",
    )


def _conflict(report: Report, conflicts: Sequence[Finding]) -> ConflictError:
    where = report.target or "the index"
    files = {finding.subject for finding in conflicts} - {checks.RELEASE}
    told = [f"{finding.subject}: {finding.message}" for finding in conflicts]
    rest = len(told) - _SHOWN
    return ConflictError(
        f"{len(files)} of {counted(len(report.fetched), 'file')} conflict with {where}; nothing was posted"
        if files
        else f"{where} takes no more files of this release; nothing was posted",
        details=told[:_SHOWN] + ([f"and {rest} more, see the report"] if rest > 0 else []),
        hint=f"{ConflictError.default_hint} See 'wheel-uploader --explain {conflicts[0].check}'.",
    )


def _by_check(findings: Sequence[Finding]) -> list[str]:
    """One line for each check that stops the release; the report has the rest."""
    by_check: dict[str, list[Finding]] = {}
    for finding in findings:
        by_check.setdefault(finding.check, []).append(finding)
    told = []
    for check, found in by_check.items():
        others = len({finding.subject for finding in found}) - 1
        more = f" and {others} more" if others else ""
        told.append(f"{check}: {found[0].subject}{more}: {found[0].message}")
    rest = len(told) - _SHOWN
    return told[:_SHOWN] + ([f"and {rest} more checks, see the report"] if rest > 0 else [])


def stop_if_conflict(report: Report) -> None:
    """Raise ConflictError when the index has something else under a name of ours."""
    details = [_told(state) for state in report.plan if state.state in _CONFLICTING]
    if details:
        raise ConflictError(
            f"{len(details)} of {counted(len(report.plan), 'file')} conflict with {report.target}; "
            "nothing was posted",
            details=details,
        )
    there = [state.file.filename for state in report.plan if state.state is FileState.SAME]
    if there and not report.options.skip_existing:
        raise ConflictError(
            f"{len(there)} of {counted(len(report.plan), 'file')} are already on {report.target}; "
            "nothing was posted",
            details=there,
            hint="They are the same bytes: leave --no-skip-existing out to skip them.",
        )


_CONFLICTING = (FileState.DIFFERENT, FileState.SAME_BYTES_OTHER_NAME)


def _told(state: IndexState) -> str:
    name = state.file.filename
    if state.state is FileState.DIFFERENT:
        there = f" ({state.other_name})" if state.other_name else ""
        return f"{name}{there}: here sha256 {state.file.sha256}, on the index {state.index_sha256}"
    return f"{name}: the index has the same bytes as {state.other_name} (sha256 {state.file.sha256})"
