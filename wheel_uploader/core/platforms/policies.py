"""Platform policies: the libraries that each platform provides, and their symbol versions."""

from __future__ import annotations

import functools
import json
import pkgutil
import re
from collections.abc import Mapping
from typing import Any

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.platforms.platforms import PlatformVersion

#: The dynamic loader, which is part of glibc and musl and has a different name on each architecture.
_ELF_LOADER = re.compile(r"ld-linux.*\.so\.[0-9]+|ld64\.so\.[12]|ld\.so\.1|ld-musl-.*\.so\.1")
_GLIBC_LIBRARY = re.compile(
    r"lib(?:c\.so\.6(?:\.1)?|m\.so\.6(?:\.1)?|pthread\.so\.0|dl\.so\.2|rt\.so\.1|util\.so\.1|resolv\.so\.2|mvec\.so\.1)"
)
_MUSL_LIBC = re.compile(r"libc\.so|libc\.musl-\w+\.so\.1")
#: Libraries of a graphics driver, which a wheel cannot bundle.
_DRIVER_LIBRARY = re.compile(
    r"lib(?:cuda|nvidia-ml|nvcuvid|nvidia-encode|nvidia-opticalflow|vulkan)\.so\.1|libcuda\.so"
    r"|(?:nvcuda|nvml|nvcuvid|nvencodeapi(?:64)?|opencl|vulkan-1)\.dll",
    re.IGNORECASE,
)
_PYTHON_DLL = re.compile(r"python3\d*t?(?:_d)?\.dll|libpypy[\d.]*-c\.dll|python-native\.dll", re.IGNORECASE)
#: The part of Microsoft's runtime that CPython bundles; it does not include msvcp140.dll.
_VCRUNTIME_DLL = re.compile(r"vcruntime140(?:_1)?\.dll", re.IGNORECASE)
#: The rest of Microsoft.VC140.CRT in Visual Studio, and MFC; vcomp140.dll (OpenMP) is separate.
_VISUAL_CPP_DLL = re.compile(
    r"(?:msvcp140(?:_1|_2|_atomic_wait|_codecvt_ids)?|concrt140|vccorlib140|vcruntime140_threads|mfcm?140u?)\.dll",
    re.IGNORECASE,
)
#: API sets: names that Windows maps to the implementing libraries.
_API_SET = re.compile(r"(?:api|ext)-(?:ms|ext)-.*", re.IGNORECASE)
_DOTTED_NUMBER = re.compile(r"[0-9.]+\Z")
_MACOS_SYSTEM = ("/usr/lib/", "/System/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManylinuxPolicy:
    """The libraries and symbol versions that a manylinux tag guarantees."""

    #: The newest glibc that a wheel may require.
    max_glibc: PlatformVersion
    libraries: frozenset[str]
    #: Architecture to prefix (such as ``GLIBCXX``) to the newest number, then all non-numeric versions.
    symbol_versions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def provides_symbol_version(self, version: str, arch: str) -> bool:
        """Return whether the policy has a symbol version (``GLIBCXX_3.4.19``); True for unlisted prefixes."""
        prefix, _, rest = version.partition("_")
        if prefix == "GLIBC" and _DOTTED_NUMBER.match(rest):
            return _parse_numbers(rest)[:2] <= self.max_glibc
        limits = self.symbol_versions.get(arch, {}).get(prefix)
        if limits is None:
            return True
        newest, *names = limits
        return _parse_numbers(rest) <= _parse_numbers(newest) if _DOTTED_NUMBER.match(rest) else rest in names


@functools.lru_cache(maxsize=64)
def manylinux_policy(version: PlatformVersion) -> ManylinuxPolicy:
    """Return the policy of manylinux_x_y: the newest one up to that version, with the glibc of the tag."""
    policies = _load_linux_policies()["manylinux"]
    older = [policy for policy in policies if _parse_version(policy["version"]) <= version]
    policy = older[-1] if older else policies[0]
    return ManylinuxPolicy(
        max_glibc=version, libraries=frozenset(policy["libraries"]), symbol_versions=policy["versions"]
    )


def manylinux_provides(policy: ManylinuxPolicy, library: str) -> bool:
    """Return whether a manylinux system of this policy provides a library."""
    return library in policy.libraries or bool(
        _ELF_LOADER.fullmatch(library) or _DRIVER_LIBRARY.fullmatch(library)
    )


def musllinux_provides(library: str) -> bool:
    """Return whether a musllinux system provides a library."""
    newest = _load_linux_policies()["musllinux"][-1]
    return library in newest["libraries"] or bool(
        _MUSL_LIBC.fullmatch(library) or _ELF_LOADER.fullmatch(library) or _DRIVER_LIBRARY.fullmatch(library)
    )


def is_musl_library(library: str) -> bool:
    """Return whether a library is musl's libc or loader."""
    return bool(_MUSL_LIBC.fullmatch(library)) or library.startswith("ld-musl-")


def is_glibc_library(library: str) -> bool:
    """Return whether a library belongs to glibc, including its loader."""
    return bool(_GLIBC_LIBRARY.fullmatch(library) or _ELF_LOADER.fullmatch(library)) and not is_musl_library(
        library
    )


def windows_provides(library: str, arch: str) -> bool:
    """Return whether Windows 10, its drivers or Python provide a DLL."""
    # The list for x86 and x86_64 is that of Windows 7, the one for arm64 that of Windows 10.
    name = library.lower()
    return (
        name in _load_windows_dlls(arch)
        or name in _load_windows_dlls("arm64")
        or any(
            pattern.fullmatch(name) for pattern in (_API_SET, _PYTHON_DLL, _VCRUNTIME_DLL, _DRIVER_LIBRARY)
        )
    )


def is_visual_cpp_runtime(library: str) -> bool:
    """Return whether a DLL belongs to the Visual C++ runtime that neither Windows nor Python provides."""
    return bool(_VISUAL_CPP_DLL.fullmatch(library))


def macos_provides(path: str) -> bool:
    """Return whether macOS provides the library with this absolute path."""
    return path.startswith(_MACOS_SYSTEM) and ".." not in path.split("/")


def _parse_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)


def _parse_version(text: str) -> PlatformVersion:
    major, minor = text.split("_")
    return int(major), int(minor)


@functools.cache
def _load_linux_policies() -> Any:
    return _load_data("data/linux.json")


@functools.cache
def _load_windows_dlls(arch: str) -> frozenset[str]:
    groups = _load_data("data/windows.json")["dlls"].items()
    return frozenset(name for arches, names in groups if arch in arches.split() for name in names)


def _load_data(name: str) -> Any:
    # The data files are package data: they may be in a ZIP, like the modules.
    return json.loads(pkgutil.get_data(__package__, name) or b"{}")
