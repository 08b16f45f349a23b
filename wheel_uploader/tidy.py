"""Older releases of the project leave the wheelhouse: only what the index serves with the same bytes."""

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
    house: Wheelhouse,
    options: Options,
    current: Selection,
    page: ProjectPage,
    sha256_of: Callable[[IndexFile], str],
    *,
    now: datetime,
    progress: Progress,
) -> tuple[Removal, ...]:
    """Remove the releases that neither ``--keep-releases`` nor ``--keep-days`` keeps, and return them.

    Under ``--dry-run`` return those that would be removed.

    ``page`` is the index's, of this project. A release of which any file is not served with our bytes stays
    whole, and ``-v`` says so; files of other projects, and what is no wheel and no sdist, are not looked at.
    """
    if options.keep_releases is None and options.keep_days is None:
        return ()
    here = _releases(house, current.project)
    times = {version: max(house.modified(name.filename) for name in files) for version, files in here.items()}
    days = timedelta(days=options.keep_days) if options.keep_days is not None else None
    removed = []
    for version in surplus(
        times, current.version, keep=options.keep_releases, since=now - days if days is not None else None
    ):
        files = [_local(house, name) for name in here[version]]
        states = index.compare(page, files, sha256_of)
        missing = [state.file.filename for state in states if state.state is not FileState.SAME]
        if missing:
            progress.detail(
                f"{current.project} {version} stays in the wheelhouse: the index does not serve {missing[0]} "
                "with these bytes"
            )
            continue
        if not options.dry_run:
            gone = {file.filename for file in files}
            beside = [name for name in house.filenames() if names.about(name) in gone]
            for filename in [*gone, *beside]:
                house.remove(filename)
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
    """The versions to remove, the oldest first: those that neither rule keeps, never the ``current`` one.

    ``times``: when the newest file of each came. ``keep`` counts by PEP 440, the current release included.
    """
    newest_first = sorted(times, reverse=True)
    kept: Collection[Version] = {current, *newest_first[: keep or 0]}
    if since is not None:
        kept = {*kept, *(version for version, time in times.items() if time >= since)}
    return tuple(version for version in reversed(newest_first) if version not in kept)


def _releases(house: Wheelhouse, project: str) -> dict[Version, list[DistName]]:
    found: dict[Version, list[DistName]] = {}
    for filename in house.filenames():
        try:
            name = names.parse(filename)
        except names.NameRefused:
            continue
        if name.project == project:
            found.setdefault(name.version, []).append(name)
    return found


def _local(house: Wheelhouse, name: DistName) -> LocalFile:
    path = house.path / name.filename
    digests = digest(read_file(house.open_file(name.filename), str(path)), None)
    return LocalFile(
        name=name,
        path=path,
        size=digests.size,
        sha256=digests.sha256,
    )
