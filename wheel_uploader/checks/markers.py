"""Facts about environment markers as packaging writes them: the extras, and why one is never true."""

from __future__ import annotations

import functools
import re
from collections import defaultdict

from packaging.specifiers import InvalidSpecifier, SpecifierSet

#: One comparison of a variable with a value, as packaging writes it.
_COMPARISON = re.compile(
    r"(?P<variable>[a-z_]{2,40}) (?P<operator>===?|~=|[<>!]=?) "
    r"(?P<quote>[\"'])(?P<value>[^\"']{0,100})(?P=quote)"
)
_EXTRA = re.compile(r"extra ==? (?P<quote>[\"'])(?P<value>[^\"']{0,100})(?P=quote)")
#: Values that no Python has, in lower case, with the right one; values that differ only in case are added.
_WRONG_VALUES = {
    "sys_platform": {
        **dict.fromkeys(("windows", "win", "win64", "win_amd64", "nt"), "win32"),
        **dict.fromkeys(("macos", "macosx", "mac", "osx"), "darwin"),
    },
    "platform_system": {
        **dict.fromkeys(("win32", "win", "win64", "nt"), "Windows"),
        **dict.fromkeys(("macos", "macosx", "mac", "osx"), "Darwin"),
    },
    "os_name": {
        **dict.fromkeys(("windows", "win32", "win64"), "nt"),
        **dict.fromkeys(("linux", "darwin", "macos", "unix"), "posix"),
    },
}
_RIGHT_VALUES = {
    "sys_platform": ("linux", "darwin", "win32", "cygwin"),
    "platform_system": ("Linux", "Darwin", "Windows"),
    "os_name": ("posix", "nt"),
}
#: Minor versions of Python 3 that are tried.
_MINORS = range(40)
_VERSION_VARIABLES = ("python_version", "python_full_version")


def list_extras(marker: str) -> list[str]:
    """Return the names that ``marker`` compares ``extra`` with for equality, in order."""
    return [match["value"] for match in _EXTRA.finditer(marker)] if "extra" in marker else []


@functools.lru_cache(maxsize=1024)
def find_impossible(marker: str) -> str:
    """Return why ``marker`` is true nowhere; empty if it is true somewhere, or that is uncertain."""
    if " or " in marker:
        return ""
    bounds: dict[str, list[str]] = defaultdict(list)
    for match in _COMPARISON.finditer(marker):
        variable, operator, value = match["variable"], match["operator"], match["value"]
        if operator == "==" and variable in _WRONG_VALUES and (right := _find_right_value(variable, value)):
            return f"{variable} is never '{value}', but '{right}'"
        if variable in _VERSION_VARIABLES:
            bounds[variable].append(f"{operator}{value}")
    return next((problem for name in bounds if (problem := _find_empty_range(name, bounds[name]))), "")


def _find_right_value(variable: str, value: str) -> str:
    """Return the value that was probably meant; empty if ``value`` is one of a Python, or unknown."""
    right = _RIGHT_VALUES[variable]
    if value in right:
        return ""
    folded = value.lower()
    return next((each for each in right if each.lower() == folded), _WRONG_VALUES[variable].get(folded, ""))


def _find_empty_range(variable: str, bounds: list[str]) -> str:
    """Return a sentence if no version of Python is within all ``bounds``."""
    if len(bounds) > _MAX_BOUNDS:
        return ""
    try:
        specifiers = SpecifierSet(",".join(bounds))
    except InvalidSpecifier:
        return ""
    if any(specifier.operator == "===" for specifier in specifiers):
        return ""
    candidates = ["2.6", "2.7", "4.0", *(f"3.{minor}" for minor in _MINORS)]
    if variable == "python_full_version":
        named = [specifier.version.removesuffix(".*") for specifier in specifiers]
        candidates = [f"{each}.{patch}" for each in candidates for patch in (0, 1, 7, 30)] + named
    if any(specifiers.contains(version, prereleases=True) for version in candidates):
        return ""
    return f"no {variable} is {' and '.join(bounds)}"


#: Bounds of one marker that are examined; real ones have one or two.
_MAX_BOUNDS = 10
