"""Checks of the Python that compiled code is for: extension module suffixes, Python's DLL, the stable ABI."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterator, Mapping

from wheel_uploader.checks.library_search import LibraryLocation, LibrarySearch
from wheel_uploader.checks.native_code import (
    LoadableCode,
    group_by_message,
    is_for_several_systems,
    iter_loadable_code,
)
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import BinaryFormat, BinaryKind, Severity, WheelContent

#: ``x.cpython-313t-x86_64-linux-gnu.so``, ``x.cp313t-win_amd64.pyd``, ``x.pypy311-pp73-darwin.so``.
_MODULE_SUFFIXES = {
    ".so": re.compile(r"(?s)\.(?:cpython-(?P<cpython>\d+[a-z]*)|pypy(?P<pypy>\d+)-pp\d+)-(?=.)"),
    ".pyd": re.compile(r"(?s)\.(?:cp(?P<cpython>\d+[a-z]*)|pypy(?P<pypy>\d+)-pp\d+)-(?=.)"),
}
_PYTHON_DLL = re.compile(r"python(?P<version>3\d+)(?P<threads>t?)(?P<debug>(?:_d)?)\.dll\Z", re.IGNORECASE)
_CPYTHON_TAG = re.compile(r"cp(3\d+)")
#: ``cp312`` and ``py312``; a wheel with the latter is for CPython 3.12 and later versions.
_MINOR_VERSION_TAG = re.compile(r"(?:cp|py)(3\d+)")
#: Python 3.7 and older append an "m" that carries no information.
_PYMALLOC_FLAG = re.compile(r"(?<=cp3[0-7])m\Z")
_STABLE_ABIS = frozenset({"abi3", "abi3t"})
#: Names in the style of Python's C API: a class and a word, as in PyList_New or _Py_Dealloc.
_C_API_NAME = re.compile(r"_?Py[A-Za-z0-9]*_\w+\Z")
_FIRST_STABLE_ABI = (3, 2)


def _read_tagged_abis(wheel: WheelContent) -> tuple[frozenset[str], bool]:
    """Return the Python ABIs that the wheel's tags name, and whether it also supports others."""
    exact: set[str] = set()
    for python in wheel.name.pythons:
        for abi in wheel.name.abis:
            if abi.startswith("cp3"):
                # A debug build also loads the modules of an ordinary one.
                exact |= {_PYMALLOC_FLAG.sub("", abi), abi.removesuffix("d")}
            elif python.startswith("pp"):
                exact.add(python)
            elif abi == "none" and (match := _MINOR_VERSION_TAG.fullmatch(python)):
                exact |= {f"cp{match[1]}", f"cp{match[1]}t"}
    supports_others = (
        not exact
        or bool(_STABLE_ABIS & set(wheel.name.abis))
        or "any" in wheel.name.platforms
        or any(python.startswith("py3") for python in wheel.name.pythons)
    )
    return frozenset(exact), supports_others


@check("native/python-tag-mismatch", Severity.ERROR)
def python_tag_mismatch(wheel: WheelContent) -> Iterator[Observation]:
    """Extension module is for a different Python than the wheel.

    Python 3.12 does not find a module with cpython-313 in its name, and cannot load one that imports
    python313.dll; cp313t is the free-threaded build, whose ABI differs from that of cp313. pip installs the
    wheel nevertheless, and the import fails. Common causes are a build directory that was used for several
    Python versions, and a tag that was changed by hand. Build from a clean checkout for each Python version.
    """
    exact, supports_others = _read_tagged_abis(wheel)
    modules = list(_find_versioned_modules(wheel))
    # A wheel for many Python versions may contain one build of a module for each on purpose.
    if supports_others and len({version for _, version, _ in modules}) > 1:
        return
    if is_for_several_systems(wheel):
        return
    tag = f"{'.'.join(wheel.name.pythons)}-{'.'.join(wheel.name.abis)}"
    yield from group_by_message(
        wheel,
        (
            (member, f"{evidence} {version}, but the wheel is for {tag}")
            for member, version, evidence in modules
            if version not in exact
        ),
    )


def _find_versioned_modules(wheel: WheelContent) -> Iterator[tuple[str, str, str]]:
    """Yield (member, Python such as cp313t, evidence) for each module that is for a single Python."""
    for code in iter_loadable_code(wheel):
        if code.slice.kind is not BinaryKind.LIBRARY:
            continue
        if suffix := _match_suffix(code.member):
            cpython = suffix["cpython"]
            version = _PYMALLOC_FLAG.sub("", f"cp{cpython}") if cpython else f"pp{suffix['pypy']}"
            yield code.member, version, "its name says"
        if code.binary.format is BinaryFormat.PE:
            for library in code.slice.needed_libraries:
                if dll := _PYTHON_DLL.match(library):
                    debug = "d" if dll["debug"] else ""
                    yield (
                        code.member,
                        f"cp{dll['version']}{dll['threads'].lower()}{debug}",
                        f"it imports {library} of",
                    )


def _match_suffix(member: str) -> re.Match[str] | None:
    """Return the match of the Python suffix in a module's file name; None if it has none."""
    stem, extension = posixpath.splitext(posixpath.basename(member))
    return _MODULE_SUFFIXES[extension].search(stem) if extension in _MODULE_SUFFIXES else None


@check("native/abi3-violation", Severity.ERROR)
def abi3_violation(wheel: WheelContent) -> Iterator[Observation]:
    """abi3 wheel uses symbols outside the stable ABI of its oldest Python version.

    "cp39-abi3" declares support for Python 3.9 and every later version. A symbol that was added in 3.11 does
    not exist in 3.9, and a symbol outside the stable ABI may disappear in the next release: the import fails
    with "undefined symbol", or the module crashes. Common causes are Py_LIMITED_API not being defined in all
    sources, or being set to a newer version than the tag, and a tag that was set by hand. Define
    Py_LIMITED_API as the version of the tag in all sources.
    """
    if not _STABLE_ABIS & set(wheel.name.abis):
        return
    numbers = [tag[1] for python in wheel.name.pythons if (tag := _CPYTHON_TAG.fullmatch(python))]
    if not numbers:
        return
    oldest = max(_FIRST_STABLE_ABI, min((int(number[0]), int(number[1:] or 0)) for number in numbers))
    search = LibrarySearch(wheel)
    defined = {name for code in iter_loadable_code(wheel) for name in code.slice.python_exports}
    findings = []
    for code in iter_loadable_code(wheel):
        outside = [name for name in code.slice.python_imports if _is_outside(name) and name not in defined]
        if outside and not _may_come_from_another_wheel(code, search):
            findings.append(
                (code.member, f"it uses symbols outside the stable ABI: {join_some(sorted(outside))}")
            )
        newer = [
            name
            for name in code.slice.python_imports
            if _load_stable_abi_versions().get(name, oldest) > oldest
        ]
        if newer:
            names = join_some(
                f"{name} (added in {_format_version(_load_stable_abi_versions()[name])})"
                for name in sorted(newer)
            )
            findings.append(
                (code.member, f"it uses symbols that Python {_format_version(oldest)} lacks: {names}")
            )
    yield from group_by_message(wheel, findings)


def _is_outside(name: str) -> bool:
    return (
        name not in _load_stable_abi_versions()
        and bool(_C_API_NAME.match(name))
        and not name.startswith("PyInit_")
    )


def _may_come_from_another_wheel(code: LoadableCode, search: LibrarySearch) -> bool:
    # ELF does not record which library provides a symbol.
    return code.binary.format is BinaryFormat.ELF and any(
        search.locate(library, code) is LibraryLocation.OTHER_WHEEL for library in code.slice.needed_libraries
    )


def _format_version(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


@functools.cache
def _load_stable_abi_versions() -> Mapping[str, tuple[int, int]]:
    """Return the Python version in which each symbol was added to the stable ABI."""
    import abi3info

    tables = (*abi3info.FUNCTIONS.values(), *abi3info.DATAS.values())
    return {entry.symbol.name: (entry.added.major, entry.added.minor) for entry in tables}


CHECKS = (python_tag_mismatch, abi3_violation)
