"""The choice of the earlier release on the index that a release is compared with."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from packaging.version import Version

from wheel_uploader.checks.release_content import parse_project_files
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.formatting import format_verb
from wheel_uploader.core.models import ComparisonReference, DistName, ProjectPage, WheelName
from wheel_uploader.core.platforms.matrix import MatrixCell, installs_tag, slots_by_cell
from wheel_uploader.core.redaction import strip_url

#: Number of releases before this one that are looked at for the fullest.
_RECENT_RELEASES = 5
#: A release is incomplete if it has at most this share of the usual number of files, and wheels for at most
#: half of the places of the fullest. Between nightlies, a project drops few Pythons and platforms.
_INCOMPLETE_SHARE, _INCOMPLETE_SHARE_OF_NIGHTLY = 0.4, 0.5
#: The newest release with this share of the largest number of files counts as the fullest.
_FULL_SHARE = 0.9

#: The usable files of each earlier release.
_Releases = Mapping[Version, Sequence[DistName]]


def select_reference(
    pages: Sequence[ProjectPage], project: str, version: Version, requested: Version | None = None
) -> ComparisonReference | None:
    """Return the release to compare with, from the first of ``pages`` that has one; None if none has.

    It is ``requested``, or else an earlier release that is not yanked: of a final release, the newest final
    one; of a pre-release or development release, or if there is no final one, the newest of any kind. If that
    one lacks most wheels of another recent release of its kind, such as one with an sdist alone, the newest
    of these that does not is returned. Raises
    UsageError if no page has ``requested``.
    """
    if requested is not None:
        return _find_requested(pages, project, requested)
    for page in pages:
        earlier = _list_usable(page, project, version)
        pool = _narrow(earlier, version)
        if pool:
            return _select_complete(page, {each: earlier[each] for each in pool})
    return None


def explain_missing_reference(pages: Sequence[ProjectPage], project: str, version: Version) -> str:
    """Return why no page has a release to compare with, in one clause."""
    index = "the index has no" if len(pages) == 1 else "neither index has a"
    published = {name.version for page in pages for name, _ in parse_project_files(page, project)}
    if not published:
        return f"{index} release of {project}"
    if any(each < version for each in published):
        return f"every release of {project} below {version} is yanked"
    return f"{index} release of {project} below {version}"


def _find_requested(pages: Sequence[ProjectPage], project: str, requested: Version) -> ComparisonReference:
    for page in pages:
        files = [name for name, _ in parse_project_files(page, project) if name.version == requested]
        if files:
            return ComparisonReference(version=files[0].version, file_count=len(files), page_url=page.url)
    places = " and ".join(strip_url(page.url) for page in pages)
    raise UsageError(
        f"{places} {format_verb(len(pages), 'have')} no {project} {requested} to compare with",
        hint="Pass an existing version with --compare-with, or skip it with --no-compare.",
    )


def _list_usable(page: ProjectPage, project: str, version: Version) -> _Releases:
    """Return the releases below ``version``, with those of their files that are not yanked."""
    releases: dict[Version, list[DistName]] = defaultdict(list)
    for name, file in parse_project_files(page, project):
        if name.version < version and not file.yanked:
            releases[name.version].append(name)
    return releases


def _narrow(versions: Collection[Version], version: Version) -> list[Version]:
    """Return the versions of the kind that ``version`` is compared with."""
    # Builds of a version for other hardware (+cpu, +cu118) are not earlier releases; those of a nightly are.
    same_local = [each for each in versions if each.local == version.local]
    pool = same_local or list(versions)
    if version.is_prerelease:
        return pool
    return [each for each in pool if not each.is_prerelease] or pool


def _select_complete(page: ProjectPage, releases: _Releases) -> ComparisonReference:
    """Return the newest release, or if that one is incomplete, the next of its kind that is complete."""
    newest = max(releases)
    kind = newest.is_devrelease, newest.is_prerelease
    recent = sorted(
        (each for each in releases if (each.is_devrelease, each.is_prerelease) == kind), reverse=True
    )[:_RECENT_RELEASES]
    most = max(len(releases[each]) for each in recent)
    fullest = next(each for each in recent if len(releases[each]) >= _FULL_SHARE * most)
    usual = statistics.median(len(releases[each]) for each in recent[1:] or recent)
    share = _INCOMPLETE_SHARE_OF_NIGHTLY if newest.is_devrelease else _INCOMPLETE_SHARE

    def is_incomplete(version: Version) -> bool:
        few = len(releases[version]) <= share * usual
        return few and _lacks_half(releases[version], releases[fullest])

    # The fullest may be years older, with wheels for Pythons and platforms that were dropped on purpose.
    chosen = next((each for each in recent if not is_incomplete(each)), fullest)
    return ComparisonReference(
        version=chosen,
        file_count=len(releases[chosen]),
        page_url=page.url,
        passed_over={each: len(releases[each]) for each in recent if each > chosen},
    )


def _lacks_half(names: Sequence[DistName], fullest: Sequence[DistName]) -> bool:
    """Return whether ``names`` serve at most half of the Pythons and platforms that ``fullest`` serve."""
    cells = slots_by_cell(fullest)
    return 0 < len(cells) >= 2 * sum(_serves(cell, names) for cell in cells)


def _serves(cell: MatrixCell, names: Sequence[DistName]) -> bool:
    """Return whether a wheel serves this Python and platform; here one for any platform counts, too."""
    return any(
        cell.is_satisfied_by(name)
        or (
            isinstance(name, WheelName)
            and "any" in name.platforms
            and any(installs_tag(cell.python, python, abi) for python in name.pythons for abi in name.abis)
        )
        for name in names
    )
