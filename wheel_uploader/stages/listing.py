"""The beginning of a run, and its first stage: what is staged of the release."""

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


def begin(options: Options, report: Report, progress: Progress, held: contextlib.ExitStack) -> Job:
    """Return the run's context; raise for all that is known to be wrong before anything is read."""
    option_rules.require_valid(options)
    _require_checks(options)
    for each in option_effects.idle(options):
        progress.say(str(each))
    child_environment.require_passable(options.smoke_env)
    asked = brought.read(options)
    if options.smoke and options.until >= Stage.CHECK:
        pip.require("--smoke")
    if options.rehearse and options.until > Stage.CHECK:
        from wheel_uploader import rehearsal

        rehearsal.require()
    publishes = options.until > Stage.SIGN
    target = ends.target_of(options) if publishes or ends.names_an_index(options) else None
    signed = options.sign and options.until >= Stage.SIGN
    report.target = bare_url(target.url) if target and publishes else ""
    report.profile = options.profile or (Profile.ANY if target and not target.is_pypi else Profile.PYPI)
    signer = sign.check_signer(options.sign_with, options.identity) if signed else None
    if signer and signer.doubt:
        progress.say(signer.doubt)
    return Job(
        options=options,
        report=report,
        progress=progress,
        asked=asked,
        target=target,
        signer=signer,
        notary=attest.notary_for(options, target if publishes else None),
        http=held.enter_context(ends.staging(options, progress)),
        scratch=held.enter_context(sources.Scratch()),
    )


def _require_checks(options: Options) -> None:
    """Raise UsageError for a check that is to be ignored and does not exist."""
    if options.ignore:
        from wheel_uploader import checks

        for check_id in options.ignore:
            checks.require_known(check_id)


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
        job.report.selection = release.choose(job.asked.pinned(listed), wanted, _sha256_of)
        return job.report.selection

    if not options.wait:
        return look()
    expected = job.asked.expected(release.parse_version(options.version))
    if expected is None and job.target:
        expected = ends.as_before(options, job.target, job.progress)
    with job.http.polling():
        return waiting.until_settled(look, expected, limit=options.wait, progress=job.progress)


def _sha256_of(remote: RemoteFile) -> str:
    # What downloads is not loaded before there is something to download.
    from wheel_uploader import download

    return download.local_sha256(remote)
