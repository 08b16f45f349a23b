"""The last check before the upload: a second, independent test of what the earlier stages guarantee.

The earlier stages reject all of this too. An upload cannot be undone, so it does not rely on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.core.errors import FileError
from wheel_uploader.core.models import FileComparison, LocalFile, Stage, option_rules
from wheel_uploader.core.models.option_rules import LATEST_VERSION
from wheel_uploader.pipeline import release_gate
from wheel_uploader.pipeline.context import RunContext


def require_uploadable(context: RunContext) -> None:
    """Raise ReleaseError unless every file to upload is a checked file of this release."""
    option_rules.validate_options(context.options)
    release_gate.raise_if_blocked(context.report)
    if problems := [*_find_run_problems(context), *_find_file_problems(context)]:
        raise FileError(
            "the release is not ready to be uploaded",
            details=problems,
            hint="Nothing was uploaded. Please report this as a bug in wheel-uploader.",
        )


def _find_run_problems(context: RunContext) -> Iterator[str]:
    options, report, selection = context.options, context.report, context.selection
    if options.until < Stage.UPLOAD or options.rehearse:
        yield "the options of this run do not allow an upload"
    if context.upload_target is None:
        yield "no index to upload to is configured"
    if not options.project or canonicalize_name(options.project) != canonicalize_name(selection.project):
        yield f"the files belong to {selection.project}, not to {options.project or 'a named project'}"
    if options.version not in {"", LATEST_VERSION} and Version(options.version) != selection.version:
        yield f"the files belong to version {selection.version}, not to {options.version}"
    planned = Counter(state.file.filename for state in report.upload_plan)
    listed = Counter(name.filename for name, _ in selection.files)
    if planned != listed:
        different = ", ".join(sorted((planned - listed) + (listed - planned)))
        yield f"the files to upload differ from those of the release: {different}"
    if any(trial.failure for trial in report.smoke_results):
        yield "a smoke test failed"


def _find_file_problems(context: RunContext) -> Iterator[str]:
    report, selection = context.report, context.selection
    downloaded = {fetched.file.filename: fetched.file for fetched in report.downloaded_files}
    checked = {summary.name.filename for summary in context.summaries}
    for state in report.upload_plan:
        file, name = state.file, state.file.name
        if (name.project, name.version) != (selection.project, selection.version):
            yield f"{file.filename} belongs to {name.project} {name.version}"
        if file.filename not in checked:
            yield f"{file.filename} was not checked"
        if downloaded.get(file.filename) != file:
            yield f"{file.filename} is not the file that was downloaded"
        if state.result is FileComparison.ABSENT:
            yield from _find_missing_attachments(context, file)


def _find_missing_attachments(context: RunContext, file: LocalFile) -> Iterator[str]:
    options, report = context.options, context.report
    if options.sign and file.filename not in {signature.filename for signature in report.signatures}:
        yield f"{file.filename} has no signature"
    attested = {
        attestation.subject_filename
        for attestation in report.attestations
        if not attestation.malformed_reason
    }
    if options.attest and not options.dry_run and file.filename not in attested:
        yield f"{file.filename} has no attestation"
