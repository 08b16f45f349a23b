"""The watchdog ends a run that is stuck, with the right exit code, an error message and a report."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.testing import wheels
from wheel_uploader.core.watchdog import (
    REPORT_SECONDS,
    SECOND_SIGNAL_DELAY,
    UPLOADING_SECOND_SIGNAL_DELAY,
    Countdown,
)

if sys.platform == "win32":
    pytest.skip("there is no fork", allow_module_level=True)

#: A run that gets stuck after reading the listing; its child process must end with it.
RUN = """
import re, subprocess, sys, threading, time
from wheel_uploader.core import cancellation, watchdog
from wheel_uploader.listing import selection
cancellation.UPLOAD_GRACE_SECONDS, watchdog.REPORT_SECONDS, watchdog.GUARD_SECONDS = 0.5, 0.5, 1.0
where = sys.argv.pop(1)

def stuck(*_, **__):
    child = subprocess.Popen(["sleep", "300"], start_new_session=True)
    print("stuck with", child.pid, file=sys.stderr, flush=True)
    hopeless = lambda: re.match("(a+)+$", "a" * 60 + "b")
    if where == "regex":
        hopeless()
    if where == "regex in a thread":
        threading.Thread(target=hopeless, daemon=True).start()
        time.sleep(300)
    import ctypes
    libc = ctypes.CDLL(None)
    while True:
        libc.sleep(300)

selection.select_release = stuck
from wheel_uploader.__main__ import main
main()
"""


def stuck(home: Path, where: str, *more: str) -> tuple[subprocess.Popen[str], int]:
    """Start a run that gets stuck, and return it and the process ID of its child."""
    wheels.make_wheel(home / "staged")
    arguments = ["--until", "list", "-u", "staged", "--report", "r.json", *more, "dipy", "1.11.0"]
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, where, *arguments], cwd=home, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr
    line = run.stderr.readline()
    assert line.startswith("stuck"), line + run.stderr.read()
    return run, int(line.split()[-1])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="exact exit codes are for Linux")
@pytest.mark.parametrize(
    ("where", "signals", "code"),
    [
        *((where, [signal.SIGTERM], 143) for where in ("regex", "regex in a thread", "C")),
        *((where, [signal.SIGTERM, signal.SIGINT], 130) for where in ("regex in a thread", "C")),
        ("regex in a thread", [], 10),
    ],
)
def test_ends_a_stuck_run_with_its_exit_code(
    tmp_path: Path, where: str, signals: Sequence[signal.Signals], code: int
) -> None:
    run, child = stuck(tmp_path, where, *([] if signals else ["--max-duration", "5"]))
    for number in signals:
        run.send_signal(number)
        time.sleep(0.2)
    # Generous for a busy machine.
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == code, stderr
    if len(signals) > 1:
        assert stderr == f"error: stopped immediately by a second signal ({code - 128})\n"
    else:
        reason = "stopped by signal 15" if signals else "timed out after 5 s (--max-duration)"
        ended = r"it did not stop within [0-9.]+ m?s and was terminated\nnext: "
        assert re.match(f"error: {re.escape(reason)}: {ended}", stderr), stderr
        assert json.loads((tmp_path / "r.json").read_text())["exit_code"] == code
    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


@pytest.mark.slow
def test_run_stuck_before_its_first_stage_leaves_a_report(tmp_path: Path) -> None:
    early = RUN.replace(
        "selection.select_release = stuck",
        "from wheel_uploader.core import progress; progress.make_progress = stuck",
    )
    assert early != RUN
    arguments = ["C", "-u", "staged", "--report", "r.json", "--max-duration", "0.2", "dipy", "1.11.0"]
    ran = subprocess.run(
        [sys.executable, "-c", early, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == json.loads((tmp_path / "r.json").read_text())["exit_code"] == 10
    assert "was terminated\nnext: " in ran.stderr


def test_watchdog_ends_with_the_run(tmp_path: Path) -> None:
    """When the run is killed, the watchdog also closes standard error."""
    run, child = stuck(tmp_path, "C")
    try:
        run.kill()
        run.wait()
    finally:
        os.kill(child, signal.SIGKILL)
    assert run.communicate(timeout=20)[1] == ""


# --- the countdown -----------------------------------------------------------------------------------


def at(countdown: Countdown) -> tuple[float | None, int]:
    """Return the time at which a run is ended, and the exit code."""
    return countdown.force_exit_at, countdown.exit_code


def test_first_signal_starts_the_grace_period_and_second_ends_it() -> None:
    assert Countdown(30).force_exit_at is None
    countdown = Countdown(30)
    countdown.record_signal(15, 100)
    assert at(countdown) == (130 + REPORT_SECONDS, 143)
    countdown.record_signal(2, 110)
    assert at(countdown) == (110 + SECOND_SIGNAL_DELAY, 130)
    countdown.mark_output_complete(8, 111)
    due = countdown.force_exit_at
    countdown.record_signal(2, 112)
    assert at(countdown) == (due, 8)


def test_only_a_third_signal_ends_an_upload_at_once() -> None:
    countdown = Countdown(30, is_uploading=True)
    countdown.record_signal(1, 0)
    countdown.record_signal(1, 10)
    assert at(countdown) == (10 + UPLOADING_SECOND_SIGNAL_DELAY, 129)
    countdown.record_signal(1, 11)
    assert countdown.force_exit_at == 11 + SECOND_SIGNAL_DELAY


def test_signal_does_not_extend_an_expired_time_limit() -> None:
    countdown = Countdown(30, time_limit_at=60)
    assert at(countdown) == (90 + REPORT_SECONDS, 10)
    countdown.record_signal(15, 80)
    assert at(countdown) == (90 + REPORT_SECONDS, 143)
    early = Countdown(30, time_limit_at=600)
    early.record_signal(15, 80)
    assert early.force_exit_at == 110 + REPORT_SECONDS
