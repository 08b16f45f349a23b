"""What native code needs of the system: symbol versions, a C library, other libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from wheel_uploader.checks.native_code import Code, few, gathered, loaded
from wheel_uploader.checks.native_search import Found, Search
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import NativeFormat, NativeKind, Severity, WheelContent
from wheel_uploader.platforms import promises, tags
from wheel_uploader.platforms.tags import Platform, System

_LIBPYTHON = re.compile(
    r"(?:.*/)?(?:libpython[23][^/]*\.(?:so[^/]*|dylib)|Python3?\.framework/.*|Python3?)\Z"
)
#: Systems that give Python to extension modules as a library.
_HAS_LIBPYTHON = frozenset({System.ANDROID, System.IOS, System.WINDOWS})

_CALLED = {
    System.MANYLINUX: "manylinux",
    System.MUSLLINUX: "musllinux",
    System.MACOS: "macOS",
    System.WINDOWS: "Windows",
}


def _platforms(wheel: WheelContent, *systems: System) -> tuple[Platform, ...]:
    found = tags.parse_all(wheel.name.platforms)
    return tuple(platform for platform in found if platform.system in systems)


@check("native/glibc-too-new", Severity.ERROR)
def glibc_too_new(wheel: WheelContent) -> Iterator[Yielded]:
    """The code needs a newer glibc or libstdc++ than the manylinux tag promises.

    A manylinux tag says which Linux systems the wheel runs on. On an older one pip installs it, and the
    import fails with "version `GLIBC_2.34' not found". All the tags of the name have to be true, so the
    oldest one counts. The usual causes are a wheel that was built on the developer's own system or in a
    newer image than meant, a prebuilt library in it, and a tag that was set by hand. Build in the manylinux
    image of the tag, or run "auditwheel repair" without a --plat of your own and take the tag that it
    finds.
    """
    yield from gathered(wheel, _too_new(wheel))


def _too_new(wheel: WheelContent) -> Iterator[tuple[str, str]]:
    platforms = sorted(_platforms(wheel, System.MANYLINUX), key=lambda platform: platform.version)
    search = Search(wheel) if platforms else None
    for code in loaded(wheel):
        own = next((platform for platform in platforms if code.slice.arch in platform.arches), None)
        if own is None or search is None or code.facts.format is not NativeFormat.ELF:
            continue
        policy = promises.manylinux(own.version)
        newer = [
            f"{version} of {library}"
            for library, version in code.slice.versions
            if not policy.allows(version, code.slice.arch) and not search.where(library)
        ]
        if newer:
            yield code.member, f"it needs {few(newer)}, which {own.tag} does not promise"


@check("native/musl-vs-glibc", Severity.ERROR)
def musl_vs_glibc(wheel: WheelContent) -> Iterator[Yielded]:
    """The code is linked to the other C library than the one of the tag.

    musllinux is for systems with musl (Alpine), manylinux for those with glibc. Code for one does not load
    on the other. The usual causes are a wheel that was renamed, and a build directory that the two builds
    shared. Build each in its own image, from a clean checkout.
    """
    manylinux = few(platform.tag for platform in _platforms(wheel, System.MANYLINUX))
    musllinux = few(platform.tag for platform in _platforms(wheel, System.MUSLLINUX))
    found = []
    for code in loaded(wheel):
        if code.facts.format is not NativeFormat.ELF:
            continue
        if musllinux and (library := _glibc_of(code)):
            found.append((code.member, f"it needs {library} of glibc, and {musllinux} is for musl"))
        if manylinux and (library := _musl_of(code)):
            found.append((code.member, f"it needs {library} of musl, and {manylinux} is for glibc"))
    yield from gathered(wheel, found)


def _glibc_of(code: Code) -> str:
    # Not by versions: on some processors libgcc_s has a GLIBC_2.0 of its own, on musl too.
    needed = [library for library in code.slice.needed if promises.is_glibc(library)]
    return next(iter([*needed, *_loader_of(code, musl=False)]), "")


def _musl_of(code: Code) -> str:
    needed = [library for library in code.slice.needed if promises.is_musl(library)]
    return next(iter([*needed, *_loader_of(code, musl=True)]), "")


def _loader_of(code: Code, *, musl: bool) -> list[str]:
    loader = code.slice.interpreter.rpartition("/")[2]
    is_it = promises.is_musl(loader) if musl else promises.is_glibc(loader)
    return [loader] if is_it else []


@check("native/links-libpython", Severity.ERROR)
def links_libpython(wheel: WheelContent) -> Iterator[Yielded]:
    """An extension module is linked to libpython.

    On Linux and macOS a module takes Python's symbols from the program that loads it. Many Pythons have no
    libpython at all, so that the import fails; and where there is one, it is a second Python in one process,
    which crashes. manylinux forbids it. The usual causes are "python-config --embed", FindPython asked for
    Development instead of Development.Module in CMake, and -lpython in the flags. Link with
    "-undefined dynamic_lookup" on macOS, and with nothing on Linux.
    """
    if _platforms(wheel, *_HAS_LIBPYTHON):
        return
    yield from gathered(
        wheel,
        (
            (code.member, f"it is linked to {library}")
            for code in loaded(wheel)
            if code.facts.format in {NativeFormat.ELF, NativeFormat.MACHO} and _is_module(code)
            for library in code.slice.needed
            if _LIBPYTHON.match(library)
        ),
    )


def _is_module(code: Code) -> bool:
    # A program that embeds Python may well bring its own.
    return code.slice.kind is NativeKind.LIBRARY


@check("native/missing-library", Severity.ERROR)
def missing_library(wheel: WheelContent) -> Iterator[Yielded]:
    """The code needs a library that is neither in the wheel nor promised by the platform.

    It works on the machine that built the wheel, where the library is, and the import fails on most others:
    "cannot open shared object file", "Library not loaded", "DLL load failed". Promised are, on Linux, the
    libraries of the manylinux or musllinux policy; on macOS those below /usr/lib and /System; on Windows
    those of Windows 10 and vcruntime140.dll, which comes with Python, but not vcomp140.dll (of msvcp140.dll
    native/needs-visual-cpp speaks). A library in the wheel counts when a search path ($ORIGIN,
    @loader_path, @rpath) leads to it, a DLL wherever it lies. Usual causes are a repair step that was left
    out, that looked at another directory, or that stopped at a library of Homebrew built for a newer macOS.
    Repair the wheel with auditwheel, delocate or delvewheel. For Android, iOS and plain Linux nothing is
    judged.
    """
    yield from gathered(
        wheel,
        (
            (need.member, need.sentence)
            for need in _unmet(wheel, *_CALLED)
            if not (need.is_missing and promises.is_visual_cpp(need.library))
        ),
    )


@check("native/needs-visual-cpp", Severity.WARNING)
def needs_visual_cpp(wheel: WheelContent) -> Iterator[Yielded]:
    """The code needs Visual C++'s runtime, which neither the wheel nor Python brings.

    Python's installer brings vcruntime140.dll and no more of it. msvcp140.dll, the standard library of C++,
    comes with Microsoft's redistributable, with many programs, and with packages that may be loaded before;
    most computers have it. On a fresh Windows, in containers for example, the import fails with "DLL load
    failed". It is a warning because well-known wheels rely on it on purpose. vcomp140.dll (OpenMP) and
    mfc140.dll are of the redistributable too, but next to nothing else brings them: native/missing-library
    has them as errors. The usual cause is C++ compiled with /MD and a wheel that was not repaired. Run
    delvewheel over it, which puts a copy of its own name into the wheel, or link the C++ library
    statically.
    """
    yield from gathered(
        wheel,
        (
            (need.member, f"it needs {need.library}, which Python does not bring")
            for need in _unmet(wheel, System.WINDOWS)
            if need.is_missing and promises.is_visual_cpp(need.library)
        ),
    )


class _Need(NamedTuple):
    """A library that some code needs and does not find."""

    member: str
    library: str
    #: It is not in the wheel; otherwise no search path leads to it.
    is_missing: bool
    sentence: str


def _unmet(wheel: WheelContent, *systems: System) -> Iterator[_Need]:
    platforms = _platforms(wheel, *systems)
    search = Search(wheel) if platforms else None
    for platform in platforms:
        for code in loaded(wheel):
            if search and code.facts.format is platform.format and code.slice.arch in platform.arches:
                yield from _unmet_by(code, platform, search)


def _unmet_by(code: Code, platform: Platform, search: Search) -> Iterator[_Need]:
    for library in code.slice.needed:
        if library == code.slice.name or _is_promised(library, code, platform):
            continue
        match search.find(library, code):
            case Found.MISSING:
                why = f"which is neither in the wheel nor promised by {_CALLED[platform.system]}"
                yield _Need(code.member, library, True, f"it needs {library}, {why}")
            case Found.UNREACHABLE:
                why = f"the wheel has {search.where(library)}, and no search path leads there"
                yield _Need(code.member, library, False, f"it needs {library}; {why}")
            case Found.THERE | Found.ELSEWHERE:
                pass


def _is_promised(library: str, code: Code, platform: Platform) -> bool:
    if platform.system is not System.WINDOWS and _is_module(code) and _LIBPYTHON.match(library):
        return True  # native/links-libpython says more of it
    match platform.system:
        case System.MANYLINUX:
            # Another C library is what native/musl-vs-glibc is about.
            policy = promises.manylinux(platform.version)
            return promises.has_manylinux(policy, library) or promises.is_musl(library)
        case System.MUSLLINUX:
            return promises.has_musllinux(library) or promises.is_glibc(library)
        case System.MACOS:
            return promises.has_macos(library)
        case _:
            return promises.has_windows(library, code.slice.arch)


CHECKS = (glibc_too_new, musl_vs_glibc, links_libpython, missing_library, needs_visual_cpp)
