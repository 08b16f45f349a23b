"""The sign, upload and confirm stages, whose effects cannot be undone."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheel_uploader import attest, sign, stopping, tidy, verdict
from wheel_uploader.index import Index
from wheel_uploader.index.confirm import confirm
from wheel_uploader.job import Job
from wheel_uploader.models import (
    FileState,
    IndexState,
    LocalFile,
    ProjectPage,
    Removal,
    UploadOutcome,
    UploadResult,
)
from wheel_uploader.publish import posting
from wheel_uploader.stages import last_check
from wheel_uploader.stopping import Watch
from wheel_uploader.wheelhouse import sums_of

if TYPE_CHECKING:
    from wheel_uploader.publish.upload import Uploader


def sign_release(context: Job) -> None:
    """Make all signatures and attestations before the first byte is uploaded."""
    report = context.report
    if context.signer:
        paths = [*(file.path for file in context.files), *context.sums]
        sha256 = {file.path: file.sha256 for file in context.files}
        sha256 |= dict.fromkeys(context.sums, hashlib.sha256(sums_of(context.files)).hexdigest())
        report.signatures = sign.sign_all(paths, context.signer, sha256=sha256, progress=context.progress)
    if context.notary and context.house and not context.options.dry_run:
        # The transparency log is public: fail on missing credentials before anything is entered there.
        if context.uploader:
            stopping.aside(context.uploader.credentials)
        report.attestations = attest.make(
            _select_files_to_attest(context.files, report.plan),
            report.attestations,
            context.notary,
            context.house,
            retries=context.options.retries,
            progress=context.progress,
        )


def upload_release(context: Job, served: Index, uploader: Uploader, page: ProjectPage, watch: Watch) -> None:
    """Upload the files that the index does not have.

    Raises ConflictError before the first upload if a file conflicts with the index. After the last upload,
    raises the error that sums up the rejected and failed files.
    """
    options, report = context.options, context.report
    verdict.stop_if_conflict(report)
    last_check.require_postable(context)
    if options.dry_run:
        report.results = tuple(_make_dry_run_result(state) for state in report.plan)
        report.removed = _prune_wheelhouse(context, served, page)
        return
    uploader.attach(report.signatures)
    project = context.selection.project
    if any(state.state is FileState.ABSENT for state in report.plan):
        # Resolve credentials before signals are deferred, so that Ctrl-C works at the password prompt.
        stopping.aside(uploader.credentials)
        report.attestations_sent = uploader.send_along(report.attestations, options.attestations)
    with watch.gently(), contextlib.closing(uploader):
        report.results = posting.upload_all(
            report.plan,
            uploader,
            lambda file: served.state_of(project, file),
            served=(file.filename for file in page.files),
            jobs=options.upload_jobs,
            retries=options.retries,
            keep_going=options.keep_going,
            progress=context.progress,
            watch=watch,
        )
    if error := posting.verdict(report.results, watch.error):
        raise error
    report.page = context.publishes.page_of(project, context.selection.version) if context.publishes else ""


def confirm_release(context: Job, served: Index, page: ProjectPage) -> None:
    """Wait until the index serves exactly these bytes; then remove older releases from the wheelhouse."""
    context.report.confirmations = confirm(
        served,
        context.selection.project,
        context.files,
        timeout=context.options.confirm_timeout,
        progress=context.progress,
    )
    context.report.removed = _prune_wheelhouse(context, served, page)


def _prune_wheelhouse(context: Job, served: Index, page: ProjectPage) -> tuple[Removal, ...]:
    """Remove the older releases that the options do not keep from the wheelhouse, and return them."""
    if context.house is None:
        return ()
    return tidy.tidy(
        context.house,
        context.options,
        context.selection,
        page,
        served.sha256_of,
        now=datetime.now(UTC),
        progress=context.progress,
    )


def _select_files_to_attest(files: tuple[LocalFile, ...], plan: tuple[IndexState, ...]) -> list[LocalFile]:
    """Return the files that will be uploaded; all files if they were not compared with an index."""
    on_index = {state.file.filename for state in plan if state.state is not FileState.ABSENT}
    return [file for file in files if file.filename not in on_index]


def _make_dry_run_result(state: IndexState) -> UploadResult:
    is_on_index = state.state is FileState.SAME
    return UploadResult(
        file=state.file, outcome=UploadOutcome.ALREADY_THERE if is_on_index else UploadOutcome.WOULD_UPLOAD
    )
