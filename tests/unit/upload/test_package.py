"""Test that the form of an upload is the one that twine makes, from bytes that are open already."""

from __future__ import annotations

from pathlib import Path

import pytest
from twine.exceptions import InvalidDistribution
from twine.package import PackageFile

from tools.testing import wheels
from tools.testing.indexes import local_file
from wheel_uploader.upload.package import InvalidMetadata, open_package

HEAD = "Metadata-Version: {}\nName: Dipy.X\nVersion: 1.11\n"


def test_forms_of_a_release_are_those_of_twine(tmp_path: Path) -> None:
    for path in wheels.make_release(tmp_path):
        with open_package(local_file(path)) as package:
            assert (
                package.metadata_dictionary()
                == PackageFile.from_filename(str(path), None).metadata_dictionary()
            )


@pytest.mark.parametrize("version", ["1.0", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5", "9.9", "", "x"])
@pytest.mark.parametrize(
    "fields",
    [
        "",
        "License-File: LICENSE\n",
        "License-Expression: MIT\n",
        "Project-URL: a, https://b\nKeywords: c,d\nClassifier: e\nClassifier: f\n",
        "Requires-Python: three\nRequires-Dist: ???\n",
        "X-Odd: 1\n",
        "Summary: a\nSummary: b\n",
        "Dynamic: version\n",
        "\nA description.\n",
    ],
)
def test_metadata_is_judged_as_by_twine(tmp_path: Path, version: str, fields: str) -> None:
    path = wheels.make_wheel(tmp_path, metadata=HEAD.format(version) + fields)
    expected, form = "", {}
    try:
        form = dict(PackageFile.from_filename(str(path), None).metadata_dictionary())
    except (InvalidDistribution, ValueError) as error:
        expected = str(error)
    try:
        with open_package(local_file(path)) as package:
            assert dict(package.metadata_dictionary()) == form
    except (InvalidMetadata, ValueError) as error:
        assert str(error) == expected
    else:
        assert not expected
