"""Pipes between this process and a child, and the threads that write its input and read its output."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from io import BufferedReader, BufferedWriter

from wheel_uploader.core.child_processes.outcome import CapturedOutput

#: Seconds that the writing thread gets to end after the child has ended.
_JOIN_TIMEOUT = 5.0
#: Bytes that are read at a time.
_CHUNK_SIZE = 64 * 1024


def open_pipe(
    reading_end: contextlib.ExitStack, writing_end: contextlib.ExitStack
) -> tuple[BufferedReader, BufferedWriter]:
    """Return the ends of a new pipe; each stack closes one of them. Raises OSError.

    A child inherits an end only if it is one of its standard streams.
    """
    read_descriptor, write_descriptor = os.pipe()
    return (
        reading_end.enter_context(os.fdopen(read_descriptor, "rb")),
        writing_end.enter_context(os.fdopen(write_descriptor, "wb")),
    )


class InputWriter:
    """A thread that writes ``pieces`` to a pipe and closes it; only this thread waits for a slow child."""

    def __init__(self, pipe: BufferedWriter, pieces: Iterable[bytes]) -> None:
        self._pipe, self._pieces = pipe, pieces
        self._failures: list[BaseException] = []
        self._kill: Callable[[], None] = lambda: None
        # A daemon, so that a child that does not read cannot keep an interrupted process alive.
        self._thread = threading.Thread(target=self._write, name="child-input", daemon=True)

    def start(self, kill: Callable[[], None]) -> None:
        """Start to write; ``kill`` is called to kill the child if producing the pieces fails."""
        self._kill = kill
        self._thread.start()

    def _write(self) -> None:
        try:
            for piece in self._pieces:
                self._pipe.write(piece)
        except OSError:
            pass  # The child ended early; its output tells why.
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._failures.append(error)
            # Before the pipe is closed, so that the child cannot mistake partial input for all of it.
            self._kill()
        finally:
            with contextlib.suppress(OSError):
                self._pipe.close()

    def finish(self) -> None:
        """Wait for the thread after the child has ended; raise the exception of ``pieces``, if any."""
        self._thread.join(_JOIN_TIMEOUT)
        if self._failures:
            raise self._failures[0]


class OutputReader:
    """A thread that reads a pipe to its end, closes it, and keeps up to ``limit`` bytes.

    If more arrive, ``kill`` is called if it is given, and nothing more is read.
    """

    def __init__(self, pipe: BufferedReader, limit: int, kill: Callable[[], None] | None = None) -> None:
        self._pipe, self._kill = pipe, kill
        self.output = CapturedOutput(limit)
        #: True if ``kill`` was called.
        self.exceeded_limit = False
        self.thread = threading.Thread(target=self._read, name="child-output", daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._pipe:
            while chunk := self._pipe.read1(_CHUNK_SIZE):
                self.output.add(chunk)
                if self._kill and self.output.dropped_bytes:
                    self.exceeded_limit = True
                    self._kill()
                    return
