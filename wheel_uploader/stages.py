"""What each stage of a run does; pipeline says in which order, and how far."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wheel_uploader import (
    age,
    apart,
    attest,
    brought,
    checks,
    download,
    ends,
    rehearsal,
    release,
    remembered,
    sign,
    smoke,
    sources,
    tidy,
    verdict,
    waiting,
)
from wheel_uploader.apart import Apart
from wheel_uploader.display import bare_url
from wheel_uploader.index import Index
from wheel_uploader.index.confirm import confirm
from wheel_uploader.job import Job
from wheel_uploader.models import (
    FileState,
    IndexState,
    Inspection,
    LocalFile,
    Options,
    Profile,
    ProjectPage,
    Removal,
    Report,
    SdistContent,
    Selection,
    Stage,
    UploadOutcome,
    UploadResult,
    WheelContent,
)
from wheel_uploader.progress import Progress
from wheel_uploader.publish import posting
from wheel_uploader.sources.local import LocalFiles
from wheel_uploader.stopping import Watch
from wheel_uploader.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from wheel_uploader.publish.upload import Uploader


def begin(options: Options, report: Report, progress: Progress, held: contextlib.ExitStack) -> Job:
    """What has to be there for the run; what the person got wrong is said before anything slow begins."""
    asked = brought.read(options)
    if options.rehearse:
        rehearsal.require()
    publishes = options.until > Stage.SIGN
    target = ends.target_of(options) if publishes or ends.names_an_index(options) else None
    signed = options.sign and options.until >= Stage.SIGN
    report.target = bare_url(target.url) if target and publishes else ""
    report.profile = options.profile or (Profile.ANY if target and not target.is_pypi else Profile.PYPI)
    return Job(
        options=options,
        report=report,
        progress=progress,
        asked=asked,
        target=target,
        signer=sign.check_signer(options.sign_with, options.identity) if signed else None,
        notary=attest.notary_for(options, target if publishes else None),
        http=held.enter_context(ends.staging(options, progress)),
        scratch=held.enter_context(sources.Scratch()),
    )


# --- the stages ------------------------------------------------------------------------------------


def list_release(job: Job) -> None:
    """The release as it is staged: what is listed, and whether that is what was asked for."""
    report, progress = job.report, job.progress
    selection = report.selection = _settled(job)
    for refusal in selection.refused:
        tell = progress.say if refusal.withheld else progress.detail
        tell(f"not taken: {refusal.filename}: {refusal.reason}")
    report.expected = job.asked.cells(selection.version)
    job.asked.judge(selection)
    if limit := job.options.max_age:
        built = age.require_fresh(selection, job.http, limit=limit, now=datetime.now(UTC))
        progress.detail(f"the newest file that is staged is of {built}")
    report.not_checked = attest.not_read(selection, job.options, job.publishes)


def _settled(job: Job) -> Selection:
    """One look, or as many as ``--wait`` needs; what is seen of it while waiting is in the report already."""
    options = job.options

    def look() -> Selection:
        with job.progress.during(f"list: reading {', '.join(map(bare_url, options.urls))}"):
            listed = sources.list_files(options.urls, options.project, job.http, job.scratch)
        wanted = release.identified(listed, options)
        job.report.selection = release.choose(job.asked.pinned(listed), wanted, download.local_sha256)
        return job.report.selection

    if not options.wait:
        return look()
    expected = job.asked.expected(release.parse_version(options.version))
    if expected is None and job.target:
        expected = ends.as_before(options, job.target, job.progress)
    with job.http.polling():
        return waiting.until_settled(look, expected, limit=options.wait, progress=job.progress)


def download_release(job: Job) -> None:
    """Every file, whole and verified; the checks of single files are made in the same pass."""
    options, report, house = job.options, job.report, job.house
    arrivals = download.fetch_all(
        job.selection.files,
        house,
        job.http,
        jobs=options.jobs,
        clobber=options.clobber,
        progress=job.progress,
        inspect=_inspector(report),
        memory=remembered.Remembered(house, _judged_for(report)) if house else None,
        apart=_apart(job),
    )
    report.fetched = arrivals.fetched
    report.findings = checks.accepted(arrivals.findings, options.ignore)
    if arrivals.error:
        raise arrivals.error
    job.summaries = arrivals.summaries
    job.sums = (house.write_sums(job.files),) if house else ()
    job.companions = download.fetch_companions(
        job.selection.companions,
        house,
        job.http,
        jobs=options.jobs,
        clobber=options.clobber,
        progress=job.progress,
    )


def check_release(job: Job) -> None:
    """The release as a whole, and against the index; raises for what must not be published."""
    options, report = job.options, job.report
    if job.publishes:
        job.uploader = ends.uploader_of(options, job.publishes, job.progress)
    report.attestations = attest.read(job.companions)
    with job.progress.during(f"check: asking the index what it has of {job.selection.project}"):
        job.page, report.plan = ends.seen_on(job.served, job.target, job.uploader, report)
    verdict.judge(
        report,
        job.selection,
        job.summaries,
        expectation=job.asked.expected(job.selection.version, job.selection.project),
        target=job.target,
        page=job.page,
        states=report.plan,
    )
    verdict.stop_if_blocked(report)
    if options.smoke:
        report.trials = smoke.run_all(job.files, job.summaries, options.smoke, job.progress)
        smoke.stop_if_failed(report.trials)


def sign_release(job: Job) -> None:
    """All signatures and attestations, before the first byte is posted."""
    report = job.report
    if job.signer:
        paths = [*(file.path for file in job.files), *job.sums]
        report.signatures = sign.sign_all(paths, job.signer, progress=job.progress)
    if job.notary and job.house and not job.options.dry_run:
        # The log is public: what is missing is missed before anything is entered there.
        if job.uploader:
            job.uploader.credentials()
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
    if options.dry_run:
        report.results = tuple(_would_upload(state) for state in report.plan)
        report.removed = _tidied(job, served, page)
        return
    uploader.attach(report.signatures)
    project = job.selection.project
    if any(state.state is FileState.ABSENT for state in report.plan):
        # Before the watch is gentle: at a prompt Ctrl-C means now.
        uploader.credentials()
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


def rehearse_release(job: Job) -> None:
    """Instead of signing and publishing: what users would get."""
    job.report.rehearsal = rehearsal.rehearse(job.report, job.summaries, job.progress)
    rehearsal.stop_if_worse(job.report)


# --- small steps -----------------------------------------------------------------------------------


def is_in_place(options: Options) -> bool:
    """Whether there is no need for a wheelhouse: files of this machine are to be checked, and no more."""
    local = all(LocalFiles.claims(url) for url in options.urls)
    return options.until == Stage.CHECK and options.wheelhouse is None and local


def wheelhouse(options: Options) -> Wheelhouse:
    return Wheelhouse(options.wheelhouse or Path("wheelhouse"), lock_timeout=options.lock_timeout)


def _inspector(report: Report) -> Callable[[WheelContent | SdistContent], Inspection]:
    """What judges each file the moment it arrives, in the one pass that verifies it as well."""
    if _judged_for(report) is None:
        return lambda _: Inspection()
    return lambda content: checks.inspect(content, profile=report.profile)


def _apart(job: Job) -> Apart | None:
    """Processes that read the files, where there are many bytes to read and cores to do it."""
    sizes = [remote.size or apart.USUAL for _, remote in job.selection.files]
    cores = os.cpu_count() or 1
    if cores < 2 or len(sizes) < 2 or sum(sizes) < apart.WORTH:
        return None
    # Where files come over the network, that takes a core as well.
    is_local = all(remote.url.startswith("file:") for _, remote in job.selection.files)
    return Apart(min(apart.MOST, cores if is_local else cores - 1), _judged_for(job.report))


def _judged_for(report: Report) -> Profile | None:
    """By whose rules files are judged; None where they only have to be whole."""
    return report.profile if report.options.until >= Stage.CHECK else None


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
