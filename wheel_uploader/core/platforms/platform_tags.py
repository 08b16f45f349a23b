"""Families of platform tags: ``manylinux_2_28_x86_64`` belongs to ``manylinux_x86_64``. Pure functions."""

from __future__ import annotations

import re
from typing import NamedTuple

from wheel_uploader.core import bounds

VersionNumbers = tuple[int, ...]


class PlatformFamily(NamedTuple):
    """A system and an architecture, without a version: ``manylinux`` and ``x86_64``."""

    system: str
    #: Empty if the tag has no architecture (``any``) or an unknown form.
    arch: str

    def __str__(self) -> str:
        """Return the name used in configurations and reports: ``manylinux_x86_64``, ``win32``, ``any``."""
        return f"{self.system}_{self.arch}" if self.arch and self.arch != "32" else self.system + self.arch

    @property
    def supported_machines(self) -> tuple[PlatformFamily, ...]:
        """The families of the machines that such a wheel runs on: two for universal2, mostly just itself."""
        if self.system == "macosx" and self.arch in FAT_BINARY_ARCHES:
            return tuple(PlatformFamily(self.system, arch) for arch in FAT_BINARY_ARCHES[self.arch])
        return (self,)


#: macOS names for several architectures; 32-bit ones and PowerPC are no longer supported and left out.
FAT_BINARY_ARCHES: dict[str, tuple[str, ...]] = {
    "universal2": ("arm64", "x86_64"),
    "intel": ("x86_64",),
    "fat64": ("x86_64",),
    "universal": ("x86_64",),
    "fat": (),
    "fat3": (),
}
_LEGACY_MANYLINUX: dict[str, VersionNumbers] = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
#: A system, an optional version, and an architecture, which begins with a letter.
_TAG_PATTERN = re.compile(r"([a-z]+)(\d+|(?:_\d+)*)_([a-z]\w*)", re.ASCII)


def parse_platform_family(tag: str) -> tuple[PlatformFamily, VersionNumbers]:
    """Return the family of a platform tag, and its version, or () if it has none.

    The name of a family is accepted as a tag.
    """
    if tag == "win32":
        return PlatformFamily("win", "32"), ()
    match = _TAG_PATTERN.fullmatch(tag)
    if not match:
        return PlatformFamily(tag, ""), ()
    system, version, arch = match.groups()
    if version and not version.startswith("_"):
        # Digits without an underscore are a version only for manylinux.
        legacy = _LEGACY_MANYLINUX.get(version) if system == "manylinux" else None
        return (PlatformFamily(system, arch), legacy) if legacy else (PlatformFamily(tag, ""), ())
    numbers = [bounds.parse_whole_number(part, bounds.MAX_TAG_NUMBER) for part in version.split("_")[1:]]
    if None in numbers:
        return PlatformFamily(tag, ""), ()
    return PlatformFamily(system, arch), tuple(number for number in numbers if number is not None)
