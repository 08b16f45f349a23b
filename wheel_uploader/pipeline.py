"""One release, from where it is staged to the index: list -> download -> check -> sign -> upload -> confirm.

Nothing leaves this machine before everything that can be known has been checked: the first byte is posted
when all files are downloaded, checked, signed and compared with the index.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from wheel_uploader import (
    age,
    attest,
    brought,
    checks,
    download,
    ends,
    rehearsal,
    release,
    remembered,
    sign,
    smoke,
    sources,
    tidy,
    verdict,
    waiting,
)
from wheel_uploader.display import bare_url
from wheel_uploader.errors import Interrupted, ReleaseError, unexpected
from wheel_uploader.http import Http
from wheel_uploader.index import Index
from wheel_uploader.index.confirm import confirm
from wheel_uploader.models import (
    FileState,
    IndexState,
    Inspection,
    LocalFile,
    Options,
    Profile,
    ProjectPage,
    Removal,
    Report,
    SdistContent,
    Selection,
    Stage,
    UploadOutcome,
    UploadResult,
    WheelContent,
)
from wheel_uploader.progress import Progress
from wheel_uploader.publish import posting
from wheel_uploader.publish.target import Target
from wheel_uploader.sources.local import LocalFiles
from wheel_uploader.stopping import Stop, Watch
from wheel_uploader.wheelhouse import Wheelhouse


def run(options: Options, progress: Progress, watch: Watch | None = None) -> Report:
    """Take the release as far as ``options.until``; what stopped it, if anything did, is in the report.

    ``watch`` is told when the run has to end early: by a signal, or because its time is over.
    """
    report = Report(options, began=datetime.now(UTC))
    watch = watch or Watch()
    try:
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
    # What the person got wrong is said before anything slow begins.
    asked = brought.read(options)
    if options.rehearse:
        rehearsal.require()
    publishes = options.until > Stage.SIGN
    target = ends.target_of(options) if publishes or ends.names_an_index(options) else None
    signed = options.sign and options.until >= Stage.SIGN
    signer = sign.check_signer(options.sign_with, options.identity) if signed else None
    notary = attest.notary_for(options, target if publishes else None)
    report.target = bare_url(target.url) if target and publishes else ""
    report.profile = options.profile or (Profile.ANY if target and not target.is_pypi else Profile.PYPI)

    with (
        ends.staging(options, progress) as http,
        sources.Scratch() as scratch,
        contextlib.ExitStack() as held,
    ):
        with _stage(report, Stage.LIST):
            report.selection = _list(asked, report, http, scratch, target, progress)
            _tell_refused(report.selection, progress)
            report.expected = asked.cells(report.selection.version)
            asked.judge(report.selection)
            if options.max_age:
                built = age.require_fresh(
                    report.selection, http, limit=options.max_age, now=datetime.now(UTC)
                )
                progress.detail(f"the newest file that is staged is of {built}")
            report.not_checked = attest.not_read(report.selection, options, target if publishes else None)
        if options.until == Stage.LIST:
            return

        house = None if _is_in_place(options) else held.enter_context(_wheelhouse(options))
        with _stage(report, Stage.DOWNLOAD):
            arrivals = download.fetch_all(
                report.selection.files,
                house,
                http,
                jobs=options.jobs,
                clobber=options.clobber,
                progress=progress,
                inspect=_inspector(report),
                memory=remembered.Remembered(house, _judged_for(report)) if house else None,
            )
            report.fetched = arrivals.fetched
            report.findings = checks.accepted(arrivals.findings, options.ignore)
            if arrivals.error:
                raise arrivals.error
            files = tuple(fetched.file for fetched in report.fetched)
            sums = (house.write_sums(files),) if house else ()
            companions = download.fetch_companions(
                report.selection.companions,
                house,
                http,
                jobs=options.jobs,
                clobber=options.clobber,
                progress=progress,
            )
        if options.until == Stage.DOWNLOAD:
            return

        served = held.enter_context(ends.index_of(options, target, progress)) if target else None
        uploader = ends.uploader_of(options, target, progress) if target and publishes else None
        with _stage(report, Stage.CHECK):
            report.attestations = attest.read(companions)
            page, report.plan = ends.seen_on(served, target, uploader, report)
            verdict.judge(
                report,
                report.selection,
                arrivals.summaries,
                expectation=asked.expected(report.selection.version, report.selection.project),
                target=target,
                page=page,
                states=report.plan,
            )
            verdict.stop_if_blocked(report)
            if options.smoke:
                report.trials = smoke.run_all(files, options.smoke, progress)
                smoke.stop_if_failed(report.trials)
        if options.until == Stage.CHECK:
            return

        if options.rehearse:
            # Before anything is signed: a signature that a public log has cannot be taken back.
            report.rehearsal = rehearsal.rehearse(report, arrivals.summaries, progress)
            rehearsal.stop_if_worse(report)
            return

        if signer or notary:
            with _stage(report, Stage.SIGN):
                if signer:
                    paths = [*(file.path for file in files), *sums]
                    report.signatures = sign.sign_all(paths, signer, progress=progress)
                if notary and house and not options.dry_run:
                    # The log is public: what is missing is missed before anything is entered there.
                    if uploader:
                        uploader.credentials()
                    report.attestations = attest.make(
                        _to_attest(files, report.plan),
                        report.attestations,
                        notary,
                        house,
                        retries=options.retries,
                        progress=progress,
                    )
        if served is None or uploader is None or page is None:
            return

        with _stage(report, Stage.UPLOAD):
            verdict.stop_if_conflict(report)
            if options.dry_run:
                report.results = tuple(_would_upload(state) for state in report.plan)
                report.removed = _tidied(report, house, page, served, progress)
                return
            uploader.attach(report.signatures)
            project = report.selection.project
            if any(state.state is FileState.ABSENT for state in report.plan):
                # Before the watch is gentle: at a prompt Ctrl-C means now.
                uploader.credentials()
                report.attestations_sent = uploader.send_along(report.attestations, options.attestations)
            with watch.gently():
                report.results = posting.upload_all(
                    report.plan,
                    uploader,
                    lambda file: served.state_of(project, file),
                    served=(file.filename for file in page.files),
                    jobs=options.upload_jobs,
                    retries=options.retries,
                    keep_going=options.keep_going,
                    progress=progress,
                    watch=watch,
                )
            if refused := posting.verdict(report.results, watch.error):
                raise refused
        if options.until == Stage.UPLOAD:
            return

        with _stage(report, Stage.CONFIRM):
            report.confirmations = confirm(
                served, project, files, timeout=options.confirm_timeout, progress=progress
            )
            report.removed = _tidied(report, house, page, served, progress)


def _list(
    asked: brought.Brought,
    report: Report,
    http: Http,
    scratch: sources.Scratch,
    target: Target | None,
    progress: Progress,
) -> Selection:
    """The release as it is staged; what is seen of it while waiting is in the report already."""
    options = report.options

    def look() -> Selection:
        listed = sources.list_files(options.urls, options.project, http, scratch)
        wanted = release.identified(listed, options)
        report.selection = release.choose(asked.pinned(listed), wanted, download.local_sha256)
        return report.selection

    if not options.wait:
        return look()
    expected = asked.expected(release.parse_version(options.version))
    if expected is None and target:
        expected = ends.as_before(options, target, progress)
    with http.polling():
        return waiting.until_settled(look, expected, limit=options.wait, progress=progress)


# --- small steps -----------------------------------------------------------------------------------


def _is_in_place(options: Options) -> bool:
    """Whether there is no need for a wheelhouse: files of this machine are to be checked, and no more."""
    local = all(LocalFiles.claims(url) for url in options.urls)
    return options.until == Stage.CHECK and options.wheelhouse is None and local


def _wheelhouse(options: Options) -> Wheelhouse:
    return Wheelhouse(options.wheelhouse or Path("wheelhouse"), lock_timeout=options.lock_timeout)


@contextlib.contextmanager
def _stage(report: Report, stage: Stage) -> Iterator[None]:
    """Note how long a stage took, and that it was finished."""
    begun = time.monotonic()
    try:
        yield
        report.reached = stage
    finally:
        report.timings[stage] = time.monotonic() - begun


def _inspector(report: Report) -> Callable[[WheelContent | SdistContent], Inspection]:
    """What judges each file the moment it arrives, in the one pass that verifies it as well."""
    if _judged_for(report) is None:
        return lambda _: Inspection()
    return lambda content: checks.inspect(content, profile=report.profile)


def _judged_for(report: Report) -> Profile | None:
    """By whose rules files are judged; None where they only have to be whole."""
    return report.profile if report.options.until >= Stage.CHECK else None


def _tell_refused(selection: Selection, progress: Progress) -> None:
    for refusal in selection.refused:
        tell = progress.say if refusal.withheld else progress.detail
        tell(f"not taken: {refusal.filename}: {refusal.reason}")


def _tidied(
    report: Report, house: Wheelhouse | None, page: ProjectPage, served: Index, progress: Progress
) -> tuple[Removal, ...]:
    """What left the wheelhouse, now that this release is where it was to go."""
    if house is None or report.selection is None:
        return ()
    return tidy.tidy(
        house,
        report.options,
        report.selection,
        page,
        served.sha256_of,
        now=datetime.now(UTC),
        progress=progress,
    )


def _to_attest(files: tuple[LocalFile, ...], plan: tuple[IndexState, ...]) -> list[LocalFile]:
    """The files that are to be posted; all, where nothing was compared with an index."""
    there = {state.file.filename for state in plan if state.state is not FileState.ABSENT}
    return [file for file in files if file.filename not in there]


def _would_upload(state: IndexState) -> UploadResult:
    there = state.state is FileState.SAME
    return UploadResult(
        file=state.file, outcome=UploadOutcome.ALREADY_THERE if there else UploadOutcome.WOULD_UPLOAD
    )
