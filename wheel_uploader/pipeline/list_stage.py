"""The list stage: find the staged files of the release."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime

from wheel_uploader.core.errors import (
    CredentialsError,
    FileError,
    NetworkError,
    NothingFoundError,
    ReleaseError,
    UsageError,
)
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.ignored_findings import mark_ignored
from wheel_uploader.core.models import Finding, GapRemedy, ListingGap, Options, RemoteFile, Selection, Stage
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import sanitize, sanitize_source
from wheel_uploader.http.client import HttpClient
from wheel_uploader.http.host_policy import find_permitting_option
from wheel_uploader.listing import freshness, polling, problem_files, sources
from wheel_uploader.listing import selection as release_selection
from wheel_uploader.listing.expected_files import Expectation
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.signing import attestations
from wheel_uploader.targets.protocol import PublishTarget


def run(context: RunContext) -> Selection:
    """Select the staged files of the release; raise ReleaseError if they do not meet the requirements."""
    progress = context.progress
    for sentence in context.requirements.checks_not_run:
        progress.info(f"not checked: {sentence}")
    selection = _select_release(context)
    for note in selection.notes:
        progress.info(note)
    for excluded_file in selection.excluded_files:
        report_exclusion = progress.info if excluded_file.is_remarkable else progress.debug
        report_exclusion(f"not selected: {excluded_file.filename}: {excluded_file.reason}")
    context.record(expected_cells=context.requirements.list_matrix_cells(selection.version))
    context.requirements.enforce(selection)
    # With --verify, the files on the target are judged instead.
    if (limit := context.options.max_age) and not context.options.verify:
        built = freshness.require_fresh(selection, context.http, limit=limit, now=datetime.now(UTC))
        progress.debug(f"the newest staged file is dated {built}")
    unchecked: tuple[str, ...] = ()
    if not context.options.verify:
        unchecked = attestations.unchecked_attestations(
            selection, context.options, context.upload_target.info if context.upload_target else None
        )
    context.record(checks_not_run=(*context.requirements.checks_not_run, *unchecked))
    return selection


def _select_release(context: RunContext) -> Selection:
    """Read the listing and select the release; with ``--wait``, repeat until it is complete.

    The report always holds the latest selection, so that a run that ends while it waits can show it.
    """
    options = context.options
    query = sources.ReleaseQuery(
        project=options.project, version=options.version, include_prereleases=options.pre
    )

    def select_once() -> Selection:
        with context.progress.waiting(f"list: reading {', '.join(map(sanitize_source, options.urls))}"):
            staged = sources.list_staged_files(options.urls, query, context.http, context.temp_dir)
        for note in staged.notes:
            context.progress.debug(f"{note.source}: {note.message}")
        try:
            selection = release_selection.select_release(
                dataclasses.replace(staged, files=context.requirements.apply_trusted_hashes(staged.files)),
                release_selection.infer_release(staged.files, options),
                _hash_local_file,
                profile=context.profile,
                get_date=lambda file: freshness.find_date(file, context.http),
                is_inferred=not options.project,
            )
        except release_selection.NoReleaseFoundError as error:
            context.record(excluded_files=error.excluded_files)
            raise_for_gaps(staged.gaps, reasons=(error.message, *error.details))
            raise error.with_details(*(sanitize(note.message) for note in staged.notes)) from None
        context.record(selection=selection, findings=_find_problems(selection, context))
        raise_for_gaps(selection.gaps)
        reject_forbidden_links(selection, context.http)
        _raise_if_unusable(selection, context)
        return selection

    if not options.wait:
        return select_once()
    expected = context.requirements.build_expectation(release_selection.parse_version(options.version))
    if expected is None and context.target and context.target.is_readable:
        expected = _expectation_for_waiting(options, context.target, context.progress)
    with context.http.polling_mode():
        return polling.poll_until_complete(
            select_once, expected, limit=options.wait, progress=context.progress
        )


#: The error for each remedy of a gap; the first remedy that a listing needs decides the exit code.
_GAP_ERRORS: dict[GapRemedy, type[ReleaseError]] = {
    GapRemedy.FILE: FileError,
    GapRemedy.CALL: UsageError,
    GapRemedy.LAYOUT: NothingFoundError,
    GapRemedy.WAIT: NothingFoundError,
}
#: Maximum number of gaps that an error lists.
_MAX_LISTED_GAPS = 20


def raise_for_gaps(gaps: Sequence[ListingGap], *, reasons: Sequence[str] = ()) -> None:
    """Raise an error if there are gaps: a part of a listing that was not read may belong to the release.

    ``reasons`` say why no file was selected.
    """
    for remedy, error_type in _GAP_ERRORS.items():
        if hints := [gap.hint for gap in gaps if gap.remedy is remedy]:
            messages = list(dict.fromkeys(sanitize(gap.message) for gap in gaps))
            error = error_type(
                f"{format_count(len(messages), 'part')} of the staged files could not be taken into account; "
                "nothing was uploaded",
                details=[*_shorten(messages), *reasons],
                hint=next(filter(None, hints), None),
            )
            raise error.as_permanent() if remedy is GapRemedy.LAYOUT else error


def _shorten(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MAX_LISTED_GAPS
    return [*lines[:_MAX_LISTED_GAPS], *([f"and {more} more"] if more > 0 else [])]


def reject_forbidden_links(selection: Selection, http: HttpClient) -> None:
    """Raise UsageError if a file of the release may not be fetched from the URL in its listing."""
    remotes = [remote for _, remote in selection.files] + [
        attestation.remote for attestation in selection.attestation_files
    ]
    reasons: dict[tuple[str, str, bool], str] = {}
    forbidden: list[str] = []
    for remote in remotes:
        if remote.url.startswith("file:"):
            continue
        origin, pinned = "/".join(remote.url.split("/", 3)[:3]) + "/", "sha256" in remote.hashes
        key = origin, remote.source, pinned
        if key not in reasons:
            reasons[key] = http.link_rejection(origin, listing_url=remote.source, has_trusted_digest=pinned)
        if reasons[key]:
            forbidden.append(f"{remote.filename}: {reasons[key]}")
    if forbidden:
        options = list(dict.fromkeys(filter(None, map(find_permitting_option, reasons.values()))))
        raise UsageError(
            f"{format_count(len(forbidden), 'file')} of the release may not be fetched from "
            "where the listing links to; nothing was downloaded",
            details=_shorten([sanitize(line) for line in forbidden]),
            hint=f"If you trust that host, add {' '.join(options)}"
            if options
            else "Correct the links on the staging server, or pass another source with -u.",
        )


def _find_problems(selection: Selection, context: RunContext) -> tuple[Finding, ...]:
    """Return the findings in files of the release that cannot be used as they are listed."""
    problems = [file for file in selection.excluded_files if file.failed_check]
    if not problems:
        return ()
    # The checks are imported only if there is something to report: a run that only lists starts faster.
    from wheel_uploader import checks

    findings = checks.report_listed_problems(problems, profile=context.profile)
    return mark_ignored(findings, context.options.ignore)


def _raise_if_unusable(selection: Selection, context: RunContext) -> None:
    """Raise FileError for misnamed and empty local files, unless the check stage reports them.

    Without any other file there would be nothing to check. That an empty file is one of the release cannot
    be ignored, in contrast to its name.
    """
    problems = [file for file in selection.excluded_files if file.failed_check]
    ignored = {finding.subject for finding in context.report.findings if finding.is_ignored}
    options = context.options
    is_reported_later = options.until >= Stage.CHECK and not options.verify and selection.files
    unusable = [
        file
        for file in problems
        if (file.filename in ignored and file.failed_check != problem_files.MISNAMED_CHECK)
        or (file.filename not in ignored and not is_reported_later)
    ]
    if unusable or not selection.files:
        raise FileError(
            f"{format_count(len(unusable or problems), 'file')} of the release cannot be used; "
            "nothing was uploaded",
            details=[f"{file.filename}: {file.reason}" for file in (unusable or problems)[:_MAX_LISTED_GAPS]],
            hint=problem_files.HINT,
        )


def _hash_local_file(remote: RemoteFile) -> str:
    # Importing the download package here keeps it out of the startup time of a run that only lists.
    from wheel_uploader.download import scheduler

    return scheduler.hash_local_file(remote)


def _expectation_for_waiting(
    options: Options, target: PublishTarget, progress: Progress
) -> Expectation | None:
    """Return the files of the previous release on the index, to wait for if no others are declared."""
    from wheel_uploader.checks import release_runner

    try:
        page = target.fetch_project(options.project)
        previous = release_runner.previous_release_expectation(page, options)
    except (NetworkError, CredentialsError) as error:
        progress.info(f"waiting for at least one file; the previous release is unknown: {error}")
        return None
    if previous is None:
        return None
    version, expected = previous
    progress.info(f"waiting for the same files as in {options.project} {version} (disable with --no-compare)")
    return expected
