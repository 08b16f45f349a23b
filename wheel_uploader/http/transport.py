"""The connections that httpx uses: to no private address that nobody named, and with time limits."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import httpcore

from wheel_uploader import stopping
from wheel_uploader.http.ahead import Stash, places_of
from wheel_uploader.http.hostnames import is_public
from wheel_uploader.http.lean import httpx

_limits = threading.local()

#: Bytes of a full record of TLS.
_RECORD = 16 * 1024
#: Seconds: servers and proxies on the way drop idle connections after about a minute.
_KEEPALIVE = 30.0


class AddressRefused(httpcore.ConnectError):
    """A name that nobody typed leads to an address of this machine or of a private network."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Within it, this thread's connecting, writing and reading take ``seconds`` together, or time out.

    The timeouts of httpx are for one read each: a server that sends a byte every 29 s never reaches them.
    """
    outer = getattr(_limits, "end", None)
    end = time.monotonic() + seconds
    _limits.end = end if outer is None else min(end, outer)
    try:
        yield
    finally:
        _limits.end = outer


def _remaining(timeout: float | None, expired: type[Exception]) -> float | None:
    end = getattr(_limits, "end", None)
    if end is None:
        return timeout
    left = float(end - time.monotonic())
    if left <= 0:
        raise expired("the time limit of this request")
    return left if timeout is None else min(timeout, left)


class LimitedStream(httpcore.NetworkStream):
    """A connection that keeps the time limit of the thread that uses it."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._socket = inner.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        piece = self._read(max_bytes, _remaining(timeout, httpcore.ReadTimeout))
        if len(piece) < _RECORD or not isinstance(self._socket, ssl.SSLSocket):
            return piece
        # TLS hands over one record of 16 kB at a time: take all that is here, for what h11 does with a
        # piece costs the same for one of any size.
        pieces, length = [piece], len(piece)
        self._socket.settimeout(0)
        with contextlib.suppress(OSError):  # Nothing more at this moment; what is wrong comes again.
            while piece and length < max_bytes:
                piece = self._socket.recv(max_bytes - length)
                pieces.append(piece)
                length += len(piece)
        return b"".join(pieces)

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Read in short waits, between which a run that has to end can do so."""
        if not stopping.can_stop_here():
            return self._inner.read(max_bytes, timeout)
        end = time.monotonic() + (math.inf if timeout is None else timeout)
        while True:
            stopping.check()
            left = end - time.monotonic()
            try:
                return self._inner.read(max_bytes, max(0.001, min(left, stopping.LOOK)))
            except httpcore.ReadTimeout:
                if time.monotonic() >= end:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _remaining(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = _remaining(timeout, httpcore.ConnectTimeout)
        return LimitedStream(
            stopping.aside(lambda: self._inner.start_tls(ssl_context, server_hostname, limit))
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class LeadingStream(LimitedStream):
    """A connection to a host with a stash: when its TLS begins, those ahead are opened beside it."""

    def __init__(
        self, inner: httpcore.NetworkStream, stash: Stash[httpcore.NetworkStream], begun: float
    ) -> None:
        super().__init__(inner)
        self._stash = stash
        self._begun = begun

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = _remaining(timeout, httpcore.ConnectTimeout)
        # The address that was judged, as ever.
        address, port = self._inner.get_extra_info("server_addr")[:2]

        def connect() -> httpcore.NetworkStream:
            stream = LimitedStream(httpcore.SyncBackend().connect_tcp(address, port, limit))
            try:
                return StashedStream(
                    stream.start_tls(ssl_context, server_hostname, limit), ssl_context, server_hostname
                )
            except BaseException:
                stream.close()
                raise

        self._stash.open(connect)
        stream = super().start_tls(ssl_context, server_hostname, timeout)
        self._stash.first_took(time.monotonic() - self._begun)
        return stream


class StashedStream(LimitedStream):
    """A connection whose TLS is done before it is asked for."""

    def __init__(
        self, inner: httpcore.NetworkStream, context: ssl.SSLContext, server_hostname: str | None
    ) -> None:
        super().__init__(inner)
        self._done_for = (context, server_hostname)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 (of NetworkStream)
    ) -> httpcore.NetworkStream:
        if (ssl_context, server_hostname) != self._done_for:
            raise httpcore.ConnectError("this connection was opened for another name")
        return self._inner


class LimitedBackend(httpcore.NetworkBackend):
    """Opens connections: to any address of a trusted host, to public addresses only of others.

    The addresses that were judged are the ones that are connected to, so that a name which resolves
    differently the second time gains nothing. ``ahead``: where to have connections ahead, and how many.
    """

    def __init__(self, trusts: Callable[[str, int], bool], ahead: Mapping[str, int] | None = None) -> None:
        self._trusts = trusts
        self._stashes = {
            place: Stash[httpcore.NetworkStream](count) for place, count in places_of(ahead or {}).items()
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
        stash = self._stashes.get((host, port))
        if stash and (ready := stash.take(_remaining(timeout, httpcore.ConnectTimeout))):
            return ready
        limit_of_caller = getattr(_limits, "end", None)

        def connect() -> httpcore.NetworkStream:
            _limits.end = limit_of_caller
            return self._connect(host, port, stash, timeout, local_address, socket_options)

        return stopping.aside(connect)

    def _connect(
        self,
        host: str,
        port: int,
        stash: Stash[httpcore.NetworkStream] | None,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        begun = time.monotonic()
        error: Exception | None = None
        for address in [host] if self._trusts(host, port) else _public_addresses(host, port):
            limit = _remaining(timeout, httpcore.ConnectTimeout)
            try:
                stream = self._inner.connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
            else:
                return LeadingStream(stream, stash, begun) if stash else LimitedStream(stream)
        raise error or httpcore.ConnectError(f"{host} has no address")

    def close(self) -> None:
        for stash in self._stashes.values():
            stash.close()


def _public_addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    refused = [address for address in addresses if not is_public(address)]
    if refused:
        raise AddressRefused(f"{host} is {refused[0]}, a private address")
    return addresses


class LimitedTransport(httpx.HTTPTransport):
    """httpx's own transport on a pool whose connections have limits.

    httpx does not let its transport be given a network backend. Its pool is replaced rather than its
    ``handle_request``, which is what vcrpy records.
    """

    def __init__(
        self,
        backend: LimitedBackend,
        context: ssl.SSLContext,
        connections: int,
        proxy: httpcore.Proxy | None = None,
    ) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            proxy=proxy,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE,
            network_backend=backend,
        )
