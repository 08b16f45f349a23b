"""The children of the real command: what they are told, and how they end."""

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

from tests.support import gpg, wheels

if sys.platform != "linux":
    pytest.skip("looks at processes as Linux has them", allow_module_level=True)

pytestmark = pytest.mark.slow

#: Seconds that the command may take on a busy machine.
LIMIT = 120.0
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
    """The command in a process of its own, and every process that has its home folder in the environment."""

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

    def look(self) -> list[str]:
        """Note the children that run now, and return their command lines."""
        found = []
        for place in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                data = place.read_bytes()
                if str(self.home).encode() in data and int(place.parent.name) != self.process.pid:
                    command = (place.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(command)
                    # The environment of the run itself is seen for a moment between fork and exec.
                    self.children[command] = data
        return found

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                self.look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def until(self, path: Path) -> None:
        deadline = time.monotonic() + LIMIT
        while not path.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def ends(self) -> tuple[int, str]:
        out, talk = self.process.communicate(timeout=LIMIT)
        assert b"Traceback" not in talk, talk
        return self.process.returncode, (out + talk).decode()

    def all_gone(self, within: float = 15.0) -> bool:
        deadline = time.monotonic() + within
        while self.look():
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


def test_no_child_of_a_smoke_test_or_a_signature_is_told_a_secret(staged: Path, tmp_path: Path) -> None:
    with gpg.keyring() as keys:
        keys.make_key("Me <me@example.com>")
        told = tmp_path / "told"
        own = gpg.fake_gpg(tmp_path / "bin", f'env >> {told}; exec "$GPG" "$@"')
        command = f"sh -c 'env > {tmp_path}/command; cat /proc/$PPID/cmdline > /dev/null; sleep 0.3'"
        run = Run(
            tmp_path / "home",
            *("--until", "sign", "-s", "--sign-with", own, "-u", str(staged), "--smoke", command),
            *("dipy", "1.11.0"),
            GNUPGHOME=str(keys.home),
        )
        with run.watched():
            code, said = run.ends()
    assert code == 0, said
    assert SECRET not in said
    seen = " | ".join(run.children)
    for kind in ("-m venv", "-m pip", "render_worker.py", "sleep 0.3"):
        assert kind in seen, f"{kind} was not seen: {seen}"
    for name in (told, tmp_path / "command"):
        assert "HOME=" in name.read_text()
        assert SECRET not in name.read_text()
    assert_told_nothing(run)


def assert_told_nothing(run: Run) -> None:
    main = " ".join(map(str, run.process.args))  # type: ignore[arg-type]
    for command, data in run.children.items():
        assert SECRET.encode() not in data or command.strip() in {"", main}, command


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_smoke_command_and_all_it_started_end_with_the_run(
    number: signal.Signals, staged: Path, tmp_path: Path
) -> None:
    command = f"sh -c 'sleep 300 & setsid sleep 300 & touch {tmp_path}/begun; yes'"
    run = smoke(staged, tmp_path / "home", command)
    run.until(tmp_path / "begun")
    assert run.look()
    began = time.monotonic()
    run.process.send_signal(number)
    code, _ = run.ends()
    assert code == (-9 if number is signal.SIGKILL else 128 + number)
    assert time.monotonic() - began < 15
    assert run.all_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_gpg_that_hangs_ends_with_the_run(number: signal.Signals, staged: Path, tmp_path: Path) -> None:
    own = gpg.fake_gpg(tmp_path / "bin", f"touch {tmp_path}/begun; sleep 300 & wait")
    run = Run(
        tmp_path / "home", "--until", "sign", "-s", "--sign-with", own, "-u", str(staged), "dipy", "1.11.0"
    )
    run.until(tmp_path / "begun")
    run.process.send_signal(number)
    code, _ = run.ends()
    assert code == (-9 if number is signal.SIGKILL else 128 + number)
    assert run.all_gone()


def test_a_command_that_a_real_time_signal_killed(staged: Path, tmp_path: Path) -> None:
    code, said = smoke(staged, tmp_path / "home", "sh -c 'kill -37 $$'").ends()
    assert code == 6
    assert "killed by SIGRTMIN+3" in said
