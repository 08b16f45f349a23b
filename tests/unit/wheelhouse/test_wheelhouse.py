"""The wheelhouse: its directory, lock, metadata files and checksums."""

from __future__ import annotations

import dataclasses
import errno
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

from tools.testing.indexes import local_file
from tools.testing.wheels import make_release
from wheel_uploader.core import cache_mac, filesystem
from wheel_uploader.core.errors import LockedError, StorageError
from wheel_uploader.download.partial_file import PartialFile
from wheel_uploader.wheelhouse.wheelhouse import (
    CHECKSUMS_FILENAME,
    HIDDEN_DIRECTORY,
    ResumeMetadata,
    Wheelhouse,
)

METADATA = ResumeMetadata(
    url="http://127.0.0.1/x.whl", etag='"1"', last_modified="yesterday", size=3, digest="sha256:00"
)

WHEEL = "dipy-1.11.0-py3-none-any.whl"

posix_only = pytest.mark.skipif(os.name != "posix", reason="calls of POSIX")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="needs root and setpriv",
)


def run_unprivileged(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code as root without the capabilities that bypass permissions."""
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", sys.executable, "-c", code]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)


# --- the directory ---------------------------------------------------------------------------------


def test_creates_the_wheelhouse_and_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with Wheelhouse(path) as wheelhouse:
        assert not wheelhouse.has_file("x.whl")
    assert [entry.name for entry in path.iterdir()] == [HIDDEN_DIRECTORY]
    assert stat.S_IMODE((path / HIDDEN_DIRECTORY).stat().st_mode) == 0o700


def test_rejects_a_file_as_wheelhouse(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("")
    with pytest.raises(StorageError) as caught, Wheelhouse(path):
        pass
    assert str(caught.value) == f"the wheelhouse {path} is a file, not a directory"
    assert caught.value.hint == "Pass a directory with -w."
    with pytest.raises(StorageError, match=r"x/below: Not a directory"), Wheelhouse(path / "below"):
        pass


@pytest.mark.parametrize("kind", ["file", "link"])
def test_rejects_a_hidden_directory_that_is_not_a_directory(tmp_path: Path, kind: str) -> None:
    hidden = tmp_path / "wheelhouse" / HIDDEN_DIRECTORY
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
def test_reports_an_unwritable_wheelhouse_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "wheelhouse"
    directory.mkdir(mode=0o555)
    code = (
        "import sys, pathlib\n"
        "from wheel_uploader.core.errors import StorageError\n"
        "from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse\n"
        "try:\n"
        "    with Wheelhouse(pathlib.Path(sys.argv[1])): pass\n"
        "except StorageError as error: print(error, error.hint, sep='|')\n"
    )
    done = run_unprivileged(code, directory)
    hint = "Choose a writable wheelhouse with -w, or fix the permissions."
    assert done.stdout.strip() == f"the wheelhouse {directory}: it is not writable|{hint}", done.stderr
    child = run_unprivileged(code, directory / "below")
    assert child.stdout.strip() == f"the wheelhouse {directory}/below: Permission denied|{hint}", child.stderr
    assert list(directory.iterdir()) == []


@posix_only
@pytest.mark.parametrize(
    ("patches", "reason"),
    [
        ({"os.statvfs": lambda _: mock.Mock(f_flag=os.ST_RDONLY | os.ST_NOSUID)}, os.strerror(errno.EROFS)),
        ({"os.access": lambda *_: False}, "it is not writable"),
    ],
    ids=["read-only", "not writable"],
)
def test_creates_nothing_in_an_unwritable_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patches: dict[str, object], reason: str
) -> None:
    for name, function in patches.items():
        monkeypatch.setattr(name, function)
    with pytest.raises(StorageError) as caught, Wheelhouse(tmp_path):
        pass
    assert str(caught.value) == f"the wheelhouse {tmp_path}: {reason}"
    assert "Choose a writable wheelhouse" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_does_not_follow_a_link_that_replaces_the_hidden_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse, elsewhere = tmp_path / "wheelhouse", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.tmp").write_text("not ours")
    genuine = Wheelhouse._create

    def create(self: Wheelhouse) -> None:
        genuine(self)
        (wheelhouse / HIDDEN_DIRECTORY).rmdir()
        (wheelhouse / HIDDEN_DIRECTORY).symlink_to(elsewhere)

    monkeypatch.setattr(Wheelhouse, "_create", create)
    with pytest.raises(StorageError, match="Not a directory"), Wheelhouse(wheelhouse):
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
def test_explains_operating_system_errors(number: int, hint: str) -> None:
    with pytest.raises(StorageError) as caught, filesystem.storage_errors("x\x1b.whl"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == f"x\\x1b.whl: {os.strerror(number)}"
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 13


# --- file systems that lack an operation -----------------------------------------------------------


def fail_with(number: int) -> Callable[..., None]:
    """Return a function that raises OSError with the number."""

    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@posix_only
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_accepts_a_file_system_without_fsync(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(number))
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse, PartialFile(wheelhouse, WHEEL, None) as partial:
        partial.restart()
        partial.write(b"bytes")
        partial.commit(None, replace=False)
        wheelhouse.write_checksums([])
        wheelhouse.sync()
    assert (tmp_path / "wheelhouse" / WHEEL).read_bytes() == b"bytes"
    assert (tmp_path / "wheelhouse" / CHECKSUMS_FILENAME).read_bytes() == b""


@posix_only
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EINVAL])
def test_accepts_a_file_system_without_modes(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", fail_with(number))
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse, PartialFile(wheelhouse, WHEEL, None) as partial:
        partial.restart()
        partial.commit(None, replace=False)
        wheelhouse.write_checksums([])
    # The file keeps the private mode of a partial file.
    assert stat.S_IMODE((tmp_path / "wheelhouse" / WHEEL).stat().st_mode) == 0o600


@posix_only
@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_reports_a_broken_disk(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse, PartialFile(wheelhouse, WHEEL, None) as partial:
        partial.restart()
        monkeypatch.setattr(os, call, fail_with(errno.EIO))
        with pytest.raises(StorageError, match="Input/output error"):
            partial.commit(None, replace=False)


@posix_only
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL])
def test_suggests_a_local_disk_if_there_are_no_locks(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", fail_with(number))
    with (
        pytest.raises(StorageError, match="the lock of the wheelhouse") as caught,
        Wheelhouse(tmp_path / "x"),
    ):
        pass
    assert "choose a wheelhouse on a local disk with -w" in caught.value.hint


@posix_only
def test_accepts_a_file_system_without_statvfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", fail_with(errno.ENOSYS))
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse:
        assert wheelhouse.filenames() == []


@posix_only
@pytest.mark.parametrize("call", ["read", "fstat"])
def test_ignores_unreadable_files_in_the_hidden_directory(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse:
        wheelhouse.store_inspection(WHEEL, b"{}")
        wheelhouse.store_metadata(WHEEL, ResumeMetadata(url="u"))
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail_with(errno.ESTALE))
            assert wheelhouse.cached_inspection(WHEEL, 1000) is None
            assert wheelhouse.load_metadata(WHEEL) is None
        assert wheelhouse.cached_inspection(WHEEL, 1000) == b"{}"


@posix_only
def test_clamps_time_stamps_beyond_the_calendar(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse:
        (wheelhouse.path / WHEEL).write_bytes(b"")
        stats = [
            os.stat_result((0o100644, 0, 0, 1, 0, 0, 0, 0, timestamp, 0)) for timestamp in (-(2**62), 2**62)
        ]
        with mock.patch.object(wheelhouse.directory, "stat", side_effect=stats):
            assert wheelhouse.modification_time(WHEEL).year == 1970
            assert wheelhouse.modification_time(WHEEL).year == 9000


# --- the lock --------------------------------------------------------------------------------------


HOLD_LOCK = (
    "import sys, pathlib, time\n"
    "from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse\n"
    "with Wheelhouse(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def hold_lock(path: Path) -> subprocess.Popen[str]:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    return other


def test_rejects_a_second_run_until_the_first_has_ended(tmp_path: Path) -> None:
    with hold_lock(tmp_path) as other:
        for timeout in (0.0, 0.2):
            with pytest.raises(LockedError) as caught, Wheelhouse(tmp_path, lock_timeout=timeout):
                pass
            assert str(caught.value) == f"another run is using the wheelhouse {tmp_path}"
            assert caught.value.exit_code == 11
        other.kill()
        other.wait()
        # The kernel has released the lock.
        with Wheelhouse(tmp_path):
            pass
    with Wheelhouse(tmp_path):
        pass


def test_second_run_can_wait_for_the_first(tmp_path: Path) -> None:
    with hold_lock(tmp_path) as other:
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


def test_does_not_sleep_for_a_lock_without_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Wheelhouse(tmp_path):
        monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited for the lock"))
        with pytest.raises(LockedError), Wheelhouse(tmp_path):
            pass


def test_reports_a_lock_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / HIDDEN_DIRECTORY / "lock").mkdir(parents=True)
    with pytest.raises(StorageError, match="the lock of the wheelhouse"), Wheelhouse(tmp_path):
        pass


def test_deletes_partial_files_that_cannot_be_resumed(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as wheelhouse:
        wheelhouse.store_partial_metadata("kept.whl", METADATA)
        wheelhouse.store_metadata("done.whl", METADATA)
    hidden = tmp_path / HIDDEN_DIRECTORY
    for name in ("kept.whl.part", "stray.whl.part", "x.json.tmp"):
        (hidden / name).write_text("x")
    (hidden / "alone.whl.part.json").write_bytes((hidden / "kept.whl.part.json").read_bytes())
    with Wheelhouse(tmp_path):
        pass
    remaining = sorted(entry.name for entry in hidden.iterdir())
    assert remaining == ["done.whl.json", "kept.whl.part", "kept.whl.part.json", "lock"]


# --- files and metadata ----------------------------------------------------------------------------


def test_hidden_file_names_are_those_of_earlier_versions(tmp_path: Path) -> None:
    """Other names would make an upgrade download and check everything again, and leave stale files."""
    (tmp_path / WHEEL).write_bytes(b"x")
    with Wheelhouse(tmp_path) as wheelhouse:
        wheelhouse.store_inspection(WHEEL, b"{}")
        wheelhouse.store_metadata(WHEEL, METADATA)
        wheelhouse.store_partial_metadata("y.whl", METADATA)
        assert wheelhouse.cached_inspection(WHEEL, 100) == b"{}"
    names = {entry.name for entry in (tmp_path / HIDDEN_DIRECTORY).iterdir()}
    assert names == {f"{WHEEL}.checked.json", f"{WHEEL}.json", "y.whl.part.json", "lock"}
    (tmp_path / WHEEL).unlink()
    with Wheelhouse(tmp_path):
        pass
    assert {entry.name for entry in (tmp_path / HIDDEN_DIRECTORY).iterdir()} == {f"{WHEEL}.json", "lock"}


@pytest.mark.parametrize(("length", "is_read"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_does_not_read_metadata_that_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, is_read: bool
) -> None:
    monkeypatch.setattr(cache_mac, "seal_json", lambda name, data: data)
    monkeypatch.setattr(cache_mac, "unseal_json", lambda name, data: data)
    metadata = dataclasses.replace(METADATA, url="")
    padded = dataclasses.replace(metadata, url="x" * (length - len(json.dumps(dataclasses.asdict(metadata)))))
    with Wheelhouse(tmp_path) as wheelhouse:
        wheelhouse.store_metadata(WHEEL, padded)
        assert (tmp_path / HIDDEN_DIRECTORY / f"{WHEEL}.json").stat().st_size == length
        assert wheelhouse.load_metadata(WHEEL) == (padded if is_read else None)


def test_overwrites_temporary_files_of_a_killed_run(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as wheelhouse:
        for name in ("x.attestation.tmp", f"{WHEEL}.json.tmp"):
            (tmp_path / HIDDEN_DIRECTORY / name).write_bytes(b"torn")
        wheelhouse.write_small_file("x.attestation", b"whole")
        wheelhouse.store_metadata(WHEEL, METADATA)
        assert wheelhouse.load_metadata(WHEEL) == METADATA
    assert (tmp_path / "x.attestation").read_bytes() == b"whole"
    assert not list((tmp_path / HIDDEN_DIRECTORY).glob("*.tmp"))


@posix_only
def test_replaces_a_small_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with Wheelhouse(tmp_path) as wheelhouse:
            for content in (b"first", b"second"):
                assert (
                    wheelhouse.write_small_file("x.publish.attestation", content)
                    == tmp_path / "x.publish.attestation"
                )
                assert (tmp_path / "x.publish.attestation").read_bytes() == content
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.publish.attestation").stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", ["symbolic link", "directory", "FIFO", "socket"])
def test_accepts_only_regular_files(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
    with Wheelhouse(tmp_path) as wheelhouse, pytest.raises(StorageError) as caught:
        wheelhouse.has_file("x.whl")
    assert str(caught.value) == f"{path} is a {kind}, not a file"
    assert caught.value.hint == "Remove it or move it away: it is neither followed nor overwritten."


@as_root
def test_rejects_a_device(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "x.whl", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no devices can be made here")
    with Wheelhouse(tmp_path) as wheelhouse, pytest.raises(StorageError, match="is a device, not a file"):
        wheelhouse.has_file("x.whl")


def test_does_not_open_a_file_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "x.whl").symlink_to("target")
    with Wheelhouse(tmp_path) as wheelhouse, pytest.raises(OSError, match="symbolic links"):
        wheelhouse.open_file("x.whl")


def test_metadata_survives_a_round_trip(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as wheelhouse:
        assert wheelhouse.load_metadata("x.whl") is None
        wheelhouse.store_metadata("x.whl", METADATA)
        wheelhouse.store_metadata("x.whl", METADATA)
        assert wheelhouse.load_metadata("x.whl") == METADATA
        assert wheelhouse.load_partial_metadata("x.whl", sealed=False) is None


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
def test_ignores_damaged_metadata(tmp_path: Path, text: str) -> None:
    with Wheelhouse(tmp_path) as wheelhouse:
        (tmp_path / HIDDEN_DIRECTORY / "x.whl.json").write_text(text, encoding="latin-1")
        assert wheelhouse.load_metadata("x.whl") is None


def test_ignores_metadata_that_is_not_a_regular_file(tmp_path: Path) -> None:
    with Wheelhouse(tmp_path) as wheelhouse:
        (tmp_path / HIDDEN_DIRECTORY / "a.whl.json").mkdir()
        os.mkfifo(tmp_path / HIDDEN_DIRECTORY / "b.whl.json")
        (tmp_path / HIDDEN_DIRECTORY / "c.whl.json").symlink_to("/etc/passwd")
        assert [wheelhouse.load_metadata(f"{letter}.whl") for letter in "abc"] == [None, None, None]


@pytest.mark.parametrize("origin", ["edited", "of another file", "of another key", "never sealed"])
def test_ignores_metadata_not_sealed_by_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    """Such metadata may come with a repository or from a CI cache."""
    with Wheelhouse(tmp_path / "wheelhouse") as wheelhouse:
        wheelhouse.store_partial_metadata("x.whl", METADATA)
        path = tmp_path / "wheelhouse" / HIDDEN_DIRECTORY / "x.whl.part.json"
        match origin:
            case "edited":
                path.write_text(path.read_text().replace(METADATA.url, "https://other.example.com/x.whl"))
            case "of another file":
                wheelhouse.store_partial_metadata("y.whl", METADATA)
                path.write_bytes(path.with_name("y.whl.part.json").read_bytes())
            case "of another key":
                monkeypatch.setattr(cache_mac, "get_cache_directory", lambda: tmp_path / "another home")
            case _:
                path.write_text(json.dumps(dataclasses.asdict(METADATA)))
        assert wheelhouse.load_partial_metadata("x.whl", sealed=True) is None
        # A file that will be compared with a hash can still be resumed.
        assert wheelhouse.load_partial_metadata("x.whl", sealed=False) is not None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes")
@pytest.mark.parametrize("change", ["directory mode", "metadata mode", "directory owner", "metadata owner"])
def test_ignores_metadata_that_others_could_have_written(tmp_path: Path, change: str) -> None:
    with Wheelhouse(tmp_path) as wheelhouse:
        wheelhouse.store_metadata("x.whl", METADATA)
        wheelhouse.store_partial_metadata("x.whl", METADATA)
        hidden = tmp_path / HIDDEN_DIRECTORY
        paths = [hidden / "x.whl.json", hidden / "x.whl.part.json"]
        if "owner" in change and os.geteuid():
            pytest.skip("only root can give a file away")
        match change:
            case "directory mode":
                hidden.chmod(0o775)
            case "metadata mode":
                for path in paths:
                    path.chmod(0o664)
            case "directory owner":
                os.chown(hidden, 12345, 12345)
            case _:
                for path in paths:
                    os.chown(path, 12345, 12345)
        assert wheelhouse.load_metadata("x.whl") is None
        assert wheelhouse.load_partial_metadata("x.whl", sealed=False) is None


@pytest.mark.parametrize(("etag", "strong"), [('"a"', '"a"'), ('W/"a"', ""), ("", "")])
def test_strong_etag_excludes_weak_ones(etag: str, strong: str) -> None:
    assert ResumeMetadata(url="", etag=etag).strong_etag == strong


# --- SHA256SUMS ------------------------------------------------------------------------------------


def test_checksums_are_accepted_by_sha256sum(tmp_path: Path) -> None:
    files = [local_file(path) for path in make_release(tmp_path)]
    with Wheelhouse(tmp_path) as wheelhouse:
        path = wheelhouse.write_checksums(list(reversed(files)))
        before = path.stat()
        assert wheelhouse.write_checksums(files) == path
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


def test_checksums_list_only_the_given_files(tmp_path: Path) -> None:
    files = [local_file(path) for path in make_release(tmp_path)]
    with Wheelhouse(tmp_path) as wheelhouse:
        wheelhouse.write_checksums(files)
        (tmp_path / files[0].filename).unlink()
        path = wheelhouse.write_checksums(files[1:])
    assert subprocess.run(["sha256sum", "-c", path.name], cwd=tmp_path, check=False).returncode == 0
    assert len(path.read_text().splitlines()) == len(files) - 1


def test_does_not_write_checksums_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / "SHA256SUMS").symlink_to("precious")
    with Wheelhouse(tmp_path) as wheelhouse, pytest.raises(StorageError, match="is a symbolic link"):
        wheelhouse.write_checksums([])
    assert (tmp_path / "precious").read_text() == "x"


def test_full_disk_leaves_the_old_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "SHA256SUMS").write_text("old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Wheelhouse(tmp_path) as wheelhouse:
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match="SHA256SUMS: No space left on device"):
            wheelhouse.write_checksums([])
    assert (tmp_path / "SHA256SUMS").read_text() == "old"
    assert sorted(entry.name for entry in (tmp_path / HIDDEN_DIRECTORY).iterdir()) == ["lock"]


def test_works_without_directory_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "_SUPPORTS_DIR_FD", False)
    monkeypatch.delattr(os, "fchmod")
    files = [local_file(path) for path in make_release(tmp_path)]
    with Wheelhouse(tmp_path) as wheelhouse:
        wheelhouse.store_metadata("x.whl", METADATA)
        assert wheelhouse.load_metadata("x.whl") == METADATA
        wheelhouse.write_checksums(files)
        assert wheelhouse.has_file("SHA256SUMS")
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, check=False).returncode == 0
