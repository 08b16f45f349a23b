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
    """Run the stages up to ``options.until`` and return the report.

    An error that stops the run is stored in the report. ``watch`` ends the run early, on a signal or when its
    time limit expires. ``begun`` is called with the report while it is still empty.
    """
    report = Report(options, began=datetime.now(UTC))
    watch = watch or Watch()
    watch.arm()
    begun(report)
    try:
        with stopping.used(watch):
            _run_stages(options, report, progress, watch)
        watch.ending()
    except ReleaseError as error:
        report.error = error
    except Stop as stop:
        report.error = stop.error
    except KeyboardInterrupt:
        report.error = Interrupted(signal.SIGINT)
    except Exception as bug:  # noqa: BLE001 - the work done until then must still be reported
        report.error = unexpected(bug)
    watch.ending()
    return report


def _run_stages(options: Options, report: Report, progress: Progress, watch: Watch) -> None:
    with contextlib.ExitStack() as exit_stack:
        context = listing.begin(options, report, progress, exit_stack)
        later_stages_loaded = _preload_later_stages(options)
        with _record_stage(report, Stage.LIST):
            listing.list_release(context)
        if options.until == Stage.LIST:
            return
        # Two threads that import mutually dependent modules may see one of them half initialized.
        stopping.wait(later_stages_loaded)
        from wheel_uploader.stages import bringing

        if not bringing.is_in_place(options):
            context.house = exit_stack.enter_context(bringing.wheelhouse(options))
        with _record_stage(report, Stage.DOWNLOAD):
            bringing.download_release(context)
        if options.until == Stage.DOWNLOAD:
            return
        if context.target:
            context.served = exit_stack.enter_context(ends.index_of(options, context.target, progress))
        with _record_stage(report, Stage.CHECK):
            bringing.check_release(context)
        if options.until == Stage.CHECK:
            return
        if options.rehearse:
            # Stop before signing: an entry in a public transparency log cannot be withdrawn.
            bringing.rehearse_release(context)
            return
        from wheel_uploader.stages import publishing

        if context.signer or context.notary:
            with _record_stage(report, Stage.SIGN):
                publishing.sign_release(context)
        if context.served is None or context.uploader is None or context.page is None:
            return
        with _record_stage(report, Stage.UPLOAD):
            publishing.upload_release(context, context.served, context.uploader, context.page, watch)
        if options.until == Stage.UPLOAD or options.dry_run:
            return
        with _record_stage(report, Stage.CONFIRM):
            publishing.confirm_release(context, context.served, context.page)


def _preload_later_stages(options: Options) -> threading.Event:
    """Import the modules of the later stages in the background; the returned event is set at the end."""
    done = threading.Event()

    def load() -> None:
        # An import error is raised again, and reported, when the stage imports the module itself.
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
def _record_stage(report: Report, stage: Stage) -> Iterator[None]:
    """Record how long the stage takes, and that it was reached if it finishes."""
    started_at = time.monotonic()
    try:
        stopping.check()
        yield
        report.reached = stage
    finally:
        report.timings[stage] = time.monotonic() - started_at
