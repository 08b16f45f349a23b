"""The last check before the upload: a second, independent test of what the earlier stages guarantee.

The earlier stages reject all of this too. An upload cannot be undone, so it does not rely on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core.errors import FileError
from wheel_uploader.core.models import FileComparison, Selection, Stage, option_rules
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.pipeline import release_gate
from wheel_uploader.pipeline.check_stage import Verdict
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.pipeline.sign_stage import SignedRelease


def require_uploadable(
    context: RunContext,
    selection: Selection,
    downloaded: DownloadedRelease,
    verdict: Verdict,
    signed: SignedRelease,
) -> None:
    """Raise ReleaseError unless every file to upload is a checked file of this release."""
    option_rules.validate_options(context.options)
    release_gate.raise_if_blocked(context.report)
    if problems := [
        *_find_run_problems(context, selection, verdict),
        *_find_file_problems(context, selection, downloaded, verdict, signed),
    ]:
        raise FileError(
            "the release is not ready to be uploaded",
            details=problems,
            hint="Nothing was uploaded. Please report this as a bug in wheel-uploader.",
        )


def _find_run_problems(context: RunContext, selection: Selection, verdict: Verdict) -> Iterator[str]:
    options, report = context.options, context.report
    if options.until < Stage.UPLOAD or options.rehearse:
        yield "the options of this run do not allow an upload"
    if context.upload_target is None:
        yield "no index to upload to is configured"
    if not options.project or canonicalize_name(options.project) != canonicalize_name(selection.project):
        yield f"the files belong to {selection.project}, not to {options.project or 'a named project'}"
    if options.version not in {"", LATEST_VERSION} and Version(options.version) != selection.version:
        yield f"the files belong to version {selection.version}, not to {options.version}"
    planned = Counter(state.file.filename for state in verdict.upload_plan)
    listed = Counter(name.filename for name, _ in selection.files)
    if planned != listed:
        different = ", ".join(sorted((planned - listed) + (listed - planned)))
        yield f"the files to upload differ from those of the release: {different}"
    if any(trial.failure for trial in report.smoke_results):
        yield "a smoke test failed"


def _find_file_problems(
    context: RunContext,
    selection: Selection,
    downloaded: DownloadedRelease,
    verdict: Verdict,
    signed: SignedRelease,
) -> Iterator[str]:
    local_files = {file.filename: file for file in downloaded.files}
    checked = {summary.name.filename for summary in downloaded.summaries}
    signature_filenames = {signature.filename for signature in signed.signatures}
    attested = {
        attestation.subject_filename
        for attestation in signed.attestations
        if not attestation.malformed_reason
    }
    options = context.options
    for state in verdict.upload_plan:
        file, name = state.file, state.file.name
        if (name.project, name.version) != (selection.project, selection.version):
            yield f"{file.filename} belongs to {name.project} {name.version}"
        if file.filename not in checked:
            yield f"{file.filename} was not checked"
        if local_files.get(file.filename) != file:
            yield f"{file.filename} is not the file that was downloaded"
        if state.result in (FileComparison.ABSENT, FileComparison.REPLACE):
            if options.sign and file.filename not in signature_filenames:
                yield f"{file.filename} has no signature"
            if options.attest and not options.dry_run and file.filename not in attested:
                yield f"{file.filename} has no attestation"
