"""Checks of the release against the index: missing wheels, conflicting files, and the limits of PyPI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from wheel_uploader.checks import standard_library
from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.checks.release_content import (
    ReleaseContent,
    admits_python,
    find_newest_final,
    summarize_values,
)
from wheel_uploader.checks.release_other_versions import describe_other_versions
from wheel_uploader.checks.release_versions import find_preferred_release
from wheel_uploader.core.formatting import format_duration, format_size
from wheel_uploader.core.models import FileComparison, SdistName, Severity
from wheel_uploader.core.platforms import matrix as platform_matrix
from wheel_uploader.core.platforms.matrix import MatrixCell

#: PyPI's limits in bytes: a file by default, a file after a raise, and a project by default.
FILE_LIMIT = 100 << 20
RAISED_FILE_LIMIT = 1 << 30
PROJECT_LIMIT = 10 << 30
#: Period after the upload of its first file in which PyPI accepts new files for a release.
UPLOAD_PERIOD = timedelta(days=14)


# --- the previous release --------------------------------------------------------------------------


@check("release/lost-against-previous", Severity.ERROR)
def lost_against_previous(release: ReleaseContent) -> Iterator[Observation]:
    """Wheels that the previous release had are missing.

    Users of that Python version and platform fall back to the sdist or silently stay on the old release. The
    usual cause is a build job that failed or was removed. A Python version that Requires-Python now excludes
    does not count as missing, nor does one that another wheel supports (the stable ABI, universal2). The
    comparison is with the newest final release on the index below this version that is not yanked; that of a
    pre-release or development build is with the newest earlier build of any kind. If most files of that one
    are missing, the newest recent one that is complete takes its place. "--compare-with VERSION" selects
    another, "--compare-index URL" a second index if the first has none, "--no-compare" skips the comparison.
    Use "--allow-missing win32", "--allow-missing cp310" or "--allow-missing 'pp*-macosx_*'" to accept an
    intended removal.
    """
    previous = find_previous_cells(release)
    missing = find_missing_cells(release)
    for python in sorted({cell.python for cell in missing}):
        cells = [cell for cell in previous if cell.python == python]
        if len(cells) > 1 and missing.issuperset(cells):
            missing.difference_update(cells)
            platforms = summarize_values(sorted(cell.platform for cell in cells), 12)
            yield (
                f"{release.comparison_version} had wheels for {python} on {platforms}; this release has none"
                f"{describe_other_versions(release, cells)}"
            )
    for platform in sorted({cell.platform for cell in missing}):
        cells = [cell for cell in previous if cell.platform == platform]
        if len(cells) > 1 and missing.issuperset(cells):
            missing.difference_update(cells)
            pythons = summarize_values(sorted(cell.python for cell in cells), 12)
            yield (
                f"{release.comparison_version} had wheels for {platform}, for {pythons}; "
                f"this release has none{describe_other_versions(release, cells)}"
            )
    for cell in sorted(missing, key=str):
        other_versions = describe_other_versions(release, [cell])
        yield f"{release.comparison_version} had {cell}; this release has none{other_versions}"


def find_missing_cells(release: ReleaseContent) -> set[MatrixCell]:
    """Return the unintentionally missing Pythons and platforms that the previous release supported."""
    if not release.is_complete_selection:
        return set()
    return {
        cell
        for cell in find_previous_cells(release)
        if not any(cell.is_satisfied_by(name) for name in release.all_names)
        and not is_allowed_missing(cell, release.allow_missing)
    }


def find_previous_cells(release: ReleaseContent) -> set[MatrixCell]:
    """Return the Pythons and platforms that the previous release supports and Requires-Python admits."""
    cells = platform_matrix.slots_by_cell(release.previous_names, other_names=release.all_names)
    return {cell for cell in cells if admits_python(release.requires_python, cell.python)}


def is_allowed_missing(cell: MatrixCell, patterns: Iterable[str]) -> bool:
    """Return whether a pattern of ``--allow-missing`` matches this Python and platform."""
    names = (cell.python, cell.platform, f"{cell.python}-{cell.platform}")
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


@check("release/older-than-latest", Severity.NOTE)
def older_than_latest(release: ReleaseContent) -> Iterator[Observation]:
    """Index has a newer release.

    Expected only for a maintenance release of an older branch. "pip install" continues to install the newer
    release; if that is not intended, correct the version and build again.
    """
    latest = find_newest_final(name.version for name, file in release.project_files if not file.yanked)
    if latest is not None and release.version < latest and not find_preferred_release(release):
        yield f"the index already has {latest}"


@check("release/dev-to-pypi", Severity.WARNING)
def dev_to_pypi(release: ReleaseContent) -> Iterator[Observation]:
    """Development version is about to be uploaded to PyPI.

    Releases on PyPI are permanent, and nightly builds use up a project's 10 GB within months. The usual cause
    is a tag that was missing when the version was computed. Tag the commit and build again; publish nightly
    builds on a separate index.
    """
    if release.targets_pypi and release.version.is_devrelease:
        yield f"{release.version} is a development version"


# --- files already on the index --------------------------------------------------------------------


@check("release/different-on-index", Severity.ERROR)
def different_on_index(release: ReleaseContent) -> Iterator[Observation]:
    """Index has a file with the same name but different contents.

    A file name can be used only once, and users get the file that is on the index; no retry and no option
    changes that. Either a different build was published, or the files were rebuilt after an incomplete
    upload. Publish the files of the first build, or a new version.
    """
    for state in release.index_states:
        if state.result is FileComparison.DIFFERENT:
            spelled = f" as {state.other_name}" if state.other_name else ""
            yield (
                state.file.filename,
                f"its sha256 is {state.file.sha256}, but on the index{spelled} it is {state.index_sha256}",
            )


@pypi_check("release/same-bytes-other-name")
def same_bytes_other_name(release: ReleaseContent) -> Iterator[Observation]:
    """Same contents exist under a different file name.

    PyPI rejects a file whose contents it already has under another name, and some tools mistake that response
    for "already exists" and continue silently. The usual cause is a file that was renamed instead of rebuilt.
    Build it under its own name.
    """
    for state in release.index_states:
        if state.result is FileComparison.SAME_BYTES_OTHER_NAME:
            yield state.file.filename, f"the index has it as {state.other_name}"
    filenames: dict[str, str] = {}
    for file in release.files:
        if (other := filenames.setdefault(file.sha256, file.filename)) != file.filename:
            yield file.filename, f"its contents are the same as those of {other}"


@pypi_check("release/second-sdist")
def second_sdist(release: ReleaseContent) -> Iterator[Observation]:
    """Index already has an sdist of this release.

    PyPI accepts one sdist for each release. The usual cause is an sdist with a different spelling of the
    project name, from an older build tool. Leave this one out.
    """
    published = [name.filename for name, _ in release.published_files if isinstance(name, SdistName)]
    for sdist in release.sdists:
        if published and sdist.filename not in published:
            yield sdist.filename, f"the index already has {summarize_values(published)}"


@pypi_check("release/closed")
def closed(release: ReleaseContent) -> Iterator[Observation]:
    """Release no longer accepts new files.

    Since July 2026, PyPI rejects new files for a release whose first file is older than 14 days (files that
    it already has may be posted again). Publish a new version, such as a post-release.
    """
    times = [file.upload_time for _, file in release.published_files if file.upload_time]
    if not times or all(state.result is FileComparison.SAME for state in release.index_states):
        return
    first = min(map(_to_utc, times))
    age = release.now - first
    if age > UPLOAD_PERIOD:
        yield f"its first file was published on {first:%Y-%m-%d}, {format_duration(age.total_seconds())} ago"


def _to_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@check("release/project-status", Severity.ERROR)
def project_status(release: ReleaseContent) -> Iterator[Observation]:
    """Project is archived or quarantined.

    An archived project accepts no files until one of its owners unarchives it on the index. A quarantined
    project is hidden from all users until the administrators of the index have reviewed it; contact them.
    """
    if release.project_page and release.project_page.status in {"archived", "quarantined"}:
        reason = f" ({release.project_page.status_reason})" if release.project_page.status_reason else ""
        yield f"on the index, the project is {release.project_page.status}{reason}"


@pypi_check("release/standard-library-name")
def standard_library_name(release: ReleaseContent) -> Iterator[Observation]:
    """New project is named like a module of the standard library.

    PyPI does not create a project with the name of a module that any Python from 2.6 on has, in any spelling
    ("xml-dom" for xml.dom); projects that exist already may keep such a name. Choose another name for the
    project.
    """
    page = release.project_page
    if page and not page.exists and standard_library.is_module_name(release.project):
        yield f"'{release.project}' is the name of a module, and the index has no such project yet"


# --- limits ----------------------------------------------------------------------------------------


@pypi_check("release/file-too-big")
def file_too_big(release: ReleaseContent) -> Iterator[Observation]:
    """File exceeds PyPI's size limit.

    The limit is 100 MiB. PyPI can raise it for a project, up to 1 GiB. Such a raise is not public, but it is
    certain if a larger file of the project is already published. Common causes of large files are debug
    symbols, test data and bundled libraries. Make the file smaller, or request a higher limit before the
    release.
    """
    raised = any((file.size or 0) > FILE_LIMIT for _, file in release.project_files)
    limit = RAISED_FILE_LIMIT if raised else FILE_LIMIT
    for summary in release.summaries:
        if summary.size > limit:
            size, maximum = format_size(summary.size), format_size(limit)
            if size == maximum:
                size, maximum = f"{summary.size:,} bytes", f"{limit:,}"
            yield summary.name.filename, f"its size is {size}; the limit is {maximum}"


@pypi_check("release/project-too-big")
def project_too_big(release: ReleaseContent) -> Iterator[Observation]:
    """Project would exceed PyPI's size limit.

    The limit is 10 GiB for all files of all releases. The upload that exceeds it is rejected, which leaves
    the release partly published. A project that is already larger has a higher limit, which is not public.
    Delete old development releases, or request a higher limit before the release.
    """
    published = sum(file.size or 0 for _, file in release.project_files)
    names = {name.filename for name, _ in release.project_files}
    added = sum(summary.size for summary in release.summaries if summary.name.filename not in names)
    if published and published <= PROJECT_LIMIT < published + added:
        yield (
            f"the project has {format_size(published)}; with another {format_size(added)} "
            f"it exceeds the limit of {format_size(PROJECT_LIMIT)}"
        )


CHECKS = (
    lost_against_previous,
    older_than_latest,
    dev_to_pypi,
    different_on_index,
    same_bytes_other_name,
    second_sdist,
    closed,
    project_status,
    standard_library_name,
    file_too_big,
    project_too_big,
)
