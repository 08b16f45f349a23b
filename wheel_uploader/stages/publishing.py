"""The stages that cannot be undone: sign, upload, and the proof that the index serves what was checked."""

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


def sign_release(job: Job) -> None:
    """All signatures and attestations, before the first byte is posted."""
    report = job.report
    if job.signer:
        paths = [*(file.path for file in job.files), *job.sums]
        sha256 = {file.path: file.sha256 for file in job.files}
        sha256 |= dict.fromkeys(job.sums, hashlib.sha256(sums_of(job.files)).hexdigest())
        report.signatures = sign.sign_all(paths, job.signer, sha256=sha256, progress=job.progress)
    if job.notary and job.house and not job.options.dry_run:
        # The log is public: what is missing is missed before anything is entered there.
        if job.uploader:
            stopping.aside(job.uploader.credentials)
        report.attestations = attest.make(
            _to_attest(job.files, report.plan),
            report.attestations,
            job.notary,
            job.house,
            retries=job.options.retries,
            progress=job.progress,
        )


def upload_release(job: Job, served: Index, uploader: Uploader, page: ProjectPage, watch: Watch) -> None:
    """Post what the index does not have; raises for conflicts before, and for refusals afterwards."""
    options, report = job.options, job.report
    verdict.stop_if_conflict(report)
    last_check.require_postable(job)
    if options.dry_run:
        report.results = tuple(_would_upload(state) for state in report.plan)
        report.removed = _tidied(job, served, page)
        return
    uploader.attach(report.signatures)
    project = job.selection.project
    if any(state.state is FileState.ABSENT for state in report.plan):
        # Before the watch is gentle: at a prompt Ctrl-C means now.
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
            progress=job.progress,
            watch=watch,
        )
    if refused := posting.verdict(report.results, watch.error):
        raise refused
    report.page = job.publishes.page_of(project, job.selection.version) if job.publishes else ""


def confirm_release(job: Job, served: Index, page: ProjectPage) -> None:
    """Wait until the index serves just these bytes; then older releases may leave the wheelhouse."""
    job.report.confirmations = confirm(
        served,
        job.selection.project,
        job.files,
        timeout=job.options.confirm_timeout,
        progress=job.progress,
    )
    job.report.removed = _tidied(job, served, page)


def _tidied(job: Job, served: Index, page: ProjectPage) -> tuple[Removal, ...]:
    """What left the wheelhouse, now that this release is where it was to go."""
    if job.house is None:
        return ()
    return tidy.tidy(
        job.house,
        job.options,
        job.selection,
        page,
        served.sha256_of,
        now=datetime.now(UTC),
        progress=job.progress,
    )


def _to_attest(files: tuple[LocalFile, ...], plan: tuple[IndexState, ...]) -> list[LocalFile]:
    """The files that are to be posted; all, where nothing was compared with an index."""
    there = {state.file.filename for state in plan if state.state is not FileState.ABSENT}
    return [file for file in files if file.filename not in there]


def _would_upload(state: IndexState) -> UploadResult:
    there = state.state is FileState.SAME
    return UploadResult(
        file=state.file, outcome=UploadOutcome.ALREADY_THERE if there else UploadOutcome.WOULD_UPLOAD
    )
