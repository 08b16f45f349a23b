"""The wheel of a release that pip selects for an environment, by pip's rules and without running pip.

pip takes the wheel with the best tag; of several with the same tag, the one with the highest build number. A
wheel whose Requires-Python does not admit the Python is not considered. If pip's choice depends on more than
that, the choice is marked as uncertain, and the caller runs pip.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from packaging import utils
from packaging.specifiers import InvalidSpecifier
from packaging.tags import Tag

from wheel_uploader.core import bounds
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, WheelName
from wheel_uploader.rehearsal.environments import TargetPlatform, TargetPython

_BUILD = re.compile(r"(\d+)(.*)")
#: Names that stand for a version of glibc. pip ranks them differently when it is given a list of platforms.
_OLD_MANYLINUX = re.compile(r"manylinux(?:1|2010)_")


#: An environment of users.
Target = tuple[TargetPython, TargetPlatform]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The wheel for one environment, and how it was found."""

    #: None if no wheel is compatible.
    wheel: WheelName | None
    #: False if pip may choose differently.
    is_certain: bool = True
    #: False if pip cannot confirm it: Requires-Python, which the local index does not serve, decides.
    is_confirmable: bool = True


class WheelSelector:
    """Selects the wheel of one release for each environment."""

    def __init__(self, names: Iterable[DistName], requires_python: Mapping[str, str] | None = None) -> None:
        """Prepare the selection; ``requires_python`` has the Requires-Python by file name."""
        self._wheels = {name.filename: name for name in names if isinstance(name, WheelName)}
        self._requires_python = requires_python or {}
        self._platforms = {tag for wheel in self._wheels.values() for tag in wheel.platforms}
        self._by_tag: defaultdict[Tag, list[str]] = defaultdict(list)
        for filename, wheel in self._wheels.items():
            for tag in wheel.tags:
                self._by_tag[tag].append(filename)
        self._unusual = {filename for filename, wheel in self._wheels.items() if not _is_usual(wheel)}

    def select(self, python: TargetPython, platform: TargetPlatform) -> Choice:
        """Return the wheel that pip selects for a Python on a platform."""
        ranked = self._rank(python, platform)
        admitted, is_readable = self._admit(ranked, python)
        preferences = {filename: self._preference(filename, ranked[filename]) for filename in admitted}
        best = max(preferences, key=lambda filename: (preferences[filename], filename), default=None)
        is_tie = best is not None and list(preferences.values()).count(preferences[best]) > 1
        return Choice(
            wheel=None if best is None else self._wheels[best],
            is_certain=is_readable and not is_tie and not self._is_unsure(ranked, python),
            is_confirmable=best is None or ranked[best] == min(ranked.values()),
        )

    def _rank(self, python: TargetPython, platform: TargetPlatform) -> dict[str, int]:
        """Return the compatible wheels, each with the rank of its best tag: 0 is the best."""
        used = [tag for tag in platform.platform_tags if tag in self._platforms]
        # packaging takes an empty list for the platform of this machine.
        tags = python.compatible_tags(used or platform.platform_tags[:1])
        ranked: dict[str, int] = {}
        for rank, tag in enumerate(tags):
            for filename in self._by_tag.get(tag, ()):
                ranked.setdefault(filename, rank)
        return ranked

    def _admit(self, filenames: Iterable[str], python: TargetPython) -> tuple[list[str], bool]:
        """Return the wheels whose Requires-Python admits the Python, and whether each of them is valid."""
        admitted, is_readable = [], True
        for filename in filenames:
            try:
                specifiers = bounds.parse_specifiers(self._requires_python.get(filename, ""))
            except InvalidSpecifier:
                is_readable = False
            else:
                # pip, too, assumes the patch release 0.
                if not specifiers.contains(f"{python.version[0]}.{python.version[1]}.0", prereleases=True):
                    continue
            admitted.append(filename)
        return admitted, is_readable

    def _preference(self, filename: str, rank: int) -> tuple[int, int, str]:
        build = _BUILD.match(self._wheels[filename].build)
        return (-rank, int(build[1]) if build else -1, build[2] if build else "")

    def _is_unsure(self, filenames: Iterable[str], python: TargetPython) -> bool:
        """Return whether the rules for one of these wheels differ between versions of pip, or from ours."""
        wheels = [self._wheels[filename] for filename in filenames]
        has_old_name = any(_OLD_MANYLINUX.match(tag) for wheel in wheels for tag in wheel.platforms)
        return (
            any(wheel.filename in self._unusual for wheel in wheels)
            or (has_old_name and len(wheels) > 1)
            or (python.abi.endswith("t") and any("abi3t" in wheel.abis for wheel in wheels))
        )


def _is_usual(wheel: WheelName) -> bool:
    """Return whether packaging, by which pip reads file names, reads this one as it is read here."""
    try:
        _, version, _, tags = utils.parse_wheel_filename(wheel.filename)
    except utils.InvalidWheelFilename:
        return False
    return version == wheel.version and tags == wheel.tags


def choose_sample(choices: Mapping[Target, Choice]) -> list[Target]:
    """Return the environments for which pip should confirm the choice: one for each kind of Python.

    They have a wheel, and are on different systems if possible. Without any wheel, it is the first one.
    """
    comparable = [it for it, choice in choices.items() if choice.is_certain and choice.is_confirmable]
    sample: dict[tuple[str, bool], Target] = {}
    families: list[str] = []
    for python, _ in (target for target in comparable if choices[target].wheel):
        kind = (python.implementation, python.abi.endswith("t"))
        if kind not in sample:
            same = [target for target in comparable if target[0] == python and choices[target].wheel]
            sample[kind] = min(same, key=lambda target: families.count(target[1].family))
            families.append(sample[kind][1].family)
    return list(sample.values()) or comparable[:1]
