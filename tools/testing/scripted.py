"""A raw server that sends the bytes and pauses that a test gives: cuts, stalls, odd headers, resets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

#: A step that resets the connection instead of closing it.
RESET: Final = object()
#: A step that sends nothing and keeps the connection open until the client disconnects or the test ends.
HANG: Final = object()
#: A step that waits for the next request on the same connection and records it.
NEXT: Final = object()

#: Bytes to send, or seconds to wait, or one of the steps above.
Step = bytes | float | object


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The request line and headers that a client sent."""

    method: str
    #: Path and query, as sent.
    target: str
    #: With lower-case keys.
    headers: Mapping[str, str]


#: The steps on a connection after its first request, or a function that returns them.
Answer = Sequence[Step] | Callable[[Request], Sequence[Step]]


def answer(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: bool = True
) -> bytes:
    """Return a complete response. ``length``: add the Content-Length unless ``headers`` has one."""
    fields = {"Content-Type": "text/html", **(headers or {})}
    if length and not any(key.lower() in {"content-length", "transfer-encoding"} for key in fields):
        fields["Content-Length"] = str(len(body))
    lines = [f"HTTP/1.1 {status} Status", *(f"{key}: {value}" for key, value in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class ScriptedServer:
    """Gives each connection the next of ``answers``; the last one serves all later connections.

    >>> with ScriptedServer([answer(503)], [b"HTTP/1.1 200 OK\\r\\n", 0.5, RESET]) as server:
    ...     server.url, server.requests

    A connection is closed after its last step. ``tls``: a context with a certificate.
    """

    def __init__(self, *answers: Answer, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self.host = host
        self.tls = tls
        #: Every request, in order of arrival.
        self.requests: list[Request] = []
        #: The number of accepted connections.
        self.connections = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}/"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        # Wakes accept(); closing the socket alone does not do so on every system.
        with contextlib.suppress(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._stopped.is_set():
                connection.close()
                return
            with self._lock:
                number = self.connections
                self.connections += 1
            self._start(self._serve, connection, self.answers[min(number, len(self.answers) - 1)])

    def _serve(self, connection: socket.socket, script: Answer) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.settimeout(0.2)
            if self.tls:
                connection.settimeout(5)
                connection = self.tls.wrap_socket(connection, server_side=True)
                connection.settimeout(0.2)
            with contextlib.closing(connection):
                request = self._request(connection)
                if request:
                    for step in _with_connection_close(script(request) if callable(script) else script):
                        if not self._step(connection, step):
                            break

    def _request(self, connection: socket.socket) -> Request | None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self._receive(connection)
            if not piece:
                return None
            head += piece
        first, *lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {key.lower(): value.strip() for key, _, value in fields}
        request = Request(method=method, target=target, headers=headers)
        with self._lock:
            self.requests.append(request)
        return request

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                return connection.recv(65536)
        return b""

    def _step(self, connection: socket.socket, step: Step) -> bool:
        """Do one step; return False if the connection is finished."""
        if isinstance(step, bytes):
            connection.settimeout(5)
            connection.sendall(step)
            connection.settimeout(0.2)
        elif isinstance(step, int | float):
            return not self._stopped.wait(step)
        elif step is HANG:
            # Returns when the client disconnects.
            self._receive(connection)
        elif step is NEXT:
            return self._request(connection) is not None
        elif step is RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return True


def _with_connection_close(script: Sequence[Step]) -> Sequence[Step]:
    """Return ``script`` with ``Connection: close`` in its last response.

    Without it a client may send its next request just as the connection closes, and get a reset.
    """
    last = script[-1] if script else None
    if not (isinstance(last, bytes) and last.startswith(b"HTTP/1.1 ") and b"\r\n\r\n" in last):
        return script
    head, _, body = last.partition(b"\r\n\r\n")
    if b"\nconnection:" in head.lower():
        return script
    return [*script[:-1], head + b"\r\nConnection: close\r\n\r\n" + body]
