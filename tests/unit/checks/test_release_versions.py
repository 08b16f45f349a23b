"""Whether an installer would choose this release, and why not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.version import Version

from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.checks.release_versions import explain_order, final_among_dev, find_preferred_release
from wheel_uploader.core import filenames
from wheel_uploader.core.models import (
    CheckProfile,
    FileComparison,
    FileSummary,
    IndexComparison,
    IndexFile,
    LocalFile,
    ProjectPage,
)

WHEEL = "demo-{}-cp312-cp312-win_amd64.whl"


def page(*filenames_: str, url: str = "https://x.test/simple/demo/", yanked: bool = False) -> ProjectPage:
    files = [IndexFile(filename=name, url=f"x/{name}", yanked=yanked) for name in filenames_]
    return ProjectPage(url=url, exists=True, files=tuple(files))


def content(version: str, *published: str, filename: str = WHEEL, **fields: Any) -> ReleaseContent:
    """Return a release by "latest" with pre-releases, and an index with wheels of other versions."""
    values: dict[str, Any] = {
        "project": "demo",
        "version": Version(version),
        "summaries": (FileSummary(name=filenames.parse_filename(filename.format(version)), size=1),),
        "project_page": page(*map(WHEEL.format, published)),
        "is_latest": True,
        "includes_prereleases": True,
        "now": datetime(2026, 11, 21, tzinfo=UTC),
    }
    return ReleaseContent(**{**values, **fields})


def preferred(release: ReleaseContent) -> str:
    found = find_preferred_release(release)
    return str(found.version) if found else ""


@pytest.mark.parametrize(
    ("version", "newer", "words"),
    [
        ("0.1.dev1", "1.5.0", "tags are missing"),
        ("0.0.0.post1.dev0", "1.5.0", "tags are missing"),
        ("0+unknown", "1.5.0", "tags are missing"),
        ("0.1.1.dev3", "1.5.0", "base number 0.1.1 is below 1.5.0"),
        ("0.1", "1.5.0", "base number 0.1 is below 1.5.0"),
        ("0.1.dev1", "0.1.dev2", "stage the newest build"),
        ("1.5.0.dev7", "1.5.0", "the base number 1.5.0 has been released"),
        ("1.5.0.dev7", "1.5.0.post1", "the base number 1.5.0 has been released"),
        ("1.5rc1", "1.5", "the base number 1.5 has been released"),
        ("1.5.0.dev1951", "1.5.0rc1", "such as 1.5.0rc2.dev1951"),
        ("1.5.0.dev1951", "1.5.0a3.dev1", "such as 1.5.0a4.dev1951"),
        ("1.5.0rc1.dev3", "1.5.0rc1", "such as 1.5.0rc2.dev3"),
        ("1.5.0.dev20260601", "1.5.0.dev2026053101", "the date in dev2026053101 has 10 digits"),
        ("1.5.0.dev1951", "1.5.0.dev20260601", "the date in dev20260601 has 8 digits"),
        ("1.5.0.dev20260601", "1.5.0.dev20260602", "stage the newest build"),
        ("1.5.0.dev9", "1.5.0.dev10", "stage the newest build"),
        ("1.5rc1", "1.5rc2", "stage the newest build"),
        ("1.5", "1.5.post1", "stage the newest build"),
        ("1.5.0.dev0+gabc1234", "1.5.0.dev0+gfff1234", "local part, which is compared as text"),
        ("1.5", "1!0.2", "its epoch is 0, not 1"),
    ],
)
def test_explains_why_a_version_comes_first(version: str, newer: str, words: str) -> None:
    assert Version(version) < Version(newer)
    assert words in explain_order(Version(version), Version(newer))


_NUMBERS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["0.1", "1.5", "1.5.0", "1.6"]),
    st.sampled_from(["", "a1", "rc1", "rc2", ".post1"]),
    st.sampled_from(["", "", ".dev1", ".dev7", ".dev20260601"]),
    st.sampled_from(["", "", "+gabc", "+gfff"]),
)


@given(_NUMBERS, _NUMBERS)
def test_every_order_has_a_reason(first: str, second: str) -> None:
    lower, higher = sorted([Version(first), Version(second)])
    assume(lower < higher)
    assert explain_order(lower, higher)


@given(_NUMBERS, st.lists(_NUMBERS, max_size=5), st.booleans())
def test_finds_the_version_that_an_installer_chooses(version: str, published: list[str], pre: bool) -> None:
    release = content(version, *published, includes_prereleases=pre)
    takes_prereleases = pre or Version(version).is_prerelease
    choices = [each for each in map(Version, published) if takes_prereleases or not each.is_prerelease]
    highest = max([*choices, Version(version)])
    assert preferred(release) == ("" if highest == Version(version) else str(highest))


def test_only_what_users_can_install_counts() -> None:
    linux = "demo-{}-cp312-cp312-manylinux_2_28_x86_64.whl"
    assert preferred(content("1.0", project_page=page(linux.format("2.0")))) == ""
    assert preferred(content("1.0", project_page=page("demo-2.0.tar.gz"))) == "2.0"
    assert preferred(content("1.0", project_page=page("demo-2.0-py3-none-any.whl"))) == "2.0"
    assert preferred(content("1.0", project_page=page("demo-2.0-cp39-abi3-win_amd64.whl"))) == "2.0"
    assert preferred(content("1.0", project_page=page(WHEEL.format("2.0"), yanked=True))) == ""
    pure = "demo-{}-py3-none-any.whl"
    assert preferred(content("1.0", filename=pure, project_page=page(linux.format("2.0")))) == "2.0"
    sdist = "demo-{}.tar.gz"
    assert preferred(content("1.0", filename=sdist, project_page=page(linux.format("2.0")))) == "2.0"


def test_only_a_release_that_is_meant_to_be_the_newest_is_judged() -> None:
    assert preferred(content("1.0", "2.0", is_latest=False)) == ""
    assert preferred(content("1.0", "2.0", project_page=None)) == ""
    name = filenames.parse_filename(WHEEL.format("1.0"))
    file = LocalFile(name=name, path=__file__, size=1, sha256="x")  # type: ignore[arg-type]
    for result, expected in ((FileComparison.SAME, ""), (FileComparison.ABSENT, "2.0")):
        states = (IndexComparison(file=file, result=result),)
        assert preferred(content("1.0", "2.0", index_states=states)) == expected


def test_counts_the_second_index() -> None:
    second = page(WHEEL.format("2.0"), url="https://y.test/simple/demo/")
    found = find_preferred_release(content("1.0", "0.9", second_page=second))
    assert found
    assert (str(found.version), found.page, found.is_elsewhere) == ("2.0", second, True)
    found = find_preferred_release(content("1.0", "2.0", second_page=second))
    assert found
    assert not found.is_elsewhere


@pytest.mark.parametrize(
    ("version", "published", "fields", "found"),
    [
        ("1.5.0", ["1.5.0.dev3"], {}, True),
        ("1.5.0", ["1.5.0.dev3", "1.6.dev1"], {}, True),
        ("1.5.0", ["1.5.0.dev3", "1.4.0"], {}, False),
        ("1.5.0", ["1.5.0.dev3", "1.5.0rc1"], {}, False),
        ("1.5.0", [], {}, False),
        ("1.5.0.dev4", ["1.5.0.dev3"], {}, False),
        ("1.5.0", ["1.5.0.dev3"], {"includes_prereleases": False}, False),
        ("1.5.0", ["1.5.0.dev3"], {"is_latest": False}, False),
    ],
)
def test_finds_a_final_number_among_development_builds(
    version: str, published: list[str], fields: dict[str, Any], found: bool
) -> None:
    release = content(version, *published, **fields)
    findings = list(final_among_dev.run(release, "release", CheckProfile.ANY))
    assert bool(findings) is found
