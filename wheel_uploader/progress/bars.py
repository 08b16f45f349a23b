"""Progress on a terminal: a bar for the stage, and below it what is in flight. The one home of tqdm."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from wheel_uploader.display import clock, human_size, is_utf8, printable
from wheel_uploader.progress.lines import Lines
from wheel_uploader.progress.work import Flight, Work

#: Seconds between two looks of the screen; nothing is shown of what takes less time than one.
_EVERY = 0.2
#: Lines below the bar.
_BELOW = 4
#: Columns: with fewer there is no room for a bar, with more a bar says no more.
_NARROW, _WIDE = 60, 120
#: Columns of what a file in flight is called, at most.
_LABEL = 34
#: What asks for a passphrase owns the terminal meanwhile: nothing moves by itself then.
_STILL = frozenset({"sign"})

_CLEAR_BELOW, _CLEAR_LINE = "\x1b[J", "\x1b[K"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """Something that is waited for."""

    what: str
    begun: float
    seconds: float | None


class Bars(Lines):
    """A Progress on a terminal. Between two writes the cursor stands at the first column of the first of its
    lines: what a resized terminal makes of them, or another program writes, is gone with the next look.
    """

    def __init__(self, stream: TextIO, *, verbose: int, color: bool = False, every: float = _EVERY) -> None:
        super().__init__(stream, verbose=verbose, every=every)
        self._color = color
        self._utf8 = is_utf8(stream)
        self._waits: list[_Wait] = []
        #: Whether there is anything to clear.
        self._drawn = False
        if sys.platform == "win32":
            import colorama

            colorama.just_fix_windows_console()

    def _write(self, line: str) -> None:
        with self._lock:
            drawn = self._drawn
            self._clear()
            super()._write(line)
            if drawn:
                self._draw()

    def _finished(self, work: Work | None, flight: Flight) -> None:
        super()._finished(work, flight)
        if work and work.verb in _STILL:
            with self._lock:
                self._draw()

    def _arrived(self, work: Work, flight: Flight) -> None:
        """Nothing: the bar tells it."""

    @contextlib.contextmanager
    def during(self, what: str, *, seconds: float | None = None) -> Iterator[None]:
        wait = _Wait(what=printable(what), begun=time.monotonic(), seconds=seconds)
        with self._lock:
            self._waits.append(wait)
        try:
            with self._ticking():
                yield
        finally:
            with self._lock:
                self._waits.remove(wait)
                self._clear()

    # --- the screen ------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._work:
            self._work.sample(time.monotonic())
            if self._work.verb in _STILL:
                return
        self._draw()

    def _clear(self) -> None:
        if self._drawn:
            self._drawn = False
            # tmux keeps what is cleared from its first cell on in its history: go one cell further before.
            self._stream.write(f"\r{_CLEAR_LINE}\x1b[C{_CLEAR_BELOW}\r")
            self._stream.flush()

    def _draw(self) -> None:
        """Write all lines anew, in one piece so that nothing flickers, and go back to the first."""
        columns, rows = _room(self._stream)
        lines = self._lines(columns - 1)[: max(1, rows - 1)]
        if not lines:
            self._clear()
            return
        text = f"{_CLEAR_LINE}\n".join(lines)
        back = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        self._stream.write(f"\r{text}{_CLEAR_BELOW}{back}\r")
        self._stream.flush()
        self._drawn = True

    def _lines(self, width: int) -> list[str]:
        if self._work:
            return [self._meter(self._work, min(width, _WIDE)), *_flying(self._work, min(width, _WIDE))]
        return [_fitting(_told(self._waits[-1], time.monotonic()), width)] if self._waits else []

    def _meter(self, work: Work, width: int) -> str:
        """``download  12/21  57% |#####     | 105.0/184.6 MB  15.4 MB/s  0:05 left``."""
        from tqdm import tqdm

        share, left, speed = work.share, work.left(), work.speed
        percent = f" {100 * share:3.0f}%" if share is not None else ""
        head = f"{work.verb} {work.finished}/{work.files}{percent}"
        tail = []
        if not work.steps:
            size = f"/{human_size(work.size)}" if work.size else ""
            tail += [f"{human_size(work.bytes)}{size}"] if work.bytes or work.size else []
            tail += [f"{human_size(round(speed))}/s"] if speed and share != 1 else []
        tail += [f"{clock(left)} left"] if left else []
        if width < _NARROW or share is None:
            # What says most comes first: the rest may be cut.
            return _fitting("  ".join([head, *reversed(tail)]), width)
        return str(
            tqdm.format_meter(
                share,
                1.0,
                time.monotonic() - work.begun,
                ncols=width,
                ascii=not self._utf8 and " #",
                bar_format=f"{head} |{{bar}}| {'  '.join(tail)}",
                colour="green" if self._color else None,
            )
        )


def _room(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of the terminal as it is now."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    # Some terminals say 0 for what they do not know.
    return size.columns or 80, size.lines or 24


def _told(wait: _Wait, now: float) -> str:
    spent = now - wait.begun
    if wait.seconds is None:
        return f"{clock(spent)}  {wait.what}"
    return f"{clock(max(0.0, wait.seconds - spent))} left  {wait.what}"


def _flying(work: Work, width: int) -> list[str]:
    """What is in flight, in as many columns as fit; the oldest first."""
    cells = [(_label(flight.filename), _state(flight, work.verb)) for flight in work.flying]
    if not cells:
        return []
    label, state = (max(map(len, each)) for each in zip(*cells, strict=True))
    columns = max(1, width // (2 + label + 1 + state))
    room = columns * _BELOW
    shown = cells if len(cells) <= room else cells[: room - 1]
    said = [f"{name:<{label}} {how:>{state}}" for name, how in shown]
    if len(shown) < len(cells):
        said.append(f"and {len(cells) - len(shown)} more")
    lines = [said[start : start + columns] for start in range(0, len(said), columns)]
    return [_fitting("  " + "  ".join(line).rstrip(), width) for line in lines]


#: What a file waits for whose bytes have all gone by.
_AT_THE_END = {"download": "checking", "check": "checking", "upload": "waiting"}


def _state(flight: Flight, verb: str) -> str:
    if flight.share is None:
        return human_size(flight.bytes) if flight.bytes else "..."
    return f"{100 * flight.share:.0f}%" if flight.share < 1 else _AT_THE_END.get(verb, "")


def _label(filename: str) -> str:
    """What tells the files of one release apart: ``cp313-manylinux_2_28_x86_64``."""
    stem, dot, _ = filename.rpartition(".whl")
    parts = stem.split("-")
    if dot and len(parts) >= 5:
        python, abi, platform = parts[-3:]
        stem = "-".join([*dict.fromkeys([python, abi]), platform.partition(".")[0]])
    label = printable(stem if dot else filename)
    half = (_LABEL - 3) // 2
    return label if len(label) <= _LABEL else f"{label[:half]}...{label[-half:]}"


def _fitting(text: str, width: int) -> str:
    """As much of ``text`` as fits into so many columns, of which some characters take two."""
    from tqdm.utils import disp_len

    while disp_len(text) > width:
        text = text[:-1]
    return text
