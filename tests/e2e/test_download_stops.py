"""Downloads that are killed, interrupted or out of disk space leave no torn files, and the next run works."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.downloads import NAME, WHEEL, fetch, finished, left_over, remote
from tests.support.file_server import FileServer, honest
from tools.testing import servers
from tools.testing.scripted import HANG, Request, Step
from tools.testing.wheels import wheel_bytes, wheel_filename
from wheel_uploader.core.errors import StorageError
from wheel_uploader.core.models import DownloadOutcome, RemoteFile

#: A run of the download stage in a child process. Arguments: URL, wheelhouse, and NAME=SHA256 of each file.
RUN = """
import pathlib, sys, time
from wheel_uploader.core import filenames
from wheel_uploader.download.scheduler import download_files
from wheel_uploader.core.errors import ReleaseError
from wheel_uploader.http.client import HttpClient
from wheel_uploader.core.models import CheckResult, RemoteFile
from wheel_uploader.core.progress import SilentProgress
from wheel_uploader.wheelhouse.wheelhouse import Wheelhouse

url, house, *files = sys.argv[1:]
pairs = []
for file in files:
    name, _, digest = file.partition("=")
    hashes = {"sha256": digest} if digest else {}
    remote = RemoteFile(filename=name, url=url + name, hashes=hashes, source=url)
    pairs.append((filenames.parse_filename(name), remote))
with Wheelhouse(pathlib.Path(house)) as held, HttpClient(user_urls=[url], timeout=20) as http:
    try:
        arrivals = download_files(
            pairs,
            held,
            http,
            jobs=3,
            clobber=False,
            progress=SilentProgress(),
            inspect=lambda _: CheckResult(),
        )
        if arrivals.error:
            raise arrivals.error
    except ReleaseError as error:
        print(error, *error.details, error.hint, sep="\\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted after", *sorted(path.name for path in pathlib.Path(house).iterdir()))
        sys.exit(130)
"""


def start(url: str, wheelhouse: Path, *files: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", RUN, url, str(wheelhouse), *files]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str], *, within: float = 60.0) -> tuple[int, str]:
    with process:
        try:
            text, _ = process.communicate(timeout=within)
        finally:
            process.kill()
    return process.returncode, text


def big_wheel(build: str, size: int) -> tuple[str, bytes]:
    """Return a wheel of about ``size`` incompressible bytes."""
    noise = {"dipy/noise.bin": hashlib.shake_256(build.encode()).digest(size)}
    return wheel_filename("dipy", "1.11.0", build=build), wheel_bytes(
        "dipy", "1.11.0", build=build, files=noise
    )


@pytest.fixture(scope="module")
def release() -> dict[str, bytes]:
    return dict(big_wheel(build, size) for build, size in (("1", 3_000_000), ("2", 900_000), ("3", 40_000)))


# --- real nginx ------------------------------------------------------------------------------------


def serve(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (1_600_000_000, 1_600_000_000))
    return folder


def test_downloads_each_file_from_nginx_once(tmp_path: Path, release: dict[str, bytes]) -> None:
    log, wheelhouse = tmp_path / "log", tmp_path / "house"
    with servers.nginx(serve(tmp_path / "served", release), extra=f"access_log {log};") as url:
        for status in ("200", "304"):
            assert finish(start(url, wheelhouse, *release)) == (0, "")
            assert {name: (wheelhouse / name).read_bytes() for name in release} == release
            assert left_over(wheelhouse) == []
            lines = [line for line in log.read_text().splitlines() if ".whl" in line]
            assert [line.split('"')[2].split()[0] for line in lines] == [status] * 3
            log.write_text("")


@pytest.mark.parametrize("hashed", [False, True], ids=["etag", "hash"])
def test_next_run_completes_after_a_kill_at_any_time(
    tmp_path: Path, release: dict[str, bytes], hashed: bool
) -> None:
    files = [
        f"{name}={hashlib.sha256(data).hexdigest()}" if hashed else name for name, data in release.items()
    ]
    wheelhouse = tmp_path / "house"
    largest = max(release, key=lambda name: len(release[name]))
    partial = wheelhouse / ".wheel-uploader" / f"{largest}.part"
    with servers.nginx(serve(tmp_path / "served", release), extra="limit_rate 1m;") as url:
        for size in (0, 200_000, 1_200_000, 2_400_000):
            process = start(url, wheelhouse, *files)
            while not (partial.exists() and partial.stat().st_size >= size):
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.01)
            process.kill()
            process.communicate()
            for name in finished(wheelhouse):
                assert (wheelhouse / name).read_bytes() == release[name], "torn"
        assert finish(start(url, wheelhouse, *files)) == (0, "")
    assert {name: (wheelhouse / name).read_bytes() for name in release} == release
    assert finished(wheelhouse) == sorted(release)
    assert left_over(wheelhouse) == []


#: System calls that change the disk.
CALLS = "openat,write,rename,renameat,renameat2,fsync,unlink,unlinkat,fchmod,mkdir,ftruncate"


def kill_points(log: str, folder: Path) -> list[tuple[str, int]]:
    """Return each call in a log of strace that touched ``folder``, with its number among its kind."""
    counted: dict[str, int] = {}
    points = []
    for line in log.splitlines():
        call = line.split(maxsplit=1)[1].partition("(")[0]
        if call in CALLS.split(","):
            counted[call] = counted.get(call, 0) + 1
            if str(folder) in line:
                points.append((call, counted[call]))
    return points


def test_next_run_completes_after_a_kill_at_a_system_call(tmp_path: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    name, data = big_wheel("1", 200_000)
    wheelhouse, log = tmp_path / "house", tmp_path / "log"
    strace = ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={CALLS}"]
    with FileServer({name: data}).running() as server:
        code, text = finish(start(server.url, wheelhouse, name, before=strace))
        if "ptrace" in text:
            pytest.skip("strace is not permitted to trace")
        assert (code, text) == (0, "")
        points = kill_points(log.read_text(), wheelhouse)
        assert len(points) >= 10
        # Every third one; "python -m tests.soak kills syscalls" kills the whole command at each.
        for call, count in points[::3]:
            shutil.rmtree(wheelhouse)
            # strace counts per thread, so some of these points are slightly off, which does not matter.
            kill = [*strace, "-e", f"inject={call}:signal=KILL:when={count}"]
            finish(start(server.url, wheelhouse, name, before=kill))
            if wheelhouse.exists():
                assert [(wheelhouse / each).read_bytes() for each in finished(wheelhouse)] in ([], [data])
            fetch(server, wheelhouse, remote(server, name))
            assert (wheelhouse / name).read_bytes() == data
            assert finished(wheelhouse) == [name]
            assert left_over(wheelhouse) == []


# --- Ctrl-C ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stall", ["slow", "silent"])
def test_interrupt_ends_the_run_at_once(tmp_path: Path, stall: str) -> None:
    names = [wheel_filename("dipy", "1.11.0", build=str(number)) for number in range(4)]
    done, *others = names
    wheelhouse = tmp_path / "house"
    with FileServer(dict.fromkeys(names, WHEEL)).running() as server:
        end = [HANG] if stall == "silent" else [0.3] * 60
        half = len(WHEEL) // 2
        process = start(server.url, wheelhouse, *names)
        server.plan = [honest()] + [honest(until=half, end=end)] * 3
        while len(list(wheelhouse.glob(".wheel-uploader/*.part"))) < 3 and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.3)
        before = time.monotonic()
        process.send_signal(signal.SIGINT)
        code, text = finish(process, within=15)
        assert code == 130, text
        assert time.monotonic() - before < 12
        assert len(finished(wheelhouse)) == 1
        assert len(left_over(wheelhouse)) == 6
        server.plan = []
        fetched = fetch(server, wheelhouse, *(remote(server, name) for name in names))
    outcomes = sorted(each.outcome for each in fetched)
    assert outcomes == [DownloadOutcome.RESUMED] * 3 + [DownloadOutcome.UNCHANGED]
    assert done in names
    assert others
    assert left_over(wheelhouse) == []


def test_interrupt_leaves_only_resumable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheel_uploader.download.scheduler._SHUTDOWN_TIMEOUT", 30.0)
    names = [wheel_filename("dipy", "1.11.0", build=str(number)) for number in range(3)]
    wheelhouse = tmp_path / "house"

    def interrupt(server: FileServer, request: Request) -> Sequence[Step]:
        # The next file is requested while the first one is still being verified.
        deadline = time.monotonic() + 60
        while finished(wheelhouse) != names[:1] and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        return honest(until=len(WHEEL) - 1, end=[0.5])(server, request)

    with FileServer(dict.fromkeys(names, WHEEL), etags="").running() as server:
        server.plan = [honest(), interrupt]
        with pytest.raises(KeyboardInterrupt):
            fetch(server, wheelhouse, *(remote(server, name) for name in names), jobs=1)
    assert finished(wheelhouse) == names[:1]
    assert left_over(wheelhouse) == []
    assert len(server.requests) == 2


# --- disk space ------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_leaves_no_torn_files(small_disk: Path) -> None:
    name, data = big_wheel("1", 600_000)
    messages: set[str] = set()
    with FileServer({name: data}).running() as server:
        file = remote(server, name)
        for taken in range(0, 2**20 + 1, 4096):
            (small_disk / "filler").write_bytes(b"x" * taken)
            wheelhouse = small_disk / "house"
            try:
                fetch(server, wheelhouse, file)
            except StorageError as error:
                assert error.exit_code == 13
                assert str(error).endswith("No space left on device")
                assert "Free space on that disk" in error.hint
                messages.add(str(error).removesuffix(": No space left on device"))
                if wheelhouse.exists():
                    assert finished(wheelhouse) == []
                    if (wheelhouse / ".wheel-uploader").exists():
                        assert [entry for entry in left_over(wheelhouse) if entry.endswith(".part")] == []
            else:
                assert (wheelhouse / name).read_bytes() == data
            (small_disk / "filler").unlink()
            if taken % 65536 == 0:
                fetch(server, wheelhouse, file)
                assert (wheelhouse / name).read_bytes() == data
                assert left_over(wheelhouse) == []
            shutil.rmtree(wheelhouse, ignore_errors=True)
    assert len(messages) >= 2


def test_full_disk_stops_all_downloads(small_disk: Path) -> None:
    names = dict(big_wheel(str(number), 700_000) for number in range(1, 6))
    wheelhouse = small_disk / "house"

    def after_the_first_file(server: FileServer, request: Request) -> Sequence[Step]:
        """Answer when the first file is verified, so that the second one fills the disk after it."""
        deadline = time.monotonic() + 60
        while not any(wheelhouse.glob("*.whl")) and time.monotonic() < deadline:
            time.sleep(0.02)
        return honest()(server, request)

    with FileServer(names, plan=[honest(), after_the_first_file]).running() as server:
        with pytest.raises(StorageError) as caught:
            fetch(server, wheelhouse, *(remote(server, name) for name in names), jobs=1)
        assert len(server.requests) == 2
    assert caught.value.details == ("1 of 5 files is in the wheelhouse; not started or not finished: 3",)


def test_file_size_limit(tmp_path: Path) -> None:
    wheelhouse = tmp_path / "house"
    with FileServer({NAME: WHEEL}).running() as server:
        limited = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
        code, text = finish(start(server.url, wheelhouse, NAME, before=limited))
        assert code == 13, text
        assert text.splitlines()[0].endswith(f"{NAME}.part: File too large")
        assert finished(wheelhouse) == left_over(wheelhouse) == []
        fetch(server, wheelhouse)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT, errno.EROFS])
def test_disk_error_at_the_end_of_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def broken(first: object, *rest: object, **folders: int) -> None:
        if call == "fsync" or str(first).endswith(".part"):
            raise OSError(number, os.strerror(number))
        real(first, *rest, **folders)

    real = getattr(os, call)
    wheelhouse = tmp_path / "house"
    with FileServer({NAME: WHEEL}).running() as server:
        with monkeypatch.context() as patch:
            patch.setattr(os, call, broken)
            with pytest.raises(StorageError, match=os.strerror(number)):
                fetch(server, wheelhouse)
            assert len(server.requests) == 1, "disk errors must not be retried"
            assert finished(wheelhouse) == left_over(wheelhouse) == []
        fetch(server, wheelhouse)
        assert (wheelhouse / NAME).read_bytes() == WHEEL


def test_writes_only_the_listed_file_and_its_metadata(tmp_path: Path) -> None:
    """Only the file, the lock and the metadata are written, all of them in the wheelhouse."""
    wheelhouse = tmp_path / "house"
    with FileServer({NAME: WHEEL}).running() as server:
        fetch(
            server,
            wheelhouse,
            RemoteFile(filename=NAME, url=f"{server.url}{NAME}?token=secret", source=server.url),
        )
        metadata = wheelhouse / ".wheel-uploader" / f"{NAME}.json"
        assert "secret" not in metadata.read_text()
    paths = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert paths == [
        f"house/.wheel-uploader/{NAME}.json",
        "house/.wheel-uploader/lock",
        f"house/{NAME}",
    ]
    assert threading.active_count() < 10
