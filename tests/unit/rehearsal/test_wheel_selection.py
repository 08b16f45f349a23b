"""The wheel that is selected by tags is the one that pip selects."""

from __future__ import annotations

import random

import pytest

from tests.support import pip_selection
from tests.support.pip_selection import Comparison
from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.models import WheelName


def make_matrix() -> dict[WheelName, str]:
    """Return wheels like those of numpy: six Pythons on eleven platforms."""
    pythons = (
        "cp311-cp311",
        "cp313-cp313",
        "cp313-cp313t",
        "cp314-cp314",
        "cp314-cp314t",
        "pp311-pypy311_pp73",
    )
    platforms = (
        *("macosx_10_13_x86_64", "macosx_11_0_arm64", "macosx_14_0_arm64", "macosx_14_0_x86_64"),
        *("manylinux_2_27_aarch64.manylinux_2_28_aarch64", "manylinux_2_27_x86_64.manylinux_2_28_x86_64"),
        *("musllinux_1_2_aarch64", "musllinux_1_2_x86_64", "win32", "win_amd64", "win_arm64"),
    )
    names = [
        filenames.parse_filename(wheels.wheel_filename("numpy", "2.3.4", f"{python}-{platform}"))
        for python in pythons
        for platform in platforms
    ]
    return {name: ">=3.11" for name in names if isinstance(name, WheelName)}


def test_selects_what_pip_selects_for_a_large_matrix() -> None:
    comparison = Comparison()
    pip_selection.compare(make_matrix(), comparison)
    assert comparison.differences == []
    assert comparison.certain == comparison.total > 100
    assert comparison.with_wheel > 80


@pytest.mark.slow
def test_selects_what_pip_selects_for_random_releases() -> None:
    numbers, comparison = random.Random(18), Comparison()
    while comparison.certain < 2000:
        pip_selection.compare(pip_selection.make_release(numbers), comparison)
    assert comparison.differences == []
    assert comparison.with_wheel > 500
