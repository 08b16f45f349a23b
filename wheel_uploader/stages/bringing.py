"""The download and check stages, and the rehearsal that follows them."""

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
    """Return whether local files are checked where they are, so that no wheelhouse is needed."""
    all_local = all(LocalFiles.claims(url) for url in options.urls)
    return options.until == Stage.CHECK and options.wheelhouse is None and all_local


def wheelhouse(options: Options) -> Wheelhouse:
    """Return the wheelhouse that the options name, by default ``./wheelhouse``."""
    return Wheelhouse(options.wheelhouse or Path("wheelhouse"), lock_timeout=options.lock_timeout)


def download_release(context: Job) -> None:
    """Download and verify every file, and run the checks of single files in the same pass."""
    options, report, wheelhouse = context.options, context.report, context.house
    downloads = download.fetch_all(
        context.selection.files,
        wheelhouse,
        context.http,
        jobs=options.jobs,
        clobber=options.clobber,
        progress=context.progress,
        inspect=_make_inspector(report),
        memory=remembered.Remembered(wheelhouse, _choose_profile(report)) if wheelhouse else None,
        apart=_make_worker(context),
    )
    report.fetched = downloads.fetched
    report.findings = checks.accepted(downloads.findings, options.ignore)
    if downloads.error:
        raise downloads.error
    context.summaries = downloads.summaries
    context.sums = (wheelhouse.write_sums(context.files),) if wheelhouse else ()
    context.companions = download.fetch_companions(
        context.selection.companions,
        wheelhouse,
        context.http,
        jobs=options.jobs,
        clobber=options.clobber,
        progress=context.progress,
    )


def check_release(context: Job) -> None:
    """Check the release as a whole and against the index; raise ReleaseError if it must not be published."""
    options, report = context.options, context.report
    if context.publishes:
        context.uploader = ends.uploader_of(options, context.publishes, context.progress)
    report.attestations = attest.read(context.companions)
    with context.progress.during(f"check: reading the index page of {context.selection.project}"):
        context.page, report.plan = ends.seen_on(context.served, context.target, context.uploader, report)
    verdict.judge(
        report,
        context.selection,
        context.summaries,
        expectation=context.asked.expected(context.selection.version, context.selection.project),
        target=context.target,
        page=context.page,
        states=report.plan,
    )
    verdict.stop_if_blocked(report)
    if options.smoke:
        report.trials = smoke.run_all(
            context.files, context.summaries, options.smoke, context.progress, passed=options.smoke_env
        )
        smoke.stop_if_failed(report.trials)


def rehearse_release(context: Job) -> None:
    """Find out what pip would install for users; runs instead of the stages that sign and publish."""
    context.report.rehearsal = rehearsal.rehearse(context.report, context.summaries, context.progress)
    rehearsal.stop_if_worse(context.report)


def _make_inspector(report: Report) -> Callable[[WheelContent | SdistContent], Inspection]:
    """Return the function that checks a file's content in the same pass that verifies the file."""
    if _choose_profile(report) is None:
        return lambda _: Inspection()
    return lambda content: checks.inspect(content, profile=report.profile)


def _make_worker(context: Job) -> Apart | None:
    """Return a worker process that inspects the files; None if there is only one core or one file."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Apart(_choose_profile(context.report)) if cores > 1 and len(context.selection.files) > 1 else None


def _choose_profile(report: Report) -> Profile | None:
    """Return the profile to check files against; None if they are only verified."""
    return report.profile if report.options.until >= Stage.CHECK else None
