"""The wheelhouse: who may use it, what is believed of it, and what is written into it."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from tests.support.wheels import make_release
from wheel_uploader.core import cache_mac, filenames, filesystem
from wheel_uploader.core.errors import LockedError, StorageError
from wheel_uploader.core.models import LocalFile
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.wheelhouse.wheelhouse import (
    CHECKSUMS_FILENAME,
    HIDDEN_DIRECTORY,
    ResumeMetadata,
    Wheelhouse,
)

NOTE = ResumeMetadata(
    url="http://127.0.0.1/x.whl", etag='"1"', last_modified="yesterday", size=3, digest="sha256:00"
)

WHEEL = "dipy-1.11.0-py3-none-any.whl"

posix_only = pytest.mark.skipif(os.name != "posix", reason="calls of POSIX")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="needs root and setpriv",
)


def run_without_privilege(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code as a root for whom permissions mean something, as they do for everybody else."""
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", sys.executable, "-c", code]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)


def local_file(path: Path) -> LocalFile:
    data = path.read_bytes()
    return LocalFile(
        name=filenames.parse_filename(path.name),
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


# --- the directory ---------------------------------------------------------------------------------


def test_a_wheelhouse_is_made_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with Wheelhouse(path) as house:
        assert not house.has_file("x.whl")
    assert [entry.name for entry in path.iterdir()] == [HIDDEN_DIRECTORY]
    assert stat.S_IMODE((path / HIDDEN_DIRECTORY).stat().st_mode) == 0o700


def test_a_file_is_no_wheelhouse(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("")
    with pytest.raises(StorageError) as caught, Wheelhouse(path):
        pass
    assert str(caught.value) == f"the wheelhouse {path} is a file, not a directory"
    assert caught.value.hint == "Pass a directory with -w."
    with pytest.raises(StorageError, match=r"x/below: Not a directory"), Wheelhouse(path / "below"):
        pass


@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_hidden_directory_has_to_be_one(tmp_path: Path, kind: str) -> None:
    hidden = tmp_path / "house" / HIDDEN_DIRECTORY
    hidden.parent.mkdir()
    if kind == "file":
        hidden.write_text("")
    else:
        (tmp_path / "elsewhere").mkdir()
        hidden.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError) as caught, Wheelhouse(hidden.parent):
        pass
    assert str(caught.value) == f"{hidden} is not a directory"
    assert caught.value.hint == "Remove it, then run the same command again."


@as_root
def test_a_wheelhouse_that_cannot_be_written_to_is_said_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "house"
    folder.mkdir(mode=0o555)
    code = (
        "import sys, pathlib\n"
        "from wheel_uploader.core.errors import StorageError\n"
        "from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse\n"
        "try:\n"
        "    with Wheelhouse(pathlib.Path(sys.argv[1])): pass\n"
        "except StorageError as error: print(error, error.hint, sep='|')\n"
    )
    done = run_without_privilege(code, folder)
    hint = "Choose a writable wheelhouse with -w, or fix the permissions."
    assert done.stdout.strip() == f"the wheelhouse {folder}: it is not writable|{hint}", done.stderr
    below = run_without_privilege(code, folder / "below")
    assert below.stdout.strip() == f"the wheelhouse {folder}/below: Permission denied|{hint}", below.stderr
    assert list(folder.iterdir()) == []


@posix_only
@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"os.statvfs": lambda _: mock.Mock(f_flag=os.ST_RDONLY | os.ST_NOSUID)}, os.strerror(errno.EROFS)),
        ({"os.access": lambda *_: False}, "it is not writable"),
    ],
    ids=["read-only", "not ours"],
)
def test_nothing_is_made_in_a_folder_that_cannot_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: dict[str, object], why: str
) -> None:
    for name, function in broken.items():
        monkeypatch.setattr(name, function)
    with pytest.raises(StorageError) as caught, Wheelhouse(tmp_path):
        pass
    assert str(caught.value) == f"the wheelhouse {tmp_path}: {why}"
    assert "Choose a writable wheelhouse" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_a_link_that_takes_the_place_of_the_hidden_folder_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, elsewhere = tmp_path / "house", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.tmp").write_text("not ours")
    genuine = Wheelhouse._create

    def make(self: Wheelhouse) -> None:
        genuine(self)
        (house / HIDDEN_DIRECTORY).rmdir()
        (house / HIDDEN_DIRECTORY).symlink_to(elsewhere)

    monkeypatch.setattr(Wheelhouse, "_create", make)
    with pytest.raises(StorageError, match="Not a directory"), Wheelhouse(house):
        pass
    assert (elsewhere / "x.tmp").read_text() == "not ours"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "Free space on that disk"),
        (errno.EDQUOT, "Free space on that disk"),
        (errno.EROFS, "Choose a writable wheelhouse"),
        (errno.EACCES, "Choose a writable wheelhouse"),
        (errno.EIO, "The disk or the network connection to it failed"),
        (errno.ESTALE, "The disk or the network connection to it failed"),
        (errno.ENOSYS, "This file system lacks an operation that is needed here"),
        (errno.EFBIG, "The file exceeds a size limit of the file system or of this user"),
        (errno.EMLINK, "Free space or fix the permissions"),
    ],
)
def test_what_the_system_says_becomes_a_sentence(number: int, hint: str) -> None:
    with pytest.raises(StorageError) as caught, filesystem.storage_errors("x\x1b.whl"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == f"x\\x1b.whl: {os.strerror(number)}"
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 13


# --- file systems that do not know every call ------------------------------------------------------


def refuses(number: int) -> Callable[..., None]:
    """A call of the operating system that answers with an error."""

    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@posix_only
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_cannot_sync_is_used_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", refuses(number))
    with Wheelhouse(tmp_path / "house") as house, PartialFile(house, WHEEL, None) as partial:
        partial.restart()
        partial.write(b"bytes")
        partial.commit(None, replace=False)
        house.write_checksums([])
        house.sync()
    assert (tmp_path / "house" / WHEEL).read_bytes() == b"bytes"
    assert (tmp_path / "house" / CHECKSUMS_FILENAME).read_bytes() == b""


@posix_only
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EINVAL])
def test_a_file_system_without_modes_is_used_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", refuses(number))
    with Wheelhouse(tmp_path / "house") as house, PartialFile(house, WHEEL, None) as partial:
        partial.restart()
        partial.commit(None, replace=False)
        house.write_checksums([])
    # It stays as private as it was on its way.
    assert stat.S_IMODE((tmp_path / "house" / WHEEL).stat().st_mode) == 0o600


@posix_only
@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_broken_disk_is_not_taken_for_one_that_does_not_know_a_call(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wheelhouse(tmp_path / "house") as house, PartialFile(house, WHEEL, None) as partial:
        partial.restart()
        monkeypatch.setattr(os, call, refuses(errno.EIO))
        with pytest.raises(StorageError, match="Input/output error"):
            partial.commit(None, replace=False)


@posix_only
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL])
def test_a_file_system_without_locks_leads_to_a_local_disk(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", refuses(number))
    with (
        pytest.raises(StorageError, match="the lock of the wheelhouse") as caught,
        Wheelhouse(tmp_path / "x"),
    ):
        pass
    assert "choose a wheelhouse on a local disk with -w" in caught.value.hint


@posix_only
def test_a_file_system_that_does_not_describe_itself_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", refuses(errno.ENOSYS))
    with Wheelhouse(tmp_path / "house") as house:
        assert house.filenames() == []


@posix_only
@pytest.mark.parametrize("call", ["read", "fstat"])
def test_what_cannot_be_read_of_the_hidden_folder_is_not_there(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wheelhouse(tmp_path / "house") as house:
        house.store_inspection(WHEEL, b"{}")
        house.store_metadata(WHEEL, ResumeMetadata(url="u"))
        with monkeypatch.context() as broken:
            broken.setattr(os, call, refuses(errno.ESTALE))
            assert house.cached_inspection(WHEEL, 1000) is None
            assert house.load_metadata(WHEEL) is None
        assert house.cached_inspection(WHEEL, 1000) == b"{}"


@posix_only
def test_a_time_stamp_beyond_the_calendar_is_a_date(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path / "house") as house:
        (house.path / WHEEL).write_bytes(b"")
        states = [os.stat_result((0o100644, 0, 0, 1, 0, 0, 0, 0, when, 0)) for when in (-(2**62), 2**62)]
        with mock.patch.object(house.directory, "stat", side_effect=states):
            assert house.modification_time(WHEEL).year == 1970
            assert house.modification_time(WHEEL).year == 9000


# --- the lock --------------------------------------------------------------------------------------


HOLD = (
    "import sys, pathlib, time\n"
    "from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse\n"
    "with Wheelhouse(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def hold(path: Path) -> subprocess.Popen[str]:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    return other


def test_the_second_run_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        for timeout in (0.0, 0.2):
            with pytest.raises(LockedError) as caught, Wheelhouse(tmp_path, lock_timeout=timeout):
                pass
            assert str(caught.value) == f"another run is using the wheelhouse {tmp_path}"
            assert caught.value.exit_code == 11
        other.kill()
        other.wait()
        # The kernel freed it.
        with Wheelhouse(tmp_path):
            pass
    with Wheelhouse(tmp_path):
        pass


def test_a_run_can_wait_for_the_first(tmp_path: Path) -> None:
    with hold(tmp_path) as other:
        assert other.stdin
        other.stdin.close()
        with Wheelhouse(tmp_path, lock_timeout=20):
            pass


def test_waiting_for_a_lock_takes_no_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("wheel_uploader.wheelhouse.wheelhouse.cancellation.sleep_unless_cancelled", sleep)
    monkeypatch.setattr("wheel_uploader.wheelhouse.wheelhouse.time.monotonic", lambda: now[0])
    with Wheelhouse(tmp_path):
        with pytest.raises(LockedError), Wheelhouse(tmp_path, lock_timeout=3):
            pass
        assert min(pauses) >= 0.05
        assert 3 <= sum(pauses) < 3.2
        pauses.clear()
        with pytest.raises(LockedError), Wheelhouse(tmp_path):
            pass
        assert pauses == []


def test_a_lock_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / HIDDEN_DIRECTORY / "lock").mkdir(parents=True)
    with pytest.raises(StorageError, match="the lock of the wheelhouse"), Wheelhouse(tmp_path):
        pass


def test_what_nothing_can_continue_is_tidied_away(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as house:
        house.store_partial_metadata("kept.whl", NOTE)
        house.store_metadata("done.whl", NOTE)
    hidden = tmp_path / HIDDEN_DIRECTORY
    for name in ("kept.whl.part", "stray.whl.part", "x.json.tmp"):
        (hidden / name).write_text("x")
    (hidden / "alone.whl.part.json").write_bytes((hidden / "kept.whl.part.json").read_bytes())
    with Wheelhouse(tmp_path):
        pass
    left = sorted(entry.name for entry in hidden.iterdir())
    assert left == ["done.whl.json", "kept.whl.part", "kept.whl.part.json", "lock"]


# --- what is there ---------------------------------------------------------------------------------


def test_the_names_in_the_hidden_folder_are_those_of_earlier_versions(tmp_path: Path) -> None:
    """Otherwise an upgrade fetches and checks everything again, and leaves litter."""
    (tmp_path / WHEEL).write_bytes(b"x")
    with Wheelhouse(tmp_path) as house:
        house.store_inspection(WHEEL, b"{}")
        house.store_metadata(WHEEL, NOTE)
        house.store_partial_metadata("y.whl", NOTE)
        assert house.cached_inspection(WHEEL, 100) == b"{}"
    there = {entry.name for entry in (tmp_path / HIDDEN_DIRECTORY).iterdir()}
    assert there == {f"{WHEEL}.checked.json", f"{WHEEL}.json", "y.whl.part.json", "lock"}
    (tmp_path / WHEEL).unlink()
    with Wheelhouse(tmp_path):
        pass
    assert {entry.name for entry in (tmp_path / HIDDEN_DIRECTORY).iterdir()} == {f"{WHEEL}.json", "lock"}


@pytest.mark.parametrize(("length", "read"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_a_note_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, read: bool
) -> None:
    monkeypatch.setattr(cache_mac, "seal_json", lambda name, data: data)
    monkeypatch.setattr(cache_mac, "unseal_json", lambda name, data: data)
    note = dataclasses.replace(NOTE, url="")
    filled = dataclasses.replace(note, url="x" * (length - len(json.dumps(dataclasses.asdict(note)))))
    with Wheelhouse(tmp_path) as house:
        house.store_metadata(WHEEL, filled)
        assert (tmp_path / HIDDEN_DIRECTORY / f"{WHEEL}.json").stat().st_size == length
        assert house.load_metadata(WHEEL) == (filled if read else None)


def test_a_temporary_file_of_a_run_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as house:
        for name in ("x.attestation.tmp", f"{WHEEL}.json.tmp"):
            (tmp_path / HIDDEN_DIRECTORY / name).write_bytes(b"torn")
        house.write_small_file("x.attestation", b"whole")
        house.store_metadata(WHEEL, NOTE)
        assert house.load_metadata(WHEEL) == NOTE
    assert (tmp_path / "x.attestation").read_bytes() == b"whole"
    assert not list((tmp_path / HIDDEN_DIRECTORY).glob("*.tmp"))


@posix_only
def test_a_small_file_is_written_over_another_one(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with Wheelhouse(tmp_path) as house:
            for content in (b"first", b"second"):
                assert (
                    house.write_small_file("x.publish.attestation", content)
                    == tmp_path / "x.publish.attestation"
                )
                assert (tmp_path / "x.publish.attestation").read_bytes() == content
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.publish.attestation").stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", ["symbolic link", "directory", "FIFO", "socket"])
def test_only_a_plain_file_is_a_file(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.whl"
    match kind:
        case "symbolic link":
            (tmp_path / "target").write_text("x")
            path.symlink_to("target")
        case "directory":
            path.mkdir()
        case "FIFO":
            os.mkfifo(path)
        case _:
            os.mknod(path, stat.S_IFSOCK | 0o600)
    with Wheelhouse(tmp_path) as house, pytest.raises(StorageError) as caught:
        house.has_file("x.whl")
    assert str(caught.value) == f"{path} is a {kind}, not a file"
    assert caught.value.hint == "Remove it or move it away: it is neither followed nor overwritten."


@as_root
def test_a_device_is_no_file(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "x.whl", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices can be made here")
    with Wheelhouse(tmp_path) as house, pytest.raises(StorageError, match="is a device, not a file"):
        house.has_file("x.whl")


def test_a_file_in_the_wheelhouse_is_never_opened_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "x.whl").symlink_to("target")
    with Wheelhouse(tmp_path) as house, pytest.raises(OSError, match="symbolic links"):
        house.open_file("x.whl")


def test_notes_come_back(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as house:
        assert house.load_metadata("x.whl") is None
        house.store_metadata("x.whl", NOTE)
        house.store_metadata("x.whl", NOTE)
        assert house.load_metadata("x.whl") == NOTE
        assert house.load_partial_metadata("x.whl", sealed=False) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "\xff",
        "[" * 100_000,
        json.dumps({"url": "", "etag": "", "last_modified": "", "size": "3", "digest": ""}),
        json.dumps({"url": 1, "etag": "", "last_modified": "", "size": 3, "digest": ""}),
        json.dumps({"url": "", "etag": "", "last_modified": "", "size": True, "digest": ""}),
        json.dumps({"url": "", "etag": "", "last_modified": "", "size": 3, "digest": "", "more": ""}),
    ],
)
def test_a_damaged_note_is_no_note(tmp_path: Path, text: str) -> None:
    with Wheelhouse(tmp_path) as house:
        (tmp_path / HIDDEN_DIRECTORY / "x.whl.json").write_text(text, encoding="latin-1")
        assert house.load_metadata("x.whl") is None


def test_a_note_that_is_no_file_is_no_note(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as house:
        (tmp_path / HIDDEN_DIRECTORY / "a.whl.json").mkdir()
        os.mkfifo(tmp_path / HIDDEN_DIRECTORY / "b.whl.json")
        (tmp_path / HIDDEN_DIRECTORY / "c.whl.json").symlink_to("/etc/passwd")
        assert [house.load_metadata(f"{letter}.whl") for letter in "abc"] == [None, None, None]


@pytest.mark.parametrize("how", ["edited", "of another file", "of another key", "never sealed"])
def test_a_note_that_no_run_of_this_user_made_is_no_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """It came with a repository, or from the cache of a CI."""
    with Wheelhouse(tmp_path / "house") as house:
        house.store_partial_metadata("x.whl", NOTE)
        path = tmp_path / "house" / HIDDEN_DIRECTORY / "x.whl.part.json"
        match how:
            case "edited":
                path.write_text(path.read_text().replace(NOTE.url, "https://other.example.com/x.whl"))
            case "of another file":
                house.store_partial_metadata("y.whl", NOTE)
                path.write_bytes(path.with_name("y.whl.part.json").read_bytes())
            case "of another key":
                monkeypatch.setattr(cache_mac, "get_cache_directory", lambda: tmp_path / "another home")
            case _:
                path.write_text(json.dumps(dataclasses.asdict(NOTE)))
        assert house.load_partial_metadata("x.whl", sealed=True) is None
        # A file that is compared with a hash afterwards can be continued all the same.
        assert house.load_partial_metadata("x.whl", sealed=False) is not None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")
@pytest.mark.parametrize("how", ["the folder", "the note", "the folder's owner", "the note's owner"])
def test_a_note_that_others_could_have_written_is_no_note(tmp_path: Path, how: str) -> None:
    with Wheelhouse(tmp_path) as house:
        house.store_metadata("x.whl", NOTE)
        house.store_partial_metadata("x.whl", NOTE)
        hidden = tmp_path / HIDDEN_DIRECTORY
        notes = [hidden / "x.whl.json", hidden / "x.whl.part.json"]
        if "owner" in how and os.geteuid():
            pytest.skip("only root can give a file away")
        match how:
            case "the folder":
                hidden.chmod(0o775)
            case "the note":
                for note in notes:
                    note.chmod(0o664)
            case "the folder's owner":
                os.chown(hidden, 12345, 12345)
            case _:
                for note in notes:
                    os.chown(note, 12345, 12345)
        assert house.load_metadata("x.whl") is None
        assert house.load_partial_metadata("x.whl", sealed=False) is None


@pytest.mark.parametrize(("etag", "strong"), [('"a"', '"a"'), ('W/"a"', ""), ("", "")])
def test_only_a_strong_etag_is_one(etag: str, strong: str) -> None:
    assert ResumeMetadata(url="", etag=etag).strong_etag == strong


# --- SHA256SUMS ------------------------------------------------------------------------------------


def test_the_sums_are_those_of_sha256sum(tmp_path: Path) -> None:
    files = [local_file(path) for path in make_release(tmp_path)]
    with Wheelhouse(tmp_path) as house:
        path = house.write_checksums(list(reversed(files)))
        before = path.stat()
        assert house.write_checksums(files) == path
        after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns), "written again"
    assert path == tmp_path / "SHA256SUMS"
    lines = path.read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.split()[1])
    done = subprocess.run(["sha256sum", "-c", "--strict", path.name], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_the_sums_are_of_this_set_only(tmp_path: Path) -> None:
    files = [local_file(path) for path in make_release(tmp_path)]
    with Wheelhouse(tmp_path) as house:
        house.write_checksums(files)
        (tmp_path / files[0].filename).unlink()
        path = house.write_checksums(files[1:])
    assert subprocess.run(["sha256sum", "-c", path.name], cwd=tmp_path, check=False).returncode == 0
    assert len(path.read_text().splitlines()) == len(files) - 1


def test_the_sums_do_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "SHA256SUMS").symlink_to("precious")
    with Wheelhouse(tmp_path) as house, pytest.raises(StorageError, match="is a symbolic link"):
        house.write_checksums([])
    assert (tmp_path / "precious").read_text() == "x"


def test_a_full_disk_leaves_no_torn_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "SHA256SUMS").write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Wheelhouse(tmp_path) as house:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="SHA256SUMS: No space left on device"):
            house.write_checksums([])
    assert (tmp_path / "SHA256SUMS").read_text() == "old"
    assert sorted(entry.name for entry in (tmp_path / HIDDEN_DIRECTORY).iterdir()) == ["lock"]


def test_a_system_without_descriptors_for_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "_SUPPORTS_DIR_FD", False)
    monkeypatch.delattr(os, "fchmod")
    files = [local_file(path) for path in make_release(tmp_path)]
    with Wheelhouse(tmp_path) as house:
        house.store_metadata("x.whl", NOTE)
        assert house.load_metadata("x.whl") == NOTE
        house.write_checksums(files)
        assert house.has_file("SHA256SUMS")
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, check=False).returncode == 0
