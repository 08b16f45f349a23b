"""Test that pip accepts the small wheels that the tests build."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from tools.testing.wheels import (
    RELEASE_TAGS,
    make_release,
    make_sdist,
    make_wheel,
    sdist_bytes,
    wheel_bytes,
    wheel_members,
)


def pip(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def install_into(target: Path, wheel: Path, *options: str) -> set[str]:
    """Install a wheel with pip and return the installed files."""
    completed = pip("install", "--no-index", "--no-deps", "--no-compile", *options, "--target", target, wheel)
    assert completed.returncode == 0, completed.stderr
    return {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}


@pytest.mark.parametrize("build", ["", "1"])
def test_pip_installs_a_built_wheel(tmp_path: Path, build: str) -> None:
    wheel = make_wheel(
        tmp_path,
        "Some.Project",
        "1.0rc1",
        "py2.py3-none-any",
        build=build,
        files={"some_project/a b.txt": b"x"},
    )
    assert install_into(tmp_path / "target", wheel) >= {
        "some_project/__init__.py",
        "some_project/a b.txt",
        "some_project-1.0rc1.dist-info/METADATA",
        "some_project-1.0rc1.dist-info/RECORD",
    }
    listed = pip("list", "--path", tmp_path / "target", "--format", "freeze").stdout
    assert listed.splitlines() == ["Some.Project==1.0rc1"]


def test_pip_accepts_every_wheel_of_a_release_on_its_platform(tmp_path: Path) -> None:
    *wheels, sdist = make_release(tmp_path)
    assert len(wheels) == len(RELEASE_TAGS)
    assert parse_sdist_filename(sdist.name)[0] == "dipy"
    for wheel in wheels:
        tag = next(iter(parse_wheel_filename(wheel.name)[3]))
        completed = pip(
            *(
                "install",
                "--dry-run",
                "--no-index",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--target",
                tmp_path,
            ),
            *("--platform", tag.platform, "--implementation", "cp", "--python-version", tag.interpreter[2:]),
            wheel,
        )
        assert "Would install dipy-1.11.0" in completed.stdout, completed.stderr


def test_pip_rejects_a_damaged_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, without=("dipy-1.11.0.dist-info/WHEEL",))
    completed = pip("install", "--no-index", "--no-deps", "--target", tmp_path / "target", wheel)
    assert completed.returncode
    assert "WHEEL" in completed.stderr


def test_replaces_only_the_given_members() -> None:
    original = wheel_members()
    modified = wheel_members(metadata="M", wheel="W", record="R")
    assert {name: modified[name] for name in original if modified[name] != original[name]} == {
        "dipy-1.11.0.dist-info/METADATA": b"M",
        "dipy-1.11.0.dist-info/WHEEL": b"W",
        "dipy-1.11.0.dist-info/RECORD": b"R",
    }
    # A removed member stays in RECORD, so that the wheel is faulty.
    without = wheel_members(without=("dipy/__init__.py",))
    assert original.keys() - without.keys() == {"dipy/__init__.py"}
    assert without["dipy-1.11.0.dist-info/RECORD"] == original["dipy-1.11.0.dist-info/RECORD"]


def test_builds_are_reproducible() -> None:
    assert wheel_bytes() == wheel_bytes()
    assert sdist_bytes() == sdist_bytes()
    assert wheel_bytes() != wheel_bytes(version="1.11.1")


def test_a_wheel_is_a_valid_zip_with_valid_metadata(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_wheel(tmp_path)) as archive:
        assert archive.testzip() is None
        metadata = Metadata.from_email(archive.read("dipy-1.11.0.dist-info/METADATA"))
    assert (metadata.name, str(metadata.version)) == ("dipy", "1.11.0")


def test_an_sdist_is_one_directory_with_valid_metadata(tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "Some.Project", "1.0", files={"src/a.py": b"x = 1\n"})
    assert path.name == "some_project-1.0.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(path.read_bytes()))) as archive:
        assert archive.getnames() == [
            f"some_project-1.0/{name}" for name in ("PKG-INFO", "pyproject.toml", "src/a.py")
        ]
        text = archive.extractfile("some_project-1.0/PKG-INFO")
        assert text
        assert Metadata.from_email(text.read()).name == "Some.Project"
