"""Copying local files to the wheelhouse, as carefully as files from a server."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from tools.testing.wheels import make_release, make_wheel, wheel_bytes, wheel_filename
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import FileError, ReleaseError
from wheel_uploader.core.models import CheckResult, DownloadedFile, DownloadOutcome, RemoteFile
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.download import scheduler
from wheel_uploader.http.client import HttpClient
from wheel_uploader.wheelhouse import digests
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY, Wheelhouse

NAME = wheel_filename("dipy", "1.11.0")
WHEEL = wheel_bytes("dipy", "1.11.0")
OTHER = wheel_bytes("dipy", "1.11.0", files={"dipy/more.py": b""})


def remote(path: Path, *, size: int | None = None, hashes: dict[str, str] | None = None) -> RemoteFile:
    return RemoteFile(
        filename=path.name, url=path.as_uri(), size=size, hashes=hashes or {}, source=str(path.parent)
    )


def fetch(wheelhouse_path: Path, *files: RemoteFile, clobber: bool = False) -> tuple[DownloadedFile, ...]:
    pairs = [(filenames.parse_filename(file.filename), file) for file in files]
    with Wheelhouse(wheelhouse_path) as wheelhouse, HttpClient() as http:
        result = scheduler.download_files(
            pairs,
            wheelhouse,
            http,
            jobs=2,
            clobber=clobber,
            progress=SilentProgress(),
            inspect=lambda _: CheckResult(),
        )
    if result.error:
        raise result.error
    return result.downloaded


def fetch_fails(kind: type[ReleaseError], wheelhouse_path: Path, file: RemoteFile) -> str:
    with pytest.raises(kind) as caught:
        fetch(wheelhouse_path, file)
    assert not any(".part" in entry.name for entry in (wheelhouse_path / HIDDEN_DIRECTORY).iterdir())
    return str(caught.value)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A wheel in a directory whose name is quoted in URLs."""
    return make_wheel(tmp_path / "dist #1 %41 ü", "dipy", "1.11.0")


def test_copies_files_and_finds_them_again(tmp_path: Path) -> None:
    staged = make_release(tmp_path / "dist")
    files = [remote(path, size=path.stat().st_size) for path in staged]
    wheelhouse = tmp_path / "wheelhouse"
    first = fetch(wheelhouse, *files)
    assert {copied.outcome for copied in first} == {DownloadOutcome.COPIED}
    assert [copied.file.path.read_bytes() for copied in first] == [path.read_bytes() for path in staged]
    assert {copied.verified_by for copied in first} == {"RECORD", "gzip CRC"}
    before = {path.name: path.stat().st_mtime_ns for path in wheelhouse.iterdir()}
    second = fetch(wheelhouse, *files)
    assert {copied.outcome for copied in second} == {DownloadOutcome.UNCHANGED}
    assert before == {path.name: path.stat().st_mtime_ns for path in wheelhouse.iterdir()}
    assert [entry.name for entry in (wheelhouse / HIDDEN_DIRECTORY).iterdir()] == ["lock"]


def test_unquotes_a_path(source: Path, tmp_path: Path) -> None:
    (fetched,) = fetch(tmp_path / "wheelhouse", remote(source))
    assert fetched.file.path.read_bytes() == WHEEL
    assert scheduler.hash_local_file(remote(source)) == hashlib.sha256(WHEEL).hexdigest()


def test_wheelhouse_can_be_the_source(source: Path) -> None:
    file = remote(source, hashes={"sha256": hashlib.sha256(WHEEL).hexdigest()})
    before = source.stat().st_mtime_ns, source.stat().st_ino
    (fetched,) = fetch(source.parent, file)
    assert (fetched.outcome, fetched.verified_by) == (DownloadOutcome.IN_PLACE, "sha256 from the source")
    assert fetched.file.path == source
    assert (source.stat().st_mtime_ns, source.stat().st_ino) == before


def test_rejects_a_damaged_wheel_in_place_and_keeps_it(source: Path) -> None:
    source.write_bytes(WHEEL[:-20])
    assert fetch_fails(FileError, source.parent, remote(source)).startswith(f"{source}: ")
    assert source.read_bytes() == WHEEL[:-20]


@pytest.mark.parametrize("data", [b"", WHEEL[:-20], b"<html>", WHEEL[:60] + b"~" + WHEEL[61:]])
def test_does_not_copy_a_damaged_wheel(source: Path, tmp_path: Path, data: bytes) -> None:
    source.write_bytes(data)
    assert fetch_fails(FileError, tmp_path / "wheelhouse", remote(source)).startswith(f"{source}: ")
    assert not (tmp_path / "wheelhouse" / NAME).exists()


@pytest.mark.parametrize(
    ("size", "hashes", "reason"),
    [
        (7, {}, f"it has {len(WHEEL)} bytes, but 7 were listed"),
        (None, {"md5": "00"}, f"its md5 is {hashlib.md5(WHEEL).hexdigest()}, but 00 was listed"),
    ],
)
def test_rejects_a_file_that_does_not_match_its_listing(
    source: Path, tmp_path: Path, size: int | None, hashes: dict[str, str], reason: str
) -> None:
    file = remote(source, size=size, hashes=hashes)
    assert fetch_fails(FileError, tmp_path / "wheelhouse", file) == f"{source}: {reason}"


def test_overwrites_different_contents_only_with_clobber(source: Path, tmp_path: Path) -> None:
    existing = tmp_path / "wheelhouse" / NAME
    existing.parent.mkdir()
    existing.write_bytes(OTHER)
    assert (
        fetch_fails(FileError, tmp_path / "wheelhouse", remote(source)) == f"{existing} differs from {source}"
    )
    assert existing.read_bytes() == OTHER
    (fetched,) = fetch(tmp_path / "wheelhouse", remote(source), clobber=True)
    assert fetched.outcome is DownloadOutcome.COPIED
    assert existing.read_bytes() == WHEEL


@pytest.mark.parametrize("kind", ["gone", "directory", "fifo"])
def test_reports_a_source_that_is_no_longer_a_file(source: Path, tmp_path: Path, kind: str) -> None:
    source.unlink()
    expected = "it is no longer a regular file"
    match kind:
        case "directory":
            source.mkdir()
        case "fifo":
            os.mkfifo(source)
        case _:
            expected = "it no longer exists"
    message = fetch_fails(FileError, tmp_path / "wheelhouse", remote(source))
    assert message == f"{source} changed during the run: {expected}"


@pytest.mark.parametrize("change", ["grows", "shrinks", "rewritten"])
@pytest.mark.parametrize("in_place", [False, True])
def test_rejects_a_file_that_changes_while_it_is_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, in_place: bool
) -> None:
    monkeypatch.setattr(digests, "_READ_SIZE", 256)
    os.utime(source, (1, 1))
    real_read, reads = os.read, 0

    def read(descriptor: int, size: int) -> bytes:
        nonlocal reads
        if size == 256:
            reads += 1
            if reads == 2:
                data = {"grows": WHEEL + b"x", "shrinks": WHEEL[:-1], "rewritten": WHEEL}[change]
                source.write_bytes(data)
        return real_read(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    wheelhouse = source.parent if in_place else tmp_path / "wheelhouse"
    assert fetch_fails(FileError, wheelhouse, remote(source)) == f"{source} changed while it was read"
    assert in_place or not (wheelhouse / NAME).exists()


def test_syncs_the_file_before_renaming_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is fsync, rename, fsync of the directory, so that a power cut leaves no truncated file."""
    events: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        events.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def replace(first: str, second: str, **directories: int) -> None:
        events.append(f"{first} -> {second}")
        real_replace(first, second, **directories)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    fetch(tmp_path / "wheelhouse", remote(source))
    assert events == ["file", f"{NAME}.part -> {NAME}", "directory"]


def test_partial_file_is_private(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, int]] = []
    real_open = os.open

    def record_open(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if str(path).endswith(".part") and flags & os.O_CREAT:
            opened.append((flags, mode))
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", record_open)
    fetch(tmp_path / "wheelhouse", remote(source))
    ((flags, mode),) = opened
    assert mode == 0o600
    assert flags & os.O_EXCL
    assert flags & os.O_NOFOLLOW


def test_leaves_no_threads_behind(tmp_path: Path) -> None:
    staged = make_release(tmp_path / "dist")
    before = threading.active_count()
    fetch(tmp_path / "wheelhouse", *(remote(path) for path in staged))
    assert threading.active_count() == before
