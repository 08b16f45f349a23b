"""What a person sees while a run is at work: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from wheel_uploader import progress


def in_a_log(verbose: int = 0, *, quiet: bool = False) -> tuple[io.StringIO, progress.Progress]:
    stream = io.StringIO()
    return stream, progress.make(stream, verbose=verbose, quiet=quiet)


def test_a_log_gets_one_line_for_each_file() -> None:
    stream, shown = in_a_log()
    with shown.total("download", files=2, size=None):
        with shown.file("dipy-1.11.0-py3-none-any.whl", size=1_200_000) as bar:
            bar.advance(1_000_000)
            bar.advance(-1_000_000)
            bar.advance(1_200_000)
        with shown.file("unchanged-1.0-py3-none-any.whl", size=5):
            pass
    with shown.total("sign", files=1, size=7), shown.file("SHA256SUMS", size=7) as bar:
        bar.advance(7)
    with shown.total("queue", files=1, size=7), shown.file("x", size=7) as bar:
        bar.advance(7)
    assert stream.getvalue().splitlines() == [
        "downloaded dipy-1.11.0-py3-none-any.whl (1.2 MB)",
        "signed SHA256SUMS (7 B)",
        "queued x (7 B)",
    ]


def test_a_file_that_fails_is_not_called_done() -> None:
    stream, shown = in_a_log()
    with contextlib.suppress(OSError), shown.file("x.whl", size=9) as bar:
        bar.advance(5)
        raise OSError
    assert stream.getvalue() == ""


def test_details_are_for_those_who_ask() -> None:
    for verbose, lines in ((0, ["seen"]), (1, ["seen", "more"]), (2, ["seen", "more"])):
        stream, shown = in_a_log(verbose)
        shown.say("seen")
        shown.detail("more")
        assert stream.getvalue().splitlines() == lines


def test_quiet_is_quiet() -> None:
    stream, shown = in_a_log(2, quiet=True)
    shown.say("seen")
    shown.detail("more")
    with shown.total("download", files=1, size=1), shown.file("x", size=1) as bar:
        bar.advance(1)
    with shown.steps("asking pip", count=1) as bar:
        bar.advance(1)
    assert stream.getvalue() == ""


def test_what_came_from_outside_is_harmless() -> None:
    stream, shown = in_a_log(1)
    shown.say("a\x1b[31mred\r\n::error::boo")
    shown.detail("https://user:secret@example.com/")
    with shown.file("x\u202e.whl", size=1) as bar:
        bar.advance(1)
    text = stream.getvalue()
    assert len(text.splitlines()) == 3
    for hidden in ("\x1b", "\r", "\u202e", "secret", "::error::"):
        assert hidden not in text


def test_a_log_hears_of_many_steps_every_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    stream, shown = in_a_log()
    with shown.steps("asking pip", count=77) as bar:
        for _ in range(77):
            clock[0] += 1.0
            bar.advance(1)
    assert stream.getvalue().splitlines() == [f"asking pip: {done} of 77" for done in (20, 40, 60)]


def test_lines_of_many_threads_stay_whole() -> None:
    stream, shown = in_a_log()

    def talk(number: int) -> None:
        for _ in range(50):
            shown.say(f"line of {number}")

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert sorted(lines) == sorted(f"line of {number}" for number in range(8) for _ in range(50))


# --- on a terminal ---------------------------------------------------------------------------------


class Terminal:
    """A pseudo terminal, its text so far, and what a person would see of it."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.stream = os.fdopen(slave, "w")
        self._text = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux says EIO when the other end is closed.
            while data := os.read(self._master, 65536):
                self._text += data

    def close(self) -> str:
        self.stream.close()
        self._reader.join()
        os.close(self._master)
        return self._text.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    yield Terminal()


def screen(text: str) -> list[str]:
    """What is left to see: a terminal that knows the few codes that tqdm uses."""
    rows, row, column = [""], 0, 0
    position = 0
    while position < len(text):
        character = text[position]
        if text.startswith("\x1b[A", position):
            row, position = max(row - 1, 0), position + 3
            continue
        if character == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif character == "\r":
            column = 0
        else:
            line = rows[row].ljust(column)
            rows[row] = line[:column] + character + line[column + 1 :]
            column += 1
        position += 1
    return [line.rstrip() for line in rows if line.strip()]


def test_a_terminal_gets_bars_and_is_clean_afterwards(terminal: Terminal) -> None:
    shown = progress.make(terminal.stream, verbose=1)
    names = [f"dipy-1.11.0-cp3{minor}-cp3{minor}-manylinux_2_17_x86_64.whl" for minor in range(10, 14)]

    def fetch(name: str) -> None:
        with shown.file(name, size=1_000_000) as bar:
            for _ in range(5):
                time.sleep(0.12)
                bar.advance(200_000)
            shown.detail(f"{name}: verified")

    with shown.total("download", files=4, size=4_000_000):
        threads = [threading.Thread(target=fetch, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        shown.say("talk in between")
        for thread in threads:
            thread.join()
    shown.say("the end")
    text = terminal.close()
    assert "download 0/4" in text
    assert "download 4/4" in text
    assert "dipy-1.11.0-cp310-...ux_2_17_x86_64.whl" in text
    assert "/4.00M" in text
    assert "/1.00M" in text
    seen = screen(text)
    assert seen[0] == "talk in between"
    assert sorted(seen[1:-1]) == [f"{name}: verified" for name in names]
    assert seen[-1] == "the end"


def test_steps_are_a_bar_that_lines_go_above(terminal: Terminal) -> None:
    shown = progress.make(terminal.stream, verbose=1)
    with shown.steps("asking pip", count=3) as bar:
        for number in range(3):
            time.sleep(0.12)
            bar.advance(1)
            shown.detail(f"answer {number}")
    shown.say("the end")
    text = terminal.close()
    assert "asking pip: " in text
    assert "3/3 [" in text
    assert screen(text) == ["answer 0", "answer 1", "answer 2", "the end"]


def test_an_attempt_that_starts_again_takes_its_bytes_back(terminal: Terminal) -> None:
    shown = progress.make(terminal.stream, verbose=0)
    with shown.total("download", files=1, size=100):
        with contextlib.suppress(OSError), shown.file("failed.whl", size=60) as bar:
            bar.advance(60)
            bar.advance(-60)
            raise OSError
        with shown.file("again.whl", size=100) as bar:
            bar.advance(100)
            time.sleep(0.15)
        with shown.file("unexpected.whl", size=None) as bar:
            bar.advance(100)
    with shown.file("alone.whl", size=None) as bar:
        bar.advance(1)
    text = terminal.close()
    assert "160" not in text
    assert screen(text) == []


def test_a_dumb_terminal_gets_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = progress.make(terminal.stream, verbose=0)
    with shown.total("upload", files=1, size=1), shown.file("x.whl", size=1) as bar:
        bar.advance(1)
    assert terminal.close() == "uploaded x.whl (1 B)\r\n"


def test_no_bar_is_loaded_before_one_is_drawn() -> None:
    code = (
        "import sys, io, wheel_uploader.progress as p\n"
        "shown = p.make(io.StringIO(), verbose=1)\n"
        "with shown.total('download', files=1, size=1), shown.file('x', size=1) as bar: bar.advance(1)\n"
        "sys.exit('tqdm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_silence() -> None:
    shown = progress.Silent()
    shown.say("x")
    shown.detail("x")
    with shown.total("download", files=1, size=1), shown.file("x", size=1) as bar:
        bar.advance(1)
