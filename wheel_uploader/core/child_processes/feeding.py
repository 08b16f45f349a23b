"""Writing to the standard input of a child process without blocking if the child does not read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import IO

#: Seconds that the writing thread gets to end after the child has ended.
_JOIN_TIMEOUT = 5.0


class StdinWriter:
    """A thread that writes ``pieces`` to a pipe; calls ``kill`` if producing them fails."""

    def __init__(self, pipe: IO[bytes], pieces: Iterable[bytes], kill: Callable[[], None]) -> None:
        self._pipe, self._pieces, self._kill = pipe, pieces, kill
        self._failures: list[BaseException] = []
        # A daemon, so that a child that does not read cannot keep an interrupted process alive.
        self._thread = threading.Thread(target=self._write, name="feed", daemon=True)
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
