"""A small SOCKS 5 server in this process, which connects to this machine only."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping

from tools.testing.tcp_server import ConnectionServer, relay

_NO_LOGIN, _PASSWORD, _NO_METHOD = 0, 2, 0xFF
_SUCCEEDED, _UNREACHABLE = 0, 4


class SocksServer(ConnectionServer):
    """Connects clients to ports of this machine; ``url`` is its URL.

    ``username`` and ``password``: the required login, if any. ``resolve``: the addresses of names.
    ``greeting``: what to send instead of the protocol, until the client closes the connection.
    """

    scheme = "socks5"

    def __init__(
        self,
        username: str = "",
        password: str = "",
        *,
        resolve: Mapping[str, str] | None = None,
        greeting: bytes | None = None,
    ) -> None:
        self.login = (username, password)
        self.greeting = greeting
        self.resolve = {"127.0.0.1": "127.0.0.1", **(resolve or {})}
        #: The hosts and ports to which clients wanted to connect.
        self.targets: list[tuple[str, int]] = []
        super().__init__()

    def handle(self, client: socket.socket) -> None:
        """Serve the protocol; a client may leave at any time."""
        client.settimeout(10)
        with contextlib.suppress(OSError, EOFError):
            self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        if self.greeting is not None:
            client.sendall(self.greeting)
            while client.recv(4096):
                pass
            return
        version, count = _read(client, 2)
        methods = _read(client, count) if version == 5 else b""
        method = _PASSWORD if any(self.login) else _NO_LOGIN
        client.sendall(bytes([5, method if method in methods else _NO_METHOD]))
        if method not in methods:
            return
        if method == _PASSWORD:
            given = tuple(_read(client, _read(client, 1)[0]).decode() for _ in range(_read(client, 1)[0] + 1))
            client.sendall(bytes([1, int(given != self.login)]))
            if given != self.login:
                return
        host, port = self._read_target(client)
        self.targets.append((host, port))
        if host not in self.resolve:
            client.sendall(bytes([5, _UNREACHABLE, 0, 1, 0, 0, 0, 0, 0, 0]))
            return
        with socket.create_connection((self.resolve[host], port), timeout=10) as server:
            client.sendall(bytes([5, _SUCCEEDED, 0, 1, 127, 0, 0, 1, 0, 1]))
            relay(client, server)

    def _read_target(self, client: socket.socket) -> tuple[str, int]:
        _version, _command, _, kind = _read(client, 4)
        host = (
            _read(client, _read(client, 1)[0]).decode()
            if kind == 3
            else socket.inet_ntop(
                *((socket.AF_INET, _read(client, 4)) if kind == 1 else (socket.AF_INET6, _read(client, 16)))
            )
        )
        return host, int.from_bytes(_read(client, 2), "big")


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
