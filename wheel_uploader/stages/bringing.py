"""The stages that bring the files and judge them: download and check, and the rehearsal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wheel_uploader import (
    attest,
    checks,
    download,
    ends,
    rehearsal,
    remembered,
    smoke,
    verdict,
)
from wheel_uploader.apart import Apart
from wheel_uploader.job import Job
from wheel_uploader.models import Inspection, Options, Profile, Report, SdistContent, Stage, WheelContent
from wheel_uploader.sources.local import LocalFiles
from wheel_uploader.wheelhouse import Wheelhouse


def is_in_place(options: Options) -> bool:
    """Whether there is no need for a wheelhouse: files of this machine are to be checked, and no more."""
    local = all(LocalFiles.claims(url) for url in options.urls)
    return options.until == Stage.CHECK and options.wheelhouse is None and local


def wheelhouse(options: Options) -> Wheelhouse:
    return Wheelhouse(options.wheelhouse or Path("wheelhouse"), lock_timeout=options.lock_timeout)


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
        report.trials = smoke.run_all(
            job.files, job.summaries, options.smoke, job.progress, passed=options.smoke_env
        )
        smoke.stop_if_failed(report.trials)


def rehearse_release(job: Job) -> None:
    """Instead of signing and publishing: what users would get."""
    job.report.rehearsal = rehearsal.rehearse(job.report, job.summaries, job.progress)
    rehearsal.stop_if_worse(job.report)


def _inspector(report: Report) -> Callable[[WheelContent | SdistContent], Inspection]:
    """What judges each file the moment it arrives, in the one pass that verifies it as well."""
    if _judged_for(report) is None:
        return lambda _: Inspection()
    return lambda content: checks.inspect(content, profile=report.profile)


def _apart(job: Job) -> Apart | None:
    """A process that reads the files, where there is a second core for it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Apart(_judged_for(job.report)) if cores > 1 and len(job.selection.files) > 1 else None


def _judged_for(report: Report) -> Profile | None:
    """By whose rules files are judged; None where they only have to be whole."""
    return report.profile if report.options.until >= Stage.CHECK else None
