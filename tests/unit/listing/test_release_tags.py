"""The version that the tag of a release denotes, and the releases that a command asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from wheel_uploader.listing.sources.base import ReleaseQuery
from wheel_uploader.listing.sources.release_tags import (
    ReleaseEntry,
    explain_absence,
    find_releases,
    parse_tag_version,
)


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.0", "1.0"),
        ("v1.0", "1.0"),
        ("V1.0.0", "1.0"),
        ("v.1.0", "1.0"),
        ("dipy-1.0", "1.0"),
        ("dipy-v1.0", "1.0"),
        ("DIPY_1.0rc1", "1.0rc1"),
        ("dipy/v1.0", "1.0"),
        ("dipy@1.0", "1.0"),
        ("dipy==1.0", "1.0"),
        ("release-1.0", "1.0"),
        ("release/1.0", "1.0"),
        ("releases/v1.0", "1.0"),
        ("rel_1.0", "1.0"),
        ("REL_1_0", "1.0"),
        ("version-1.0", "1.0"),
        ("dipy-release-1.0", "1.0"),
        ("v1.0-rc.1", "1.0rc1"),
        ("v1.0.0-beta.2", "1.0b2"),
        ("1!1.0+cu121", "1!1.0+cu121"),
        ("horizon-1.0", None),
        ("dipy-horizon-1.0", None),
        ("xdipy-1.0", None),
        ("nightly", None),
        ("latest", None),
        ("v", None),
        ("", None),
        ("v1.x", None),
        ("build-2026-11-20", None),
    ],
)
def test_parses_tags(tag: str, version: str | None) -> None:
    assert parse_tag_version(tag, "dipy") == (Version(version) if version else None)


def test_project_names_may_have_dashes_and_numbers() -> None:
    assert parse_tag_version("scipy_openblas64-0.3", "scipy-openblas64") == Version("0.3")
    assert parse_tag_version("1.0", "") == Version("1.0")


@given(st.text(max_size=300), st.sampled_from(["", "dipy", "a-b"]))
def test_any_tag_is_parsed_without_an_exception(tag: str, project: str) -> None:
    parse_tag_version(tag, project)


RELEASES = (
    ReleaseEntry(tag="v2.0rc1", identifier="4", is_prerelease=True),
    ReleaseEntry(tag="v1.1", identifier="3", is_draft=True),
    ReleaseEntry(tag="horizon-9.0", identifier="2"),
    ReleaseEntry(tag="v1.0", identifier="1"),
    ReleaseEntry(tag="nightly", identifier="0", filenames=("dipy-3.0.dev1-py3-none-any.whl", "x.txt")),
)


@pytest.mark.parametrize(
    ("version", "pre", "identifiers"),
    [
        ("1.0", False, ["1"]),
        ("1.0.0", False, ["1"]),
        ("1.1", False, ["3"]),
        ("2.0rc1", False, ["4"]),
        ("3.0.dev1", False, ["0"]),
        ("9.0", False, []),
        ("latest", False, ["1"]),
        ("latest", True, ["0"]),
    ],
)
def test_finds_the_release_of_a_version(version: str, pre: bool, identifiers: list[str]) -> None:
    query = ReleaseQuery(project="dipy", version=version, include_prereleases=pre)
    assert [entry.identifier for entry in find_releases(RELEASES, query)] == identifiers


def test_the_hint_names_the_available_releases() -> None:
    query = ReleaseQuery(project="dipy", version="latest")
    assert "Add --pre" in explain_absence([RELEASES[0]], query)
    assert "v2.0rc1, v1.1" in explain_absence(RELEASES, ReleaseQuery(project="dipy", version="5"))
    assert "no releases" in explain_absence([], query)
