"""Faults of the machine and of the index: once the cause is gone, the same command succeeds.

Verified are the disk, the index's storage and its log of posts. Other faults are tested with their modules:
downloads in test_http_transfer and test_download_stops, signals in test_signals, gpg in test_gpg, replies of
an index in test_upload and test_response; and every point at which a run can be killed or fail in tests.soak.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support import preloaded_command
from tests.support.file_server import FileServer, honest
from tools.testing import indexes, wheels
from tools.testing.indexes import Reply, Served, Slow
from wheel_uploader.wheelhouse.wheelhouse import HIDDEN_DIRECTORY

if sys.platform != "linux":
    pytest.skip("mounts, strace and signals of Linux", allow_module_level=True)

LIMIT = 120.0


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


class Machine:
    """A staged release, an index, and the command in an empty folder."""

    def __init__(self, home: Path, served: Served) -> None:
        self.home, self.served = home, served
        self.release = {path.name: path.read_bytes() for path in wheels.make_release(home / "staged")}
        self.wheelhouse = home / "house"

    def start(
        self, *more: str, before: Sequence[str] = (), staged: str = "staged", **variables: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*before, sys.executable, "-m", "wheel_uploader", *self._arguments(staged, more)],
            cwd=self.home,
            env=self._environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *more: str, before: Sequence[str] = (), **variables: str) -> tuple[int, str]:
        if before:
            return end(self.start(*more, before=before, **variables))
        ended = preloaded_command.run(
            self._arguments("staged", more), self.home, self._environment(variables)
        )
        stderr = ended.stderr.decode()
        assert "Traceback" not in stderr, stderr
        return ended.exit_code, stderr

    def _arguments(self, staged: str, more: Sequence[str]) -> list[str]:
        index = ["--repository-url", self.served.upload_url]
        return ["-u", staged, "-w", "house", *index, *more, "dipy", "1.11.0"]

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WHEEL_")}
        environment |= {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password", "HOME": str(self.home)}
        return environment | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **variables}

    def torn(self) -> list[str]:
        """Return the files under their final names that are not complete."""
        return [
            name
            for name, data in self.release.items()
            if (self.wheelhouse / name).is_file() and (self.wheelhouse / name).read_bytes() != data
        ]

    def assert_recovers(self) -> None:
        """Assert that the same command succeeds, and that each file was posted once."""
        code, stderr = self.run()
        assert code == 0, stderr
        assert self.served.index.files == self.release
        assert sorted(self.served.index.posted_filenames()) == sorted(self.release)
        assert self.torn() == []
        left = {path.name for path in (self.wheelhouse / HIDDEN_DIRECTORY).iterdir()}
        assert not [name for name in left if ".part" in name or ".tmp" in name]


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the command to end, and return its exit code and standard error."""
    with process:
        try:
            _, stderr = process.communicate(timeout=LIMIT)
        finally:
            process.kill()
    assert "Traceback" not in stderr, stderr
    return process.returncode, stderr


def wait_until(process: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def machine(tmp_path: Path, served: Served) -> Machine:
    return Machine(tmp_path, served)


# --- storage -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Mount another file system at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_recovers_from_a_read_only_wheelhouse(machine: Machine) -> None:
    with mounted(machine.wheelhouse):
        subprocess.run(["mount", "-o", "remount,ro", str(machine.wheelhouse)], check=True)
        code, stderr = machine.run()
        assert code == 13, stderr
        assert "Read-only file system" in stderr
        assert "Choose a writable wheelhouse" in stderr
        assert machine.served.index.posts == []
        subprocess.run(["mount", "-o", "remount,rw", str(machine.wheelhouse)], check=True)
        machine.assert_recovers()


def test_rejects_a_hidden_directory_on_another_file_system(machine: Machine) -> None:
    """A file cannot be renamed from there, and it is not copied, because a copy could be torn."""
    with mounted(machine.wheelhouse / HIDDEN_DIRECTORY):
        code, stderr = machine.run()
        assert code == 13, stderr
        assert "another file system" in stderr
        assert machine.served.index.posts == []
        assert [path.name for path in machine.wheelhouse.iterdir()] == [HIDDEN_DIRECTORY]
    machine.assert_recovers()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("write", "EDQUOT", "Disk quota exceeded"),
        ("write", "EIO", "Input/output error"),
        ("write", "EFBIG", "File too large"),
        ("fsync", "EIO", "Input/output error"),
        ("fsync", "EDQUOT", "Disk quota exceeded"),
    ],
)
def test_reports_system_errors_on_a_partial_file(
    machine: Machine, call: str, error: str, message: str
) -> None:
    """Every write to (or fsync of) one partial file fails; other files are not affected."""
    name = min(machine.release)
    part = machine.wheelhouse / HIDDEN_DIRECTORY / f"{name}.part"
    code, stderr = run_with_failing_calls(machine, {call: error}, "-P", str(part))
    assert code == 13, stderr
    assert message in stderr
    assert name in stderr
    assert machine.served.index.posts == []
    assert machine.torn() == []
    assert not (machine.wheelhouse / name).exists()
    machine.assert_recovers()


def run_with_failing_calls(machine: Machine, errors: Mapping[str, str], *options: str) -> tuple[int, str]:
    """Run the command under strace, which makes every system call in ``errors`` fail."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    injected = [strace, "-f", "-qq", "-o", os.devnull, *options]
    injected += ["-e", f"trace={','.join(errors)}"]
    injected += [word for call, error in errors.items() for word in ("-e", f"inject={call}:error={error}")]
    code, stderr = machine.run(before=injected)
    if "ptrace" in stderr:
        pytest.skip("processes cannot be traced here")
    return code, stderr


@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP", "EBADF"])
def test_suggests_a_local_disk_where_files_cannot_be_locked(machine: Machine, error: str) -> None:
    """A home directory on a network."""
    code, stderr = run_with_failing_calls(machine, {"flock": error})
    assert code == 13, stderr
    assert "error: the lock of the wheelhouse" in stderr
    assert stderr.splitlines()[-1].startswith("next: ")
    assert "choose a wheelhouse on a local disk with -w" in stderr.splitlines()[-1]
    assert machine.served.index.posts == []
    machine.assert_recovers()


def test_publishes_from_a_file_system_without_sync_modes_links_and_statistics(machine: Machine) -> None:
    """FAT, FUSE: publishing does not need these features."""
    features = {"fsync": "EINVAL", "fchmod": "EPERM", "link,linkat": "EPERM", "statfs,fstatfs": "ENOSYS"}
    code, stderr = run_with_failing_calls(machine, features)
    assert code == 0, stderr
    machine.assert_recovers()


PATHS = ("-w", "--sha256sums", "--expect", "--cert", "--client-cert", "--config-file", "--config", "--report")


#: --config-file is not needed with --repository-url.
@pytest.mark.parametrize("option", [option for option in PATHS if option != "--config-file"])
def test_file_name_that_is_too_long(machine: Machine, option: str) -> None:
    code, stderr = machine.run(option, "x" * 300 + ".md")
    assert code == (13 if option in {"-w", "--report"} else 2), stderr
    assert "xxx" in stderr
    assert machine.served.index.posts == []
    machine.assert_recovers()


@pytest.mark.parametrize("option", PATHS)
def test_impossible_file_name(machine: Machine, option: str) -> None:
    """A name with a null character (only in the configuration), and ``~NAME`` of an unknown user."""
    key = {"-w": "wheelhouse"}.get(option, option.removeprefix("--"))
    (machine.home / "pyproject.toml").write_text(f'[tool.wheel-uploader]\n{key} = "a\\u0000b.md"\n')
    code, stderr = machine.run("--until", "list")
    assert code == 2, stderr
    (machine.home / "pyproject.toml").unlink()
    code, stderr = machine.run("--until", "list", option, "~nobody-has-this-name/x.md")
    assert code in {0, 2}, stderr


# --- the process ---------------------------------------------------------------------------------------


def test_stopping_and_continuing_the_process_during_an_upload(machine: Machine) -> None:
    """After a stop longer than the timeout the stored files are found and not posted again."""
    machine.served.index.script = [None, Slow(), Slow()]
    process = machine.start("--timeout", "1", "--upload-jobs", "2")
    wait_until(process, lambda: len(machine.served.index.posts) == 3)
    process.send_signal(signal.SIGSTOP)
    machine.served.index.released.set()
    # The response to an upload may take 8 times the timeout.
    time.sleep(9)
    process.send_signal(signal.SIGCONT)
    code, stderr = end(process)
    assert code == 0, stderr
    assert machine.served.index.files == machine.release
    machine.assert_recovers()


def test_stopping_and_continuing_the_process_during_a_download(machine: Machine) -> None:
    """The server closes the connection in the meantime; the rest is downloaded."""
    name = wheels.wheel_filename("dipy", "1.11.0", build="9")
    data = wheels.wheel_bytes("dipy", "1.11.0", build="9", files={"dipy/x": os.urandom(200_000)})
    machine.release = {name: data}
    server = FileServer({name: data})
    page = f'<a href="{name}">x</a>'.encode()
    server.files[""] = page
    server.plan = [honest(), honest(until=100_000, end=(3.0,))]
    with server.running():
        process = machine.start("--timeout", "2", staged=server.url)
        wait_until(process, lambda: len(server.requests) == 2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(4)
        process.send_signal(signal.SIGCONT)
        code, stderr = end(process)
        assert code == 0, stderr
    assert machine.served.index.files == {name: data}
    assert len(machine.served.index.posts) == 1


@pytest.mark.parametrize("jump", ["+400d", "-400d"])
def test_jump_of_the_system_clock(machine: Machine, tmp_path: Path, jump: str) -> None:
    """Limits use the monotonic clock: none of them expires early or waits for a year."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("libfaketime is not installed")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    machine.served.index.script = [Slow(), Reply(503, headers={"Retry-After": "1"})]
    process = machine.start(
        "--max-duration",
        "10m",
        LD_PRELOAD=str(libraries[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    wait_until(process, lambda: machine.served.index.posts)
    clock.write_text(jump)
    time.sleep(0.5)
    machine.served.index.released.set()
    code, stderr = end(process)
    assert code == 0, stderr
    assert machine.served.index.files == machine.release
    machine.served.index.posts.clear()
    code, stderr = machine.run()
    assert (code, machine.served.index.posts) == (0, []), stderr


# --- the index -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_expire_during_the_upload(machine: Machine, status: int) -> None:
    """A token is revoked or expires after three files: the other files are not tried."""
    machine.served.index.script = [None, None, None, *[Reply(status)] * 20]
    code, stderr = machine.run("--upload-jobs", "1")
    assert code == 8, stderr
    assert "3 of 6 files are on the index, 3 are not" in stderr
    assert "the index rejected the credentials" in stderr
    assert "permit uploads to this project" in stderr.splitlines()[-1]
    assert "TWINE_" not in stderr.partition("error: ")[2]
    assert len(machine.served.index.posts) == 4
    assert "to continue: wheel-uploader" in stderr
    machine.served.index.script.clear()
    refused = machine.served.index.posts.pop()
    assert refused.filename not in machine.served.index.files
    machine.assert_recovers()


def test_upload_that_a_proxy_changes(machine: Machine) -> None:
    """The index rejects the upload because the digest does not match."""
    words = "The digest supplied does not match a digest calculated from the uploaded file."
    machine.served.index.script = [Reply(400, words)]
    code, stderr = machine.run()
    assert code == 5, stderr
    assert "damaged in transit" in stderr
    assert words in stderr
    assert "look for a proxy" in stderr
    assert machine.served.index.files == {}
    machine.served.index.posts.clear()
    machine.assert_recovers()


def test_another_job_uploads_the_same_file_first(machine: Machine) -> None:
    """Two CI jobs upload the same bytes, and the other job is faster."""
    name = max(machine.release, key=lambda name: (name.endswith(".whl"), len(machine.release[name]), name))
    first: list[str] = []
    apply_rules = machine.served.index.apply_rules

    def other_client_first(post: indexes.Post) -> Reply:
        if not first:
            first.append(post.filename)
            machine.served.index.files[post.filename] = post.content
            return Reply(400, f"File already exists ('{post.filename}', with blake2_256 hash '00').")
        return apply_rules(post)

    machine.served.index.apply_rules = other_client_first  # type: ignore[method-assign]
    code, stderr = machine.run()
    assert code == 0, stderr
    assert first
    assert name in machine.served.index.files
    assert machine.served.index.files == machine.release
    machine.assert_recovers()


@pytest.mark.parametrize("fault", ["burned", "closed"])
def test_file_name_or_release_that_the_index_no_longer_accepts(machine: Machine, fault: str) -> None:
    words = {
        "burned": "This filename was previously used by a file that has since been deleted. Use a different "
        "version.",
        "closed": "Uploading new files to releases older than 14 days is not allowed.",
    }[fault]
    machine.served.index.script = [Reply(400, words)]
    code, stderr = machine.run()
    assert code == 7, stderr
    assert len(machine.served.index.posts) == 1
    assert re.search("under (these files )?a new version|under a new version", stderr.splitlines()[-1])
