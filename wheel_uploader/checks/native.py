"""Compiled code against the tags of its wheel: is it code, and code for these systems and processors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks import native_macos, native_needs, native_python
from wheel_uploader.checks.native_code import few, gathered, is_promised, is_script, loaded
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import NativeFacts, NativeKind, Severity, WheelContent
from wheel_uploader.platforms import tags
from wheel_uploader.platforms.tags import Platform

_ANY = ("any",)
_PURELIB = re.compile(r"[^/]+\.data/purelib/")
_STATIC_LIBRARY = b"!<arch>\n"
#: How directories and files are called after a processor: ``linux-arm64``, ``attach_x86.dll``.
_CALLED_AFTER = {
    arch: re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])", re.IGNORECASE)
    for arch, names in {
        "x86": "x86(?!_64)|i[3-6]86|win32|ia32|32bit",
        "i686": "x86(?!_64)|i[3-6]86|ia32|32bit",
        "x86_64": "x86_64|x64|amd64|win64|64bit",
        "arm64": "arm64|aarch64",
        "aarch64": "arm64|aarch64|armv8",
        "armv7l": "arm|armv[67]\\w*|armhf",
        "ppc64le": "ppc64le|powerpc64le",
        "s390x": "s390x",
        "riscv64": "riscv64",
    }.items()
}
#: A module that Python finds by a name with the platform in it: that it is for this one.
_MODULE = re.compile(r"\.(?:cpython-|cp\d|pypy\d|abi3\.)[^/]*\Z|\.pyd\Z", re.IGNORECASE)


# --- wheels for any platform, and for one ----------------------------------------------------------


@check("native/in-any-wheel", Severity.ERROR)
def in_any_wheel(wheel: WheelContent) -> Iterator[Yielded]:
    """A wheel for any platform has compiled libraries in it.

    The tag "any" makes pip install the wheel everywhere, and the code loads on one kind of system only. The
    usual causes are a build that does not know that the project has compiled parts, and files that an
    earlier build left in the source tree. Build a wheel for each platform (an extension module in setup.py,
    or has_ext_modules, makes the difference), or keep the files out.
    """
    if wheel.name.platforms == _ANY:
        found = ((code.member, code) for code in loaded(wheel) if code.slice.kind is NativeKind.LIBRARY)
        yield from gathered(
            wheel,
            ((member, f"it is {code.facts.format} code for {code.slice.arch}") for member, code in found),
        )


@check("native/program-in-any-wheel", Severity.NOTE)
def program_in_any_wheel(wheel: WheelContent) -> Iterator[Yielded]:
    """A wheel for any platform carries a program for one.

    Launchers for Windows in tools that make scripts are meant so; anything else is useless, or worse, on
    other systems. Make sure that the program is asked for only where it runs.
    """
    if wheel.name.platforms == _ANY:
        yield from gathered(
            wheel,
            (
                (facts.member, f"it is a program ({facts.format})")
                for facts in wheel.natives
                for part in facts.slices
                if part.kind is NativeKind.EXECUTABLE
            ),
        )


@check("native/none-in-platform-wheel", Severity.WARNING)
def none_in_platform_wheel(wheel: WheelContent) -> Iterator[Yielded]:
    """A wheel for one platform has no compiled code.

    Either the code was lost, for example because the compiler failed and the build went on without it, or
    the wheel could be one for any platform. Look at the build log; build with the tag "any" if there is
    nothing to compile.
    """
    is_static = any(member.head.startswith(_STATIC_LIBRARY) for member in wheel.members)
    if "any" not in wheel.name.platforms and not wheel.natives and not is_static:
        yield f"the wheel is for {few(wheel.name.platforms)}, and has no compiled code"


# --- the right code --------------------------------------------------------------------------------


@check("native/not-native", Severity.ERROR)
def not_native(wheel: WheelContent) -> Iterator[Yielded]:
    """A file has the name of compiled code, and is none, or is damaged.

    It cannot be loaded. The usual causes are a checkout without "git lfs pull", a link that became a text
    file, a build that stopped half-way, and a copy that was cut off. Look where the file came from, and
    build again.
    """
    yield from gathered(
        wheel,
        ((facts.member, facts.problem) for facts in wheel.natives if facts.problem and is_promised(facts)),
    )


@check("native/unread", Severity.WARNING)
def unread(wheel: WheelContent) -> Iterator[Yielded]:
    """Compiled code was not looked at, because of its size or number.

    What is needed of a file usually stands at its beginning and its end, which is all that is kept of very
    large ones; and of thousands of files only the first are read. The other checks say nothing of these.
    Look at the file with the tools of its platform.
    """
    yield from gathered(wheel, ((facts.member, facts.unread) for facts in wheel.natives if facts.unread))


@check("native/format-mismatch", Severity.ERROR)
def format_mismatch(wheel: WheelContent) -> Iterator[Yielded]:
    """The code is for another system than the tag.

    An ELF file is for Linux, a Mach-O file for macOS, a PE file for Windows; nothing else loads it. The
    usual causes are a wheel that was renamed, and a build directory or a cache that several systems share.
    Build from a clean checkout on each system.
    """
    platforms = tags.parse_all(wheel.name.platforms)
    wanted = {platform.format for platform in platforms}
    if wanted:
        yield from gathered(
            wheel,
            (
                (
                    code.member,
                    f"it is {code.facts.format} code, and the wheel is for {few(wheel.name.platforms)}",
                )
                for code in loaded(wheel)
                if code.facts.format not in wanted
            ),
        )


@check("native/arch-mismatch", Severity.ERROR)
def arch_mismatch(wheel: WheelContent) -> Iterator[Yielded]:
    """The code is for another processor than the tag.

    It does not load: "wrong ELF class", "incompatible architecture", "not a valid Win32 application". A
    universal2 wheel has to have both x86_64 and arm64 in every library; more than the tag asks for does no
    harm. The usual causes are a cross build whose flags did not reach all parts, a prebuilt library for one
    processor only, and a wheel that was renamed. Compile everything for the processors of the tag, or fuse
    two wheels with delocate-merge.
    """
    platforms = tags.parse_all(wheel.name.platforms)
    yield from gathered(wheel, _wrong_arch(wheel, platforms))
    for platform in platforms:
        there = {code.slice.arch for code in loaded(wheel) if code.facts.format is platform.format}
        if there and len(platforms) > 1 and (lacking := platform.arches - there):
            yield f"the wheel is for {platform.tag} as well, and has nothing for {few(sorted(lacking))}"


def _wrong_arch(wheel: WheelContent, platforms: tuple[Platform, ...]) -> Iterator[tuple[str, str]]:
    for facts in dict.fromkeys(code.facts for code in loaded(wheel)):
        same_format = [platform for platform in platforms if platform.format is facts.format]
        there = {part.arch for part in facts.slices}
        promised = frozenset[str]().union(*(platform.arches for platform in same_format))
        # Code for other processors that is called after them is there on purpose.
        if not promised or not all(_is_processor(arch) for arch in there) or _is_by_arch(facts, there):
            continue
        if not there & promised:
            yield (
                facts.member,
                f"it is for {few(sorted(there))}, and the wheel for {few(wheel.name.platforms)}",
            )
        elif lacking := _all_need(same_format) - there:
            yield facts.member, f"it has no code for {few(sorted(lacking))}, and the wheel is universal"


def _all_need(platforms: list[Platform]) -> frozenset[str]:
    """What every library needs, when one tag stands for several processors."""
    if len(platforms) == 1 and len(platforms[0].arches) > 1:
        return platforms[0].arches
    return frozenset()


def _is_processor(arch: str) -> bool:
    # "ELF machine 224" and the like: code for graphics cards, which travels as ELF too.
    return " " not in arch


def _is_by_arch(facts: NativeFacts, there: set[str]) -> bool:
    folder, _, name = facts.member.rpartition("/")
    if is_script(facts.member):
        return False
    called = folder if _MODULE.search(name) else facts.member
    return all(arch in _CALLED_AFTER and _CALLED_AFTER[arch].search(called) for arch in there)


# --- not wrong, and not good -----------------------------------------------------------------------


@check("native/isa-too-new", Severity.WARNING)
def isa_too_new(wheel: WheelContent) -> Iterator[Yielded]:
    """The code asks for a newer processor than the tag promises.

    x86_64 means every such processor since 2003. Code that is marked x86-64-v2 or later stops on older ones,
    with "CPU ISA level is lower than required" at best. The usual causes are -march in the flags, and an
    image such as manylinux_2_34, whose compiler has v2 as its default. Compile with -march=x86-64.
    """
    yield from gathered(
        wheel, ((code.member, f"it asks for {code.slice.isa}") for code in loaded(wheel) if code.slice.isa)
    )


@check("native/in-purelib", Severity.WARNING)
def in_purelib(wheel: WheelContent) -> Iterator[Yielded]:
    """Compiled code is below .data/purelib.

    purelib is for files that are the same on every platform; where it is not the same directory as platlib
    (Fedora, RHEL) the code is installed apart from the rest of its package and is not found. The usual
    cause is a home-made build script. Put it into the root of the wheel, or into platlib.
    """
    yield from gathered(
        wheel,
        (
            (code.member, "it is compiled code in purelib")
            for code in loaded(wheel)
            if _PURELIB.match(code.member)
        ),
    )


@check("native/debug-symbols", Severity.NOTE)
def debug_symbols(wheel: WheelContent) -> Iterator[Yielded]:
    """The code has debug information in it.

    It is for debuggers only and may be most of the file. Strip it (-Wl,--strip-debug, "auditwheel repair
    --strip", "strip -S" on macOS), unless it is wanted.
    """
    yield from gathered(
        wheel,
        ((code.member, "it has sections of debug information") for code in loaded(wheel) if code.slice.debug),
    )


CHECKS = (
    in_any_wheel,
    program_in_any_wheel,
    none_in_platform_wheel,
    not_native,
    unread,
    format_mismatch,
    arch_mismatch,
    *native_macos.CHECKS,
    *native_needs.CHECKS,
    *native_python.CHECKS,
    isa_too_new,
    in_purelib,
    debug_symbols,
)
