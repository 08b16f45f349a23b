"""One wheel unlike its siblings: what all others of its kind have alike, and it has not."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.checks.release_content import ReleaseContent, shown
from wheel_uploader.models import FileSummary, Severity, WheelName
from wheel_uploader.platforms import places

#: Siblings that have to agree before one that does not is odd.
_LEAST = 3
#: How many times larger or smaller than its siblings, and by how many bytes at least.
_FACTOR = 2
_BYTES = 64 << 10


class Wheel(NamedTuple):
    """A wheel's name, and what is in it."""

    name: WheelName
    has: FileSummary


Described = Callable[[Hashable], str]


@check("release/odd-one-out", Severity.WARNING)
def odd_one_out(release: ReleaseContent) -> Iterator[Yielded]:
    """One wheel is unlike its siblings.

    It was built by another tool, is for an older or newer system, installs other packages, or has much
    more or less in it than the same wheel of the other pythons. The usual causes are a wheel that somebody
    built by hand, a job with a configuration of its own, and a build that left something out without
    failing. Only a single one is named, among at least three others that agree; a difference that several
    wheels share is taken for intended.
    """
    wheels = [Wheel(each.name, each) for each in release.summaries if isinstance(each.name, WheelName)]
    yield from _unlike(wheels, lambda each: each.has.generator, lambda value: f"was built by '{value}'")
    for system in _grouped(wheels, lambda name: {_system(tag) for tag in name.platforms}):
        yield from _unlike(system, lambda each: each.has.top_level, _describe_top_level)
    several = _families_with_several(wheels)
    for group in _grouped(wheels, lambda name: _lines(name, several)):
        yield from _unlike(
            group, lambda each: each.has.natives, lambda value: f"has {value} compiled modules"
        )
        yield from _unlike_in_size(group)
    for platform, group in _families(wheels, several):
        yield from _unlike_in_version(platform, group)


def _unlike(
    group: Sequence[Wheel], value_of: Callable[[Wheel], Hashable], describe: Described
) -> Iterator[Yielded]:
    """The one whose value is not that of all others."""
    values = [value_of(each) for each in group]
    counts = Counter(values)
    if len(group) <= _LEAST or len(counts) != 2 or min(counts.values()) != 1:
        return
    (usual, count), (odd, _) = counts.most_common()
    name = group[values.index(odd)].name
    yield name.filename, f"it {describe(odd)}; each of its {count} siblings {describe(usual)}"


def _describe_top_level(value: Hashable) -> str:
    return f"installs {shown(value) or 'nothing'}" if isinstance(value, tuple) else ""


def _unlike_in_size(group: Sequence[Wheel]) -> Iterator[Yielded]:
    if len(group) <= _LEAST:
        return
    usual = statistics.median(each.has.size for each in group)
    odd = [each for each in group if _is_far(each.has.size, usual)]
    if len(odd) == 1:
        yield (
            odd[0].name.filename,
            f"it has {odd[0].has.size:,} bytes; its siblings have about {usual:,.0f}",
        )


def _is_far(size: int, usual: float) -> bool:
    small, large = sorted((size, usual))
    return large > _FACTOR * small and large - small > _BYTES


def _unlike_in_version(platform: str, group: Sequence[Wheel]) -> Iterator[Yielded]:
    versions = {each.name: places.version_of(each.name, platform) for each in group}
    # CPython itself went from macOS 10.9 to 10.13 and 10.15: there the first or last python may stand alone.
    if any(version[:1] == (10,) for version in versions.values()):
        return
    yield from _unlike(
        group, lambda each: versions[each.name], lambda value: f"is for {platform} {_dotted(value)}"
    )


def _dotted(value: Hashable) -> str:
    return ".".join(map(str, value)) if isinstance(value, tuple) else ""


# --- siblings --------------------------------------------------------------------------------------


def _grouped(wheels: Sequence[Wheel], keys_of: Callable[[WheelName], set[Hashable]]) -> list[list[Wheel]]:
    groups: dict[Hashable, list[Wheel]] = defaultdict(list)
    for each in wheels:
        for key in keys_of(each.name):
            groups[key].append(each)
    return list(groups.values())


def _system(platform: str) -> Hashable:
    family = places.family(platform)[0].partition("_")[0]
    return "linux" if family in {"manylinux", "musllinux"} else family.removesuffix("32")


def _families_with_several(wheels: Sequence[Wheel]) -> set[str]:
    """Platforms for which some python has several wheels."""
    slots = places.by_slot(each.name for each in wheels)
    return {slot.platform for slot, names in slots.items() if len(names) > 1}


def _lines(name: WheelName, several: set[str]) -> set[Hashable]:
    """One kind of Python on one platform; where there are several wheels for it, of one version each."""
    return {
        (places.row(slot).kind, slot.platform)
        + ((places.version_of(name, slot.platform),) if slot.platform in several else ())
        for slot in places.slots(name)
    }


def _families(wheels: Sequence[Wheel], several: set[str]) -> Iterator[tuple[str, list[Wheel]]]:
    """Platforms that have one wheel for each python, with the wheels."""
    groups: dict[str, list[Wheel]] = defaultdict(list)
    for each in wheels:
        for platform in {places.family(tag)[0] for tag in each.name.platforms} - several:
            groups[platform].append(each)
    yield from groups.items()


CHECKS = (odd_one_out,)
