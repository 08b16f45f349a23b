"""The stages that each target of a run goes through: one plan, one upload and one confirmation for each.

With one target its errors end the run. With several, a conflict with one of them ends the run before the
first file is uploaded to any; an upload that fails on one target does not keep the files from the others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from wheel_uploader.core import cancellation
from wheel_uploader.core.errors import (
    ConflictError,
    DeadlineError,
    NetworkError,
    PartialError,
    ReleaseError,
    RunInterrupted,
    most_important_error,
)
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    FileComparison,
    FileStatus,
    Finding,
    IndexComparison,
    LocalFile,
    Selection,
    TargetPruning,
    TargetReport,
)
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.pipeline import check_stage, release_gate
from wheel_uploader.pipeline.check_stage import UploadDestination, Verdict
from wheel_uploader.pipeline.context import ReportBuilder, RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease

if TYPE_CHECKING:
    from wheel_uploader.pipeline.sign_stage import SignedRelease

#: The worst first: the state of a file that differs between the targets.
_COMPARISONS = (
    *(FileComparison.DIFFERENT, FileComparison.SAME_BYTES_OTHER_NAME, FileComparison.REPLACE),
    *(FileComparison.ABSENT, FileComparison.SAME),
)
_OUTCOMES = (
    *(FileStatus.CONFLICT, FileStatus.REJECTED, FileStatus.FAILED, FileStatus.UNKNOWN, FileStatus.NOT_TRIED),
    *(FileStatus.WOULD_UPLOAD, FileStatus.UPLOADED, FileStatus.SKIPPED),
)
_ON_TARGET = (FileStatus.UPLOADED, FileStatus.SKIPPED)


@dataclass(slots=True)
class _TargetRun:
    """One target, and what the stages found out about it."""

    context: RunContext
    verdict: Verdict | None = None
    destination: UploadDestination | None = None

    @property
    def name(self) -> str:
        """The name for messages."""
        return sanitize(self.context.target.info.name) if self.context.target else ""

    @property
    def error(self) -> ReleaseError | None:
        """The reason that the release is not complete on the target; None if nothing has failed."""
        return self.context.report.error


class TargetRuns:
    """The targets of a run, in the order of the uploads."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._known_findings = frozenset(context.report.findings)
        self._runs = [_TargetRun(each) for each in _split_context(context)]
        self._is_single = not context.targets
        for run in self._runs if not self._is_single else ():
            run.context.builder.on_record = self._merge_reports

    def check(self, selection: Selection, downloaded: DownloadedRelease) -> Verdict:
        """Check the release against each target, and return what the sign stage needs.

        Raises ReleaseError unless it may be uploaded to every target that can be read, and to one at least.
        """
        evidence = check_stage.gather_evidence(self._context, selection, downloaded)
        for run in self._runs:
            with self._errors_of(run):
                run.verdict = check_stage.run(run.context, selection, downloaded, evidence)
                if not self._is_single:
                    self._raise_if_conflict(run, run.verdict)
        errors = [run.error for run in self._runs if run.error]
        if any(not isinstance(error, NetworkError) for error in errors) or len(errors) == len(self._runs):
            raise self._combine_errors()
        return _combine_verdicts([run.verdict for run in self._runs if run.verdict])

    def ready(self) -> Iterator[tuple[RunContext, Verdict]]:
        """Yield the context and the verdict of each target that the release may be uploaded to."""
        for run in self._runs:
            if run.verdict and not run.error:
                yield run.context, run.verdict

    def upload(self, selection: Selection, downloaded: DownloadedRelease, signed: SignedRelease) -> None:
        """Upload the files to each target; raise what sums up the errors if no target has all of them."""
        from wheel_uploader.pipeline import upload_stage

        report = self._context.report
        for run in self._runs:
            if run.verdict is None or run.error:
                continue
            if not self._is_single:
                run.context.record(signatures=report.signatures, attestations=report.attestations)
            with self._errors_of(run):
                run.destination = upload_stage.run(run.context, selection, downloaded, run.verdict, signed)
        if not any(run.destination for run in self._runs):
            raise self._combine_errors()

    def confirm(self, selection: Selection, downloaded: DownloadedRelease) -> None:
        """Confirm each target that has all files. Raises the error that sums up those of all targets."""
        from wheel_uploader.pipeline import confirm_stage

        for run in self._runs:
            if run.destination:
                with self._errors_of(run):
                    confirm_stage.run(run.context, selection, downloaded, run.destination)
        self.raise_errors()

    def raise_errors(self) -> None:
        """Raise the error that sums up those of all targets, if there are any."""
        if any(run.error for run in self._runs):
            raise self._combine_errors()

    def prune_wheelhouse(self, selection: Selection, downloaded: DownloadedRelease) -> None:
        """Remove the older releases that the options do not keep from the wheelhouse.

        Of several targets, the last one must have them.
        """
        from wheel_uploader.pipeline import retention

        if destination := self._runs[-1].destination:
            retention.prune(self._context, selection, downloaded.wheelhouse, destination)

    def run_smoke_tests(self, selection: Selection, downloaded: DownloadedRelease) -> None:
        """Install the published release from each target, and try it. Raises FileError if that fails."""
        from wheel_uploader.pipeline import confirm_stage

        for run in self._runs:
            if run.destination:
                confirm_stage.run_index_smoke_tests(
                    self._context, selection, downloaded, run.destination.target
                )

    def prune_targets(self, selection: Selection, downloaded: DownloadedRelease) -> None:
        """Remove the older releases that the rules of the targets do not keep, and record which.

        Raises an error for a failure only with ``--strict``: the release itself is complete.
        """
        from wheel_uploader.pipeline import target_pruning

        results: list[TargetPruning] = []
        for run in self._runs:
            page = run.destination.project_page if run.destination else None
            # Two targets may be labels of one organization.
            gone = {file.filename for result in results for file in result.files if file.is_gone}
            earlier = {file.filename for file in page.files} - gone if page else set()
            if result := target_pruning.prune(run.context, selection, downloaded.files, earlier):
                results.append(result)
                self._context.record(target_prunings=tuple(results))
            cancellation.raise_if_cancelled()
        target_pruning.raise_if_strict(self._context)

    @contextlib.contextmanager
    def _errors_of(self, run: _TargetRun) -> Iterator[None]:
        """Record the error of one target of several, so that the others get their files."""
        try:
            yield
        except ReleaseError as error:
            if self._is_single or self._context.cancel.error:
                raise
            run.context.record(error=error)

    def _raise_if_conflict(self, run: _TargetRun, verdict: Verdict) -> None:
        """Raise ConflictError for what would end the upload to this target before its first file."""
        if run.context.uploads:
            release_gate.raise_if_conflict(
                verdict.upload_plan,
                upload_url=run.context.report.upload_url,
                skip_existing=run.context.options.skip_existing,
            )

    def _combine_errors(self) -> ReleaseError:
        """Return the error of the run, which says what each target has."""
        failed = [run for run in self._runs if run.error]
        cause = most_important_error([run.error for run in failed if run.error])
        results = [result for run in self._runs for result in run.context.report.upload_results]
        some = f"{len(failed)} of {format_count(len(self._runs), 'target')}"
        lines = [line for run in self._runs for line in _describe(run)]
        if not any(result.outcome in _ON_TARGET for result in results):
            message = f"{some} stopped the run, and nothing was uploaded"
            return _without_details(cause).with_details(*lines, message=message)
        message = f"the release is not complete on {some}"
        if isinstance(cause, ConflictError | DeadlineError | RunInterrupted):
            return _without_details(cause).with_details(*lines, message=message)
        if isinstance(cause, NetworkError):
            return PartialError(message, details=lines)
        # The hint of a target that has some files says this already.
        more = "" if isinstance(cause, PartialError) else " The same command then continues."
        return PartialError(message, hint=f"{cause.hint}{more}", details=lines)

    def _merge_reports(self) -> None:
        """Record the results of all targets in the report of the run."""
        reports = [run.context.report for run in self._runs]
        confirmed = set.intersection(
            *({each.filename for each in report.confirmations} for report in reports)
        )
        main = next(run.context.report for run in self._runs if run.context.target is self._context.target)
        self._context.record(
            findings=_merge_findings(self._runs, self._known_findings),
            checks_not_run=_merge_checks_not_run(self._runs),
            comparison=main.comparison,
            previous_filenames=main.previous_filenames,
            previous_sizes=main.previous_sizes,
            missing_cells=main.missing_cells,
            changes=main.changes,
            attestations=main.attestations,
            uploads_attestations=any(each.uploads_attestations for each in reports),
            upload_plan=_find_worst_states(report.upload_plan for report in reports),
            upload_results=_find_worst(
                (report.upload_results for report in reports), lambda result: _OUTCOMES.index(result.outcome)
            ),
            confirmations=tuple(each for each in main.confirmations if each.filename in confirmed),
            release_url=main.release_url,
            targets=tuple(map(_describe_target, self._runs)),
        )


def _split_context(context: RunContext) -> Iterator[RunContext]:
    """Yield a context with its own report for each target; the context itself if there is one at most."""
    if not context.targets:
        yield context
    for target in context.targets:
        builder = ReportBuilder(context.options)
        builder.report = replace(
            context.report, upload_url=strip_url(target.info.url) if context.upload_target else ""
        )
        profile = context.options.profile or target.default_profile
        yield replace(context, target=target, targets=(), builder=builder, profile=profile)


def _combine_verdicts(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict in which a file is on the targets only if it is on all of them."""
    plan = _find_worst_states(verdict.upload_plan for verdict in verdicts)
    return replace(verdicts[-1], upload_plan=plan)


def _find_worst_states(plans: Iterable[Sequence[IndexComparison]]) -> tuple[IndexComparison, ...]:
    return _find_worst(plans, lambda state: _COMPARISONS.index(state.result))


class _AboutFile(Protocol):
    @property
    def file(self) -> LocalFile: ...


_Entry = TypeVar("_Entry", bound=_AboutFile)


def _find_worst(targets: Iterable[Sequence[_Entry]], rank: Callable[[_Entry], int]) -> tuple[_Entry, ...]:
    """Return for each file the entry of the target that it is furthest from, by ``rank``."""
    worst: dict[str, _Entry] = {}
    for entry in (entry for entries in targets for entry in entries):
        known = worst.setdefault(entry.file.filename, entry)
        worst[entry.file.filename] = min(known, entry, key=rank)
    return tuple(worst.values())


def _merge_findings(runs: Sequence[_TargetRun], known: frozenset[Finding]) -> tuple[Finding, ...]:
    """Return all findings once; those that not every target has name the target."""
    checked = [run for run in runs if run.verdict or run.context.report.upload_plan or run.error]
    common = set.intersection(*(set(run.context.report.findings) for run in checked)) if checked else set()
    merged = []
    for run in runs:
        for finding in run.context.report.findings:
            if finding in known or finding in common:
                merged.append(finding)
            else:
                merged.append(replace(finding, message=f"{finding.message} ({run.name})"))
    return tuple(dict.fromkeys(merged))


def _merge_checks_not_run(runs: Sequence[_TargetRun]) -> tuple[str, ...]:
    """Return all sentences once; those that are not about every target name the target."""
    sentences = {run.name: run.context.report.checks_not_run for run in runs}
    common = set.intersection(*map(set, sentences.values())) if sentences else set()
    return tuple(
        dict.fromkeys(
            text if text in common else f"{text} ({name})"
            for name, texts in sentences.items()
            for text in texts
        )
    )


def _describe_target(run: _TargetRun) -> TargetReport:
    report = run.context.report
    return TargetReport(
        name=run.name,
        url=report.upload_url,
        release_url=report.release_url,
        upload_plan=report.upload_plan,
        upload_results=report.upload_results,
        confirmations=report.confirmations,
        error=report.error,
    )


def _describe(run: _TargetRun) -> Iterator[str]:
    """Yield what a target has, or why it does not have everything, for the details of an error."""
    if run.error:
        yield f"{run.name}: {run.error.message}"
        yield from (f"  {detail}" for detail in run.error.details)
        return
    results = run.context.report.upload_results
    count = format_count(len(results), "file")
    if not results:
        yield f"{run.name}: nothing was uploaded"
    elif run.context.report.confirmations:
        yield f"{run.name}: complete, {count} confirmed"
    else:
        yield f"{run.name}: complete, {count}"


def _without_details(error: ReleaseError) -> ReleaseError:
    copied = error.with_details()
    copied.details = ()
    return copied
