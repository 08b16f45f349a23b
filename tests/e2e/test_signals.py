"""Real signals to the real command while it uploads, verified against the index's storage and log."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tools.testing import indexes, wheels
from tools.testing.indexes import Hang, Reply, Served, Slow, pypiserver
from wheel_uploader.core import cancellation, task_pool
from wheel_uploader.core.cancellation import CancellationToken, RunCancelled
from wheel_uploader.core.errors import DeadlineError, RunInterrupted
from wheel_uploader.core.signal_handlers import install_signal_handlers

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)

#: Seconds that the command may take to start; generous for a busy machine.
LIMIT = 60.0


@pytest.fixture
def served() -> Iterator[Served]:
    with indexes.scripted_index() as running:
        yield running


@pytest.fixture
def release(tmp_path: Path) -> dict[str, bytes]:
    """Return the staged files by name."""
    return {path.name: path.read_bytes() for path in wheels.make_release(tmp_path / "staged")}


class Command:
    """A running ``wheel-uploader``."""

    def __init__(self, home: Path, upload_url: str, *more: str, staged: str = "staged") -> None:
        self.arguments = ["-u", staged, "--repository-url", upload_url, "--format", "json", *more]
        self.arguments += ["dipy", "1.11.0"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WHEEL_")}
        environment |= {"TWINE_USERNAME": "", "TWINE_PASSWORD": "", "HOME": str(home)}
        environment["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
        self.environment = environment
        self.home = home
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "wheel_uploader", *self.arguments],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is true; fail if the command ends before."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def wait(self, within: float = LIMIT) -> tuple[int, dict[str, Any], str]:
        """Wait for the end, and return the exit code, the report and standard error."""
        report, stderr = self.process.communicate(timeout=within)
        assert "Traceback" not in stderr, stderr
        assert "Fatal" not in stderr, stderr
        return self.process.returncode, json.loads(report) if report else {}, stderr

    def run_again(self) -> tuple[int, dict[str, Any], str]:
        """Run the same command again until it ends."""
        self.process = self._start()
        return self.wait()


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {file["filename"]: file["upload"]["outcome"] for file in report["files"]}


def test_signal_waits_for_uploads_in_flight(
    tmp_path: Path, served: Served, release: dict[str, bytes]
) -> None:
    """The report, exit code, storage and POST log agree; the next run posts only the remaining files."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        served.index.files.clear()
        served.index.posts.clear()
        served.index.released.clear()
        served.index.script = [None, Slow(), Slow()]
        command = Command(tmp_path, served.upload_url, "--upload-jobs", "2")
        command.wait_until(lambda: len(served.index.posts) == 3)
        in_flight = set(served.index.posted_filenames()[1:])
        command.process.send_signal(number)
        time.sleep(0.5)
        assert command.process.poll() is None
        served.index.released.set()
        code, report, stderr = command.wait(within=30)
        assert code == report["exit_code"] == 128 + number
        outcome_by_name = outcomes(report)
        uploaded = {name for name, outcome in outcome_by_name.items() if outcome == "uploaded"}
        assert uploaded == set(served.index.files) >= in_flight
        assert len(uploaded) == 3
        assert {outcome_by_name[name] for name in release.keys() - uploaded} == {"not tried"}
        assert len(served.index.posts) == 3
        for name in release:
            assert f"in: {name}" in stderr if name in uploaded else f"not in: {name}: not tried" in stderr
        assert f"{RunInterrupted(number)}: 3 of 6 files are on the index, 3 are not" in stderr
        again = re.search("(?m)^to continue: wheel-uploader (.*)$", stderr)
        assert again
        assert shlex.split(again[1]) == command.arguments
        code, report, stderr = command.run_again()
        assert code == 0, stderr
        assert sorted(served.index.posted_filenames()) == sorted(release)
        assert served.index.files == release


def test_second_signal_ends_at_once_and_reports_uploads_in_flight_as_unknown(
    tmp_path: Path, served: Served, release: dict[str, bytes]
) -> None:
    served.index.script = [None, Hang(stores=True), Hang()]
    command = Command(tmp_path, served.upload_url, "--upload-jobs", "2")
    command.wait_until(lambda: len(served.index.posts) == 3)
    first, *in_flight = served.index.posted_filenames()
    command.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    started = time.monotonic()
    command.process.send_signal(signal.SIGTERM)
    code, report, stderr = command.wait(within=30)
    assert time.monotonic() - started < 2
    assert code == report["exit_code"] == 143
    outcome_by_name = outcomes(report)
    assert outcome_by_name[first] == "uploaded"
    assert {outcome_by_name[name] for name in in_flight} == {"unknown"}
    assert sorted(outcome_by_name.values()) == ["not tried"] * 3 + ["unknown"] * 2 + ["uploaded"]
    assert "1 of 6 files is on the index, 3 are not, 2 may be" in stderr
    code, _, stderr = command.run_again()
    assert code == 0, stderr
    assert served.index.files == release
    # Stored files were not posted again.
    assert sorted(served.index.posted_filenames()) == sorted([*release, in_flight[1]])


def test_report_matches_pypiserver_after_a_signal(tmp_path: Path, release: dict[str, bytes]) -> None:
    """The report matches the storage at any moment of the signal, and the next run completes the release."""
    store = tmp_path / "store"
    with pypiserver(store) as url:
        for wait in (0.0, 0.05, 0.15):
            for path in store.iterdir():
                path.unlink()
            command = Command(tmp_path, url, "--upload-jobs", "1")
            command.wait_until(lambda: len(list(store.iterdir())) >= 1)
            time.sleep(wait)
            command.process.send_signal(signal.SIGTERM)
            code, report, stderr = command.wait()
            stored = {path.name for path in store.iterdir()}
            assert code in (0, 143) and report, (code, stderr)
            assert {name for name, outcome in outcomes(report).items() if outcome == "uploaded"} == stored
            code, _, stderr = command.run_again()
            assert code == 0, stderr
            assert {path.name: path.read_bytes() for path in store.iterdir()} == release


def test_signal_before_or_after_the_upload_ends_the_run_at_once(
    tmp_path: Path, served: Served, release: dict[str, bytes]
) -> None:
    # During the comparison with the index, and during the confirmation.
    served.index.page = (503, "text/plain", "busy")
    command = Command(tmp_path, served.upload_url)
    command.wait_until(lambda: served.index.gets)
    command.process.send_signal(signal.SIGTERM)
    code, report, _ = command.wait(within=30)
    assert (code, report["exit_code"]) == (143, 143)
    assert served.index.posts == []
    served.index.page = None
    command = Command(tmp_path, served.upload_url)
    command.wait_until(lambda: len(served.index.files) == 6 or served.index.__dict__.update(stale_reads=99))
    command.wait_until(
        lambda: len([path for path, _ in served.index.gets if path.startswith("/simple/dipy")]) > 3
    )
    command.process.send_signal(signal.SIGINT)
    code, report, _ = command.wait(within=30)
    assert code == 130
    assert set(outcomes(report).values()) == {"uploaded"}
    served.index.stale_reads = 0
    assert command.run_again()[0] == 0
    assert len(served.index.posts) == 6


def test_upload_in_flight_completes_when_the_terminal_closes(
    tmp_path: Path, served: Served, release: dict[str, bytes]
) -> None:
    """The upload in flight completes although no further output can be written."""
    served.index.script = [Slow()]
    command = Command(tmp_path, "http://127.0.0.1:9/")
    command.process.kill()
    command.process.communicate()
    arguments = [*command.arguments, "--repository-url", served.upload_url]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        program = [sys.executable, "-m", "wheel_uploader", *arguments]
        os.execve(sys.executable, program, command.environment)
    drained = threading.Thread(target=_drain, args=[terminal], daemon=True)
    drained.start()
    deadline = time.monotonic() + LIMIT
    while not served.index.posts and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    # Closing this end has the effect of closing a terminal window.
    os.kill(pid, 0)
    _closed.set()
    drained.join(10)
    time.sleep(0.5)
    served.index.released.set()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    assert len(served.index.posts) == len(served.index.files) == 1


_closed = threading.Event()


def _drain(terminal: int) -> None:
    """Read the output of a terminal until the test closes it."""
    os.set_blocking(terminal, False)
    while not _closed.wait(0.05):
        try:
            os.read(terminal, 65536)
        except BlockingIOError:
            continue
    os.close(terminal)


def test_ignores_sighup_under_nohup(tmp_path: Path, served: Served, release: dict[str, bytes]) -> None:
    served.index.script = [Slow()]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        command = Command(tmp_path, served.upload_url)
    finally:
        signal.signal(signal.SIGHUP, before)
    command.wait_until(lambda: served.index.posts)
    command.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    served.index.released.set()
    code, _, stderr = command.wait()
    assert code == 0, stderr
    assert served.index.files == release


# --- time limit ------------------------------------------------------------------------------------


def test_time_limit_during_the_upload(tmp_path: Path, served: Served, release: dict[str, bytes]) -> None:
    served.index.script = [None, Slow()]
    command = Command(tmp_path, served.upload_url, "--upload-jobs", "1", "--max-duration", "12s")
    command.wait_until(lambda: len(served.index.posts) == 2)
    time.sleep(12)
    served.index.released.set()
    code, report, stderr = command.wait(within=30)
    assert code == report["exit_code"] == 8
    assert sorted(outcomes(report).values()) == ["not tried"] * 4 + ["uploaded"] * 2
    assert "2 of 6 files are on the index, 4 are not: timed out after 12 s (--max-duration)" in stderr
    assert "to continue: wheel-uploader -u staged" in stderr
    assert len(served.index.posts) == len(served.index.files) == 2


def test_time_limit_before_the_upload(tmp_path: Path, served: Served, release: dict[str, bytes]) -> None:
    served.index.page = (503, "text/plain", "busy")
    command = Command(tmp_path, served.upload_url, "--max-duration", "3")
    code, report, stderr = command.wait()
    assert code == report["exit_code"] == 10
    assert "error: timed out after 3 s (--max-duration)" in stderr
    assert served.index.posts == []


# --- the command to continue with ------------------------------------------------------------------


def test_command_to_continue_contains_no_secret(
    tmp_path: Path, served: Served, release: dict[str, bytes]
) -> None:
    served.index.script = [None, Reply(400, "'x' is not a valid classifier.")]
    url = served.upload_url.replace("//", "//me:my-secret@")
    command = Command(tmp_path, url, "--upload-jobs", "1", "-w", "a house")
    code, _, stderr = command.wait()
    assert code == 8
    assert "my-secret" not in stderr
    assert "-w 'a house' dipy 1.11.0" in stderr
    assert "to continue (replace *** with the secrets): wheel-uploader -u staged" in stderr


def test_file_that_the_index_accepted_but_does_not_list(
    tmp_path: Path, served: Served, release: dict[str, bytes]
) -> None:
    """The index responds with 200 but never lists the file: the run fails; the next run posts it again."""
    served.index.script = [None, Reply(200)]
    command = Command(tmp_path, served.upload_url, "--confirm-timeout", "0", "--upload-jobs", "1")
    code, report, stderr = command.wait()
    assert code == report["exit_code"] == 10
    lost = served.index.posted_filenames()[1]
    assert f"does not list 1 of 6 files\n  {lost}\n" in stderr
    assert "The index accepted the files, and its listing may lag" in stderr
    assert "to continue: wheel-uploader" in stderr
    code, _, stderr = command.run_again()
    assert code == 0, stderr
    assert served.index.files == release
    assert sorted(served.index.posted_filenames()) == sorted([*release, lost])


# --- the cancellation token ------------------------------------------------------------------------


def test_token_handles_consecutive_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("wheel_uploader.core.cancellation.os._exit", ended.append)
    now = [0.0]
    token = CancellationToken(clock=lambda: now[0])
    assert token.grace_remaining() == 30
    with token.deferred():
        token.record_timeout(60)
        now[0] = 10
        assert isinstance(token.error, DeadlineError)
        assert token.grace_remaining() == 20
        # A signal does not extend the remaining time, and the time limit does not count as a second signal.
        token.record_signal(2)
        token.record_timeout(60)
        assert isinstance(token.error, RunInterrupted)
        assert (token.grace_remaining(), token.immediate) == (20, False)
        token.record_signal(15)
        assert (token.grace_remaining(), token.immediate, ended) == (0, True, [])
        token.record_signal(15)
        assert ended == [143]


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[CancellationToken]:
    """Yield a token that receives the signals of this process, without a watchdog that would end it."""
    monkeypatch.setattr("wheel_uploader.core.watchdog.start_watchdog", lambda *_: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with cancellation.use_token(CancellationToken()):
        token = install_signal_handlers()
        yield token
    token._finished = True
    for number, handler in before.items():
        signal.signal(number, handler)


def test_first_signal_raises_at_the_next_check_and_the_second_exits(
    listening: CancellationToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("wheel_uploader.core.cancellation.os._exit", ended.append)
    os.kill(os.getpid(), signal.SIGTERM)
    waits: list[Callable[[], object]] = [
        lambda: cancellation.sleep_unless_cancelled(5),
        lambda: task_pool.wait_for_call(Future()),
        cancellation.raise_if_cancelled,
    ]
    for wait in waits:
        with pytest.raises(RunCancelled) as stop:
            wait()
        assert stop.value.error is listening.error
    os.kill(os.getpid(), signal.SIGINT)
    assert ended == [130]


def test_signal_abandons_a_blocking_call(listening: CancellationToken) -> None:
    """A name lookup, a connection or a prompt cannot be interrupted, but the run does not wait for it."""
    done = threading.Event()

    def block() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        done.wait(20)

    started = time.monotonic()
    with pytest.raises(RunCancelled):
        task_pool.call_in_thread(block)
    assert time.monotonic() - started < 5
    done.set()
    listening.error = None
    assert task_pool.call_in_thread(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        task_pool.call_in_thread(lambda: 1 // 0)


def test_signal_handlers_raise_no_exception(listening: CancellationToken) -> None:
    """A handler may run during an import, while a lock is held, or within logging."""
    numbers = [signal.SIGINT, signal.SIGALRM]
    with listening.time_limit(60):
        for number in numbers:
            signal.raise_signal(number)
            time.sleep(0.05)
            with pytest.raises(RunCancelled):
                cancellation.raise_if_cancelled()
            listening.error = None


def test_ignores_signals_after_the_output_is_complete(listening: CancellationToken) -> None:
    listening.mark_output_complete()
    os.kill(os.getpid(), signal.SIGTERM)
    listening.record_timeout(3)
    time.sleep(0.05)
    assert listening.error is None


@pytest.mark.parametrize("has_alarm", [True, False])
def test_time_limit_interrupts_a_pause(monkeypatch: pytest.MonkeyPatch, has_alarm: bool) -> None:
    """Without alarms, as on Windows, the pause itself checks the limit."""
    if not has_alarm:
        monkeypatch.delattr(signal, "setitimer")
    started = time.monotonic()
    with CancellationToken().time_limit(0.3), pytest.raises(RunCancelled) as stop:
        cancellation.sleep_unless_cancelled(10)
    assert isinstance(stop.value.error, DeadlineError)
    assert time.monotonic() - started < 5
    with CancellationToken().time_limit(0.3):
        pass
    time.sleep(0.5)


def test_signal_while_the_command_line_is_parsed(tmp_path: Path) -> None:
    """The run ends with an error message and a report, not with click's "Aborted!"."""
    (tmp_path / "pyproject.toml").write_text("[tool.wheel-uploader]\n")
    script = (
        "import os, signal\n"
        "from wheel_uploader.cli import config_file\n"
        "from wheel_uploader.cli import main\n"
        "config_file.load_settings = lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM) or {}\n"
        "main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, "-u", "staged", "--report", "r.json", "dipy", "1.11.0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == json.loads((tmp_path / "r.json").read_text())["exit_code"] == 143
    assert ran.stderr.startswith("error: stopped by signal 15\nnext: "), ran.stderr
