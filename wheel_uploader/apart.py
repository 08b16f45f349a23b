"""Files are read in a process of its own, where there is much to unpack: Python runs one thread at a time.

The network and the unpacking then do not wait for each other. The process begins when there was much to read
already, and ends when this one does, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from wheel_uploader import plain
from wheel_uploader.models import DistName, Profile
from wheel_uploader.verify import Seen

#: Bytes of files after which the beginning of a process, a third of a second, is worth it.
WORTH = 30_000_000
#: What it needs of the environment; secrets are not among it.
_ENVIRONMENT = ("PATH", "PYTHONHOME", "HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG")
_PROGRAM = Path(__file__).with_name("reader.py")


class Apart:
    """A process that reads files, begun when it is needed; to be closed by ``with``."""

    def __init__(self, profile: Profile | None) -> None:
        """``profile``: by whose rules files are judged; None where they only have to be whole."""
        self._profile = profile.value if profile else ""
        #: Bytes of the files so far.
        self._met = 0
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
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
            with self._turn, contextlib.suppress(OSError):
                self._process = self._process or self._begin()

    def read(self, name: DistName, path: Path, sha256: str, *, wait: bool) -> Seen | None:
        """What is in the file at ``path``; None when it is to be read in this process after all.

        So it is with a file that has another sha256: this process then finds out what happened to it.

        ``wait`` until the other process has time for it.
        """
        with contextlib.suppress(OSError):
            self._met += path.stat().st_size
        if self._met < WORTH or not self._turn.acquire(blocking=wait):
            return None
        try:
            return self._ask(name, path, sha256)
        finally:
            self._turn.release()

    def _ask(self, name: DistName, path: Path, sha256: str) -> Seen | None:
        if self._ended:
            return None
        try:
            process = self._process = self._process or self._begin()
            assert process.stdin  # noqa: S101
            assert process.stdout  # noqa: S101
            asked = json.dumps([name.filename, str(path.absolute()), sha256])
            process.stdin.write(asked.encode() + b"\n")
            process.stdin.flush()
            values = json.loads(process.stdout.readline())
            return plain.seen(values, name) if values else None
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            # It could not be started, or was killed.
            self._end()
            return None

    def _begin(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        # In a session of its own: Ctrl-C is for this process, which then ends it.
        return subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM), self._profile],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )

    def _end(self) -> None:
        self._ended = True
        if process := self._process:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if stream:
                        stream.close()
