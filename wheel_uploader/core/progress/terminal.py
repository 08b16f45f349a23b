"""Progress on a terminal: a bar for the stage, and the active files below it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from wheel_uploader.core.formatting import format_duration
from wheel_uploader.core.progress.plain import PlainProgress
from wheel_uploader.core.progress.stage_progress import FileProgress, StageProgress
from wheel_uploader.core.redaction import is_utf8_stream, sanitize_message

if TYPE_CHECKING:
    from wheel_uploader.core.progress.bars import Display

#: Seconds between two updates of the screen; anything that takes less time is not shown.
_REFRESH_SECONDS = 0.2
#: Stages that may prompt for a passphrase. They are not refreshed, because the prompt uses the terminal.
_INTERACTIVE_STAGES = frozenset({"sign"})


class TerminalProgress(PlainProgress):
    """A Progress on a terminal."""

    def __init__(
        self, stream: TextIO, *, verbose: int, color: bool = False, interval: float = _REFRESH_SECONDS
    ) -> None:
        super().__init__(stream, verbose=verbose, interval=interval)
        self._settings: dict[str, Any] = {
            "ascii": not is_utf8_stream(stream) and " #",
            "colour": "green" if color else None,
        }
        #: A function for each thing that the run waits for, which returns a line of text.
        self._waits: list[Callable[[], str]] = []
        #: The display while it is on the screen.
        self._display: Display | None = None
        if sys.platform == "win32":
            import colorama

            colorama.just_fix_windows_console()

    def _write(self, line: str) -> None:
        with self._lock:
            if self._display:
                self._display.print_above(line)
            else:
                super()._write(line)

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
        started_at, description = time.monotonic(), sanitize_message(description)

        def describe() -> str:
            elapsed = time.monotonic() - started_at
            if seconds is None:
                return f"{format_duration(round(elapsed))}  {description}"
            return f"{format_duration(round(seconds - elapsed))} left  {description}"

        with self._lock:
            self._waits.append(describe)
        try:
            with self._ticking_thread():
                yield
        finally:
            with self._lock:
                self._waits.remove(describe)
                self._clear()

    # --- drawing ---------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._work:
            self._work.record_sample(time.monotonic())
            if self._work.verb in _INTERACTIVE_STAGES:
                return
        self._draw()

    def _draw(self) -> None:
        from wheel_uploader.core.progress.bars import Display

        shown = self._work or (self._waits[-1] if self._waits else None)
        if not shown:
            self._clear()
        elif self._display:
            self._display.shown = shown
            self._display.refresh()
        else:
            self._display = Display(shown, self._stream, **self._settings)

    def _clear(self) -> None:
        display, self._display = self._display, None
        if display:
            display.close()
