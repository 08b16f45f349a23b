"""File summaries: enough of each file for the checks of the release, and no more."""

from __future__ import annotations

import pickle

import pytest

from tests.support.zips import DIST_INFO, SDIST, WHEEL, content, filename_with_tag
from tools.testing.wheels import sdist_bytes, wheel_bytes
from wheel_uploader import checks
from wheel_uploader.checks import file_summary
from wheel_uploader.core.models import CheckProfile, FileSummary

LINUX = "cp312-cp312-manylinux_2_28_x86_64"
HEAD = "Metadata-Version: 2.4\nName: dipy\nVersion: 1.11.0\n"


def summarize(data: bytes, filename: str = WHEEL) -> FileSummary:
    return file_summary.summarize_file(content(data, filename))


def metadata_field(name: str, *headers: str, description: str = "") -> tuple[str, ...]:
    text = "\n".join([HEAD.rstrip(), *headers, "", description])
    return summarize(wheel_bytes(metadata=text)).metadata[name]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Requires-Dist", "Requires-Dist: numpy >=1.22", "Requires-Dist: numpy>=1.22"),
        ("Requires-Dist", "Requires-Dist: a; extra=='x'", 'Requires-Dist: a ; extra == "x"'),
        ("Requires-Dist", "Requires-Dist: a\nRequires-Dist: b", "Requires-Dist: b\nRequires-Dist: a"),
        ("Requires-Dist", "Requires-Dist: not  a (requirement", "Requires-Dist: not a (requirement"),
        ("Requires-Dist", "Requires-Dist: sphinx_rtd_theme>1", "Requires-Dist: Sphinx-RTD-theme>1"),
        ("Requires-Python", "Requires-Python: >=3.9, <4", "Requires-Python: <4,>=3.9"),
        ("Provides-Extra", "Provides-Extra: Test_All", "Provides-Extra: test-all"),
        ("License", "License: The licence\n        text", "License: The licence text"),
        ("License", "License: " + "a b " * 200 + "linux", "License: " + "a b " * 200 + "windows"),
        ("License", "License-Expression: MIT", "License-Expression: MIT\nAuthor: x"),
        ("License", "License: MIT", "License: MIT License"),
    ],
)
def test_equivalent_metadata_is_equal(name: str, first: str, second: str) -> None:
    assert metadata_field(name, first) == metadata_field(name, second) != ()


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("Requires-Dist", "Requires-Dist: numpy>=1.22", "Requires-Dist: numpy>=1.23"),
        ("Requires-Dist", "Requires-Dist: numpy", "Author: x"),
        ("Requires-Python", "Requires-Python: >=3.9", "Requires-Python: >=3.10"),
        ("Requires-Python", "Requires-Python: three", "Requires-Python: four"),
        ("Requires-Dist", "Requires-Dist: sphinx_rtd_theme", "Requires-Dist: sphinx_theme"),
        ("License", "License: MIT", "License-Expression: BSD-3-Clause"),
        ("License", "License: MIT License", "License: BSD License"),
    ],
)
def test_different_metadata_is_not_equal(name: str, first: str, second: str) -> None:
    assert metadata_field(name, first) != metadata_field(name, second)


def test_compares_descriptions_without_trailing_whitespace() -> None:
    assert metadata_field("Description", description="One\nTwo\n") == metadata_field(
        "Description", description="One  \nTwo\n\n"
    )
    assert metadata_field("Description", description="One\r\nTwo\r\n") == metadata_field(
        "Description", description="One\nTwo"
    )
    assert metadata_field("Description", description="One") != metadata_field(
        "Description", description="Two"
    )
    assert metadata_field("Description") == ()


def test_summarizes_a_wheel() -> None:
    files = {
        "_dipy.cpython-312-x86_64-linux-gnu.so": b"x",
        "dipy/core.cpython-312-x86_64-linux-gnu.so": b"x",
        "dipy.libs/libgomp-1.so.1": b"x",
        "dipy/.dylibs/libomp.dylib": b"x",
        "dipy-1.11.0.data/purelib/other/__init__.py": b"",
        "dipy-1.11.0.data/scripts/dipy_fit": b"",
    }
    wheel = "Wheel-Version: 1.0\r\nGenerator: meson \r\nGenerator: delocate 0.13.0\r\n"
    summary = summarize(wheel_bytes(tag=LINUX, files=files, wheel=wheel), filename_with_tag(LINUX))
    assert summary.top_level == ("_dipy", "dipy", "other")
    assert summary.binary_count == 2
    assert summary.generator == "meson"
    assert summary.dynamic_fields is None


@pytest.mark.parametrize(
    ("version", "dynamic"),
    [("2.1", None), ("2.2", frozenset({"license"})), ("x", None), ("2.4", frozenset({"license"}))],
)
def test_lists_the_dynamic_fields_of_an_sdist(version: str, dynamic: frozenset[str] | None) -> None:
    text = HEAD.replace("2.4", version) + "Dynamic: License\n"
    assert summarize(sdist_bytes(metadata=text), SDIST).dynamic_fields == dynamic


def test_summarizes_a_file_without_metadata() -> None:
    for data in (b"", wheel_bytes(without=(f"{DIST_INFO}/METADATA", f"{DIST_INFO}/WHEEL"))):
        summary = summarize(data)
        assert summary.metadata == {}
        assert summary.generator == ""


def test_keeps_the_summary_of_a_large_file_small() -> None:
    requires = "".join(f"Requires-Dist: {'a' * 90}{number}\n" for number in range(2000))
    extras = "".join(f"Dynamic: {'x' * 90}{number}\n" for number in range(2000))
    files = {f"{'m' * 150}{number}.py": b"" for number in range(2000)}
    text = HEAD + requires + extras + "\n" + "word " * 20_000
    summary = summarize(wheel_bytes(metadata=text, files=files, wheel=f"Generator: {'g' * 5000}\n"))
    assert len(pickle.dumps(summary)) < 64_000
    assert summary.metadata["Requires-Dist"][0].startswith("2000 values with sha256 ")
    shorter = summarize(wheel_bytes(metadata=text.replace("a0\n", "b0\n")))
    assert shorter.metadata["Requires-Dist"] != summary.metadata["Requires-Dist"]


def test_an_inspection_has_findings_and_a_summary() -> None:
    result = checks.inspect_content(content(b"<html>"), profile=CheckProfile.PYPI)
    assert {finding.check for finding in result.findings} == {"archive/unreadable"}
    assert result.summary is not None
    assert result.summary.size == 6
