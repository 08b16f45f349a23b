"""Checks of the release as a whole: its set of files, and their consistency."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator

from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.checks.release_content import (
    ReleaseContent,
    admits_python,
    parse_requires_python,
    summarize_values,
)
from wheel_uploader.checks.release_other_versions import describe_other_versions
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import DistName, FileSummary, SdistName, Severity, WheelName
from wheel_uploader.core.platforms import matrix as platform_matrix


@check("release/mixed", Severity.ERROR)
def mixed(release: ReleaseContent) -> Iterator[Observation]:
    """File belongs to a different project or version.

    Files of two releases would be published together, and a file name can be used only once on an index. Such
    files are normally excluded when the source is listed, which "-v" shows; this check covers the files that
    were selected. Remove files of other releases from the staging area.
    """
    for name in release.local_names:
        if (name.project, name.version) != (release.project, release.version):
            yield name.filename, f"it belongs to {name.project} {name.version}"


@check("release/clash", Severity.ERROR)
def clash(release: ReleaseContent) -> Iterator[Observation]:
    """Same file is staged twice, and the copies may differ.

    There are two spellings of a name that an index treats as equal ("foo-1.0", "foo-1.0.0"), so it is unclear
    which of them belongs to the release. Files with the same name but different contents, and names that
    differ only in case, stop the run as soon as the sources are listed, and cannot be ignored, because a
    wheelhouse has room for only one of them. The usual cause is a second build that was staged alongside the
    first. Remove the wrong copy, or pass only one source with -u.
    """
    filenames: dict[object, str] = {}
    for name in release.local_names:
        if (other := filenames.setdefault(name.slot, name.filename)) != name.filename:
            yield name.filename, f"it and {other} are spellings of the same file name"


# --- the matrix ------------------------------------------------------------------------------------


@check("release/duplicate-slot", Severity.ERROR)
def duplicate_slot(release: ReleaseContent) -> Iterator[Observation]:
    """One Python version has more wheels for a platform than the others.

    For example, there is a macosx_15_0_arm64 wheel in addition to the macosx_11_0_arm64 one: every newer Mac
    installs the former, whatever it contains. The usual cause is a wheel that was built by hand, or a job
    that ran twice with different settings. Remove the stray wheel. Several wheels are considered intentional
    if (nearly) every Python version has as many for the platform, such as macosx_11_0 and macosx_14_0 for
    each; if the same Python version has wheels for the same OS versions on another architecture; or if the
    previous release on the index, or the last one before it that had wheels, had as many. A second wheel with
    the same tags and a build number is not reported either, whereas py3-none-any in addition to
    py2.py3-none-any always is.
    """
    local_names = set(release.local_names)
    yield from _find_overlapping_tags(release, local_names)
    previous = {
        slot: _group_by_platforms(wheels)
        for slot, wheels in platform_matrix.group_by_slot(release.previous_wheels).items()
    }
    counts = _WheelCounts(
        {
            slot: _group_by_platforms(wheels)
            for slot, wheels in platform_matrix.group_by_slot(release.all_names).items()
        }
    )
    for slot, variants in counts.wheels.items():
        allowed = max(counts.usual(slot), len(previous.get(slot, {})))
        if len(variants) <= allowed or counts.has_matching_architecture(slot):
            continue
        stray = counts.stray(slot)
        if variants[stray] not in local_names:
            continue  # A published file cannot be removed.
        others = summarize_values(sorted(set(variants) - {stray}))
        usually = f"; most Python versions have {allowed}" if counts.pythons(slot) > 1 else ""
        yield variants[stray].filename, f"it is in addition to {others} for {slot}{usually}"


def _find_overlapping_tags(release: ReleaseContent, local_names: set[DistName]) -> Iterator[Observation]:
    """Yield each local wheel that shares some of its Pythons, and all platforms, with another wheel."""
    first: dict[tuple[object, ...], WheelName] = {}
    for name in sorted(release.all_names, key=lambda name: (name in local_names, name.filename)):
        if not isinstance(name, WheelName) or name.version != release.version:
            continue
        kind = (name.project, name.build, frozenset(name.platforms))
        others = {
            tag: other
            for tag in itertools.product(name.pythons, name.abis)
            if (other := first.setdefault((*kind, *tag), name)).tags != name.tags
        }
        if others and name in local_names:
            (python, abi), other = next(iter(others.items()))
            yield (
                name.filename,
                f"{other.filename} is for {python}-{abi} on the same platforms, and installers take either",
            )


#: Wheels for one Python and platform by platform tags; those that differ only in the build number count once.
_Variants = dict[str, WheelName]


def _group_by_platforms(wheels: list[WheelName]) -> _Variants:
    return {".".join(sorted(wheel.platforms)): wheel for wheel in wheels}


class _WheelCounts:
    """Number of wheels for each Python and platform, with the numbers that are usual."""

    def __init__(self, wheels: dict[platform_matrix.WheelSlot, _Variants]) -> None:
        self.wheels = wheels
        #: For a platform, and for a platform and kind of Python: how many Python versions have each number of
        #: wheels.
        self._counts: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        #: Number of Python versions with a wheel for this platform and these tags.
        self._tag_counts: Counter[tuple[str, str]] = Counter()
        self._same_python: dict[tuple[str, str], list[platform_matrix.WheelSlot]] = defaultdict(list)
        for slot, variants in wheels.items():
            self._counts[(slot.platform,)][len(variants)] += 1
            self._counts[slot.platform, platform_matrix.python_build(slot).kind][len(variants)] += 1
            self._tag_counts.update((slot.platform, tags) for tags in variants)
            self._same_python[slot.python, slot.abi].append(slot)

    def pythons(self, slot: platform_matrix.WheelSlot) -> int:
        """Return the number of Python versions with a wheel for this platform."""
        return self._counts[(slot.platform,)].total()

    def usual(self, slot: platform_matrix.WheelSlot) -> int:
        """Return how many wheels most Pythons, or most of this kind, have; the lower number in a tie."""

        def most_common(counts: Counter[int]) -> int:
            return min(counts, key=lambda count: (-counts[count], count)) if counts.total() > 1 else 1

        same_kind = self._counts[slot.platform, platform_matrix.python_build(slot).kind]
        return max(most_common(self._counts[(slot.platform,)]), most_common(same_kind))

    def has_matching_architecture(self, slot: platform_matrix.WheelSlot) -> bool:
        """Return whether this Python has wheels for the same OS versions on another architecture."""
        slots = self._same_python[slot.python, slot.abi]
        return any(self._versions(other) == self._versions(slot) for other in slots if other != slot)

    def _versions(self, slot: platform_matrix.WheelSlot) -> tuple[str, list[tuple[int, ...]]]:
        system = slot.platform.partition("_")[0]
        wheels = self.wheels[slot].values()
        return system, sorted(
            platform_matrix.oldest_platform_version(wheel, slot.platform) for wheel in wheels
        )

    def stray(self, slot: platform_matrix.WheelSlot) -> str:
        """Return tags that no other Python has, else those that the newest systems install."""
        variants = self.wheels[slot]
        newest_first = sorted(
            variants,
            key=lambda tags: platform_matrix.oldest_platform_version(variants[tags], slot.platform),
            reverse=True,
        )
        unique = [tags for tags in newest_first if self._tag_counts[slot.platform, tags] == 1]
        return (unique or newest_first)[0]


@check("release/hole-in-matrix", Severity.WARNING)
def hole_in_matrix(release: ReleaseContent) -> Iterator[Observation]:
    """Python version has no wheel for a platform that most others support.

    Its users get the sdist and must compile it. The usual cause is a build job that failed or whose files
    were not collected. CPython, its free-threaded builds, PyPy and the stable ABI are considered separately.
    A platform may start with a newer Python version, and a gap that the previous release on the index also
    had is considered intentional. Use --expect to declare the files of a release.
    """
    if not release.is_complete_selection:
        return
    previous = platform_matrix.platforms_by_build(release.previous_wheels)
    rows = platform_matrix.platforms_by_build(release.all_names)
    kinds = Counter(row.kind for row in rows)
    counts = Counter((row.kind, platform) for row in rows for platform in rows[row])
    first_version: dict[tuple[str, str], tuple[int, int]] = {}
    usual: dict[str, list[str]] = defaultdict(list)
    for row in sorted(rows):
        for platform in rows[row]:
            first_version.setdefault((row.kind, platform), row.version)
    for (kind, platform), count in counts.items():
        if count * 2 > kinds[kind]:
            usual[kind].append(platform)
    for row in sorted(rows):
        missing = {
            platform for platform in usual[row.kind] if first_version[row.kind, platform] < row.version
        } - rows[row]
        if row in previous:
            missing &= previous[row]
        if missing:
            platforms = summarize_values(sorted(missing), 12)
            yield f"{row} has no wheel for {platforms}, but most Python versions do"


# --- consistency -----------------------------------------------------------------------------------


@check("release/metadata-differs", Severity.ERROR)
def metadata_differs(release: ReleaseContent) -> Iterator[Observation]:
    """Files of the release have different metadata.

    Requires-Dist, Requires-Python, Provides-Extra and the license must be the same in all files: an index
    shows those of the file that was uploaded first, and resolvers apply any file's dependencies to all.
    Common causes are a wheel from a different checkout, and dependencies that setup.py computes on the build
    machine (use environment markers instead). An sdist may leave a field to its wheels by listing it as
    Dynamic. Only the beginning of a full license text is compared, since repair tools append to it. Build all
    files from the same commit.
    """
    return _find_differences(release, "Requires-Dist", "Requires-Python", "Provides-Extra", "License")


@check("release/description-differs", Severity.WARNING)
def description_differs(release: ReleaseContent) -> Iterator[Observation]:
    """Files of the release have different descriptions.

    An index shows the description of the file that was uploaded first. The files install all the same, so
    this is a warning. The usual causes are a wheel from a different checkout, and a README that was read with
    another encoding on Windows. Build all files from the same commit, and read the README as UTF-8.
    """
    return _find_differences(release, "Description")


def _find_differences(release: ReleaseContent, *fields: str) -> Iterator[Observation]:
    """Yield the files whose values of one of ``fields`` are not those of most files that declare it."""
    for field in fields:
        values_of = [
            (summary, summary.metadata[field]) for summary in release.summaries if _declares(summary, field)
        ]
        counts = Counter(values for _, values in values_of)
        if len(counts) < 2:
            continue
        # In a tie the wheels win, because they are what gets installed.
        wheels = Counter(values for summary, values in values_of if isinstance(summary.name, WheelName))
        usual = max(counts, key=lambda values: (counts[values], wheels[values]))
        for summary, values in values_of:
            if values != usual:
                yield summary.name.filename, _describe_difference(field, values, usual, counts[usual])


def _declares(summary: FileSummary, field: str) -> bool:
    if field not in summary.metadata:
        return False
    if not isinstance(summary.name, SdistName):
        return True
    if summary.dynamic_fields is None:
        # Old metadata has no Dynamic field, so a dynamic field is simply absent.
        return bool(summary.metadata[field])
    names = {"license", "license-expression"} if field == "License" else {field.lower()}
    return not names & summary.dynamic_fields


def _describe_difference(field: str, values: tuple[str, ...], usual: tuple[str, ...], count: int) -> str:
    extra = [value for value in values if value not in usual]
    missing = [value for value in usual if value not in values]
    clauses = [f"has {summarize_values(extra)}"] if extra else []
    clauses += [f"lacks {summarize_values(missing)}"] if missing else []
    others = "another file" if count == 1 else f"{format_count(count, 'other file')}"
    return f"its {field} differs from that of {others}: it {' and '.join(clauses)}"


@check("release/requires-python-vs-tags", Severity.WARNING)
def requires_python_vs_tags(release: ReleaseContent) -> Iterator[Observation]:
    """Wheel is for a Python version that its Requires-Python excludes.

    No installer ever selects it. The usual cause is a list of Python versions in the build configuration that
    was not shortened when Requires-Python was raised. Remove that version from the build, or lower
    Requires-Python.
    """
    for summary in release.summaries:
        name = summary.name
        if not isinstance(name, WheelName):
            continue
        # "py38", and cp38 with the stable ABI, also support every later Python version.
        is_lowest = any(abi == "none" or "abi3" in abi for abi in name.abis)
        for requires_python in summary.metadata.get("Requires-Python", ()):
            specifiers = parse_requires_python(requires_python)
            if not any(admits_python(specifiers, python, and_later=is_lowest) for python in name.pythons):
                yield name.filename, f"Requires-Python is {requires_python}"


# --- completeness ----------------------------------------------------------------------------------


@check("release/expected", Severity.ERROR)
def expected(release: ReleaseContent) -> Iterator[Observation]:
    """Files differ from the declared ones.

    With --expect, or "expect" in the configuration, a release must consist of exactly the declared number of
    files, list of files, or matrix of Python versions and platforms. Either a job failed or its files were
    not collected, or an undeclared file was built. Complete the staged files, or correct the declaration.
    """
    if release.expectation:
        yield from (f"missing: {item}" for item in release.expectation.find_missing(release.all_names))
        yield from (
            f"not expected: {item}" for item in release.expectation.find_unexpected(release.local_names)
        )


@check("release/no-sdist", Severity.WARNING)
def no_sdist(release: ReleaseContent) -> Iterator[Observation]:
    """Release has no sdist.

    Distributors build from the sdist, and so do users for whom there is no wheel. The usual cause is a
    separate sdist job that failed or whose file was not collected. Build one ("python -m build --sdist") and
    stage it with the wheels.
    """
    if release.is_complete_selection and all(isinstance(name, WheelName) for name in release.all_names):
        missing = (
            "neither the files nor the index include an sdist"
            if release.project_page
            else "the files include no sdist"
        )
        yield missing + describe_other_versions(release, [None])


@pypi_check("release/two-sdists")
def two_sdists(release: ReleaseContent) -> Iterator[Observation]:
    """Release has several sdists.

    PyPI accepts one sdist for each release, a .tar.gz, and rejects the second. The usual cause is a .zip from
    an old configuration. Keep only one.
    """
    if len(release.sdists) > 1:
        yield f"there are {format_count(len(release.sdists), 'sdist')}: {summarize_values(release.sdists)}"


CHECKS = (
    mixed,
    clash,
    duplicate_slot,
    hole_in_matrix,
    metadata_differs,
    description_differs,
    requires_python_vs_tags,
    expected,
    no_sdist,
    two_sdists,
)
