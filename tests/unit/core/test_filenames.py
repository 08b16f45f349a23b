"""File names: parsing wheel and sdist names, and selecting the files of a release."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.models import RemoteFile, SdistName, WheelName


def make_listing(*filenames: str) -> list[RemoteFile]:
    return [RemoteFile(filename=name, url=f"http://127.0.0.1/{name}", source="test") for name in filenames]


def test_parses_a_wheel_name() -> None:
    name = core_filenames.parse_filename(
        "Some.Thing-1.0-2b-cp311.cp312-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    )
    assert isinstance(name, WheelName)
    assert (name.project, str(name.version), name.build) == ("some-thing", "1.0", "2b")
    assert name.pythons == ("cp311", "cp312")
    assert len(name.tags) == 4


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("", "the name is empty"),
        (".dipy-1.0-py3-none-any.whl", "a hidden file"),
        ("dipy-1.11.0-py3-none-any.whl.part", "neither a wheel nor an sdist"),
        ("dipy-1.11.0-py3-none-any.whl.metadata", "neither a wheel nor an sdist"),
        ("dipy-1.11.0-py3-none-any.whl.asc", "neither a wheel nor an sdist"),
        (
            "dipy-1.11.0-py3-none-any (1).whl",
            "the name has characters that are not allowed in a wheel or sdist name",
        ),
        (
            "dipy-1.11.0-py3-none-any\x1b[31m.whl",
            "the name has characters that are not allowed in a wheel or sdist name",
        ),
        (
            "dipy-1.11.0-py3-none-\uff41ny.whl",
            "the name has characters that are not allowed in a wheel or sdist name",
        ),
        ("../dipy-1.11.0-py3-none-any.whl", "a hidden file"),
        (
            "a/dipy-1.11.0-py3-none-any.whl",
            "the name has characters that are not allowed in a wheel or sdist name",
        ),
        ("dipy-1.11.0.whl", "a wheel name has 5 or 6 parts separated by dashes, not 2"),
        ("scipy-openblas32-0.3-py3-none-any.whl", "'openblas32' is not a version (PEP 440)"),
        ("dipy-1.11.0-x1-cp311-cp311-any.whl", "the build tag 'x1' does not start with a digit"),
        ("dipy-banana-py3-none-any.whl", "'banana' is not a version (PEP 440)"),
        ("dipy-1.11.0.tar.bz2", "an sdist must be a .tar.gz (PEP 625)"),
        ("dipy.tar.gz", "an sdist name is PROJECT-VERSION.tar.gz"),
        ("d" * 200 + "-1.0-py3-none-any.whl", "the name is longer than 200 bytes"),
        (
            "d-1-" + ".".join(["p"] * 10) + "-" + ".".join(["a"] * 10) + "-" + ".".join(["b"] * 10) + ".whl",
            "the name expands to more than 512 tags",
        ),
    ],
)
def test_rejects_an_invalid_name_with_a_reason(filename: str, reason: str) -> None:
    with pytest.raises(core_filenames.InvalidFilename) as caught:
        core_filenames.parse_filename(filename)
    assert str(caught.value) == reason


def test_selects_a_release_by_parsed_names() -> None:
    selection = core_filenames.select_files(
        make_listing(
            "dipy-1.11.0.tar.gz",
            "dipy-1.11-cp310-cp310-win_amd64.whl",
            "Dipy-1.11.00-1-cp311-cp311-win_amd64.whl",
            "dipy-1.11.0+cu121-cp310-cp310-win_amd64.whl",
            "dipy-11.11.0-cp310-cp310-win_amd64.whl",
            "dipy-1.11.0.post1-cp310-cp310-win_amd64.whl",
            "dipy_horizon-1.11.0-cp310-cp310-win_amd64.whl",
            "README.txt",
        ),
        "DIPY",
        Version("1.11.0"),
    )
    assert [file.filename for _, file in selection.files] == [
        "Dipy-1.11.00-1-cp311-cp311-win_amd64.whl",
        "dipy-1.11-cp310-cp310-win_amd64.whl",
        "dipy-1.11.0.tar.gz",
    ]
    assert {refusal.filename: refusal.reason for refusal in selection.excluded_files} == {
        "dipy-1.11.0+cu121-cp310-cp310-win_amd64.whl": (
            "version 1.11.0+cu121, not 1.11.0 (a local version is another release)"
        ),
        "dipy-11.11.0-cp310-cp310-win_amd64.whl": "version 11.11.0, not 1.11.0",
        "dipy-1.11.0.post1-cp310-cp310-win_amd64.whl": "version 1.11.0.post1, not 1.11.0",
        "dipy_horizon-1.11.0-cp310-cp310-win_amd64.whl": "project dipy-horizon, not dipy",
        "README.txt": "neither a wheel nor an sdist",
    }


@pytest.mark.parametrize(
    ("types", "platforms"),
    [
        (("all",), {"macosx_11_0_arm64", "win_amd64", "manylinux1_x86_64", "linux_x86_64", "any", "sdist"}),
        (("macosx",), {"macosx_11_0_arm64"}),
        (("win",), {"win_amd64"}),
        (("linux",), {"manylinux1_x86_64", "linux_x86_64", "musllinux_1_2_x86_64", "manylinux2014_x86_64"}),
        (("manylinux",), {"manylinux1_x86_64", "manylinux2014_x86_64"}),
        (("manylinux1",), {"manylinux1_x86_64"}),
        (("musllinux", "any"), {"musllinux_1_2_x86_64", "any"}),
        (("arm64",), {"macosx_11_0_arm64"}),
    ],
)
def test_selects_types_by_platform(types: tuple[str, ...], platforms: set[str]) -> None:
    everything = {
        "macosx_11_0_arm64",
        "win_amd64",
        "manylinux1_x86_64",
        "manylinux2014_x86_64",
        "musllinux_1_2_x86_64",
        "linux_x86_64",
        "any",
    }
    files = [f"dipy-1.0-cp312-cp312-{platform}.whl" for platform in everything] + ["dipy-1.0.tar.gz"]
    selection = core_filenames.select_files(make_listing(*files), "dipy", Version("1.0"), types)
    selected = {"sdist" if isinstance(name, SdistName) else name.platforms[0] for name, _ in selection.files}
    assert selected == (everything | {"sdist"} if types == ("all",) else platforms)


def test_latest_includes_prereleases_only_on_request() -> None:
    files = make_listing(
        "dipy-1.9.0.tar.gz", "dipy-1.10.0.tar.gz", "dipy-1.11.0rc1.tar.gz", "dipy-2.0+local.tar.gz"
    )
    assert core_filenames.find_latest_version(files, "dipy") == Version("1.10.0")
    assert core_filenames.find_latest_version(files, "dipy", include_prereleases=True) == Version("1.11.0rc1")
    assert core_filenames.find_latest_version(files, "nipy") is None
    assert core_filenames.list_projects(files) == ("dipy",)


@given(st.text())
def test_accepts_or_rejects_any_text_as_a_name(text: str) -> None:
    for filename in (text, text + ".whl", f"dipy-1.0-{text}.whl", text + ".tar.gz"):
        try:
            name = core_filenames.parse_filename(filename)
        except core_filenames.InvalidFilename as error:
            assert str(error)
        else:
            assert name.filename == filename
            assert filename.isascii()
            assert not {"/", "\\", "\x00", " "} & set(filename)


@given(
    project=st.from_regex(r"[a-z][a-z0-9_]{0,10}[a-z0-9]", fullmatch=True),
    version=st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}(rc[0-9])?", fullmatch=True),
    build=st.sampled_from(["", "1", "2x"]),
)
def test_parses_a_generated_name_into_its_parts(project: str, version: str, build: str) -> None:
    filename = "-".join(part for part in (project, version, build, "cp312", "abi3", "win32") if part) + ".whl"
    name = core_filenames.parse_filename(filename)
    assert isinstance(name, WheelName)
    assert (name.raw_project, name.version, name.build) == (project, Version(version), build)


@pytest.mark.parametrize(
    ("filename", "reason"),
    [
        ("dipy-1.11.0-py3-none-any.whl", ""),
        ("dipy-1.11-py3-none-any.whl", ""),
        ("dipy-1.11.0.0-1-py3-none-any.whl", ""),
        ("dipy-1.1-py3-none-any.whl", "version 1.1, not 1.11.0"),
        ("dipy-1.110-py3-none-any.whl", "version 1.110, not 1.11.0"),
        ("dipy-1.11.1-2-py3-none-any.whl", "version 1.11.1, not 1.11.0"),
        ("dipy-01.12-py3-none-any.whl", "version 1.12, not 1.11.0"),
        ("dipy-1.11.0rc1-py3-none-any.whl", "version 1.11.0rc1, not 1.11.0"),
        ("dipy-1!1.11.0-py3-none-any.whl", "version 1!1.11.0, not 1.11.0"),
        ("Dipy.Extra-1.11.0-py3-none-any.whl", "project dipy-extra, not dipy"),
        ("dipy-1.12-py3-none.whl", "a wheel name has 5 or 6 parts separated by dashes, not 4"),
        ("dipy-1.12-x-py3-none-any.whl", "the build tag 'x' does not start with a digit"),
        ("dipy-1.12-py3-none-a..b.whl", "'' is not a tag"),
        ("dipy_-1.12-py3-none-any.whl", "'dipy_' is not a project name"),
        (f"dipy-1.12-py3-none-{'a' * 200}.whl", "the name is longer than 200 bytes"),
        (".dipy-1.12-py3-none-any.whl", "a hidden file"),
    ],
)
def test_reason_for_a_wheel_of_another_release(filename: str, reason: str) -> None:
    listed = RemoteFile(filename=filename, url=f"https://staging.example/{filename}", source="here")
    selection = core_filenames.select_files([listed], "dipy", Version("1.11.0"))
    assert len(selection.files) == (not reason)
    assert [file.reason.startswith(reason) for file in selection.excluded_files] == [True] * bool(reason)


def test_a_public_version_is_another_release_than_its_local_version() -> None:
    listed = [
        RemoteFile(
            filename=f"dipy-{version}-py3-none-any.whl", url="https://staging.example/x", source="here"
        )
        for version in ("1.11.0", "1.11", "1.12")
    ]
    selection = core_filenames.select_files(listed, "dipy", Version("1.11.0+cu121"))
    assert [file.reason for file in selection.excluded_files] == [
        "version 1.11.0, not 1.11.0+cu121 (a local version is another release)",
        "version 1.11, not 1.11.0+cu121",
        "version 1.12, not 1.11.0+cu121",
    ]
