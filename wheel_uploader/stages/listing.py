"""The setup of a run, and the list stage: find the staged files of the release."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from wheel_uploader import age, attest, brought, child_environment, ends, pip, release, sign, sources, waiting
from wheel_uploader.display import bare_url
from wheel_uploader.job import Job
from wheel_uploader.models import (
    Options,
    Profile,
    RemoteFile,
    Report,
    Selection,
    Stage,
    option_effects,
    option_rules,
)
from wheel_uploader.progress import Progress


def begin(options: Options, report: Report, progress: Progress, exit_stack: contextlib.ExitStack) -> Job:
    """Build the context of the run; raise ReleaseError early for mistakes in the configuration."""
    option_rules.require_valid(options)
    _require_known_checks(options)
    for idle_options in option_effects.idle(options):
        progress.say(str(idle_options))
    child_environment.require_passable(options.smoke_env)
    requirements = brought.read(options)
    if options.smoke and options.until >= Stage.CHECK:
        pip.require("--smoke")
    if options.rehearse and options.until > Stage.CHECK:
        from wheel_uploader import rehearsal

        rehearsal.require()
    will_upload = options.until > Stage.SIGN
    target = ends.target_of(options) if will_upload or ends.names_an_index(options) else None
    needs_signer = options.sign and options.until >= Stage.SIGN
    report.target = bare_url(target.url) if target and will_upload else ""
    report.profile = options.profile or (Profile.ANY if target and not target.is_pypi else Profile.PYPI)
    signer = sign.check_signer(options.sign_with, options.identity) if needs_signer else None
    if signer and signer.doubt:
        progress.say(signer.doubt)
    return Job(
        options=options,
        report=report,
        progress=progress,
        asked=requirements,
        target=target,
        signer=signer,
        notary=attest.notary_for(options, target if will_upload else None),
        http=exit_stack.enter_context(ends.staging(options, progress)),
        scratch=exit_stack.enter_context(sources.Scratch()),
    )


def _require_known_checks(options: Options) -> None:
    """Raise UsageError if a check to ignore does not exist."""
    if options.ignore:
        from wheel_uploader import checks

        for check_id in options.ignore:
            checks.require_known(check_id)


def list_release(context: Job) -> None:
    """Select the staged files of the release; raise ReleaseError if they do not meet the requirements."""
    report, progress = context.report, context.progress
    selection = report.selection = _select_release(context)
    for refusal in selection.refused:
        report_refusal = progress.say if refusal.withheld else progress.detail
        report_refusal(f"not selected: {refusal.filename}: {refusal.reason}")
    report.expected = context.asked.cells(selection.version)
    context.asked.judge(selection)
    if limit := context.options.max_age:
        built = age.require_fresh(selection, context.http, limit=limit, now=datetime.now(UTC))
        progress.detail(f"the newest staged file is dated {built}")
    report.not_checked = attest.not_read(selection, context.options, context.publishes)


def _select_release(context: Job) -> Selection:
    """Read the listing and select the release; with ``--wait``, repeat until it is complete.

    The report always holds the latest selection, so that a run that ends while it waits can show it.
    """
    options = context.options

    def select_once() -> Selection:
        with context.progress.during(f"list: reading {', '.join(map(bare_url, options.urls))}"):
            listed = sources.list_files(options.urls, options.project, context.http, context.scratch)
        selected_release = release.identified(listed, options)
        context.report.selection = release.choose(
            context.asked.pinned(listed), selected_release, _hash_local_file
        )
        return context.report.selection

    if not options.wait:
        return select_once()
    expected = context.asked.expected(release.parse_version(options.version))
    if expected is None and context.target:
        expected = ends.as_before(options, context.target, context.progress)
    with context.http.polling():
        return waiting.until_settled(select_once, expected, limit=options.wait, progress=context.progress)


def _hash_local_file(remote: RemoteFile) -> str:
    # Importing the download package here keeps it out of the startup time of a run that only lists.
    from wheel_uploader import download

    return download.local_sha256(remote)
