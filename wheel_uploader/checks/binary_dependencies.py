"""Checks of what compiled code requires of the system: symbol versions, a C library, other libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wheel_uploader.checks.library_search import LibraryLocation, LibrarySearch
from wheel_uploader.checks.native_code import LoadableCode, group_by_message, iter_loadable_code
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import BinaryFormat, BinaryKind, Severity, WheelContent
from wheel_uploader.core.platforms import platforms as platforms_platforms
from wheel_uploader.core.platforms import policies
from wheel_uploader.core.platforms.platforms import OperatingSystem, ParsedPlatform

#: Estimated bytes of memory for a library that is not found.
_MEMORY_PER_NEED = 400

_LIBPYTHON = re.compile(
    r"(?:.*/)?(?:libpython[23][^/]*\.(?:so[^/]*|dylib)|Python3?\.framework/.*|Python3?)\Z"
)
#: Systems on which extension modules link to Python as a library.
_LINKS_LIBPYTHON_SYSTEMS = frozenset({OperatingSystem.ANDROID, OperatingSystem.IOS, OperatingSystem.WINDOWS})

_SYSTEM_NAMES = {
    OperatingSystem.MANYLINUX: "manylinux",
    OperatingSystem.MUSLLINUX: "musllinux",
    OperatingSystem.MACOS: "macOS",
    OperatingSystem.WINDOWS: "Windows",
}


def _select_platforms(wheel: WheelContent, *systems: OperatingSystem) -> tuple[ParsedPlatform, ...]:
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    return tuple(platform for platform in platforms if platform.system in systems)


@check("native/glibc-too-new", Severity.ERROR)
def glibc_too_new(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code requires a newer glibc or libstdc++ than the manylinux tag states.

    A manylinux tag states the oldest Linux systems that the wheel supports. If the code requires newer
    libraries, pip still installs the wheel on those systems, but the import fails with
    "version `GLIBC_2.34' not found". Every tag in the file name must be correct, so the oldest one counts.
    Common causes are a wheel that was built on the developer's own system or in a newer image than intended,
    a prebuilt library inside it, and a tag that was set by hand. Build in the manylinux image of the tag, or
    run "auditwheel repair" without --plat and use the tag that it determines.
    """
    yield from group_by_message(wheel, _find_too_new(wheel))


def _find_too_new(wheel: WheelContent) -> Iterator[tuple[str, str]]:
    platforms = sorted(
        _select_platforms(wheel, OperatingSystem.MANYLINUX), key=lambda platform: platform.version
    )
    search: LibrarySearch | None = None
    for code in iter_loadable_code(wheel):
        target = next((platform for platform in platforms if code.slice.arch in platform.arches), None)
        if target is None or code.binary.format is not BinaryFormat.ELF:
            continue
        policy = policies.manylinux_policy(target.version)
        beyond_policy = [
            (library, version)
            for library, version in code.slice.symbol_versions
            if not policy.provides_symbol_version(version, code.slice.arch)
        ]
        if not beyond_policy:
            continue
        # Made only if there is something to look for: it indexes all members.
        search = search or LibrarySearch(wheel)
        newer = [
            f"{version} of {library}" for library, version in beyond_policy if not search.find_member(library)
        ]
        if newer:
            yield code.member, f"it requires {join_some(newer)}, which {target.tag} does not guarantee"


@check("native/musl-vs-glibc", Severity.ERROR)
def musl_vs_glibc(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code is linked to a different C library than the tag states.

    musllinux is for systems with musl (Alpine), manylinux for systems with glibc; code for one does not load
    on the other. Common causes are a renamed wheel, and a build directory shared by the two builds. Build
    each wheel in its own image, from a clean checkout.
    """
    manylinux = join_some(platform.tag for platform in _select_platforms(wheel, OperatingSystem.MANYLINUX))
    musllinux = join_some(platform.tag for platform in _select_platforms(wheel, OperatingSystem.MUSLLINUX))
    findings = []
    for code in iter_loadable_code(wheel):
        if code.binary.format is not BinaryFormat.ELF:
            continue
        if musllinux and (library := _find_glibc(code)):
            findings.append((code.member, f"it requires {library} of glibc, but {musllinux} is for musl"))
        if manylinux and (library := _find_musl(code)):
            findings.append((code.member, f"it requires {library} of musl, but {manylinux} is for glibc"))
    yield from group_by_message(wheel, findings)


def _find_glibc(code: LoadableCode) -> str:
    # Symbol versions prove nothing: on some architectures libgcc_s defines its own GLIBC_2.0, even on musl.
    needed = [library for library in code.slice.needed_libraries if policies.is_glibc_library(library)]
    return next(iter([*needed, *_find_loader(code, musl=False)]), "")


def _find_musl(code: LoadableCode) -> str:
    needed = [library for library in code.slice.needed_libraries if policies.is_musl_library(library)]
    return next(iter([*needed, *_find_loader(code, musl=True)]), "")


def _find_loader(code: LoadableCode, *, musl: bool) -> list[str]:
    loader = code.slice.interpreter.rpartition("/")[2]
    matches = policies.is_musl_library(loader) if musl else policies.is_glibc_library(loader)
    return [loader] if matches else []


@check("native/links-libpython", Severity.ERROR)
def links_libpython(wheel: WheelContent) -> Iterator[Observation]:
    """Extension module is linked to libpython.

    On Linux and macOS, a module takes Python's symbols from the program that loads it. Many Python
    installations have no libpython at all, so the import fails; where one exists, a second Python ends up in
    the same process and crashes it. The manylinux policy forbids it. Common causes are
    "python-config --embed", FindPython with Development instead of Development.Module in CMake, and -lpython
    in the linker flags. Link with "-undefined dynamic_lookup" on macOS, and with nothing on Linux.
    """
    if _select_platforms(wheel, *_LINKS_LIBPYTHON_SYSTEMS):
        return
    yield from group_by_message(
        wheel,
        (
            (code.member, f"it is linked to {library}")
            for code in iter_loadable_code(wheel)
            if code.binary.format in {BinaryFormat.ELF, BinaryFormat.MACHO} and _is_module(code)
            for library in code.slice.needed_libraries
            if _LIBPYTHON.match(library)
        ),
    )


def _is_module(code: LoadableCode) -> bool:
    # A program that embeds Python may include its own copy.
    return code.slice.kind is BinaryKind.LIBRARY


@check("native/missing-library", Severity.ERROR)
def missing_library(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code requires a library that neither the wheel nor the platform provides.

    The wheel works on the machine that built it, where the library is installed, but on most others the
    import fails with "cannot open shared object file", "Library not loaded" or "DLL load failed". Linux
    provides the libraries of the manylinux or musllinux policy; macOS those below /usr/lib and /System;
    Windows those of Windows 10 and vcruntime140.dll, which comes with Python, but not vcomp140.dll (for
    msvcp140.dll, see native/needs-visual-cpp). A library in the wheel counts if a search path ($ORIGIN,
    @loader_path, @rpath) leads to it; with glibc, a RUNPATH counts only for what its own file requires, and
    not for the libraries of its libraries. A DLL counts anywhere in the wheel, and a library of a required
    project if its name or a search path shows it: with Requires-Dist: torch, those of torch and of CUDA.
    Common causes are a repair step that was left out, that looked at another directory, or that stopped at a
    Homebrew library built for a newer macOS. Repair the wheel with auditwheel, delocate or delvewheel. Wheels
    for Android, iOS and plain Linux tags are not checked.
    """
    yield from group_by_message(
        wheel,
        (
            (need.member, need.sentence)
            for need in _find_unmet(wheel, *_SYSTEM_NAMES)
            if not (need.is_missing and policies.is_visual_cpp_runtime(need.library))
            and not need.is_of_plugin
        ),
    )


@check("native/plugin-missing-library", Severity.WARNING)
def plugin_missing_library(wheel: WheelContent) -> Iterator[Observation]:
    """Library that no module loads on import requires one that neither the wheel nor the platform provides.

    The modules of the wheel can be imported, but whoever uses the library gets "cannot open shared object
    file", "Library not loaded" or "DLL load failed". That is intended for a plugin for software that users
    install themselves, such as a commercial solver. Otherwise the causes and remedies are those of
    native/missing-library.
    """
    yield from group_by_message(
        wheel,
        (
            (need.member, need.sentence)
            for need in _find_unmet(wheel, *_SYSTEM_NAMES)
            if need.is_of_plugin and not (need.is_missing and policies.is_visual_cpp_runtime(need.library))
        ),
    )


@check("native/needs-visual-cpp", Severity.WARNING)
def needs_visual_cpp(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code requires Visual C++ libraries that neither the wheel nor Python provides.

    Python's installer contains vcruntime140.dll and nothing else of the Visual C++ runtime. msvcp140.dll, the
    C++ standard library, comes with Microsoft's redistributable package, with many programs, and with
    packages that may be loaded earlier; most computers have it. On a fresh Windows installation, for example
    in a container, the import fails with "DLL load failed". This is a warning because well-known wheels rely
    on the library on purpose. The same holds for mfc140u.dll, the library of windows and dialogs.
    vcomp140.dll (OpenMP) also belongs to the redistributable, but no well-known wheel relies on it:
    native/missing-library reports it as an error. The usual cause is C++ code compiled with /MD in a wheel
    that was not repaired. Run delvewheel, which adds a copy under a unique name to the wheel, or link the C++
    library statically.
    """
    yield from group_by_message(
        wheel,
        (
            (need.member, f"it requires {need.library}, which Python does not provide")
            for need in _find_unmet(wheel, OperatingSystem.WINDOWS)
            if need.is_missing and policies.is_visual_cpp_runtime(need.library)
        ),
    )


class _Need(NamedTuple):
    """A library that some code requires and the loader does not find."""

    member: str
    library: str
    #: True if it is not in the wheel; otherwise no search path leads to it.
    is_missing: bool
    #: True if no import of the wheel's modules loads the code.
    is_of_plugin: bool
    sentence: str


def _find_unmet(wheel: WheelContent, *systems: OperatingSystem) -> Sequence[_Need]:
    key = f"unmet on {', '.join(systems)}"
    if (cached := wheel.derived.get(key)) is None:
        cached = wheel.derived[key] = tuple(_search_unmet(wheel, *systems))
    needs: Sequence[_Need] = cached
    return needs


def _search_unmet(wheel: WheelContent, *systems: OperatingSystem) -> Iterator[_Need]:
    platforms = _select_platforms(wheel, *systems)
    search = LibrarySearch(wheel) if platforms else None
    for platform in platforms:
        for code in iter_loadable_code(wheel):
            if search and code.binary.format is platform.format and code.slice.arch in platform.arches:
                for need in _find_unmet_by(code, platform, search):
                    wheel.budget.reserve_memory(_MEMORY_PER_NEED)
                    yield need


def _find_unmet_by(code: LoadableCode, platform: ParsedPlatform, search: LibrarySearch) -> Iterator[_Need]:
    for library in code.slice.needed_libraries:
        if library == code.slice.library_name or _is_provided(library, code, platform):
            continue
        match search.locate(library, code):
            case LibraryLocation.MISSING:
                reason = f"which neither the wheel nor {_SYSTEM_NAMES[platform.system]} provides"
                sentence = f"it requires {library}, {reason}"
                yield _Need(code.member, library, True, search.is_plugin(code), sentence)
            case LibraryLocation.UNREACHABLE:
                reason = f"the wheel has {search.find_member(library)}, but no search path leads to it"
                sentence = f"it requires {library}; {reason}"
                yield _Need(code.member, library, False, search.is_plugin(code), sentence)
            case LibraryLocation.REACHABLE | LibraryLocation.OTHER_WHEEL:
                pass


def _is_provided(library: str, code: LoadableCode, platform: ParsedPlatform) -> bool:
    if platform.system is not OperatingSystem.WINDOWS and _is_module(code) and _LIBPYTHON.match(library):
        return True  # native/links-libpython reports it.
    match platform.system:
        case OperatingSystem.MANYLINUX:
            # native/musl-vs-glibc reports the wrong C library.
            policy = policies.manylinux_policy(platform.version)
            return policies.manylinux_provides(policy, library) or policies.is_musl_library(library)
        case OperatingSystem.MUSLLINUX:
            return policies.musllinux_provides(library) or policies.is_glibc_library(library)
        case OperatingSystem.MACOS:
            return policies.macos_provides(library)
        case _:
            return policies.windows_provides(library, code.slice.arch)


CHECKS = (
    glibc_too_new,
    musl_vs_glibc,
    links_libpython,
    missing_library,
    plugin_missing_library,
    needs_visual_cpp,
)
