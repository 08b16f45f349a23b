"""The download stage: fetch and verify every file; each file's own checks run in the same pass."""

from __future__ import annotations

import os
from pathlib import Path

from wheel_uploader.core.ignored_findings import mark_ignored
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    CheckProfile,
    FileSummary,
    LocalAttestationFile,
    LocalFile,
    Options,
    Selection,
    Stage,
)
from wheel_uploader.download import scheduler
from wheel_uploader.inspection import cache as inspection_cache
from wheel_uploader.inspection.verification import create_inspection
from wheel_uploader.inspection.worker import InspectionWorker
from wheel_uploader.listing.sources.local import LocalFiles
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadedRelease:
    """The local files of the release, and the summaries of their contents."""

    files: tuple[LocalFile, ...]
    summaries: tuple[FileSummary, ...]
    attestation_files: tuple[LocalAttestationFile, ...]
    #: SHA256SUMS, if there is a wheelhouse.
    checksum_files: tuple[Path, ...]
    #: None if local files are checked in place.
    wheelhouse: Wheelhouse | None


def checks_in_place(options: Options) -> bool:
    """Return whether local files are checked where they are, so that no wheelhouse is needed."""
    all_local = all(LocalFiles.claims(url) for url in options.urls)
    return (options.until == Stage.CHECK or options.verify) and options.wheelhouse is None and all_local


def open_wheelhouse(context: RunContext) -> Wheelhouse | None:
    """Lock the wheelhouse that the options name, by default ``./wheelhouse``, until the run ends.

    Returns None if local files are checked in place.
    """
    options = context.options
    if checks_in_place(options):
        return None
    return context.exit_stack.enter_context(
        Wheelhouse(options.wheelhouse or Path("wheelhouse"), lock_timeout=options.lock_timeout)
    )


def run(context: RunContext, selection: Selection, wheelhouse: Wheelhouse | None) -> DownloadedRelease:
    """Download and verify every file, and run the checks of single files in the same pass."""
    options = context.options
    profile = context.profile if options.until >= Stage.CHECK and not options.verify else None
    # Otherwise the build of the night before would stop the one that replaces it.
    clobber = options.clobber or context.may_replace(selection.version)
    downloads = scheduler.download_files(
        selection.files,
        wheelhouse,
        context.http,
        jobs=options.jobs,
        clobber=clobber,
        progress=context.progress,
        inspect=create_inspection(profile),
        cache=inspection_cache.InspectionCache(wheelhouse, profile) if wheelhouse else None,
        inspection_worker=_make_worker(selection, profile),
    )
    context.record(
        downloaded_files=downloads.downloaded,
        findings=(
            *context.report.findings,
            *mark_ignored(downloads.findings, options.ignore),
        ),
    )
    if downloads.error:
        raise downloads.error
    files = tuple(downloaded.file for downloaded in downloads.downloaded)
    return DownloadedRelease(
        files=files,
        summaries=downloads.summaries,
        checksum_files=(wheelhouse.write_checksums(files),) if wheelhouse else (),
        attestation_files=scheduler.download_attestation_files(
            selection.attestation_files,
            wheelhouse,
            context.http,
            jobs=options.jobs,
            clobber=clobber,
            progress=context.progress,
        ),
        wheelhouse=wheelhouse,
    )


def _make_worker(selection: Selection, profile: CheckProfile | None) -> InspectionWorker | None:
    """Return a worker process that inspects the files; None if there is only one core or one file."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return InspectionWorker(profile) if cores > 1 and len(selection.files) > 1 else None
