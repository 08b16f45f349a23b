"""Which Python native code is for: suffixes of extension modules, Python's DLL, the stable ABI."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterator, Mapping

from wheel_uploader.checks.native_code import Code, few, gathered, loaded
from wheel_uploader.checks.native_search import Found, Search
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import NativeFormat, NativeKind, Severity, WheelContent

#: ``x.cpython-313t-x86_64-linux-gnu.so``, ``x.cp313t-win_amd64.pyd``, ``x.pypy311-pp73-darwin.so``.
_SUFFIXES = {
    ".so": re.compile(r"(?s)\.(?:cpython-(?P<cpython>\d+[a-z]*)|pypy(?P<pypy>\d+)-pp\d+)-(?=.)"),
    ".pyd": re.compile(r"(?s)\.(?:cp(?P<cpython>\d+[a-z]*)|pypy(?P<pypy>\d+)-pp\d+)-(?=.)"),
}
_DLL = re.compile(r"python(?P<version>3\d+)(?P<threads>t?)(?P<debug>(?:_d)?)\.dll\Z", re.IGNORECASE)
_CPYTHON = re.compile(r"cp(3\d+)")
#: Python 3.7 and older had an "m" there that says nothing.
_OLD_FLAG = re.compile(r"(?<=cp3[0-7])m\Z")
_STABLE = frozenset({"abi3", "abi3t"})
#: What only looks like Python's: names have a class and a word, as in PyList_New, _Py_Dealloc.
_API = re.compile(r"_?Py[A-Za-z0-9]*_\w+\Z")
_STABLE_SINCE = (3, 2)


def _promised(wheel: WheelContent) -> tuple[frozenset[str], bool]:
    """The Pythons whose own modules may be in the wheel, and whether it is for more than those."""
    exact: set[str] = set()
    for python in wheel.name.pythons:
        for abi in wheel.name.abis:
            if abi.startswith("cp3"):
                exact.add(_OLD_FLAG.sub("", abi))
            elif python.startswith("pp"):
                exact.add(python)
            elif abi == "none" and _CPYTHON.fullmatch(python):
                exact |= {python, f"{python}t"}
    general = not exact or bool(_STABLE & set(wheel.name.abis)) or "any" in wheel.name.platforms
    return frozenset(exact), general


@check("native/python-tag-mismatch", Severity.ERROR)
def python_tag_mismatch(wheel: WheelContent) -> Iterator[Yielded]:
    """A module is for another Python than the wheel.

    A module with cpython-313 in its name is not seen by Python 3.12, and one that imports python313.dll does
    not load there; cp313t is the free-threaded build, another ABI than cp313. pip installs the wheel all the
    same, and the import fails. The usual causes are a build directory that was used for several Pythons, and
    a wheel whose tag was changed by hand. Build from a clean checkout for each Python.
    """
    exact, general = _promised(wheel)
    found = list(_versions(wheel))
    # Modules for several Pythons, side by side in a wheel for all of them, are meant so.
    if general and len({version for _, version, _ in found}) > 1:
        return
    tag = f"{'.'.join(wheel.name.pythons)}-{'.'.join(wheel.name.abis)}"
    yield from gathered(
        wheel,
        (
            (member, f"{how} is for {version}, and the wheel for {tag}")
            for member, version, how in found
            if version not in exact
        ),
    )


def _versions(wheel: WheelContent) -> Iterator[tuple[str, str, str]]:
    """(member, Python such as cp313t, what says so) of each module that is for one Python alone."""
    for code in loaded(wheel):
        if code.slice.kind is not NativeKind.LIBRARY:
            continue
        if suffix := _suffix(code.member):
            cpython = suffix["cpython"]
            version = _OLD_FLAG.sub("", f"cp{cpython}") if cpython else f"pp{suffix['pypy']}"
            yield code.member, version, "its name says that it"
        if code.facts.format is NativeFormat.PE:
            for library in code.slice.needed:
                if dll := _DLL.match(library):
                    debug = "d" if dll["debug"] else ""
                    yield code.member, f"cp{dll['version']}{dll['threads'].lower()}{debug}", library


def _suffix(member: str) -> re.Match[str] | None:
    """Return what the name of a module says of its Python; None if it says nothing."""
    stem, extension = posixpath.splitext(posixpath.basename(member))
    return _SUFFIXES[extension].search(stem) if extension in _SUFFIXES else None


@check("native/abi3-violation", Severity.ERROR)
def abi3_violation(wheel: WheelContent) -> Iterator[Yielded]:
    """An abi3 wheel uses more than the stable ABI of the oldest Python that it is for.

    "cp39-abi3" promises Python 3.9 and every later one. A symbol that was added in 3.11 is not there in 3.9,
    and one outside the stable ABI may be gone in the next release: the import fails with "undefined symbol",
    or the module crashes. The usual causes are Py_LIMITED_API that is not defined in all sources, that is
    set to a newer version than the tag, and a tag that was set by hand. Define Py_LIMITED_API as the version
    of the tag, everywhere.
    """
    if not _STABLE & set(wheel.name.abis):
        return
    numbers = [tag[1] for python in wheel.name.pythons if (tag := _CPYTHON.fullmatch(python))]
    if not numbers:
        return
    oldest = max(_STABLE_SINCE, min((int(number[0]), int(number[1:] or 0)) for number in numbers))
    search = Search(wheel)
    own = {name for code in loaded(wheel) for name in code.slice.python_exports}
    found = []
    for code in loaded(wheel):
        outside = [name for name in code.slice.python_symbols if _is_outside(name) and name not in own]
        if outside and not _may_be_elsewhere(code, search):
            found.append((code.member, f"it uses what is not of the stable ABI: {few(sorted(outside))}"))
        newer = [name for name in code.slice.python_symbols if _added().get(name, oldest) > oldest]
        if newer:
            names = few(f"{name} (of {_dotted(_added()[name])})" for name in sorted(newer))
            found.append((code.member, f"it uses what Python {_dotted(oldest)} does not have: {names}"))
    yield from gathered(wheel, found)


def _is_outside(name: str) -> bool:
    return name not in _added() and bool(_API.match(name)) and not name.startswith("PyInit_")


def _may_be_elsewhere(code: Code, search: Search) -> bool:
    # ELF does not say which library a symbol is from.
    return code.facts.format is NativeFormat.ELF and any(
        search.find(library, code) is Found.ELSEWHERE for library in code.slice.needed
    )


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


@functools.cache
def _added() -> Mapping[str, tuple[int, int]]:
    """The version of Python in which each symbol joined the stable ABI."""
    import abi3info

    tables = (*abi3info.FUNCTIONS.values(), *abi3info.DATAS.values())
    return {entry.symbol.name: (entry.added.major, entry.added.minor) for entry in tables}


CHECKS = (python_tag_mismatch, abi3_violation)
