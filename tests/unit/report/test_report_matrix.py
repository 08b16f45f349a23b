"""Test the matrix of Pythons and platforms, built from file names alone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.testing import reports
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.checks.release_index import find_missing_cells, lost_against_previous
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import RunInterrupted
from wheel_uploader.core.models import FileStatus, FileSummary, IndexFile, ProjectPage, Report
from wheel_uploader.report import formats_table
from wheel_uploader.report.formats import matrix_text
from wheel_uploader.report.formats.terminal_style import TerminalStyle
from wheel_uploader.report.views import file_rows, matrix, matrix_view
from wheel_uploader.report.views.file_status import LEGEND_ORDER, SYMBOLS
from wheel_uploader.report.views.matrix import CellState


def wheel(tag: str, version: str = "2") -> str:
    return f"dipy-{version}-{tag}.whl"


def build_matrix_of(
    *tags: str,
    previous: tuple[str, ...] = (),
    expected: tuple[tuple[str, str], ...] = (),
    requires_python: str = "",
    allow_lost: tuple[str, ...] = (),
) -> matrix.Matrix:
    """Return the matrix of wheels with these tags, with the losses that the check reports."""
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


def states(result: matrix.Matrix) -> dict[str, str]:
    return {f"{place.python} {place.platform}": cell.state.value for place, cell in result.cells.items()}


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
def test_places_a_wheel_by_its_tags(tag: str, places: set[str]) -> None:
    assert states(build_matrix_of(tag)) == dict.fromkeys(places, "present")


def test_leaves_out_sdists_and_allows_two_wheels_in_a_cell() -> None:
    result = matrix.build_matrix(
        [
            filenames.parse_filename(name)
            for name in (
                wheel("cp312-cp312-macosx_15_0_arm64"),
                "dipy-2.tar.gz",
                wheel("cp312-cp312-macosx_11_0_arm64"),
            )
        ]
    )
    ((place, cell),) = result.cells.items()
    assert (place.python, str(place.platform)) == ("cp312", "macosx_arm64")
    assert cell.files == (wheel("cp312-cp312-macosx_11_0_arm64"), wheel("cp312-cp312-macosx_15_0_arm64"))


def test_sorts_rows_and_columns() -> None:
    result = build_matrix_of(
        *("py3-none-any", "pp310-pypy310_pp73-win32", "cp39-abi3-win_amd64", "cp313-cp313t-win_amd64"),
        *("x-none-linux_x86_64", "cp313-cp313-musllinux_1_2_x86_64", "cp39-cp39-macosx_11_0_arm64"),
        *("cp310-cp310-manylinux2014_s390x",),
    )
    assert result.pythons == ("cp39", "cp310", "cp313", "cp313t", "cp39-abi3", "pp310", "py3", "x")
    assert [str(platform) for platform in result.platforms] == [
        *("linux_x86_64", "macosx_arm64", "manylinux_s390x", "musllinux_x86_64", "win32", "win_amd64", "any")
    ]


def test_marks_new_and_lost_wheels() -> None:
    result = build_matrix_of(
        *("cp312-cp312-win_amd64", "cp313-cp313-win_amd64"),
        previous=("cp311-cp311-win_amd64", "cp312-cp312-win_amd64"),
    )
    assert states(result) == {
        "cp311 win_amd64": "lost",
        "cp312 win_amd64": "present",
        "cp313 win_amd64": "new",
    }
    assert result.compared_with == "1"


@pytest.mark.parametrize(
    ("now", "before", "state"),
    [
        ("cp311-cp311-macosx_11_0_universal2", "cp311-cp311-macosx_10_9_x86_64", CellState.COVERED),
        ("cp310-abi3-win_amd64", "cp312-cp312-win_amd64", CellState.COVERED),
        ("cp313-abi3-win_amd64", "cp312-cp312-win_amd64", CellState.LOST),
        # The free-threaded build does not support the stable ABI.
        ("cp310-abi3-win_amd64", "cp313-cp313t-win_amd64", CellState.LOST),
        # A pure wheel does not replace a compiled one.
        ("py3-none-any", "cp312-cp312-win_amd64", CellState.LOST),
        ("cp39-abi3-win_amd64", "cp310-abi3-win_amd64", CellState.COVERED),
    ],
)
def test_a_wheel_covered_by_another_is_not_lost(now: str, before: str, state: CellState) -> None:
    result = build_matrix_of(now, previous=(before,))
    (old,) = [cell.state for cell in result.cells.values() if cell.state is not CellState.NEW]
    assert old is state


def test_a_python_excluded_by_requires_python_is_not_lost() -> None:
    before = ("cp39-cp39-win_amd64", "cp310-cp310-win_amd64", "cp311-cp311-win_amd64", "cp38-abi3-win_arm64")
    result = build_matrix_of("cp311-cp311-win_amd64", previous=before, requires_python=">=3.10")
    assert states(result) == {
        "cp310 win_amd64": "lost",
        "cp311 win_amd64": "present",
        # The abi3 wheel also served 3.10 and 3.11, which Requires-Python still allows.
        "cp38-abi3 win_arm64": "lost",
    }
    allowed = build_matrix_of("cp311-cp311-win_amd64", previous=before[:3], requires_python=">=3.11")
    assert (allowed.pythons, states(allowed)) == (("cp311",), {"cp311 win_amd64": "present"})


def test_leaves_out_allowed_losses_unless_expected() -> None:
    before = ("cp311-cp311-win32", "cp311-cp311-win_amd64")
    assert states(build_matrix_of("cp311-cp311-win_amd64", previous=before, allow_lost=("win32",))) == {
        "cp311 win_amd64": "present"
    }
    expected = (("cp311", "win32"),)
    result = build_matrix_of(
        "cp311-cp311-win_amd64", previous=before, allow_lost=("win32",), expected=expected
    )
    assert states(result) == {"cp311 win_amd64": "present", "cp311 win32": "missing"}


def test_two_mac_wheels_cover_a_universal2_wheel() -> None:
    arm, intel = "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-macosx_10_13_x86_64"
    both = ("cp311-cp311-macosx_10_9_universal2",)
    assert states(build_matrix_of(arm, intel, previous=both)) == {
        "cp311 macosx_arm64": "new",
        "cp311 macosx_x86_64": "new",
        "cp311 macosx_universal2": "covered",
    }
    assert states(build_matrix_of(arm, previous=both))["cp311 macosx_universal2"] == "lost"


def test_expected_wheels_are_present_covered_or_missing() -> None:
    result = build_matrix_of(
        *("cp311-cp311-win_amd64", "cp312-abi3-win_amd64"),
        expected=tuple((python, "win_amd64") for python in ("cp310", "cp311", "cp313")),
    )
    assert states(result) == {
        "cp311 win_amd64": "present",
        "cp312-abi3 win_amd64": "present",
        "cp310 win_amd64": "missing",
        "cp313 win_amd64": "covered",
    }


# --- text output -----------------------------------------------------------------------------------

PLATFORMS = (
    *("macosx_11_0_arm64", "macosx_10_13_x86_64", "macosx_14_0_arm64", "win32", "win_amd64", "win_arm64"),
    *("manylinux_2_27_x86_64.manylinux_2_28_x86_64", "manylinux_2_27_aarch64.manylinux_2_28_aarch64"),
    *("musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
)
#: The wheels of numpy 2.3.
NUMPY = (
    *(
        f"{python}-{abi}-{platform}"
        for python, abi in [("cp311", "cp311"), ("cp313", "cp313"), ("cp313", "cp313t"), ("cp314", "cp314t")]
        for platform in PLATFORMS
    ),
    "pp311-pypy311_pp73-win_amd64",
)


def lines_of(report: Report, *, utf8: bool = False, width: int = 80) -> list[str]:
    view = matrix_view.build_matrix_view(report, file_rows.build_file_rows(report))
    assert view
    return list(matrix_text.format_matrix(view, TerminalStyle(utf8=utf8, width=width)))


def listed(*tags: str) -> Report:
    return reports.listed([wheel(tag) for tag in tags])


def test_a_release_like_numpy_fits_the_terminal() -> None:
    assert "\n".join(lines_of(listed(*NUMPY))) == (
        "          macosx         manylinux        musllinux        win\n"
        "          arm64  x86_64  aarch64  x86_64  aarch64  x86_64  32  amd64  arm64\n"
        "  cp311   .      .       .        .       .        .       .   .      .\n"
        "  cp313   .      .       .        .       .        .       .   .      .\n"
        "  cp313t  .      .       .        .       .        .       .   .      .\n"
        "  cp314t  .      .       .        .       .        .       .   .      .\n"
        "  pp311   -      -       -        -       -        -       -   .      -\n"
        "  37 places, 41 files: . 37 listed"
    )


def test_ten_platforms_with_problems_fit_in_one_part() -> None:
    names = [wheel(tag) for tag in (*NUMPY, "cp312-abi3-win_arm64", "cp313-cp313-manylinux_2_28_ppc64le")]
    failures = [reports.finding("wheel/no-tag", "bad", name) for name in names[:3]]
    lines = lines_of(reports.checked(*failures, filenames=names))
    assert [line.split() for line in lines if line.startswith("  cp311")] == [["cp311", *"xxo-oooooo"]]
    assert max(map(len, lines)) <= 80


def test_forty_columns_are_readable() -> None:
    lines = lines_of(reports.everything(), width=40)
    assert max(map(len, lines)) <= 40
    assert "  cp311 x      o         o         #" in lines
    assert lines[-7] == "  19 places, 17 files: + 1 confirmed,"


def test_a_pure_release_has_one_heading_line() -> None:
    assert lines_of(listed("py3-none-any")) == ["       any", "  py3  .", "  1 place, 1 file: . 1 listed"]


def test_shows_covered_and_missing_places() -> None:
    report = listed("cp311-cp311-win_amd64", "cp312-abi3-win32")
    report = dataclasses.replace(report, expected_cells=(("cp313", "win32"), ("cp313", "any")))
    assert lines_of(report, utf8=True) == [
        "              win        any",
        "              32  amd64",
        "  cp311       -   ·      -",
        "  cp313       ◌   -      □",
        "  cp312-abi3  ·   -      -",
        "  4 places, 2 files: · 2 listed, ◌ 1 covered, □ 1 missing",
    ]
    assert "".join(lines_of(report)).isascii()


def test_a_mark_shows_which_places_are_new() -> None:
    assert lines_of(reports.incomplete()) == [
        "         macosx  win",
        "         arm64   amd64  arm64",
        "  cp310  -       M      -",
        "  cp311  .       .*     M",
        "  cp312  .*      -      -",
        "  sdist  .",
        "  6 places, 4 files: . 4 listed, M 2 missing, * 2 new since 1.10.0",
    ]


def test_every_status_has_a_sign_that_no_other_status_has() -> None:
    signs = [(symbol.character, symbol.ascii_character) for symbol in LEGEND_ORDER]
    assert len({sign for sign, _ in signs}) == len({sign for _, sign in signs}) == len(FileStatus)
    assert all(sign.isascii() and len(sign) == 1 for _, sign in signs)


def test_only_a_confirmed_file_has_a_tick() -> None:
    ticked = [status for status, symbol in SYMBOLS.items() if symbol.character == "\N{CHECK MARK}"]
    assert ticked == [FileStatus.CONFIRMED]


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_run_that_learned_nothing_shows_no_matrix(form: str) -> None:
    stopped = dataclasses.replace(reports.listed(), error=RunInterrupted(2))
    shown = formats_table.RENDERERS[form](stopped, True)
    assert "tar.gz" in shown
    assert "1 place" not in shown
    assert "Pythons and platforms" not in shown


def test_splits_a_matrix_that_is_too_wide() -> None:
    machines = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "i686", "armv7l")
    tags = [
        f"cp311-cp311-{libc}_{machine}"
        for libc in ("manylinux_2_17", "musllinux_1_2")
        for machine in machines
    ]
    assert lines_of(listed(*tags)) == [
        "         manylinux                                               musllinux",
        "         aarch64  armv7l  i686  ppc64le  riscv64  s390x  x86_64  aarch64  armv7l",
        "  cp311  .        .       .     .        .        .      .       .        .",
        "         musllinux",
        "         i686  ppc64le  riscv64  s390x  x86_64",
        "  cp311  .     .        .        .      .",
        "  14 places, 14 files: . 14 listed",
    ]


def test_a_single_column_is_as_wide_as_its_heading() -> None:
    lines = lines_of(listed("cp311-cp311-musllinux_1_2_i686", "cp311-cp311-win32"))
    assert lines[:3] == ["         musllinux  win", "         i686       32", "  cp311  .          ."]


@pytest.mark.parametrize(
    "tags", [[f"cp311-cp311-{'x' * 150}"], [f"cp311-cp311-{'.'.join(f'a{n}' for n in range(40))}"]]
)
def test_formats_very_long_platform_names(tags: list[str]) -> None:
    assert all(line == line.rstrip() for line in lines_of(listed(*tags)))


def test_ignores_invalid_names_from_the_index() -> None:
    result = matrix.build_matrix(
        [filenames.parse_filename(wheel("py3-none-any"))], ["dipy.exe", "", "dipy-1.tar.gz"]
    )
    # The previous release had only an sdist; marking every wheel as new would be useless.
    assert (states(result), result.compared_with) == ({"py3 any": "present"}, "1")
