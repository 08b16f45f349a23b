"""The confirm stage: prove that the index serves exactly the files that were checked."""

from __future__ import annotations

from collections import defaultdict

from wheel_uploader.core.errors import CredentialsError, DeadlineError, NetworkError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import FileStatus, Options, Selection
from wheel_uploader.index.client import IndexClient
from wheel_uploader.pipeline import provenance_check, retention
from wheel_uploader.pipeline.check_stage import UploadDestination
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease


def run(
    context: RunContext,
    selection: Selection,
    downloaded: DownloadedRelease,
    destination: UploadDestination,
) -> None:
    """Wait until the target serves exactly these bytes; then remove older releases from the wheelhouse."""
    target = destination.target
    context.record(
        confirmations=target.confirm(
            selection.project, downloaded.files, timeout=context.options.confirm_timeout
        )
    )
    if target.index:
        _check_attestations(context, selection, target.index)
    retention.prune(context, selection, downloaded.wheelhouse, destination)


def _check_attestations(context: RunContext, selection: Selection, index: IndexClient) -> None:
    """Compare the attestations that this run uploaded with those that the index serves."""
    report = context.report
    uploaded = {
        result.file.filename for result in report.upload_results if result.outcome is FileStatus.UPLOADED
    }
    contents = defaultdict(list)
    for attestation in report.attestations if report.uploads_attestations else ():
        if attestation.subject_filename in uploaded and not attestation.malformed_reason:
            contents[attestation.subject_filename].append(attestation.content)
    if contents:
        try:
            page = index.fetch_project(selection.project, revalidate=True)
        except (NetworkError, CredentialsError) as error:
            # The files themselves are confirmed.
            sentence = f"the attestations of {format_count(len(contents), 'file')}: {error.message}"
            context.record(checks_not_run=(*report.checks_not_run, sentence))
            return
        provenance_check.check_provenance(context, index, page, contents, is_complete=True)


def raise_if_strict(options: Options) -> None:
    """Raise DeadlineError if a run that only writes must not end without a look at the index."""
    if options.strict:
        raise DeadlineError(
            "the files were uploaded, and nothing shows that the index serves them: it is not read "
            "(--write-only)",
            hint="Omit --strict, or use credentials that may read the index and omit --write-only.",
        ).as_permanent()
