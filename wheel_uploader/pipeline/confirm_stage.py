"""The confirm stage: prove that the index serves exactly the files that were checked."""

from __future__ import annotations

from collections import defaultdict

from wheel_uploader.core.errors import CredentialsError, DeadlineError, NetworkError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import FileStatus, Options, Selection
from wheel_uploader.http.host_policy import split_credentials
from wheel_uploader.index.client import IndexClient
from wheel_uploader.pipeline import provenance_check
from wheel_uploader.pipeline.check_stage import UploadDestination
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.targets.protocol import PublishTarget


def run(
    context: RunContext,
    selection: Selection,
    downloaded: DownloadedRelease,
    destination: UploadDestination,
) -> None:
    """Wait until the target serves exactly these bytes."""
    target = destination.target
    context.record(
        confirmations=target.confirm(
            selection.project, downloaded.files, timeout=context.options.confirm_timeout
        )
    )
    if target.index:
        _check_attestations(context, selection, target.index)


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


def run_index_smoke_tests(
    context: RunContext, selection: Selection, downloaded: DownloadedRelease, target: PublishTarget
) -> None:
    """Install the published release from the index and run the command of ``--smoke``.

    Raises FileError if that fails; nothing is undone.
    """
    options, index = context.options, target.index
    if not options.smoke or index is None:
        return
    # Imported only if asked for: installing takes much longer than the imports.
    from wheel_uploader.rehearsal import index_smoke_test, smoke_test

    pairs = smoke_test.find_compatible_pairs(downloaded.files, downloaded.summaries)
    release = index_smoke_test.PublishedRelease(
        project=str(selection.project),
        version=selection.version,
        files=downloaded.files,
        index_url=split_credentials(index.url)[0],
        target=target.info,
        insecure_hosts=options.allow_insecure_hosts,
    )
    results = index_smoke_test.run_index_smoke_tests(
        release,
        tuple(dict.fromkeys(python for _, python in pairs)),
        options.smoke,
        context.progress,
        passed_variables=options.smoke_env,
    )
    context.record(smoke_results=(*context.report.smoke_results, *results))
    index_smoke_test.raise_if_failed(results, release.requirement)


def raise_if_strict(options: Options) -> None:
    """Raise DeadlineError if a run that only writes must not end without a look at the index."""
    if options.strict:
        raise DeadlineError(
            "the files were uploaded, and nothing shows that the index serves them: it is not read "
            "(--write-only)",
            hint="Omit --strict, or use credentials that may read the index and omit --write-only.",
        ).as_permanent()
