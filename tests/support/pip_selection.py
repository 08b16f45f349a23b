"""Random releases, and the choice of pip for each of their environments, to compare with that of the tags.

pip's own classes are called, which is a hundred times as fast as running pip.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pip._internal.index.package_finder import CandidateEvaluator, LinkEvaluator, LinkType
from pip._internal.models.candidate import InstallationCandidate
from pip._internal.models.link import Link
from pip._internal.models.target_python import TargetPython as PipTarget
from pip._vendor.packaging.utils import canonicalize_name

from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.models import WheelName
from wheel_uploader.rehearsal import environments
from wheel_uploader.rehearsal.wheel_selection import Target, WheelSelector

_PYTHONS = (
    *("cp311-cp311", "cp312-cp312", "cp313-cp313", "cp314-cp314", "cp313-cp313t", "cp314-cp314t"),
    *("cp311-abi3", "cp39-abi3", "cp315-abi3t", "cp315-abi3.abi3t", "pp311-pypy311_pp73", "cp312-none"),
    *("py3-none", "py2.py3-none", "py313-none", "cp310.cp311-none"),
)
_PLATFORMS = (
    *("manylinux_2_28_x86_64", "manylinux_2_17_x86_64.manylinux2014_x86_64", "manylinux_2_27_aarch64"),
    *("manylinux2010_x86_64", "manylinux_2_12_x86_64.manylinux2010_x86_64", "manylinux1_i686"),
    *(
        "manylinux_2_5_x86_64.manylinux1_x86_64",
        "manylinux_2_14_x86_64",
        "linux_x86_64",
        "manylinux2014_s390x",
    ),
    *("musllinux_1_1_x86_64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64", "manylinux_2_31_riscv64"),
    *("macosx_10_9_x86_64", "macosx_10_13_universal2", "macosx_11_0_arm64", "macosx_14_0_arm64"),
    *("macosx_14_0_x86_64", "macosx_10_9_intel", "macosx_10_9_x86_64.macosx_11_0_arm64"),
    *("win_amd64", "win32", "win_arm64", "any"),
)
_BUILDS = ("", "", "", "1", "2", "10", "2b")
_REQUIREMENTS = ("", ">=3.11", ">=3.12", "<3.14", ">=3.13.1", "!=3.13.*", "nonsense")


@dataclass
class Comparison:
    """The environments in which both choices were made, and the differences."""

    total: int = 0
    certain: int = 0
    with_wheel: int = 0
    differences: list[str] = field(default_factory=list)


def make_release(random_numbers: random.Random) -> dict[WheelName, str]:
    """Return the wheels of a release with their Requires-Python, most of them with the same."""
    common = random_numbers.choice(_REQUIREMENTS)
    release = {}
    for _ in range(random_numbers.randint(1, 25)):
        tag = f"{random_numbers.choice(_PYTHONS)}-{random_numbers.choice(_PLATFORMS)}"
        filename = wheels.wheel_filename("dipy", "1.11.0", tag, random_numbers.choice(_BUILDS))
        name = filenames.parse_filename(filename)
        assert isinstance(name, WheelName)
        release[name] = random_numbers.choice(_REQUIREMENTS) if random_numbers.random() < 0.1 else common
    return release


def choose_with_pip(release: Mapping[WheelName, str], target: Target) -> str:
    """Return the file name that pip chooses from an index that serves Requires-Python; empty if none."""
    python, platform = target
    pip_target = PipTarget(
        platforms=list(platform.platform_tags),
        py_version_info=python.version,
        abis=[python.abi],
        implementation=python.implementation,
    )
    project = canonicalize_name(next(iter(release)).project)
    links = LinkEvaluator(project, project, frozenset({"binary"}), pip_target, allow_yanked=False)
    candidates = []
    for name, requires in release.items():
        link = Link(f"https://index.example/{name.filename}", requires_python=requires or None)
        result, detail = links.evaluate_link(link)
        if result is LinkType.candidate:
            candidates.append(InstallationCandidate(project, detail, link))
    evaluator = CandidateEvaluator.create(project, target_python=pip_target)
    best = evaluator.compute_best_candidate(candidates).best_candidate
    return best.link.filename if best else ""


def list_targets(release: Mapping[WheelName, str]) -> Iterator[Target]:
    """Yield the environments that a rehearsal of the release covers."""
    for python in environments.target_pythons(release):
        for platform in environments.target_platforms(release):
            yield python, platform


def compare(release: Mapping[WheelName, str], comparison: Comparison) -> None:
    """Add the environments of one release to the comparison."""
    selector = WheelSelector(release, {name.filename: requires for name, requires in release.items()})
    for target in list_targets(release):
        choice = selector.select(*target)
        comparison.total += 1
        if not choice.is_certain:
            continue
        comparison.certain += 1
        comparison.with_wheel += choice.wheel is not None
        ours, theirs = choice.wheel.filename if choice.wheel else "", choose_with_pip(release, target)
        if ours != theirs:
            names = ", ".join(map(str, release))
            comparison.differences.append(
                f"{target[0]} on {target[1]}: {ours or '-'}, pip: {theirs or '-'}; of {names}"
            )
