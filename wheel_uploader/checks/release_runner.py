"""Runs the checks of a release as a whole, and lists the checks that could not run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from packaging.version import Version

from wheel_uploader import checks
from wheel_uploader.checks.release_content import ReleaseContent, parse_project_files
from wheel_uploader.checks.release_index import find_missing_cells, is_allowed_missing
from wheel_uploader.checks.release_modules import describe_uncompared
from wheel_uploader.checks.release_reference import explain_missing_reference, select_reference
from wheel_uploader.core import builders, filenames
from wheel_uploader.core.filenames import ALL_PLATFORMS
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import (
    Attestation,
    AttestationPolicy,
    CheckProfile,
    ComparisonReference,
    DistName,
    FileSummary,
    Finding,
    IndexComparison,
    LocalFile,
    Options,
    ProjectPage,
    SdistName,
    Selection,
)
from wheel_uploader.core.models.option_rules import LATEST_VERSION, parse_version
from wheel_uploader.core.platforms.matrix import slots_by_cell
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.index.target import Target
from wheel_uploader.listing.expected_files import Expectation, ExpectedItem, ExpectedSdist


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCheckResult:
    """The findings of the release checks, and the previous release that they compared it with."""

    findings: tuple[Finding, ...]
    #: None if this release was compared with none.
    comparison: ComparisonReference | None
    #: File names of the previous release on the index; empty if this release was not compared with one.
    previous_filenames: tuple[str, ...]
    #: Previous file name to bytes, for the files whose size the index states.
    previous_sizes: Mapping[str, int]
    #: (python, platform) pairs that the previous release supports and this one unexpectedly does not.
    missing_cells: tuple[tuple[str, str], ...]
    #: One sentence for each check that could not run.
    checks_not_run: tuple[str, ...]


def run_release_checks(
    options: Options,
    selection: Selection,
    summaries: Sequence[FileSummary],
    files: Sequence[LocalFile],
    *,
    profile: CheckProfile,
    attestations: Sequence[Attestation],
    expectation: Expectation | None,
    target: Target | None,
    page: ProjectPage | None,
    states: Sequence[IndexComparison],
    second_page: ProjectPage | None = None,
    unproven_files: Sequence[tuple[str, str]] = (),
    startup_files: Sequence[str] = (),
    had_startup_code: Callable[[ComparisonReference], bool | None] | None = None,
) -> ReleaseCheckResult:
    """Check the release as a whole.

    Without a ``page`` of the index and the ``states`` of the local files there, the checks that need them
    find nothing. ``second_page`` is that of a second index to compare with. ``unproven_files`` are those that
    ``--built-by`` rejects, with the reason. ``had_startup_code`` tells about
    the release to compare with; it is called if there are ``startup_files``, the local files with start-up
    code. Raises UsageError if the release to compare with is on neither index.
    """
    pages = [each for each in (page, second_page) if each]
    reference = _find_reference(options, pages, selection.project, selection.version)
    had_startup = had_startup_code(reference) if reference and startup_files and had_startup_code else True
    content = ReleaseContent(
        project=selection.project,
        version=selection.version,
        summaries=tuple(summaries),
        files=tuple(files),
        is_complete_selection=_is_complete_selection(options),
        expectation=expectation,
        project_page=page,
        index_states=tuple(states),
        comparison_version=reference.version if reference else None,
        comparison_page=_find_page(pages, reference),
        new_startup_files=tuple(startup_files) if had_startup is False else (),
        second_page=second_page,
        is_latest=options.version == LATEST_VERSION,
        includes_prereleases=options.pre,
        other_names=tuple(_list_other_versions(selection)),
        allow_missing=options.allow_missing,
        attestations=tuple(attestations),
        attestations_required=options.attestations is AttestationPolicy.REQUIRE,
        will_attest=options.attest,
        unproven_files=tuple(unproven_files),
        job_repository="" if options.built_by else _get_job_repository(),
        now=datetime.now(UTC),
        targets_pypi=target is not None and target.is_pypi and not target.is_testpypi,
    )
    previous_filenames = tuple(name.filename for name in content.previous_names)
    return ReleaseCheckResult(
        findings=checks.check_release(content, profile=profile, ignore=options.ignore),
        comparison=reference,
        previous_filenames=previous_filenames,
        previous_sizes=_get_listed_sizes(_find_page(pages, reference), previous_filenames),
        missing_cells=tuple(sorted((cell.python, cell.platform) for cell in find_missing_cells(content))),
        checks_not_run=(
            *_describe_missing_comparison(options, pages, content),
            *_describe_unchecked(content),
            *(_describe_unknown_startup(reference) if reference and had_startup is None else ()),
        ),
    )


def _find_page(pages: Sequence[ProjectPage], reference: ComparisonReference | None) -> ProjectPage | None:
    return next((page for page in pages if reference and page.url == reference.page_url), None)


def _get_listed_sizes(page: ProjectPage | None, filenames: Sequence[str]) -> dict[str, int]:
    """Return the size in bytes of each file for which the index lists one."""
    names, files = set(filenames), page.files if page else ()
    return {file.filename: file.size for file in files if file.filename in names and file.size}


def previous_release_expectation(page: ProjectPage, options: Options) -> tuple[Version, Expectation] | None:
    """Return the previous release and its files as an expectation to wait for; None if there is none."""
    reference = _find_reference(options, [page], options.project, parse_version(options.version))
    like = reference.version if reference else None
    previous = [name for name, _ in parse_project_files(page, options.project) if name.version == like]
    cells = sorted(slots_by_cell(previous), key=str)
    slots: list[ExpectedItem] = [
        cell for cell in cells if not is_allowed_missing(cell, options.allow_missing)
    ]
    if any(isinstance(name, SdistName) for name in previous):
        slots.append(ExpectedSdist())
    return (like, Expectation(items=tuple(slots))) if like and slots else None


def _find_reference(
    options: Options, pages: Sequence[ProjectPage], project: str, version: Version
) -> ComparisonReference | None:
    if options.no_compare or not pages:
        return None
    requested = parse_version(options.compare_with) if options.compare_with else None
    return select_reference(pages, project, version, requested)


def _describe_missing_comparison(
    options: Options, pages: Sequence[ProjectPage], content: ReleaseContent
) -> Iterator[str]:
    """Yield why this release was not compared with an earlier one, if an index was read."""
    if content.comparison_version is None and pages:
        reason = (
            "turned off by --no-compare"
            if options.no_compare
            else explain_missing_reference(pages, content.project, content.version)
        )
        yield f"the release against an earlier one: {reason}"


def _get_job_repository() -> str:
    """Return the repository of the GitHub Actions job that runs this, as for --built-by; empty elsewhere."""
    is_job = os.environ.get("GITHUB_ACTIONS") == "true"
    name = sanitize(os.environ.get("GITHUB_REPOSITORY", "").strip()) if is_job else ""
    server = builders.get_job_server()
    return f"{server}/{name}" if name and server != builders.GITHUB else name


def _describe_unknown_startup(reference: ComparisonReference) -> Iterator[str]:
    yield f"whether the start-up code is new, because no wheel of {reference.version} could be compared"


def _list_other_versions(selection: Selection) -> Iterator[DistName]:
    """Yield the staged files of the project under other versions, without those that the user left out."""
    for file in selection.excluded_files:
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename:
            continue
        is_other_version = name.project == selection.project and name.version != selection.version
        if is_other_version and not file.is_left_out:
            yield name


def _is_complete_selection(options: Options) -> bool:
    """Return whether an absent file counts as missing; not if only some files are selected or checked."""
    return ALL_PLATFORMS in options.types and bool(options.project)


def _describe_unchecked(content: ReleaseContent) -> Iterator[str]:
    """Yield what could not be checked."""
    if not content.is_complete_selection:
        yield "whether files of the release are missing, because only some were selected"
    yield from describe_uncompared(content)
    files = content.project_page.files if content.project_page else ()
    if files and all(file.upload_time is None for file in files):
        yield "the age of the release and the size of the project, because the index does not list them"
