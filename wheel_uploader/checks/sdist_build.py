"""Checks of whether an sdist can be built: its build system, and sources in languages that are compiled."""

from __future__ import annotations

import functools
import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core import bounds
from wheel_uploader.core.models import SdistContent, Severity
from wheel_uploader.facts.archive import header_text

#: Sources in languages that are compiled, interface definitions that code is generated from, and templates.
_COMPILED_SOURCE = re.compile(
    r"\.(?:c|cc|cpp|cxx|c\+\+|cu|cuh|m|mm|pyx|pxi|rs|go|f|for|ftn|f77|f90|f95|f03|f08|pyf|sip|i|swg|d|zig|nim"
    r"|hs|ml|pas|s|asm|swift|kt|java|cs|vala|mojo|lean|v|sv|ispc|proto|pyf|cl)"
    r"(?:\.(?:in|src|tmpl|tpl|template|inc|j2|jinja|jinja2|mako))?\Z",
    re.IGNORECASE,
)
#: Archives, which may contain the sources of a library.
_NESTED_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2|txz|zip|(?:tar\.)?(?:gz|bz2|xz|zst|lzma))\Z", re.IGNORECASE)
#: Anomalies because of which members may be missing; other checks report them.
_INCOMPLETE_KINDS = frozenset({"unreadable", "cut", "bomb", "bad-crc"})
#: Dots in a line of a pyproject.toml that is parsed; tomllib takes quadratic time for a key of many parts.
_MAX_DOTS = 500
_BUILD_FILES = ("pyproject.toml", "setup.py")
#: Characters of a build requirement that is parsed.
_MAX_REQUIREMENT = 1000
#: Characters that make a pattern of a path.
_PATTERN = re.compile(r"[*?\[]")


@check("sdist/no-build-system", Severity.ERROR)
def no_build_system(sdist: SdistContent) -> Iterator[Observation]:
    """sdist has no usable pyproject.toml or setup.py.

    pip and every other installer refuse it: nothing says how to build the project. The usual causes are an
    archive that was packed by hand, an exclude rule that also matches these files, and a file that was edited
    after the last build. Build the sdist with "python -m build --sdist".
    """
    if any(fact.kind in _INCOMPLETE_KINDS for fact in sdist.anomalies):
        return
    files = _list_files(sdist)
    top = _get_top(sdist)
    if f"{top}/PKG-INFO" in files and not any(f"{top}/{name}" in files for name in _BUILD_FILES):
        yield "neither pyproject.toml nor setup.py is in its top directory"
    path = f"{top}/pyproject.toml"
    data = sdist.retained_members.get(path)
    if data is None:
        return
    sdist.budget.count_work(1 + len(data) // 50)
    settings = _parse_settings(data)
    problem = settings if isinstance(settings, str) else _describe_build_system(settings)
    if problem:
        yield path, problem
    elif missing := _find_missing_backend_path(settings, top, files):
        yield path, f"backend-path is '{missing}', which is not in the archive"


@check("sdist/other-project", Severity.ERROR)
def other_project(sdist: SdistContent) -> Iterator[Observation]:
    """pyproject.toml states another name or version than PKG-INFO.

    pip builds from pyproject.toml and refuses the result: "inconsistent version" or "inconsistent name". The
    usual cause is an archive that was packed or edited by hand. Build the sdist with "python -m build
    --sdist". A name or version that the build backend computes (dynamic) is not compared.
    """
    project = _get_project(sdist)
    metadata = core_metadata.read_core_metadata_or_empty(sdist)
    name, stated_name = project.get("name"), metadata.get_value("name")
    if isinstance(name, str) and stated_name and canonicalize_name(name) != canonicalize_name(stated_name):
        yield f"{_get_top(sdist)}/pyproject.toml", f"its name is '{name}', and '{stated_name}' in PKG-INFO"
    version, stated_version = project.get("version"), metadata.parse_version()
    if isinstance(version, str) and stated_version:
        try:
            is_equal = bounds.parse_pep440_version(version) == stated_version
        except InvalidVersion:
            is_equal = False
        if not is_equal:
            yield (
                f"{_get_top(sdist)}/pyproject.toml",
                f"its version is '{version}', and '{stated_version}' in PKG-INFO",
            )


@check("sdist/missing-file", Severity.WARNING)
def missing_file(sdist: SdistContent) -> Iterator[Observation]:
    """File that pyproject.toml names is not in the sdist.

    Most build backends read the files of "readme" and "license" before they build anything, and stop if one
    is missing, so that the sdist cannot be installed. The usual cause is an exclude rule, or a file
    outside of the project's directory. Include the file, and build a wheel from the sdist before a release.
    """
    if any(fact.kind in _INCOMPLETE_KINDS for fact in sdist.anomalies):
        return
    project = _get_project(sdist)
    if not project:
        return
    files, top = _list_files(sdist), _get_top(sdist)
    for key, name in _iter_named_files(project):
        if posixpath.normpath(f"{top}/{name}") not in files:
            yield f"{top}/pyproject.toml", f"its {key} is '{name}', which is not in the archive"


def _get_top(sdist: SdistContent) -> str:
    return core_metadata.get_metadata_path(sdist).removesuffix("/PKG-INFO")


def _list_files(sdist: SdistContent) -> frozenset[str]:
    return frozenset(member.name.removeprefix("./") for member in sdist.members if member.kind != "directory")


@functools.lru_cache(maxsize=16)
def _parse_settings(data: bytes) -> Mapping[str, Any] | str:
    """Return the contents of a pyproject.toml, or a sentence that says why it cannot be parsed.

    The contents are empty if parsing would take too long.
    """
    if max((line.count(b".") for line in data.splitlines()), default=0) > _MAX_DOTS:
        return {}
    try:
        text = data.decode("utf-8")
        if text.startswith(header_text.BYTE_ORDER_MARK):
            return "it is not valid TOML (it begins with a byte order mark)"
        return tomllib.loads(text)
    except UnicodeDecodeError:
        return "it is not valid UTF-8"
    except (ValueError, RecursionError) as error:
        return f"it is not valid TOML ({error})"


def _get_project(sdist: SdistContent) -> Mapping[str, Any]:
    """Return the table [project] of pyproject.toml; empty if there is none, or the file is invalid."""
    data = sdist.retained_members.get(f"{_get_top(sdist)}/pyproject.toml")
    settings = _parse_settings(data) if data else {}
    project = {} if isinstance(settings, str) else settings.get("project")
    return project if isinstance(project, dict) else {}


def _describe_build_system(settings: Mapping[str, Any]) -> str:
    """Return why pip cannot build a project with these settings; empty if it can."""
    build_system = settings.get("build-system")
    if build_system is None:
        return ""
    if not isinstance(build_system, dict):
        return "build-system is not a table"
    if "requires" not in build_system:
        return "build-system has no 'requires'"
    requires = build_system["requires"]
    if not isinstance(requires, list) or not all(isinstance(each, str) for each in requires):
        return "build-system.requires is not a list of strings"
    invalid = next((each for each in requires if not _is_requirement(each)), None)
    return "" if invalid is None else f"'{invalid}' in build-system.requires is not a valid requirement"


def _is_requirement(text: str) -> bool:
    if len(text) > _MAX_REQUIREMENT:
        return True  # Parsing takes too long.
    try:
        Requirement(text)
    except (InvalidRequirement, ValueError, RecursionError):
        return False
    return True


def _find_missing_backend_path(settings: Any, top: str, files: frozenset[str]) -> str:
    """Return the first directory of backend-path that no file is in; empty if there is none."""
    paths = (settings.get("build-system") or {}).get("backend-path")
    for path in paths if isinstance(paths, list) else ():
        folder = posixpath.normpath(f"{top}/{path}")
        if folder != top and not any(name.startswith(f"{folder}/") for name in files):
            return str(path)
    return ""


def _iter_named_files(project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and the path of each file that [project] names; patterns are left out."""
    for key in ("readme", "license"):
        value = project.get(key)
        name = value.get("file") if isinstance(value, dict) else value if key == "readme" else None
        if isinstance(name, str):
            yield key, name
    patterns = project.get("license-files")
    for name in patterns if isinstance(patterns, list) else ():
        if isinstance(name, str) and not _PATTERN.search(name):
            yield "license-files", name


def count_compiled_sources(sdist: SdistContent) -> int:
    """Return the number of members in a language that is compiled, and of archives that may have some."""
    return sum(
        member.kind != "directory"
        and bool(_COMPILED_SOURCE.search(member.name) or _NESTED_ARCHIVE.search(member.name))
        for member in sdist.members
    )


CHECKS = (no_build_system, other_project, missing_file)
