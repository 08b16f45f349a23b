"""Inspect files in a worker process, so that decompression does not compete with downloads for the GIL.

The process starts when there is enough to read, and ends with this process, however that ends.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
from collections.abc import Sequence
from io import BufferedReader, BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import Self

from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError
from wheel_uploader.core.child_processes.pipes import open_pipe
from wheel_uploader.core.child_processes.process import ChildProcess
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import CheckProfile, DistName
from wheel_uploader.core.task_pool import start_call, wait_for_call
from wheel_uploader.inspection import serialization
from wheel_uploader.inspection.verification import InspectionResult

#: Total bytes of files from which starting a process, which takes a third of a second, saves time.
MIN_TOTAL_SIZE = 30_000_000
#: Bytes of one response, which describes each member of a file; this program never writes a longer one.
_RESPONSE_LIMIT = 256 << 20
#: Seconds to wait for a response, plus one second for this many bytes of the file.
_RESPONSE_TIMEOUT, _BYTES_PER_SECOND = 60.0, 1_000_000
_WORKER_PROGRAM = Path(__file__).with_name("worker_main.py")


class InspectionWorker:
    """Client of a worker process that inspects files; it is started on demand and ended by ``with``."""

    def __init__(self, profile: CheckProfile | None) -> None:
        """``profile`` selects the rule set for checks; None verifies the integrity of files only."""
        self._profile = profile.value if profile else ""
        #: Total size of the files that were to be inspected, in bytes.
        self._total_size = 0
        self._lock = threading.Lock()
        self._process: _WorkerProcess | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def start_if_worthwhile(self, size: int) -> None:
        """Start the process now if files of ``size`` bytes in total are expected and that saves time."""
        if size >= MIN_TOTAL_SIZE:
            self._total_size = MIN_TOTAL_SIZE
            with self._lock, contextlib.suppress(ChildStartError, OSError):
                self._process = self._process or self._start()

    def inspect(self, name: DistName, path: Path, sha256: str, *, wait: bool) -> InspectionResult | None:
        """Inspect the file at ``path`` in the process; return None if the caller should inspect it instead.

        The caller also inspects a file with a different sha256, to find out what happened to it. ``wait``
        blocks until the process is idle; otherwise None is returned while it is busy.
        """
        size = 0
        with contextlib.suppress(OSError):
            size = path.stat().st_size
        self._total_size += size
        if self._total_size < MIN_TOTAL_SIZE or not self._lock.acquire(blocking=wait):
            return None
        try:
            return self._request(name, path, sha256, size)
        finally:
            self._lock.release()

    def _request(self, name: DistName, path: Path, sha256: str, size: int) -> InspectionResult | None:
        if self._is_closed:
            return None
        try:
            process = self._process = self._process or self._start()
            request = json.dumps([name.filename, str(path.absolute()), sha256])
            values = json.loads(process.request(request.encode(), size))
            return serialization.from_json(values, name) if values else None
        except (ChildStartError, OSError, ValueError, TypeError, LookupError, AttributeError):
            # The process could not be started, or was killed.
            self._close()
            return None

    def _start(self) -> _WorkerProcess:
        return _start_process([sys.executable, "-P", str(_WORKER_PROGRAM), self._profile])

    def _close(self) -> None:
        self._is_closed = True
        if process := self._process:
            process.close()


@dataclass(frozen=True, slots=True)
class _WorkerProcess:
    """The worker process, and the pipes for requests and responses, which are lines."""

    child: ChildProcess
    requests: BufferedWriter
    responses: BufferedReader

    def request(self, line: bytes, size: int) -> bytes:
        """Return the response for a file of ``size`` bytes; kill the process if it takes too long."""
        self.requests.write(line + b"\n")
        self.requests.flush()
        response = start_call(functools.partial(self.responses.readline, _RESPONSE_LIMIT), "inspect")
        if not wait_for_call(response, _RESPONSE_TIMEOUT + size / _BYTES_PER_SECOND):
            self.child.kill()
        return response.result()

    def close(self) -> None:
        """Kill the process and close the pipes."""
        self.child.end_tree(0)
        for stream in (self.requests, self.responses):
            with contextlib.suppress(OSError):
                stream.close()


def _start_process(command: Sequence[str]) -> _WorkerProcess:
    """Start the worker process. Raises ChildStartError, or OSError if no pipe can be opened."""
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with contextlib.ExitStack() as own_ends, contextlib.ExitStack() as child_ends:
        stdin, requests = open_pipe(child_ends, own_ends)
        responses, stdout = open_pipe(own_ends, child_ends)
        child = ChildProcess(command, ChildKind.WORKER, variables=environment, stdin=stdin, stdout=stdout)
        own_ends.pop_all()
        return _WorkerProcess(child, requests, responses)
