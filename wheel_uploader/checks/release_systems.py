"""A check of wheel tags against the previous release: versions of systems and Pythons that lose a wheel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, admits_python, summarize_values
from wheel_uploader.checks.release_index import find_previous_cells, is_allowed_missing
from wheel_uploader.core.models import DistName, Severity, WheelName
from wheel_uploader.core.platforms import served_systems
from wheel_uploader.core.platforms.matrix import (
    MatrixCell,
    group_by_slot,
    list_cpython_minors,
    python_build,
    split_platform_tag,
)
from wheel_uploader.core.platforms.platform_tags import parse_platform_family
from wheel_uploader.core.platforms.platforms import NEWEST_CPYTHON
from wheel_uploader.core.platforms.served_systems import LossKind, SystemLoss

#: Maximum number of Pythons, or of tags, that a message names.
_MAX_NAMED = 12


@check("release/lost-tags", Severity.WARNING)
def lost_tags(release: ReleaseContent) -> Iterator[Observation]:
    """Some systems lose the wheel that the previous release had for them.

    Every Python still has a wheel for every platform, but not for the same systems: wheels for a newer macOS,
    glibc or musl leave older systems without one; without a second wheel for newer systems, these get the one
    for older systems, which may be slower or lack features; and without the stable ABI, newer Pythons have
    none. Wheels that serve more systems than before are not reported. Common causes are a new build image, a
    new deployment target, and a build job that was removed. The comparison is that of
    release/lost-against-previous. Use "--allow-missing macosx_14_0_x86_64" or "--allow-missing
    'cp310-manylinux2014_*'" to accept an intended change.
    """
    yield from _describe_losses(release, _find_losses(release))
    yield from _describe_newer_pythons(release)


def _find_losses(release: ReleaseContent) -> list[SystemLoss]:
    if not release.is_complete_selection:
        return []
    cells = [cell for cell in find_previous_cells(release) if _is_required(release, cell)]
    strays = _find_stray_tags(release.previous_names)
    return [
        loss
        for loss in served_systems.find_system_losses(release.previous_names, release.all_names, cells)
        if not all(_is_allowed_tag(loss.python, tag, release.allow_missing) for tag in loss.previous_tags)
        and not (loss.kind is LossKind.GENERAL_WHEEL and strays.issuperset(loss.previous_tags))
    ]


def _find_stray_tags(names: Iterable[DistName]) -> set[str]:
    """Return the tags of a single wheel, if at least two other wheels are for the same platform.

    A wheel for newer systems that only one Python has was built by mistake; see release/duplicate-slot.
    """
    wheels = [name for name in names if isinstance(name, WheelName)]
    tags = Counter(tag for name in wheels for tag in name.platforms)
    families = Counter(
        family for name in wheels for family in {split_platform_tag(tag)[0] for tag in name.platforms}
    )
    return {tag for tag, count in tags.items() if count == 1 and families[split_platform_tag(tag)[0]] > 2}


def _is_required(release: ReleaseContent, cell: MatrixCell) -> bool:
    return not is_allowed_missing(cell, release.allow_missing)


def _is_allowed_tag(python: str, tag: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in (tag, f"{python}-{tag}"))


# --- versions of systems ---------------------------------------------------------------------------


def _describe_losses(release: ReleaseContent, losses: Iterable[SystemLoss]) -> Iterator[str]:
    """Yield one sentence for each kind of loss, with the architectures and Pythons that it affects."""
    groups: dict[tuple[LossKind, str], list[SystemLoss]] = defaultdict(list)
    for loss in losses:
        groups[loss.kind, loss.versions].append(loss)
    for (kind, versions), group in groups.items():
        before = _join_tags(loss.previous_tags for loss in group)
        now = _join_tags(loss.current_tags for loss in group)
        users = f"users of {versions} on {_describe_affected(group)}"
        if kind is LossKind.NO_WHEEL:
            yield (
                f"{users} lose their wheel: {release.comparison_version} had one for {before}; "
                f"the wheels of this release are for {now}"
            )
        else:
            yield (
                f"{users} lose the wheel for their system: {release.comparison_version} had one for "
                f"{before}; now they get the one for {now}"
            )


def _describe_affected(group: Iterable[SystemLoss]) -> str:
    """Return the architectures with the Pythons of each: ``aarch64, x86_64 (cp311, cp312)``."""
    pythons_by_arch: dict[str, list[str]] = defaultdict(list)
    for loss in group:
        pythons_by_arch[loss.family.arch].append(loss.python)
    arches_by_pythons: dict[str, list[str]] = defaultdict(list)
    for arch, pythons in sorted(pythons_by_arch.items()):
        ordered = sorted(set(pythons), key=lambda python: (len(python), python))
        arches_by_pythons[summarize_values(ordered, _MAX_NAMED)].append(arch)
    return "; ".join(
        f"{summarize_values(arches, _MAX_NAMED)} ({pythons})" for pythons, arches in arches_by_pythons.items()
    )


def _join_tags(tag_sets: Iterable[frozenset[str]]) -> str:
    return summarize_values(sorted(frozenset().union(*tag_sets)), _MAX_NAMED)


# --- newer Pythons ---------------------------------------------------------------------------------


def _describe_newer_pythons(release: ReleaseContent) -> Iterator[str]:
    """Yield a sentence about released Pythons that only the stable ABI of the previous release supports."""
    lost: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for platform, cells in _list_newer_cells(release).items():
        pythons = tuple(
            cell.python
            for cell in cells
            if _is_satisfied(cell, release.previous_names) and not _is_satisfied(cell, release.all_names)
        )
        if pythons:
            lost[pythons].add(platform)
    for pythons, platforms in sorted(lost.items()):
        yield (
            f"users of {summarize_values(pythons)} on {summarize_values(sorted(platforms), _MAX_NAMED)} lose "
            f"their wheel: the one of {release.comparison_version} is for every later Python (stable ABI)"
        )


def _list_newer_cells(release: ReleaseContent) -> dict[str, list[MatrixCell]]:
    """Return, by platform, the cells of CPythons newer than all that the names mention.

    Only platforms count that have wheels in both releases, in the previous one also for the stable ABI.
    """
    minors = list_cpython_minors((*release.previous_names, *release.all_names))
    if not release.is_complete_selection or not minors:
        return {}
    present = _list_platforms(release.all_names, only_open=False)
    return {
        platform: [
            cell
            for minor in range(max(minors) + 1, NEWEST_CPYTHON[1] + 1)
            if admits_python(release.requires_python, f"cp3{minor}")
            and _is_required(release, cell := MatrixCell(f"cp3{minor}", platform))
        ]
        for platform in _list_platforms(release.previous_names, only_open=True) & present
    }


def _list_platforms(names: Iterable[DistName], *, only_open: bool) -> set[str]:
    """Return the platforms that have a wheel; ``only_open``: one for the stable ABI."""
    return {
        str(machine)
        for slot in group_by_slot(names)
        if not only_open or python_build(slot).kind == "cp-abi3"
        for machine in parse_platform_family(slot.platform)[0].supported_machines
    }


def _is_satisfied(cell: MatrixCell, names: Iterable[DistName]) -> bool:
    return any(cell.is_satisfied_by(name) for name in names)


CHECKS = (lost_tags,)
