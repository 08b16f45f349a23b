"""The release as a whole: releases that have just one fault each, and releases that just have none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from packaging.version import Version

from tests.support.wheels import wheel_filename
from wheel_uploader import checks
from wheel_uploader.checks.release_content import (
    ReleaseContent,
    admits_python,
    find_newest_final,
    parse_requires_python,
    select_comparison_version,
    summarize_values,
)
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.models import (
    CheckProfile,
    FileComparison,
    FileSummary,
    Finding,
    IndexComparison,
    IndexFile,
    LocalFile,
    ProjectPage,
    Severity,
)
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
    """The file name for ``cp311``, ``cp313t``, ``cp39-abi3`` or ``pp311``."""
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
    known: dict[str, object] = {"size": 8_000_000, "metadata": METADATA}
    if filename.endswith(".whl"):
        known |= {"generator": "meson", "top_level": ("dipy",), "binary_count": 46}
    return FileSummary(name=name, **{**known, **facts})  # type: ignore[arg-type]


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
    """A page of the index; ``age`` of every file in days."""
    time = None if age is None else NOW - timedelta(days=age)
    files = [IndexFile(filename=name, url=f"x/{name}", size=size, upload_time=time) for name in filenames]
    return ProjectPage(url="https://x.test/simple/dipy/", exists=True, files=tuple(files), **facts)


def release(
    filenames: Iterable[str] = FULL,
    changed: Mapping[str, Mapping[str, object]] | None = None,
    version: str = "1.12.0",
    **facts: object,
) -> ReleaseContent:
    """A release of these files; ``changed`` has what their summaries say otherwise."""
    filenames = list(filenames)
    found = [summary(name, **(changed or {}).get(name, {})) for name in filenames]
    known: dict[str, object] = {
        "project": "dipy",
        "version": Version(version),
        "summaries": tuple(found),
        "files": tuple(map(local, filenames)),
        "now": NOW,
        **facts,
    }
    served = known.get("project_page")
    if isinstance(served, ProjectPage) and "comparison_version" not in facts:
        known["comparison_version"] = select_comparison_version(served, "dipy", Version(version), None)
    return ReleaseContent(**known)  # type: ignore[arg-type]


def findings(content: ReleaseContent, profile: CheckProfile = CheckProfile.PYPI) -> tuple[Finding, ...]:
    return checks.check_release(content, profile=profile)


def files(filenames: Iterable[str]) -> expected_files.Expectation:
    return expected_files.parse_expected_lines("\n".join(filenames), "expected.txt")


def state(filename: str, found: FileComparison, **facts: str) -> IndexComparison:
    return IndexComparison(file=local(filename), result=found, **facts)


PREVIOUS = [*matrix(version="1.11.0"), "dipy-1.11.0.tar.gz"]
STRAY = wheel("cp312", "macosx_15_0_arm64")
WINDOWS = wheel("cp312", "win_amd64")
NUMPY_MACS = ("macosx_11_0_arm64", "macosx_14_0_arm64", "macosx_10_13_x86_64", "macosx_14_0_x86_64")

#: A release, the check that names its fault, and the file that is to blame.
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
    "two spellings": (
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
    "a third beside a policy of two": (
        release([*matrix(platforms=NUMPY_MACS), STRAY, SDIST]),
        "release/duplicate-slot",
        STRAY,
    ),
    "the only python, twice": (
        release([wheel("cp312", "macosx_11_0_arm64"), STRAY, SDIST]),
        "release/duplicate-slot",
        STRAY,
    ),
    "half of the pythons, twice": (
        release([*matrix(PYTHONS[:2]), wheel("cp311", "macosx_15_0_arm64"), SDIST]),
        "release/duplicate-slot",
        wheel("cp311", "macosx_15_0_arm64"),
    ),
    "the newest python lacks a platform": (
        release([name for name in FULL if name != wheel("cp313", "win_amd64")]),
        "release/hole-in-matrix",
        "release",
    ),
    "a python in the middle lacks one": (
        release([name for name in FULL if name != wheel("cp311", "win_amd64")]),
        "release/hole-in-matrix",
        "release",
    ),
    "a free-threaded one lacks one": (
        release(
            [*FULL, *matrix(["cp313t", "cp314t", "cp315t"], PLATFORMS)][:-1],
        ),
        "release/hole-in-matrix",
        "release",
    ),
    "a hole that the previous release had not": (
        release(
            [name for name in FULL if name != wheel("cp313", "win_amd64")],
            project_page=page(*PREVIOUS),
            allow_missing=("cp313-win_amd64",),
        ),
        "release/hole-in-matrix",
        "release",
    ),
    "another tool": (
        release(changed={WINDOWS: {"generator": "bdist_wheel"}}),
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
    "a module missing": (release(changed={WINDOWS: {"binary_count": 45}}), "release/odd-one-out", WINDOWS),
    "much larger": (release(changed={WINDOWS: {"size": 17_000_000}}), "release/odd-one-out", WINDOWS),
    "much smaller": (release(changed={WINDOWS: {"size": 3_000_000}}), "release/odd-one-out", WINDOWS),
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
    "other pythons": (
        release(changed={WINDOWS: metadata(Requires_Python=(">=3.9",))}),
        "release/metadata-differs",
        WINDOWS,
    ),
    "no extra": (
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
        "release/metadata-differs",
        WINDOWS,
    ),
    "an sdist unlike its one wheel": (
        release([WINDOWS, SDIST], {SDIST: {**metadata(Requires_Dist=()), "dynamic_fields": frozenset()}}),
        "release/metadata-differs",
        SDIST,
    ),
    "an old sdist that says otherwise": (
        release([WINDOWS, SDIST], {SDIST: metadata(Requires_Dist=("numpy>=2",))}),
        "release/metadata-differs",
        SDIST,
    ),
    "a python that is refused": (
        release([*FULL, *matrix(["cp39"])]),
        "release/requires-python-vs-tags",
        wheel("cp39", "win_amd64"),
    ),
    "a file is missing": (
        release(expectation=files([*FULL, "dipy-1.12.0-py3-none-any.whl"])),
        "release/expected",
        "release",
    ),
    "a file too many": (release(expectation=expected_files.expect_count(12)), "release/expected", "release"),
    "no sdist": (release(matrix()), "release/no-sdist", "release"),
    "no sdist on the index either": (
        release(matrix(), project_page=page(*PREVIOUS, wheel("cp310", "win_amd64"), age=1)),
        "release/no-sdist",
        "release",
    ),
    "a second sdist of its own": (release([*FULL, "dipy-1.12.0.zip"]), "release/two-sdists", "release"),
    "a lost platform of one python": (
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
    "a lost python": (
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
    "half of a universal wheel": (
        release(
            [wheel("cp312", "macosx_11_0_arm64"), SDIST],
            project_page=page(wheel("cp312", "macosx_11_0_universal2", "1.11.0")),
        ),
        "release/lost-against-previous",
        "release",
    ),
    "other bytes on the index": (
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
    "an sdist with another spelling is there": (
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
    "a project that is full": (
        release([SDIST], project_page=page("dipy-1.11.0.tar.gz", size=10 << 30)),
        "release/project-too-big",
        "release",
    ),
    "a byte too much": (
        release([SDIST], project_page=page("dipy-1.11.0.tar.gz", size=(10 << 30) - 7_999_999)),
        "release/project-too-big",
        "release",
    ),
    "more than half of the pythons have a platform": (
        release([*FULL, *matrix(PYTHONS[:2], ["win_arm64"]), wheel("cp313", "win_arm64")]),
        "release/hole-in-matrix",
        "release",
    ),
    "two sdists more": (
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

#: What a planted fault cannot help but bring along.
BESIDES = {
    "a file of another project": {"release/odd-one-out"},
    "a python that is refused": set[str](),
    "two spellings of an sdist": {"release/two-sdists"},
    "two sdists more": {"release/clash"},
    "too many files": {"release/file-too-big"},
    "a file of another version": set[str](),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    content, wanted, subject = FAULTS[fault]
    found = findings(content)
    assert {each.check for each in found} - BESIDES.get(fault, set()) == {wanted}
    assert subject in {each.subject for each in found if each.check == wanted}
    assert all(each.member is None for each in found)


GOOD: dict[str, ReleaseContent] = {
    "a full matrix": release(),
    "one pure wheel": release(["dipy-1.12.0-py3-none-any.whl", SDIST]),
    "only an sdist": release([SDIST]),
    "nothing on the index": release(project_page=ProjectPage(url="x", exists=False)),
    "as the previous release": release(project_page=page(*PREVIOUS)),
    # --- duplicate-slot
    "two wheels for every Mac": release([*matrix(platforms=NUMPY_MACS), SDIST]),
    "two wheels for the same Macs, for two pythons": release([*matrix(PYTHONS[:2], NUMPY_MACS[:2]), SDIST]),
    "two wheels for every Mac of CPython, one of PyPy": release(
        [*matrix([*PYTHONS, "cp39-abi3"], NUMPY_MACS), *matrix(["pp311"], NUMPY_MACS[::2]), SDIST],
    ),
    "two wheels as the previous release had": release(
        [*FULL, STRAY], project_page=page(*PREVIOUS, STRAY.replace("1.12", "1.11"))
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
    "a stray one that is on the index already": release(project_page=page(*PREVIOUS, *FULL, STRAY, age=1)),
    "one wheel with two tags": release(
        [name.replace("manylinux_2_28_x86_64", "manylinux_2_17_x86_64.manylinux2014_x86_64") for name in FULL]
    ),
    # --- hole-in-matrix
    "a platform begins with a newer python": release(
        [*FULL, *matrix(PYTHONS[1:], ["win_arm64"])],
    ),
    "a hole that the previous release had": release(
        [name for name in FULL if name != wheel("cp311", "win_amd64")],
        project_page=page(*(name for name in PREVIOUS if name != wheel("cp311", "win_amd64", "1.11.0"))),
    ),
    "PyPy on some platforms": release([*FULL, *matrix(["pp311"], PLATFORMS[:1])]),
    "what is missing is on the index": release(
        [name for name in FULL if name not in {WINDOWS, SDIST}],
        project_page=page(*PREVIOUS, WINDOWS, SDIST, age=1),
    ),
    "only some were asked for": release(
        matrix(platforms=["win_amd64"]), project_page=page(*PREVIOUS), is_complete_selection=False
    ),
    # --- odd-one-out
    "three of a kind": release(
        [*matrix(PYTHONS[:3]), SDIST], {WINDOWS: {"size": 1_000_000, "binary_count": 3}}
    ),
    "two that differ": release(
        changed={WINDOWS: {"generator": "x"}, wheel("cp313", "win_amd64"): {"generator": "x"}}
    ),
    "a little larger": release(changed={WINDOWS: {"size": 15_000_000}}),
    "small wheels": release(changed={name: {"size": 900} for name in FULL} | {WINDOWS: {"size": 9_000}}),
    "CPython's own step": release(
        [*matrix(PYTHONS[1:], ["macosx_10_13_x86_64"]), wheel("cp310", "macosx_10_9_x86_64"), SDIST]
    ),
    "other packages on another system": release(
        [*matrix(platforms=["manylinux_2_28_x86_64"]), WINDOWS, SDIST], {WINDOWS: {"top_level": ("other",)}}
    ),
    "a newer macOS is smaller, as numpy's": release(
        [*matrix(platforms=NUMPY_MACS), SDIST],
        {name: {"size": 3_000_000, "binary_count": 40} for name in matrix(platforms=NUMPY_MACS[1::2])},
    ),
    # --- metadata-differs
    "an sdist that leaves it open": release(
        changed={SDIST: {**metadata(Requires_Dist=()), "dynamic_fields": frozenset({"requires-dist"})}}
    ),
    "an sdist that leaves its licence open": release(
        changed={SDIST: {**metadata(License=("x",)), "dynamic_fields": frozenset({"license-expression"})}}
    ),
    "an old sdist that does not say": release(changed={SDIST: metadata(Requires_Dist=(), License=())}),
    "an unreadable file": release(changed={SDIST: {"metadata": {}}}),
    # --- requires-python-vs-tags
    "a stable ABI from before": release(
        ["dipy-1.12.0-cp37-abi3-win_amd64.whl", SDIST],
    ),
    "a python that nobody knows": release(
        ["dipy-1.12.0-x-x-win_amd64.whl", SDIST], project_page=page("dipy-1.11.0-x-x-win_amd64.whl")
    ),
    "py3": release(["dipy-1.12.0-py2.py3-none-any.whl", SDIST]),
    "a micro version": release(
        [*matrix(["cp310"]), SDIST],
        {name: metadata(Requires_Python=(">=3.10.4,<3.10.9",)) for name in [*matrix(["cp310"]), SDIST]},
    ),
    "specifiers that nobody can read": release(
        changed={name: metadata(Requires_Python=("three",)) for name in FULL}
    ),
    # --- expected
    "just what is expected": release(expectation=files(FULL)),
    # --- lost
    "a python that is refused now": release(
        project_page=page(*PREVIOUS, *matrix(["cp39"], version="1.11.0"))
    ),
    "an allowed loss of a platform": release(
        [*matrix(platforms=PLATFORMS[:2]), SDIST], project_page=page(*PREVIOUS), allow_missing=("win_*",)
    ),
    "an allowed loss of a python": release(
        [*matrix(PYTHONS[1:]), SDIST], project_page=page(*PREVIOUS), allow_missing=("cp310",)
    ),
    "an allowed loss of both": release(
        [name for name in FULL if name != wheel("cp310", "win_amd64")],
        project_page=page(*PREVIOUS),
        allow_missing=("cp310-win_amd64",),
    ),
    "universal2 now": release(
        [*matrix(["cp312"], ["macosx_11_0_universal2"]), SDIST],
        project_page=page(*matrix(["cp312"], ["macosx_11_0_arm64", "macosx_10_13_x86_64"], "1.11.0")),
    ),
    "the stable ABI now": release([*matrix(["cp310-abi3"]), SDIST], project_page=page(*PREVIOUS)),
    "no longer the stable ABI": release(
        project_page=page(*matrix(["cp310-abi3"], version="1.11.0"), *matrix(["cp313"], version="1.11.0"))
    ),
    "no longer for any Python 3": release(
        project_page=page(*(f"dipy-1.11.0-py3-none-{platform}.whl" for platform in PLATFORMS))
    ),
    "another glibc": release(project_page=page(*(name.replace("_2_28", "_2_17") for name in PREVIOUS))),
    "not compared": release(
        [*matrix(PYTHONS[1:]), SDIST], project_page=page(*PREVIOUS), comparison_version=None
    ),
    # --- the index
    "already there": release(
        project_page=page(*PREVIOUS, *FULL, age=50),
        index_states=tuple(state(name, FileComparison.SAME) for name in FULL),
    ),
    "a release of 13 days": release(
        project_page=page(*PREVIOUS, SDIST, age=13), index_states=(state(WINDOWS, FileComparison.ABSENT),)
    ),
    "a release of just 14 days": release(
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
    "a file of just the limit": release(changed={SDIST: {"size": 100 << 20}}),
    "a file of just the raised limit": release(
        [SDIST],
        changed={SDIST: {"size": 1 << 30}},
        project_page=page("dipy-1.11.0.tar.gz", size=(100 << 20) + 1),
    ),
    "an index that does not state sizes": release(
        [SDIST],
        project_page=dataclasses.replace(page(), files=(IndexFile(filename="dipy-1.11.0.tar.gz", url="x"),)),
    ),
    "full with the last byte": release(
        [SDIST], project_page=page("dipy-1.11.0.tar.gz", size=(10 << 30) - 8_000_000)
    ),
    "almost full, and all of it is there": release(
        [SDIST],
        project_page=page("dipy-1.11.0.tar.gz", SDIST, size=(5 << 30) - 1, age=1),
        index_states=(state(SDIST, FileComparison.SAME),),
    ),
    "half of the pythons have a platform": release([*FULL, *matrix(PYTHONS[:2], ["win_arm64"])]),
    "a project that is over the limit already": release(
        project_page=page(*PREVIOUS, size=(11 << 30) // len(PREVIOUS))
    ),
    "almost full": release(project_page=page(*PREVIOUS, size=((10 << 30) - 110_000_000) // len(PREVIOUS))),
}


@pytest.mark.parametrize("good", GOOD)
def test_a_good_release_has_no_finding(good: str) -> None:
    # A page with files of 800 MB to fill a project proves a raised limit: nothing else comes of it.
    assert [f"{each.check}: {each.subject}: {each.message}" for each in findings(GOOD[good])] == []


# --- what is said ----------------------------------------------------------------------------------


def said(fault: str) -> list[str]:
    content, wanted, _ = FAULTS[fault]
    return [each.message for each in findings(content) if each.check == wanted]


def test_a_stray_is_named_with_what_it_stands_beside() -> None:
    assert said("a stray wheel for newer Macs") == [
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
def test_a_stray_is_compared_with_other_pythons_if_there_are_any(
    pythons: tuple[str, ...], usually: str
) -> None:
    [found] = findings(release([*matrix(pythons, PLATFORMS[:1]), STRAY, SDIST]))
    assert (found.check, found.subject) == ("release/duplicate-slot", STRAY)
    assert found.message == f"it is in addition to macosx_11_0_arm64 for cp312-cp312 on macosx_arm64{usually}"


@pytest.mark.parametrize(
    ("zone", "hours", "is_closed"),
    [(None, 1, True), (None, -1, False), (5, 1, True), (5, -1, False), (-5, 1, True), (-5, -1, False)],
)
def test_the_age_of_a_release_is_reckoned_in_any_time_zone(
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
    assert ("release/closed" in {each.check for each in findings(content)}) is is_closed


@pytest.mark.parametrize(("other", "where"), [("", ""), ("Dipy.whl", " as Dipy.whl")])
def test_other_bytes_are_reported_with_both_hashes_and_the_name_on_the_index(other: str, where: str) -> None:
    different = state(WINDOWS, FileComparison.DIFFERENT, index_sha256="abc", other_name=other)
    [found] = findings(release(index_states=(different,)))
    assert found.message == f"its sha256 is {WINDOWS}, but on the index{where} it is abc"


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (None, "the files include no sdist"),
        (page(*PREVIOUS), "neither the files nor the index include an sdist"),
    ],
)
def test_no_sdist_says_where_it_was_looked_for(served: ProjectPage | None, said: str) -> None:
    [found] = findings(release(matrix(), project_page=served))
    assert (found.check, found.message) == ("release/no-sdist", said)


def test_what_is_lost_is_told_in_one_sentence_for_each_python_or_platform() -> None:
    assert said("a lost python") == [
        "1.11.0 had wheels for cp310 on macosx_arm64, manylinux_x86_64, win_amd64; this release has none"
    ]
    assert said("a lost platform") == [
        "1.11.0 had wheels for win_amd64, for cp310, cp311, cp312, cp313; this release has none"
    ]
    assert said("a lost platform of one python") == [
        "1.11.0 had a wheel for cp310 on win_amd64; this release has none"
    ]


def test_metadata_that_differs_is_quoted() -> None:
    assert said("other requirements") == [
        "its Requires-Dist differs from that of 12 other files: it has vtk and lacks scipy>=1.8"
    ]
    assert said("no extra") == ["its Provides-Extra differs from that of 12 other files: it lacks test"]
    assert said("an sdist unlike its one wheel") == [
        "its Requires-Dist differs from that of another file: it lacks numpy>=1.22, scipy>=1.8"
    ]


def test_one_unlike_its_siblings_is_compared_with_them() -> None:
    assert said("a module missing") == [
        "it has 45 compiled modules; each of the 3 comparable wheels has 46 compiled modules"
    ]
    assert said("other packages") == [
        "it installs dipy, tests; each of the 7 comparable wheels installs dipy"
    ]
    assert said("nothing to import") == ["it installs nothing; each of the 3 comparable wheels installs dipy"]
    assert said("for a newer glibc") == [
        "it is for manylinux_x86_64 2.34; each of the 3 comparable wheels is for manylinux_x86_64 2.28"
    ]
    assert said("much smaller") == ["it has 3,000,000 bytes; comparable wheels have about 8,000,000"]


def test_many_differences_are_not_all_quoted() -> None:
    changes = metadata(Requires_Dist=tuple(f"a{number}" for number in range(40)))
    (found,) = findings(release(changed={WINDOWS: changes}))
    assert "a0, a1, a2, a3, a4 and 35 more" in found.message


# --- severities ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "a second sdist of its own",
        "an sdist with another spelling is there",
        "the release is 15 days old",
        "a large file",
        "too many files",
        "the same bytes under another name",
    ],
)
def test_rules_of_pypi_are_notes_elsewhere(fault: str) -> None:
    content, wanted, _ = FAULTS[fault]
    severities = {
        profile: {each.severity for each in findings(content, profile) if each.check == wanted}
        for profile in CheckProfile
    }
    assert severities == {CheckProfile.PYPI: {Severity.ERROR}, CheckProfile.ANY: {Severity.NOTE}}


def test_an_accepted_finding_is_marked() -> None:
    content = FAULTS["a lost python"][0]
    for accepted in ("release/lost-against-previous", "release"):
        found = checks.check_release(content, profile=CheckProfile.PYPI, ignore=[accepted])
        assert [each.is_ignored for each in found] == [True]
        assert checks.select_blocking(found, strict=True) == ()


# --- the release to compare with -------------------------------------------------------------------


def chosen(version: str, there: ProjectPage, like: str | None = None) -> str:
    return str(select_comparison_version(there, "dipy", Version(version), Version(like) if like else None))


def test_the_newest_final_release_below_is_compared_with() -> None:
    there = page("dipy-1.9.0.tar.gz", "dipy-1.10.0.tar.gz", "dipy-1.12.0rc1.tar.gz", "dipy-2.0.tar.gz")
    assert chosen("1.12.0", there) == "1.10.0"
    assert chosen("1.12.0rc2", there) == "1.10.0"
    assert chosen("1.10.0", there) == "1.9.0"
    assert chosen("1.10.0.post1", there) == "1.10.0"
    assert chosen("1.0", there) == "None"
    assert chosen("1.12.0", there, like="2.0.0") == "2.0.0"


def test_a_yanked_release_is_passed_over() -> None:
    there = page("dipy-1.10.0.tar.gz", *PREVIOUS)
    half = tuple(
        dataclasses.replace(file, yanked=file.filename.endswith("amd64.whl")) for file in there.files
    )
    yanked = tuple(dataclasses.replace(file, yanked="1.11" in file.filename) for file in there.files)
    assert chosen("1.12.0", dataclasses.replace(there, files=half)) == "1.11.0"
    assert chosen("1.12.0", dataclasses.replace(there, files=yanked)) == "1.10.0"
    # What is yanked of a release is not missed; a release that the person names is taken as it was.
    lost = [*matrix(platforms=PLATFORMS[:2]), SDIST]
    assert findings(release(lost, project_page=dataclasses.replace(there, files=half))) == ()
    named = release(
        lost, project_page=dataclasses.replace(there, files=yanked), comparison_version=Version("1.11")
    )
    assert [each.check for each in findings(named)] == ["release/lost-against-previous"]


def test_a_release_to_compare_with_has_to_be_there() -> None:
    with pytest.raises(UsageError, match=r"has no dipy 1\.8 to compare with") as caught:
        chosen("1.12.0", page(*PREVIOUS), like="1.8")
    assert "--no-compare" in caught.value.hint


# --- what is compared ------------------------------------------------------------------------------


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
def test_which_pythons_a_requires_python_admits(stated: str, python: str, admitted: bool) -> None:
    assert admits_python(parse_requires_python(stated), python) is admitted


def test_the_newest_final_version() -> None:
    versions = ["1.0", "1.2rc1", "1.1.dev1", "1.1+local", "1.0.post1", "0.9"]
    assert find_newest_final(map(Version, versions)) == Version("1.0.post1")
    assert find_newest_final(map(Version, ["1.0rc1", "1.0.dev1", "1.0+x"])) is None
    assert find_newest_final([]) is None


def test_only_lower_versions_are_compared_with() -> None:
    listed = page("dipy-1.12.0.tar.gz", "dipy-1.12.1.tar.gz", "dipy-1.11.0.tar.gz", "nipy-1.11.5.tar.gz", "x")
    assert select_comparison_version(listed, "dipy", Version("1.12.0"), None) == Version("1.11.0")
    assert select_comparison_version(listed, "dipy", Version("1.11.0"), None) is None
    assert select_comparison_version(listed, "dipy", Version("1.12.0"), Version("1.12.1")) == Version(
        "1.12.1"
    )
    with pytest.raises(UsageError, match=r"has no dipy 1\.11\.5 to compare with"):
        select_comparison_version(listed, "dipy", Version("1.12.0"), Version("1.11.5"))


def test_yanked_files_of_the_previous_release_do_not_count_unless_all_are() -> None:
    names_of = matrix(PYTHONS[:2], PLATFORMS[:1], "1.11.0")
    for yanked, left in ((names_of[:1], names_of[1:]), (names_of, names_of), ([], names_of)):
        listed = page(*names_of)
        marked = tuple(dataclasses.replace(file, yanked=file.filename in yanked) for file in listed.files)
        content = release(
            project_page=dataclasses.replace(listed, files=marked), comparison_version=Version("1.11.0")
        )
        assert [name.filename for name in content.previous_names] == left


def test_the_requires_python_of_most_files_counts() -> None:
    others = {name: metadata(Requires_Python=(">=3.12",)) for name in FULL[:6]}
    assert str(release(FULL, others).requires_python) == ">=3.10"
    assert str(release(FULL, {**others, FULL[6]: metadata(Requires_Python=(">=3.12",))}).requires_python) == (
        ">=3.12"
    )
    assert str(release(FULL, {name: metadata(Requires_Python=()) for name in FULL}).requires_python) == ""


def test_what_the_release_will_consist_of() -> None:
    listed = page(WINDOWS, wheel("cp314", "win_amd64"), *PREVIOUS, age=1)
    content = release(project_page=listed)
    assert [name.filename for name in content.all_names] == [*FULL, wheel("cp314", "win_amd64")]
    assert [name.filename for name, _ in content.published_files] == [WINDOWS, wheel("cp314", "win_amd64")]
    assert [name.filename for name in content.sdists] == [SDIST]


def test_a_long_list_is_cut() -> None:
    assert summarize_values(["a"] * 5) == "a, a, a, a, a"
    assert summarize_values(["a"] * 6) == "a, a, a, a, a and 1 more"
    assert summarize_values(["a", "b", "c"], 2) == "a, b and 1 more"
    assert summarize_values([]) == ""
