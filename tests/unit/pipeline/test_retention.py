"""What leaves a wheelhouse: by PEP 440, only whole releases, only what the index serves with these bytes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from tests.support import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.models import IndexFile, Options, ProjectPage, Selection
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import retention
from wheel_uploader.wheelhouse.digests import compute_digests, open_local_file, read_chunks
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY, ResumeMetadata, Wheelhouse

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


class Heard(SilentProgress):
    """A Progress that keeps what ``-v`` would show."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def debug(self, text: str) -> None:
        self.said.append(text)


def sha256_of(file: IndexFile) -> str:
    return file.hashes["sha256"]


def served(*paths: Path) -> ProjectPage:
    files = (
        IndexFile(
            filename=path.name,
            url=f"https://index.example.com/{path.name}",
            hashes={"sha256": compute_digests(read_chunks(open_local_file(path), str(path)), None).sha256},
        )
        for path in paths
    )
    return ProjectPage(url="https://index.example.com/simple/dipy/", exists=True, files=tuple(files))


def tidied(
    folder: Path,
    page: ProjectPage,
    *,
    current: str,
    keep: int | None = None,
    keep_days: int | None = None,
    dry_run: bool = False,
    heard: Heard | None = None,
) -> list[str]:
    """The versions that left the wheelhouse."""
    options = Options(
        project="dipy",
        version="latest",
        urls=("https://staging.example.com/",),
        keep_releases=keep,
        keep_days=keep_days,
        dry_run=dry_run,
    )
    project = filenames.parse_filename(f"dipy-{current}-py3-none-any.whl").project
    selection = Selection(project=project, version=Version(current), files=())
    with Wheelhouse(folder) as house:
        removed = retention.prune_wheelhouse(
            house, options, selection, page, sha256_of, now=NOW, progress=heard or Heard()
        )
    return [str(removal.version) for removal in removed]


def versions(**days_old: float) -> dict[Version, datetime]:
    return {
        Version(name.replace("_", ".")[1:]): NOW - timedelta(days=days) for name, days in days_old.items()
    }


TIMES = versions(v1_0_dev2=20, v1_0_dev10=10, v1_0=5, v1_1_dev1=1)


@pytest.mark.parametrize(
    ("keep", "days", "current", "gone"),
    [
        (2, None, "1.1.dev1", ["1.0.dev2", "1.0.dev10"]),
        (1, None, "1.1.dev1", ["1.0.dev2", "1.0.dev10", "1.0"]),
        (9, None, "1.1.dev1", []),
        # The current release is kept, wherever it stands.
        (1, None, "1.0.dev2", ["1.0.dev10", "1.0"]),
        (None, 7, "1.1.dev1", ["1.0.dev2", "1.0.dev10"]),
        (None, 1, "1.0.dev2", ["1.0.dev10", "1.0"]),
        # What either rule keeps stays.
        (1, 7, "1.1.dev1", ["1.0.dev2", "1.0.dev10"]),
        (3, 1, "1.1.dev1", ["1.0.dev2"]),
    ],
)
def test_which_versions_are_too_many(
    keep: int | None, days: int | None, current: str, gone: list[str]
) -> None:
    since = None if days is None else NOW - timedelta(days=days)
    found = retention.versions_to_remove(TIMES, Version(current), keep_releases=keep, keep_since=since)
    assert list(map(str, found)) == gone


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A wheelhouse with three releases of dipy and what else may be there."""
    folder = tmp_path / "house"
    for version in ("1.0.dev1", "1.0.dev2", "1.0"):
        wheels.make_wheel(folder, version=version)
        wheels.make_sdist(folder, version=version)
    return folder


def of(folder: Path, version: str) -> list[Path]:
    return sorted(
        path
        for path in folder.glob("dipy-*")
        if filenames.parse_filename(path.name).version == Version(version)
    )


def test_a_release_goes_with_its_signatures_and_notes(house: Path) -> None:
    gone = of(house, "1.0.dev1")
    page = served(*gone)
    for suffix in (".asc", ".publish.attestation"):
        (house / f"{gone[0].name}{suffix}").write_text("something about it")
    with Wheelhouse(house) as open_house:
        open_house.store_metadata(gone[0].name, ResumeMetadata(url="https://staging.example.com/x"))
    assert tidied(house, page, current="1.0", keep=2, dry_run=True) == ["1.0.dev1"]
    assert gone[0].exists()
    assert tidied(house, page, current="1.0", keep=2) == ["1.0.dev1"]
    assert not [path for path in house.rglob("*") if "dev1" in path.name]
    assert len(of(house, "1.0.dev2")) == len(of(house, "1.0")) == 2


def test_what_is_not_confirmed_keeps_its_whole_release(house: Path) -> None:
    whole, half = of(house, "1.0.dev1"), of(house, "1.0.dev2")
    heard = Heard()
    assert tidied(house, served(*whole, half[0]), current="1.0", keep=1, heard=heard) == ["1.0.dev1"]
    assert all(path.exists() for path in half)
    assert heard.said == [
        f"dipy 1.0.dev2 is kept in the wheelhouse: the index does not serve {half[1].name} with equal bytes"
    ]


def test_the_same_name_with_other_bytes_is_not_confirmed(house: Path) -> None:
    page = served(*of(house, "1.0.dev1"))
    changed = of(house, "1.0.dev1")[0]
    changed.write_bytes(changed.read_bytes() + b"x")
    assert tidied(house, page, current="1.0", keep=2) == []
    assert changed.exists()


def test_others_are_not_looked_at(house: Path, tmp_path: Path) -> None:
    other = wheels.make_wheel(house, "dipy-horizon", "0.1")
    elsewhere = wheels.make_wheel(tmp_path / "elsewhere", version="0.9")
    link = house / elsewhere.name
    link.symlink_to(elsewhere)
    (house / "dipy-0.8-py3-none-any.whl").mkdir()
    (house / "notes.txt").write_text("x")
    page = served(other, elsewhere, *of(tmp_path, "0"))
    assert tidied(house, page, current="1.0", keep=1) == []
    assert link.is_symlink()
    assert elsewhere.exists()
    assert other.exists()


def test_days_count_from_when_the_newest_file_came(house: Path) -> None:
    for number, path in enumerate(of(house, "1.0.dev1")):
        when = (NOW - timedelta(days=40 - 30 * number)).timestamp()
        os.utime(path, (when, when))
    page = served(*of(house, "1.0.dev1"))
    assert tidied(house, page, current="1.0", keep_days=30) == []
    for path in of(house, "1.0.dev1"):
        when = (NOW - timedelta(days=31)).timestamp()
        os.utime(path, (when, when))
    assert tidied(house, page, current="1.0", keep_days=30) == ["1.0.dev1"]


def test_nothing_goes_unasked(house: Path) -> None:
    assert tidied(house, served(*house.glob("dipy-*")), current="1.0") == []
    assert (house / HIDDEN_DIRECTORY).is_dir()
