"""The stage of ``--verify``: prove that an index serves exactly the files of a release."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from packaging.utils import canonicalize_name

from wheel_uploader.core import filenames
from wheel_uploader.core.errors import ConflictError, DeadlineError, ReleaseError
from wheel_uploader.core.formatting import format_count, format_verb
from wheel_uploader.core.models import FileComparison, IndexComparison, Options, ProjectPage, Selection
from wheel_uploader.core.models.option_effects import is_option_set
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.pipeline import provenance_check, target_watch
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.targets.protocol import PublishTarget


def run(context: RunContext, selection: Selection, downloaded: DownloadedRelease) -> None:
    """Compare the files with those of the index.

    Raises ConflictError for other contents, and for files of this version that are not among ours;
    DeadlineError for files that are missing or cannot be downloaded; with ``--max-age``, NothingFoundError
    for a platform without a recent file.
    """
    options, target = context.options, context.target
    if target is None:
        raise ReleaseError("there is no index to verify")
    timeout = options.confirm_timeout if is_option_set(options, "confirm_timeout") else 0.0

    def look() -> ProjectPage:
        with context.progress.waiting(f"confirm: reading the index page of {selection.project}"):
            page = target.fetch_project(selection.project)
        states = target.compare(page, downloaded.files)
        context.record(upload_plan=states)
        _raise_for_conflicts(page, states, find_foreign_files(page, selection, options))
        return page

    now = datetime.now(UTC)
    if options.max_age:
        context.record(warnings=target_watch.find_ending_tokens(context, target, now))
    page = look()
    stale = _find_stale(context, selection, page, target, now)
    try:
        confirmations = target.confirm(
            selection.project, downloaded.files, timeout=timeout, was_uploaded=False
        )
    except DeadlineError as error:
        if stale is None:
            raise
        raise stale.with_details(error.message, *error.details) from None
    if timeout:
        page = look()  # Another file may have been uploaded in the meantime.
    context.record(confirmations=confirmations)
    contents = defaultdict(list)
    for companion in downloaded.attestation_files:
        contents[companion.subject_filename].append(companion.content)
    # The job that published the files may have added attestations that are not staged.
    if contents and target.index:
        provenance_check.check_provenance(context, target.index, page, contents, is_complete=False)
    if stale:
        raise stale


def _find_stale(
    context: RunContext, selection: Selection, page: ProjectPage, target: PublishTarget, now: datetime
) -> ReleaseError | None:
    """Return the error for platforms without a recent file on the index; None without ``--max-age``."""
    if not context.options.max_age:
        return None
    with context.progress.waiting("confirm: reading the age of the newest files"):
        first, error = target_watch.watch_files(
            page, selection.project, context.options, target.fetch_date, now
        )
    if error is None:
        context.progress.info(f"the newest file of each platform is recent enough; {first.describe(now)}")
    return error


def find_foreign_files(page: ProjectPage, selection: Selection, options: Options) -> tuple[str, ...]:
    """Return the names of the files of this version on the index that are not in the selection.

    Files that ``--type`` or ``--exclude`` leaves out are not counted.
    """
    ours = tuple(name.filename for name, _ in selection.files)
    return tuple(
        file.filename
        for file in page.files
        if file.filename not in ours
        and not any(fnmatchcase(file.filename, pattern) for pattern in options.exclude)
        and not file.filename.startswith(ours)
        and _is_of_release(file.filename, selection, options)
    )


def _is_of_release(filename: str, selection: Selection, options: Options) -> bool:
    try:
        name = filenames.parse_filename(filename)
    except filenames.InvalidFilename:
        # Old releases have eggs and Windows installers.
        project, _, rest = filename.rpartition(f"-{selection.version}")
        is_other_kind = re.match(r"-|\.[A-Za-z]", rest) is not None
        return is_other_kind and canonicalize_name(project) == selection.project
    is_selected = filenames.matches_platform_filter(name, options.types)
    return is_selected and (name.project, name.version) == (selection.project, selection.version)


def _raise_for_conflicts(
    page: ProjectPage, states: tuple[IndexComparison, ...], foreign: tuple[str, ...]
) -> None:
    different = [state for state in states if state.result is FileComparison.DIFFERENT]
    if not different and not foreign:
        return
    count = format_count(len(states), "file")
    problems = []
    if different:
        problems.append(f"{format_count(len(different), 'file')} with different contents")
    if foreign:
        problems.append(f"{format_count(len(foreign), 'file')} of this version that {_be(foreign)} not ours")
    absent = [state for state in states if state.result is FileComparison.ABSENT]
    raise ConflictError(
        f"{strip_url(page.url)} does not serve exactly the {count}: it has {' and '.join(problems)}",
        hint="Find out who else uploads to this project, yank the wrong files, and publish a new version.",
        details=[
            *(
                f"{state.other_name or state.file.filename}: local sha256 {state.file.sha256}, "
                f"index sha256 {state.index_sha256}"
                for state in different
            ),
            *(f"{filename}: on the index only" for filename in foreign),
            *(f"{state.file.filename}: not on the index" for state in absent),
        ],
    )


def _be(files: tuple[str, ...]) -> str:
    return format_verb(len(files), "are")
