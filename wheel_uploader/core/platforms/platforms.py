"""Platform tags: the system and its version, the architectures, and the format of compiled code."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import BinaryFormat
from wheel_uploader.core.platforms import platform_tags

PlatformVersion = tuple[int, int]

#: The CPythons that are supported as of 2026-11-21.
OLDEST_CPYTHON, NEWEST_CPYTHON = (3, 11), (3, 15)


class OperatingSystem(enum.StrEnum):
    """The operating system in a platform tag, which is the tag's prefix."""

    #: Any Linux, without guarantees.
    LINUX = "linux"
    MANYLINUX = "manylinux"
    MUSLLINUX = "musllinux"
    MACOS = "macosx"
    WINDOWS = "win"
    ANDROID = "android"
    IOS = "ios"
    WASM = "wasm"


#: Systems whose C library is glibc; a plain Linux tag does not name it.
GLIBC_SYSTEMS = frozenset({OperatingSystem.MANYLINUX, OperatingSystem.LINUX})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPlatform:
    """A parsed platform tag."""

    tag: str
    system: OperatingSystem
    format: BinaryFormat
    #: Version of glibc, musl or macOS; (0, 0) if the tag has no version, or the checks do not use it.
    version: PlatformVersion = (0, 0)
    #: All architectures that the code must support, named as in BinarySlice.arch.
    arches: frozenset[str]


_IOS_ARCH = re.compile(r"(arm64|x86_64)_iphone(?:os|simulator)")
_WASM = re.compile(r"emscripten|pyodide|pyemscripten|wasi[a-z]*")

_ELF_ARCHES = {
    "armv6l": "armv7l",
    "armv8l": "armv7l",
    "i386": "i686",
    "i586": "i686",
    "loong64": "loongarch64",
}
_ANDROID_ARCHES = {"arm64_v8a": "aarch64", "armeabi_v7a": "armv7l", "x86_64": "x86_64", "x86": "i686"}
_WINDOWS = {"win32": "x86", "win_amd64": "x86_64", "win_arm64": "arm64", "win_arm32": "arm"}


def parse_platform(tag: str) -> ParsedPlatform | None:
    """Parse a platform tag. Return None for ``any`` and for an unknown platform."""
    (system, arch), version = platform_tags.parse_platform_family(tag)
    match system, version:
        case "macosx", (major, minor):
            return ParsedPlatform(
                tag=tag,
                system=OperatingSystem.MACOS,
                format=BinaryFormat.MACHO,
                version=normalize_macos_version((major, minor)),
                arches=frozenset(platform_tags.FAT_BINARY_ARCHES.get(arch, (arch,))),
            )
        case (("manylinux" | "musllinux"), (major, minor)):
            return _make_linux_platform(tag, OperatingSystem(system), arch, (major, minor))
        case "linux", () if arch:
            return _make_linux_platform(tag, OperatingSystem.LINUX, arch, (0, 0))
        case "win", () if tag in _WINDOWS:
            return _make_platform(tag, OperatingSystem.WINDOWS, BinaryFormat.PE, _WINDOWS[tag])
        case "android", (_,):
            return _make_platform(
                tag, OperatingSystem.ANDROID, BinaryFormat.ELF, _ANDROID_ARCHES.get(arch, arch)
            )
        case "ios", (_, _) if ios_match := _IOS_ARCH.fullmatch(arch):
            return _make_platform(tag, OperatingSystem.IOS, BinaryFormat.MACHO, ios_match[1])
        case _ if arch.endswith("wasm32") and _WASM.fullmatch(system):
            return _make_platform(tag, OperatingSystem.WASM, BinaryFormat.WASM, "wasm32")
        case _:
            return None


def _make_linux_platform(
    tag: str, system: OperatingSystem, arch: str, version: PlatformVersion
) -> ParsedPlatform:
    return ParsedPlatform(
        tag=tag,
        system=system,
        format=BinaryFormat.ELF,
        version=version,
        arches=frozenset({_ELF_ARCHES.get(arch, arch)}),
    )


def _make_platform(tag: str, system: OperatingSystem, format_: BinaryFormat, arch: str) -> ParsedPlatform:
    return ParsedPlatform(tag=tag, system=system, format=format_, arches=frozenset({arch}))


def parse_platforms(tags: Iterable[str]) -> tuple[ParsedPlatform, ...]:
    """Parse several platform tags, leaving out those that ``parse_platform`` does not know."""
    return tuple(platform for tag in tags if (platform := parse_platform(tag)))


def normalize_macos_version(version: PlatformVersion) -> PlatformVersion:
    """Return 11.0 for 10.16, as which macOS 11 reports itself to programs built for older SDKs."""
    return (11, 0) if version == (10, 16) else version
