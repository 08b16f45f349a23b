"""The download and check stages, and the rehearsal that follows them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from wheel_uploader import checks
from wheel_uploader.core.models import (
    CheckProfile,
    CheckResult,
    Options,
    Report,
    SdistContent,
    Stage,
    WheelContent,
)
from wheel_uploader.download import scheduler
from wheel_uploader.inspection import cache as inspection_cache
from wheel_uploader.inspection.worker import InspectionWorker
from wheel_uploader.listing.sources.local import LocalFiles
from wheel_uploader.pipeline import release_gate
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.rehearsal import rehearsal, smoke_test
from wheel_uploader.signing import attestations
from wheel_uploader.upload import clients
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse


def checks_in_place(options: Options) -> bool:
    """Return whether local files are checked where they are, so that no wheelhouse is needed."""
    all_local = all(LocalFiles.claims(url) for url in options.urls)
    return options.until == Stage.CHECK and options.wheelhouse is None and all_local


def open_wheelhouse(options: Options) -> Wheelhouse:
    """Return the wheelhouse that the options name, by default ``./wheelhouse``."""
    return Wheelhouse(options.wheelhouse or Path("wheelhouse"), lock_timeout=options.lock_timeout)


def download_release(context: RunContext) -> None:
    """Download and verify every file, and run the checks of single files in the same pass."""
    options, report, wheelhouse = context.options, context.report, context.wheelhouse
    downloads = scheduler.download_files(
        context.selection.files,
        wheelhouse,
        context.http,
        jobs=options.jobs,
        clobber=options.clobber,
        progress=context.progress,
        inspect=_make_inspector(report),
        cache=inspection_cache.InspectionCache(wheelhouse, _choose_profile(report)) if wheelhouse else None,
        inspection_worker=_make_worker(context),
    )
    report.downloaded_files = downloads.downloaded
    report.findings = checks.mark_ignored(downloads.findings, options.ignore)
    if downloads.error:
        raise downloads.error
    context.summaries = downloads.summaries
    context.checksum_files = (wheelhouse.write_checksums(context.files),) if wheelhouse else ()
    context.attestation_files = scheduler.download_attestation_files(
        context.selection.attestation_files,
        wheelhouse,
        context.http,
        jobs=options.jobs,
        clobber=options.clobber,
        progress=context.progress,
    )


def check_release(context: RunContext) -> None:
    """Check the release as a whole and against the index; raise ReleaseError if it must not be published."""
    options, report = context.options, context.report
    if context.upload_target:
        context.uploader = clients.create_uploader(options, context.upload_target, context.progress)
    report.attestations = attestations.verify_attestations(context.attestation_files)
    with context.progress.waiting(f"check: reading the index page of {context.selection.project}"):
        context.project_page, report.upload_plan = clients.fetch_index_state(
            context.index, context.target, context.uploader, report
        )
    release_gate.run_release_checks(
        report,
        context.selection,
        context.summaries,
        expectation=context.requirements.build_expectation(
            context.selection.version, context.selection.project
        ),
        target=context.target,
        page=context.project_page,
        states=report.upload_plan,
    )
    release_gate.raise_if_blocked(report)
    if options.smoke:
        report.smoke_results = smoke_test.run_smoke_tests(
            context.files,
            context.summaries,
            options.smoke,
            context.progress,
            passed_variables=options.smoke_env,
        )
        smoke_test.raise_if_failed(report.smoke_results)


def rehearse_release(context: RunContext) -> None:
    """Find out what pip would install for users; runs instead of the stages that sign and publish."""
    context.report.install_outcomes = rehearsal.rehearse(context.report, context.summaries, context.progress)
    rehearsal.raise_if_worse(context.report)


def _make_inspector(report: Report) -> Callable[[WheelContent | SdistContent], CheckResult]:
    """Return the function that checks a file's content in the same pass that verifies the file."""
    if _choose_profile(report) is None:
        return lambda _: CheckResult()
    return lambda content: checks.inspect_content(content, profile=report.profile)


def _make_worker(context: RunContext) -> InspectionWorker | None:
    """Return a worker process that inspects the files; None if there is only one core or one file."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (
        InspectionWorker(_choose_profile(context.report))
        if cores > 1 and len(context.selection.files) > 1
        else None
    )


def _choose_profile(report: Report) -> CheckProfile | None:
    """Return the profile to check files against; None if they are only verified."""
    return report.profile if report.options.until >= Stage.CHECK else None
