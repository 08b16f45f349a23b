"""The last check before files are posted: everything that earlier stages promised is judged again.

Earlier stages refuse all of this as well. Publishing cannot be undone, so it does not depend on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader import verdict
from wheel_uploader.errors import FileError
from wheel_uploader.job import Job
from wheel_uploader.models import FileState, LocalFile, Stage, option_rules
from wheel_uploader.models.option_rules import LATEST


def require_postable(job: Job) -> None:
    """Raise ReleaseError unless each file of the plan is a checked file of this release."""
    option_rules.require_valid(job.options)
    verdict.stop_if_blocked(job.report)
    if wrong := [*_of_the_run(job), *_of_the_files(job)]:
        raise FileError(
            "the release is not ready to be posted",
            details=wrong,
            hint="Nothing was posted. Please report this as a bug in wheel-uploader.",
        )


def _of_the_run(job: Job) -> Iterator[str]:
    options, report, selection = job.options, job.report, job.selection
    if options.until < Stage.UPLOAD or options.rehearse:
        yield "this run is not meant to publish"
    if job.publishes is None:
        yield "there is no index to post to"
    if not options.project or canonicalize_name(options.project) != canonicalize_name(selection.project):
        yield f"the files are of {selection.project}, not of {options.project or 'a named project'}"
    if options.version not in {"", LATEST} and Version(options.version) != selection.version:
        yield f"the files are of version {selection.version}, not of {options.version}"
    planned = Counter(state.file.filename for state in report.plan)
    listed = Counter(name.filename for name, _ in selection.files)
    if planned != listed:
        different = ", ".join(sorted((planned - listed) + (listed - planned)))
        yield f"the files to post are not those of the release: {different}"
    if any(trial.failure for trial in report.trials):
        yield "a trial of --smoke failed"


def _of_the_files(job: Job) -> Iterator[str]:
    report, selection = job.report, job.selection
    fetched = {each.file.filename: each.file for each in report.fetched}
    checked = {summary.name.filename for summary in job.summaries}
    for state in report.plan:
        file, name = state.file, state.file.name
        if (name.project, name.version) != (selection.project, selection.version):
            yield f"{file.filename}: it is of {name.project} {name.version}"
        if file.filename not in checked:
            yield f"{file.filename}: it was not checked"
        if fetched.get(file.filename) != file:
            yield f"{file.filename}: it is not the file that was downloaded"
        if state.state is FileState.ABSENT:
            yield from _of_what_goes_along(job, file)


def _of_what_goes_along(job: Job, file: LocalFile) -> Iterator[str]:
    options, report = job.options, job.report
    if options.sign and file.filename not in {each.filename for each in report.signatures}:
        yield f"{file.filename}: it has no signature"
    attested = {each.about for each in report.attestations if not each.problem}
    if options.attest and not options.dry_run and file.filename not in attested:
        yield f"{file.filename}: it has no attestation"
