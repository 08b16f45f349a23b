"""Which versions of a system lose a wheel, compared with what packaging says that each of them installs."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging import tags

from wheel_uploader.core import filenames
from wheel_uploader.core.models import DistName, WheelName
from wheel_uploader.core.platforms import served_systems
from wheel_uploader.core.platforms.matrix import MatrixCell
from wheel_uploader.core.platforms.served_systems import LossKind, SystemLoss, describe_versions

MACOS_X86_64 = [(10, minor) for minor in range(9, 16)] + [(major, 0) for major in (*range(11, 16), 26)]
GLIBCS = [(2, minor) for minor in range(5, 43)]
MANYLINUX_NAMES = {(2, 5): "manylinux1", (2, 12): "manylinux2010", (2, 17): "manylinux2014"}


def wheel(tag: str) -> DistName:
    return filenames.parse_filename(f"dipy-1.11.0-{tag}.whl")


def losses(previous: Iterable[str], current: Iterable[str], cell: str) -> list[SystemLoss]:
    python, platform = cell.split("-")
    cells = [MatrixCell(python, platform)]
    return list(served_systems.find_system_losses(map(wheel, previous), map(wheel, current), cells))


def glibc_platforms(version: tuple[int, int], arch: str = "x86_64") -> list[str]:
    platforms = []
    for minor in range(version[1], 4, -1):
        platforms.append(f"manylinux_2_{minor}_{arch}")
        if (2, minor) in MANYLINUX_NAMES:
            platforms.append(f"{MANYLINUX_NAMES[2, minor]}_{arch}")
    return platforms


def installed(names: Iterable[str], platforms: Iterable[str]) -> str:
    """Return the tag that CPython 3.11 installs with these platform tags; empty if it installs none."""
    accepted = list(tags.cpython_tags((3, 11), ["cp311"], platforms))
    wheels = [name for name in map(wheel, names) if isinstance(name, WheelName)]
    for tag in accepted:
        for name in wheels:
            if tag in name.tags:
                return f"{'-'.join(name.filename.split('-')[2:])}".removesuffix(".whl")
    return ""


macos_sets = st.sets(
    st.sampled_from([f"cp311-cp311-macosx_{major}_{minor}_x86_64" for major, minor in MACOS_X86_64]),
    min_size=1,
    max_size=4,
)
glibc_sets = st.sets(
    st.sampled_from(
        [
            f"cp311-cp311-{MANYLINUX_NAMES.get(version, f'manylinux_2_{version[1]}')}_x86_64"
            for version in GLIBCS
        ]
    ),
    min_size=1,
    max_size=4,
)


def is_in(loss: SystemLoss, version: tuple[int, int]) -> bool:
    return loss.first <= version and (loss.end is None or version < loss.end)


def check_against_packaging(
    previous: set[str], current: set[str], found: list[SystemLoss], systems: dict[tuple[int, int], list[str]]
) -> None:
    for version, platforms in systems.items():
        before, now = installed(previous, platforms), installed(current, platforms)
        kinds = {loss.kind for loss in found if is_in(loss, version)}
        assert (LossKind.NO_WHEEL in kinds) is bool(before and not now), version
        if LossKind.GENERAL_WHEEL in kinds:
            assert before
            assert now
            assert before != now
            # Without its special wheel, this system would have had one of the previous release all the same.
            assert installed(previous - {before}, platforms)
            (loss,) = [each for each in found if is_in(each, version)]
            assert before.rpartition("-")[2] in loss.previous_tags
            assert now.rpartition("-")[2] in loss.current_tags


@given(macos_sets, macos_sets)
def test_agrees_with_packaging_for_every_macos(previous: set[str], current: set[str]) -> None:
    found = losses(previous, current, "cp311-macosx_x86_64")
    systems = {version: list(tags.mac_platforms(version, "x86_64")) for version in MACOS_X86_64}
    check_against_packaging(previous, current, found, systems)


@given(glibc_sets, glibc_sets)
def test_agrees_with_packaging_for_every_glibc(previous: set[str], current: set[str]) -> None:
    found = losses(previous, current, "cp311-manylinux_x86_64")
    check_against_packaging(
        previous, current, found, {version: glibc_platforms(version) for version in GLIBCS}
    )


@given(macos_sets, macos_sets)
def test_nothing_is_lost_if_wheels_are_added(previous: set[str], added: set[str]) -> None:
    assert losses(previous, previous | added, "cp311-macosx_x86_64") == []


@given(glibc_sets, st.sampled_from([version for version in GLIBCS if version <= (2, 17)]))
def test_nothing_is_lost_if_the_only_wheel_serves_more_systems(
    previous: set[str], version: tuple[int, int]
) -> None:
    """A lower number in the only tag of the previous release."""
    (highest, *_) = sorted(previous)
    lower = f"cp311-cp311-manylinux_2_{min(version[1], 5)}_x86_64"
    assert losses([highest], [lower], "cp311-manylinux_x86_64") == []


@pytest.mark.parametrize(
    ("previous", "current", "cell", "expected"),
    [
        # A lower number serves more systems, and a newer one fewer.
        (["macosx_14_0_x86_64"], ["macosx_10_13_x86_64"], "macosx_x86_64", []),
        (["macosx_10_13_x86_64"], ["macosx_14_0_x86_64"], "macosx_x86_64", ["macOS 10.13 to 13"]),
        (
            ["macosx_14_0_x86_64", "macosx_10_13_x86_64"],
            ["macosx_14_0_x86_64"],
            "macosx_x86_64",
            ["macOS 10.13 to 13"],
        ),
        (
            ["macosx_14_0_x86_64", "macosx_10_13_x86_64"],
            ["macosx_10_13_x86_64"],
            "macosx_x86_64",
            ["macOS 14 and later"],
        ),
        (
            ["macosx_14_0_x86_64", "macosx_10_13_x86_64"],
            ["macosx_10_13_x86_64", "macosx_15_0_x86_64"],
            "macosx_x86_64",
            ["macOS 14"],
        ),
        (
            ["macosx_14_0_x86_64", "macosx_10_13_x86_64"],
            ["macosx_10_13_x86_64", "macosx_13_0_x86_64"],
            "macosx_x86_64",
            [],
        ),
        (
            ["macosx_14_0_x86_64", "macosx_10_13_x86_64"],
            ["macosx_11_0_x86_64"],
            "macosx_x86_64",
            ["macOS 10.13 to 10.15"],
        ),
        # universal2 serves both architectures; arm64 begins with macOS 11.
        (["macosx_11_0_arm64"], ["macosx_10_9_universal2"], "macosx_arm64", []),
        (["macosx_10_9_universal2"], ["macosx_11_0_arm64"], "macosx_arm64", []),
        (["macosx_11_0_arm64"], ["macosx_12_0_universal2"], "macosx_arm64", ["macOS 11"]),
        (["macosx_11_0_arm64"], ["macosx_26_0_arm64"], "macosx_arm64", ["macOS 11 to 15"]),
        (["macosx_10_16_x86_64"], ["macosx_11_0_x86_64"], "macosx_x86_64", []),
        # Several tags of one wheel count by the oldest.
        (["manylinux2014_x86_64"], ["manylinux_2_17_x86_64.manylinux_2_28_x86_64"], "manylinux_x86_64", []),
        (["manylinux2014_x86_64"], ["manylinux_2_28_x86_64"], "manylinux_x86_64", ["glibc 2.17 to 2.27"]),
        (["manylinux1_x86_64"], ["manylinux2010_x86_64"], "manylinux_x86_64", ["glibc 2.5 to 2.11"]),
        (["musllinux_1_1_aarch64"], ["musllinux_1_2_aarch64"], "musllinux_aarch64", ["musl 1.1"]),
        (["ios_13_0_arm64_iphoneos"], ["ios_14_0_arm64_iphoneos"], "ios_arm64_iphoneos", ["iOS 13"]),
        (
            ["android_21_arm64_v8a"],
            ["android_24_arm64_v8a"],
            "android_arm64_v8a",
            ["Android API level 21 to 23"],
        ),
        # Systems without versions, and those whose versions are not ordered.
        (["win_amd64"], ["win_amd64"], "win_amd64", []),
        (["linux_x86_64"], ["linux_x86_64"], "linux_x86_64", []),
        (["pyodide_2024_0_wasm32"], ["pyodide_2025_0_wasm32"], "pyodide_wasm32", []),
    ],
)
def test_names_the_systems_that_lose_a_wheel(
    previous: list[str], current: list[str], cell: str, expected: list[str]
) -> None:
    found = losses(
        [f"cp311-cp311-{tag}" for tag in previous], [f"cp311-cp311-{tag}" for tag in current], f"cp311-{cell}"
    )
    assert [loss.versions for loss in found] == expected


@pytest.mark.parametrize(
    ("python", "expected"),
    [("cp311", ["macOS 10.9 to 10.12"]), ("cp312", []), ("cp313t", []), ("pp311", ["macOS 10.9 to 10.12"])],
)
def test_systems_without_that_python_lose_nothing(python: str, expected: list[str]) -> None:
    """CPython 3.12 itself needs macOS 10.13."""
    abi = "pypy311_pp73" if python == "pp311" else python
    interface = f"{python.removesuffix('t')}-{abi}"
    found = losses(
        [f"{interface}-macosx_10_9_x86_64"], [f"{interface}-macosx_10_13_x86_64"], f"{python}-macosx_x86_64"
    )
    assert [loss.versions for loss in found] == expected


@pytest.mark.parametrize(
    ("previous", "current"),
    [
        (["cp39-abi3", "cp313-cp313"], ["cp39-abi3"]),
        (["cp39-abi3"], ["cp313-cp313"]),
        (["cp36.cp37.cp38-abi3"], ["cp36-abi3"]),
        (["py3-none"], ["cp313-cp313"]),
        (["py2.py3-none"], ["py3-none"]),
    ],
)
def test_accepts_another_interface_for_the_same_systems(previous: list[str], current: list[str]) -> None:
    for platform in ("win_amd64", "macosx_11_0_arm64", "manylinux_2_28_x86_64"):
        cell = f"cp313-{platform.replace('_11_0', '').replace('_2_28', '')}"
        old, new = ([f"{interface}-{platform}" for interface in each] for each in (previous, current))
        assert losses(old, new, cell) == []


def test_a_cell_without_any_wheel_is_left_to_the_comparison_of_cells() -> None:
    assert losses(["cp311-cp311-win_amd64"], ["cp312-cp312-win_amd64"], "cp311-win_amd64") == []


def test_describes_versions() -> None:
    assert describe_versions("macosx", (11, 0), (12, 0)) == "macOS 11"
    assert describe_versions("macosx", (11, 0), (26, 0)) == "macOS 11 to 15"
    assert describe_versions("macosx", (10, 9), (11, 0)) == "macOS 10.9 to 10.15"
    assert describe_versions("manylinux", (2, 28), None) == "glibc 2.28 and later"
    assert describe_versions("win", (), None) == "win"
