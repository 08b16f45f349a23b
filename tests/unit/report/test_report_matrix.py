"""Pythons x platforms, from file names alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.checks.release_index import find_missing_cells, lost_against_previous
from wheel_uploader.core import filenames
from wheel_uploader.core.models import FileSummary, IndexFile, ProjectPage
from wheel_uploader.report.formats.terminal_style import TerminalStyle
from wheel_uploader.report.views import matrix
from wheel_uploader.report.views.matrix import CellState


def wheel(tag: str, version: str = "2") -> str:
    return f"dipy-{version}-{tag}.whl"


def made(
    *tags: str,
    previous: tuple[str, ...] = (),
    expected: tuple[tuple[str, str], ...] = (),
    requires_python: str = "",
    allow_lost: tuple[str, ...] = (),
) -> matrix.Matrix:
    """The matrix of wheels with these tags, with what the check finds lost of those of the release before."""
    present = [filenames.parse_filename(wheel(tag)) for tag in tags]
    before = [wheel(tag, "1") for tag in previous]
    files = [IndexFile(filename=name, url=name) for name in before]
    release = ReleaseContent(
        project=canonicalize_name("dipy"),
        version=Version("2"),
        summaries=tuple(
            FileSummary(name=name, size=1, metadata={"Requires-Python": (requires_python,)})
            for name in present
        ),
        project_page=ProjectPage(url="x", exists=True, files=tuple(files)),
        comparison_version=Version("1"),
        allow_missing=allow_lost,
        now=datetime.now(UTC),
    )
    lost = [(cell.python, cell.platform) for cell in find_missing_cells(release)]
    assert bool(lost) == any(lost_against_previous.function(release))
    return matrix.build_matrix(present, before, lost, expected)


def states(found: matrix.Matrix) -> dict[str, str]:
    return {f"{place.python} {place.platform}": cell.state.value for place, cell in found.cells.items()}


@pytest.mark.parametrize(
    ("tag", "places"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", {"cp311 manylinux_x86_64"}),
        ("cp311-cp311-manylinux1_i686", {"cp311 manylinux_i686"}),
        ("cp313-cp313t-macosx_10_13_universal2", {"cp313t macosx_universal2"}),
        ("cp39-abi3-win32", {"cp39-abi3 win32"}),
        ("cp315-abi3.abi3t-win_arm64", {"cp315-abi3 win_arm64", "cp315-abi3t win_arm64"}),
        ("pp311-pypy311_pp73-musllinux_1_2_aarch64", {"pp311 musllinux_aarch64"}),
        ("graalpy311-graalpy242_311_native-linux_x86_64", {"graalpy311 linux_x86_64"}),
        ("py2.py3-none-any", {"py2 any", "py3 any"}),
        ("cp313-cp313-android_21_arm64_v8a", {"cp313 android_arm64_v8a"}),
        ("cp313-cp313-ios_13_0_arm64_iphoneos", {"cp313 ios_arm64_iphoneos"}),
        ("cp312-cp312-pyodide_2024_0_wasm32", {"cp312 pyodide_wasm32"}),
        ("ip27-none-x", {"ip27 x"}),
    ],
)
def test_the_places_of_a_wheel(tag: str, places: set[str]) -> None:
    assert states(made(tag)) == dict.fromkeys(places, "present")


def test_an_sdist_has_no_place_and_a_place_may_have_two_wheels() -> None:
    found = matrix.build_matrix(
        [
            filenames.parse_filename(each)
            for each in (
                wheel("cp312-cp312-macosx_15_0_arm64"),
                "dipy-2.tar.gz",
                wheel("cp312-cp312-macosx_11_0_arm64"),
            )
        ]
    )
    ((place, cell),) = found.cells.items()
    assert (place.python, str(place.platform)) == ("cp312", "macosx_arm64")
    assert cell.files == (wheel("cp312-cp312-macosx_11_0_arm64"), wheel("cp312-cp312-macosx_15_0_arm64"))


def test_rows_and_columns_are_in_the_order_that_people_look_for() -> None:
    found = made(
        *("py3-none-any", "pp310-pypy310_pp73-win32", "cp39-abi3-win_amd64", "cp313-cp313t-win_amd64"),
        *("x-none-linux_x86_64", "cp313-cp313-musllinux_1_2_x86_64", "cp39-cp39-macosx_11_0_arm64"),
        *("cp310-cp310-manylinux2014_s390x",),
    )
    assert found.pythons == ("cp39", "cp310", "cp313", "cp313t", "cp39-abi3", "pp310", "py3", "x")
    assert [str(each) for each in found.platforms] == [
        *("linux_x86_64", "macosx_arm64", "manylinux_s390x", "musllinux_x86_64", "win32", "win_amd64", "any")
    ]


def test_new_and_lost_against_the_release_before() -> None:
    found = made(
        *("cp312-cp312-win_amd64", "cp313-cp313-win_amd64"),
        previous=("cp311-cp311-win_amd64", "cp312-cp312-win_amd64"),
    )
    assert states(found) == {
        "cp311 win_amd64": "lost",
        "cp312 win_amd64": "present",
        "cp313 win_amd64": "new",
    }
    assert found.compared_with == "1"


@pytest.mark.parametrize(
    ("now", "before", "state"),
    [
        ("cp311-cp311-macosx_11_0_universal2", "cp311-cp311-macosx_10_9_x86_64", CellState.COVERED),
        ("cp310-abi3-win_amd64", "cp312-cp312-win_amd64", CellState.COVERED),
        ("cp313-abi3-win_amd64", "cp312-cp312-win_amd64", CellState.LOST),
        # The free-threaded build does not take the stable ABI.
        ("cp310-abi3-win_amd64", "cp313-cp313t-win_amd64", CellState.LOST),
        # A pure wheel does what it can; the compiled one is gone all the same.
        ("py3-none-any", "cp312-cp312-win_amd64", CellState.LOST),
        ("cp39-abi3-win_amd64", "cp310-abi3-win_amd64", CellState.COVERED),
    ],
)
def test_what_another_wheel_stands_in_for_is_not_lost(now: str, before: str, state: CellState) -> None:
    found = made(now, previous=(before,))
    (old,) = [cell.state for cell in found.cells.values() if cell.state is not CellState.NEW]
    assert old is state


def test_a_python_that_requires_python_refuses_now_is_not_lost() -> None:
    before = ("cp39-cp39-win_amd64", "cp310-cp310-win_amd64", "cp311-cp311-win_amd64", "cp38-abi3-win_arm64")
    found = made("cp311-cp311-win_amd64", previous=before, requires_python=">=3.10")
    assert states(found) == {
        "cp310 win_amd64": "lost",
        "cp311 win_amd64": "present",
        # Of the stable ABI's pythons 3.8 and 3.9 are refused, and 3.10 and 3.11 are not.
        "cp38-abi3 win_arm64": "lost",
    }
    kept = made("cp311-cp311-win_amd64", previous=before[:3], requires_python=">=3.11")
    assert (kept.pythons, states(kept)) == (("cp311",), {"cp311 win_amd64": "present"})


def test_what_may_be_lost_has_no_place_unless_it_is_expected() -> None:
    before = ("cp311-cp311-win32", "cp311-cp311-win_amd64")
    assert states(made("cp311-cp311-win_amd64", previous=before, allow_lost=("win32",))) == {
        "cp311 win_amd64": "present"
    }
    expected = (("cp311", "win32"),)
    found = made("cp311-cp311-win_amd64", previous=before, allow_lost=("win32",), expected=expected)
    assert states(found) == {"cp311 win_amd64": "present", "cp311 win32": "missing"}


def test_one_wheel_for_both_kinds_of_mac_is_not_lost_when_each_has_its_own() -> None:
    arm, intel = "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-macosx_10_13_x86_64"
    both = ("cp311-cp311-macosx_10_9_universal2",)
    assert states(made(arm, intel, previous=both)) == {
        "cp311 macosx_arm64": "new",
        "cp311 macosx_x86_64": "new",
        "cp311 macosx_universal2": "covered",
    }
    assert states(made(arm, previous=both))["cp311 macosx_universal2"] == "lost"


def test_what_is_expected_is_present_covered_or_missing() -> None:
    found = made(
        *("cp311-cp311-win_amd64", "cp312-abi3-win_amd64"),
        expected=tuple((python, "win_amd64") for python in ("cp310", "cp311", "cp313")),
    )
    assert states(found) == {
        "cp311 win_amd64": "present",
        "cp312-abi3 win_amd64": "present",
        "cp310 win_amd64": "missing",
        "cp313 win_amd64": "covered",
    }


# --- on the screen ---------------------------------------------------------------------------------

PLATFORMS = (
    *("macosx_11_0_arm64", "macosx_10_13_x86_64", "macosx_14_0_arm64", "win32", "win_amd64", "win_arm64"),
    *("manylinux_2_27_x86_64.manylinux_2_28_x86_64", "manylinux_2_27_aarch64.manylinux_2_28_aarch64"),
    *("musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
)
#: As numpy 2.3 is released.
NUMPY = (
    *(
        f"{python}-{abi}-{platform}"
        for python, abi in [("cp311", "cp311"), ("cp313", "cp313"), ("cp313", "cp313t"), ("cp314", "cp314t")]
        for platform in PLATFORMS
    ),
    "pp311-pypy311_pp73-win_amd64",
)


def test_a_release_like_that_of_numpy_fits_the_screen() -> None:
    assert "\n".join(matrix.format_matrix(made(*NUMPY))) == (
        "          macosx         manylinux        musllinux        win\n"
        "          arm64  x86_64  aarch64  x86_64  aarch64  x86_64  32  amd64  arm64\n"
        "  cp311   x      x       x        x       x        x       x   x      x\n"
        "  cp313   x      x       x        x       x        x       x   x      x\n"
        "  cp313t  x      x       x        x       x        x       x   x      x\n"
        "  cp314t  x      x       x        x       x        x       x   x      x\n"
        "  pp311   .      .       .        .       .        .       .   x      ."
    )


def test_a_release_for_any_platform_has_one_line_of_headings() -> None:
    assert list(matrix.format_matrix(made("py3-none-any"))) == ["       any", "  py3  x"]


def test_symbols_are_for_screens_that_have_them() -> None:
    found = made("cp311-cp311-win_amd64", "cp312-abi3-win32", expected=(("cp313", "win32"), ("cp313", "any")))
    assert "\n".join(matrix.format_matrix(found, TerminalStyle(utf8=True))) == (
        "              win         any\n"
        "              32   amd64\n"
        "  cp311       ·    ✓      ·\n"
        "  cp313       (✓)  ·      MISSING\n"
        "  cp312-abi3  ✓    ·      ·\n"
        "  (✓): a wheel of another row or column is installed here"
    )
    assert "".join(matrix.format_matrix(found)).isascii()


def test_more_platforms_than_fit_make_several_parts() -> None:
    machines = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "i686", "armv7l")
    tags = [
        f"cp311-cp311-{libc}_{machine}"
        for libc in ("manylinux_2_17", "musllinux_1_2")
        for machine in machines
    ]
    assert list(matrix.format_matrix(made(*tags))) == [
        "         manylinux                                               musllinux",
        "         aarch64  armv7l  i686  ppc64le  riscv64  s390x  x86_64  aarch64  armv7l",
        "  cp311  x        x       x     x        x        x      x       x        x",
        "         musllinux",
        "         i686  ppc64le  riscv64  s390x  x86_64",
        "  cp311  x     x        x        x      x",
    ]


def test_a_column_that_is_alone_is_as_wide_as_its_family() -> None:
    lines = list(matrix.format_matrix(made("cp311-cp311-musllinux_1_2_i686", "cp311-cp311-win32")))
    assert lines == ["         musllinux  win", "         i686       32", "  cp311  x          x"]


@pytest.mark.parametrize(
    "tags", [[f"cp311-cp311-{'x' * 150}"], [f"cp311-cp311-{'.'.join(f'a{n}' for n in range(40))}"]]
)
def test_absurd_names_make_a_matrix_too(tags: list[str]) -> None:
    assert all(line == line.rstrip() for line in matrix.format_matrix(made(*tags)))


def test_names_from_the_index_may_be_anything() -> None:
    found = matrix.build_matrix(
        [filenames.parse_filename(wheel("py3-none-any"))], ["dipy.exe", "", "dipy-1.tar.gz"]
    )
    # It had an sdist only: every wheel would be new, which says nothing.
    assert (states(found), found.compared_with) == ({"py3 any": "present"}, "1")
