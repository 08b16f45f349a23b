"""The pipeline of one release: list -> download -> check -> sign -> upload -> confirm.

Nothing is uploaded until everything that can be checked has been checked: the first byte is posted only after
all files have been downloaded, checked, signed and compared with the index.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable

from wheel_uploader.core import cancellation
from wheel_uploader.core.cancellation import CancellationToken, RunCancelled
from wheel_uploader.core.errors import ReleaseError, RunInterrupted, as_unexpected_error
from wheel_uploader.core.models import Options, Report, Stage
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.task_pool import start_call, wait_for_call
from wheel_uploader.pipeline import list_stage
from wheel_uploader.pipeline.context import ReportBuilder, RunContext


def run(
    options: Options,
    progress: Progress,
    cancel: CancellationToken | None = None,
    on_start: Callable[[ReportBuilder], object] = id,
) -> Report:
    """Run the stages up to ``options.until`` and return the report.

    An error that stops the run is recorded in the report. ``cancel`` ends the run early, on a signal or when
    its time limit expires. ``on_start`` is called with the builder of the report before the first stage.
    """
    builder = ReportBuilder(options)
    cancel = cancel or CancellationToken()
    cancel.arm_hard_exit()
    on_start(builder)
    try:
        with cancellation.use_token(cancel), RunContext.open(options, builder, progress, cancel) as context:
            _run_stages(context)
        cancel.finish()
    except ReleaseError as error:
        builder.record(error=error)
    except RunCancelled as stop:
        builder.record(error=stop.error)
    except KeyboardInterrupt:
        builder.record(error=RunInterrupted(signal.SIGINT))
    except Exception as bug:  # noqa: BLE001 - the work done until then must still be reported
        builder.record(error=as_unexpected_error(bug))
    cancel.finish()
    return builder.report


def _run_stages(context: RunContext) -> None:
    options, stage = context.options, context.builder.stage
    # An import error is raised again, and reported, when the stage imports the module itself.
    loading = None
    if options.until > Stage.LIST:
        loading = start_call(functools.partial(_load_later_stages, options.until), "load")
    with stage(Stage.LIST):
        selection = list_stage.run(context)
    if not loading:
        return
    if options.until >= Stage.CHECK:
        for target in context.all_targets:
            target.read_ahead(selection.project)
    # Two threads that import mutually dependent modules may see one of them half initialized.
    wait_for_call(loading)
    from wheel_uploader.pipeline import download_stage

    wheelhouse = download_stage.open_wheelhouse(context)
    with stage(Stage.DOWNLOAD):
        downloaded = download_stage.run(context, selection, wheelhouse)
    if options.until == Stage.DOWNLOAD:
        return
    if options.verify:
        from wheel_uploader.pipeline import verify_stage

        with stage(Stage.CONFIRM):
            verify_stage.run(context, selection, downloaded)
        return
    from wheel_uploader.pipeline import check_stage
    from wheel_uploader.pipeline.target_runs import TargetRuns

    runs = TargetRuns(context)
    with stage(Stage.CHECK):
        verdict = runs.check(selection, downloaded)
        check_stage.run_smoke_tests(context, downloaded)
    if options.until == Stage.CHECK:
        return
    if options.rehearse:
        # Stop before signing: an entry in a public transparency log cannot be withdrawn.
        with stage(Stage.CHECK):
            check_stage.rehearse(context, selection, downloaded)
        return
    from wheel_uploader.pipeline import confirm_stage, sign_stage, upload_question

    # Before signing: an entry in a public transparency log cannot be withdrawn.
    for each, plan in runs.ready():
        upload_question.ask_before_upload(each, selection, plan.upload_plan)
    signed = sign_stage.SignedRelease(attestations=verdict.attestations)
    if context.signer or context.attestation_signer:
        with stage(Stage.SIGN):
            signed = sign_stage.run(context, downloaded, verdict)
    if options.until == Stage.SIGN:
        return
    with stage(Stage.UPLOAD):
        runs.upload(selection, downloaded, signed)
    if options.dry_run:
        runs.raise_errors()
        runs.prune_wheelhouse(selection, downloaded)
        runs.prune_targets(selection, downloaded)
        return
    if options.until == Stage.UPLOAD:
        runs.raise_errors()
        return
    if options.write_only:
        confirm_stage.raise_if_strict(options)
        return
    with stage(Stage.CONFIRM):
        runs.confirm(selection, downloaded)
        runs.prune_wheelhouse(selection, downloaded)
    with stage(Stage.CONFIRM):
        if options.smoke_index:
            runs.run_smoke_tests(selection, downloaded)
        runs.prune_targets(selection, downloaded)


def _load_later_stages(until: Stage) -> None:
    """Import the modules of the later stages up to ``until``."""
    from wheel_uploader.inspection import cache as inspection_cache
    from wheel_uploader.pipeline import download_stage  # noqa: F401
    from wheel_uploader.report.formats import text  # noqa: F401

    if until >= Stage.CHECK:
        from wheel_uploader.pipeline import check_stage  # noqa: F401

    inspection_cache.fingerprint()
