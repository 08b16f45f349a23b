"""One release, from where it is staged to the index: list -> download -> check -> sign -> upload -> confirm.

Nothing leaves this machine before everything that can be known has been checked: the first byte is posted
when all files are downloaded, checked, signed and compared with the index.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from wheel_uploader import ends, stopping
from wheel_uploader.errors import Interrupted, ReleaseError, unexpected
from wheel_uploader.models import Options, Report, Stage
from wheel_uploader.progress import Progress
from wheel_uploader.stages import listing
from wheel_uploader.stopping import Stop, Watch


def run(
    options: Options,
    progress: Progress,
    watch: Watch | None = None,
    begun: Callable[[Report], object] = id,
) -> Report:
    """Take the release as far as ``options.until``; what stopped it, if anything did, is in the report.

    ``watch`` is told when the run has to end early: by a signal, or because its time is over. ``begun`` gets
    the report before there is anything in it.
    """
    report = Report(options, began=datetime.now(UTC))
    watch = watch or Watch()
    watch.arm()
    begun(report)
    try:
        with stopping.used(watch):
            _run(options, report, progress, watch)
        watch.ending()
    except ReleaseError as error:
        report.error = error
    except Stop as stop:
        report.error = stop.error
    except KeyboardInterrupt:
        report.error = Interrupted(signal.SIGINT)
    except Exception as bug:  # noqa: BLE001 - what was done until then has to be told all the same
        report.error = unexpected(bug)
    watch.ending()
    return report


def _run(options: Options, report: Report, progress: Progress, watch: Watch) -> None:
    with contextlib.ExitStack() as held:
        job = listing.begin(options, report, progress, held)
        loaded = _load_ahead(options)
        with _stage(report, Stage.LIST):
            listing.list_release(job)
        if options.until == Stage.LIST:
            return
        # Two threads that import modules which import each other may get half of one.
        stopping.wait(loaded)
        from wheel_uploader.stages import bringing

        if not bringing.is_in_place(options):
            job.house = held.enter_context(bringing.wheelhouse(options))
        with _stage(report, Stage.DOWNLOAD):
            bringing.download_release(job)
        if options.until == Stage.DOWNLOAD:
            return
        if job.target:
            job.served = held.enter_context(ends.index_of(options, job.target, progress))
        with _stage(report, Stage.CHECK):
            bringing.check_release(job)
        if options.until == Stage.CHECK:
            return
        if options.rehearse:
            # Before anything is signed: a signature that a public log has cannot be taken back.
            bringing.rehearse_release(job)
            return
        from wheel_uploader.stages import publishing

        if job.signer or job.notary:
            with _stage(report, Stage.SIGN):
                publishing.sign_release(job)
        if job.served is None or job.uploader is None or job.page is None:
            return
        with _stage(report, Stage.UPLOAD):
            publishing.upload_release(job, job.served, job.uploader, job.page, watch)
        if options.until == Stage.UPLOAD or options.dry_run:
            return
        with _stage(report, Stage.CONFIRM):
            publishing.confirm_release(job, job.served, job.page)


def _load_ahead(options: Options) -> threading.Event:
    """Import the modules of the later stages while the listing is read; the event says that it is done."""
    done = threading.Event()

    def load() -> None:
        # Whatever is wrong with them is told when they are used.
        try:
            with contextlib.suppress(Exception):
                from wheel_uploader import remembered
                from wheel_uploader.report import text  # noqa: F401
                from wheel_uploader.stages import bringing  # noqa: F401

                remembered.judges()
        finally:
            done.set()

    if options.until > Stage.LIST:
        threading.Thread(target=load, name="load", daemon=True).start()
    return done


@contextlib.contextmanager
def _stage(report: Report, stage: Stage) -> Iterator[None]:
    """Note how long a stage took, and that it was finished."""
    begun = time.monotonic()
    try:
        stopping.check()
        yield
        report.reached = stage
    finally:
        report.timings[stage] = time.monotonic() - begun
