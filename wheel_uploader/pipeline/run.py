"""The pipeline of one release: list -> download -> check -> sign -> upload -> confirm.

Nothing is uploaded until everything that can be checked has been checked: the first byte is posted only after
all files have been downloaded, checked, signed and compared with the index.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from wheel_uploader.core import cancellation
from wheel_uploader.core.cancellation import CancellationToken, RunCancelled
from wheel_uploader.core.errors import ReleaseError, RunInterrupted, as_unexpected_error
from wheel_uploader.core.models import Options, Report, Stage
from wheel_uploader.core.progress import Progress
from wheel_uploader.index import client
from wheel_uploader.pipeline import list_stage


def run(
    options: Options,
    progress: Progress,
    cancel: CancellationToken | None = None,
    on_start: Callable[[Report], object] = id,
) -> Report:
    """Run the stages up to ``options.until`` and return the report.

    An error that stops the run is stored in the report. ``watch`` ends the run early, on a signal or when its
    time limit expires. ``begun`` is called with the report while it is still empty.
    """
    report = Report(options, started_at=datetime.now(UTC))
    cancel = cancel or CancellationToken()
    cancel.arm_hard_exit()
    on_start(report)
    try:
        with cancellation.use_token(cancel):
            _run_stages(options, report, progress, cancel)
        cancel.finish()
    except ReleaseError as error:
        report.error = error
    except RunCancelled as stop:
        report.error = stop.error
    except KeyboardInterrupt:
        report.error = RunInterrupted(signal.SIGINT)
    except Exception as bug:  # noqa: BLE001 - the work done until then must still be reported
        report.error = as_unexpected_error(bug)
    cancel.finish()
    return report


def _run_stages(options: Options, report: Report, progress: Progress, cancel: CancellationToken) -> None:
    with contextlib.ExitStack() as exit_stack:
        context = list_stage.open_context(options, report, progress, exit_stack)
        later_stages_loaded = _preload_later_stages(options)
        with _record_stage(report, Stage.LIST):
            list_stage.list_release(context)
        if options.until == Stage.LIST:
            return
        # Two threads that import mutually dependent modules may see one of them half initialized.
        cancellation.wait_unless_cancelled(later_stages_loaded)
        from wheel_uploader.pipeline import download_stage

        if not download_stage.checks_in_place(options):
            context.wheelhouse = exit_stack.enter_context(download_stage.open_wheelhouse(options))
        with _record_stage(report, Stage.DOWNLOAD):
            download_stage.download_release(context)
        if options.until == Stage.DOWNLOAD:
            return
        if context.target:
            context.index = exit_stack.enter_context(client.open_index(options, context.target, progress))
        with _record_stage(report, Stage.CHECK):
            download_stage.check_release(context)
        if options.until == Stage.CHECK:
            return
        if options.rehearse:
            # Stop before signing: an entry in a public transparency log cannot be withdrawn.
            download_stage.rehearse_release(context)
            return
        from wheel_uploader.pipeline import upload_stage

        if context.signer or context.attestation_signer:
            with _record_stage(report, Stage.SIGN):
                upload_stage.sign_release(context)
        if context.index is None or context.uploader is None or context.project_page is None:
            return
        with _record_stage(report, Stage.UPLOAD):
            upload_stage.upload_release(
                context, context.index, context.uploader, context.project_page, cancel
            )
        if options.until == Stage.UPLOAD or options.dry_run:
            return
        with _record_stage(report, Stage.CONFIRM):
            upload_stage.confirm_release(context, context.index, context.project_page)


def _preload_later_stages(options: Options) -> threading.Event:
    """Import the modules of the later stages in the background; the returned event is set at the end."""
    done = threading.Event()

    def load() -> None:
        # An import error is raised again, and reported, when the stage imports the module itself.
        try:
            with contextlib.suppress(Exception):
                from wheel_uploader.inspection import cache as inspection_cache
                from wheel_uploader.pipeline import download_stage  # noqa: F401
                from wheel_uploader.report.formats import text  # noqa: F401

                inspection_cache.fingerprint()
        finally:
            done.set()

    if options.until > Stage.LIST:
        threading.Thread(target=load, name="load", daemon=True).start()
    return done


@contextlib.contextmanager
def _record_stage(report: Report, stage: Stage) -> Iterator[None]:
    """Record how long the stage takes, and that it was reached if it finishes."""
    started_at = time.monotonic()
    try:
        cancellation.raise_if_cancelled()
        yield
        report.last_stage = stage
    finally:
        report.stage_seconds[stage] = time.monotonic() - started_at
