"""The real command on a real terminal, in tmux: progress bars update, disappear, and are not garbled."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.testing import tested_package, wheels

TMUX = shutil.which("tmux")
pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed")

#: Seconds for each operation; generous for a slow machine.
TIMEOUT = 60.0


class Pane:
    """A terminal of 80 x 24 in a separate tmux server."""

    def __init__(self, folder: str) -> None:
        self._socket = f"{folder}/s"
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TMUX", "TWINE_", "WHEEL_UPLOADER_", "NO_COLOR", "FORCE_COLOR"))
        } | {"TERM": "screen-256color", "LC_ALL": "C.UTF-8", "PS1": "$ "}

    def tmux(self, *arguments: str) -> str:
        assert TMUX
        return subprocess.run(
            [TMUX, "-S", self._socket, "-f", "/dev/null", *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT,
        ).stdout

    def start(self, *command: str, before: str = "") -> None:
        line = shlex.join([sys.executable, "-m", "wheel_uploader", *command])
        # The shell stays open, so that the final screen can be captured.
        shell = f"{before} {line}; echo END $?; exec sleep 600"
        self.tmux("new-session", "-d", "-x", "80", "-y", "24", shell)

    def lines(self, *options: str) -> list[str]:
        """Return the lines of the screen, without empty lines at the end."""
        return self.tmux("capture-pane", "-p", *options).rstrip().splitlines()

    def wait_for(self, what: str) -> list[str]:
        """Wait until the screen matches a pattern, and return its lines."""
        deadline = time.monotonic() + TIMEOUT
        while not re.search(what, "\n".join(self.lines())):
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.05)
        return self.lines()


@pytest.fixture
def pane() -> Iterator[Pane]:
    # The path of a socket may have only about 100 characters; pytest's folders are too long.
    with tempfile.TemporaryDirectory(prefix="wu-tmux-") as folder:
        pane = Pane(folder)
        yield pane
        pane.tmux("kill-server")


def test_only_the_report_remains_at_the_end(pane: Pane, tmp_path: Path) -> None:
    wheels.make_release(tmp_path)
    pane.start("--until", "check", "-u", str(tmp_path), "dipy", "1.11.0")
    pane.wait_for("END 0")
    screen = pane.lines("-S", "-100")
    assert screen[0].startswith("checked 6 files, ")
    assert screen[1].startswith("dipy 1.11.0 from ")
    assert [line for line in screen[-4:-2] if "Checked: dipy 1.11.0 in" in line]
    assert not [line for line in screen if "|" in line]
    assert "\x1b[" in "\n".join(pane.lines("-e"))


def test_no_color_disables_colours(pane: Pane, tmp_path: Path) -> None:
    wheels.make_release(tmp_path)
    pane.start("--until", "check", "-u", str(tmp_path), "dipy", "1.11.0", before="NO_COLOR=1")
    pane.wait_for("END 0")
    assert "\x1b[" not in "\n".join(pane.lines("-e"))


@pytest.mark.parametrize("columns", [80, 40])
def test_countdown_of_a_wait_updates_and_disappears(pane: Pane, tmp_path: Path, columns: int) -> None:
    pane.start(*_waiting_arguments(tmp_path))
    pane.wait_for(r"9 min( \d+ s)? left  waiting for a file of the release")
    pane.tmux("resize-window", "-x", str(columns), "-y", "12")
    pane.wait_for(r"9 min 5\d s left  waiting for")
    time.sleep(1)
    assert sum(" left  waiting" in line for line in pane.lines()) == 1
    pane.tmux("send-keys", "C-c")
    screen = pane.wait_for("END 130")
    assert not [line for line in screen if re.search(r"\d s left  ", line)]
    assert [line for line in screen if line.startswith("error: interrupted (Ctrl-C)")]


def test_dumb_terminal_gets_only_lines(pane: Pane, tmp_path: Path) -> None:
    pane.start(*_waiting_arguments(tmp_path), before="TERM=dumb")
    pane.wait_for("10 min left")
    assert not [line for line in pane.lines() if re.search(r"\d s left  ", line)]
    pane.tmux("send-keys", "C-c")
    pane.wait_for("END 130")


def _waiting_arguments(folder: Path) -> tuple[str, ...]:
    return ("--wait", "10m", "--until", "list", "-u", str(folder), "dipy", "1.11.0")


#: Progress bars of many threads, with lines between them.
_BUSY = """
import sys, threading, time
from pathlib import Path
from wheel_uploader.core import progress
shown = progress.make_progress(sys.stderr, verbose=1, color=True)
names = [f"numpy-2.3.4-cp3{n}-cp3{n}-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl" for n in range(10, 26)]
go = threading.Event()
def fetch(name):
    with shown.file(name, size=1000) as bar:
        bar.advance(500)
        shown.debug(f"{name[12:23]} half")
        go.wait()
        bar.advance(500)
with shown.stage("download", files=16, size=16000):
    threads = [threading.Thread(target=fetch, args=[name]) for name in names]
    for thread in threads: thread.start()
    # Not a key, because the terminal would echo it among the bars.
    while not Path(sys.argv[1]).exists(): time.sleep(0.05)
    go.set()
    for thread in threads: thread.join()
"""


def test_lines_are_above_bars_that_adapt_to_the_screen_size(pane: Pane, tmp_path: Path) -> None:
    script = tmp_path / "busy.py"
    script.write_text(_BUSY)
    run = shlex.join(
        ["env", f"PYTHONPATH={tested_package.HOME}", sys.executable, str(script), str(tmp_path / "go")]
    )
    pane.tmux("new-session", "-d", "-x", "80", "-y", "30", f"{run}; echo END $?; exec sleep 600")
    screen = pane.wait_for(r"(?s)(half.*){16}and \d+ more")
    assert [line for line in screen if line.endswith("half")] == screen[:16]
    assert re.match(r"download 0/16  50% \|.*\| 8.0 kB/16.0 kB", screen[16])
    assert len(screen) == 21
    for columns in (60, 40, 100):
        pane.tmux("resize-window", "-x", str(columns), "-y", "30")
        time.sleep(1)
        bars = [line for line in pane.lines() if "half" not in line]
        assert sum("download 0/16" in line for line in bars) == 1
        assert len(bars) == 5
    (tmp_path / "go").touch()
    screen = pane.wait_for("END 0")
    assert [line for line in screen if "half" not in line and line.strip()] == [
        next(line for line in screen if line.startswith("downloaded 16 files, 16.0 kB, in ")),
        "END 0",
    ]
