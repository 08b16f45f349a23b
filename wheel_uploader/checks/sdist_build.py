"""Checks of whether an sdist can be built: its build system, and sources in languages that are compiled."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import SdistContent, Severity

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


@check("sdist/no-build-system", Severity.ERROR)
def no_build_system(sdist: SdistContent) -> Iterator[Observation]:
    """sdist has no usable pyproject.toml or setup.py.

    pip and every other installer refuse it: nothing says how to build the project. The usual causes are an
    archive that was packed by hand, an exclude rule that also matches these files, and a file that was edited
    after the last build. Build the sdist with "python -m build --sdist".
    """
    if any(fact.kind in _INCOMPLETE_KINDS for fact in sdist.anomalies):
        return
    files = {member.name.removeprefix("./") for member in sdist.members if member.kind != "directory"}
    top = core_metadata.get_metadata_path(sdist).removesuffix("/PKG-INFO")
    if f"{top}/PKG-INFO" in files and not any(f"{top}/{name}" in files for name in _BUILD_FILES):
        yield "neither pyproject.toml nor setup.py is in its top directory"
    path = f"{top}/pyproject.toml"
    sdist.budget.count_work(1 + len(sdist.retained_members.get(path, b"")) // 50)
    if problem := _describe_invalid_settings(sdist.retained_members.get(path)):
        yield path, problem


def _describe_invalid_settings(data: bytes | None) -> str:
    """Return why pip cannot build a project with this pyproject.toml; empty if it can, or it is unknown."""
    if data is None or max((line.count(b".") for line in data.splitlines()), default=0) > _MAX_DOTS:
        return ""
    try:
        build_system = tomllib.loads(data.decode("utf-8")).get("build-system")
    except UnicodeDecodeError:
        return "it is not valid UTF-8"
    except (ValueError, RecursionError) as error:
        return f"it is not valid TOML ({error})"
    if build_system is None:
        return ""
    if not isinstance(build_system, dict):
        return "build-system is not a table"
    return "" if "requires" in build_system else "build-system has no 'requires'"


def count_compiled_sources(sdist: SdistContent) -> int:
    """Return the number of members in a language that is compiled, and of archives that may have some."""
    return sum(
        member.kind != "directory"
        and bool(_COMPILED_SOURCE.search(member.name) or _NESTED_ARCHIVE.search(member.name))
        for member in sdist.members
    )


CHECKS = (no_build_system,)
