"""Pythons and machines that users have: which to ask for, and which file an installer takes there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging import tags
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag

from wheel_uploader import bounded
from wheel_uploader.models import DistName, SdistName, WheelName
from wheel_uploader.platforms.tags import Platform, System, parse_all

Version = tuple[int, int]

#: On 2026-11-21: CPythons that get fixes; the newest glibc and musl of distributions; the newest macOS.
OLDEST_CPYTHON, NEWEST_CPYTHON = (3, 11), (3, 15)
NEWEST_GLIBC, NEWEST_MUSL, NEWEST_MACOS = (2, 42), (1, 2), (26, 0)
#: Before these no manylinux was for the processor: glibc 2.5 for Intel's, 2.17 for the others.
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_OLD_NAMES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}

_PYTHON = re.compile(r"(cp|pp)(\d)(\d+)\Z")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Python:
    """An interpreter, as ``pip install --implementation --python-version --abi`` names it."""

    #: ``cp`` or ``pp``.
    implementation: str
    version: Version
    abi: str

    def __str__(self) -> str:
        return self.abi if self.implementation == "cp" else f"pp{self.version[0]}{self.version[1]}"

    def tags(self, platforms: Sequence[str]) -> Iterator[Tag]:
        """Everything that it installs where these platform tags hold, the best first."""
        name = f"{self.implementation}{self.version[0]}{self.version[1]}"
        if self.implementation == "cp":
            yield from tags.cpython_tags(self.version, [self.abi], platforms)
        else:
            yield from tags.generic_tags(name, [self.abi], platforms)
        yield from tags.compatible_tags(self.version, name, platforms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A system that a user may have."""

    #: For people: ``Linux x86_64``, and ``glibc 2.28``.
    family: str
    age: str
    #: Its platform tags, the best first.
    platforms: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.family} {self.age}".rstrip()


# --- whom to ask for -------------------------------------------------------------------------------


def pythons(names: Iterable[DistName]) -> tuple[Python, ...]:
    """The interpreters that wheels of these names are for, and the next CPython."""
    found: set[Python] = set()
    floors: set[Version] = set()
    for name in names:
        for tag in name.tags if isinstance(name, WheelName) else ():
            parsed = _PYTHON.match(tag.interpreter)
            if not parsed:
                floors.add(OLDEST_CPYTHON)
                continue
            version = (int(parsed[2]), int(parsed[3]))
            if version[1] > bounded.MAX_ENUMERATED:
                continue
            if tag.abi.startswith("abi3"):
                floors.add(version)
            else:
                abi = f"{parsed[1]}{parsed[2]}{parsed[3]}" if tag.abi == "none" else tag.abi
                found.add(Python(implementation=parsed[1], version=version, abi=abi))
    if floors:
        found |= {_cpython(minor) for minor in range(min(floors)[1], NEWEST_CPYTHON[1] + 1)}
    newest = max((each.version[1] for each in found if each.implementation == "cp"), default=0)
    threaded = any(each.abi.endswith("t") for each in found)
    following = (
        {_cpython(newest + 1), *([_cpython(newest + 1, "t")] if threaded else [])} if newest else set()
    )
    return tuple(sorted(found | following, key=lambda each: (each.implementation, each.version, each.abi)))


def _cpython(minor: int, threaded: str = "") -> Python:
    return Python(implementation="cp", version=(3, minor), abi=f"cp3{minor}{threaded}")


def machines(names: Iterable[DistName]) -> tuple[Machine, ...]:
    """The systems that wheels of these names are for, as old as each promises, and the newest ones.

    Where there is something for Linux the other C library is asked for too; what is for any platform is asked
    for on the usual ones.
    """
    tagged = {tag for name in names if isinstance(name, WheelName) for tag in name.platforms}
    known = parse_all(tagged - {"any"})
    if "any" in tagged or not known:
        known += parse_all(("manylinux_2_28_x86_64", "macosx_11_0_arm64", "win_amd64"))
    # Such a machine would have one tag for each version up to its own.
    usual = [platform for platform in known if max(platform.version) <= bounded.MAX_ENUMERATED]
    found = {machine: None for platform in usual for machine in _machines(platform)}
    return tuple(sorted(found, key=lambda each: (each.family, _number(each.age))))


def _machines(platform: Platform) -> Iterator[Machine]:
    arch = platform.tag.rpartition("linux")[2].partition("_")[2]
    match platform.system:
        case System.MANYLINUX:
            arch = re.sub(r"\A\d+_\d+_", "", arch)
            for version in {platform.version, NEWEST_GLIBC}:
                yield glibc(version, arch)
            yield musl(NEWEST_MUSL, arch)
        case System.MUSLLINUX:
            arch = re.sub(r"\A\d+_\d+_", "", arch)
            for version in {platform.version, NEWEST_MUSL}:
                yield musl(version, arch)
            yield glibc(NEWEST_GLIBC, arch)
        case System.MACOS:
            for arch in sorted(platform.arches):
                for version in {max(platform.version, (11, 0) if arch == "arm64" else (10, 9)), NEWEST_MACOS}:
                    yield macos(version, arch)
        case System.WINDOWS:
            bits = {"win32": "32-bit", "win_amd64": "x86_64", "win_arm64": "arm64"}.get(platform.tag)
            if bits:
                yield Machine(family=f"Windows {bits}", age="", platforms=(platform.tag,))
        case _:
            # Nobody asks pip for Android or a browser.
            return


def glibc(version: Version, arch: str) -> Machine:
    """A Linux with this glibc."""
    oldest = _OLDEST_GLIBC.get(arch, 17)
    platforms: list[str] = []
    for minor in range(version[1], oldest - 1, -1):
        platforms.append(f"manylinux_2_{minor}_{arch}")
        if minor in _OLD_NAMES:
            platforms.append(f"{_OLD_NAMES[minor]}_{arch}")
    return Machine(
        family=f"Linux {arch}", age=f"glibc {_text(version)}", platforms=(*platforms, f"linux_{arch}")
    )


def musl(version: Version, arch: str) -> Machine:
    """A Linux with this musl."""
    platforms = [f"musllinux_1_{minor}_{arch}" for minor in range(version[1], -1, -1)]
    return Machine(
        family=f"Linux {arch}", age=f"musl {_text(version)}", platforms=(*platforms, f"linux_{arch}")
    )


def macos(version: Version, arch: str) -> Machine:
    """A Mac of this age."""
    return Machine(
        family=f"macOS {arch}", age=_text(version), platforms=tuple(tags.mac_platforms(version, arch))
    )


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _number(age: str) -> tuple[str, tuple[int, ...]]:
    name, _, version = age.rpartition(" ")
    return name, tuple(int(part) for part in version.split(".") if part)


# --- what is taken there ---------------------------------------------------------------------------


def best(names: Iterable[DistName], python: Python, machine: Machine) -> WheelName | None:
    """The wheel that an installer takes on this machine, told by the names alone."""
    wheels = [name for name in names if isinstance(name, WheelName)]
    for tag in python.tags(machine.platforms):
        fitting = [name for name in wheels if tag in name.tags]
        if fitting:
            return max(fitting, key=lambda name: (_build(name), name.filename))
    return None


def _build(name: WheelName) -> tuple[int, str]:
    found = re.match(r"(\d+)(.*)", name.build)
    return (int(found[1]), found[2]) if found else (-1, "")


def builds_from_source(names: Iterable[DistName], python: Python, requires: str = "") -> bool:
    """Whether an installer without a wheel would build from an sdist; ``requires``: its Requires-Python."""
    if not any(isinstance(name, SdistName) for name in names):
        return False
    try:
        return bounded.specifiers(requires).contains(_text(python.version))
    except InvalidSpecifier:
        return True
