"""The child processes of the real command: their environment, and how they end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.testing import gpg, indexes, wheels

if sys.platform != "linux":
    pytest.skip("reads /proc", allow_module_level=True)

pytestmark = pytest.mark.slow

#: Seconds that the command may take; generous for a busy machine.
LIMIT = 120.0
MIB = 1 << 20
#: Bytes of output after which a run that kept them would have been noticed.
FLOOD = 512 * MIB
SECRET = "c4nary-Zq81vTx0"
SECRETS = {
    **dict.fromkeys(("PYPI_API_KEY", "GH_PAT", "AWS_SECRET_ACCESS_KEY", "MYAPP", "GPG_PASSPHRASE"), SECRET),
    "DATABASE_URL": f"postgres://me:{SECRET}@db/",
    "HTTPS_PROXY": f"http://me:{SECRET}@127.0.0.1:9",
    "PIP_INDEX_URL": f"http://me:{SECRET}@127.0.0.1:9/simple",
    "LC_PAPER": SECRET,
}
_RST = wheels.METADATA.replace("text/plain", "text/x-rst").format(project="dipy", version="1.11.0")


class Run:
    """A running command, and all processes that have its home directory in their environment."""

    def __init__(self, home: Path, *arguments: str, **variables: str) -> None:
        self.home = home
        home.mkdir(exist_ok=True)
        #: Environments of the children, by command line.
        self.children: dict[str, bytes] = {}
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TWINE_", "WHEEL_UPLOADER_", "PIP_", "COVERAGE"))
        }
        environment |= {"HOME": str(home), "PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "NETRC": os.devnull}
        environment |= {"PYENV_ROOT": str(home), "UV_PYTHON_INSTALL_DIR": str(home), "TWINE_USERNAME": "me"}
        environment |= {"TWINE_PASSWORD": SECRET, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wheel_uploader", *arguments],
            cwd=home,
            env=environment | SECRETS | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def find_children(self) -> dict[int, str]:
        """Record the running children, and return their command lines by PID."""
        commands = {}
        for place in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                data = place.read_bytes()
                if str(self.home).encode() in data and int(place.parent.name) != self.process.pid:
                    command = (place.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    commands[int(place.parent.name)] = command
                    # Between fork and exec a child still has the environment of the run itself.
                    self.children[command] = data
        return commands

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        stopped = threading.Event()

        def watch() -> None:
            while not stopped.wait(0.01):
                self.find_children()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def peak_memory(self, pid: int | None = None) -> int:
        """Return the largest resident memory in bytes that the run, or another process, has had."""
        status = Path(f"/proc/{pid or self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) << 10

    def bytes_read(self) -> int:
        """Return the number of bytes that the run has read from files and pipes."""
        return int(Path(f"/proc/{self.process.pid}/io").read_text().split()[1])

    def wait_for(self, path: Path) -> None:
        deadline = time.monotonic() + LIMIT
        while not path.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def wait(self) -> tuple[int, str]:
        out, stderr = self.process.communicate(timeout=LIMIT)
        assert b"Traceback" not in stderr, stderr
        return self.process.returncode, (out + stderr).decode()

    def children_are_gone(self, within: float = 15.0) -> bool:
        deadline = time.monotonic() + within
        while self.find_children():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    return wheels.make_wheel(tmp_path / "staged", tag="py3-none-any", metadata=_RST).parent


def smoke(staged: Path, home: Path, command: str, *more: str, **variables: str) -> Run:
    return Run(
        home, *more, "--until", "check", "-u", str(staged), "--smoke", command, "dipy", "1.11.0", **variables
    )


def test_children_of_smoke_tests_and_signing_get_no_secrets(staged: Path, tmp_path: Path) -> None:
    with gpg.keyring() as keys:
        keys.make_key("Me <me@example.com>")
        gpg_log = tmp_path / "gpg-environment"
        fake_gpg = gpg.fake_gpg(tmp_path / "bin", f'env >> {gpg_log}; exec "$GPG" "$@"')
        command = f"sh -c 'env > {tmp_path}/command; cat /proc/$PPID/cmdline > /dev/null; sleep 0.3'"
        kinds = ("-m venv", "-m pip", "render_worker.py", "sleep 0.3")
        commands = ""
        # A child that ends at once may not be seen on a busy machine, so the run is repeated.
        for number in range(3):
            run = Run(
                tmp_path / f"home-{number}",
                *("--until", "sign", "-s", "--sign-with", fake_gpg, "-u", str(staged), "--smoke", command),
                *("dipy", "1.11.0"),
                GNUPGHOME=str(keys.home),
            )
            with run.watched():
                code, output = run.wait()
            assert code == 0, output
            assert SECRET not in output
            assert_no_secrets(run)
            commands += " | ".join(run.children)
            if all(kind in commands for kind in kinds):
                break
    for kind in kinds:
        assert kind in commands, f"{kind} was not seen: {commands}"
    for name in (gpg_log, tmp_path / "command"):
        assert "HOME=" in name.read_text()
        assert SECRET not in name.read_text()


def assert_no_secrets(run: Run) -> None:
    main = " ".join(map(str, run.process.args))  # type: ignore[arg-type]
    for command, data in run.children.items():
        assert SECRET.encode() not in data or command.strip() in {"", main}, command


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_smoke_command_and_its_children_end_with_the_run(
    number: signal.Signals, staged: Path, tmp_path: Path
) -> None:
    command = f"sh -c 'sleep 300 & setsid sleep 300 & touch {tmp_path}/started; yes'"
    run = smoke(staged, tmp_path / "home", command)
    run.wait_for(tmp_path / "started")
    assert run.find_children()
    started = time.monotonic()
    run.process.send_signal(number)
    code, _ = run.wait()
    assert code == (-9 if number is signal.SIGKILL else 128 + number)
    assert time.monotonic() - started < 15
    assert run.children_are_gone()


@pytest.mark.parametrize("flood", ["yes >&2 & yes & wait", "cat /dev/zero"])
def test_flood_of_output_takes_no_memory_and_ends_with_the_run(
    flood: str, staged: Path, tmp_path: Path
) -> None:
    run = smoke(staged, tmp_path / "home", f"sh -c 'touch {tmp_path}/started; {flood}'")
    run.wait_for(tmp_path / "started")
    memory, goal = run.peak_memory(), run.bytes_read() + FLOOD
    deadline = time.monotonic() + LIMIT
    while run.bytes_read() < goal:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert run.peak_memory() < memory + 32 * MIB
    assert all(run.peak_memory(pid) < 256 * MIB for pid in run.find_children())
    started = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    code, output = run.wait()
    assert code == 128 + signal.SIGTERM
    assert time.monotonic() - started < 15
    assert len(output) < 20_000
    assert run.children_are_gone()


def test_children_of_rehearsals_get_no_secrets(tmp_path: Path) -> None:
    staged = wheels.make_wheel(tmp_path / "staged", tag="cp312-cp312-macosx_11_0_arm64", metadata=_RST).parent
    with indexes.scripted_index() as served:
        target = ("--repository-url", served.upload_url, "--index-url", served.index_url)
        run = Run(tmp_path / "home", "--rehearse", "-u", str(staged), *target, "dipy", "1.11.0")
        with run.watched():
            code, output = run.wait()
    assert code == 0, output
    assert SECRET not in output
    assert not served.index.posts
    commands = " | ".join(run.children)
    for kind in ("-m pypiserver", "-m pip", "render_worker.py"):
        assert kind in commands, f"{kind} was not seen: {commands}"
    assert_no_secrets(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_hanging_gpg_ends_with_the_run(number: signal.Signals, staged: Path, tmp_path: Path) -> None:
    fake_gpg = gpg.fake_gpg(tmp_path / "bin", f"touch {tmp_path}/started; sleep 300 & wait")
    run = Run(
        tmp_path / "home",
        "--until",
        "sign",
        "-s",
        "--sign-with",
        fake_gpg,
        "-u",
        str(staged),
        "dipy",
        "1.11.0",
    )
    run.wait_for(tmp_path / "started")
    run.process.send_signal(number)
    code, _ = run.wait()
    assert code == (-9 if number is signal.SIGKILL else 128 + number)
    assert run.children_are_gone()


def test_reports_a_smoke_command_killed_by_a_real_time_signal(staged: Path, tmp_path: Path) -> None:
    code, output = smoke(staged, tmp_path / "home", "sh -c 'kill -37 $$'").wait()
    assert code == 6
    assert "killed by SIGRTMIN+3" in output
