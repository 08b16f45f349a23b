"""Checks of the requirements of a project: some version satisfies them, and some user gets them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheel_uploader.checks import core_metadata, markers
from wheel_uploader.checks.core_metadata import ArchiveContent
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core import bounds
from wheel_uploader.core.models import SdistContent, Severity, WheelContent

#: Specifiers of one requirement, and characters of it; real ones have a few.
_MAX_SPECIFIERS = 40
_MAX_LENGTH = 1000


@check("metadata/unsatisfiable-requirement", Severity.ERROR)
def unsatisfiable_requirement(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """No version satisfies a requirement.

    The project cannot be installed together with its dependencies, or not with this extra. The usual cause is
    a bound that was raised without the other one ("numpy>2,<1"), or two requirements of the same project that
    contradict each other. Correct the requirement, and build again.
    """
    path = core_metadata.get_metadata_path(content)
    requirements = list(_parse_requirements(content))
    for requirement in requirements:
        content.budget.count_work(1 + 3 * min(len(requirement.specifier), _MAX_SPECIFIERS) ** 2)
        if not _is_satisfiable(str(requirement.specifier)):
            yield path, f"no version satisfies '{requirement}'"
        elif _is_own_other_version(requirement, content):
            yield path, f"'{requirement}' is another version of this project itself"
    yield from ((path, message) for message in _find_contradictions(requirements))


@check("metadata/local-version-requirement", Severity.WARNING, severity_off_pypi=Severity.NOTE)
def local_version_requirement(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Requirement has a local version, which PyPI does not serve.

    PyPI rejects versions such as "2.1.0+cu118", so installing the project from PyPI alone fails. Require the
    version without its local part, or put the requirement into an extra.
    """
    for requirement in _parse_requirements(content):
        is_optional = requirement.marker is not None and "extra" in str(requirement.marker)
        if not is_optional and any(map(_names_local_version, requirement.specifier)):
            yield core_metadata.get_metadata_path(content), f"PyPI cannot serve '{requirement}'"


@check("metadata/undeclared-extra", Severity.NOTE)
def undeclared_extra(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Requirement is for an extra that the project does not have.

    Its marker has "extra == 'name'", but no Provides-Extra states that name, so pip ignores the extra with a
    warning, and never installs the requirement. The usual causes are an extra that was renamed, and
    metadata that was edited by hand. Declare the extra in the project's configuration, and build again.
    """
    provided = {
        canonicalize_name(extra)
        for extra in core_metadata.read_core_metadata_or_empty(content).get_values("provides_extra")
    }
    reported: set[str] = set()
    for requirement in _parse_requirements(content):
        for extra in _list_extras(requirement):
            name = canonicalize_name(extra)
            if name and name not in provided and name not in reported:
                reported.add(name)
                yield (
                    core_metadata.get_metadata_path(content),
                    f"'{requirement}' is for the extra '{extra}', which no Provides-Extra states",
                )


@check("metadata/impossible-marker", Severity.WARNING)
def impossible_marker(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Marker of a requirement is never true.

    It compares sys_platform, platform_system or os_name with a value that no Python has, such as "windows"
    (the values are "win32", "Windows" and "nt"), or its bounds of python_version exclude each other. The
    requirement is installed nowhere. Correct the marker in the project's configuration, and build again. Only
    markers without "or" are examined, and versions of Python are not compared with Requires-Python.
    """
    for requirement in _parse_requirements(content):
        if requirement.marker is not None and (problem := markers.find_impossible(str(requirement.marker))):
            yield core_metadata.get_metadata_path(content), f"'{requirement}' is installed nowhere: {problem}"


def _list_extras(requirement: Requirement) -> list[str]:
    """Return the names that the marker compares ``extra`` with for equality."""
    return markers.list_extras(str(requirement.marker)) if requirement.marker is not None else []


def _names_local_version(specifier: Specifier) -> bool:
    return specifier.operator in {"==", "==="} and "+" in specifier.version


def _parse_requirements(content: ArchiveContent) -> Iterator[Requirement]:
    """Yield the valid requirements; metadata/invalid reports the others."""
    for text in core_metadata.read_core_metadata_or_empty(content).get_values("requires_dist"):
        content.budget.count_work(4 + len(text) // 4)
        if len(text) <= _MAX_LENGTH and (requirement := _parse_requirement(text)):
            yield requirement


@functools.lru_cache(maxsize=1024)
def _parse_requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, ValueError, RecursionError):
        return None


def _is_own_other_version(requirement: Requirement, content: ArchiveContent) -> bool:
    return (
        canonicalize_name(requirement.name) == content.name.project
        and bool(requirement.specifier)
        and not requirement.specifier.contains(content.name.version, prereleases=True)
    )


def _find_contradictions(requirements: Iterable[Requirement]) -> Iterator[str]:
    """Yield a message for each project whose requirements with the same marker exclude each other.

    An extra that excludes what the project itself requires is left to its users, who need not ask for it.
    """
    by_name: dict[str, dict[str, list[Requirement]]] = {}
    for requirement in requirements:
        if requirement.specifier:
            by_marker = by_name.setdefault(canonicalize_name(requirement.name), {})
            by_marker.setdefault(str(requirement.marker or ""), []).append(requirement)
    for by_marker in by_name.values():
        yield from filter(None, map(_describe_contradiction, by_marker.values()))


def _describe_contradiction(group: Sequence[Requirement]) -> str:
    """Return the message if single requirements can be satisfied, but not all of them together."""
    if len(group) < 2 or not all(_is_satisfiable(str(requirement.specifier)) for requirement in group):
        return ""
    if _is_satisfiable(",".join(str(requirement.specifier) for requirement in group)):
        return ""
    return "no version satisfies all of " + ", ".join(f"'{requirement}'" for requirement in group[:5])


@functools.lru_cache(maxsize=1024)
def _is_satisfiable(text: str) -> bool:
    """Return whether some version satisfies the specifiers; True if that is uncertain."""
    specifiers = SpecifierSet(text)
    if not 2 <= len(specifiers) <= _MAX_SPECIFIERS:
        return True
    if any(specifier.operator == "===" for specifier in specifiers):
        return True
    return any(specifiers.contains(version, prereleases=True) for version in _list_candidates(specifiers))


def _list_candidates(specifiers: Iterable[Specifier]) -> Iterator[Version]:
    """Yield versions at and around each bound: if any version satisfies all specifiers, one of these does.

    Between two bounds there is always a version that follows the lower one by less than any real step.
    """
    yield Version("0")
    for specifier in specifiers:
        try:
            bound = bounds.parse_pep440_version(specifier.version.removesuffix(".*"))
        except InvalidVersion:
            continue
        yield bound
        epoch = f"{bound.epoch}!" if bound.epoch else ""
        release = ".".join(map(str, bound.release))
        # Just above the bound: a later post-release, or a later release by the smallest part.
        yield Version(f"{epoch}{release}.post99999")
        yield Version(f"{epoch}{release}.0.0.0.1")
        # Above its pre-releases: a later one of the same kind, and a release candidate.
        if bound.pre is not None:
            yield Version(f"{epoch}{release}{bound.pre[0]}{bound.pre[1] + 1}")
        yield Version(f"{epoch}{release}rc99999")
        # Above a development version: the next one; and below a pre-release: its first development version.
        pre = "".join(map(str, bound.pre or ()))
        post = "" if bound.post is None else f".post{bound.post}"
        yield Version(f"{epoch}{release}{pre}{post}.dev{0 if bound.dev is None else bound.dev + 1}")
        # Just below it: its first development version, which "<" excludes for a final version.
        yield Version(f"{epoch}{release}.dev0")
        # Beyond the range of "!=1.2.*": the next version of each part, and its first development version.
        for index, number in enumerate(bound.release):
            following = ".".join(map(str, (*bound.release[:index], number + 1)))
            yield Version(f"{epoch}{following}")
            yield Version(f"{epoch}{following}.dev0")


CHECKS = (unsatisfiable_requirement, local_version_requirement, undeclared_extra, impossible_marker)
