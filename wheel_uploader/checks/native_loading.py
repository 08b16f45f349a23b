"""Checks of what systems refuse to load, or load from the wrong place: stacks, signatures, search paths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks.native_code import group_by_message, iter_loadable_code
from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import BinaryFormat, BinaryKind, Severity, WheelContent
from wheel_uploader.core.platforms import platforms as platforms_platforms
from wheel_uploader.core.platforms.platforms import GLIBC_SYSTEMS, OperatingSystem

#: Architectures on which glibc takes the stack of a file without the header to be executable.
_EXECUTABLE_BY_DEFAULT = frozenset({"x86_64", "i686", "aarch64", "armv7l", "s390x", "riscv64"})
#: Paths of home directories, temporary directories, and the workspaces of CI systems and build tools.
_BUILD_DIRECTORY = re.compile(
    r"/(?:home|Users|root|tmp|var/tmp|private|builds|project|io|__w|github|workspace|croot)/"
    r"|/(?:tmp|build|builds|_build|_skbuild|bazel-out|CMakeFiles|\.libs|pip-[a-z]+-[^/]+|conda-bld)(?:/|\Z)"
)
#: Beginnings of search paths that are relative to the file or to other search paths.
_VARIABLE = ("$", "@")


@check("native/executable-stack", Severity.ERROR)
def executable_stack(wheel: WheelContent) -> Iterator[Observation]:
    """Library requires an executable stack, which current Linux systems refuse.

    glibc 2.41 and later refuse to load it into a running program ("cannot enable executable stack as shared
    object requires"), and SELinux and hardened kernels always did, so that the import fails. A library
    without the header PT_GNU_STACK is treated in the same way. The usual cause is an assembly source without
    a .note.GNU-stack section, or a nested function of GNU C; one such object file is enough. Add the section,
    or link with -Wl,-z,noexecstack if the code does not execute its stack.
    """
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    arches = frozenset[str]().union(
        *(platform.arches for platform in platforms if platform.system in GLIBC_SYSTEMS)
    )
    findings = []
    for code in iter_loadable_code(wheel):
        if (
            code.binary.format is not BinaryFormat.ELF
            or code.slice.kind is not BinaryKind.LIBRARY
            or code.slice.arch not in arches
        ):
            continue
        if code.slice.executable_stack:
            findings.append((code.member, "it asks for an executable stack (GNU_STACK has the flag X)"))
        elif code.slice.unspecified_stack and code.slice.arch in _EXECUTABLE_BY_DEFAULT:
            findings.append((code.member, "it has no GNU_STACK header, so it gets an executable stack"))
    yield from group_by_message(wheel, findings)


@check("native/unsigned", Severity.ERROR)
def unsigned(wheel: WheelContent) -> Iterator[Observation]:
    """Code for Apple silicon has no code signature.

    macOS on arm64 ends the process that loads such a file ("Code Signature Invalid"). The linker signs
    everything that it makes, but a tool that changes the file afterwards (install_name_tool, strip, lipo,
    patchelf-like editors) removes or invalidates the signature. Sign it again as the last step
    ("codesign --force --sign - FILE"; delocate does so).
    """
    platforms = platforms_platforms.parse_platforms(wheel.name.platforms)
    if not any(platform.system is OperatingSystem.MACOS for platform in platforms):
        return
    yield from group_by_message(
        wheel,
        (
            (code.member, "its arm64 code has no signature (LC_CODE_SIGNATURE)")
            for code in iter_loadable_code(wheel)
            if code.binary.format is BinaryFormat.MACHO
            and code.slice.arch == "arm64"
            and not code.slice.has_code_signature
        ),
    )


@check("native/build-rpath", Severity.WARNING)
def build_rpath(wheel: WheelContent) -> Iterator[Observation]:
    """Library search path leads to a build directory or to the current directory.

    The path (RPATH, RUNPATH, LC_RPATH) exists on the build machine only, and tells its user's name. On other
    machines whoever can create the directory decides which libraries are loaded; a relative path even means
    the directory in which Python is started. Common causes are CMake's build RPATH in a file that was copied
    rather than installed, and libtool. Install with CMAKE_INSTALL_RPATH, or remove the path
    ("patchelf --remove-rpath", "install_name_tool -delete_rpath"); auditwheel removes paths outside the
    wheel.
    """
    yield from group_by_message(
        wheel,
        (
            (code.member, f"its search path {rpath} {problem}")
            for code in iter_loadable_code(wheel)
            for rpath in code.slice.rpaths
            if (problem := _find_rpath_problem(rpath))
        ),
    )


def _find_rpath_problem(rpath: str) -> str:
    if rpath.startswith(_VARIABLE):
        return ""
    if not rpath.startswith("/"):
        return "is relative to the current directory"
    return "is that of a build machine" if _BUILD_DIRECTORY.search(rpath) else ""


CHECKS = (executable_stack, unsigned, build_rpath)
