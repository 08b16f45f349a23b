"""The display on a terminal, drawn by tqdm. Only this module uses tqdm; it is imported when first needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm
from tqdm.utils import disp_trim

from wheel_uploader.core.formatting import format_duration, format_size
from wheel_uploader.core.progress.stage_progress import FileProgress, StageProgress
from wheel_uploader.core.redaction import sanitize

#: Maximum number of lines below the bar.
_FILE_LINES = 4
#: Columns that a bar needs at least, and uses at most.
_MIN_BAR_WIDTH, _MAX_WIDTH = 60, 120
#: Maximum columns of the name of an active file.
_MAX_LABEL_WIDTH = 34
_CLEAR_BELOW, _CLEAR_LINE = "\x1b[J", "\x1b[K"
#: tmux copies the text to its history if it is cleared from the first cell: move one cell right.
_CLEAR = f"\r{_CLEAR_LINE}\x1b[C{_CLEAR_BELOW}\r"

#: A stage, or a function that returns a line of text.
Shown = StageProgress | Callable[[], str]


class Display(tqdm):  # type: ignore[type-arg] # the class is generic in its type stubs only
    """A bar for a stage, with its active files below it, or a line of text.

    Between two writes the cursor is at the first column of the first line. The next update therefore
    overwrites lines that a resized terminal wrapped or that another program wrote.
    """

    #: Without tqdm's thread, which outlives every bar.
    monitor_interval = 0

    def __init__(self, shown: Shown, stream: TextIO, **settings: Any) -> None:
        self.shown = shown
        super().__init__(total=1, file=stream, leave=False, position=0, **settings)

    def __str__(self) -> str:
        """Return the lines for the current size of the terminal."""
        columns, rows = _get_terminal_size(self.fp)
        width = columns - 1
        if isinstance(self.shown, StageProgress):
            width = min(width, _MAX_WIDTH)
            bar = self.format_meter(**{**self.format_dict, **_arrange_bar(self.shown, width)})
            lines = [bar, *_format_active_files(self.shown, width)]
        else:
            lines = [self.shown()]
        return "\n".join(disp_trim(line, width) for line in lines[: max(1, rows - 1)])

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Return a function that replaces the display with one write, which avoids flicker."""

        def draw(text: str) -> None:
            count = text.count("\n")
            back = f"\x1b[{count}A" if count else ""
            lines = text.replace("\n", f"{_CLEAR_LINE}\n")
            file.write(f"\r{lines}{_CLEAR_BELOW}{back}\r" if text else _CLEAR)
            file.flush()

        return draw

    def print_above(self, line: str) -> None:
        """Print a line above the display: tqdm.write, with the line in the same write that clears it."""
        self.fp.write(f"{_CLEAR}{line}\n")
        self.refresh()


# Not the lock that tqdm creates by default, which imports multiprocessing.
Display.set_lock(threading.RLock())


def _get_terminal_size(stream: TextIO) -> tuple[int, int]:
    """Return the current number of columns and rows of the terminal."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    # Some terminals report 0 for an unknown size.
    return size.columns or 80, size.lines or 24


def _arrange_bar(work: StageProgress, width: int) -> dict[str, object]:
    """Return tqdm's values for ``download 12/21  57% |#####     | 105.0/184.6 MB  15.4 MB/s  5 s left``."""
    share, left, speed = work.fraction_done, work.seconds_left(), work.speed
    head = "{desc}" if share is None else "{desc} {percentage:3.0f}%"
    tail = []
    if not work.counts_steps:
        size = f"/{format_size(work.total_bytes)}" if work.total_bytes else ""
        tail += [f"{format_size(work.bytes_done)}{size}"] if work.bytes_done or work.total_bytes else []
        tail += [f"{format_size(round(speed))}/s"] if speed and share != 1 else []
    tail += [f"{format_duration(round(left))} left"] if left else []
    if width < _MIN_BAR_WIDTH or share is None:
        # The most important part comes first, because the end may be cut off.
        bar_format = "  ".join([head, *reversed(tail)])
    else:
        bar_format = f"{head} |{{bar}}| {'  '.join(tail)}"
    desc = f"{work.verb} {work.files_done}/{work.file_count}"
    return {"n": share or 0, "prefix": desc, "bar_format": bar_format, "ncols": width}


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
    return ["  " + "  ".join(line).rstrip() for line in lines]


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
