"""Retention: remove older releases from the wheelhouse once the index serves the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from packaging.version import Version

from wheel_uploader import index, names
from wheel_uploader.digests import digest, read_file
from wheel_uploader.models import (
    DistName,
    FileState,
    IndexFile,
    LocalFile,
    Options,
    ProjectPage,
    Removal,
    Selection,
)
from wheel_uploader.progress import Progress
from wheel_uploader.wheelhouse import Wheelhouse


def tidy(
    wheelhouse: Wheelhouse,
    options: Options,
    current: Selection,
    page: ProjectPage,
    sha256_of: Callable[[IndexFile], str],
    *,
    now: datetime,
    progress: Progress,
) -> tuple[Removal, ...]:
    """Remove the releases that neither ``--keep-releases`` nor ``--keep-days`` keeps, and return them.

    With ``--dry-run``, return what would be removed. ``page`` is the index's page of this project. A release
    is kept as a whole, and reported under ``-v``, if the index does not serve each of its files with the
    same bytes. The signatures and attestations of a removed file go with it; all other files are left alone.
    """
    if options.keep_releases is None and options.keep_days is None:
        return ()
    releases = _group_by_version(wheelhouse, current.project)
    times = {
        version: max(wheelhouse.modified(name.filename) for name in files)
        for version, files in releases.items()
    }
    days = timedelta(days=options.keep_days) if options.keep_days is not None else None
    removed = []
    for version in surplus(
        times, current.version, keep=options.keep_releases, since=now - days if days is not None else None
    ):
        files = [_hash_file(wheelhouse, name) for name in releases[version]]
        states = index.compare(page, files, sha256_of)
        missing = [state.file.filename for state in states if state.state is not FileState.SAME]
        if missing:
            progress.detail(
                f"{current.project} {version} is kept in the wheelhouse: the index does not serve "
                f"{missing[0]} with equal bytes"
            )
            continue
        if not options.dry_run:
            outdated = {file.filename for file in files}
            attached = [name for name in wheelhouse.filenames() if names.about(name) in outdated]
            for filename in [*outdated, *attached]:
                wheelhouse.remove(filename)
        removed.append(
            Removal(
                version=version,
                filenames=tuple(file.filename for file in files),
                size=sum(file.size for file in files),
            )
        )
    return tuple(removed)


def surplus(
    times: Mapping[Version, datetime], current: Version, *, keep: int | None, since: datetime | None
) -> tuple[Version, ...]:
    """Return the versions that neither rule keeps, oldest first; the ``current`` version is always kept.

    ``times`` maps each version to the modification time of its newest file. ``keep`` is the number of newest
    versions (PEP 440 order) to keep, including the current one.
    """
    newest_first = sorted(times, reverse=True)
    kept: Collection[Version] = {current, *newest_first[: keep or 0]}
    if since is not None:
        kept = {*kept, *(version for version, time in times.items() if time >= since)}
    return tuple(version for version in reversed(newest_first) if version not in kept)


def _group_by_version(wheelhouse: Wheelhouse, project: str) -> dict[Version, list[DistName]]:
    releases: dict[Version, list[DistName]] = {}
    for filename in wheelhouse.filenames():
        try:
            name = names.parse(filename)
        except names.NameRefused:
            continue
        if name.project == project:
            releases.setdefault(name.version, []).append(name)
    return releases


def _hash_file(wheelhouse: Wheelhouse, name: DistName) -> LocalFile:
    path = wheelhouse.path / name.filename
    digests = digest(read_file(wheelhouse.open_file(name.filename), str(path)), None)
    return LocalFile(
        name=name,
        path=path,
        size=digests.size,
        sha256=digests.sha256,
    )
