"""Faults of the machine and of the index, with the real command; then the cause is gone, and it goes again.

The judges are the disk, the index's store and its log of posts. What is not here is where its part is tested:
downloads in test_http_transfer and test_download_stops, signals in test_signals, gpg in test_gpg, answers of
an index in test_upload and test_response; and every point at which a run can die or fail in tests.soak.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support import indexes, wheels
from tests.support.file_server import FileServer, honest
from tests.support.indexes import Reply, Served, Slow
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

if sys.platform != "linux":
    pytest.skip("mounts, strace and signals of Linux", allow_module_level=True)

LIMIT = 120.0


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


class Bed:
    """A release that is staged, an index, and the command in an empty folder."""

    def __init__(self, home: Path, served: Served) -> None:
        self.home, self.served = home, served
        self.release = {path.name: path.read_bytes() for path in wheels.make_release(home / "staged")}
        self.house = home / "house"

    def start(
        self, *more: str, before: Sequence[str] = (), staged: str = "staged", **variables: str
    ) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WHEEL_")}
        environment |= {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password", "HOME": str(self.home)}
        environment |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **variables}
        call = ["-u", staged, "-w", "house", "--repository-url", self.served.upload_url, *more]
        return subprocess.Popen(
            [*before, sys.executable, "-m", "wheel_uploader", *call, "dipy", "1.11.0"],
            cwd=self.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *more: str, before: Sequence[str] = (), **variables: str) -> tuple[int, str]:
        return end(self.start(*more, before=before, **variables))

    def torn(self) -> list[str]:
        """What has its final name and is not whole."""
        return [
            name
            for name, data in self.release.items()
            if (self.house / name).is_file() and (self.house / name).read_bytes() != data
        ]

    def recovers(self) -> None:
        """The same command succeeds; the index has the release, each file was posted once."""
        code, talk = self.run()
        assert code == 0, talk
        assert self.served.index.files == self.release
        assert sorted(self.served.index.posted_filenames()) == sorted(self.release)
        assert self.torn() == []
        left = {path.name for path in (self.house / HIDDEN_DIRECTORY).iterdir()}
        assert not [name for name in left if ".part" in name or ".tmp" in name]


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of the command and what it said."""
    with process:
        try:
            _, talk = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    assert "Traceback" not in talk, talk
    return process.returncode, talk


def until(process: subprocess.Popen[str], true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not true():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def bed(tmp_path: Path, served: Served) -> Bed:
    return Bed(tmp_path, served)


# --- storage -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Another file system at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_wheelhouse_on_a_read_only_file_system(bed: Bed) -> None:
    with mounted(bed.house):
        subprocess.run(["mount", "-o", "remount,ro", str(bed.house)], check=True)
        code, talk = bed.run()
        assert code == 13, talk
        assert "Read-only file system" in talk
        assert "Choose a writable wheelhouse" in talk
        assert bed.served.index.posts == []
        subprocess.run(["mount", "-o", "remount,rw", str(bed.house)], check=True)
        bed.recovers()


def test_a_hidden_directory_on_another_device(bed: Bed) -> None:
    """A file cannot be moved to its name from there; nothing is copied over instead, which could be torn."""
    with mounted(bed.house / HIDDEN_DIRECTORY):
        code, talk = bed.run()
        assert code == 13, talk
        assert "another file system" in talk
        assert bed.served.index.posts == []
        assert [path.name for path in bed.house.iterdir()] == [HIDDEN_DIRECTORY]
    bed.recovers()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("write", "EDQUOT", "Disk quota exceeded"),
        ("write", "EIO", "Input/output error"),
        ("write", "EFBIG", "File too large"),
        ("fsync", "EIO", "Input/output error"),
        ("fsync", "EDQUOT", "Disk quota exceeded"),
    ],
)
def test_what_the_system_says_of_a_partial_file(bed: Bed, call: str, error: str, said: str) -> None:
    """Each write to one partial file, or each fsync of it, fails; the others do not."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    name = min(bed.release)
    part = bed.house / HIDDEN_DIRECTORY / f"{name}.part"
    injected = [strace, "-f", "-qq", "-o", os.devnull, "-P", str(part)]
    injected += ["-e", f"trace={call}", "-e", f"inject={call}:error={error}"]
    code, talk = bed.run(before=injected)
    if "ptrace" in talk:
        pytest.skip("processes cannot be traced here")
    assert code == 13, talk
    assert said in talk
    assert name in talk
    assert bed.served.index.posts == []
    assert bed.torn() == []
    assert not (bed.house / name).exists()
    bed.recovers()


PATHS = ("-w", "--sha256sums", "--expect", "--cert", "--client-cert", "--config-file", "--config", "--report")


#: With --repository-url there is no need for the other one.
@pytest.mark.parametrize("option", [option for option in PATHS if option != "--config-file"])
def test_a_name_that_is_too_long(bed: Bed, option: str) -> None:
    code, talk = bed.run(option, "x" * 300 + ".md")
    assert code == (13 if option in {"-w", "--report"} else 2), talk
    assert "xxx" in talk
    assert bed.served.index.posts == []
    bed.recovers()


@pytest.mark.parametrize("option", PATHS)
def test_a_name_that_no_file_can_have(bed: Bed, option: str) -> None:
    """In the configuration it can stand; ``~NAME`` of nobody anywhere."""
    key = {"-w": "wheelhouse"}.get(option, option.removeprefix("--"))
    (bed.home / "pyproject.toml").write_text(f'[tool.wheel-uploader]\n{key} = "a\\u0000b.md"\n')
    code, talk = bed.run("--until", "list")
    assert code == 2, talk
    (bed.home / "pyproject.toml").unlink()
    code, talk = bed.run("--until", "list", option, "~nobody-has-this-name/x.md")
    assert code in {0, 2}, talk


# --- the process ---------------------------------------------------------------------------------------


def test_stopped_and_continued_while_files_go_up(bed: Bed) -> None:
    """For longer than a server may be silent: what was stored meanwhile is found, not posted anew."""
    bed.served.index.script = [None, Slow(), Slow()]
    process = bed.start("--timeout", "1", "--upload-jobs", "2")
    until(process, lambda: len(bed.served.index.posts) == 3)
    process.send_signal(signal.SIGSTOP)
    bed.served.index.released.set()
    # 8 times the silence is what an answer may take.
    time.sleep(9)
    process.send_signal(signal.SIGCONT)
    code, talk = end(process)
    assert code == 0, talk
    assert bed.served.index.files == bed.release
    bed.recovers()


def test_stopped_and_continued_in_the_middle_of_a_download(bed: Bed) -> None:
    """The server gives up meanwhile; the rest is fetched."""
    name = wheels.wheel_filename("dipy", "1.11.0", build="9")
    data = wheels.wheel_bytes("dipy", "1.11.0", build="9", files={"dipy/x": os.urandom(200_000)})
    bed.release = {name: data}
    server = FileServer({name: data})
    page = f'<a href="{name}">x</a>'.encode()
    server.files[""] = page
    server.plan = [honest(), honest(until=100_000, end=(3.0,))]
    with server.running():
        process = bed.start("--timeout", "2", staged=server.url)
        until(process, lambda: len(server.requests) == 2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        process.send_signal(signal.SIGCONT)
        code, talk = end(process)
        assert code == 0, talk
    assert bed.served.index.files == {name: data}
    assert len(bed.served.index.posts) == 1


@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_a_clock_that_jumps(bed: Bed, tmp_path: Path, jump: str) -> None:
    """Limits are of a clock that nobody sets: nothing runs out, and nothing waits for a year."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("libfaketime is not installed")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    bed.served.index.script = [Slow(), Reply(503, headers={"Retry-After": "1"})]
    process = bed.start(
        "--max-duration",
        "10m",
        LD_PRELOAD=str(found[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    until(process, lambda: bed.served.index.posts)
    clock.write_text(jump)
    time.sleep(0.5)
    bed.served.index.released.set()
    code, talk = end(process)
    assert code == 0, talk
    assert bed.served.index.files == bed.release
    bed.served.index.posts.clear()
    code, talk = bed.run()
    assert (code, bed.served.index.posts) == (0, []), talk


# --- the index -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_end_in_the_middle(bed: Bed, status: int) -> None:
    """A token that is revoked, or runs out, after three files: no other is tried with it."""
    bed.served.index.script = [None, None, None, *[Reply(status)] * 20]
    code, talk = bed.run("--upload-jobs", "1")
    assert code == 8, talk
    assert "3 of 6 files are on the index, 3 are not" in talk
    assert "the index rejected the credentials" in talk
    assert "TWINE_PASSWORD" in talk.splitlines()[-1]
    assert len(bed.served.index.posts) == 4
    assert "to continue: wheel-uploader" in talk
    bed.served.index.script.clear()
    refused = bed.served.index.posts.pop()
    assert refused.filename not in bed.served.index.files
    bed.recovers()


def test_bytes_that_change_on_the_way(bed: Bed) -> None:
    """A proxy that rewrites uploads: the index says that the digest does not match; it has nothing."""
    words = "The digest supplied does not match a digest calculated from the uploaded file."
    bed.served.index.script = [Reply(400, words)]
    code, talk = bed.run()
    assert code == 5, talk
    assert "damaged in transit" in talk
    assert words in talk
    assert "look for a proxy" in talk
    assert bed.served.index.files == {}
    bed.served.index.posts.clear()
    bed.recovers()


def test_somebody_else_posts_the_same_meanwhile(bed: Bed) -> None:
    """Two jobs of a CI: the file is there when ours arrives, with our bytes."""
    name = max(bed.release, key=lambda name: (name.endswith(".whl"), len(bed.release[name]), name))
    first: list[str] = []
    judge = bed.served.index.apply_rules

    def faster(post: indexes.Post) -> Reply:
        if not first:
            first.append(post.filename)
            bed.served.index.files[post.filename] = post.content
            return Reply(400, f"File already exists ('{post.filename}', with blake2_256 hash '00').")
        return judge(post)

    bed.served.index.apply_rules = faster  # type: ignore[method-assign]
    code, talk = bed.run()
    assert code == 0, talk
    assert first
    assert name in bed.served.index.files
    assert bed.served.index.files == bed.release
    bed.recovers()


@pytest.mark.parametrize("fault", ["burned", "closed"])
def test_a_name_or_a_release_that_is_closed_for_ever(bed: Bed, fault: str) -> None:
    words = {
        "burned": "This filename was previously used by a file that has since been deleted. Use a different "
        "version.",
        "closed": "Uploading new files to releases older than 14 days is not allowed.",
    }[fault]
    bed.served.index.script = [Reply(400, words)]
    code, talk = bed.run()
    assert code == 7, talk
    assert len(bed.served.index.posts) == 1
    assert re.search("under (these files )?a new version|under a new version", talk.splitlines()[-1])
