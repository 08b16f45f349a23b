"""A TCP server in this process for proxies of tests: it handles each connection in a thread of its own."""

from __future__ import annotations

import selectors
import socket
import socketserver
import threading
from abc import ABC, abstractmethod
from typing import ClassVar, Self


class ConnectionServer(ABC):
    """A server on 127.0.0.1 that runs inside a ``with`` block; ``url`` is its URL."""

    scheme: ClassVar[str]

    def __init__(self) -> None:
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.handle(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def handle(self, client: socket.socket) -> None:
        """Answer one client; its connection is closed afterwards."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def relay(one: socket.socket, other: socket.socket) -> None:
    """Copy data in both directions until one side closes the connection."""
    with selectors.DefaultSelector() as ready:
        ready.register(one, selectors.EVENT_READ, other)
        ready.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in ready.select():
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)
