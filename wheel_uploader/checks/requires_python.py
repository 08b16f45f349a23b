"""Checks of Requires-Python: it admits some Python, and all patch releases of each Python that it admits."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.core_metadata import ArchiveContent
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core import bounds
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import SdistContent, Severity, WheelContent

#: Minor versions of Python 3 that are tried; those after the newest one do not exist yet.
_MINORS = range(40)
#: Versions beyond these are typing mistakes, such as ">=39".
_MAJORS = frozenset({2, 3, 4})
_MAX_MINOR = 99
#: Patch releases that stand for all later ones of a minor version.
_LATER_PATCHES = (1, 2, 9, 30)
#: Python versions that satisfy nearly every Requires-Python; they are tried first.
_USUAL_PYTHONS = ("3.12.9", "3.14.1", "3.9.9", "2.7.18")
_PYTHON_TAG = re.compile(r"(?P<kind>[a-z]+)(?P<major>\d)(?P<minor>\d{0,4})\Z")
#: Operators that exclude the patch releases of the version that they name.
_EXACT_OPERATORS = frozenset({"<=", "=="})


@check("metadata/excludes-every-python", Severity.ERROR)
def unsatisfiable(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Requires-Python excludes every Python.

    pip installs the file nowhere. The usual causes are an upper bound that was not raised together with the
    lower bound (">=3.10,<3.10"), and a missing dot (">=39"). Correct Requires-Python in the project's
    configuration, and build again.
    """
    text = core_metadata.read_core_metadata_or_empty(content).get_value("requires_python")
    if text and not _admits_any_python(text):
        yield core_metadata.get_metadata_path(content), f"no Python satisfies Requires-Python '{text}'"


@check("metadata/excludes-patch-releases", Severity.WARNING)
def excludes_patches(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Requires-Python admits a minor version of Python without its patch releases.

    Versions are compared in full: "<=3.14" and "==3.14" admit Python 3.14.0 and exclude 3.14.1, which almost
    all users have. Write "<3.15" instead of "<=3.14", and "==3.14.*" instead of "==3.14".
    """
    text = core_metadata.read_core_metadata_or_empty(content).get_value("requires_python")
    series = [
        minor for minor in _find_series_without_patches(text) if text and _supports_python_3(content, minor)
    ]
    if series:
        pythons = join_some(f"3.{minor}.0" for minor in series)
        yield (
            core_metadata.get_metadata_path(content),
            f"Requires-Python '{text}' admits {pythons} and excludes later patch releases",
        )


@functools.lru_cache(maxsize=64)
def _admits_any_python(text: str) -> bool:
    """Return whether any Python satisfies ``text``; True if it is invalid, which another check reports."""
    try:
        specifiers = bounds.parse_specifiers(text)
    except InvalidSpecifier:
        return True
    candidates = itertools.chain(_USUAL_PYTHONS, _list_pythons(), _list_versions_near(specifiers))
    return any(specifiers.contains(version, prereleases=True) for version in candidates)


def _list_pythons() -> Iterator[str]:
    yield from ("2.6.0", "2.6.9", "2.7.0", "4.0.0", "4.1.1")
    yield from (f"3.{minor}.{patch}" for minor in _MINORS for patch in (0, 1, 30))


def _list_versions_near(specifiers: Iterable[Specifier]) -> Iterator[str]:
    """Yield the versions that the specifiers name, and those before and after them."""
    for specifier in specifiers:
        text = specifier.version.removesuffix(".*")
        try:
            release = bounds.parse_pep440_version(text).release
        except InvalidVersion:  # "===" allows any text.
            continue
        major, minor, patch = (*release, 0, 0)[:3]
        if major not in _MAJORS or minor > _MAX_MINOR:
            continue
        # "===" compares text, and the versions of Python have three parts.
        if specifier.operator != "===" or len(release) == 3:
            yield text
        yield from (f"{major}.{minor}.{max(0, patch + step)}" for step in (-1, 0, 1))


@functools.lru_cache(maxsize=64)
def _find_series_without_patches(text: str) -> tuple[int, ...]:
    """Return the minor versions of Python 3 of which only the first release is admitted."""
    try:
        specifiers = bounds.parse_specifiers(text)
    except InvalidSpecifier:
        return ()
    if not any(map(_names_first_release, specifiers)):
        return ()
    return tuple(minor for minor in _MINORS if _is_without_patches(specifiers, minor))


def _names_first_release(specifier: Specifier) -> bool:
    """Return whether an exact specifier names no patch release, such as ``<=3.14`` and ``==3.14.0``."""
    if specifier.operator not in _EXACT_OPERATORS or specifier.version.endswith(".*"):
        return False
    try:
        return not any(bounds.parse_pep440_version(specifier.version).release[2:])
    except InvalidVersion:
        return False


def _is_without_patches(specifiers: SpecifierSet, minor: int) -> bool:
    return specifiers.contains(f"3.{minor}.0") and not any(
        specifiers.contains(f"3.{minor}.{patch}") for patch in _LATER_PATCHES
    )


def _supports_python_3(content: ArchiveContent, minor: int) -> bool:
    """Return whether the tags of a wheel support this minor version of Python 3; an sdist supports all."""
    if isinstance(content, SdistContent):
        return True
    is_stable = any(abi.startswith("abi3") for abi in content.name.abis)
    return any(_supports(tag, minor, is_stable=is_stable) for tag in content.name.pythons)


def _supports(python_tag: str, minor: int, *, is_stable: bool) -> bool:
    match = _PYTHON_TAG.match(python_tag)
    if not match or match["major"] != "3":
        return not match
    if not match["minor"]:
        return True
    # A wheel for py39, or for the stable ABI of cp39, supports later versions as well.
    supports_later = match["kind"] == "py" or is_stable
    return int(match["minor"]) <= minor if supports_later else int(match["minor"]) == minor


CHECKS = (unsatisfiable, excludes_patches)
