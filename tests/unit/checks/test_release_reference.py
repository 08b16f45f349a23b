"""The earlier release that a release is compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from tools.testing.wheels import wheel_filename
from wheel_uploader.checks.release_reference import explain_missing_reference, select_reference
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import ComparisonReference, IndexFile, ProjectPage

PLATFORMS = ("macosx_11_0_arm64", "manylinux_2_28_x86_64", "win_amd64")
PYTHONS = ("cp310-cp310", "cp311-cp311", "cp312-cp312", "cp313-cp313")


def full(version: str) -> list[str]:
    """Return a release with 13 files."""
    return [
        *(
            wheel_filename("dipy", version, f"{python}-{platform}")
            for python in PYTHONS
            for platform in PLATFORMS
        ),
        f"dipy-{version}.tar.gz",
    ]


def page(*filenames: str, yanked: Iterable[str] = ()) -> ProjectPage:
    files = [IndexFile(filename=name, url=f"x/{name}", yanked=name in set(yanked)) for name in filenames]
    return ProjectPage(url="https://x.test/simple/dipy/", exists=True, files=tuple(files))


def sdists(*versions: str) -> ProjectPage:
    return page(*(f"dipy-{version}.tar.gz" for version in versions))


def reference(version: str, *pages: ProjectPage, like: str | None = None) -> ComparisonReference | None:
    return select_reference(pages, "dipy", Version(version), Version(like) if like else None)


def compared(version: str, *pages: ProjectPage, like: str | None = None) -> str:
    found = reference(version, *pages, like=like)
    return str(found.version) if found else ""


def test_compares_a_final_release_with_the_newest_older_one() -> None:
    listed = sdists("1.9.0", "1.10.0", "1.12.0rc1", "2.0")
    assert compared("1.12.0", listed) == "1.10.0"
    assert compared("1.10.0", listed) == "1.9.0"
    assert compared("1.10.0.post1", listed) == "1.10.0"
    assert compared("1.0", listed) == ""
    assert compared("1.12.0", listed, like="2.0.0") == "2.0"


@pytest.mark.parametrize(
    ("version", "published", "expected"),
    [
        ("3.0.dev2", ["3.0.dev1"], "3.0.dev1"),
        ("3.0.dev2", ["3.0.dev1", "2.9"], "3.0.dev1"),
        ("3.0.dev2", ["2.9", "2.9rc1", "2.8"], "2.9"),
        ("3.0.dev2", ["2.9rc1", "2.8"], "2.9rc1"),
        ("3.0.dev2", ["3.0.dev3", "3.0"], ""),
        ("3.0rc2", ["3.0rc1", "2.9"], "3.0rc1"),
        ("3.0a1", ["3.0.dev7", "2.9"], "3.0.dev7"),
        # A final release has only builds of other kinds before it.
        ("3.0", ["3.0.dev1", "3.0rc1"], "3.0rc1"),
        # Nightlies that a commit tells apart, and variants for other hardware.
        ("3.0.dev0+git2", ["3.0.dev0+git1"], "3.0.dev0+git1"),
        ("3.0+git2", ["3.0+git1", "2.9+git0"], "3.0+git1"),
        ("3.0+cu118", ["3.0+cpu", "2.9+cu118", "2.9+cpu"], "2.9+cu118"),
        ("3.0", ["2.9+cu118", "2.8"], "2.8"),
        ("3.0", ["2.9+cu118"], "2.9+cu118"),
    ],
)
def test_compares_a_nightly_with_the_newest_earlier_build_of_any_kind(
    version: str, published: list[str], expected: str
) -> None:
    assert compared(version, sdists(*published)) == expected


def test_takes_the_fullest_recent_release_if_the_newest_is_incomplete() -> None:
    listed = page(*full("1.9"), *full("1.10")[:-1], *full("1.11"), *full("1.12")[:2])
    found = reference("1.13", listed)
    assert found
    assert (str(found.version), found.file_count) == ("1.11", 13)
    assert {str(version): count for version, count in found.passed_over.items()} == {"1.12": 2}
    assert str(found) == "1.11 (13 files), because 1.12 (2 files) is incomplete"
    found = reference("1.13", page(*full("1.10"), *full("1.11")[:1], *full("1.12")[:2]))
    assert str(found) == "1.10 (13 files), because 1.12 (2 files), 1.11 (1 file) are incomplete"


def test_an_sdist_alone_gives_way_to_the_newest_complete_release_not_to_the_fullest() -> None:
    old, middle = [*full("1.9"), *full("1.9")], full("1.10")[2:]
    many = [*old, *(wheel_filename("dipy", "1.9", f"cp27-cp27m-{platform}") for platform in PLATFORMS)]
    found = reference("1.12", page(*many, *middle, "dipy-1.11.tar.gz"))
    assert str(found) == "1.10 (11 files), because 1.11 (1 file) is incomplete"


def test_takes_the_fullest_recent_nightly() -> None:
    listed = page(*full("2.9"), *full("3.0.dev1"), *full("3.0.dev2")[:5])
    assert compared("3.0.dev3", listed) == "3.0.dev1"
    assert compared("3.0.dev3", page(*full("3.0.dev1")[:2], *full("3.0.dev2")[:1])) == "3.0.dev1"


def test_a_release_that_drops_old_pythons_is_complete() -> None:
    """As of h5py 3.0 (13 files after 30), and of scikit-image and dipy, where each supports newer Pythons."""
    assert compared("3.1", page(*full("2.9"), *full("2.10"), *full("3.0")[4:10])) == "3.0"
    shifted = [name.replace("cp31", "cp32") for name in full("1.11")]
    assert compared("1.12", page(*full("1.9"), *full("1.10"), *shifted)) == "1.11"


@pytest.mark.parametrize(
    "newest",
    [
        # Six of thirteen files.
        full("1.12")[:6],
        # Wheels for the stable ABI serve the same places.
        [wheel_filename("dipy", "1.12", f"cp310-abi3-{platform}") for platform in PLATFORMS],
        # Compiled code was dropped.
        ["dipy-1.12-py3-none-any.whl", "dipy-1.12.tar.gz"],
    ],
)
def test_a_release_with_fewer_files_may_be_complete(newest: list[str]) -> None:
    assert compared("1.13", page(*full("1.10"), *full("1.11"), *newest)) == "1.12"


def test_a_development_build_is_not_measured_by_a_final_release() -> None:
    assert compared("3.0.dev2", page(*full("2.9"), *full("3.0.dev1")[:2])) == "3.0.dev1"


def test_only_recent_releases_are_measured() -> None:
    old = [name for minor in range(6) for name in full(f"1.{minor}")[:3]]
    assert compared("2.0", page(*full("0.9"), *old)) == "1.5"


def test_skips_a_yanked_release() -> None:
    files = [*full("1.10"), *full("1.11")]
    assert compared("1.12", page(*files, yanked=full("1.11"))) == "1.10"
    half = reference("1.12", page(*files, yanked=full("1.11")[::2]))
    assert half
    assert (str(half.version), half.file_count) == ("1.11", 6)
    assert reference("1.12", page(*files, yanked=files)) is None


def test_a_second_index_serves_if_the_first_has_no_earlier_release() -> None:
    other = dataclasses.replace(sdists("2.8", "2.9"), url="https://other.test/simple/dipy/")
    assert compared("3.0.dev1", sdists("3.0.dev7"), other) == "2.9"
    found = reference("3.0.dev1", sdists("2.7"), other)
    assert found
    assert (str(found.version), found.page_url) == ("2.7", "https://x.test/simple/dipy/")
    assert compared("3.0.dev1", sdists("2.7"), other, like="2.9") == "2.9"


def test_rejects_a_release_that_is_on_no_index() -> None:
    with pytest.raises(UsageError, match=r"has no dipy 1\.8 to compare with") as caught:
        compared("1.12.0", sdists("1.9"), like="1.8")
    assert "--no-compare" in caught.value.hint
    with pytest.raises(UsageError, match=r"x\.test.* and .*x\.test.* have no dipy 1\.8 to compare with"):
        compared("1.12.0", sdists("1.9"), sdists("2.9"), like="1.8")


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (ProjectPage(url="x", exists=False), "the index has no release of dipy"),
        (page("nipy-1.0.tar.gz"), "the index has no release of dipy"),
        (sdists("1.12.0", "2.0"), "the index has no release of dipy below 1.12.0"),
        (
            page("dipy-1.9.tar.gz", yanked=["dipy-1.9.tar.gz"]),
            "every release of dipy below 1.12.0 is yanked",
        ),
    ],
)
def test_explains_why_there_is_nothing_to_compare_with(listed: ProjectPage, reason: str) -> None:
    assert reference("1.12.0", listed) is None
    assert explain_missing_reference([listed], "dipy", Version("1.12.0")) == reason


versions = st.builds(
    "{}{}{}".format,
    st.sampled_from(["1.0", "1.1", "2.0"]),
    st.sampled_from(["", "rc1", ".dev1", ".dev2", ".post1"]),
    st.sampled_from(["", "", "+a", "+b"]),
)
releases = st.dictionaries(versions, st.integers(min_value=1, max_value=13), max_size=6)


@given(versions, releases)
def test_finds_an_earlier_release_exactly_if_there_is_one(version: str, published: dict[str, int]) -> None:
    listed = page(*(name for each, count in published.items() for name in full(each)[:count]))
    found = reference(version, listed)
    earlier = {Version(each) for each in published if Version(each) < Version(version)}
    assert (found is None) is (not earlier)
    if found:
        assert found.version in earlier
        assert (
            found.file_count == published[next(each for each in published if Version(each) == found.version)]
        )
        assert all(each in earlier and each > found.version for each in found.passed_over)
