"""Platform tags: which system of which age, which processors, which format of compiled code."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from wheel_uploader.models import NativeFormat

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


_OLD_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_LINUX = re.compile(r"(linux|manylinux1|manylinux2010|manylinux2014|(many|musl)linux_(\d+)_(\d+))_(\w+)\Z")
_MACOS = re.compile(r"macosx_(\d+)_(\d+)_(\w+)\Z")
_ANDROID = re.compile(r"android_\d+_(\w+)\Z")
_IOS = re.compile(r"ios_\d+_\d+_(arm64|x86_64)_iphone(?:os|simulator)\Z")
_WASM = re.compile(r"(?:emscripten_\w+|pyodide_\w+|pyemscripten_\w+|wasi\w*)_wasm32\Z")

_ELF_ARCHES = {
    "armv6l": "armv7l",
    "armv8l": "armv7l",
    "i386": "i686",
    "i586": "i686",
    "loong64": "loongarch64",
}
_ANDROID_ARCHES = {"arm64_v8a": "aarch64", "armeabi_v7a": "armv7l", "x86_64": "x86_64", "x86": "i686"}
_WINDOWS = {"win32": "x86", "win_amd64": "x86_64", "win_arm64": "arm64", "win_arm32": "arm"}
#: What "fat", "fat32" and "universal" stand for is gone, and 32-bit code with it.
_MACOS_ARCHES = {
    "universal2": {"x86_64", "arm64"},
    "intel": {"x86_64"},
    "fat64": {"x86_64"},
    "universal": {"x86_64"},
    "fat": set(),
    "fat3": set(),
}


def parse(tag: str) -> Platform | None:
    """What ``tag`` says; None for ``any`` and for a platform that is not known here."""
    if found := _LINUX.match(tag):
        return _linux(tag, *found.groups())
    if found := _MACOS.match(tag):
        arches = _MACOS_ARCHES.get(found[3], {found[3]})
        version = macos_version((int(found[1]), int(found[2])))
        return Platform(
            tag=tag,
            system=System.MACOS,
            format=NativeFormat.MACHO,
            version=version,
            arches=frozenset(arches),
        )
    if tag in _WINDOWS:
        return _other(tag, System.WINDOWS, NativeFormat.PE, _WINDOWS[tag])
    if found := _ANDROID.match(tag):
        return _other(tag, System.ANDROID, NativeFormat.ELF, _ANDROID_ARCHES.get(found[1], found[1]))
    if found := _IOS.match(tag):
        return _other(tag, System.IOS, NativeFormat.MACHO, found[1])
    if _WASM.match(tag):
        return _other(tag, System.WASM, NativeFormat.WASM, "wasm32")
    return None


def _linux(tag: str, name: str, family: str | None, major: str, minor: str, arch: str) -> Platform:
    if family is None:
        system = System.LINUX if name == "linux" else System.MANYLINUX
        version = _OLD_MANYLINUX.get(name, (0, 0))
    else:
        system = System.MANYLINUX if family == "many" else System.MUSLLINUX
        version = (int(major), int(minor))
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
