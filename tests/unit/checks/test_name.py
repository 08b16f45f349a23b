"""File names: each fault is planted alone, and reported by its check."""

from __future__ import annotations

import pytest

from tests.support.zips import check_ids, findings
from tools.testing.wheels import sdist_bytes, wheel_bytes, wheel_filename
from wheel_uploader.core.models import CheckProfile, Severity

NOTES = {"name/tags-unsorted", "name/unknown-tag"}


def reported_checks(project: str, version: str, tag: str = "py3-none-any") -> set[str]:
    filename = f"{project}-{version}-{tag}.whl"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
    return {
        check
        for check in check_ids(findings(wheel_bytes(project, version, tag, metadata=metadata), filename))
        if check.startswith("name/")
    }


@pytest.mark.parametrize(
    ("project", "version", "tag", "expected"),
    [
        ("some__thing", "1.0", "py3-none-any", {"name/invalid", "name/not-normalized"}),
        ("Some_Thing", "1.0", "py3-none-any", {"name/not-normalized"}),
        ("some.thing", "1.0", "py3-none-any", {"name/not-normalized"}),
        ("dipy", "1.00", "py3-none-any", {"name/version-not-normalized"}),
        ("dipy", "1.0_1", "py3-none-any", {"name/invalid", "name/version-not-normalized"}),
        ("dipy", "1.0+cu128", "py3-none-any", {"name/local-version"}),
        ("dipy", "1.0", "py3.py2-none-any", {"name/tags-unsorted"}),
        ("dipy", "1.0", "cp3x-none-any", {"name/unknown-tag"}),
        ("dipy", "1.0", "cp312-banana-any", {"name/unknown-tag"}),
        ("dipy", "1.0", "py3-none-amiga", {"name/unknown-tag", "name/platform-refused"}),
        ("some_thing", "1.0", "py3-none-any", set()),
        ("dipy", "1.0rc1", "py3-none-any", set()),
    ],
)
def test_reports_each_fault_of_a_name(project: str, version: str, tag: str, expected: set[str]) -> None:
    assert reported_checks(project, version, tag) == expected


@pytest.mark.parametrize(
    "platform",
    [
        "linux_x86_64",
        "linux_aarch64",
        "macosx_11_2_arm64",
        "macosx_14_2_universal2",
        "macosx_27_0_arm64",
        "macosx_16_0_arm64",
        "macosx_11_0_sparc",
        "manylinux_2_36_loongarch64",
        "musllinux_1_2_ppc64",
        "manylinux1_aarch64",
        "pyodide_2024_0_wasm32",
        "wasi_0_0_wasm32",
        "freebsd_14_amd64",
    ],
)
def test_reports_a_platform_that_pypi_rejects_as_a_note_for_other_indexes(platform: str) -> None:
    filename = wheel_filename("dipy", "1.11.0", f"cp312-cp312-{platform}")
    data = wheel_bytes(tag=f"cp312-cp312-{platform}")
    [finding] = findings(data, filename)
    assert (finding.check, finding.severity) == ("name/platform-refused", Severity.ERROR)
    assert f"'{platform}'" in finding.message
    [finding] = findings(data, filename, profile=CheckProfile.ANY)
    assert finding.severity is Severity.NOTE


@pytest.mark.parametrize(
    "platform",
    [
        "any",
        "win32",
        "win_amd64",
        "win_arm64",
        "linux_armv6l",
        "linux_armv7l",
        "manylinux1_i686",
        "manylinux2010_x86_64",
        "manylinux2014_s390x",
        "manylinux_2_28_riscv64",
        "manylinux_2_17_ppc64",
        "musllinux_1_2_armv7l",
        "macosx_10_9_x86_64",
        "macosx_10_13_universal2",
        "macosx_11_0_arm64",
        "macosx_15_0_arm64",
        "macosx_26_0_arm64",
        "ios_13_0_arm64_iphoneos",
        "ios_13_0_x86_64_iphonesimulator",
        "android_24_arm64_v8a",
        "pyemscripten_2025_0_wasm32",
    ],
)
def test_accepts_each_platform_that_pypi_accepts(platform: str) -> None:
    assert reported_checks("dipy", "1.0", f"cp312-cp312-{platform}") == set()


@pytest.mark.parametrize(
    "tag",
    [
        "cp313-cp313t-win_amd64",
        "cp314-cp314-win_amd64",
        "cp39-abi3-win_amd64",
        "cp315-abi3t-win_amd64",
        "pp310-pypy310_pp73-win_amd64",
        "pp311-pypy311_pp73-macosx_11_0_arm64",
        "graalpy311-graalpy242_311_native-win_amd64",
        "cp27-cp27mu-manylinux1_x86_64",
        "py2.py3-none-any",
        "py38-none-win32",
    ],
)
def test_accepts_tags_of_real_wheels(tag: str) -> None:
    assert reported_checks("dipy", "1.0", tag) == set()


def test_reports_the_local_version_of_an_sdist() -> None:
    reported = findings(sdist_bytes("dipy", "1.0+abc"), "dipy-1.0+abc.tar.gz")
    assert check_ids(reported) == {"name/local-version"}
