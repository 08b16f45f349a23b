"""The release against the index: what it lost, what is in its way, and the limits of PyPI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from wheel_uploader.brought.expect import Cell
from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.checks.release_content import ReleaseContent, admits, newest, shown
from wheel_uploader.display import human_size
from wheel_uploader.models import FileState, SdistName, Severity
from wheel_uploader.platforms import places

#: PyPI's limits, until it raises those of a project: bytes of a file, of any file at all, of a project.
FILE_LIMIT = 100 << 20
RAISED_FILE_LIMIT = 1 << 30
PROJECT_LIMIT = 10 << 30
#: How long PyPI takes new files of a release, counted from its first.
OPEN_FOR = timedelta(days=14)


# --- the previous release --------------------------------------------------------------------------


@check("release/lost-against-previous", Severity.ERROR)
def lost_against_previous(release: ReleaseContent) -> Iterator[Yielded]:
    """The previous release had wheels for a python and a platform, and this one has none.

    Its users fall back to the sdist, or stay on the old release without a word. The usual cause is a job
    of the build that failed or was taken out. A python that Requires-Python refuses now is not lost, nor
    one that another wheel serves (the stable ABI, universal2). It is compared with the newest final release
    below this version on the index that is not yanked; "--compare-with VERSION" takes another,
    "--no-compare" none. "--allow-missing win32", "--allow-missing cp310" or
    "--allow-missing 'pp*-macosx_*'" accepts a loss on purpose.
    """
    had = _had(release)
    lost = lost_of(release)
    for python in sorted({cell.python for cell in lost}):
        gone = [cell for cell in had if cell.python == python]
        if len(gone) > 1 and lost.issuperset(gone):
            lost.difference_update(gone)
            platforms = sorted(cell.platform for cell in gone)
            yield f"{release.like} had wheels for {python} on {shown(platforms, 12)}; this release has none"
    for platform in sorted({cell.platform for cell in lost}):
        gone = [cell for cell in had if cell.platform == platform]
        if len(gone) > 1 and lost.issuperset(gone):
            lost.difference_update(gone)
            pythons = sorted(cell.python for cell in gone)
            yield f"{release.like} had wheels for {platform}, for {shown(pythons, 12)}; this release has none"
    for cell in sorted(lost, key=str):
        yield f"{release.like} had {cell}; this release has none"


def lost_of(release: ReleaseContent) -> set[Cell]:
    """Every python and platform that the previous release served and this one does not, against its will."""
    if not release.whole:
        return set()
    return {
        cell
        for cell in _had(release)
        if not any(cell.is_filled_by(name) for name in release.all_names)
        and not may_be_lost(cell, release.allow_lost)
    }


def _had(release: ReleaseContent) -> set[Cell]:
    served = places.cells_of(release.previous, beside=release.all_names)
    return {cell for cell in served if admits(release.requires_python, cell.python)}


def may_be_lost(cell: Cell, allowed: Iterable[str]) -> bool:
    """Whether a pattern of ``--allow-missing`` is about this python and platform."""
    names = (cell.python, cell.platform, f"{cell.python}-{cell.platform}")
    return any(fnmatchcase(name, pattern) for pattern in allowed for name in names)


@check("release/older-than-latest", Severity.NOTE)
def older_than_latest(release: ReleaseContent) -> Iterator[Yielded]:
    """The index has a newer release.

    So it should be for a maintenance release of an older branch, and for nothing else. "pip install" goes
    on taking the newer one; if that is not what you want, correct the version and build again.
    """
    latest = newest(name.version for name, file in release.listed if not file.yanked)
    if latest is not None and release.version < latest:
        yield f"the index has {latest}"


@check("release/dev-to-pypi", Severity.WARNING)
def dev_to_pypi(release: ReleaseContent) -> Iterator[Yielded]:
    """A development version goes to PyPI.

    What is there stays there, and nightly builds fill the 10 GB of a project within months. The usual cause
    is a tag that was missing when the version was computed. Tag the commit and build again; nightly builds
    belong on an index of their own.
    """
    if release.to_pypi and release.version.is_devrelease:
        yield f"{release.version} is a development version"


# --- what is there already -------------------------------------------------------------------------


@check("release/different-on-index", Severity.ERROR)
def different_on_index(release: ReleaseContent) -> Iterator[Yielded]:
    """The index has other bytes under this name.

    A name can be used only once, and what is there is what everybody gets; no retry and no option changes
    that. Somebody published another build, or the files were built again after a run that was only half
    done. Publish the first build's files, or a new version.
    """
    for state in release.states:
        if state.state is FileState.DIFFERENT:
            spelled = f" as {state.other_name}" if state.other_name else ""
            yield (
                state.file.filename,
                f"here its sha256 is {state.file.sha256}, on the index{spelled} {state.index_sha256}",
            )


@pypi_check("release/same-bytes-other-name")
def same_bytes_other_name(release: ReleaseContent) -> Iterator[Yielded]:
    """The same bytes are there under another name.

    PyPI refuses a file whose bytes it has under another name, and other tools take that for "exists" and
    go on without a word. The usual cause is a file that was renamed and not built again. Build it under its
    own name.
    """
    for state in release.states:
        if state.state is FileState.SAME_BYTES_OTHER_NAME:
            yield state.file.filename, f"the index has it as {state.other_name}"
    first: dict[str, str] = {}
    for file in release.files:
        if (other := first.setdefault(file.sha256, file.filename)) != file.filename:
            yield file.filename, f"it is the same as {other}"


@pypi_check("release/second-sdist")
def second_sdist(release: ReleaseContent) -> Iterator[Yielded]:
    """The index has an sdist of this release already.

    PyPI takes one for each release. The usual cause is one with another spelling of the project's name,
    from an older build tool. Leave this one out.
    """
    there = [name.filename for name, _ in release.there if isinstance(name, SdistName)]
    for sdist in release.sdists:
        if there and sdist.filename not in there:
            yield sdist.filename, f"the index has {shown(there)}"


@pypi_check("release/closed")
def closed(release: ReleaseContent) -> Iterator[Yielded]:
    """The release is closed.

    Since July 2026 PyPI takes no new files of a release whose first file is older than 14 days (what it has
    already may be posted again). Publish a new version, such as a post-release.
    """
    times = [file.upload_time for _, file in release.there if file.upload_time]
    if not times or all(state.state is FileState.SAME for state in release.states):
        return
    first = min(map(_utc, times))
    age = release.now - first
    if age > OPEN_FOR:
        yield f"its first file was published on {first:%Y-%m-%d}, {age.days} days ago"


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@check("release/project-status", Severity.ERROR)
def project_status(release: ReleaseContent) -> Iterator[Yielded]:
    """The project is archived or quarantined.

    An archived project takes no files until one of its owners unarchives it on the index. A quarantined one
    is withheld from everybody until the index's administrators have looked at it: write to them.
    """
    if release.page and release.page.status in {"archived", "quarantined"}:
        reason = f" ({release.page.status_reason})" if release.page.status_reason else ""
        yield f"on the index it is {release.page.status}{reason}"


# --- limits ----------------------------------------------------------------------------------------


@pypi_check("release/file-too-big")
def file_too_big(release: ReleaseContent) -> Iterator[Yielded]:
    """A file is larger than PyPI takes.

    The limit is 100 MiB. It can be raised for a project, up to 1 GiB, which is not public; but where a
    larger file of the project is published it must have been. The usual causes are debug symbols, test data
    and bundled libraries. Make the file smaller, or ask for a higher limit before the release.
    """
    raised = any((file.size or 0) > FILE_LIMIT for _, file in release.listed)
    limit = RAISED_FILE_LIMIT if raised else FILE_LIMIT
    for each in release.summaries:
        if each.size > limit:
            yield each.name.filename, f"it has {human_size(each.size)}, the limit is {human_size(limit)}"


@pypi_check("release/project-too-big")
def project_too_big(release: ReleaseContent) -> Iterator[Yielded]:
    """The project would become larger than PyPI takes.

    The limit is 10 GiB for all files of all releases, and the upload that passes it is refused: the release
    is half published then. A project that is larger already has a higher limit, which is not public. Delete
    old development releases, or ask for a higher limit before the release.
    """
    there = sum(file.size or 0 for _, file in release.listed)
    names = {name.filename for name, _ in release.listed}
    ours = sum(each.size for each in release.summaries if each.name.filename not in names)
    if there and there <= PROJECT_LIMIT < there + ours:
        yield f"it has {human_size(there)}, and {human_size(ours)} more are over {human_size(PROJECT_LIMIT)}"


CHECKS = (
    lost_against_previous,
    older_than_latest,
    dev_to_pypi,
    different_on_index,
    same_bytes_other_name,
    second_sdist,
    closed,
    project_status,
    file_too_big,
    project_too_big,
)
