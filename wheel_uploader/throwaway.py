"""A package index on this machine that lives for one run: pypiserver, of which this is the home."""

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

#: Seconds that the index may take to start on a slow machine.
START_LIMIT = 60.0


def require(what: str, *, extra: str) -> None:
    """Raise UsageError when pypiserver is not installed: ``what`` needs it, and ``extra`` brings it."""
    if importlib.util.find_spec("pypiserver") is None:
        raise UsageError(
            f"{what} needs an index, and pypiserver is not installed",
            hint=f"Install it with: pip install 'wheel-uploader[{extra}]'",
        )


@contextlib.contextmanager
def index_server(folder: Path) -> Iterator[str]:
    """The upload URL of an empty pypiserver on loopback that lives as long as the block."""
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pypiserver", "run", "--interface", "127.0.0.1", "--port", str(port)]
    # "." for passwords and actions: an index that asks nobody for a password.
    command += ["--passwords", ".", "--authenticate", ".", "--disable-fallback", str(folder)]
    try:
        index = Child(command, Kind.INDEX)
    except CannotStart as error:
        raise NetworkError(f"the index on this machine, pypiserver, did not start: {error}") from None
    with index:
        _wait_for(port, index)
        yield f"http://127.0.0.1:{port}/"


def _wait_for(port: int, index: Child) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline and index.is_running():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        stopping.sleep(0.05)
    raise NetworkError("the index on this machine, pypiserver, did not start")
