"""Test pruning: in PEP 440 order, only complete releases, only files that the index serves unchanged."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from tools.testing import wheels
from wheel_uploader.core import filenames
from wheel_uploader.core.models import IndexFile, Options, ProjectPage, Selection
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.pipeline import retention
from wheel_uploader.wheelhouse.digests import compute_digests, open_local_file, read_chunks
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY, ResumeMetadata, Wheelhouse

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


class DebugMessages(SilentProgress):
    """Collect the messages that ``-v`` would print."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)


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


def prune(
    folder: Path,
    page: ProjectPage,
    *,
    current: str,
    keep: int | None = None,
    keep_days: int | None = None,
    dry_run: bool = False,
    messages: DebugMessages | None = None,
) -> list[str]:
    """Prune the wheelhouse and return the removed versions."""
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
    with Wheelhouse(folder) as opened:
        removals = retention.prune_wheelhouse(
            opened, options, selection, page, sha256_of, now=NOW, progress=messages or DebugMessages()
        )
    return [str(removal.version) for removal in removals]


def times_by_version(**days_old: float) -> dict[Version, datetime]:
    return {
        Version(name.replace("_", ".")[1:]): NOW - timedelta(days=days) for name, days in days_old.items()
    }


TIMES = times_by_version(v1_0_dev2=20, v1_0_dev10=10, v1_0=5, v1_1_dev1=1)


@pytest.mark.parametrize(
    ("keep", "days", "current", "removed"),
    [
        (2, None, "1.1.dev1", ["1.0.dev2", "1.0.dev10"]),
        (1, None, "1.1.dev1", ["1.0.dev2", "1.0.dev10", "1.0"]),
        (9, None, "1.1.dev1", []),
        # The current release is kept, whatever its position.
        (1, None, "1.0.dev2", ["1.0.dev10", "1.0"]),
        (None, 7, "1.1.dev1", ["1.0.dev2", "1.0.dev10"]),
        (None, 1, "1.0.dev2", ["1.0.dev10", "1.0"]),
        # A release is kept if either rule keeps it.
        (1, 7, "1.1.dev1", ["1.0.dev2", "1.0.dev10"]),
        (3, 1, "1.1.dev1", ["1.0.dev2"]),
    ],
)
def test_selects_the_versions_to_remove(
    keep: int | None, days: int | None, current: str, removed: list[str]
) -> None:
    since = None if days is None else NOW - timedelta(days=days)
    versions = retention.versions_to_remove(TIMES, Version(current), keep_releases=keep, keep_since=since)
    assert list(map(str, versions)) == removed


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """Return a wheelhouse with three releases of dipy."""
    folder = tmp_path / "house"
    for version in ("1.0.dev1", "1.0.dev2", "1.0"):
        wheels.make_wheel(folder, version=version)
        wheels.make_sdist(folder, version=version)
    return folder


def files_of(folder: Path, version: str) -> list[Path]:
    return sorted(
        path
        for path in folder.glob("dipy-*")
        if filenames.parse_filename(path.name).version == Version(version)
    )


def test_removes_a_release_with_its_signatures_and_metadata(wheelhouse: Path) -> None:
    removed = files_of(wheelhouse, "1.0.dev1")
    page = served(*removed)
    for suffix in (".asc", ".publish.attestation"):
        (wheelhouse / f"{removed[0].name}{suffix}").write_text("something about it")
    with Wheelhouse(wheelhouse) as opened:
        opened.store_metadata(removed[0].name, ResumeMetadata(url="https://staging.example.com/x"))
    assert prune(wheelhouse, page, current="1.0", keep=2, dry_run=True) == ["1.0.dev1"]
    assert removed[0].exists()
    assert prune(wheelhouse, page, current="1.0", keep=2) == ["1.0.dev1"]
    assert not [path for path in wheelhouse.rglob("*") if "dev1" in path.name]
    assert len(files_of(wheelhouse, "1.0.dev2")) == len(files_of(wheelhouse, "1.0")) == 2


def test_keeps_a_release_with_an_unconfirmed_file(wheelhouse: Path) -> None:
    whole, half = files_of(wheelhouse, "1.0.dev1"), files_of(wheelhouse, "1.0.dev2")
    messages = DebugMessages()
    assert prune(wheelhouse, served(*whole, half[0]), current="1.0", keep=1, messages=messages) == [
        "1.0.dev1"
    ]
    assert all(path.exists() for path in half)
    assert messages.lines == [
        f"dipy 1.0.dev2 is kept in the wheelhouse: the index does not serve {half[1].name} with equal bytes"
    ]


def test_keeps_a_release_whose_contents_differ_from_the_index(wheelhouse: Path) -> None:
    page = served(*files_of(wheelhouse, "1.0.dev1"))
    changed = files_of(wheelhouse, "1.0.dev1")[0]
    changed.write_bytes(changed.read_bytes() + b"x")
    assert prune(wheelhouse, page, current="1.0", keep=2) == []
    assert changed.exists()


def test_ignores_other_projects_links_and_folders(wheelhouse: Path, tmp_path: Path) -> None:
    other = wheels.make_wheel(wheelhouse, "dipy-horizon", "0.1")
    elsewhere = wheels.make_wheel(tmp_path / "elsewhere", version="0.9")
    link = wheelhouse / elsewhere.name
    link.symlink_to(elsewhere)
    (wheelhouse / "dipy-0.8-py3-none-any.whl").mkdir()
    (wheelhouse / "notes.txt").write_text("x")
    page = served(other, elsewhere, *files_of(tmp_path, "0"))
    assert prune(wheelhouse, page, current="1.0", keep=1) == []
    assert link.is_symlink()
    assert elsewhere.exists()
    assert other.exists()


def test_counts_days_from_the_newest_file(wheelhouse: Path) -> None:
    for number, path in enumerate(files_of(wheelhouse, "1.0.dev1")):
        when = (NOW - timedelta(days=40 - 30 * number)).timestamp()
        os.utime(path, (when, when))
    page = served(*files_of(wheelhouse, "1.0.dev1"))
    assert prune(wheelhouse, page, current="1.0", keep_days=30) == []
    for path in files_of(wheelhouse, "1.0.dev1"):
        when = (NOW - timedelta(days=31)).timestamp()
        os.utime(path, (when, when))
    assert prune(wheelhouse, page, current="1.0", keep_days=30) == ["1.0.dev1"]


def test_removes_nothing_without_the_option(wheelhouse: Path) -> None:
    assert prune(wheelhouse, served(*wheelhouse.glob("dipy-*")), current="1.0") == []
    assert (wheelhouse / HIDDEN_DIRECTORY).is_dir()
