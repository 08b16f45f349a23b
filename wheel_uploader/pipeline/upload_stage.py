"""The upload stage: upload the files that the index does not have. Its effects cannot be undone."""

from __future__ import annotations

import contextlib

from wheel_uploader.core.models import (
    FileComparison,
    FileStatus,
    IndexComparison,
    Selection,
    UploadResult,
)
from wheel_uploader.pipeline import last_check, release_gate
from wheel_uploader.pipeline.check_stage import UploadDestination, Verdict
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.pipeline.sign_stage import SignedRelease
from wheel_uploader.targets.protocol import Release
from wheel_uploader.upload import scheduler


def run(
    context: RunContext,
    selection: Selection,
    downloaded: DownloadedRelease,
    verdict: Verdict,
    signed: SignedRelease,
) -> UploadDestination:
    """Upload the files that the index does not have, and return where they are now.

    Raises ConflictError before the first upload if a file conflicts with the index. After the last upload,
    raises the error that sums up the rejected and failed files.
    """
    options = context.options
    release_gate.raise_if_conflict(
        verdict.upload_plan, upload_url=context.report.upload_url, skip_existing=options.skip_existing
    )
    last_check.require_uploadable(context, selection, downloaded, verdict, signed)
    destination = verdict.require_destination()
    if options.dry_run:
        context.record(upload_results=tuple(map(_make_dry_run_result, verdict.upload_plan)))
        return destination
    target = destination.target
    release = Release(
        project=selection.project,
        version=selection.version,
        files=downloaded.files,
        summaries=downloaded.summaries,
        signatures=tuple(signed.signatures),
        attestations=tuple(context.report.attestations),
    )
    target.set_signatures(signed.signatures)
    replacer = None
    if downloaded.wheelhouse and options.replace:
        replacer = target.create_replacer(downloaded.wheelhouse.hidden_directory.path)
    if any(state.result in _TO_UPLOAD for state in verdict.upload_plan):
        # Resolve credentials before signals are deferred, so that Ctrl-C works at the password prompt.
        target.credentials()
        context.record(
            uploads_attestations=target.set_attestations(context.report.attestations, options.attestations)
        )
        target.begin(release)
    with context.cancel.deferred(), contextlib.ExitStack() as stack:
        stack.callback(target.end_uploads)
        results = scheduler.upload_all(
            verdict.upload_plan,
            target,
            (lambda file: target.fetch_file_state(selection.project, file)) if target.is_readable else None,
            replacer=replacer,
            served_filenames=(file.filename for file in destination.project_page.files),
            jobs=options.upload_jobs,
            retries=options.retries,
            keep_going=options.keep_going,
            listing_timeout=options.confirm_timeout,
            # PyPI accepts the same bytes again, without an effect, and rejects others.
            repeats_are_safe=target.info.is_pypi,
            progress=context.progress,
            cancel=context.cancel,
        )
        context.record(upload_results=results)
    if error := scheduler.upload_error(results, context.cancel.error):
        raise error
    target.finish(release)
    context.record(release_url=target.release_page_url(selection.project, selection.version))
    return destination


_TO_UPLOAD = (FileComparison.ABSENT, FileComparison.REPLACE)


def _make_dry_run_result(state: IndexComparison) -> UploadResult:
    is_on_index = state.result is FileComparison.SAME
    return UploadResult(
        file=state.file, outcome=FileStatus.SKIPPED if is_on_index else FileStatus.WOULD_UPLOAD
    )
