"""The check stage: check the release as a whole and against the index, and try it if asked to."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from packaging.version import Version

from wheel_uploader.checks import environment, release_runner
from wheel_uploader.core.errors import CredentialsError, NetworkError, OptionError, ReleaseError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Attestation, FileComparison, IndexComparison, ProjectPage, Selection
from wheel_uploader.core.models.changes import ReleaseChanges
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.pipeline import release_gate
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.signing import attestations, build_evidence
from wheel_uploader.targets.protocol import INDEX_COMPARISON, IndexState, PublishTarget
from wheel_uploader.targets.pruning import is_final


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadDestination:
    """The target to upload to, and the files of the project that it had before."""

    target: PublishTarget
    project_page: ProjectPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The results of the check stage that the later stages need."""

    attestations: tuple[Attestation, ...]
    #: The state of each file on the index; empty if no index was read.
    upload_plan: tuple[IndexComparison, ...]
    #: Set if the run goes on to upload.
    destination: UploadDestination | None

    def require_destination(self) -> UploadDestination:
        """Return the destination. Raises ReleaseError if there is none, which is a bug."""
        if self.destination is None:
            raise ReleaseError("there is no index to upload to; nothing was uploaded")
        return self.destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known about the files whichever target they are compared with."""

    attestations: tuple[Attestation, ...]
    #: Each file that ``--built-by`` does not accept, with the reason.
    unproven_files: tuple[tuple[str, str], ...]
    #: Reads the page of ``--compare-index`` with the first call.
    fetch_second_page: Callable[[], IndexState]


def gather_evidence(context: RunContext, selection: Selection, downloaded: DownloadedRelease) -> Evidence:
    """Verify the attestations of the files, and find those that ``--built-by`` does not accept."""
    verified = attestations.verify_attestations(downloaded.attestation_files)
    context.record(attestations=verified)
    return Evidence(
        attestations=verified,
        unproven_files=build_evidence.find_unproven_files(
            context.options, downloaded.files, verified, context.progress
        ),
        fetch_second_page=functools.cache(lambda: _fetch_second_page(context, selection.project)),
    )


def run(
    context: RunContext, selection: Selection, downloaded: DownloadedRelease, evidence: Evidence
) -> Verdict:
    """Check the release as a whole and against the index; raise ReleaseError if it must not be published."""
    options, verified = context.options, evidence.attestations
    context.record(attestations=verified)
    with context.progress.waiting(f"check: reading the index page of {selection.project}"):
        state = _fetch_state(context, selection, downloaded)
    if options.replace and context.uploads:
        _refuse_final_release(selection.version)
        if context.may_replace(selection.version):
            state = _plan_replacements(state)
    second = evidence.fetch_second_page()
    context.record(
        upload_plan=state.comparisons,
        checks_not_run=(
            *context.report.checks_not_run,
            *state.checks_not_run,
            *second.checks_not_run,
        ),
    )
    pages = (state.project_page, second.project_page)

    @functools.cache
    def compare_contents(version: Version, page_url: str) -> ReleaseChanges | None:
        return _compare_contents(context, downloaded, pages, version, page_url)

    results = release_runner.run_release_checks(
        options,
        selection,
        downloaded.summaries,
        downloaded.files,
        profile=context.profile,
        attestations=verified,
        expectation=context.requirements.build_expectation(selection.version, selection.project),
        target=context.target.info if context.target else None,
        page=state.project_page,
        states=state.comparisons,
        second_page=second.project_page,
        unproven_files=evidence.unproven_files,
        startup_files=_list_startup_files(context),
        had_startup_code=lambda reference: (
            changes.had_startup_code
            if (changes := compare_contents(reference.version, reference.page_url))
            else None
        ),
    )
    context.record(
        findings=(*context.report.findings, *results.findings),
        comparison=results.comparison,
        previous_filenames=results.previous_filenames,
        previous_sizes=results.previous_sizes,
        missing_cells=results.missing_cells,
        checks_not_run=(*context.report.checks_not_run, *results.checks_not_run),
    )
    if options.diff and (reference := results.comparison):
        context.record(changes=compare_contents(reference.version, reference.page_url))
    release_gate.raise_if_blocked(context.report)
    destination = None
    if context.target and context.uploads:
        page = state.project_page or ProjectPage(url=context.target.info.url, exists=False)
        destination = UploadDestination(target=context.target, project_page=page)
    return Verdict(attestations=verified, upload_plan=state.comparisons, destination=destination)


def _fetch_state(context: RunContext, selection: Selection, downloaded: DownloadedRelease) -> IndexState:
    """Return what the target has.

    If nothing is to be uploaded, the run continues without a target, and the report says so.
    """
    if context.target is None:
        reason = "no index given (--index-url, -r or --repository-url)"
        return IndexState(checks_not_run=(f"{INDEX_COMPARISON}: {reason}",))
    try:
        return context.target.fetch_state(selection.project, selection.version, downloaded.files)
    except (NetworkError, CredentialsError) as error:
        if context.uploads:
            raise
        return IndexState(checks_not_run=(f"{INDEX_COMPARISON}: {error.message}",))


def _refuse_final_release(version: Version) -> None:
    """Raise UsageError for a final release, which ``--replace`` never changes."""
    if is_final(version):
        raise OptionError(
            "replace",
            f"{version} is a final release, whose files are never replaced",
            hint="Publish a new version, or omit --replace.",
        )


def _plan_replacements(state: IndexState) -> IndexState:
    """Return the state in which files with other bytes are to be replaced."""
    planned = tuple(
        dataclasses.replace(each, result=FileComparison.REPLACE)
        if each.result is FileComparison.DIFFERENT and not each.other_name
        else each
        for each in state.comparisons
    )
    return dataclasses.replace(state, comparisons=planned)


def _fetch_second_page(context: RunContext, project: str) -> IndexState:
    """Return the project's page on the index of ``--compare-index``; a failure is only reported."""
    url = context.options.compare_index
    if not url:
        return IndexState()
    from wheel_uploader.index import client

    with context.progress.waiting(f"check: reading the page of {project} on a second index"):
        try:
            with client.open_comparison_index(context.options, url, context.progress) as index:
                page = index.fetch_project(project, revalidate=True)
        except (NetworkError, CredentialsError) as error:
            return IndexState(checks_not_run=(_describe_unread(url, error.message),))
    if page.exists:
        return IndexState(project_page=page)
    return IndexState(checks_not_run=(_describe_unread(url, f"it has no release of {project}"),))


def _list_startup_files(context: RunContext) -> list[str]:
    """Return the names of the files with start-up code that the user did not accept."""
    found = (
        finding.subject
        for finding in context.report.findings
        if finding.check == environment.startup_code.id and not finding.is_ignored
    )
    return list(dict.fromkeys(found))


def _compare_contents(
    context: RunContext,
    downloaded: DownloadedRelease,
    pages: Sequence[ProjectPage | None],
    version: Version,
    page_url: str,
) -> ReleaseChanges | None:
    """Return what changed since the release that this one was compared with; None if it cannot be read."""
    page = next((page for page in pages if page and page.url == page_url), None)
    index = context.target.index if context.target else None
    if page is None or index is None:
        return None
    from wheel_uploader.comparison import compare

    with context.progress.waiting(f"check: comparing the contents with {version}"):
        return compare.compare_with_previous(index, page, version, downloaded.files)


def _describe_unread(url: str, reason: str) -> str:
    return f"the release against the second index, {strip_url(url)}: {reason}"


def run_smoke_tests(context: RunContext, downloaded: DownloadedRelease) -> None:
    """Install the wheels and run the command of the options; raise ReleaseError if one fails."""
    options = context.options
    if not options.smoke:
        return
    # Imported only if asked for: installing takes much longer than the imports.
    from wheel_uploader.rehearsal import smoke_test

    results = smoke_test.run_smoke_tests(
        downloaded.files,
        downloaded.summaries,
        options.smoke,
        context.progress,
        passed_variables=options.smoke_env,
    )
    context.record(smoke_results=results)
    smoke_test.raise_if_failed(results)


def rehearse(context: RunContext, selection: Selection, downloaded: DownloadedRelease) -> None:
    """Find out what pip would install for users; runs instead of the stages that sign and publish."""
    from wheel_uploader.rehearsal import rehearsal

    outcomes = rehearsal.rehearse(context.report, selection, downloaded.summaries, context.progress)
    context.record(install_outcomes=outcomes)
    rehearsal.raise_if_worse(context.report)
