"""The progress display of a run: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tqdm.utils import disp_len

from wheel_uploader.core import progress
from wheel_uploader.core.progress import plain, stage_progress


def make_log_progress(verbose: int = 0, *, quiet: bool = False) -> tuple[io.StringIO, progress.Progress]:
    stream = io.StringIO()
    return stream, progress.make_progress(stream, verbose=verbose, quiet=quiet)


def test_logs_a_line_for_each_stage_and_each_uploaded_file() -> None:
    stream, display = make_log_progress()
    with display.stage("download", files=3, size=None):
        with display.file("dipy-1.11.0-py3-none-any.whl", size=1_200_000) as bar:
            bar.set_total(1_200_000)
            bar.advance(1_000_000)
            bar.advance(-1_000_000)
            bar.advance(1_200_000)
        with display.file("dipy-1.11.0.tar.gz", size=5) as bar:
            bar.advance(5)
        with display.file("unchanged-1.0-py3-none-any.whl", size=5):
            pass
    with display.stage("check", files=1, size=5), display.waiting("nothing a log needs", seconds=5):
        pass
    with display.stage("upload", files=2, size=14):
        for name in ("a.whl", "b.whl"):
            with display.file(name, size=7) as bar:
                bar.advance(7)
    with display.stage("upload", files=1, size=7), display.file("c.whl", size=7) as bar:
        bar.advance(7)
    assert re.sub(r"in \d+ m?s", "in 0 s", stream.getvalue()).splitlines() == [
        "downloaded 2 files, 1.2 MB, in 0 s",
        "uploaded a.whl (7 B)",
        "uploaded b.whl (7 B)",
        "uploaded 2 files, 14 B, in 0 s",
        "uploaded c.whl (7 B)",
    ]


def test_a_very_verbose_log_names_every_file() -> None:
    stream, display = make_log_progress(2)
    with display.stage("queue", files=1, size=7), display.file("x", size=7) as bar:
        bar.advance(7)
    log = re.sub(r"in \d+ m?s", "in 0 s", stream.getvalue())
    assert log.splitlines() == ["queued x (7 B)", "queued 1 file, 7 B, in 0 s"]


def test_logs_the_progress_of_a_long_stage_at_intervals() -> None:
    stream = io.StringIO()
    display = plain.PlainProgress(stream, verbose=0, interval=0.02)
    with display.stage("download", files=2, size=2_000_000), display.file("x.whl", size=1_000_000) as bar:
        wait_until(lambda: "download: 0 of 2 files, 0 B of 2.0 MB, 0 B/s\n" in stream.getvalue())
        bar.advance(500_000)
        wait_until(
            lambda: re.search(r"0 of 2 files, 500.0 kB of 2.0 MB, .*/s, \d+ \w+ left", stream.getvalue())
        )
        bar.advance(500_000)
    logged = stream.getvalue()
    time.sleep(0.1)
    assert stream.getvalue() == logged


def test_logs_the_progress_of_a_counter_at_intervals() -> None:
    stream = io.StringIO()
    display = plain.PlainProgress(stream, verbose=0, interval=0.02)
    with display.counter("asking pip", count=70) as bar:
        bar.set_total(77)
        bar.advance(20)
        wait_until(lambda: re.search(r"(?m)^asking pip: 20 of 77(, \d+ \w+ left)?$", stream.getvalue()))


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds, with time enough for a slow machine."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("size", "sizes", "share", "left"),
    [
        (1000, (500, 500), 0.25, 3.0),
        # The size is not listed: two of four files are known, with 600 bytes on average.
        (None, (400, 800), 250 / 2400, 2150 / 250),
        (None, (None, None), 0.0, None),
    ],
)
def test_computes_the_progress_and_remaining_time_of_a_stage(
    size: int | None, sizes: tuple[int | None, ...], share: float, left: float | None
) -> None:
    stage = stage_progress.StageProgress("download", 4, size, 100.0)
    assert (stage.speed, stage.seconds_left()) == (0.0, None)
    stage.active_files = [
        stage_progress.FileProgress(f"{number}.whl", file_size, stage, threading.RLock())
        for number, file_size in enumerate(sizes)
    ]
    stage.active_files[0].advance(250)
    for now in range(101, 102):
        stage.record_sample(float(now))
    assert stage.fraction_done == pytest.approx(share)
    assert stage.seconds_left() == (None if left is None else pytest.approx(left))


def test_computes_the_speed_from_recent_samples() -> None:
    stage = stage_progress.StageProgress("download", 1, 10_000, 0.0)
    file = stage_progress.FileProgress("x.whl", 10_000, stage, threading.RLock())
    for second in range(1, 31):
        file.advance(100 if second <= 10 else 10)
        stage.record_sample(float(second))
    assert stage.speed == pytest.approx(10)
    # Without progress, the speed drops to zero.
    for second in range(31, 50):
        stage.record_sample(float(second))
    assert (stage.speed, stage.seconds_left()) == (0.0, None)


def test_counts_checks_by_whole_files() -> None:
    stage = stage_progress.StageProgress("check", 2, 20, 0.0)
    file = stage_progress.FileProgress("x.whl", 10, stage, threading.RLock())
    file.advance(10)
    assert (stage.bytes_done, file.fraction_done) == (0, 1.0)
    stage.finish_file(file)
    assert (stage.bytes_done, stage.files_done, stage.fraction_done) == (10, 1, 0.5)
    for _ in range(3):
        stage.finish_file(file)
    assert (stage.file_count, stage.fraction_done) == (4, 1.0)
    assert stage_progress.StageProgress("attest", 0, None, 0.0).fraction_done is None


def test_shows_details_only_if_verbose() -> None:
    for verbose, lines in ((0, ["seen"]), (1, ["seen", "more"]), (2, ["seen", "more"])):
        stream, display = make_log_progress(verbose)
        display.info("seen")
        display.debug("more")
        assert stream.getvalue().splitlines() == lines


def test_prints_nothing_if_quiet() -> None:
    stream, display = make_log_progress(2, quiet=True)
    display.info("seen")
    display.debug("more")
    with display.stage("download", files=1, size=1), display.file("x", size=1) as bar:
        bar.advance(1)
    assert stream.getvalue() == ""


def test_sanitizes_untrusted_text() -> None:
    stream, display = make_log_progress(1)
    display.info("a\x1b[31mred\r\n::error::boo")
    display.debug("https://user:secret@example.com/")
    with display.stage("upload", files=1, size=1), display.file("x\u202e.whl", size=1) as bar:
        bar.advance(1)
    text = stream.getvalue()
    assert len(text.splitlines()) == 3
    for hidden in ("\x1b", "\r", "\u202e", "secret", "::error::"):
        assert hidden not in text


def test_does_not_mix_the_lines_of_several_threads() -> None:
    stream, display = make_log_progress()

    def talk(number: int) -> None:
        for _ in range(50):
            display.info(f"line of {number}")

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert sorted(lines) == sorted(f"line of {number}" for number in range(8) for _ in range(50))


# --- on a terminal ---------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal that collects its output."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        self.resize(120)
        self.stream = os.fdopen(self._slave, "w")
        self._text = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int = 24) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux raises EIO when the other end is closed.
            while data := os.read(self._master, 65536):
                self._text += data

    @property
    def text(self) -> str:
        return self._text.decode(errors="replace")

    def close(self) -> str:
        if not self.stream.closed:
            self.stream.close()
            self._reader.join()
            os.close(self._master)
        return self.text


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    opened = Terminal()
    try:
        yield opened
    finally:
        # Close it after a failure too, so that the next test is not affected.
        opened.close()


def render_screen(text: str) -> list[str]:
    """Return the visible lines of a wide terminal that knows only the few codes in use."""
    rows, row, column = [""], 0, 0
    for code, up, character in re.findall(r"(\x1b\[(?:(\d+)A|[CJK]))|(.)", text, re.DOTALL):
        if up:
            row -= int(up)
            assert row >= 0
        elif code.endswith("C"):
            column += 1
        elif code:
            rows[row] = rows[row][:column]
            if code.endswith("J"):
                del rows[row + 1 :]
        elif character == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        elif character == "\r":
            column = 0
        else:
            line = rows[row].ljust(column)
            rows[row] = line[:column] + character + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in rows if line.strip()]


def test_draws_bars_on_a_terminal_and_removes_them(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=1)
    names = [f"dipy-1.11.0-cp3{minor}-cp3{minor}-manylinux_2_17_x86_64.whl" for minor in range(10, 14)]
    half = threading.Barrier(5)

    def fetch(name: str) -> None:
        # The barrier is broken if the test has failed; these threads are not another failure.
        with contextlib.suppress(threading.BrokenBarrierError), display.file(name, size=1_000_000) as bar:
            bar.advance(250_000)
            half.wait(60)
            half.wait(60)
            bar.advance(750_000)
            display.debug(f"{name}: verified")

    threads = [threading.Thread(target=fetch, args=(name,)) for name in names]

    def end() -> None:
        half.abort()
        for thread in threads:
            thread.join()

    with display.stage("download", files=4, size=4_000_000), contextlib.ExitStack() as always:
        for thread in threads:
            thread.start()
        always.callback(end)
        half.wait(60)
        wait_until(lambda: "cp313-manylinux_2_17_x86_64 25%" in terminal.text)
        display.info("talk in between")
        # Wait for a complete frame: the cursor is at its first line.
        wait_until(
            lambda: "talk" in render_screen(terminal.text)[0] and len(render_screen(terminal.text)) >= 3
        )
        frame = render_screen(terminal.text)
        half.wait(60)
        for thread in threads:
            thread.join()
    display.info("the end")
    text = terminal.close()
    assert frame[0] == "talk in between"
    assert re.fullmatch(r"download 0/4  25% \|.+\| 1.0 MB/4.0 MB(  .*/s  \d+ m?s left)?", frame[1])
    assert sorted(re.findall(r"cp3\d\d-manylinux_2_17_x86_64 25%", " ".join(frame[2:]))) == [
        f"cp3{minor}-manylinux_2_17_x86_64 25%" for minor in range(10, 14)
    ]
    left = render_screen(text)
    assert left[0] == "talk in between"
    assert sorted(left[1:-2]) == [f"{name}: verified" for name in names]
    assert left[-2].startswith("downloaded 4 files, 4.0 MB, in ")
    assert left[-1] == "the end"


def test_prints_lines_above_the_bar_of_a_counter(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=1)
    with display.counter("asking pip", count=3) as bar:
        for number in range(3):
            bar.advance(1)
            wait_until(lambda: f"asking pip {number + 1}/3" in terminal.text)  # noqa: B023
            display.debug(f"answer {number}")
    display.info("the end")
    text = terminal.close()
    assert " B" not in text
    assert render_screen(text) == ["answer 0", "answer 1", "answer 2", "the end"]


@pytest.mark.parametrize("columns", [40, 120])
def test_text_may_contain_braces(terminal: Terminal, columns: int) -> None:
    """The text is not a part of tqdm's format."""
    terminal.resize(columns)
    display = progress.make_progress(terminal.stream, verbose=0)
    with display.counter("{bar} {0}", count=3) as bar:
        bar.advance(1)
        wait_until(lambda: "{bar} {0} 1/3  33%" in terminal.text)
    with display.waiting("{desc} {"):
        wait_until(lambda: "  {desc} {" in terminal.text)
    assert render_screen(terminal.close()) == []


def test_subtracts_the_bytes_of_a_failed_attempt(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=0)
    with display.stage("download", files=1, size=100):
        with contextlib.suppress(OSError), display.file("failed.whl", size=60) as bar:
            bar.advance(60)
            bar.advance(-60)
            raise OSError
        with display.file("again.whl", size=100) as bar:
            bar.advance(100)
            wait_until(lambda: "checking" in terminal.text)
        with display.file("unexpected.whl", size=None) as bar:
            bar.advance(100)
            wait_until(lambda: "unexpected 100 B" in terminal.text)
    with display.file("alone.whl", size=None) as bar:
        bar.advance(1)
    text = terminal.close()
    assert "160" not in text
    (line,) = render_screen(text)
    assert line.startswith("downloaded 2 files, 200 B, in ")


@pytest.mark.parametrize("columns", [20, 40, 59, 80, 200])
def test_no_line_is_longer_than_the_terminal(terminal: Terminal, columns: int) -> None:
    terminal.resize(columns, 6)
    names = [
        f"numpy-2.3.4-cp3{n}-cp3{n}t-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl" for n in range(10, 40)
    ]
    display = progress.make_progress(terminal.stream, verbose=0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(display.stage("download", files=30, size=30_000))
        for name in names:
            stack.enter_context(display.file(name, size=1000)).advance(10)
        wait_until(lambda: "more" in terminal.text or columns == 20)
        wait_until(lambda: terminal.text.count("\x1b[J") > 2)
    with display.waiting("w\u00e4hrend \u7b49\u5f85 " * 40):
        wait_until(lambda: "w\u00e4hrend" in terminal.text)
    # Permanent lines may wrap.
    text = re.sub(r"downloaded .*\n", "", terminal.close())
    drawn = re.split(r"[\r\n]+|\x1b\[\d*[ACJK]", text)
    assert max(map(disp_len, drawn)) < columns
    assert not [line for line in drawn if "\x1b" in line]


def test_redraws_cleanly_on_a_narrower_terminal(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=0)
    with display.stage("download", files=2, size=200), display.file("a.whl", size=100) as bar:
        bar.advance(50)
        wait_until(lambda: "50%" in terminal.text)
        terminal.resize(40)
        mark = len(terminal.text)
        wait_until(lambda: terminal.text.count("\x1b[J", mark) > 2)
    last = terminal.close()[mark:].rpartition("\x1b[J")[0].rpartition("\x1b[J")[2]
    assert max(map(len, re.split(r"[\r\n]+|\x1b\[\d*[ACK]", last))) < 40


def test_counts_down_the_waiting_time(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=0)
    with (
        display.waiting("list: reading\x1b[31m"),
        display.waiting("waiting for cp313-win_amd64", seconds=600),
    ):
        wait_until(
            lambda: re.search(r"(9 min \d+ s|10 min) left  waiting for cp313-win_amd64", terminal.text)
        )
    with display.waiting("list: reading"):
        wait_until(lambda: re.search(r"\d+ s  list: reading", terminal.text))
        display.info("talk")
    text = terminal.close()
    assert render_screen(text) == ["talk"]
    assert "\x1b[31m" not in text


def test_draws_only_on_progress_during_signing(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=0)
    with display.stage("sign", files=2, size=20):
        with display.file("a.whl", size=10) as bar:
            time.sleep(0.5)
            bar.advance(10)
            assert terminal.text == ""
        wait_until(lambda: "sign 1/2" in terminal.text)
    (line,) = render_screen(terminal.close())
    assert line.startswith("signed 1 file, 10 B, in ")


def test_colours_bars_only_if_enabled(terminal: Terminal) -> None:
    for color in (False, True):
        display = progress.make_progress(terminal.stream, verbose=0, color=color)
        with display.stage("download", files=1, size=10), display.file("a.whl", size=10) as bar:
            bar.advance(5)
            mark = len(terminal.text)
            wait_until(lambda: "  a 50%" in terminal.text[mark:])  # noqa: B023
        assert ("\x1b[32m" in terminal.text) == color
    terminal.close()


def test_clears_the_display(terminal: Terminal) -> None:
    display = progress.make_progress(terminal.stream, verbose=0)
    with display.waiting("waiting", seconds=60):
        wait_until(lambda: "waiting" in terminal.text)
        display.clear_display()
        wait_until(lambda: not render_screen(terminal.text))
    terminal.close()


def test_prints_lines_on_a_dumb_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    display = progress.make_progress(terminal.stream, verbose=0)
    with display.stage("upload", files=1, size=1), display.file("x.whl", size=1) as bar:
        bar.advance(1)
    assert terminal.close() == "uploaded x.whl (1 B)\r\n"


def test_does_not_import_tqdm_before_a_bar_is_drawn() -> None:
    code = (
        "import sys, io\nfrom wheel_uploader.core import progress\n"
        "shown = progress.make_progress(io.StringIO(), verbose=1)\n"
        "with shown.stage('download', files=1, size=1), shown.file('x', size=1) as bar: bar.advance(1)\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_ON_A_TERMINAL = """
import io, sys, threading, time
from wheel_uploader.core import progress

class Terminal(io.StringIO):
    isatty = lambda self: True

display = progress.make_progress(Terminal(), verbose=0)
before = threading.active_count()
with display.stage("download", files=1, size=1), display.file("x", size=1) as bar:
    while "tqdm" not in sys.modules or not display._stream.getvalue(): time.sleep(0.01)
import tqdm
while threading.active_count() > before: time.sleep(0.01)
print(tqdm.tqdm.monitor, len(tqdm.tqdm._instances), hasattr(tqdm.tqdm, "_lock"))
print("multiprocessing.synchronize" in sys.modules)
"""


def test_leaves_no_trace_of_tqdm() -> None:
    """Neither its thread nor a bar or lock that other users of tqdm in this process would share."""
    done = subprocess.run(
        [sys.executable, "-c", _ON_A_TERMINAL], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("None 0 False\nFalse\n", "")


def test_silent_progress_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    display = progress.SilentProgress()
    display.info("x")
    display.debug("x")
    with display.counter("x", count=1), display.waiting("x"):
        display.clear_display()
    with display.stage("download", files=1, size=1), display.file("x", size=1) as bar:
        bar.set_total(1)
        bar.advance(1)
    assert capfd.readouterr() == ("", "")
