"""Free ports, and the end of servers that run in a child process or in a thread."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import HTTPServer

#: Seconds that a server may take to end before it is killed.
_STOP_LIMIT = 10.0


#: Below the ports that systems choose for connections: one of those may be another process's before a server
#: of this one has it.
_FIRST_PORT, _PORT_COUNT = 10_000, 20_000
_calls = itertools.count()


def free_port() -> int:
    """Return a port that is not in use. Each process begins elsewhere, and takes each port once."""
    for number in itertools.islice(_calls, _PORT_COUNT):
        port = _FIRST_PORT + (os.getpid() * 101 + number) % _PORT_COUNT
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("every port is in use")


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
