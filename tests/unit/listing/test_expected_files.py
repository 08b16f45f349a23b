"""Expected files: which wheel satisfies which entry, and how wrong lines are reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import DistName
from wheel_uploader.listing import expected_files
from wheel_uploader.listing.expected_files import Expectation


def release(*tags: str, sdist: bool = False) -> list[DistName]:
    files = [f"dipy-1.11.0-{tag}.whl" for tag in tags] + ["dipy-1.11.0.tar.gz"] * sdist
    return [filenames.parse_filename(file) for file in files]


RELEASE = release(*wheels.RELEASE_TAGS, sdist=True)


def get_usage_error(make: Callable[[], Expectation]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        make()
    return caught.value


def satisfies(line: str, tag: str) -> bool:
    expected = expected_files.parse_expected_lines(line, "expected.txt")
    is_complete, unexpected = not expected.find_missing(release(tag)), expected.find_unexpected(release(tag))
    assert is_complete is not bool(unexpected)
    return is_complete


# --- a number --------------------------------------------------------------------------------------


def test_compares_the_file_count() -> None:
    assert (
        expected_files.expect_count(6).find_missing(RELEASE)
        == expected_files.expect_count(6).find_unexpected(RELEASE)
        == ()
    )
    assert expected_files.expect_count(8).find_missing(RELEASE) == ("2 of 8 files",)
    assert expected_files.expect_count(7).find_missing(RELEASE) == ("1 of 7 files",)
    assert expected_files.expect_count(4).find_missing(RELEASE) == ()
    assert expected_files.expect_count(4).find_unexpected(RELEASE) == ("2 files more than the expected 4",)
    assert expected_files.expect_count(7).find_unexpected(RELEASE) == ()


@pytest.mark.parametrize("count", [0, -1])
def test_rejects_a_count_below_one(count: int) -> None:
    assert (
        str(get_usage_error(lambda: expected_files.expect_count(count)))
        == f"cannot expect a release of {count} files"
    )


# --- a file ----------------------------------------------------------------------------------------


def test_list_accepts_every_form_of_entry() -> None:
    text = """\
# from the release guide
dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl

cp311-cp311-manylinux_2_17_x86_64
cp312-manylinux_aarch64
cp312-win_amd64
cp312-musllinux_x86_64
sdist
"""
    expected = expected_files.parse_expected_lines(text, "expected.txt")
    assert (expected.find_missing(RELEASE), expected.find_unexpected(RELEASE)) == ((), ())
    assert expected.find_missing([]) == (
        "dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl",
        "a wheel cp311-cp311-manylinux_2_17_x86_64",
        "a wheel for cp312 on manylinux_aarch64",
        "a wheel for cp312 on win_amd64",
        "a wheel for cp312 on musllinux_x86_64",
        "an sdist",
    )
    extra_wheels = release("cp313-cp313-win_amd64")
    assert expected.find_unexpected([*RELEASE, *extra_wheels]) == ("dipy-1.11.0-cp313-cp313-win_amd64.whl",)


def test_list_accepts_sha256sums_lines_and_ignores_other_files() -> None:
    text = f"{'a' * 64}  dist/dipy-1.11.0.tar.gz\n{'b' * 64} *NOTES.txt\n"
    expected = expected_files.parse_expected_lines(text, "SHA256SUMS")
    assert expected.find_missing([]) == ("dipy-1.11.0.tar.gz",)


def test_list_ignores_comments_after_an_entry() -> None:
    text = (
        "cp312-manylinux_x86_64  # linux\ncp312-cp312-win_amd64\t# the #1\nsdist #\n"
        f"dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl # mac\n{'a' * 64}  dipy-1.11.0.tar.gz  # sums\n"
    )
    expected = expected_files.parse_expected_lines(text, "expected.txt")
    assert expected.find_missing([]) == (
        "a wheel for cp312 on manylinux_x86_64",
        "a wheel cp312-cp312-win_amd64",
        "an sdist",
        "dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl",
        "dipy-1.11.0.tar.gz",
    )


def test_list_accepts_checksums_of_any_algorithm() -> None:
    text = f"{'a' * 32}  dipy-1.11.0.tar.gz\nSHA512 (dipy-1.11.0-py3-none-any.whl) = {'b' * 128}\n"
    expected = expected_files.parse_expected_lines(text, "MD5SUMS")
    assert expected.find_missing([]) == ("dipy-1.11.0.tar.gz", "dipy-1.11.0-py3-none-any.whl")


def test_reports_every_wrong_line_with_its_number() -> None:
    error = get_usage_error(
        lambda: expected_files.parse_expected_lines(
            "sdist\n\ndipy\ndipy-1.whl\ncp311-macos_arm64\ncp-win32\ncp311-manylinux\nA-B-C\ncp311-win_amd64#x\n",
            "expected.txt",
        )
    )
    assert str(error) == "expected.txt is not a list of expected files"
    assert error.details == (
        "line 3: 'dipy': neither a file name nor a tag",
        "line 4: 'dipy-1.whl': a wheel name has 5 or 6 parts separated by dashes, not 2",
        (
            "line 5: 'cp311-macos_arm64': 'macos_arm64' is not a platform like manylinux_x86_64 "
            "(did you mean macosx_arm64?)"
        ),
        "line 6: 'cp-win32': 'cp' is not a python like cp311 or cp313t",
        (
            "line 7: 'cp311-manylinux': 'manylinux' is not a platform like manylinux_x86_64 "
            "(did you mean manylinux_i686?)"
        ),
        "line 8: 'A-B-C': neither a file name nor a tag",
        "line 9: 'cp311-win_amd64#x': 'win_amd64#x' is not a platform; a comment begins with ' #'",
    )
    assert error.hint.startswith("Each line is a file name, a tag like cp311-cp311-win_amd64, a python")


def test_quotes_only_the_first_wrong_lines_of_a_page() -> None:
    error = get_usage_error(lambda: expected_files.parse_expected_lines("<html>\n" * 40, "expected.txt"))
    assert len(error.details) == 11
    assert error.details[-1] == "and 30 more lines"


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n"])
def test_rejects_an_empty_list(text: str) -> None:
    assert (
        str(get_usage_error(lambda: expected_files.parse_expected_lines(text, "x")))
        == "x is not a list of expected files"
    )


# --- which wheel satisfies which entry -------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "tag", "matches"),
    [
        # Platforms by family and architecture, whatever the version.
        ("cp311-manylinux_x86_64", "cp311-cp311-manylinux_2_28_x86_64", True),
        ("cp311-manylinux_x86_64", "cp311-cp311-manylinux2014_x86_64", True),
        ("cp311-manylinux_x86_64", "cp311-cp311-manylinux1_x86_64", True),
        ("cp311-manylinux_x86_64", "cp311-cp311-linux_x86_64.manylinux_2_5_x86_64", True),
        ("cp311-manylinux_x86_64", "cp311-cp311-manylinux_2_28_aarch64", False),
        ("cp311-manylinux_x86_64", "cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-manylinux_x86_64", "cp311-cp311-linux_x86_64", False),
        ("cp311-manylinux_i686", "cp311-cp311-manylinux_2_5_i686.manylinux1_i686", True),
        ("cp311-macosx_arm64", "cp311-cp311-macosx_11_0_arm64", True),
        ("cp311-macosx_arm64", "cp311-cp311-macosx_10_9_universal2", True),
        ("cp311-macosx_x86_64", "cp311-cp311-macosx_10_9_universal2", True),
        ("cp311-macosx_x86_64", "cp311-cp311-macosx_10_6_intel", True),
        ("cp311-macosx_universal2", "cp311-cp311-macosx_11_0_arm64", False),
        ("cp311-win32", "cp311-cp311-win_amd64", False),
        ("cp313-ios_arm64_iphoneos", "cp313-cp313-ios_13_0_arm64_iphoneos", True),
        ("cp313-android_arm64_v8a", "cp313-cp313-android_24_arm64_v8a", True),
        ("cp313-pyodide_wasm32", "cp313-cp313-pyodide_2025_0_wasm32", True),
        ("cp314-pyemscripten_wasm32", "cp314-cp314-pyemscripten_2026_0_wasm32", True),
        # A complete platform tag matches only itself.
        ("cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_x86_64", True),
        ("cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_17_x86_64", False),
        # A pure-Python wheel does not satisfy an entry for a platform.
        ("cp311-win_amd64", "py3-none-any", False),
        ("cp311-any", "py3-none-any", True),
        ("py3-any", "py3-none-any", True),
        ("py3-any", "py2.py3-none-any", True),
        # Pythons.
        ("cp311-win_amd64", "cp311-cp311-win_amd64", True),
        ("cp311-win_amd64", "cp312-cp312-win_amd64", False),
        ("cp311-win_amd64", "cp311-none-win_amd64", True),
        ("cp311-win_amd64", "py3-none-win_amd64", True),
        ("cp311-win_amd64", "py310-none-win_amd64", True),
        ("cp311-win_amd64", "py312-none-win_amd64", False),
        ("cp27-win_amd64", "cp27-cp27mu-win_amd64", True),
        ("cp37-win_amd64", "cp37-cp37m-win_amd64", True),
        # abi3 wheels satisfy their own Python version and later ones.
        ("cp311-win_amd64", "cp311-abi3-win_amd64", True),
        ("cp313-win_amd64", "cp39-abi3-win_amd64", True),
        ("cp38-win_amd64", "cp39-abi3-win_amd64", False),
        ("pp310-win_amd64", "cp39-abi3-win_amd64", False),
        # Wheels that need the GIL do not satisfy free-threaded entries.
        ("cp313t-win_amd64", "cp313-cp313t-win_amd64", True),
        ("cp313t-win_amd64", "cp313-cp313-win_amd64", False),
        ("cp313-win_amd64", "cp313-cp313t-win_amd64", False),
        ("cp313t-win_amd64", "cp39-abi3-win_amd64", False),
        ("cp313t-win_amd64", "py3-none-win_amd64", True),
        ("cp315t-win_amd64", "cp315-abi3t-win_amd64", True),
        # Other implementations.
        ("pp310-win_amd64", "pp310-pypy310_pp73-win_amd64", True),
        ("pp310-win_amd64", "py3-none-win_amd64", True),
        ("gp311_242-manylinux_x86_64", "graalpy311-graalpy242_311_native-manylinux_2_28_x86_64", True),
        # Tags.
        ("cp311-abi3-win_amd64", "cp311-abi3-win_amd64", True),
        ("cp311-cp311-win_amd64", "cp311-abi3-win_amd64", False),
        ("cp311-cp311-manylinux_x86_64", "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("py2.py3-none-any", "py3-none-any", True),
        ("sdist", "py3-none-any", False),
    ],
)  # fmt: skip
def test_wheel_satisfies_entry(line: str, tag: str, matches: bool) -> None:
    assert satisfies(line, tag) is matches


def test_sdist_satisfies_only_an_sdist_entry() -> None:
    expected = expected_files.parse_expected_lines("cp311-any\npy3-none-any\n", "x")
    assert expected.find_missing(release(sdist=True)) == ("a wheel for cp311 on any", "a wheel py3-none-any")
    assert (
        expected_files.parse_expected_lines("sdist", "x").find_missing(
            [filenames.parse_filename("Dipy-1.11.zip")]
        )
        == ()
    )


# --- a matrix --------------------------------------------------------------------------------------


def test_matrix_expects_every_python_on_every_platform() -> None:
    expected = expected_files.parse_matrix(
        {
            "pythons": ["cp311", "cp312"],
            "platforms": ["macosx_arm64", "manylinux_x86_64"],
            "skip": ["cp312-macosx_*"],
            "sdist": True,
        }
    )
    assert expected.find_missing(RELEASE) == ("a wheel for cp312 on manylinux_x86_64",)
    assert expected.find_unexpected(RELEASE) == (
        "dipy-1.11.0-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "dipy-1.11.0-cp312-cp312-musllinux_1_2_x86_64.whl",
        "dipy-1.11.0-cp312-cp312-win_amd64.whl",
    )
    assert expected.find_missing([]) == (
        "a wheel for cp311 on macosx_arm64",
        "a wheel for cp311 on manylinux_x86_64",
        "a wheel for cp312 on manylinux_x86_64",
        "an sdist",
    )


def test_one_abi3_wheel_satisfies_all_later_pythons() -> None:
    matrix = {"pythons": ["cp39", "cp312", "cp313t"], "platforms": ["win_amd64"], "skip": ["cp313t-*"]}
    assert expected_files.parse_matrix(matrix).find_missing(release("cp39-abi3-win_amd64")) == ()


def test_matrix_may_expect_only_an_sdist() -> None:
    assert expected_files.parse_matrix({"sdist": True}).find_missing([]) == ("an sdist",)


@pytest.mark.parametrize(
    ("table", "details"),
    [
        ({"python": ["cp311"]}, ("python: unknown key, expected one of pythons, platforms, skip, sdist",)),
        ({"pythons": "cp311", "platforms": ["win32"]}, ("pythons: must be a list of strings",)),
        ({"pythons": [311], "platforms": ["win32"]}, ("pythons: must be a list of strings",)),
        ({"pythons": ["cp311"]}, ("pythons and platforms: give both or neither",)),
        ({"sdist": "yes"}, ("sdist: must be true or false",)),
        (
            {"pythons": ["3.11", "cp311"], "platforms": ["win_amd64"]},
            ("'3.11' is not a python like cp311 or cp313t",),
        ),
        (
            {"pythons": ["cp311"], "platforms": ["win32"], "skip": ["cp312-*"]},
            ("skip: 'cp312-*' matches nothing",),
        ),
    ],
)
def test_reports_an_invalid_matrix(table: dict[str, object], details: tuple[str, ...]) -> None:
    error = get_usage_error(lambda: expected_files.parse_matrix(table))
    assert str(error) == "'expect' in the configuration is not a valid matrix"
    assert error.details[: len(details)] == details


@pytest.mark.parametrize(
    "table", [{}, {"sdist": False}, {"pythons": ["cp311"], "platforms": ["win32"], "skip": ["*"]}]
)
def test_rejects_an_empty_matrix(table: dict[str, object]) -> None:
    assert str(get_usage_error(lambda: expected_files.parse_matrix(table))) == "'expect' expects no files"
