"""Platform tags: which system of which age, which processors, which format of compiled code."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from wheel_uploader.models import NativeFormat
from wheel_uploader.platforms import families

Version = tuple[int, int]


class System(enum.StrEnum):
    """What a platform tag begins with."""

    #: Any Linux at all: nothing is promised.
    LINUX = "linux"
    MANYLINUX = "manylinux"
    MUSLLINUX = "musllinux"
    MACOS = "macosx"
    WINDOWS = "win"
    ANDROID = "android"
    IOS = "ios"
    WASM = "wasm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform tag that is understood."""

    tag: str
    system: System
    format: NativeFormat
    #: Of glibc, musl or macOS; (0, 0) where the tag has none that matters here.
    version: Version = (0, 0)
    #: All of which the code has to be for, in the words of native.
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


def parse(tag: str) -> Platform | None:
    """What ``tag`` says; None for ``any`` and for a platform that is not known here."""
    (system, arch), version = families.parse(tag)
    match system, version:
        case "macosx", (major, minor):
            return Platform(
                tag=tag,
                system=System.MACOS,
                format=NativeFormat.MACHO,
                version=macos_version((major, minor)),
                arches=frozenset(families.FAT.get(arch, (arch,))),
            )
        case (("manylinux" | "musllinux"), (major, minor)):
            return _linux(tag, System(system), arch, (major, minor))
        case "linux", () if arch:
            return _linux(tag, System.LINUX, arch, (0, 0))
        case "win", () if tag in _WINDOWS:
            return _other(tag, System.WINDOWS, NativeFormat.PE, _WINDOWS[tag])
        case "android", (_,):
            return _other(tag, System.ANDROID, NativeFormat.ELF, _ANDROID_ARCHES.get(arch, arch))
        case "ios", (_, _) if found := _IOS_ARCH.fullmatch(arch):
            return _other(tag, System.IOS, NativeFormat.MACHO, found[1])
        case _ if arch.endswith("wasm32") and _WASM.fullmatch(system):
            return _other(tag, System.WASM, NativeFormat.WASM, "wasm32")
        case _:
            return None


def _linux(tag: str, system: System, arch: str, version: Version) -> Platform:
    return Platform(
        tag=tag,
        system=system,
        format=NativeFormat.ELF,
        version=version,
        arches=frozenset({_ELF_ARCHES.get(arch, arch)}),
    )


def _other(tag: str, system: System, form: NativeFormat, arch: str) -> Platform:
    return Platform(tag=tag, system=system, format=form, arches=frozenset({arch}))


def parse_all(tags: Iterable[str]) -> tuple[Platform, ...]:
    """Every tag that is understood."""
    return tuple(platform for tag in tags if (platform := parse(tag)))


def macos_version(version: Version) -> Version:
    """macOS 11 called itself 10.16 to programs that were older than it."""
    return (11, 0) if version == (10, 16) else version
