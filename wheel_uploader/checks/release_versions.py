"""Checks of the version against those on the index: whether an installer would choose this release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, parse_project_files
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, FileComparison, ProjectPage, SdistName, Severity, WheelName
from wheel_uploader.core.platforms.matrix import slots_by_cell
from wheel_uploader.core.redaction import strip_url


@check("release/not-newest", Severity.WARNING)
def not_newest(release: ReleaseContent) -> Iterator[Observation]:
    """Installers would choose another version than this one.

    VERSION is "latest", so this release is meant to be the newest, but the index has a higher version: nobody
    gets this one without asking for its number, and later builds that are numbered in the same way have the
    same fate. Common causes are a checkout without tags, a base number that was not raised after a release or
    a release candidate, a date in another format, a commit in the local part, and an old build in the staging
    area. Pre-releases count if this is one or with --pre. "--compare-index URL" names a second index to
    compare with, such as the one with the final releases. Give the number of a maintenance release instead of
    "latest".
    """
    preferred = find_preferred_release(release)
    if preferred:
        installer = "an installer that takes pre-releases" if _takes_prereleases(release) else "an installer"
        place = f", which {strip_url(preferred.page.url)} has," if preferred.is_elsewhere else ""
        yield (
            f"{installer} chooses {preferred.version}{place} instead of {release.version}: "
            f"{explain_order(release.version, preferred.version)}"
        )


@check("release/final-among-dev", Severity.WARNING)
def final_among_dev(release: ReleaseContent) -> Iterator[Observation]:
    """Final version is about to join an index that has only development builds.

    VERSION is "latest" with --pre, as for nightly builds, but the number has no ".dev" part. Every later
    nightly of this number comes before it and is never installed. The usual cause is a build of a tagged
    commit, or a version without the development suffix. Check the number, or publish the release on the index
    for releases.
    """
    if not (release.is_latest and release.includes_prereleases) or release.version.is_prerelease:
        return
    published = {name.version for name, file in release.project_files if not file.yanked}
    if published and all(version.is_devrelease for version in published):
        yield (
            f"{release.version} is a final version; the index has development builds only, "
            f"the newest is {max(published)}"
        )


# --- the choice of an installer --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferredRelease:
    """The release that an installer chooses instead of this one."""

    version: Version
    page: ProjectPage
    #: True if it is on the index of ``--compare-index``.
    is_elsewhere: bool


def find_preferred_release(release: ReleaseContent) -> PreferredRelease | None:
    """Return the release that an installer would choose instead of this one; None if it would choose this.

    None also if this release is not meant to be the newest, or if all its files are on the index already.
    """
    if not release.is_latest or _is_published(release):
        return None
    newer = {
        version: page
        for page in reversed(release.pages)
        for version, names in _list_releases(page, release).items()
        if version > release.version and _serves_same_users(release, names)
    }
    # As pip does with and without --pre: the highest version that the specifiers allow.
    allowed = SpecifierSet().filter(
        [release.version, *newer], prereleases=True if _takes_prereleases(release) else None
    )
    highest = max(allowed, default=release.version)
    if highest == release.version:
        return None
    page = newer[highest]
    return PreferredRelease(version=highest, page=page, is_elsewhere=page is not release.project_page)


def _takes_prereleases(release: ReleaseContent) -> bool:
    return release.includes_prereleases or release.version.is_prerelease


def _is_published(release: ReleaseContent) -> bool:
    states = release.index_states
    return bool(states) and all(state.result is FileComparison.SAME for state in states)


def _list_releases(page: ProjectPage, release: ReleaseContent) -> dict[Version, list[DistName]]:
    """Return the files of each version that an installer may choose: those that are not yanked."""
    releases: dict[Version, list[DistName]] = {}
    for name, file in parse_project_files(page, release.project):
        if not file.yanked:
            releases.setdefault(name.version, []).append(name)
    return releases


def _serves_same_users(release: ReleaseContent, names: Iterable[DistName]) -> bool:
    """Return whether these files are for anyone who can install this release, too."""
    names = list(names)
    if any(isinstance(name, SdistName) for name in names):
        return True
    cells = slots_by_cell(release.all_names, other_names=names)
    if not cells or any(cell.platform == "any" for cell in cells):
        return True
    return any(
        cell.is_satisfied_by(name) or (isinstance(name, WheelName) and "any" in name.platforms)
        for cell in cells
        for name in names
    )


# --- the reason ------------------------------------------------------------------------------------

#: Release numbers that tools give to a checkout without tags: setuptools-scm, versioneer, pbr, dunamai.
_UNTAGGED_NUMBERS = {(), (0, 1), (0, 0, 1)}


def explain_order(version: Version, preferred: Version) -> str:
    """Return why ``version`` comes before ``preferred``, and what to do, in one clause."""
    if Version(version.public) == Version(preferred.public):
        return (
            "they differ only in the local part, which is compared as text, and a commit has no order; put a "
            "date or a counter before it"
        )
    if version.epoch != preferred.epoch:
        return f"its epoch is {version.epoch}, not {preferred.epoch}"
    if Version(version.base_version) != Version(preferred.base_version):
        return _explain_base_number(version, preferred)
    if not version.is_prerelease:
        return _STAGE_NEWEST
    if not preferred.is_prerelease:
        return (
            f"the base number {version.base_version} has been released, and {version} comes before it; raise "
            "the base number to that of the next release"
        )
    if not version.is_devrelease:
        return _STAGE_NEWEST
    if preferred.is_devrelease and version.pre == preferred.pre:
        return _explain_dev_numbers(str(version.dev), str(preferred.dev))
    return _explain_prerelease(version, *preferred.pre) if preferred.pre else _STAGE_NEWEST


_STAGE_NEWEST = "a build with a higher number is there already; stage the newest build"


def _explain_base_number(version: Version, preferred: Version) -> str:
    release = version.release
    while release and release[-1] == 0:
        release = release[:-1]
    if release in _UNTAGGED_NUMBERS and (version.is_prerelease or version.is_postrelease or version.local):
        return (
            "this is the number of a checkout whose tags are missing; fetch the tags, which a shallow clone "
            "does not have, and build again"
        )
    return (
        f"the base number {version.base_version} is below {preferred.base_version}; raise it, or stage the "
        "newest build"
    )


def _explain_prerelease(version: Version, kind: str, number: int) -> str:
    base = version.base_version
    return (
        f"both have the base number {base}, and its development builds come before its pre-releases; number "
        f"this build after {base}{kind}{number}, such as {base}{kind}{number + 1}.dev{version.dev}"
    )


#: Digits of the shortest date, YYMMDD.
_MIN_DATE_DIGITS = 6


def _explain_dev_numbers(number: str, preferred: str) -> str:
    if len(number) == len(preferred) or len(preferred) < _MIN_DATE_DIGITS:
        return _STAGE_NEWEST
    return (
        f"the date in dev{preferred} has {len(preferred)} digits, so that every number of "
        f"{format_count(len(number), 'digit')}, such as dev{number}, comes before it; yank or delete that "
        "build, or use the longer form"
    )


CHECKS = (not_newest, final_among_dev)
