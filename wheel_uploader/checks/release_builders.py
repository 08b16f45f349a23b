"""Checks of how the wheels of a release were made: all repaired, and all with their SBOM."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent, summarize_values
from wheel_uploader.core.formatting import format_count, format_verb
from wheel_uploader.core.models import FileSummary, Severity, WheelName
from wheel_uploader.core.platforms import matrix as platform_matrix

_REPAIR_TOOL = re.compile(r"(?:delocate|auditwheel|delvewheel|repairwheel)\b", re.IGNORECASE)


@check("release/not-repaired", Severity.WARNING)
def not_repaired(release: ReleaseContent) -> Iterator[Observation]:
    """Wheel was not repaired, in contrast to the others for its system.

    A repair tool (auditwheel, delocate, delvewheel) copies the libraries that a wheel needs into it, and adds
    its own Generator line to WHEEL. The other wheels for the same system have that line, and this one with
    compiled code does not: it probably works only on the machine that built it. The usual cause is a job
    that uploaded the directory of the build instead of that of the repaired wheels. Take the repaired wheel.
    """
    for group in _group_compiled_wheels(release).values():
        repaired = [each for each in group if _find_tools(each)]
        others = [each for each in group if not _find_tools(each)]
        if others and len(repaired) >= len(others):
            tools = sorted({tool for each in repaired for tool in _find_tools(each)})
            lines = f"a Generator line of {summarize_values(tools)}"
            count, verb = format_count(len(repaired), "other wheel"), format_verb(len(repaired), "have")
            for summary in others:
                yield summary.name.filename, f"its WHEEL lacks {lines}, which {count} for the system {verb}"


@check("release/uneven-sboms", Severity.WARNING)
def uneven_sboms(release: ReleaseContent) -> Iterator[Observation]:
    """Only some wheels of the release have an SBOM.

    A software bill of materials (PEP 770, in .dist-info/sboms) lists what a wheel contains besides the
    project itself; scanners read it from the wheel that they find. The usual cause is a job with an older
    version of the build tool, or a wheel that another machine built. Wheels for any platform are compared
    among themselves, because the tool that builds the compiled code may not build them. The SBOM of a repair
    tool is compared among the wheels for the same platform only, because it depends on the bundled libraries.
    Build all wheels with the same tools.
    """
    wheels = [summary for summary in release.summaries if isinstance(summary.name, WheelName)]
    for is_pure in (False, True):
        alike = [summary for summary in wheels if (_list_platforms(summary) == {"any"}) is is_pure]
        yield from _find_uneven(alike, lambda summary: _list_sboms(summary, from_repair=False))
    groups: dict[Hashable, list[FileSummary]] = defaultdict(list)
    for summary in wheels:
        for platform in sorted(_list_platforms(summary)):
            groups[platform].append(summary)
    for group in groups.values():
        yield from _find_uneven(group, lambda summary: _list_sboms(summary, from_repair=True))


def _find_uneven(
    wheels: Sequence[FileSummary], list_sboms: Callable[[FileSummary], list[str]]
) -> Iterator[Observation]:
    """Yield the wheels without an SBOM if at least as many have one, or else those with one."""
    having = [summary for summary in wheels if list_sboms(summary)]
    lacking = [summary for summary in wheels if not list_sboms(summary)]
    if not having or not lacking:
        return
    if len(having) >= len(lacking):
        names = sorted({name for summary in having for name in list_sboms(summary)})
        for summary in lacking:
            count = format_count(len(having), "other wheel")
            yield summary.name.filename, f"it has no SBOM; {summarize_values(names)} is in {count}"
        return
    count = f"{format_count(len(lacking), 'other wheel')} {format_verb(len(lacking), 'have')} none"
    for summary in having:
        sboms = summarize_values(list_sboms(summary))
        yield summary.name.filename, f"it has the SBOM {sboms}; {count}"


def _list_sboms(summary: FileSummary, *, from_repair: bool) -> list[str]:
    return [name for name in summary.sboms if bool(_REPAIR_TOOL.match(name)) is from_repair]


def _list_platforms(summary: FileSummary) -> set[str]:
    if not isinstance(summary.name, WheelName):
        return set()
    return {platform_matrix.split_platform_tag(platform)[0] for platform in summary.name.platforms}


def _group_compiled_wheels(release: ReleaseContent) -> dict[str, list[FileSummary]]:
    """Return the wheels with compiled code by system: ``macosx``, ``win``, ``manylinux``, ``musllinux``."""
    groups: dict[str, list[FileSummary]] = defaultdict(list)
    for summary in release.summaries:
        systems = {platform.partition("_")[0].removesuffix("32") for platform in _list_platforms(summary)}
        for system in sorted(systems):
            if summary.binary_count:
                groups[system].append(summary)
    return groups


def _find_tools(summary: FileSummary) -> list[str]:
    """Return the names of the repair tools that changed a wheel."""
    return [match[0].lower() for line in summary.repair_generators if (match := _REPAIR_TOOL.search(line))]


CHECKS = (not_repaired, uneven_sboms)
