"""The Pythons and platforms of users."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from packaging import tags
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag

from wheel_uploader.core import bounds
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, SdistName, WheelName
from wheel_uploader.core.platforms.platforms import (
    NEWEST_CPYTHON,
    OLDEST_CPYTHON,
    OperatingSystem,
    ParsedPlatform,
    parse_platforms,
)

Version = tuple[int, int]

#: As of 2026-11-21: the newest glibc and musl of distributions; the newest macOS.
NEWEST_GLIBC, NEWEST_MUSL, NEWEST_MACOS = (2, 42), (1, 2), (26, 0)
#: Minor version of the oldest glibc with manylinux tags: 2.5 for x86, 2.17 for other architectures.
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_OLD_NAMES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}

_PYTHON = re.compile(r"(cp|pp)(\d)(\d+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TargetPython:
    """An interpreter, as ``pip install --implementation --python-version --abi`` names it."""

    #: ``cp`` or ``pp``.
    implementation: str
    version: Version
    abi: str

    def __str__(self) -> str:
        return self.abi if self.implementation == "cp" else f"pp{self.version[0]}{self.version[1]}"

    def compatible_tags(self, platforms: Sequence[str]) -> Iterator[Tag]:
        """Yield the tags that it can install with these platform tags, the best first."""
        name = f"{self.implementation}{self.version[0]}{self.version[1]}"
        if self.implementation == "cp":
            yield from tags.cpython_tags(self.version, [self.abi], platforms)
        else:
            yield from tags.generic_tags(name, [self.abi], platforms)
        yield from tags.compatible_tags(self.version, name, platforms)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlatform:
    """An operating system that a user may have."""

    #: For display: ``Linux x86_64``, and the version label ``glibc 2.28``.
    family: str
    version_label: str
    #: Its platform tags, the best first.
    platform_tags: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.family} {self.version_label}".rstrip()


# --- environments ----------------------------------------------------------------------------------


def target_pythons(names: Iterable[DistName]) -> tuple[TargetPython, ...]:
    """Return the interpreters for which there are wheels, and the next CPython."""
    interpreters: set[TargetPython] = set()
    floors: set[Version] = set()
    for name in names:
        for tag in name.tags if isinstance(name, WheelName) else ():
            match = _PYTHON.match(tag.interpreter)
            if not match:
                floors.add(OLDEST_CPYTHON)
                continue
            version = (int(match[2]), int(match[3]))
            if version[1] > bounds.MAX_ENUMERATED_VERSION:
                continue
            if tag.abi.startswith("abi3"):
                floors.add(version)
            else:
                abi = f"{match[1]}{match[2]}{match[3]}" if tag.abi == "none" else tag.abi
                interpreters.add(TargetPython(implementation=match[1], version=version, abi=abi))
    if floors:
        interpreters |= {_cpython(minor) for minor in range(min(floors)[1], NEWEST_CPYTHON[1] + 1)}
    newest = max((one.version[1] for one in interpreters if one.implementation == "cp"), default=0)
    has_free_threaded = any(one.abi.endswith("t") for one in interpreters)
    if newest:
        interpreters.add(_cpython(newest + 1))
        interpreters |= {_cpython(newest + 1, "t")} if has_free_threaded else set()
    return tuple(sorted(interpreters, key=lambda one: (one.implementation, one.version, one.abi)))


def _cpython(minor: int, abi_flag: str = "") -> TargetPython:
    return TargetPython(implementation="cp", version=(3, minor), abi=f"cp3{minor}{abi_flag}")


def target_platforms(names: Iterable[DistName]) -> tuple[TargetPlatform, ...]:
    """Return the platforms for which there are wheels, in their oldest and newest supported versions.

    Linux includes the other C library; wheels for any platform stand for the three common platforms.
    """
    platform_tags = {tag for name in names if isinstance(name, WheelName) for tag in name.platforms}
    platforms = parse_platforms(platform_tags - {"any"})
    if "any" in platform_tags or not platforms:
        platforms += parse_platforms(("manylinux_2_28_x86_64", "macosx_11_0_arm64", "win_amd64"))
    # A platform has one tag for each version up to its own, so the version must be bounded.
    bounded_platforms = [it for it in platforms if max(it.version) <= bounds.MAX_ENUMERATED_VERSION]
    unique = {machine: None for platform in bounded_platforms for machine in _machines(platform)}
    return tuple(sorted(unique, key=lambda machine: (machine.family, _sort_key(machine.version_label))))


def _machines(platform: ParsedPlatform) -> Iterator[TargetPlatform]:
    arch = platform.tag.rpartition("linux")[2].partition("_")[2]
    match platform.system:
        case OperatingSystem.MANYLINUX:
            arch = re.sub(r"\A\d+_\d+_", "", arch)
            for version in {platform.version, NEWEST_GLIBC}:
                yield glibc_platform(version, arch)
            yield musl_platform(NEWEST_MUSL, arch)
        case OperatingSystem.MUSLLINUX:
            arch = re.sub(r"\A\d+_\d+_", "", arch)
            for version in {platform.version, NEWEST_MUSL}:
                yield musl_platform(version, arch)
            yield glibc_platform(NEWEST_GLIBC, arch)
        case OperatingSystem.MACOS:
            for arch in sorted(platform.arches):
                for version in {max(platform.version, (11, 0) if arch == "arm64" else (10, 9)), NEWEST_MACOS}:
                    yield macos_platform(version, arch)
        case OperatingSystem.WINDOWS:
            bits = {"win32": "32-bit", "win_amd64": "x86_64", "win_arm64": "arm64"}.get(platform.tag)
            if bits:
                yield TargetPlatform(
                    family=f"Windows {bits}", version_label="", platform_tags=(platform.tag,)
                )
        case _:
            # pip is not used for Android or in a browser.
            return


def glibc_platform(version: Version, arch: str) -> TargetPlatform:
    """Return a Linux with this glibc."""
    oldest = _OLDEST_GLIBC.get(arch, 17)
    platforms: list[str] = []
    for minor in range(version[1], oldest - 1, -1):
        platforms.append(f"manylinux_2_{minor}_{arch}")
        if minor in _OLD_NAMES:
            platforms.append(f"{_OLD_NAMES[minor]}_{arch}")
    return TargetPlatform(
        family=f"Linux {arch}",
        version_label=f"glibc {_text(version)}",
        platform_tags=(*platforms, f"linux_{arch}"),
    )


def musl_platform(version: Version, arch: str) -> TargetPlatform:
    """Return a Linux with this musl."""
    platforms = [f"musllinux_1_{minor}_{arch}" for minor in range(version[1], -1, -1)]
    return TargetPlatform(
        family=f"Linux {arch}",
        version_label=f"musl {_text(version)}",
        platform_tags=(*platforms, f"linux_{arch}"),
    )


def macos_platform(version: Version, arch: str) -> TargetPlatform:
    """Return a Mac with this version of macOS."""
    return TargetPlatform(
        family=f"macOS {arch}",
        version_label=_text(version),
        platform_tags=tuple(tags.mac_platforms(version, arch)),
    )


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _sort_key(age: str) -> tuple[str, tuple[int, ...]]:
    name, _, version = age.rpartition(" ")
    return name, tuple(int(part) for part in version.split(".") if part)


# --- the sdist -------------------------------------------------------------------------------------


def builds_from_source(names: Iterable[DistName], python: TargetPython, requires_python: str = "") -> bool:
    """Return whether an installer would build from the sdist with that Requires-Python."""
    if not any(isinstance(name, SdistName) for name in names):
        return False
    try:
        return bounds.parse_specifiers(requires_python).contains(_text(python.version))
    except InvalidSpecifier:
        return True
