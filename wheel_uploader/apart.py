"""Files are read in a process of its own, where there is much to unpack: Python runs one thread at a time.

The network and the unpacking then do not wait for each other. The process begins when there was much to read
already, and ends when this one does, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from wheel_uploader import plain, stopping
from wheel_uploader.child_environment import Kind
from wheel_uploader.child_outcome import CannotStart
from wheel_uploader.child_processes import PIPE, Child
from wheel_uploader.models import DistName, Profile
from wheel_uploader.verify import Seen

#: Bytes of files after which the beginning of a process, a third of a second, is worth it.
WORTH = 30_000_000
#: Bytes of one answer, which tells of each member of a file; a longer one is not of our program.
_ANSWER_LIMIT = 256 << 20
#: Seconds for one answer, and bytes of a file that add one more.
_SECONDS, _BYTES_PER_SECOND = 60.0, 1_000_000
_PROGRAM = Path(__file__).with_name("reader.py")


class Apart:
    """A process that reads files, begun when it is needed; to be closed by ``with``."""

    def __init__(self, profile: Profile | None) -> None:
        """``profile``: by whose rules files are judged; None where they only have to be whole."""
        self._profile = profile.value if profile else ""
        #: Bytes of the files so far.
        self._met = 0
        self._turn = threading.Lock()
        self._process: Child | None = None
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def expect(self, size: int) -> None:
        """Begin already, when files of ``size`` bytes together are worth it."""
        if size >= WORTH:
            self._met = WORTH
            with self._turn, contextlib.suppress(CannotStart):
                self._process = self._process or self._begin()

    def read(self, name: DistName, path: Path, sha256: str, *, wait: bool) -> Seen | None:
        """What is in the file at ``path``; None when it is to be read in this process after all.

        So it is with a file that has another sha256: this process then finds out what happened to it.

        ``wait`` until the other process has time for it.
        """
        size = 0
        with contextlib.suppress(OSError):
            size = path.stat().st_size
        self._met += size
        if self._met < WORTH or not self._turn.acquire(blocking=wait):
            return None
        try:
            return self._ask(name, path, sha256, size)
        finally:
            self._turn.release()

    def _ask(self, name: DistName, path: Path, sha256: str, size: int) -> Seen | None:
        if self._ended:
            return None
        try:
            process = self._process = self._process or self._begin()
            assert process.stdin  # noqa: S101
            assert process.stdout  # noqa: S101
            asked = json.dumps([name.filename, str(path.absolute()), sha256])
            process.stdin.write(asked.encode() + b"\n")
            process.stdin.flush()
            values = json.loads(_answer(process, size))
            return plain.seen(values, name) if values else None
        except (CannotStart, OSError, ValueError, TypeError, LookupError, AttributeError):
            # It could not be started, or was killed.
            self._end()
            return None

    def _begin(self) -> Child:
        modules = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-P", str(_PROGRAM), self._profile]
        return Child(command, Kind.READER, variables=modules, stdin=PIPE, stdout=PIPE)

    def _end(self) -> None:
        self._ended = True
        if process := self._process:
            process.end(0)


def _answer(process: Child, size: int) -> bytes:
    """Return the next line of a process that reads ``size`` bytes; kill it if that takes too long."""
    assert process.stdout  # noqa: S101
    answers = process.stdout
    timer = threading.Timer(_SECONDS + size / _BYTES_PER_SECOND, process.kill)
    timer.daemon = True
    timer.start()
    try:
        return stopping.aside(lambda: answers.readline(_ANSWER_LIMIT))
    finally:
        timer.cancel()
