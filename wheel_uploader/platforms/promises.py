"""What the platforms promise: the libraries that are there, and the versions of their symbols."""

from __future__ import annotations

import functools
import json
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wheel_uploader.platforms.tags import Version

#: What every ELF system has, by whatever name: the loader, which glibc and musl bring themselves.
_LOADER = re.compile(r"ld-linux.*\.so\.[0-9]+|ld64\.so\.[12]|ld\.so\.1|ld-musl-.*\.so\.1")
_GLIBC = re.compile(
    r"lib(?:c\.so\.6(?:\.1)?|m\.so\.6(?:\.1)?|pthread\.so\.0|dl\.so\.2|rt\.so\.1|util\.so\.1|resolv\.so\.2|mvec\.so\.1)"
)
_MUSL_LIBC = re.compile(r"libc\.so|libc\.musl-\w+\.so\.1")
#: What comes with the driver of a card, so that no wheel can bring it.
_DRIVERS = re.compile(
    r"lib(?:cuda|nvidia-ml|nvcuvid|nvidia-encode|nvidia-opticalflow|vulkan)\.so\.1|libcuda\.so"
    r"|(?:nvcuda|nvml|nvcuvid|nvencodeapi(?:64)?|opencl|vulkan-1)\.dll",
    re.IGNORECASE,
)
_PYTHON_DLL = re.compile(r"python3\d*t?(?:_d)?\.dll|libpypy[\d.]*-c\.dll|python-native\.dll", re.IGNORECASE)
#: The part of Microsoft's runtime that CPython itself brings; msvcp140.dll is not of it.
_VCRUNTIME = re.compile(r"vcruntime140(?:_1)?\.dll", re.IGNORECASE)
#: The rest of what Visual Studio calls Microsoft.VC140.CRT; vcomp140.dll (OpenMP) and mfc140.dll are apart.
_VC_CRT = re.compile(
    r"(?:msvcp140(?:_1|_2|_atomic_wait|_codecvt_ids)?|concrt140|vccorlib140|vcruntime140_threads)\.dll",
    re.IGNORECASE,
)
#: Names that Windows maps to the libraries behind them.
_API_SET = re.compile(r"(?:api|ext)-(?:ms|ext)-.*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9.]+\Z")
_MACOS_SYSTEM = ("/usr/lib/", "/System/")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxPolicy:
    """What a manylinux tag promises."""

    #: The newest glibc that may be needed.
    glibc: Version
    libraries: frozenset[str]
    #: For an architecture and a prefix such as ``GLIBCXX``: the newest number, and what is no number.
    versions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def allows(self, version: str, arch: str) -> bool:
        """Whether a system of this policy has ``GLIBCXX_3.4.19``; True for what no policy speaks of."""
        prefix, _, rest = version.partition("_")
        if prefix == "GLIBC" and _NUMBER.match(rest):
            return _numbers(rest)[:2] <= self.glibc
        limits = self.versions.get(arch, {}).get(prefix)
        if limits is None:
            return True
        newest, *names = limits
        return _numbers(rest) <= _numbers(newest) if _NUMBER.match(rest) else rest in names


@functools.lru_cache(maxsize=64)
def manylinux(version: Version) -> LinuxPolicy:
    """The policy of manylinux_x_y; between two that are known the older one, with the glibc of the tag."""
    known = _linux()["manylinux"]
    older = [policy for policy in known if _version(policy["version"]) <= version]
    policy = older[-1] if older else known[0]
    return LinuxPolicy(glibc=version, libraries=frozenset(policy["libraries"]), versions=policy["versions"])


def has_manylinux(policy: LinuxPolicy, library: str) -> bool:
    return library in policy.libraries or bool(_LOADER.fullmatch(library) or _DRIVERS.fullmatch(library))


def has_musllinux(library: str) -> bool:
    newest = _linux()["musllinux"][-1]
    return library in newest["libraries"] or bool(
        _MUSL_LIBC.fullmatch(library) or _LOADER.fullmatch(library) or _DRIVERS.fullmatch(library)
    )


def is_musl(library: str) -> bool:
    """Whether this is musl's libc or loader."""
    return bool(_MUSL_LIBC.fullmatch(library)) or library.startswith("ld-musl-")


def is_glibc(library: str) -> bool:
    """Whether this is a library of glibc, or its loader."""
    return bool(_GLIBC.fullmatch(library) or _LOADER.fullmatch(library)) and not is_musl(library)


def has_windows(library: str, arch: str) -> bool:
    """Whether Windows 10, its drivers or Python itself bring this DLL."""
    # The list for x86 and x86_64 has what Windows 7 had already, the one for arm64 what Windows 10 has.
    name = library.lower()
    return (
        name in _dlls(arch)
        or name in _dlls("arm64")
        or any(promised.fullmatch(name) for promised in (_API_SET, _PYTHON_DLL, _VCRUNTIME, _DRIVERS))
    )


def is_visual_cpp(library: str) -> bool:
    """Whether this DLL is of Visual C++'s own runtime, which neither Windows nor Python brings."""
    return bool(_VC_CRT.fullmatch(library))


def has_macos(path: str) -> bool:
    """Whether macOS has a library of this absolute path."""
    return path.startswith(_MACOS_SYSTEM) and ".." not in path.split("/")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)


def _version(text: str) -> Version:
    major, minor = text.split("_")
    return int(major), int(minor)


@functools.cache
def _linux() -> Any:
    return _load("linux.json")


@functools.cache
def _dlls(arch: str) -> frozenset[str]:
    groups = _load("windows.json")["dlls"].items()
    return frozenset(name for arches, names in groups if arch in arches.split() for name in names)


def _load(name: str) -> Any:
    # These files are a part of the program, as its modules are.
    return json.loads(pkgutil.get_data(__package__, name) or b"{}")
