"""Write to the standard input of a child, without waiting for one that does not read."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import IO

#: Seconds that the thread which writes gets once the child has ended.
_PATIENCE = 5.0


class Feeder:
    """A thread that writes pieces to a pipe."""

    def __init__(self, pipe: IO[bytes], pieces: Iterable[bytes], kill: Callable[[], None]) -> None:
        self._pipe, self._pieces, self._kill = pipe, pieces, kill
        self._failures: list[BaseException] = []
        # A daemon: a child that reads nothing must not keep an interrupted process from ending.
        self._thread = threading.Thread(target=self._write, name="feed", daemon=True)
        self._thread.start()

    def _write(self) -> None:
        try:
            for piece in self._pieces:
                self._pipe.write(piece)
        except OSError:
            pass  # The child ended early: its answer says why.
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
            self._failures.append(error)
            # Before the pipe is closed: half of the bytes must not look like all of them.
            self._kill()
        finally:
            with contextlib.suppress(OSError):
                self._pipe.close()

    def finish(self) -> None:
        """Wait for the thread once the child has ended, and raise what ``pieces`` raised."""
        self._thread.join(_PATIENCE)
        if self._failures:
            raise self._failures[0]
