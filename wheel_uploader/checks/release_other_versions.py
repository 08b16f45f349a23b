"""Files that are staged under another version and fill a place that the release lacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from packaging.version import Version

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core import local_versions
from wheel_uploader.core.formatting import format_verb
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, SdistName, Severity
from wheel_uploader.core.platforms import matrix as platform_matrix
from wheel_uploader.core.platforms.matrix import MatrixCell

#: A place in a release: a Python on a platform; None is that of the sdist.
_Place = MatrixCell | None

#: Maximum number of places and of files that a finding names.
_MAX_PLACES, _MAX_FILES = 6, 4
#: Versions whose places are compared in detail; a staging place may keep every nightly build of years.
_MAX_VERSIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fragment:
    """The files of another version that fill places which the release lacks."""

    version: Version
    #: The place of each file, of those that the release lacks.
    names: dict[_Place, DistName]
    #: The likely reason for the other version.
    reason: str

    @property
    def filenames(self) -> list[str]:
        """The names of the files, each once."""
        return sorted({name.filename for name in self.names.values()})


@check("release/other-version-in-place", Severity.WARNING)
def other_version_in_place(release: ReleaseContent) -> Iterator[Observation]:
    """File of the project is staged under another version, where the release has none.

    One job computed another version than the others, so that its file is left out of the release: users of
    that Python and platform get no wheel, or nobody gets the sdist. The version tells the reason. A local
    part with a commit or a date means that the job's checkout was not at the tag, or had uncommitted changes;
    "0.0" and "0.1.dev1" mean that it had no tags (a shallow clone); a development version means that it was
    not at the tag. Build that file again from a clean checkout at the tag. Complete releases of other
    versions, and variants of this one with another local version such as "+cu128", are not reported; a file
    that is staged on purpose can be left out with --exclude.
    """
    for fragment in _find_fragments(release):
        places = [f"{place.python} on {place.platform}" for place in fragment.names if place]
        places = sorted(places) + ["the sdist"] * (None in fragment.names)
        verb = format_verb(len(places), "are")
        yield (
            f"{summarize_values(places, _MAX_PLACES)} {verb} staged only as version {fragment.version} "
            f"({summarize_values(fragment.filenames, _MAX_FILES)}): {fragment.reason}"
        )


def describe_other_versions(release: ReleaseContent, places: Collection[MatrixCell | None]) -> str:
    """Return which files fill one of ``places`` under another version, to append to a sentence, or ""."""
    filenames = {
        name.filename: fragment.version
        for fragment in _find_fragments(release)
        for place, name in fragment.names.items()
        if place in places
    }
    texts = [f"{filename} is staged, but as version {version}" for filename, version in filenames.items()]
    return f"; {summarize_values(sorted(texts), _MAX_FILES)}" if texts else ""


def _find_fragments(release: ReleaseContent) -> list[_Fragment]:
    """Return the fragments of the release under other versions, the newest version first."""
    if not release.is_complete_selection or not release.other_names:
        return []
    by_version: dict[Version, list[DistName]] = defaultdict(list)
    for name in release.other_names:
        by_version[name.version].append(name)
    our_slots = _list_slots(release.all_names)
    candidates = [
        version
        for version in sorted(by_version, reverse=True)
        if not _is_variant(version, release.version) and _list_slots(by_version[version]) - our_slots
    ]
    fragments = (
        _find_fragment(release, version, by_version[version]) for version in candidates[:_MAX_VERSIONS]
    )
    return [fragment for fragment in fragments if fragment]


def _find_fragment(release: ReleaseContent, version: Version, names: list[DistName]) -> _Fragment | None:
    """Return the files of another version in places that the release lacks.

    Return None if there are none, or if that version seems to be a release of its own: it fills every place
    of this one, or many of them.
    """
    ours = set(_list_places(release.all_names, names))
    theirs = _list_places(names, release.all_names)
    missing = {place: name for place, name in theirs.items() if place not in ours}
    shared = len(theirs) - len(missing)
    if not missing or ours <= theirs.keys():
        return None
    reason = _explain_version(version, release.version)
    is_own_release = shared * 2 > len(theirs) if reason else shared or len(theirs) > len(ours)
    if is_own_release:
        return None
    return _Fragment(version=version, names=missing, reason=reason or "it was given another version")


def _is_variant(version: Version, released: Version) -> bool:
    """Return whether a version is this release in another variant: ``1.0+cpu`` beside ``1.0+cu128``."""
    return version.public == released.public and not local_versions.is_build_of_checkout(version)


def _explain_version(version: Version, released: Version) -> str:
    """Return why a tool would compute this version for a build of ``released``; empty if none would."""
    is_untagged = not any(version.release) or (version.release == (0, 1) and version.is_devrelease)
    if is_untagged and version.release != released.release:
        return "the checkout of its build probably had no tags"
    if local_versions.date_from_local(version) or "dirty" in (version.local or ""):
        return "the checkout of its build probably had uncommitted changes"
    if version.is_devrelease or local_versions.is_build_of_checkout(version):
        return "the checkout of its build was probably not at the tag"
    return ""


def _list_slots(names: Iterable[DistName]) -> set[object]:
    """Return what the names fill, without expanding it to every Python: fast, to find what is equal."""
    slots: set[object] = set()
    for name in names:
        slots.update([None] if isinstance(name, SdistName) else platform_matrix.expand_slots(name))
    return slots


def _list_places(names: list[DistName], other_names: list[DistName]) -> dict[_Place, DistName]:
    """Return the places that the names fill, with one file for each."""
    places: dict[_Place, DistName] = {}
    for name in names:
        if isinstance(name, SdistName):
            places[None] = name
    by_slot = platform_matrix.group_by_slot(names)
    for cell, slots in platform_matrix.slots_by_cell(names, other_names=other_names).items():
        places[cell] = by_slot[slots[0]][0]
    return places


CHECKS = (other_version_in_place,)
