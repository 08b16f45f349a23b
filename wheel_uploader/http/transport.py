"""The connections for httpx: private addresses only if the user named the host, and with time limits."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from wheel_uploader.core import cancellation, task_pool
from wheel_uploader.http.hostnames import is_public_address
from wheel_uploader.http.httpx_import import httpcore, httpx
from wheel_uploader.http.preconnect import ConnectionStash, count_connections

_thread_deadline = threading.local()

#: Size of a full TLS record in bytes.
_TLS_RECORD_BYTES = 16 * 1024
#: Seconds after which an idle connection is closed; servers and proxies do so after about a minute.
_KEEPALIVE_SECONDS = 30.0


class PrivateAddressError(httpcore.ConnectError):
    """A host that the user did not name resolves to this machine or to a private network."""


@contextlib.contextmanager
def request_deadline(seconds: float) -> Iterator[None]:
    """Return a context in which all network operations of this thread take at most ``seconds`` in total.

    The timeouts of httpx apply to single reads: a server that sends a byte every 29 s never exceeds them.
    """
    outer_end = getattr(_thread_deadline, "end", None)
    end = time.monotonic() + seconds
    _thread_deadline.end = end if outer_end is None else min(end, outer_end)
    try:
        yield
    finally:
        _thread_deadline.end = outer_end


def _remaining_timeout(timeout: float | None, expired: type[Exception]) -> float | None:
    end = getattr(_thread_deadline, "end", None)
    if end is None:
        return timeout
    remaining = float(end - time.monotonic())
    if remaining <= 0:
        raise expired("the time limit of this request has expired")
    return remaining if timeout is None else min(timeout, remaining)


class CancellableStream(httpcore.NetworkStream):
    """A connection that observes the time limit of the thread that uses it."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._socket = inner.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return up to ``max_bytes`` bytes; several TLS records at once, if they have arrived."""
        piece = self._read(max_bytes, _remaining_timeout(timeout, httpcore.ReadTimeout))
        if len(piece) < _TLS_RECORD_BYTES or not isinstance(self._socket, ssl.SSLSocket):
            return piece
        # TLS returns one record of 16 kB at a time. Collect the records that have arrived, because h11's cost
        # per piece does not depend on its size.
        pieces, length = [piece], len(piece)
        self._socket.settimeout(0)
        with contextlib.suppress(OSError):  # No more data now; a real error will recur on the next read.
            while piece and length < max_bytes:
                piece = self._socket.recv(max_bytes - length)
                pieces.append(piece)
                length += len(piece)
        return b"".join(pieces)

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Read with short timeouts, checking for cancellation in between."""
        if not cancellation.can_raise_here():
            return self._inner.read(max_bytes, timeout)
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        while True:
            cancellation.raise_if_cancelled()
            remaining = end - time.monotonic()
            try:
                return self._inner.read(max_bytes, max(0.001, min(remaining, cancellation.POLL_INTERVAL)))
            except httpcore.ReadTimeout:
                if time.monotonic() >= end:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write ``buffer`` within the time limit."""
        self._inner.write(buffer, _remaining_timeout(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return this connection with TLS, after a handshake that does not delay cancellation."""
        limit = _remaining_timeout(timeout, httpcore.ConnectTimeout)
        return CancellableStream(
            task_pool.call_in_thread(lambda: self._inner.start_tls(ssl_context, server_hostname, limit))
        )

    def get_extra_info(self, info: str) -> Any:
        """Return the object that httpcore knows as ``info``, such as "socket"."""
        return self._inner.get_extra_info(info)


class FirstStream(CancellableStream):
    """The first connection to a host: when its TLS handshake starts, those ahead are opened concurrently."""

    def __init__(
        self, inner: httpcore.NetworkStream, stash: ConnectionStash[httpcore.NetworkStream], started_at: float
    ) -> None:
        super().__init__(inner)
        self._stash = stash
        self._started_at = started_at

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return this connection with TLS, and start to open the connections ahead."""
        limit = _remaining_timeout(timeout, httpcore.ConnectTimeout)
        # The address that has been checked, not a second resolution.
        address, port = self._inner.get_extra_info("server_addr")[:2]

        def connect() -> httpcore.NetworkStream:
            stream = CancellableStream(httpcore.SyncBackend().connect_tcp(address, port, limit))
            try:
                return PreconnectedStream(
                    stream.start_tls(ssl_context, server_hostname, limit), ssl_context, server_hostname
                )
            except BaseException:
                stream.close()
                raise

        self._stash.start_connecting(connect)
        stream = super().start_tls(ssl_context, server_hostname, timeout)
        self._stash.record_connect_time(time.monotonic() - self._started_at)
        return stream


class PreconnectedStream(CancellableStream):
    """A connection that was opened ahead, TLS included."""

    def __init__(
        self, inner: httpcore.NetworkStream, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        super().__init__(inner)
        self._handshake_parameters = (context, server_hostname)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 (of NetworkStream)
    ) -> httpcore.NetworkStream:
        """Return the connection with TLS. Raises ConnectError if it was opened for another host name."""
        if (ssl_context, server_hostname) != self._handshake_parameters:
            raise httpcore.ConnectError("this connection was opened for another host name")
        return self._inner


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to any address of a trusted host, but only to public addresses of other hosts.

    The connection goes to the address that was checked, so that a name that resolves differently the second
    time cannot evade the check. ``preconnect``: the number of connections to open ahead, by URL.
    """

    def __init__(
        self, is_trusted: Callable[[str, int], bool], preconnect: Mapping[str, int] | None = None
    ) -> None:
        self._is_trusted = is_trusted
        self._stashes = {
            place: ConnectionStash[httpcore.NetworkStream](count)
            for place, count in count_connections(preconnect or {}).items()
        }
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to ``host``, one that was opened ahead if possible."""
        stash = self._stashes.get((host, port))
        if stash and (ready := stash.take_connection(_remaining_timeout(timeout, httpcore.ConnectTimeout))):
            return ready
        deadline_of_caller = getattr(_thread_deadline, "end", None)

        def connect() -> httpcore.NetworkStream:
            _thread_deadline.end = deadline_of_caller
            return self._connect(host, port, stash, timeout, local_address, socket_options)

        return task_pool.call_in_thread(connect)

    def _connect(
        self,
        host: str,
        port: int,
        stash: ConnectionStash[httpcore.NetworkStream] | None,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        started_at = time.monotonic()
        error: Exception | None = None
        for address in [host] if self._is_trusted(host, port) else _resolve_public(host, port):
            limit = _remaining_timeout(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._inner.connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
            else:
                return FirstStream(stream, stash, started_at) if stash else CancellableStream(stream)
        raise error or httpcore.ConnectError(f"{host} has no address")

    def close(self) -> None:
        """Close the connections that were opened ahead and not used."""
        for stash in self._stashes.values():
            stash.close()


def _resolve_public(host: str, port: int) -> list[str]:
    try:
        address_infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in address_infos))
    private = [address for address in addresses if not is_public_address(address)]
    if private:
        raise PrivateAddressError(f"{host} is {private[0]}, a private address")
    return addresses


class GuardedTransport(httpx.HTTPTransport):
    """httpx's own transport on a connection pool with our network backend.

    httpx has no parameter for a network backend. The pool is replaced, rather than ``handle_request``,
    because vcrpy records the latter.
    """

    def __init__(
        self,
        backend: GuardedBackend,
        context: ssl.SSLContext | None,
        max_connections: int,
        proxy: httpcore.Proxy | None = None,
    ) -> None:
        """Open a pool; ``context`` is None for connections without TLS."""
        super().__init__(verify=context or False, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=proxy,
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=backend,
        )
