"""What a person sees while a run is at work: bars on a terminal, lines elsewhere."""

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


def in_a_log(verbose: int = 0, *, quiet: bool = False) -> tuple[io.StringIO, progress.Progress]:
    stream = io.StringIO()
    return stream, progress.make_progress(stream, verbose=verbose, quiet=quiet)


def test_a_log_gets_a_line_for_each_stage_and_for_each_file_that_is_uploaded() -> None:
    stream, shown = in_a_log()
    with shown.stage("download", files=3, size=None):
        with shown.file("dipy-1.11.0-py3-none-any.whl", size=1_200_000) as bar:
            bar.set_total(1_200_000)
            bar.advance(1_000_000)
            bar.advance(-1_000_000)
            bar.advance(1_200_000)
        with shown.file("dipy-1.11.0.tar.gz", size=5) as bar:
            bar.advance(5)
        with shown.file("unchanged-1.0-py3-none-any.whl", size=5):
            pass
    with shown.stage("check", files=1, size=5), shown.waiting("nothing a log needs", seconds=5):
        pass
    with shown.stage("upload", files=2, size=14):
        for name in ("a.whl", "b.whl"):
            with shown.file(name, size=7) as bar:
                bar.advance(7)
    with shown.stage("upload", files=1, size=7), shown.file("c.whl", size=7) as bar:
        bar.advance(7)
    assert stream.getvalue().splitlines() == [
        "downloaded 2 files, 1.2 MB, in 0 s",
        "uploaded a.whl (7 B)",
        "uploaded b.whl (7 B)",
        "uploaded 2 files, 14 B, in 0 s",
        "uploaded c.whl (7 B)",
    ]


def test_very_verbose_logs_name_every_file() -> None:
    stream, shown = in_a_log(2)
    with shown.stage("queue", files=1, size=7), shown.file("x", size=7) as bar:
        bar.advance(7)
    assert stream.getvalue().splitlines() == ["queued x (7 B)", "queued 1 file, 7 B, in 0 s"]


def test_a_log_hears_now_and_then_how_far_a_long_stage_is() -> None:
    stream = io.StringIO()
    shown = plain.PlainProgress(stream, verbose=0, interval=0.02)
    with shown.stage("download", files=2, size=2_000_000), shown.file("x.whl", size=1_000_000) as bar:
        until(lambda: "download: 0 of 2 files, 0 B of 2.0 MB, 0 B/s\n" in stream.getvalue())
        bar.advance(500_000)
        until(lambda: re.search(r"0 of 2 files, 500.0 kB of 2.0 MB, .*/s, \d+ \w+ left", stream.getvalue()))
        bar.advance(500_000)
    told = stream.getvalue()
    time.sleep(0.1)
    assert stream.getvalue() == told


def test_a_log_hears_of_many_steps_every_now_and_then() -> None:
    stream = io.StringIO()
    shown = plain.PlainProgress(stream, verbose=0, interval=0.02)
    with shown.counter("asking pip", count=70) as bar:
        bar.set_total(77)
        bar.advance(20)
        until(lambda: re.search(r"(?m)^asking pip: 20 of 77(, \d+ \w+ left)?$", stream.getvalue()))


def until(seen: Callable[[], object]) -> None:
    """Wait for something that will happen, at last on a slow machine."""
    deadline = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("size", "sizes", "share", "left"),
    [
        (1000, (500, 500), 0.25, 3.0),
        # Not listed: two of four are seen, and of 600 on average.
        (None, (400, 800), 250 / 2400, 2150 / 250),
        (None, (None, None), 0.0, None),
    ],
)
def test_how_far_a_stage_is_and_how_much_longer(
    size: int | None, sizes: tuple[int | None, ...], share: float, left: float | None
) -> None:
    stage = stage_progress.StageProgress("download", 4, size, 100.0)
    assert (stage.speed, stage.seconds_left()) == (0.0, None)
    stage.active_files = [
        stage_progress.FileProgress(f"{number}.whl", each, stage, threading.RLock())
        for number, each in enumerate(sizes)
    ]
    stage.active_files[0].advance(250)
    for now in range(101, 102):
        stage.record_sample(float(now))
    assert stage.fraction_done == pytest.approx(share)
    assert stage.seconds_left() == (None if left is None else pytest.approx(left))


def test_the_speed_is_that_of_late() -> None:
    stage = stage_progress.StageProgress("download", 1, 10_000, 0.0)
    flight = stage_progress.FileProgress("x.whl", 10_000, stage, threading.RLock())
    for second in range(1, 31):
        flight.advance(100 if second <= 10 else 10)
        stage.record_sample(float(second))
    assert stage.speed == pytest.approx(10)
    # It stands still, and says so.
    for second in range(31, 50):
        stage.record_sample(float(second))
    assert (stage.speed, stage.seconds_left()) == (0.0, None)


def test_checks_are_counted_by_whole_files() -> None:
    stage = stage_progress.StageProgress("check", 2, 20, 0.0)
    flight = stage_progress.FileProgress("x.whl", 10, stage, threading.RLock())
    flight.advance(10)
    assert (stage.bytes_done, flight.fraction_done) == (0, 1.0)
    stage.finish_file(flight)
    assert (stage.bytes_done, stage.files_done, stage.fraction_done) == (10, 1, 0.5)
    for _ in range(3):
        stage.finish_file(flight)
    assert (stage.file_count, stage.fraction_done) == (4, 1.0)
    assert stage_progress.StageProgress("attest", 0, None, 0.0).fraction_done is None


def test_details_are_for_those_who_ask() -> None:
    for verbose, heard in ((0, ["seen"]), (1, ["seen", "more"]), (2, ["seen", "more"])):
        stream, shown = in_a_log(verbose)
        shown.info("seen")
        shown.debug("more")
        assert stream.getvalue().splitlines() == heard


def test_quiet_is_quiet() -> None:
    stream, shown = in_a_log(2, quiet=True)
    shown.info("seen")
    shown.debug("more")
    with shown.stage("download", files=1, size=1), shown.file("x", size=1) as bar:
        bar.advance(1)
    assert stream.getvalue() == ""


def test_what_came_from_outside_is_harmless() -> None:
    stream, shown = in_a_log(1)
    shown.info("a\x1b[31mred\r\n::error::boo")
    shown.debug("https://user:secret@example.com/")
    with shown.stage("upload", files=1, size=1), shown.file("x\u202e.whl", size=1) as bar:
        bar.advance(1)
    text = stream.getvalue()
    assert len(text.splitlines()) == 3
    for hidden in ("\x1b", "\r", "\u202e", "secret", "::error::"):
        assert hidden not in text


def test_lines_of_many_threads_stay_whole() -> None:
    stream, shown = in_a_log()

    def talk(number: int) -> None:
        for _ in range(50):
            shown.info(f"line of {number}")

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard = stream.getvalue().splitlines()
    assert sorted(heard) == sorted(f"line of {number}" for number in range(8) for _ in range(50))


# --- on a terminal ---------------------------------------------------------------------------------


class Terminal:
    """A pseudo terminal, and its text so far."""

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
        with contextlib.suppress(OSError):  # Linux says EIO when the other end is closed.
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
        # A test that failed leaves nothing behind that the next one would be blamed for.
        opened.close()


def screen(text: str) -> list[str]:
    """What is left to see: a terminal that knows the few codes that are used, and is wide enough."""
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


def test_a_terminal_gets_bars_and_is_clean_afterwards(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=1)
    names = [f"dipy-1.11.0-cp3{minor}-cp3{minor}-manylinux_2_17_x86_64.whl" for minor in range(10, 14)]
    half = threading.Barrier(5)

    def fetch(name: str) -> None:
        # It is broken where this test has failed already: then these threads are not another failure.
        with contextlib.suppress(threading.BrokenBarrierError), shown.file(name, size=1_000_000) as bar:
            bar.advance(250_000)
            half.wait(60)
            half.wait(60)
            bar.advance(750_000)
            shown.debug(f"{name}: verified")

    threads = [threading.Thread(target=fetch, args=(name,)) for name in names]

    def end() -> None:
        half.abort()
        for thread in threads:
            thread.join()

    with shown.stage("download", files=4, size=4_000_000), contextlib.ExitStack() as always:
        for thread in threads:
            thread.start()
        always.callback(end)
        half.wait(60)
        until(lambda: "cp313-manylinux_2_17_x86_64 25%" in terminal.text)
        shown.info("talk in between")
        # In the middle of it all, a whole picture: the cursor is at its first line.
        until(lambda: "talk" in screen(terminal.text)[0] and len(screen(terminal.text)) >= 3)
        seen = screen(terminal.text)
        half.wait(60)
        for thread in threads:
            thread.join()
    shown.info("the end")
    text = terminal.close()
    assert seen[0] == "talk in between"
    assert re.fullmatch(r"download 0/4  25% \|.+\| 1.0 MB/4.0 MB(  .*/s  \d+:\d\d left)?", seen[1])
    assert sorted(re.findall(r"cp3\d\d-manylinux_2_17_x86_64 25%", " ".join(seen[2:]))) == [
        f"cp3{minor}-manylinux_2_17_x86_64 25%" for minor in range(10, 14)
    ]
    left = screen(text)
    assert left[0] == "talk in between"
    assert sorted(left[1:-2]) == [f"{name}: verified" for name in names]
    assert left[-2].startswith("downloaded 4 files, 4.0 MB, in ")
    assert left[-1] == "the end"


def test_steps_are_a_bar_that_lines_go_above(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=1)
    with shown.counter("asking pip", count=3) as bar:
        for number in range(3):
            bar.advance(1)
            until(lambda: f"asking pip {number + 1}/3" in terminal.text)  # noqa: B023
            shown.debug(f"answer {number}")
    shown.info("the end")
    text = terminal.close()
    assert " B" not in text
    assert screen(text) == ["answer 0", "answer 1", "answer 2", "the end"]


def test_an_attempt_that_starts_again_takes_its_bytes_back(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=0)
    with shown.stage("download", files=1, size=100):
        with contextlib.suppress(OSError), shown.file("failed.whl", size=60) as bar:
            bar.advance(60)
            bar.advance(-60)
            raise OSError
        with shown.file("again.whl", size=100) as bar:
            bar.advance(100)
            until(lambda: "checking" in terminal.text)
        with shown.file("unexpected.whl", size=None) as bar:
            bar.advance(100)
            until(lambda: "unexpected 100 B" in terminal.text)
    with shown.file("alone.whl", size=None) as bar:
        bar.advance(1)
    text = terminal.close()
    assert "160" not in text
    (line,) = screen(text)
    assert line.startswith("downloaded 2 files, 200 B, in ")


@pytest.mark.parametrize("columns", [20, 40, 59, 80, 200])
def test_no_line_is_longer_than_the_terminal(terminal: Terminal, columns: int) -> None:
    terminal.resize(columns, 6)
    names = [
        f"numpy-2.3.4-cp3{n}-cp3{n}t-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl" for n in range(10, 40)
    ]
    shown = progress.make_progress(terminal.stream, verbose=0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(shown.stage("download", files=30, size=30_000))
        for name in names:
            stack.enter_context(shown.file(name, size=1000)).advance(10)
        until(lambda: "more" in terminal.text or columns == 20)
        until(lambda: terminal.text.count("\x1b[J") > 2)
    with shown.waiting("w\u00e4hrend \u7b49\u5f85 " * 40):
        until(lambda: "w\u00e4hrend" in terminal.text)
    # Lines that stay may wrap.
    text = re.sub(r"downloaded .*\n", "", terminal.close())
    drawn = re.split(r"[\r\n]+|\x1b\[\d*[ACJK]", text)
    assert max(map(disp_len, drawn)) < columns
    assert not [line for line in drawn if "\x1b" in line]


def test_a_terminal_that_gets_narrower_keeps_no_remains(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=0)
    with shown.stage("download", files=2, size=200), shown.file("a.whl", size=100) as bar:
        bar.advance(50)
        until(lambda: "50%" in terminal.text)
        terminal.resize(40)
        mark = len(terminal.text)
        until(lambda: terminal.text.count("\x1b[J", mark) > 2)
    last = terminal.close()[mark:].rpartition("\x1b[J")[0].rpartition("\x1b[J")[2]
    assert max(map(len, re.split(r"[\r\n]+|\x1b\[\d*[ACK]", last))) < 40


def test_what_is_waited_for_counts_down(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=0)
    with shown.waiting("list: reading\x1b[31m"), shown.waiting("waiting for cp313-win_amd64", seconds=600):
        until(lambda: re.search(r"(9:\d\d|10:00) left  waiting for cp313-win_amd64", terminal.text))
    with shown.waiting("list: reading"):
        until(lambda: re.search(r"0:\d\d  list: reading", terminal.text))
        shown.info("talk")
    text = terminal.close()
    assert screen(text) == ["talk"]
    assert "\x1b[31m" not in text


def test_nothing_is_drawn_by_itself_while_a_passphrase_may_be_asked_for(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=0)
    with shown.stage("sign", files=2, size=20):
        with shown.file("a.whl", size=10) as bar:
            time.sleep(0.5)
            bar.advance(10)
            assert terminal.text == ""
        until(lambda: "sign 1/2" in terminal.text)
    (line,) = screen(terminal.close())
    assert line.startswith("signed 1 file, 10 B, in ")


def test_bars_have_colour_only_when_it_is_wanted(terminal: Terminal) -> None:
    for color in (False, True):
        shown = progress.make_progress(terminal.stream, verbose=0, color=color)
        with shown.stage("download", files=1, size=10), shown.file("a.whl", size=10) as bar:
            bar.advance(5)
            mark = len(terminal.text)
            until(lambda: "  a 50%" in terminal.text[mark:])  # noqa: B023
        assert ("\x1b[32m" in terminal.text) == color
    terminal.close()


def test_an_end_at_once_leaves_a_clean_screen(terminal: Terminal) -> None:
    shown = progress.make_progress(terminal.stream, verbose=0)
    with shown.waiting("waiting", seconds=60):
        until(lambda: "waiting" in terminal.text)
        shown.clear_display()
        until(lambda: not screen(terminal.text))
    terminal.close()


def test_a_dumb_terminal_gets_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = progress.make_progress(terminal.stream, verbose=0)
    with shown.stage("upload", files=1, size=1), shown.file("x.whl", size=1) as bar:
        bar.advance(1)
    assert terminal.close() == "uploaded x.whl (1 B)\r\n"


def test_no_bar_is_loaded_before_one_is_drawn() -> None:
    code = (
        "import sys, io\nfrom wheel_uploader.core import progress\n"
        "shown = progress.make_progress(io.StringIO(), verbose=1)\n"
        "with shown.stage('download', files=1, size=1), shown.file('x', size=1) as bar: bar.advance(1)\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_silence(capfd: pytest.CaptureFixture[str]) -> None:
    shown = progress.SilentProgress()
    shown.info("x")
    shown.debug("x")
    with shown.counter("x", count=1), shown.waiting("x"):
        shown.clear_display()
    with shown.stage("download", files=1, size=1), shown.file("x", size=1) as bar:
        bar.set_total(1)
        bar.advance(1)
    assert capfd.readouterr() == ("", "")
