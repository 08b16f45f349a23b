"""Free ports, and the end of servers that run in a child process or in a thread."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import HTTPServer

#: Seconds that a server may take to end before it is killed.
_STOP_LIMIT = 10.0


def free_port() -> int:
    """Return a port that is not in use at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Terminate a child process, and kill it if it does not end."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_LIMIT)


@contextlib.contextmanager
def serve_in_thread(server: HTTPServer) -> Iterator[str]:
    """Answer requests in a thread inside the ``with`` block, and yield the server's URL."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
