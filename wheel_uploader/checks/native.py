"""Compiled code against the tags of its wheel: is it code, and code for these systems and processors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks import native_needs, native_python
from wheel_uploader.checks.native_code import few, gathered, is_promised, is_script, loaded
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.models import NativeFacts, NativeFormat, NativeKind, Severity, WheelContent
from wheel_uploader.platforms import tags
from wheel_uploader.platforms.tags import Platform, System, Version

_ANY = ("any",)
_PURELIB = re.compile(r"[^/]+\.data/purelib/")
_STATIC_LIBRARY = b"!<arch>\n"
#: A directory that is called after a processor: ``linux-arm64``, ``x64``.
_ARCH_FOLDER = re.compile(
    r"(?<![a-z])(?:x86|x64|amd64|i[3-6]86|ia32|arm(?:v\d|64)?|aarch|riscv|ppc|s390|win32|win64)(?![a-z])",
    re.IGNORECASE,
)
#: Apple's own processors came with macOS 11.
_FIRST_ARM64: Version = (11, 0)


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
            (member, f"it is {code.facts.format} code for {code.slice.arch}") for member, code in found
        )


@check("native/program-in-any-wheel", Severity.NOTE)
def program_in_any_wheel(wheel: WheelContent) -> Iterator[Yielded]:
    """A wheel for any platform carries a program for one.

    Launchers for Windows in tools that make scripts are meant so; anything else is useless, or worse, on
    other systems. Make sure that the program is asked for only where it runs.
    """
    if wheel.name.platforms == _ANY:
        yield from gathered(
            (facts.member, f"it is a program ({facts.format}, {part.arch})")
            for facts in wheel.natives
            for part in facts.slices
            if part.kind is NativeKind.EXECUTABLE
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
        (facts.member, facts.problem) for facts in wheel.natives if facts.problem and is_promised(facts)
    )


@check("native/unread", Severity.WARNING)
def unread(wheel: WheelContent) -> Iterator[Yielded]:
    """Compiled code was not looked at, because of its size or number.

    What is needed of a file usually stands at its beginning and its end, which is all that is kept of very
    large ones; and of thousands of files only the first are read. The other checks say nothing of these.
    Look at the file with the tools of its platform.
    """
    yield from gathered((facts.member, facts.unread) for facts in wheel.natives if facts.unread)


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
            (code.member, f"it is {code.facts.format} code, and the wheel is for {few(wheel.name.platforms)}")
            for code in loaded(wheel)
            if code.facts.format not in wanted
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
    yield from gathered(_wrong_arch(wheel, platforms))
    for platform in platforms:
        there = {code.slice.arch for code in loaded(wheel) if code.facts.format is platform.format}
        if there and len(platforms) > 1 and (lacking := platform.arches - there):
            yield f"the wheel is for {platform.tag} as well, and has nothing for {few(sorted(lacking))}"


def _wrong_arch(wheel: WheelContent, platforms: tuple[Platform, ...]) -> Iterator[tuple[str, str]]:
    for facts in dict.fromkeys(code.facts for code in loaded(wheel)):
        same_format = [platform for platform in platforms if platform.format is facts.format]
        there = {part.arch for part in facts.slices}
        promised = frozenset[str]().union(*(platform.arches for platform in same_format))
        # Code for other processors, in a directory that is called after them, is there on purpose.
        if not promised or not all(_is_processor(arch) for arch in there) or _is_by_arch(facts):
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


def _is_by_arch(facts: NativeFacts) -> bool:
    folders = facts.member.split("/")[:-1]
    return any(_ARCH_FOLDER.search(folder) for folder in folders) and not is_script(facts.member)


@check("native/macos-too-new", Severity.ERROR)
def macos_too_new(wheel: WheelContent) -> Iterator[Yielded]:
    """The code asks for a newer macOS than the tag promises.

    A Mach-O file says which macOS it was built for (minos). On an older one, where pip installs the wheel,
    symbols may be missing when it is loaded. The usual causes are MACOSX_DEPLOYMENT_TARGET that was not
    set, or not for all parts, and libraries of Homebrew, which are built for the macOS of the build machine.
    Set MACOSX_DEPLOYMENT_TARGET for the whole build and build such libraries yourself, or raise the tag.
    """
    found = []
    platforms = sorted(_macos(wheel), key=lambda platform: platform.version)
    for code in loaded(wheel):
        own = next((platform for platform in platforms if code.slice.arch in platform.arches), None)
        if own and code.slice.minos:
            needs = tags.macos_version(code.slice.minos)
            if _as_in_tags(needs) > _at_least(own.version, code.slice.arch):
                sentence = f"its {code.slice.arch} code asks for macOS {_dotted(needs)}, the tag is {own.tag}"
                found.append((code.member, sentence))
    yield from gathered(found)


@check("native/tag-stricter-than-code", Severity.NOTE)
def tag_stricter_than_code(wheel: WheelContent) -> Iterator[Yielded]:
    """The tag asks for a newer macOS than the code does.

    People with an older macOS do not get this wheel, although it would run; they get an older release or
    have to compile. The usual cause is a build with a Python that was itself built for a newer macOS. Set
    MACOSX_DEPLOYMENT_TARGET, and let delocate-wheel set the tag (--require-target-macos-version).
    """
    needs = [
        _at_least(tags.macos_version(code.slice.minos), code.slice.arch)
        for code in loaded(wheel)
        if code.facts.format is NativeFormat.MACHO and code.slice.minos
    ]
    platforms = _macos(wheel)
    if needs and platforms and (newest := max(needs)) < min(platform.version for platform in platforms):
        yield f"all code in it runs on macOS {_dotted(newest)}, and its tag is {few(wheel.name.platforms)}"


def _macos(wheel: WheelContent) -> list[Platform]:
    found = tags.parse_all(wheel.name.platforms)
    return [platform for platform in found if platform.system is System.MACOS]


def _as_in_tags(version: Version) -> Version:
    """From macOS 11 on tags have the first number only: what needs 12.3 cannot say more than 12_0."""
    return (version[0], 0) if version >= (11, 0) else version


def _at_least(version: Version, arch: str) -> Version:
    return max(version, _FIRST_ARM64) if arch == "arm64" else version


def _dotted(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


# --- not wrong, and not good -----------------------------------------------------------------------


@check("native/isa-too-new", Severity.WARNING)
def isa_too_new(wheel: WheelContent) -> Iterator[Yielded]:
    """The code asks for a newer processor than the tag promises.

    x86_64 means every such processor since 2003. Code that is marked x86-64-v2 or later stops on older ones,
    with "CPU ISA level is lower than required" at best. The usual causes are -march in the flags, and an
    image such as manylinux_2_34, whose compiler has v2 as its default. Compile with -march=x86-64.
    """
    yield from gathered(
        (code.member, f"it asks for {code.slice.isa}") for code in loaded(wheel) if code.slice.isa
    )


@check("native/in-purelib", Severity.WARNING)
def in_purelib(wheel: WheelContent) -> Iterator[Yielded]:
    """Compiled code is below .data/purelib.

    purelib is for files that are the same on every platform; where it is not the same directory as platlib
    (Fedora, RHEL) the code is installed apart from the rest of its package and is not found. The usual
    cause is a home-made build script. Put it into the root of the wheel, or into platlib.
    """
    yield from gathered(
        (code.member, "it is compiled code in purelib")
        for code in loaded(wheel)
        if _PURELIB.match(code.member)
    )


@check("native/debug-symbols", Severity.NOTE)
def debug_symbols(wheel: WheelContent) -> Iterator[Yielded]:
    """The code has debug information in it.

    It is for debuggers only and may be most of the file. Strip it (-Wl,--strip-debug, "auditwheel repair
    --strip", "strip -S" on macOS), unless it is wanted.
    """
    yield from gathered(
        (code.member, "it has sections of debug information") for code in loaded(wheel) if code.slice.debug
    )


CHECKS = (
    in_any_wheel,
    program_in_any_wheel,
    none_in_platform_wheel,
    not_native,
    unread,
    format_mismatch,
    arch_mismatch,
    macos_too_new,
    tag_stricter_than_code,
    *native_needs.CHECKS,
    *native_python.CHECKS,
    isa_too_new,
    in_purelib,
    debug_symbols,
)
