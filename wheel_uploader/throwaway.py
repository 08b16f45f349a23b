"""A temporary local package index. The only module that starts pypiserver."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from wheel_uploader import stopping
from wheel_uploader.child_environment import Kind
from wheel_uploader.child_outcome import CannotStart
from wheel_uploader.child_processes import Child
from wheel_uploader.errors import NetworkError, UsageError

#: Seconds for the index to start on a slow machine.
START_LIMIT = 60.0


def require(what: str, *, extra: str) -> None:
    """Raise UsageError if pypiserver, which ``what`` needs, is not installed; ``extra`` installs it."""
    if importlib.util.find_spec("pypiserver") is None:
        raise UsageError(
            f"{what} needs pypiserver, which is not installed",
            hint=f"Install it with: pip install 'wheel-uploader[{extra}]'",
        )


@contextlib.contextmanager
def index_server(folder: Path) -> Iterator[str]:
    """Run an empty pypiserver on loopback inside the ``with`` block, and yield its upload URL."""
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pypiserver", "run", "--interface", "127.0.0.1", "--port", str(port)]
    # "." for passwords and actions disables authentication.
    command += ["--passwords", ".", "--authenticate", ".", "--disable-fallback", str(folder)]
    try:
        index = Child(command, Kind.INDEX)
    except CannotStart as error:
        raise NetworkError(f"the local index (pypiserver) did not start: {error}") from None
    with index:
        _wait_until_ready(port, index)
        yield f"http://127.0.0.1:{port}/"


def _wait_until_ready(port: int, index: Child) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and index.is_running():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        stopping.sleep(0.05)
    raise NetworkError("the local index (pypiserver) did not start")
