"""A temporary local package index. The only module that starts pypiserver."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader.core import cancellation
from wheel_uploader.core.child_processes.environment import ChildKind
from wheel_uploader.core.child_processes.outcome import ChildStartError
from wheel_uploader.core.child_processes.process import ChildProcess
from wheel_uploader.core.errors import NetworkError, UsageError

#: Seconds for the index to start on a slow machine.
START_TIMEOUT = 60.0


def require_pypiserver(feature: str, *, extra: str) -> None:
    """Raise UsageError if pypiserver, which ``feature`` needs, is not installed; ``extra`` installs it."""
    if importlib.util.find_spec("pypiserver") is None:
        raise UsageError(
            f"{feature} needs pypiserver, which is not installed",
            hint=f"Install it with: pip install 'wheel-uploader[{extra}]'",
        )


@contextlib.contextmanager
def run_local_index(folder: Path) -> Iterator[str]:
    """Run a pypiserver on loopback that serves ``folder`` inside the ``with`` block; yield its upload URL."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pypiserver", "run", "--interface", "127.0.0.1", "--port", str(port)]
    # "." for passwords and actions disables authentication.
    command += ["--passwords", ".", "--authenticate", ".", "--disable-fallback", str(folder)]
    try:
        index = ChildProcess(command, ChildKind.LOCAL_INDEX)
    except ChildStartError as error:
        raise NetworkError(f"the local index (pypiserver) did not start: {error}") from None
    with index:
        _wait_until_ready(port, index)
        yield f"http://127.0.0.1:{port}/"


def _wait_until_ready(port: int, index: ChildProcess) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and index.is_running():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        cancellation.sleep_unless_cancelled(0.05)
    raise NetworkError("the local index (pypiserver) did not start")
