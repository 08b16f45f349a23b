"""Files of this machine into the wheelhouse, with the same care as those of a server."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from tests.support.wheels import make_release, make_wheel, wheel_bytes, wheel_filename
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


def listed(path: Path, *, size: int | None = None, hashes: dict[str, str] | None = None) -> RemoteFile:
    return RemoteFile(
        filename=path.name, url=path.as_uri(), size=size, hashes=hashes or {}, source=str(path.parent)
    )


def fetch(house_path: Path, *files: RemoteFile, clobber: bool = False) -> tuple[DownloadedFile, ...]:
    pairs = [(filenames.parse_filename(file.filename), file) for file in files]
    with Wheelhouse(house_path) as house, HttpClient() as http:
        arrivals = scheduler.download_files(
            pairs,
            house,
            http,
            jobs=2,
            clobber=clobber,
            progress=SilentProgress(),
            inspect=lambda _: CheckResult(),
        )
    if arrivals.error:
        raise arrivals.error
    return arrivals.downloaded


def fails(kind: type[ReleaseError], house_path: Path, file: RemoteFile) -> str:
    with pytest.raises(kind) as caught:
        fetch(house_path, file)
    assert not any(".part" in entry.name for entry in (house_path / HIDDEN_DIRECTORY).iterdir())
    return str(caught.value)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A wheel in a directory whose name a URL has to quote."""
    return make_wheel(tmp_path / "dist #1 %41 ü", "dipy", "1.11.0")


def test_files_are_copied_and_found_again(tmp_path: Path) -> None:
    staged = make_release(tmp_path / "dist")
    files = [listed(path, size=path.stat().st_size) for path in staged]
    house = tmp_path / "house"
    first = fetch(house, *files)
    assert {each.outcome for each in first} == {DownloadOutcome.COPIED}
    assert [each.file.path.read_bytes() for each in first] == [path.read_bytes() for path in staged]
    assert {each.verified_by for each in first} == {"RECORD", "gzip CRC"}
    before = {path.name: path.stat().st_mtime_ns for path in house.iterdir()}
    second = fetch(house, *files)
    assert {each.outcome for each in second} == {DownloadOutcome.UNCHANGED}
    assert before == {path.name: path.stat().st_mtime_ns for path in house.iterdir()}
    assert [entry.name for entry in (house / HIDDEN_DIRECTORY).iterdir()] == ["lock"]


def test_a_quoted_path_is_unquoted(source: Path, tmp_path: Path) -> None:
    (fetched,) = fetch(tmp_path / "house", listed(source))
    assert fetched.file.path.read_bytes() == WHEEL
    assert scheduler.hash_local_file(listed(source)) == hashlib.sha256(WHEEL).hexdigest()


def test_the_wheelhouse_itself_can_be_the_source(source: Path) -> None:
    file = listed(source, hashes={"sha256": hashlib.sha256(WHEEL).hexdigest()})
    before = source.stat().st_mtime_ns, source.stat().st_ino
    (fetched,) = fetch(source.parent, file)
    assert (fetched.outcome, fetched.verified_by) == (DownloadOutcome.IN_PLACE, "sha256 from the source")
    assert fetched.file.path == source
    assert (source.stat().st_mtime_ns, source.stat().st_ino) == before


def test_a_damaged_wheel_in_place_is_refused_and_stays(source: Path) -> None:
    source.write_bytes(WHEEL[:-20])
    assert fails(FileError, source.parent, listed(source)).startswith(f"{source}: ")
    assert source.read_bytes() == WHEEL[:-20]


@pytest.mark.parametrize("data", [b"", WHEEL[:-20], b"<html>", WHEEL[:60] + b"~" + WHEEL[61:]])
def test_a_damaged_wheel_is_not_copied(source: Path, tmp_path: Path, data: bytes) -> None:
    source.write_bytes(data)
    assert fails(FileError, tmp_path / "house", listed(source)).startswith(f"{source}: ")
    assert not (tmp_path / "house" / NAME).exists()


@pytest.mark.parametrize(
    ("size", "hashes", "reason"),
    [
        (7, {}, f"it has {len(WHEEL)} bytes, but 7 were listed"),
        (None, {"md5": "00"}, f"its md5 is {hashlib.md5(WHEEL).hexdigest()}, but 00 was listed"),
    ],
)
def test_another_file_than_was_listed(
    source: Path, tmp_path: Path, size: int | None, hashes: dict[str, str], reason: str
) -> None:
    file = listed(source, size=size, hashes=hashes)
    assert fails(FileError, tmp_path / "house", file) == f"{source}: {reason}"


def test_other_bytes_in_the_wheelhouse_stay_unless_asked(source: Path, tmp_path: Path) -> None:
    there = tmp_path / "house" / NAME
    there.parent.mkdir()
    there.write_bytes(OTHER)
    assert fails(FileError, tmp_path / "house", listed(source)) == f"{there} differs from {source}"
    assert there.read_bytes() == OTHER
    (fetched,) = fetch(tmp_path / "house", listed(source), clobber=True)
    assert fetched.outcome is DownloadOutcome.COPIED
    assert there.read_bytes() == WHEEL


@pytest.mark.parametrize("kind", ["gone", "directory", "fifo"])
def test_a_source_that_is_no_file_any_more(source: Path, tmp_path: Path, kind: str) -> None:
    source.unlink()
    expected = "it is no longer a regular file"
    match kind:
        case "directory":
            source.mkdir()
        case "fifo":
            os.mkfifo(source)
        case _:
            expected = "it no longer exists"
    said = fails(FileError, tmp_path / "house", listed(source))
    assert said == f"{source} changed during the run: {expected}"


@pytest.mark.parametrize("change", ["grows", "shrinks", "rewritten"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_file_that_changes_while_it_is_read(
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
    house = source.parent if in_place else tmp_path / "house"
    assert fails(FileError, house, listed(source)) == f"{source} changed while it was read"
    assert in_place or not (house / NAME).exists()


def test_the_bytes_are_safe_before_the_name_is_given(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsync of the file, rename, fsync of the directory: in this order, so that a power cut tears nothing."""
    events: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        events.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_fsync(descriptor)

    def replace(first: str, second: str, **folders: int) -> None:
        events.append(f"{first} -> {second}")
        real_replace(first, second, **folders)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    fetch(tmp_path / "house", listed(source))
    assert events == ["file", f"{NAME}.part -> {NAME}", "directory"]


def test_the_partial_file_is_private(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real_open = os.open

    def spy(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if str(path).endswith(".part") and flags & os.O_CREAT:
            seen.append((flags, mode))
        return real_open(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", spy)
    fetch(tmp_path / "house", listed(source))
    ((flags, mode),) = seen
    assert mode == 0o600
    assert flags & os.O_EXCL
    assert flags & os.O_NOFOLLOW


def test_threads_share_the_work(tmp_path: Path) -> None:
    staged = make_release(tmp_path / "dist")
    before = threading.active_count()
    fetch(tmp_path / "house", *(listed(path) for path in staged))
    assert threading.active_count() == before
