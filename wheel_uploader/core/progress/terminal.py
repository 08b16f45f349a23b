"""Progress on a terminal: a bar for the stage, and the active files below it. Only this module uses tqdm."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from wheel_uploader.core.formatting import format_clock, format_size
from wheel_uploader.core.progress.plain import PlainProgress
from wheel_uploader.core.progress.stage_progress import FileProgress, StageProgress
from wheel_uploader.core.redaction import is_utf8_stream, sanitize

#: Seconds between two updates of the screen; anything that takes less time is not shown.
_REFRESH_SECONDS = 0.2
#: Maximum number of lines below the bar.
_FILE_LINES = 4
#: Columns that a bar needs at least, and uses at most.
_MIN_BAR_WIDTH, _MAX_WIDTH = 60, 120
#: Maximum columns of the name of an active file.
_MAX_LABEL_WIDTH = 34
#: Stages that may prompt for a passphrase. They are not refreshed, because the prompt uses the terminal.
_INTERACTIVE_STAGES = frozenset({"sign"})

_CLEAR_BELOW, _CLEAR_LINE = "\x1b[J", "\x1b[K"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """A condition that the run waits for."""

    description: str
    started_at: float
    #: Time limit of the wait, if there is one.
    seconds: float | None


class TerminalProgress(PlainProgress):
    """A Progress on a terminal.

    Between two writes the cursor is at the first column of the first line of the display. The next update
    therefore overwrites lines that a resized terminal wrapped or that another program wrote.
    """

    def __init__(
        self, stream: TextIO, *, verbose: int, color: bool = False, interval: float = _REFRESH_SECONDS
    ) -> None:
        super().__init__(stream, verbose=verbose, interval=interval)
        self._color = color
        self._utf8 = is_utf8_stream(stream)
        self._waits: list[_Wait] = []
        #: True while the display is on the screen.
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

    def _finish_file(self, work: StageProgress | None, flight: FileProgress) -> None:
        super()._finish_file(work, flight)
        if work and work.verb in _INTERACTIVE_STAGES:
            with self._lock:
                self._draw()

    def _report_file(self, work: StageProgress, flight: FileProgress) -> None:
        """Print nothing: the bar shows the file."""

    @contextlib.contextmanager
    def waiting(self, description: str, *, seconds: float | None = None) -> Iterator[None]:
        """Show what the run waits for, and for how long it has waited or will wait."""
        wait = _Wait(description=sanitize(description), started_at=time.monotonic(), seconds=seconds)
        with self._lock:
            self._waits.append(wait)
        try:
            with self._ticking_thread():
                yield
        finally:
            with self._lock:
                self._waits.remove(wait)
                self._clear()

    # --- drawing ---------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._work:
            self._work.record_sample(time.monotonic())
            if self._work.verb in _INTERACTIVE_STAGES:
                return
        self._draw()

    def _clear(self) -> None:
        if self._drawn:
            self._drawn = False
            # tmux copies the text to its history if it is cleared from the first cell: move one cell right.
            self._stream.write(f"\r{_CLEAR_LINE}\x1b[C{_CLEAR_BELOW}\r")
            self._stream.flush()

    def _draw(self) -> None:
        """Redraw all lines with one write, which avoids flicker, and move the cursor back to the first."""
        columns, rows = _get_terminal_size(self._stream)
        lines = self._render_lines(columns - 1)[: max(1, rows - 1)]
        if not lines:
            self._clear()
            return
        text = f"{_CLEAR_LINE}\n".join(lines)
        back = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        self._stream.write(f"\r{text}{_CLEAR_BELOW}{back}\r")
        self._stream.flush()
        self._drawn = True

    def _render_lines(self, width: int) -> list[str]:
        if self._work:
            return [
                self._format_bar(self._work, min(width, _MAX_WIDTH)),
                *_format_active_files(self._work, min(width, _MAX_WIDTH)),
            ]
        return [_truncate(_format_wait(self._waits[-1], time.monotonic()), width)] if self._waits else []

    def _format_bar(self, work: StageProgress, width: int) -> str:
        """``download  12/21  57% |#####     | 105.0/184.6 MB  15.4 MB/s  0:05 left``."""
        from tqdm import tqdm

        share, left, speed = work.fraction_done, work.seconds_left(), work.speed
        percent = f" {100 * share:3.0f}%" if share is not None else ""
        head = f"{work.verb} {work.files_done}/{work.file_count}{percent}"
        tail = []
        if not work.counts_steps:
            size = f"/{format_size(work.total_bytes)}" if work.total_bytes else ""
            tail += [f"{format_size(work.bytes_done)}{size}"] if work.bytes_done or work.total_bytes else []
            tail += [f"{format_size(round(speed))}/s"] if speed and share != 1 else []
        tail += [f"{format_clock(left)} left"] if left else []
        if width < _MIN_BAR_WIDTH or share is None:
            # The most important part comes first, because the end may be cut off.
            return _truncate("  ".join([head, *reversed(tail)]), width)
        return str(
            tqdm.format_meter(
                share,
                1.0,
                time.monotonic() - work.started_at,
                ncols=width,
                ascii=not self._utf8 and " #",
                bar_format=f"{head} |{{bar}}| {'  '.join(tail)}",
                colour="green" if self._color else None,
            )
        )


def _get_terminal_size(stream: TextIO) -> tuple[int, int]:
    """Return the current number of columns and rows of the terminal."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    # Some terminals report 0 for an unknown size.
    return size.columns or 80, size.lines or 24


def _format_wait(wait: _Wait, now: float) -> str:
    elapsed = now - wait.started_at
    if wait.seconds is None:
        return f"{format_clock(elapsed)}  {wait.description}"
    return f"{format_clock(max(0.0, wait.seconds - elapsed))} left  {wait.description}"


def _format_active_files(work: StageProgress, width: int) -> list[str]:
    """Format the active files in as many columns as fit, the oldest first."""
    cells = [
        (_shorten_name(flight.filename), _format_state(flight, work.verb)) for flight in work.active_files
    ]
    if not cells:
        return []
    name_width, state_width = (max(map(len, column)) for column in zip(*cells, strict=True))
    columns = max(1, width // (2 + name_width + 1 + state_width))
    capacity = columns * _FILE_LINES
    shown = cells if len(cells) <= capacity else cells[: capacity - 1]
    texts = [f"{name:<{name_width}} {state:>{state_width}}" for name, state in shown]
    if len(shown) < len(cells):
        texts.append(f"and {len(cells) - len(shown)} more")
    lines = [texts[start : start + columns] for start in range(0, len(texts), columns)]
    return [_truncate("  " + "  ".join(line).rstrip(), width) for line in lines]


#: The state of a file whose bytes were all transferred, by stage.
_STATE_AT_END = {"download": "checking", "check": "checking", "upload": "waiting"}


def _format_state(flight: FileProgress, verb: str) -> str:
    if flight.fraction_done is None:
        return format_size(flight.bytes_done) if flight.bytes_done else "..."
    return f"{100 * flight.fraction_done:.0f}%" if flight.fraction_done < 1 else _STATE_AT_END.get(verb, "")


def _shorten_name(filename: str) -> str:
    """Return the part of a file name that differs within a release: ``cp313-manylinux_2_28_x86_64``."""
    stem, dot, _ = filename.rpartition(".whl")
    parts = stem.split("-")
    if dot and len(parts) >= 5:
        python, abi, platform = parts[-3:]
        stem = "-".join([*dict.fromkeys([python, abi]), platform.partition(".")[0]])
    label = sanitize(stem if dot else filename)
    half = (_MAX_LABEL_WIDTH - 3) // 2
    return label if len(label) <= _MAX_LABEL_WIDTH else f"{label[:half]}...{label[-half:]}"


def _truncate(text: str, width: int) -> str:
    """Truncate ``text`` to ``width`` columns; some characters take two columns."""
    from tqdm.utils import disp_len

    while disp_len(text) > width:
        text = text[:-1]
    return text
