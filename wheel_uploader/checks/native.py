"""Checks of compiled code against the wheel's tags: valid binaries, for the right systems and processors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks import (
    binary_dependencies,
    native_loading,
    native_macos,
    native_modules,
    native_python,
)
from wheel_uploader.checks.native_code import (
    group_by_message,
    is_expected_code,
    is_for_several_systems,
    is_installed_script,
    is_test_data,
    iter_loadable_code,
)
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import BinaryFacts, BinaryKind, Severity, WheelContent
from wheel_uploader.core.platforms import platforms as platforms_platforms
from wheel_uploader.core.platforms.platforms import ParsedPlatform

_ANY_PLATFORM = ("any",)
_PURELIB = re.compile(r"[^/]+\.data/purelib/")
_AR_MAGIC = b"!<arch>\n"
#: Names of directories and files for one architecture: ``linux-arm64``, ``attach_x86.dll``; distinctive ones
#: may also follow another word directly: ``libportaudioarm64.dll``.
_ARCHITECTURE_NAMES = {
    arch: re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])|(?:{distinctive})(?![a-z0-9])", re.IGNORECASE)
    for arch, names, distinctive in (
        ("x86", "x86(?!_64)|i[3-6]86|win32|ia32", "32bit"),
        ("i686", "x86(?!_64)|i[3-6]86|ia32", "32bit"),
        ("x86_64", "x64|win64", "x86_64|amd64|64bit"),
        ("arm64", "arm64", "arm64|aarch64"),
        ("aarch64", "armv8", "arm64|aarch64"),
        ("armv7l", "arm|armv[67]\\w*", "armhf"),
        ("ppc64le", "powerpc64le", "ppc64le"),
        ("s390x", "s390x", "s390x"),
        ("riscv64", "riscv64", "riscv64"),
    )
}
#: Extension modules whose suffix names the ABI or platform, which every such module must have.
_EXTENSION_MODULE = re.compile(r"\.(?:cpython-|cp\d|pypy\d|abi3\.)[^/]*\Z|\.pyd\Z", re.IGNORECASE)


# --- code and the platform tag ---------------------------------------------------------------------


@check("native/in-any-wheel", Severity.ERROR)
def in_any_wheel(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel for any platform contains compiled libraries.

    Because of the tag "any", pip installs the wheel everywhere, but the code loads on one kind of system
    only. Common causes are a build that is not configured for compiled code, and files that an earlier build
    left in the source tree. Build a wheel for each platform (by declaring an extension module in setup.py, or
    overriding has_ext_modules), or exclude the files.
    """
    if not is_for_several_systems(wheel):
        yield from _find_libraries_in_any_wheel(wheel)


@check("native/several-systems-in-any-wheel", Severity.WARNING)
def several_systems_in_any_wheel(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel for any platform contains compiled libraries for several systems or processors.

    Such a wheel works if the package chooses the right file on each system, and runs without one elsewhere,
    as some debuggers do. pip also installs it on systems for which it has no library. If the package cannot
    run without the libraries, build a wheel for each platform.
    """
    if is_for_several_systems(wheel):
        yield from _find_libraries_in_any_wheel(wheel)


def _find_libraries_in_any_wheel(wheel: WheelContent) -> Iterator[Observation]:
    if wheel.name.platforms == _ANY_PLATFORM:
        libraries = (code for code in iter_loadable_code(wheel) if code.slice.kind is BinaryKind.LIBRARY)
        yield from group_by_message(
            wheel,
            ((code.member, f"it is {code.binary.format} code for {code.slice.arch}") for code in libraries),
        )


@check("native/test-data-in-any-wheel", Severity.WARNING)
def test_data_in_any_wheel(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel for any platform contains compiled libraries as data of its tests.

    Tests of tools that inspect compiled code need such files, which load on one kind of system only. They
    make the wheel larger for all users, and security scanners report them. If users do not run the tests,
    leave the directory out of the wheel.
    """
    yield from group_by_message(
        wheel,
        (
            (facts.member, f"it is {facts.format} code for {code_slice.arch}")
            for facts in wheel.binaries
            if is_test_data(wheel, facts.member)
            for code_slice in facts.slices
            if code_slice.kind is BinaryKind.LIBRARY
        ),
    )


@check("native/program-in-any-wheel", Severity.NOTE)
def program_in_any_wheel(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel for any platform contains a program for a single platform.

    Windows launchers are expected in tools that generate scripts; any other program is useless, or worse, on
    other systems. Make sure that the program is used only on the platform that it was built for.
    """
    if wheel.name.platforms == _ANY_PLATFORM:
        yield from group_by_message(
            wheel,
            (
                (facts.member, f"it is a program ({facts.format})")
                for facts in wheel.binaries
                for code_slice in facts.slices
                if code_slice.kind is BinaryKind.EXECUTABLE
            ),
        )


@check("native/none-in-platform-wheel", Severity.WARNING)
def none_in_platform_wheel(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel for a specific platform contains no compiled code.

    Either the code was lost, for example because the compiler failed and the build continued without it, or
    the wheel could be tagged for any platform. Check the build log; if there is nothing to compile, build
    with the tag "any".
    """
    has_static_library = any(member.first_bytes.startswith(_AR_MAGIC) for member in wheel.members)
    if "any" not in wheel.name.platforms and not wheel.binaries and not has_static_library:
        yield f"the wheel is for {join_some(wheel.name.platforms)} but has no compiled code"


# --- format and architecture -----------------------------------------------------------------------


@check("native/not-native", Severity.ERROR)
def not_native(wheel: WheelContent) -> Iterator[Observation]:
    """File named like a shared library is not one, or is corrupt.

    The file cannot be loaded. Common causes are a checkout without "git lfs pull", a symbolic link that
    became a text file, an interrupted build, and a truncated copy. Find out where the file came from, and
    build again.
    """
    yield from group_by_message(
        wheel,
        (
            (facts.member, facts.problem)
            for facts in wheel.binaries
            if facts.problem and is_expected_code(facts) and not is_test_data(wheel, facts.member)
        ),
    )


@check("native/unread", Severity.WARNING)
def unread(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code was not inspected because of its size.

    Of a file of more than 1 GiB only the beginning and the end are retained, which usually contain everything
    that the checks need; of a smaller one also the tables to which its headers refer, unless they are larger
    than in any real file. The other checks do not cover these files. Inspect them with the tools of their
    platform.
    """
    yield from group_by_message(
        wheel, ((facts.member, facts.unread_reason) for facts in wheel.binaries if facts.unread_reason)
    )


@check("native/format-mismatch", Severity.ERROR)
def format_mismatch(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code is for a different operating system than the tag states.

    An ELF file is for Linux, a Mach-O file for macOS, a PE file for Windows; no other system loads it. Common
    causes are a renamed wheel, and a build directory or cache that several systems share. Build from a clean
    checkout on each system.
    """
    if not _has_library_of_each_platform(wheel):
        yield from _describe_foreign_formats(wheel)


@check("native/other-systems", Severity.WARNING)
def other_systems(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code for other operating systems is in the wheel as well.

    The wheel has no extension module, and libraries for the system that its tag states, so that it works if
    the package chooses the right ones. Users of each system download those of all others. Include in each
    wheel only the files for its own system, or build a single wheel with the tag "any".
    """
    if _has_library_of_each_platform(wheel):
        yield from _describe_foreign_formats(wheel)


def _describe_foreign_formats(wheel: WheelContent) -> Iterator[Observation]:
    formats = {platform.format for platform in platforms_platforms.parse_platforms(wheel.name.platforms)}
    tags = join_some(wheel.name.platforms)
    if formats:
        yield from group_by_message(
            wheel,
            (
                (code.member, f"it is {code.binary.format} code, but the wheel is for {tags}")
                for code in iter_loadable_code(wheel)
                if code.binary.format not in formats
            ),
        )


def _has_library_of_each_platform(wheel: WheelContent) -> bool:
    """Return whether a wheel without extension modules has a library for each of its tags."""
    if wheel.name.abis != ("none",):
        return False
    libraries = {
        (code.binary.format, code.slice.arch)
        for code in iter_loadable_code(wheel)
        if code.slice.kind is BinaryKind.LIBRARY
    }
    return all(
        any((platform.format, arch) in libraries for arch in platform.arches)
        for platform in platforms_platforms.parse_platforms(wheel.name.platforms)
    )


@check("native/arch-mismatch", Severity.ERROR)
def arch_mismatch(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code is for a different processor architecture than the tag states.

    Loading it fails with "wrong ELF class", "incompatible architecture" or "not a valid Win32 application".
    Every library in a universal2 wheel must contain both x86_64 and arm64; additional architectures are
    harmless. Common causes are a cross build whose flags did not reach every component, a prebuilt library
    for a single architecture, and a renamed wheel. Compile everything for the architectures of the tag, or
    merge two wheels with delocate-merge.
    """
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    yield from group_by_message(wheel, _find_wrong_arch(wheel, platforms))
    for platform in platforms:
        arches = {
            code.slice.arch for code in iter_loadable_code(wheel) if code.binary.format is platform.format
        }
        if arches and len(platforms) > 1 and (missing := platform.arches - arches):
            yield f"the wheel is also for {platform.tag} but contains no {join_some(sorted(missing))} code"


def _find_wrong_arch(wheel: WheelContent, platforms: tuple[ParsedPlatform, ...]) -> Iterator[tuple[str, str]]:
    for facts in dict.fromkeys(code.binary for code in iter_loadable_code(wheel)):
        same_format = [platform for platform in platforms if platform.format is facts.format]
        arches = {code_slice.arch for code_slice in facts.slices}
        tagged = frozenset[str]().union(*(platform.arches for platform in same_format))
        # Code in a file named after another architecture is included on purpose.
        if not tagged or not all(_is_processor(arch) for arch in arches) or _is_named_after(facts, arches):
            continue
        if not arches & tagged:
            tags = join_some(wheel.name.platforms)
            yield facts.member, f"it is for {join_some(sorted(arches))}, but the wheel is for {tags}"
        elif missing := _find_required_arches(same_format) - arches:
            yield facts.member, f"it has no code for {join_some(sorted(missing))}, but the wheel is universal"


def _find_required_arches(platforms: list[ParsedPlatform]) -> frozenset[str]:
    """Return the architectures that every library needs if a single tag covers several."""
    if len(platforms) == 1 and len(platforms[0].arches) > 1:
        return platforms[0].arches
    return frozenset()


def _is_processor(arch: str) -> bool:
    # "ELF machine 224" and the like is GPU code, which is also packed as ELF.
    return " " not in arch


def _is_named_after(facts: BinaryFacts, arches: set[str]) -> bool:
    folder, _, name = facts.member.rpartition("/")
    if is_installed_script(facts.member):
        return False
    # The platform suffix of an extension module's name is required, so only its directory counts.
    path = folder if _EXTENSION_MODULE.search(name) else facts.member
    return all(arch in _ARCHITECTURE_NAMES and _ARCHITECTURE_NAMES[arch].search(path) for arch in arches)


# --- valid but undesirable -------------------------------------------------------------------------


@check("native/isa-too-new", Severity.WARNING)
def isa_too_new(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code requires a newer processor than the tag states.

    The tag x86_64 includes every such processor since 2003. Code marked x86-64-v2 or later fails on older
    ones, at best with "CPU ISA level is lower than required". Common causes are -march in the compiler flags,
    and an image such as manylinux_2_34, whose compiler defaults to v2. Compile with -march=x86-64.
    """
    yield from group_by_message(
        wheel,
        (
            (code.member, f"it requires {code.slice.isa_level}")
            for code in iter_loadable_code(wheel)
            if code.slice.isa_level
        ),
    )


@check("native/in-purelib", Severity.WARNING)
def in_purelib(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code is below .data/purelib.

    purelib is for files that are the same on every platform. On systems where it differs from platlib
    (Fedora, RHEL), the code is installed separately from the rest of its package and is not found. The usual
    cause is a home-made build script. Move the file to the root of the wheel, or to platlib.
    """
    yield from group_by_message(
        wheel,
        (
            (code.member, "it is compiled code in purelib")
            for code in iter_loadable_code(wheel)
            if _PURELIB.match(code.member)
        ),
    )


@check("native/debug-symbols", Severity.NOTE)
def debug_symbols(wheel: WheelContent) -> Iterator[Observation]:
    """Compiled code contains debug information.

    Only debuggers use it, and it can account for most of the file's size. Strip it (-Wl,--strip-debug,
    "auditwheel repair --strip", "strip -S" on macOS) unless it is intended.
    """
    yield from group_by_message(
        wheel,
        (
            (code.member, "it has debug sections")
            for code in iter_loadable_code(wheel)
            if code.slice.has_debug_info
        ),
    )


CHECKS = (
    in_any_wheel,
    several_systems_in_any_wheel,
    test_data_in_any_wheel,
    program_in_any_wheel,
    none_in_platform_wheel,
    not_native,
    unread,
    format_mismatch,
    other_systems,
    arch_mismatch,
    *native_macos.CHECKS,
    *binary_dependencies.CHECKS,
    *native_python.CHECKS,
    *native_modules.CHECKS,
    *native_loading.CHECKS,
    isa_too_new,
    in_purelib,
    debug_symbols,
)
