"""Checks of the whole release: releases with exactly one fault each, and releases without faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.zips import content
from tools.testing.wheels import sdist_bytes, wheel_bytes, wheel_filename
from wheel_uploader import checks
from wheel_uploader.checks import file_summary
from wheel_uploader.checks.release_content import (
    ReleaseContent,
    admits_python,
    find_newest_final,
    parse_requires_python,
    summarize_values,
)
from wheel_uploader.checks.release_reference import select_reference
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.models import (
    CheckProfile,
    DistName,
    FileComparison,
    FileSummary,
    Finding,
    IndexComparison,
    IndexFile,
    LocalFile,
    ProjectPage,
    Severity,
)
from wheel_uploader.core.platforms.platforms import NEWEST_CPYTHON
from wheel_uploader.listing import expected_files

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SDIST = "dipy-1.12.0.tar.gz"
METADATA = {
    "Requires-Dist": ("numpy>=1.22", "scipy>=1.8"),
    "Requires-Python": (">=3.10",),
    "Provides-Extra": ("test",),
    "License": ("BSD-3-Clause",),
    "Description": ("300 characters with sha256 0123",),
}
PYTHONS = ("cp310", "cp311", "cp312", "cp313")
PLATFORMS = ("macosx_11_0_arm64", "manylinux_2_28_x86_64", "win_amd64")


def wheel(python: str, platform: str, version: str = "1.12.0", build: str = "") -> str:
    """Return the file name for ``cp311``, ``cp313t``, ``cp39-abi3`` or ``pp311``."""
    if "-" not in python:
        abi = f"{python.replace('pp', 'pypy')}_pp73" if python.startswith("pp") else python
        python = f"{python.removesuffix('t')}-{abi}"
    return wheel_filename("dipy", version, f"{python}-{platform}", build)


def matrix(
    pythons: Iterable[str] = PYTHONS, platforms: Iterable[str] = PLATFORMS, version: str = "1.12.0"
) -> list[str]:
    return [wheel(python, platform, version) for python in pythons for platform in platforms]


FULL = [*matrix(), SDIST]


def summary(filename: str, **facts: object) -> FileSummary:
    name = core_filenames.parse_filename(filename)
    fields: dict[str, object] = {"size": 8_000_000, "metadata": METADATA}
    if filename.endswith(".whl"):
        fields |= {"generator": "meson", "top_level": ("dipy",), "binary_count": 46}
    return FileSummary(name=name, **{**fields, **facts})  # type: ignore[arg-type]


def metadata(**changes: tuple[str, ...]) -> dict[str, object]:
    return {"metadata": {**METADATA, **{key.replace("_", "-"): value for key, value in changes.items()}}}


def local(filename: str, sha256: str = "") -> LocalFile:
    return LocalFile(
        name=core_filenames.parse_filename(filename),
        path=Path(filename),
        size=1,
        sha256=sha256 or filename,
    )


def page(*filenames: str, size: int = 8_000_000, age: float | None = 100, **facts: str) -> ProjectPage:
    """Return a page of the index; every file is ``age`` days old."""
    time = None if age is None else NOW - timedelta(days=age)
    files = [IndexFile(filename=name, url=f"x/{name}", size=size, upload_time=time) for name in filenames]
    return ProjectPage(url="https://x.test/simple/dipy/", exists=True, files=tuple(files), **facts)


def release(
    filenames: Iterable[str] = FULL,
    changed: Mapping[str, Mapping[str, object]] | None = None,
    version: str = "1.12.0",
    **facts: object,
) -> ReleaseContent:
    """Return a release of these files; ``changed`` replaces fields of their summaries."""
    filenames = list(filenames)
    summaries = [summary(name, **(changed or {}).get(name, {})) for name in filenames]
    fields: dict[str, object] = {
        "project": "dipy",
        "version": Version(version),
        "summaries": tuple(summaries),
        "files": tuple(map(local, filenames)),
        "now": NOW,
        **facts,
    }
    listed = fields.get("project_page")
    if isinstance(listed, ProjectPage) and "comparison_version" not in facts:
        reference = select_reference([listed], "dipy", Version(version))
        fields["comparison_version"] = reference.version if reference else None
    return ReleaseContent(**fields)  # type: ignore[arg-type]


def findings(content: ReleaseContent, profile: CheckProfile = CheckProfile.PYPI) -> tuple[Finding, ...]:
    return checks.check_release(content, profile=profile)


def files(filenames: Iterable[str]) -> expected_files.Expectation:
    return expected_files.parse_expected_lines("\n".join(filenames), "expected.txt")


def state(filename: str, result: FileComparison, **facts: str) -> IndexComparison:
    return IndexComparison(file=local(filename), result=result, **facts)


#: The Pythons from the oldest of the release to the newest that exists.
UP_TO_NEWEST = [f"cp3{minor}" for minor in range(10, NEWEST_CPYTHON[1] + 1)]
PREVIOUS = [*matrix(version="1.11.0"), "dipy-1.11.0.tar.gz"]
STRAY = wheel("cp312", "macosx_15_0_arm64")
WINDOWS = wheel("cp312", "win_amd64")
PURE = wheel_filename("dipy", "1.12.0")
ABI3 = "dipy-1.12.0-cp37-abi3-win_amd64.whl"
NUMPY_MACS = ("macosx_11_0_arm64", "macosx_14_0_arm64", "macosx_10_13_x86_64", "macosx_14_0_x86_64")

#: Name: a release, the check that reports its fault, and the subject of the finding.
FAULTS: dict[str, tuple[ReleaseContent, str, str]] = {
    "a file of another version": (
        release([*FULL, "dipy-1.11.0-py3-none-any.whl"]),
        "release/mixed",
        "dipy-1.11.0-py3-none-any.whl",
    ),
    "a file of another project": (
        release([*FULL, "nipy-1.12.0-py3-none-any.whl"]),
        "release/mixed",
        "nipy-1.12.0-py3-none-any.whl",
    ),
    "two spellings of a wheel": (
        release([*FULL, WINDOWS.replace("dipy", "Dipy")]),
        "release/clash",
        WINDOWS.replace("dipy", "Dipy"),
    ),
    "two spellings of an sdist": (
        release([*FULL, "dipy-1.12.tar.gz"]),
        "release/clash",
        "dipy-1.12.tar.gz",
    ),
    "a stray wheel for newer Macs": (release([*FULL, STRAY]), "release/duplicate-slot", STRAY),
    "a stray wheel for older Macs": (
        release([*FULL, wheel("cp312", "macosx_10_15_arm64")]),
        "release/duplicate-slot",
        wheel("cp312", "macosx_10_15_arm64"),
    ),
    "a third wheel where others have two": (
        release([*matrix(platforms=NUMPY_MACS), STRAY, SDIST]),
        "release/duplicate-slot",
        STRAY,
    ),
    "two wheels for the only Python": (
        release([wheel("cp312", "macosx_11_0_arm64"), STRAY, SDIST]),
        "release/duplicate-slot",
        STRAY,
    ),
    "a second wheel for one of two Pythons": (
        release([*matrix(PYTHONS[:2]), wheel("cp311", "macosx_15_0_arm64"), SDIST]),
        "release/duplicate-slot",
        wheel("cp311", "macosx_15_0_arm64"),
    ),
    "the newest Python lacks a platform": (
        release([name for name in FULL if name != wheel("cp313", "win_amd64")]),
        "release/hole-in-matrix",
        "release",
    ),
    "a middle Python lacks a platform": (
        release([name for name in FULL if name != wheel("cp311", "win_amd64")]),
        "release/hole-in-matrix",
        "release",
    ),
    "a free-threaded Python lacks a platform": (
        release(
            [*FULL, *matrix(["cp313t", "cp314t", "cp315t"], PLATFORMS)][:-1],
        ),
        "release/hole-in-matrix",
        "release",
    ),
    "a hole that the previous release did not have": (
        release(
            [name for name in FULL if name != wheel("cp313", "win_amd64")],
            project_page=page(*PREVIOUS),
            allow_missing=("cp313-win_amd64",),
        ),
        "release/hole-in-matrix",
        "release",
    ),
    "another build tool": (
        release(changed={WINDOWS: {"generator": "bdist_wheel"}}),
        "release/odd-one-out",
        WINDOWS,
    ),
    "another version of the build tool": (
        release(
            changed={
                name: {"generator": f"setuptools ({'82.0.1' if name == WINDOWS else '84.0.0'})"}
                for name in matrix()
            }
        ),
        "release/odd-one-out",
        WINDOWS,
    ),
    "other packages": (
        release(
            [*matrix(platforms=["win32", "win_amd64"]), SDIST], {WINDOWS: {"top_level": ("dipy", "tests")}}
        ),
        "release/odd-one-out",
        WINDOWS,
    ),
    "nothing to import": (
        release(changed={WINDOWS: {"top_level": ()}}),
        "release/odd-one-out",
        WINDOWS,
    ),
    "a wheel without the scripts": (
        release(changed={name: {"scripts": ("dipy = dipy:main",)} for name in matrix() if name != WINDOWS}),
        "release/odd-one-out",
        WINDOWS,
    ),
    "a wheel with another script": (
        release(
            changed={
                name: {"scripts": ("dipy = dipy:main" if name != WINDOWS else "dipy = dipy:run",)}
                for name in matrix()
            }
        ),
        "release/odd-one-out",
        WINDOWS,
    ),
    "a missing module": (release(changed={WINDOWS: {"binary_count": 45}}), "release/odd-one-out", WINDOWS),
    "a much larger wheel": (release(changed={WINDOWS: {"size": 17_000_000}}), "release/odd-one-out", WINDOWS),
    "a much smaller wheel": (release(changed={WINDOWS: {"size": 3_000_000}}), "release/odd-one-out", WINDOWS),
    "for newer Macs only": (
        release([*(name for name in FULL if name != wheel("cp312", "macosx_11_0_arm64")), STRAY]),
        "release/odd-one-out",
        STRAY,
    ),
    "for a newer glibc": (
        release([name.replace("cp310-manylinux_2_28", "cp310-manylinux_2_34") for name in FULL]),
        "release/odd-one-out",
        wheel("cp310", "manylinux_2_34_x86_64"),
    ),
    "other requirements": (
        release(changed={WINDOWS: metadata(Requires_Dist=("numpy>=1.22", "vtk"))}),
        "release/metadata-differs",
        WINDOWS,
    ),
    "another Requires-Python": (
        release(changed={WINDOWS: metadata(Requires_Python=(">=3.9",))}),
        "release/metadata-differs",
        WINDOWS,
    ),
    "a missing extra": (
        release(changed={WINDOWS: metadata(Provides_Extra=())}),
        "release/metadata-differs",
        WINDOWS,
    ),
    "another licence": (
        release(changed={WINDOWS: metadata(License=("MIT",))}),
        "release/metadata-differs",
        WINDOWS,
    ),
    "another description": (
        release(changed={WINDOWS: metadata(Description=("301 characters",))}),
        "release/description-differs",
        WINDOWS,
    ),
    "an sdist unlike its one wheel": (
        release([WINDOWS, SDIST], {SDIST: {**metadata(Requires_Dist=()), "dynamic_fields": frozenset()}}),
        "release/metadata-differs",
        SDIST,
    ),
    "an old sdist with other requirements": (
        release([WINDOWS, SDIST], {SDIST: metadata(Requires_Dist=("numpy>=2",))}),
        "release/metadata-differs",
        SDIST,
    ),
    "a Python that Requires-Python excludes": (
        release([*FULL, *matrix(["cp39"])]),
        "release/requires-python-vs-tags",
        wheel("cp39", "win_amd64"),
    ),
    "a Python 2 for any Python 3": (
        release([PURE, SDIST], {name: metadata(Requires_Python=(">=2.7,<3",)) for name in (PURE, SDIST)}),
        "release/requires-python-vs-tags",
        PURE,
    ),
    "a stable ABI of newer Pythons only": (
        release([ABI3, SDIST], {name: metadata(Requires_Python=("<3.7",)) for name in (ABI3, SDIST)}),
        "release/requires-python-vs-tags",
        ABI3,
    ),
    "a file is missing": (
        release(expectation=files([*FULL, "dipy-1.12.0-py3-none-any.whl"])),
        "release/expected",
        "release",
    ),
    "one file too many": (
        release(expectation=expected_files.expect_count(12)),
        "release/expected",
        "release",
    ),
    "no sdist": (release(matrix()), "release/no-sdist", "release"),
    "no sdist on the index either": (
        release(matrix(), project_page=page(*PREVIOUS, wheel("cp310", "win_amd64"), age=1)),
        "release/no-sdist",
        "release",
    ),
    "a second sdist": (release([*FULL, "dipy-1.12.0.zip"]), "release/two-sdists", "release"),
    "a lost platform of one Python": (
        release(
            [name for name in FULL if name != wheel("cp310", "win_amd64")],
            project_page=page(*PREVIOUS),
        ),
        "release/lost-against-previous",
        "release",
    ),
    "a lost platform": (
        release([*matrix(platforms=PLATFORMS[:2]), SDIST], project_page=page(*PREVIOUS)),
        "release/lost-against-previous",
        "release",
    ),
    "a lost Python": (
        release([*matrix(PYTHONS[1:]), SDIST], project_page=page(*PREVIOUS)),
        "release/lost-against-previous",
        "release",
    ),
    "only another loss is allowed": (
        release([*matrix(PYTHONS[1:]), SDIST], project_page=page(*PREVIOUS), allow_missing=("cp39", "win32")),
        "release/lost-against-previous",
        "release",
    ),
    "a stable ABI that begins later": (
        release(
            [wheel("cp311-abi3", "win_amd64"), SDIST],
            project_page=page(
                wheel("cp39-abi3", "win_amd64", "1.11.0"), wheel("cp310-abi3", "win_amd64", "1.11.0")
            ),
        ),
        "release/lost-against-previous",
        "release",
    ),
    "a lost pure wheel": (
        release(project_page=page(*PREVIOUS, "dipy-1.11.0-py3-none-any.whl")),
        "release/lost-against-previous",
        "release",
    ),
    "one architecture of a universal wheel": (
        release(
            [wheel("cp312", "macosx_11_0_arm64"), SDIST],
            project_page=page(wheel("cp312", "macosx_11_0_universal2", "1.11.0")),
        ),
        "release/lost-against-previous",
        "release",
    ),
    "no wheel for older systems": (
        release(project_page=page(*(name.replace("_2_28", "_2_17") for name in PREVIOUS))),
        "release/lost-tags",
        "release",
    ),
    "no wheel for newer Macs": (
        release(
            [*matrix(platforms=NUMPY_MACS[:3]), SDIST],
            project_page=page(*matrix(platforms=NUMPY_MACS, version="1.11.0")),
        ),
        "release/lost-tags",
        "release",
    ),
    "no wheel for newer Macs, though an older wheel is now tagged for more of them": (
        release(
            [*matrix(platforms=["macosx_10_13_x86_64"]), SDIST],
            project_page=page(
                *matrix(platforms=["macosx_10_15_x86_64", "macosx_14_0_x86_64"], version="1.11.0")
            ),
        ),
        "release/lost-tags",
        "release",
    ),
    "no wheel for newer Pythons": (
        release(
            project_page=page(*matrix(["cp310-abi3"], version="1.11.0")),
        ),
        "release/lost-tags",
        "release",
    ),
    "no wheel for newer Macs with one of the Pythons": (
        release(
            [*matrix(platforms=NUMPY_MACS[:2])[:-1], SDIST],
            project_page=page(*matrix(platforms=NUMPY_MACS[:2], version="1.11.0")),
        ),
        "release/lost-tags",
        "release",
    ),
    "no wheel for newer Macs with the only Python": (
        release(
            [*matrix(["cp312"], NUMPY_MACS[:1]), SDIST],
            project_page=page(*matrix(["cp312"], NUMPY_MACS[:2], version="1.11.0")),
        ),
        "release/lost-tags",
        "release",
    ),
    "the Pythons between": (
        release(
            [*matrix(["cp313-abi3"]), SDIST],
            project_page=page(*matrix(["cp39-abi3"], version="1.11.0")),
        ),
        "release/lost-against-previous",
        "release",
    ),
    "different bytes on the index": (
        release(index_states=(state(WINDOWS, FileComparison.DIFFERENT, index_sha256="abc"),)),
        "release/different-on-index",
        WINDOWS,
    ),
    "the same bytes under another name": (
        release(index_states=(state(WINDOWS, FileComparison.SAME_BYTES_OTHER_NAME, other_name="x.whl"),)),
        "release/same-bytes-other-name",
        WINDOWS,
    ),
    "one file under two names": (
        release(files=(local(FULL[0], "1"), local(FULL[1], "1"))),
        "release/same-bytes-other-name",
        FULL[1],
    ),
    "the sdist in another spelling on the index": (
        release(project_page=page(*PREVIOUS, "Dipy-1.12.0.tar.gz", age=1)),
        "release/second-sdist",
        SDIST,
    ),
    "the release is 15 days old": (
        release(
            project_page=page(*PREVIOUS, SDIST, age=15), index_states=(state(WINDOWS, FileComparison.ABSENT),)
        ),
        "release/closed",
        "release",
    ),
    "archived": (
        release(project_page=page(*PREVIOUS, status="archived")),
        "release/project-status",
        "release",
    ),
    "quarantined": (
        release(project_page=page(*PREVIOUS, status="quarantined", status_reason="malware")),
        "release/project-status",
        "release",
    ),
    "a newer release": (
        release(project_page=page(*PREVIOUS, "dipy-1.13.0.tar.gz")),
        "release/older-than-latest",
        "release",
    ),
    "a development version": (
        release(["dipy-1.13.0.dev1.tar.gz"], version="1.13.0.dev1", targets_pypi=True),
        "release/dev-to-pypi",
        "release",
    ),
    "a large file": (
        release(changed={SDIST: {"size": (100 << 20) + 1}}),
        "release/file-too-big",
        SDIST,
    ),
    "a huge file, though the limit was raised": (
        release(
            changed={SDIST: {"size": (1 << 30) + 1}},
            project_page=page(*PREVIOUS, size=200 << 20),
        ),
        "release/file-too-big",
        SDIST,
    ),
    "the release is a second more than 14 days old": (
        release(
            project_page=page(*PREVIOUS, SDIST, age=14 + 1 / 86_400),
            index_states=(state(WINDOWS, FileComparison.ABSENT),),
        ),
        "release/closed",
        "release",
    ),
    "a large file, and the largest one on the index is just within the limit": (
        release(changed={SDIST: {"size": (100 << 20) + 1}}, project_page=page(*PREVIOUS, size=100 << 20)),
        "release/file-too-big",
        SDIST,
    ),
    "a full project": (
        release([SDIST], project_page=page("dipy-1.11.0.tar.gz", size=10 << 30)),
        "release/project-too-big",
        "release",
    ),
    "one byte too many": (
        release([SDIST], project_page=page("dipy-1.11.0.tar.gz", size=(10 << 30) - 7_999_999)),
        "release/project-too-big",
        "release",
    ),
    "more than half of the Pythons have a platform": (
        release([*FULL, *matrix(PYTHONS[:2], ["win_arm64"]), wheel("cp313", "win_arm64")]),
        "release/hole-in-matrix",
        "release",
    ),
    "two more sdists": (
        release([*FULL, "dipy-1.12.0.zip", "dipy-1.12.tar.gz"]),
        "release/two-sdists",
        "release",
    ),
    "too many files": (
        release(project_page=page(*PREVIOUS, size=((10 << 30) - 90_000_000) // len(PREVIOUS))),
        "release/project-too-big",
        "release",
    ),
}

#: Other checks that necessarily report the same fault.
ALSO_REPORTED = {
    "a file of another project": {"release/odd-one-out"},
    "a Python that Requires-Python excludes": set[str](),
    "two spellings of an sdist": {"release/two-sdists"},
    "two more sdists": {"release/clash"},
    "too many files": {"release/file-too-big"},
    "a file of another version": set[str](),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    content, expected, subject = FAULTS[fault]
    reported = findings(content)
    assert {finding.check for finding in reported} - ALSO_REPORTED.get(fault, set()) == {expected}
    assert subject in {finding.subject for finding in reported if finding.check == expected}
    assert all(finding.member is None for finding in reported)


GOOD: dict[str, ReleaseContent] = {
    "a full matrix": release(),
    "one pure wheel": release(["dipy-1.12.0-py3-none-any.whl", SDIST]),
    "only an sdist": release([SDIST]),
    "nothing on the index": release(project_page=ProjectPage(url="x", exists=False)),
    "the files of the previous release": release(project_page=page(*PREVIOUS)),
    # --- duplicate-slot
    "two wheels for every Mac": release([*matrix(platforms=NUMPY_MACS), SDIST]),
    "two wheels for the same Macs, for two Pythons": release([*matrix(PYTHONS[:2], NUMPY_MACS[:2]), SDIST]),
    "two wheels for every Mac of CPython, one of PyPy": release(
        [*matrix([*PYTHONS, "cp39-abi3"], NUMPY_MACS), *matrix(["pp311"], NUMPY_MACS[::2]), SDIST],
    ),
    "two wheels as the previous release had": release(
        [*FULL, STRAY], project_page=page(*PREVIOUS, STRAY.replace("1.12", "1.11"))
    ),
    "two wheels as the last release with wheels had, before an sdist alone": release(
        [*FULL, STRAY],
        project_page=page(*PREVIOUS, STRAY.replace("1.12", "1.11"), "dipy-1.11.1.tar.gz"),
        comparison_version=Version("1.11.1"),
    ),
    "two glibcs on two architectures": release(
        [
            wheel("cp39-abi3", f"{version}_{arch}")
            for version in ("manylinux2014", "manylinux_2_28")
            for arch in ("x86_64", "aarch64")
        ]
        + [SDIST]
    ),
    "a build number": release([*FULL, wheel("cp312", "win_amd64", build="1")]),
    "a stray wheel that is already on the index": release(project_page=page(*PREVIOUS, *FULL, STRAY, age=1)),
    "one wheel with two tags": release(
        [name.replace("manylinux_2_28_x86_64", "manylinux_2_17_x86_64.manylinux2014_x86_64") for name in FULL]
    ),
    # --- hole-in-matrix
    "a platform that starts with a newer Python": release(
        [*FULL, *matrix(PYTHONS[1:], ["win_arm64"])],
    ),
    "a hole that the previous release also had": release(
        [name for name in FULL if name != wheel("cp311", "win_amd64")],
        project_page=page(*(name for name in PREVIOUS if name != wheel("cp311", "win_amd64", "1.11.0"))),
    ),
    "a hole that the last release with wheels had, before an sdist alone": release(
        [name for name in FULL if name != wheel("cp311", "win_amd64")],
        project_page=page(
            *(name for name in PREVIOUS if name != wheel("cp311", "win_amd64", "1.11.0")),
            "dipy-1.11.1.tar.gz",
        ),
        comparison_version=Version("1.11.1"),
    ),
    "PyPy on some platforms": release([*FULL, *matrix(["pp311"], PLATFORMS[:1])]),
    "the missing files are on the index": release(
        [name for name in FULL if name not in {WINDOWS, SDIST}],
        project_page=page(*PREVIOUS, WINDOWS, SDIST, age=1),
    ),
    "only some files are selected": release(
        matrix(platforms=["win_amd64"]), project_page=page(*PREVIOUS), is_complete_selection=False
    ),
    # --- odd-one-out
    "three of a kind": release(
        [*matrix(PYTHONS[:3]), SDIST], {WINDOWS: {"size": 1_000_000, "binary_count": 3}}
    ),
    "two wheels that differ": release(
        changed={WINDOWS: {"generator": "x"}, wheel("cp313", "win_amd64"): {"generator": "x"}}
    ),
    "an older version of the build tool for the only wheel of the oldest Python": release(
        [*matrix(PYTHONS[1:]), wheel("cp310", "win_amd64"), SDIST],
        {name: {"generator": "setuptools (84.0.0)"} for name in matrix(PYTHONS[1:])}
        | {wheel("cp310", "win_amd64"): {"generator": "setuptools (82.0.1)"}},
    ),
    "the build command of an older setuptools for the only wheel of the oldest Python": release(
        [*matrix(PYTHONS[1:]), wheel("cp310", "win_amd64"), SDIST],
        {name: {"generator": "setuptools (84.0.0)"} for name in matrix(PYTHONS[1:])}
        | {wheel("cp310", "win_amd64"): {"generator": "bdist_wheel (0.37.1)"}},
    ),
    "another build tool for the pure wheel": release(
        [*FULL, PURE], {PURE: {"generator": "poetry-core 2.5.0"}}
    ),
    "a little larger": release(changed={WINDOWS: {"size": 15_000_000}}),
    "small wheels": release(changed={name: {"size": 900} for name in FULL} | {WINDOWS: {"size": 9_000}}),
    "a newer macOS minimum of CPython": release(
        [*matrix(PYTHONS[1:], ["macosx_10_13_x86_64"]), wheel("cp310", "macosx_10_9_x86_64"), SDIST]
    ),
    "other packages on another system": release(
        [*matrix(platforms=["manylinux_2_28_x86_64"]), WINDOWS, SDIST], {WINDOWS: {"top_level": ("other",)}}
    ),
    "smaller wheels for a newer macOS, like numpy's": release(
        [*matrix(platforms=NUMPY_MACS), SDIST],
        {name: {"size": 3_000_000, "binary_count": 40} for name in matrix(platforms=NUMPY_MACS[1::2])},
    ),
    # --- metadata-differs
    "an sdist with dynamic requirements": release(
        changed={SDIST: {**metadata(Requires_Dist=()), "dynamic_fields": frozenset({"requires-dist"})}}
    ),
    "an sdist with a dynamic licence": release(
        changed={SDIST: {**metadata(License=("x",)), "dynamic_fields": frozenset({"license-expression"})}}
    ),
    "an old sdist without these fields": release(changed={SDIST: metadata(Requires_Dist=(), License=())}),
    "an unreadable file": release(changed={SDIST: {"metadata": {}}}),
    # --- requires-python-vs-tags
    "a stable ABI of an older Python": release([ABI3, SDIST]),
    "an unknown Python": release(
        ["dipy-1.12.0-x-x-win_amd64.whl", SDIST], project_page=page("dipy-1.11.0-x-x-win_amd64.whl")
    ),
    "py3": release(["dipy-1.12.0-py2.py3-none-any.whl", SDIST]),
    "a micro version": release(
        [*matrix(["cp310"]), SDIST],
        {name: metadata(Requires_Python=(">=3.10.4,<3.10.9",)) for name in [*matrix(["cp310"]), SDIST]},
    ),
    "an invalid Requires-Python": release(
        changed={name: metadata(Requires_Python=("three",)) for name in FULL}
    ),
    # --- expected
    "exactly the expected files": release(expectation=files(FULL)),
    # --- lost
    "a Python that Requires-Python now excludes": release(
        project_page=page(*PREVIOUS, *matrix(["cp39"], version="1.11.0"))
    ),
    "an allowed loss of a platform": release(
        [*matrix(platforms=PLATFORMS[:2]), SDIST], project_page=page(*PREVIOUS), allow_missing=("win_*",)
    ),
    "an allowed loss of a Python": release(
        [*matrix(PYTHONS[1:]), SDIST], project_page=page(*PREVIOUS), allow_missing=("cp310",)
    ),
    "an allowed loss of one Python on one platform": release(
        [name for name in FULL if name != wheel("cp310", "win_amd64")],
        project_page=page(*PREVIOUS),
        allow_missing=("cp310-win_amd64",),
    ),
    "a change to universal2": release(
        [*matrix(["cp312"], ["macosx_10_13_universal2"]), SDIST],
        project_page=page(*matrix(["cp312"], ["macosx_11_0_arm64", "macosx_10_13_x86_64"], "1.11.0")),
    ),
    "a change to the stable ABI": release([*matrix(["cp310-abi3"]), SDIST], project_page=page(*PREVIOUS)),
    "a change from the stable ABI": release(
        [*matrix(UP_TO_NEWEST), SDIST],
        project_page=page(*matrix(["cp310-abi3"], version="1.11.0"), *matrix(["cp313"], version="1.11.0")),
    ),
    "a change from any Python 3": release(
        project_page=page(*(f"dipy-1.11.0-py3-none-{platform}.whl" for platform in PLATFORMS))
    ),
    "an older glibc": release(project_page=page(*(name.replace("_2_28", "_2_34") for name in PREVIOUS))),
    "a wheel for more Macs": release(
        [*matrix(platforms=["macosx_10_13_x86_64"]), SDIST],
        project_page=page(*matrix(platforms=["macosx_14_0_x86_64"], version="1.11.0")),
    ),
    "a stray wheel of the previous release": release(
        project_page=page(*PREVIOUS, STRAY.replace("1.12.0", "1.11.0"))
    ),
    "systems that are lost on purpose": release(
        [*matrix(platforms=NUMPY_MACS[:3]), SDIST],
        project_page=page(*matrix(platforms=NUMPY_MACS, version="1.11.0")),
        allow_missing=("macosx_14_0_x86_64",),
    ),
    "systems of each Python that are lost on purpose": release(
        [*matrix(platforms=["manylinux_2_28_x86_64"]), SDIST],
        project_page=page(*matrix(platforms=["manylinux2014_x86_64"], version="1.11.0")),
        allow_missing=("cp31?-manylinux2014_*",),
    ),
    "newer Pythons that are lost on purpose": release(
        project_page=page(*matrix(["cp310-abi3"], version="1.11.0")),
        allow_missing=tuple(UP_TO_NEWEST[4:]),
    ),
    "a stable ABI that Requires-Python ends": release(
        [*matrix(), SDIST],
        {name: metadata(Requires_Python=(">=3.10,<3.14",)) for name in FULL},
        project_page=page(*matrix(["cp310-abi3"], version="1.11.0")),
    ),
    "some files with other tags": release(
        [name.replace("_2_28", "_2_34") for name in FULL],
        project_page=page(*PREVIOUS),
        is_complete_selection=False,
    ),
    "no comparison": release(
        [*matrix(PYTHONS[1:]), SDIST], project_page=page(*PREVIOUS), comparison_version=None
    ),
    # --- the index
    "already on the index": release(
        project_page=page(*PREVIOUS, *FULL, age=50),
        index_states=tuple(state(name, FileComparison.SAME) for name in FULL),
    ),
    "a release 13 days old": release(
        project_page=page(*PREVIOUS, SDIST, age=13), index_states=(state(WINDOWS, FileComparison.ABSENT),)
    ),
    "a release exactly 14 days old": release(
        project_page=page(*PREVIOUS, SDIST, age=14), index_states=(state(WINDOWS, FileComparison.ABSENT),)
    ),
    "an index without times": release(
        project_page=page(*PREVIOUS, SDIST, age=None), index_states=(state(WINDOWS, FileComparison.ABSENT),)
    ),
    "deprecated": release(project_page=page(*PREVIOUS, status="deprecated")),
    "a newer pre-release": release(project_page=page(*PREVIOUS, "dipy-1.13.0rc1.tar.gz")),
    "another project's files on the page": release(project_page=page(*PREVIOUS, "nipy-2.0.tar.gz", "x.txt")),
    "a development version elsewhere": release(["dipy-1.13.0.dev1.tar.gz"], version="1.13.0.dev1"),
    "a large file of a project with a raised limit": release(
        changed={SDIST: {"size": 150 << 20}}, project_page=page(*PREVIOUS, size=120 << 20)
    ),
    "a file of exactly the limit": release(changed={SDIST: {"size": 100 << 20}}),
    "a file of exactly the raised limit": release(
        [SDIST],
        changed={SDIST: {"size": 1 << 30}},
        project_page=page("dipy-1.11.0.tar.gz", size=(100 << 20) + 1),
    ),
    "an index that does not state sizes": release(
        [SDIST],
        project_page=dataclasses.replace(page(), files=(IndexFile(filename="dipy-1.11.0.tar.gz", url="x"),)),
    ),
    "full to the last byte": release(
        [SDIST], project_page=page("dipy-1.11.0.tar.gz", size=(10 << 30) - 8_000_000)
    ),
    "almost full, with every file on the index": release(
        [SDIST],
        project_page=page("dipy-1.11.0.tar.gz", SDIST, size=(5 << 30) - 1, age=1),
        index_states=(state(SDIST, FileComparison.SAME),),
    ),
    "half of the Pythons have a platform": release([*FULL, *matrix(PYTHONS[:2], ["win_arm64"])]),
    "a project that is over the limit already": release(
        project_page=page(*PREVIOUS, size=(11 << 30) // len(PREVIOUS))
    ),
    "almost full": release(project_page=page(*PREVIOUS, size=((10 << 30) - 110_000_000) // len(PREVIOUS))),
}


@pytest.mark.parametrize("good", GOOD)
def test_accepts_a_good_release(good: str) -> None:
    # The files of 800 MB that fill a project show that its size limit was raised, which is not a finding.
    assert [
        f"{finding.check}: {finding.subject}: {finding.message}" for finding in findings(GOOD[good])
    ] == []


# --- messages --------------------------------------------------------------------------------------


def messages_of(fault: str) -> list[str]:
    content, expected, _ = FAULTS[fault]
    return [finding.message for finding in findings(content) if finding.check == expected]


def test_names_the_wheel_that_a_stray_one_duplicates() -> None:
    assert messages_of("a stray wheel for newer Macs") == [
        "it is in addition to macosx_11_0_arm64 for cp312-cp312 on macosx_arm64; most Python versions have 1"
    ]


@pytest.mark.parametrize(
    ("pythons", "usually"),
    [
        (PYTHONS[2:3], ""),
        (PYTHONS[1:3], "; most Python versions have 1"),
        (PYTHONS, "; most Python versions have 1"),
    ],
)
def test_compares_a_stray_wheel_with_other_pythons_if_any(pythons: tuple[str, ...], usually: str) -> None:
    [finding] = findings(release([*matrix(pythons, PLATFORMS[:1]), STRAY, SDIST]))
    assert (finding.check, finding.subject) == ("release/duplicate-slot", STRAY)
    assert (
        finding.message == f"it is in addition to macosx_11_0_arm64 for cp312-cp312 on macosx_arm64{usually}"
    )


@pytest.mark.parametrize(
    ("zone", "hours", "is_closed"),
    [(None, 1, True), (None, -1, False), (5, 1, True), (5, -1, False), (-5, 1, True), (-5, -1, False)],
)
def test_computes_the_age_of_a_release_in_any_time_zone(
    zone: int | None, hours: int, is_closed: bool
) -> None:
    first = NOW - timedelta(days=14, hours=hours)
    stated = first.replace(tzinfo=None) if zone is None else first.astimezone(timezone(timedelta(hours=zone)))
    listed = page(*PREVIOUS, SDIST, age=1)
    files = [
        dataclasses.replace(file, upload_time=stated) if file.filename == SDIST else file
        for file in listed.files
    ]
    content = release(
        project_page=dataclasses.replace(listed, files=tuple(files)),
        index_states=(state(WINDOWS, FileComparison.ABSENT),),
    )
    assert ("release/closed" in {finding.check for finding in findings(content)}) is is_closed


@pytest.mark.parametrize(("other", "where"), [("", ""), ("Dipy.whl", " as Dipy.whl")])
def test_reports_different_bytes_with_both_hashes_and_the_name_on_the_index(other: str, where: str) -> None:
    different = state(WINDOWS, FileComparison.DIFFERENT, index_sha256="abc", other_name=other)
    [finding] = findings(release(index_states=(different,)))
    assert finding.message == f"its sha256 is {WINDOWS}, but on the index{where} it is abc"


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (None, "the files include no sdist"),
        (page(*PREVIOUS), "neither the files nor the index include an sdist"),
    ],
)
def test_names_the_places_searched_for_an_sdist(listed: ProjectPage | None, message: str) -> None:
    [finding] = findings(release(matrix(), project_page=listed))
    assert (finding.check, finding.message) == ("release/no-sdist", message)


def test_summarizes_the_losses_of_each_python_or_platform() -> None:
    assert messages_of("a lost Python") == [
        "1.11.0 had wheels for cp310 on macosx_arm64, manylinux_x86_64, win_amd64; this release has none"
    ]
    assert messages_of("a lost platform") == [
        "1.11.0 had wheels for win_amd64, for cp310, cp311, cp312, cp313; this release has none"
    ]
    assert messages_of("a lost platform of one Python") == [
        "1.11.0 had a wheel for cp310 on win_amd64; this release has none"
    ]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            "no wheel for older systems",
            (
                "users of glibc 2.17 to 2.27 on x86_64 (cp310, cp311, cp312, cp313) lose their wheel",
                "1.11.0 had one for manylinux_2_17_x86_64",
                "the wheels of this release are for manylinux_2_28_x86_64",
            ),
        ),
        (
            "no wheel for newer Macs",
            (
                "macOS 14 and later on x86_64 (cp310, cp311, cp312, cp313) lose the wheel for their system",
                "1.11.0 had one for macosx_14_0_x86_64",
                "now they get the one for macosx_10_13_x86_64",
            ),
        ),
        (
            "no wheel for newer Pythons",
            (
                f"users of {', '.join(UP_TO_NEWEST[4:])} on macosx_arm64, manylinux_x86_64, win_amd64 lose",
                "the one of 1.11.0 is for every later Python (stable ABI)",
            ),
        ),
    ],
)
def test_says_which_systems_lose_a_wheel(fault: str, words: tuple[str, ...]) -> None:
    (message,) = messages_of(fault)
    assert [part for part in words if part not in message] == []


def test_says_each_kind_of_loss_once() -> None:
    """As in numpy: six Pythons, two architectures, and another minimum of macOS for the oldest Python."""
    oldest = matrix(["cp310"], ["macosx_10_9_x86_64"])
    macs = ["macosx_11_0_arm64", "macosx_14_0_arm64", "macosx_14_0_x86_64"]
    now = [*oldest, *matrix(PYTHONS[1:], ["macosx_10_13_x86_64"]), *matrix(platforms=macs[:1]), SDIST]
    before = [name.replace("1.12.0", "1.11.0") for name in now] + matrix(platforms=macs, version="1.11.0")
    (message,) = [finding.message for finding in findings(release(now, project_page=page(*before)))]
    assert message.startswith(
        "users of macOS 14 and later on arm64, x86_64 (cp310, cp311, cp312, cp313) lose the wheel for their "
        "system: 1.11.0 had one for macosx_14_0_arm64, macosx_14_0_x86_64; now they get the one for "
    )


def test_says_which_pythons_of_each_architecture_lose_a_wheel() -> None:
    changed = matrix(PYTHONS[:2], ["manylinux_2_17_aarch64"], "1.11.0")
    changed += matrix(PYTHONS, ["manylinux_2_17_x86_64"], "1.11.0")
    kept = matrix(PYTHONS[2:], ["manylinux_2_28_aarch64"], "1.11.0")
    now = [*matrix(platforms=["manylinux_2_28_x86_64", "manylinux_2_28_aarch64"]), SDIST]
    (finding,) = findings(release(now, project_page=page(*changed, *kept)))
    assert "on aarch64 (cp310, cp311); x86_64 (cp310, cp311, cp312, cp313) lose" in finding.message


def test_quotes_metadata_that_differs() -> None:
    assert messages_of("other requirements") == [
        "its Requires-Dist differs from that of 12 other files: it has vtk and lacks scipy>=1.8"
    ]
    assert messages_of("a missing extra") == [
        "its Provides-Extra differs from that of 12 other files: it lacks test"
    ]
    assert messages_of("an sdist unlike its one wheel") == [
        "its Requires-Dist differs from that of another file: it lacks numpy>=1.22, scipy>=1.8"
    ]


def test_compares_an_odd_wheel_with_its_siblings() -> None:
    assert messages_of("a missing module") == [
        "it has 45 compiled files; each of the 3 comparable wheels has 46 compiled files"
    ]
    assert messages_of("other packages") == [
        "it installs dipy, tests; each of the 7 comparable wheels installs dipy"
    ]
    assert messages_of("nothing to import") == [
        "it installs nothing; each of the 3 comparable wheels installs dipy"
    ]
    assert messages_of("for a newer glibc") == [
        "it is for manylinux_x86_64 2.34; each of the 3 comparable wheels is for manylinux_x86_64 2.28"
    ]
    assert messages_of("a much smaller wheel") == [
        "it has 3,000,000 bytes; comparable wheels have about 8,000,000"
    ]


def test_limits_the_number_of_quoted_differences() -> None:
    changes = metadata(Requires_Dist=tuple(f"a{number}" for number in range(40)))
    (finding,) = findings(release(changed={WINDOWS: changes}))
    assert "a0, a1, a2, a3, a4 and 35 more" in finding.message


# --- severities ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "a second sdist",
        "the sdist in another spelling on the index",
        "the release is 15 days old",
        "a large file",
        "too many files",
        "the same bytes under another name",
    ],
)
def test_reports_pypi_rules_as_notes_for_other_indexes(fault: str) -> None:
    content, expected, _ = FAULTS[fault]
    severities = {
        profile: {finding.severity for finding in findings(content, profile) if finding.check == expected}
        for profile in CheckProfile
    }
    assert severities == {CheckProfile.PYPI: {Severity.ERROR}, CheckProfile.ANY: {Severity.NOTE}}


def test_marks_an_ignored_finding() -> None:
    content = FAULTS["a lost Python"][0]
    for accepted in ("release/lost-against-previous", "release"):
        reported = checks.check_release(content, profile=CheckProfile.PYPI, ignore=[accepted])
        assert [finding.is_ignored for finding in reported] == [True]
        assert checks.select_blocking(reported, strict=True) == ()


# --- the release to compare with -------------------------------------------------------------------


def test_yanked_files_of_the_previous_release_are_not_missed() -> None:
    listed = page("dipy-1.10.0.tar.gz", *PREVIOUS)
    half = tuple(
        dataclasses.replace(file, yanked=file.filename.endswith("amd64.whl")) for file in listed.files
    )
    yanked = tuple(dataclasses.replace(file, yanked="1.11" in file.filename) for file in listed.files)
    lost = [*matrix(platforms=PLATFORMS[:2]), SDIST]
    assert findings(release(lost, project_page=dataclasses.replace(listed, files=half))) == ()
    # A release that the user names is compared with all its files.
    named = release(
        lost, project_page=dataclasses.replace(listed, files=yanked), comparison_version=Version("1.11")
    )
    assert [finding.check for finding in findings(named)] == ["release/lost-against-previous"]


# --- versions and files for the comparison ---------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "python", "admitted"),
    [
        (">=3.10", "cp310", True),
        (">=3.10", "cp39", False),
        (">=3.10", "pp310", True),
        (">=3.10", "py3", True),
        (">=3.10", "py2", False),
        (">=3.10,<4", "py3", True),
        (">=4", "py3", False),
        (">=3.39", "py3", True),
        (">=3.10.99", "cp310", True),
        ("==3.10.29", "cp310", True),
        ("==3.10.0", "cp310", True),
        ("!=3.10.*", "cp310", False),
        (">=3.10", "cp3100", True),
        ("<3.10", "cp3100", False),
        (">=4", "nonsense", True),
        (">=4", "cp31000000", True),
        ("three", "cp27", True),
        ("", "cp27", True),
        (">=3.10", "cp310t", True),
    ],
)
def test_requires_python_admits_a_python_tag(stated: str, python: str, admitted: bool) -> None:
    assert admits_python(parse_requires_python(stated), python) is admitted


def test_finds_the_newest_final_version() -> None:
    versions = ["1.0", "1.2rc1", "1.1.dev1", "1.1+local", "1.0.post1", "0.9"]
    assert find_newest_final(map(Version, versions)) == Version("1.0.post1")
    assert find_newest_final(map(Version, ["1.0rc1", "1.0.dev1", "1.0+x"])) is None
    assert find_newest_final([]) is None


def test_ignores_yanked_files_of_the_previous_release_unless_all_are_yanked() -> None:
    names_of = matrix(PYTHONS[:2], PLATFORMS[:1], "1.11.0")
    for yanked, left in ((names_of[:1], names_of[1:]), (names_of, names_of), ([], names_of)):
        listed = page(*names_of)
        marked = tuple(dataclasses.replace(file, yanked=file.filename in yanked) for file in listed.files)
        content = release(
            project_page=dataclasses.replace(listed, files=marked), comparison_version=Version("1.11.0")
        )
        assert [name.filename for name in content.previous_names] == left


def test_uses_the_requires_python_of_most_files() -> None:
    others = {name: metadata(Requires_Python=(">=3.12",)) for name in FULL[:6]}
    assert str(release(FULL, others).requires_python) == ">=3.10"
    assert str(release(FULL, {**others, FULL[6]: metadata(Requires_Python=(">=3.12",))}).requires_python) == (
        ">=3.12"
    )
    assert str(release(FULL, {name: metadata(Requires_Python=()) for name in FULL}).requires_python) == ""


def test_combines_selected_and_published_files() -> None:
    listed = page(WINDOWS, wheel("cp314", "win_amd64"), *PREVIOUS, age=1)
    content = release(project_page=listed)
    assert [name.filename for name in content.all_names] == [*FULL, wheel("cp314", "win_amd64")]
    assert [name.filename for name, _ in content.published_files] == [WINDOWS, wheel("cp314", "win_amd64")]
    assert [name.filename for name in content.sdists] == [SDIST]


def test_shortens_a_long_list() -> None:
    assert summarize_values(["a"] * 5) == "a, a, a, a, a"
    assert summarize_values(["a"] * 6) == "a, a, a, a, a and 1 more"
    assert summarize_values(["a", "b", "c"], 2) == "a, b and 1 more"
    assert summarize_values([]) == ""


@pytest.mark.parametrize(
    "project", ["asyncio", "xml-dom", "urllib2", "os-path", "tomllib", "thread", "json-tool"]
)
def test_reports_a_new_project_named_like_a_module_of_the_standard_library(project: str) -> None:
    new = ProjectPage(url="https://index.example/simple/x/", exists=False)
    content = release(project=project, project_page=new)
    [finding] = [each for each in findings(content) if each.check == "release/standard-library-name"]
    assert finding.severity is Severity.ERROR
    assert finding.message == f"'{project}' is the name of a module, and the index has no such project yet"
    elsewhere = findings(content, CheckProfile.ANY)
    assert {each.severity for each in elsewhere if each.check == finding.check} == {Severity.NOTE}


@pytest.mark.parametrize(
    ("project", "listed"),
    [
        # These projects are older than the rule.
        ("asyncio", ProjectPage(url="https://index.example/simple/asyncio/", exists=True)),
        # Without an index, nothing is known.
        ("asyncio", None),
        ("dipy", ProjectPage(url="https://index.example/simple/dipy/", exists=False)),
        ("asyncio-extras", ProjectPage(url="https://index.example/simple/asyncio-extras/", exists=False)),
    ],
)
def test_accepts_a_project_name(project: str, listed: ProjectPage | None) -> None:
    reported = findings(release(project=project, project_page=listed))
    assert "release/standard-library-name" not in {each.check for each in reported}


# --- files under another version -------------------------------------------------------------------


def parse_names(*filenames: str) -> tuple[DistName, ...]:
    return tuple(map(core_filenames.parse_filename, filenames))


def messages(content: ReleaseContent, check: str = "release/other-version-in-place") -> list[str]:
    return [finding.message for finding in findings(content) if finding.check == check]


DIRTY = wheel("pp311", "win_amd64", "1.12.1.dev0+gcd436f4.d20261128")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            [DIRTY],
            (
                f"pp311 on win_amd64 is staged only as version 1.12.1.dev0+gcd436f4.d20261128 ({DIRTY}): "
                "the checkout of its build probably had uncommitted changes"
            ),
        ),
        (
            ["dipy-1.13.dev0.tar.gz"],
            (
                "the sdist is staged only as version 1.13.dev0 (dipy-1.13.dev0.tar.gz): "
                "the checkout of its build was probably not at the tag"
            ),
        ),
        (
            matrix(platforms=["manylinux_2_28_aarch64"], version="0.0"),
            (
                "cp310 on manylinux_aarch64, cp311 on manylinux_aarch64, cp312 on manylinux_aarch64, "
                "cp313 on manylinux_aarch64 are staged only as version 0.0 ("
                "dipy-0.0-cp310-cp310-manylinux_2_28_aarch64.whl, "
                "dipy-0.0-cp311-cp311-manylinux_2_28_aarch64.whl, "
                "dipy-0.0-cp312-cp312-manylinux_2_28_aarch64.whl, "
                "dipy-0.0-cp313-cp313-manylinux_2_28_aarch64.whl): "
                "the checkout of its build probably had no tags"
            ),
        ),
        ([wheel("pp311", "win_amd64", "0.1.dev1")], "probably had no tags"),
        ([wheel("pp311", "win_amd64", "0+unknown")], "probably had no tags"),
        ([wheel("pp311", "win_amd64", "1.12.0+d20261128")], "probably had uncommitted changes"),
        ([wheel("pp311", "win_amd64", "1.12.0+3.gabc1234.dirty")], "probably had uncommitted changes"),
        ([wheel("pp311", "win_amd64", "1.12.1.dev3+gabc1234")], "was probably not at the tag"),
        ([wheel("pp311", "win_amd64", "1.12.0.post1")], "it was given another version"),
        # The first try of a job built more than its last one.
        ([DIRTY, DIRTY.replace("pp311-pypy311_pp73", "cp312-cp312")], "pp311 on win_amd64 is staged only as"),
    ],
)
def test_names_a_place_that_is_staged_under_another_version_only(others: list[str], message: str) -> None:
    (found,) = messages(release(matrix(), other_names=parse_names(*others)))
    assert message in found
    assert others[0] in found


def test_missing_files_name_the_version_under_which_they_are_staged() -> None:
    others = parse_names("dipy-1.13.dev0.tar.gz", DIRTY)
    previous = page(*matrix(version="1.11.0"), wheel("pp311", "win_amd64", "1.11.0"), "dipy-1.11.0.tar.gz")
    content = release(matrix(), project_page=previous, other_names=others)
    (no_sdist,) = messages(content, "release/no-sdist")
    assert no_sdist.endswith("an sdist; dipy-1.13.dev0.tar.gz is staged, but as version 1.13.dev0")
    (lost,) = messages(content, "release/lost-against-previous")
    assert lost == (
        "1.11.0 had a wheel for pp311 on win_amd64; this release has none; "
        f"{DIRTY} is staged, but as version 1.12.1.dev0+gcd436f4.d20261128"
    )


@pytest.mark.parametrize(
    ("filenames", "others"),
    [
        # A staging place that keeps releases, nightly builds and variants.
        (FULL, [name.replace("1.12.0", version) for version in ("1.11.0", "1.13.dev0") for name in FULL]),
        (FULL, [name.replace("1.12.0", "1.12.0+cu128") for name in FULL]),
        (matrix(), [*matrix(("cp39", *PYTHONS), version="1.11.0"), "dipy-1.11.0.tar.gz"]),
        (FULL, matrix(PYTHONS, (*PLATFORMS, "win_arm64"), version="1.13.dev5")),
        (FULL, matrix(("cp314", *PYTHONS), version="1.13.dev5+gabc1234")),
        # Variants, each with the places of its own that it supports.
        (matrix(platforms=["macosx_11_0_arm64"]), matrix(platforms=["win_amd64"], version="1.12.0+cpu")),
        (matrix(platforms=["win_amd64"], version="1.12.0"), matrix(version="1.12.0+cu128")),
        # What only this release lacks is told by other checks.
        ([SDIST], [*matrix(version="1.11.0"), "dipy-1.11.0.tar.gz"]),
        (matrix(platforms=["win_amd64"]), matrix(version="1.12.0.dev3")),
        # An older fragment, whose places this release has.
        (FULL, ["dipy-0.0.tar.gz", wheel("cp312", "win_amd64", "0.1.dev1")]),
        (FULL, []),
    ],
)
def test_complete_releases_of_other_versions_are_silent(filenames: list[str], others: list[str]) -> None:
    assert messages(release(filenames, other_names=parse_names(*others))) == []


def test_places_do_not_count_if_only_a_part_was_selected() -> None:
    assert messages(release(matrix(), is_complete_selection=False, other_names=parse_names(DIRTY))) == []


@given(
    st.sets(st.sampled_from(PYTHONS), min_size=1),
    st.sets(st.sampled_from(PLATFORMS), min_size=1),
    st.booleans(),
    st.lists(
        st.sampled_from(["1.11.0", "1.13.dev0", "0.0", "1.12.0+cpu", "1.12.1.dev0+gcd436f4"]), unique=True
    ),
)
def test_no_number_of_complete_versions_is_reported(
    pythons: set[str], platforms: set[str], sdist: bool, versions: list[str]
) -> None:
    filenames = [*matrix(pythons, platforms), *([SDIST] if sdist else [])]
    others = [name.replace("1.12.0", version) for version in versions for name in filenames]
    assert messages(release(filenames, other_names=parse_names(*others))) == []


UNIVERSAL, PURE = (wheel_filename("dipy", "1.12.0", f"{tag}-none-any") for tag in ("py2.py3", "py3"))


@pytest.mark.parametrize(
    ("names", "reported"),
    [
        ([UNIVERSAL, PURE], [PURE]),
        ([PURE], []),
        ([PURE, wheel_filename("dipy", "1.12.0", "py2-none-any")], []),
        ([PURE, wheel_filename("dipy", "1.12.0", "py2.py3-none-any", "1")], []),
        ([PURE, WINDOWS], []),
        ([WINDOWS, WINDOWS.replace("-cp312-cp312-", "-cp311.cp312-cp311.cp312-")], [WINDOWS]),
    ],
)
def test_two_wheels_that_installers_may_take_for_one_python(names: list[str], reported: list[str]) -> None:
    found = findings(release([*names, SDIST]))
    assert [finding.subject for finding in found if finding.check == "release/duplicate-slot"] == reported


def test_a_published_wheel_for_the_same_python_is_named() -> None:
    [finding] = [
        finding
        for finding in findings(release([PURE, SDIST], project_page=page(UNIVERSAL, age=1)))
        if finding.check == "release/duplicate-slot"
    ]
    assert finding.subject == PURE
    assert UNIVERSAL in finding.message


def summarize(data: bytes, filename: str) -> FileSummary:
    return file_summary.summarize_file(content(data, filename))


def state_version(*texts: str, version: str = "1.0", sdist: str = "") -> list[str]:
    """Return the findings about the version in the source of wheels, and of an sdist if there is one."""
    tags = ("cp311-cp311-win_amd64", "cp312-cp312-win_amd64")
    summaries = [
        summarize(
            wheel_bytes(
                "demo", version, tag, files={"demo/__init__.py": f'__version__ = "{text}"\n'.encode()}
            ),
            wheel_filename("demo", version, tag),
        )
        for text, tag in zip(texts, tags, strict=False)
    ]
    if sdist:
        files = {"src/demo/__init__.py": f'__version__ = "{sdist}"\n'.encode()}
        summaries.append(summarize(sdist_bytes("demo", version, files=files), f"demo-{version}.tar.gz"))
    found = findings(
        ReleaseContent(
            project=canonicalize_name("demo"), version=Version(version), summaries=tuple(summaries), now=NOW
        )
    )
    return [finding.message for finding in found if finding.check == "release/stated-version"]


@pytest.mark.parametrize("stated", ["0.9", "1.0.dev0", "1.0+g1234567", "1.0.1", "1.0rc1", "1.0.post1"])
def test_reports_a_version_in_the_source_that_is_not_that_of_the_release(stated: str) -> None:
    message = f"demo/__init__.py states version {stated}, not 1.0"
    assert state_version(stated) == [message]
    assert state_version(stated, stated, sdist=stated) == [message]
    # Other checks name the files that differ.
    assert state_version(stated, "1.0") == []
    assert state_version(stated, stated, sdist="1.0") == []


@pytest.mark.parametrize(
    ("stated", "version"),
    [
        ("1.0", "1.0"),
        ("1.0.0", "1.0"),
        ("0.0.0", "1.0"),
        ("1.0", "1.0.post1"),
        ("1.0", "1.0+cu128"),
        ("1.0+cu128", "1.0+cu128"),
        ("1.0dev3", "1.0.dev3"),
    ],
)
def test_accepts_a_version_in_the_source_that_is_that_of_the_release(stated: str, version: str) -> None:
    assert state_version(stated, version=version) == []
