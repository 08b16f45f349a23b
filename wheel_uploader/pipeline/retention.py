"""Retention: remove older releases from the wheelhouse once the index serves the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

from packaging.version import Version

from wheel_uploader.core import filenames
from wheel_uploader.core.models import (
    DistName,
    FileComparison,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    PrunedRelease,
    Selection,
)
from wheel_uploader.core.progress import Progress
from wheel_uploader.index import client as index_client
from wheel_uploader.pipeline.check_stage import UploadDestination
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.wheelhouse.digests import compute_digests, read_chunks
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse


def prune(
    context: RunContext,
    selection: Selection,
    wheelhouse: Wheelhouse | None,
    destination: UploadDestination,
) -> None:
    """Remove the older releases that the options do not keep from the wheelhouse, and record which."""
    if wheelhouse is None or not destination.target.is_readable:
        return
    context.record(
        pruned_releases=prune_wheelhouse(
            wheelhouse,
            context.options,
            selection,
            destination.project_page,
            destination.target.get_sha256,
            now=datetime.now(UTC),
            progress=context.progress,
        )
    )


def prune_wheelhouse(
    wheelhouse: Wheelhouse,
    options: Options,
    selection: Selection,
    project_page: ProjectPage,
    fetch_sha256: Callable[[IndexFile], str],
    *,
    now: datetime,
    progress: Progress,
) -> tuple[PrunedRelease, ...]:
    """Remove the releases that neither ``--keep-releases`` nor ``--keep-days`` keeps, and return them.

    With ``--dry-run``, return what would be removed. ``project_page`` is the index's page of this project. A
    release is kept as a whole, and reported under ``-v``, if the index does not serve each of its files with
    the same bytes. The signatures and attestations of a removed file go with it; all other files are left
    alone.
    """
    if options.keep_releases is None and options.keep_days is None:
        return ()
    releases = _group_by_version(wheelhouse, selection.project)
    times = {
        version: max(wheelhouse.modification_time(name.filename) for name in files)
        for version, files in releases.items()
    }
    days = timedelta(days=options.keep_days) if options.keep_days is not None else None
    removed = []
    for version in versions_to_remove(
        times,
        selection.version,
        keep_releases=options.keep_releases,
        keep_since=now - days if days is not None else None,
    ):
        files = [_hash_file(wheelhouse, name) for name in releases[version]]
        states = index_client.compare_with_index(project_page, files, fetch_sha256)
        missing = [state.file.filename for state in states if state.result is not FileComparison.SAME]
        if missing:
            progress.debug(
                f"{selection.project} {version} is kept in the wheelhouse: the index does not serve "
                f"{missing[0]} with equal bytes"
            )
            continue
        if not options.dry_run:
            outdated = {file.filename for file in files}
            attached = [
                name for name in wheelhouse.filenames() if filenames.attested_filename(name) in outdated
            ]
            for filename in [*outdated, *attached]:
                wheelhouse.remove_file(filename)
        removed.append(
            PrunedRelease(
                version=version,
                filenames=tuple(file.filename for file in files),
                size=sum(file.size for file in files),
            )
        )
    return tuple(removed)


def versions_to_remove(
    modified_at: Mapping[Version, datetime],
    current: Version,
    *,
    keep_releases: int | None,
    keep_since: datetime | None,
) -> tuple[Version, ...]:
    """Return the versions that neither rule keeps, oldest first; the ``current`` version is always kept.

    ``modified_at`` maps each version to the modification time of its newest file. ``keep_releases`` is the
    number of newest versions (PEP 440 order) to keep, including the current one.
    """
    newest_first = sorted(modified_at, reverse=True)
    kept: Collection[Version] = {current, *newest_first[: keep_releases or 0]}
    if keep_since is not None:
        kept = {*kept, *(version for version, time in modified_at.items() if time >= keep_since)}
    return tuple(version for version in reversed(newest_first) if version not in kept)


def _group_by_version(wheelhouse: Wheelhouse, project: str) -> dict[Version, list[DistName]]:
    releases: dict[Version, list[DistName]] = {}
    for filename in wheelhouse.filenames():
        try:
            name = filenames.parse_filename(filename)
        except filenames.InvalidFilename:
            continue
        if name.project == project:
            releases.setdefault(name.version, []).append(name)
    return releases


def _hash_file(wheelhouse: Wheelhouse, name: DistName) -> LocalFile:
    path = wheelhouse.path / name.filename
    digests = compute_digests(read_chunks(wheelhouse.open_file(name.filename), str(path)), None)
    return LocalFile(
        name=name,
        path=path,
        size=digests.size,
        sha256=digests.sha256,
    )
