"""The sign, upload and confirm stages, whose effects cannot be undone."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wheel_uploader.core import cancellation
from wheel_uploader.core.cancellation import CancellationToken
from wheel_uploader.core.models import (
    FileComparison,
    IndexComparison,
    LocalFile,
    ProjectPage,
    PrunedRelease,
    UploadOutcome,
    UploadResult,
)
from wheel_uploader.index.client import IndexClient
from wheel_uploader.index.confirmation import confirm_files
from wheel_uploader.pipeline import last_check, release_gate, retention
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.signing import attestations, gpg_signer
from wheel_uploader.upload import scheduler
from wheel_uploader.wheelhouse.wheelhouse import format_checksums

if TYPE_CHECKING:
    from wheel_uploader.upload.twine_uploader import TwineUploader


def sign_release(context: RunContext) -> None:
    """Make all signatures and attestations before the first byte is uploaded."""
    report = context.report
    if context.signer:
        paths = [*(file.path for file in context.files), *context.checksum_files]
        sha256 = {file.path: file.sha256 for file in context.files}
        sha256 |= dict.fromkeys(
            context.checksum_files, hashlib.sha256(format_checksums(context.files)).hexdigest()
        )
        report.signatures = gpg_signer.sign_files(
            paths, context.signer, sha256_by_path=sha256, progress=context.progress
        )
    if context.attestation_signer and context.wheelhouse and not context.options.dry_run:
        # The transparency log is public: fail on missing credentials before anything is entered there.
        if context.uploader:
            cancellation.call_in_thread(context.uploader.credentials)
        report.attestations = attestations.make_attestations(
            _select_files_to_attest(context.files, report.upload_plan),
            report.attestations,
            context.attestation_signer,
            context.wheelhouse,
            retries=context.options.retries,
            progress=context.progress,
        )


def upload_release(
    context: RunContext,
    index: IndexClient,
    uploader: TwineUploader,
    project_page: ProjectPage,
    cancel: CancellationToken,
) -> None:
    """Upload the files that the index does not have.

    Raises ConflictError before the first upload if a file conflicts with the index. After the last upload,
    raises the error that sums up the rejected and failed files.
    """
    options, report = context.options, context.report
    release_gate.raise_if_conflict(report)
    last_check.require_uploadable(context)
    if options.dry_run:
        report.upload_results = tuple(_make_dry_run_result(state) for state in report.upload_plan)
        report.pruned_releases = _prune_wheelhouse(context, index, project_page)
        return
    uploader.set_signatures(report.signatures)
    project = context.selection.project
    if any(state.result is FileComparison.ABSENT for state in report.upload_plan):
        # Resolve credentials before signals are deferred, so that Ctrl-C works at the password prompt.
        cancellation.call_in_thread(uploader.credentials)
        report.uploads_attestations = uploader.set_attestations(report.attestations, options.attestations)
    with cancel.deferred(), contextlib.closing(uploader):
        report.upload_results = scheduler.upload_all(
            report.upload_plan,
            uploader,
            lambda file: index.fetch_file_state(project, file),
            served_filenames=(file.filename for file in project_page.files),
            jobs=options.upload_jobs,
            retries=options.retries,
            keep_going=options.keep_going,
            progress=context.progress,
            watch=cancel,
        )
    if error := scheduler.upload_error(report.upload_results, cancel.error):
        raise error
    report.release_url = (
        context.upload_target.release_page_url(project, context.selection.version)
        if context.upload_target
        else ""
    )


def confirm_release(context: RunContext, index: IndexClient, project_page: ProjectPage) -> None:
    """Wait until the index serves exactly these bytes; then remove older releases from the wheelhouse."""
    context.report.confirmations = confirm_files(
        index,
        context.selection.project,
        context.files,
        timeout=context.options.confirm_timeout,
        progress=context.progress,
    )
    context.report.pruned_releases = _prune_wheelhouse(context, index, project_page)


def _prune_wheelhouse(
    context: RunContext, served: IndexClient, page: ProjectPage
) -> tuple[PrunedRelease, ...]:
    """Remove the older releases that the options do not keep from the wheelhouse, and return them."""
    if context.wheelhouse is None:
        return ()
    return retention.prune_wheelhouse(
        context.wheelhouse,
        context.options,
        context.selection,
        page,
        served.get_sha256,
        now=datetime.now(UTC),
        progress=context.progress,
    )


def _select_files_to_attest(
    files: tuple[LocalFile, ...], plan: tuple[IndexComparison, ...]
) -> list[LocalFile]:
    """Return the files that will be uploaded; all files if they were not compared with an index."""
    on_index = {state.file.filename for state in plan if state.result is not FileComparison.ABSENT}
    return [file for file in files if file.filename not in on_index]


def _make_dry_run_result(state: IndexComparison) -> UploadResult:
    is_on_index = state.result is FileComparison.SAME
    return UploadResult(
        file=state.file, outcome=UploadOutcome.SKIPPED if is_on_index else UploadOutcome.WOULD_UPLOAD
    )
