"""A check for outliers: wheels that differ in a property that all others of their kind share."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core.models import FileSummary, Severity, WheelName
from wheel_uploader.core.platforms import matrix as platform_matrix

#: Number of other wheels that must agree before one that differs is an outlier.
_MIN_SIBLINGS = 3
#: An outlier is larger or smaller than its siblings by more than this factor and this number of bytes.
_SIZE_FACTOR = 2
_SIZE_BYTES = 64 << 10


class WheelSummary(NamedTuple):
    """A wheel's name and the summary of its content."""

    name: WheelName
    summary: FileSummary


ValueFormatter = Callable[[Hashable], str]


@check("release/odd-one-out", Severity.WARNING)
def odd_one_out(release: ReleaseContent) -> Iterator[Observation]:
    """One wheel differs from all comparable wheels.

    It was built by a different tool, is for an older or newer system, installs different packages or scripts,
    or contains much more or less than the same wheel for other Python versions. Common causes are a wheel
    that was built by hand, a job with a different configuration, and a build that silently left something
    out. The check reports only a single outlier among at least three others that agree; a difference shared
    by several wheels is assumed to be intended.
    """
    wheels = [
        WheelSummary(summary.name, summary)
        for summary in release.summaries
        if isinstance(summary.name, WheelName)
    ]
    yield from _find_odd_generator(wheels)
    for system in _group_by(wheels, lambda name: {_get_system(tag) for tag in name.platforms}):
        yield from _find_odd_value(system, lambda wheel: wheel.summary.top_level, _describe_top_level)
        yield from _find_odd_value(system, lambda wheel: wheel.summary.scripts, _describe_scripts)
    several = _find_platforms_with_several(wheels)
    for group in _group_by(wheels, lambda name: _get_sibling_keys(name, several)):
        # release/odd-modules names the extension modules that differ.
        yield from _find_odd_value(
            group,
            lambda wheel: wheel.summary.binary_count - wheel.summary.extension_count,
            lambda value: f"has {value} compiled files",
        )
        yield from _find_odd_size(group)
    for platform, group in _group_by_platform(wheels, several):
        yield from _find_odd_version(platform, group)


def _find_odd_value(
    group: Sequence[WheelSummary], value_of: Callable[[WheelSummary], Hashable], describe: ValueFormatter
) -> Iterator[Observation]:
    """Yield the wheel whose value differs from that of all others."""
    values = [value_of(wheel) for wheel in group]
    counts = Counter(values)
    if len(group) <= _MIN_SIBLINGS or len(counts) != 2 or min(counts.values()) != 1:
        return
    (usual, count), (odd, _) = counts.most_common()
    name = group[values.index(odd)].name
    yield name.filename, f"it {describe(odd)}; each of the {count} comparable wheels {describe(usual)}"


def _find_odd_generator(wheels: Sequence[WheelSummary]) -> Iterator[Observation]:
    """Yield the wheel for some platform that another tool built, or another version of it."""
    # The tool for extension modules is often not the one for the pure wheel.
    specific = [wheel for wheel in wheels if wheel.name.platforms != ("any",)]
    wheels = specific or wheels
    if len({_get_tool(wheel.summary) for wheel in wheels}) == 1:
        # For an old Python, pip installs the last version of the tool that supports it.
        pythons = Counter(python for wheel in wheels for python in wheel.name.pythons)
        wheels = [wheel for wheel in wheels if any(pythons[python] > 1 for python in wheel.name.pythons)]
    return _find_odd_value(
        wheels, lambda wheel: wheel.summary.generator, lambda value: f"was built by '{value}'"
    )


def _get_tool(summary: FileSummary) -> str:
    """Return the name of the build tool; setuptools before 70.1 used the command of the package wheel."""
    return summary.generator.partition(" ")[0].replace("bdist_wheel", "setuptools")


def _describe_top_level(value: Hashable) -> str:
    return f"installs {summarize_values(value) or 'nothing'}" if isinstance(value, tuple) else ""


def _describe_scripts(value: Hashable) -> str:
    if not isinstance(value, tuple):
        return ""
    return f"has the scripts {summarize_values(value)}" if value else "has no scripts"


def _find_odd_size(group: Sequence[WheelSummary]) -> Iterator[Observation]:
    if len(group) <= _MIN_SIBLINGS:
        return
    usual = statistics.median(wheel.summary.size for wheel in group)
    odd = [wheel for wheel in group if _is_outlier(wheel.summary.size, usual)]
    if len(odd) == 1:
        yield (
            odd[0].name.filename,
            f"it has {odd[0].summary.size:,} bytes; comparable wheels have about {usual:,.0f}",
        )


def _is_outlier(size: int, usual: float) -> bool:
    small, large = sorted((size, usual))
    return large > _SIZE_FACTOR * small and large - small > _SIZE_BYTES


def _find_odd_version(platform: str, group: Sequence[WheelSummary]) -> Iterator[Observation]:
    versions = {wheel.name: platform_matrix.oldest_platform_version(wheel.name, platform) for wheel in group}
    # CPython's minimum rose from macOS 10.9 to 10.13 and 10.15: the oldest or newest Python may differ.
    if any(version[:1] == (10,) for version in versions.values()):
        return
    yield from _find_odd_value(
        group, lambda wheel: versions[wheel.name], lambda value: f"is for {platform} {_format_version(value)}"
    )


def _format_version(value: Hashable) -> str:
    return ".".join(map(str, value)) if isinstance(value, tuple) else ""


# --- groups of comparable wheels -------------------------------------------------------------------


def _group_by(
    wheels: Sequence[WheelSummary], keys_of: Callable[[WheelName], set[Hashable]]
) -> list[list[WheelSummary]]:
    groups: dict[Hashable, list[WheelSummary]] = defaultdict(list)
    for wheel in wheels:
        for key in keys_of(wheel.name):
            groups[key].append(wheel)
    return list(groups.values())


def _get_system(platform: str) -> Hashable:
    family = platform_matrix.split_platform_tag(platform)[0].partition("_")[0]
    return "linux" if family in {"manylinux", "musllinux"} else family.removesuffix("32")


def _find_platforms_with_several(wheels: Sequence[WheelSummary]) -> set[str]:
    """Return the platforms for which some Python has several wheels."""
    slots = platform_matrix.group_by_slot(wheel.name for wheel in wheels)
    return {slot.platform for slot, names in slots.items() if len(names) > 1}


def _get_sibling_keys(name: WheelName, several: set[str]) -> set[Hashable]:
    """Return keys of one kind of Python on one platform, with the OS version if wheels for several exist."""
    return {
        (platform_matrix.python_build(slot).kind, slot.platform)
        + (
            (platform_matrix.oldest_platform_version(name, slot.platform),)
            if slot.platform in several
            else ()
        )
        for slot in platform_matrix.expand_slots(name)
    }


def _group_by_platform(
    wheels: Sequence[WheelSummary], several: set[str]
) -> Iterator[tuple[str, list[WheelSummary]]]:
    """Yield the platforms that have at most one wheel for each Python, with these wheels."""
    groups: dict[str, list[WheelSummary]] = defaultdict(list)
    for wheel in wheels:
        for platform in {
            platform_matrix.split_platform_tag(tag)[0] for tag in wheel.name.platforms
        } - several:
            groups[platform].append(wheel)
    yield from groups.items()


CHECKS = (odd_one_out,)
