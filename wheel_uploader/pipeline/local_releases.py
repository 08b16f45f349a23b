"""The releases in local folders, for a caller that judges each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wheel_uploader.core.errors import NothingFoundError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import ListingGap, RemoteFile
from wheel_uploader.listing import selection
from wheel_uploader.listing.sources.base import ListingEntry, ReleaseQuery
from wheel_uploader.listing.sources.local import LocalFiles
from wheel_uploader.pipeline.list_stage import raise_for_gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRelease:
    """The files of one release, each as a ``file:`` URL."""

    name: str
    urls: tuple[str, ...]


def find_local_releases(
    places: Sequence[str], exclude: Sequence[str] = ()
) -> tuple[LocalRelease, ...] | None:
    """Return the releases with a file in one of the folders, sorted by project and version.

    A folder that does not exist has none. Returns None if a place is not on this machine. Raises
    NothingFoundError or FileError if a part of a folder that may belong to a release cannot be read.
    """
    if not all(map(LocalFiles.claims, places)):
        return None
    entries = [entry for place in places for entry in _list_files(place)]
    raise_for_gaps([entry for entry in entries if isinstance(entry, ListingGap)])
    files = [entry for entry in entries if isinstance(entry, RemoteFile)]
    releases, _ = selection.group_by_release(files, exclude)
    return tuple(
        LocalRelease(name=f"{project} {version}", urls=tuple(dict.fromkeys(file.url for file in staged)))
        for (project, version), staged in sorted(releases.items())
    )


def _list_files(place: str) -> Iterable[ListingEntry]:
    try:
        yield from LocalFiles(place).iter_files(ReleaseQuery())
    except NothingFoundError:
        return
