"""One file for each name: copies of a file are merged, and different files of one name are an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from wheel_uploader.core.errors import FileError
from wheel_uploader.core.models import RemoteFile
from wheel_uploader.core.redaction import sanitize, strip_url
from wheel_uploader.facts import link_names

Item = TypeVar("Item")


def deduplicate(
    items: Sequence[Item], get_file: Callable[[Item], RemoteFile], compute_sha256: Callable[[RemoteFile], str]
) -> tuple[Item, ...]:
    """Return ``items`` without further copies of the same file.

    Raises FileError if two sources list different contents for one name, or if two names differ only in case:
    a wheelhouse cannot hold both files on every file system, so one of them must be chosen first. All other
    names are kept, for the checks to judge.
    """
    chosen: dict[str, Item] = {}
    conflicts: list[_Conflict] = []
    for item in items:
        file = get_file(item)
        first = get_file(chosen.setdefault(file.filename.lower(), item))
        if first is file:
            continue
        if first.filename != file.filename:
            conflicts.append(_Conflict(first, file, ""))
        elif reason := _why_different(first, file, compute_sha256):
            conflicts.append(_Conflict(first, file, reason))
    if conflicts:
        raise _make_error(conflicts)
    return tuple(chosen.values())


class _Conflict(NamedTuple):
    """Two listed files, of which only one can be published."""

    first: RemoteFile
    second: RemoteFile
    #: The reason why they may not be equal; empty if their names differ in case.
    reason: str

    def __str__(self) -> str:
        if not self.reason:
            return f"{self.first.filename} and {self.second.filename} differ only in case"
        places = (self.first.source, self.second.source)
        if not self.is_in_two_places and self.first.url != self.second.url:
            places = (strip_url(self.first.url), strip_url(self.second.url))
        return f"{self.second.filename}: {self.reason} at {places[0]} and {places[1]}"

    @property
    def is_in_two_places(self) -> bool:
        """True if the two are listed by different sources."""
        return self.first.source != self.second.source


#: Maximum number of conflicts that are listed individually.
_MAX_CONFLICTS = 100


def _make_error(conflicts: Sequence[_Conflict]) -> FileError:
    # A listing may contain one name at thousands of URLs; a message of that length is not readable.
    lines = [sanitize(line) for line in list(dict.fromkeys(map(str, conflicts)))[:_MAX_CONFLICTS]]
    more = len(conflicts) - len(lines)
    return FileError(
        "release/clash: a file of the release is staged twice, and the copies are not known to be equal",
        details=[*lines, *([f"and {more} more like these"] if more else [])],
        hint=f"Nothing was uploaded. {_suggest_ways(conflicts)}.",
    )


def _suggest_ways(conflicts: Sequence[_Conflict]) -> str:
    """Return the ways out that help with every one of the conflicts."""
    ways = ["Remove the wrong copy"]
    if all(conflict.is_in_two_places for conflict in conflicts):
        ways.append("pass only one source with -u")
    elif all(not conflict.reason for conflict in conflicts):
        ways.append("leave it out with --exclude NAME")
    elif not any(conflict.reason.startswith("different") for conflict in conflicts):
        ways.append("give the sha256 of the right one with --sha256sums FILE")
    return ", or ".join(ways)


def _why_different(first: RemoteFile, second: RemoteFile, compute_sha256: Callable[[RemoteFile], str]) -> str:
    """Return the reason why two listed files are not known to be equal; empty if they are equal."""
    both_hashes = [_hashes_with_local_digest(file, compute_sha256) for file in (first, second)]
    for algorithm in ("sha512", "sha256", "sha384", "blake2b", "md5"):
        pair = {hashes.get(algorithm) for hashes in both_hashes}
        if None not in pair:
            return f"different {algorithm}" if len(pair) > 1 else ""
    if first.url == second.url or link_names.lead_to_one_file(first.url, second.url, first.filename):
        return ""
    if None not in (first.size, second.size) and first.size != second.size:
        return "different sizes"
    return "no hashes to compare"


def _hashes_with_local_digest(
    file: RemoteFile, compute_sha256: Callable[[RemoteFile], str]
) -> dict[str, str]:
    hashes = dict(file.hashes)
    if file.url.startswith("file:") and "sha256" not in hashes:
        hashes["sha256"] = compute_sha256(file)
    return hashes
