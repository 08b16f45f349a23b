"""Platform tags apart from their versions: ``manylinux_2_28_x86_64`` is of ``manylinux_x86_64``. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from wheel_uploader import bounded

Numbers = tuple[int, ...]


class Family(NamedTuple):
    """A system and an architecture, whatever the version: ``manylinux`` and ``x86_64``."""

    system: str
    #: Empty where the tag has none (``any``), or is of no form that is known.
    arch: str

    def __str__(self) -> str:
        """As people and configurations say it: ``manylinux_x86_64``, ``win32``, ``any``."""
        return f"{self.system}_{self.arch}" if self.arch and self.arch != "32" else self.system + self.arch

    @property
    def served(self) -> tuple[Family, ...]:
        """The families of the machines that such a wheel is for: of universal2 two, of most itself."""
        if self.system == "macosx" and self.arch in FAT:
            return tuple(Family(self.system, arch) for arch in FAT[self.arch])
        return (self,)


#: What Macs have called several architectures in one; those with 32 bits, and PowerPC, are gone.
FAT: dict[str, tuple[str, ...]] = {
    "universal2": ("arm64", "x86_64"),
    "intel": ("x86_64",),
    "fat64": ("x86_64",),
    "universal": ("x86_64",),
    "fat": (),
    "fat3": (),
}
_OLD_MANYLINUX: dict[str, Numbers] = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
#: A system, perhaps a version, and an architecture, which begins with a letter.
_TAG = re.compile(r"([a-z]+)(\d+|(?:_\d+)*)_([a-z]\w*)", re.ASCII)


def parse(tag: str) -> tuple[Family, Numbers]:
    """The family of a platform tag, and its version: () where it has none. A family's own name is its tag."""
    if tag == "win32":
        return Family("win", "32"), ()
    found = _TAG.fullmatch(tag)
    if not found:
        return Family(tag, ""), ()
    system, version, arch = found.groups()
    if version and not version.startswith("_"):
        # Digits that are not set apart mean a version for manylinux only.
        old = _OLD_MANYLINUX.get(version) if system == "manylinux" else None
        return (Family(system, arch), old) if old else (Family(tag, ""), ())
    numbers = [bounded.whole_number(part, bounded.MAX_TAG_NUMBER) for part in version.split("_")[1:]]
    if None in numbers:
        return Family(tag, ""), ()
    return Family(system, arch), tuple(number for number in numbers if number is not None)
