"""The transport for httpx: connects directly, or through the proxy that the environment names."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

from wheel_uploader.http.certificates import TrustedCertificates
from wheel_uploader.http.hostnames import is_public_address
from wheel_uploader.http.httpx_import import httpcore, httpx
from wheel_uploader.http.proxy_errors import ProxyProblem
from wheel_uploader.http.proxy_settings import ProxyServer, ProxySettings
from wheel_uploader.http.transport import (
    CancellableStream,
    GuardedBackend,
    GuardedTransport,
    PrivateAddressError,
)

#: Longest wait in seconds for the local lookup of a host that is requested through a proxy.
_LOOKUP_TIMEOUT = 2.0
#: Addresses that the resolvers of some proxies return instead of the real ones (198.18.0.0/15).
_PLACEHOLDER_PREFIXES = ("198.18.", "198.19.")


class ProxyFailure(httpx.ProxyError):
    """A request that a proxy prevented, before any server received it."""

    def __init__(self, problem: ProxyProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class ProxyRouter(httpx.BaseTransport):
    """Sends each request directly, or through the proxy that the environment names for it.

    A proxy resolves names itself. A host that the user did not name is also looked up locally, and is not
    requested if it resolves to a private address.
    """

    def __init__(
        self,
        is_trusted: Callable[[str, int], bool],
        certificates: TrustedCertificates,
        max_connections: int,
        preconnect: Mapping[str, int] | None = None,
    ) -> None:
        self._settings = ProxySettings()
        self._is_trusted = is_trusted
        self._certificates = certificates
        self._max_connections = max_connections
        self._backend = GuardedBackend(is_trusted, preconnect)
        self._lookups: dict[str, HostLookup] = {}
        #: By scheme of the URL and proxy; made when needed, because TLS takes time to set up.
        self._transports: dict[tuple[str, ProxyServer | None], httpx.BaseTransport] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request directly or through its proxy. Raises ProxyFailure if the proxy prevents it."""
        proxy = self._settings.find_proxy(str(request.url)) if self._settings.servers else None
        if proxy:
            self._reject_private_host(request)
        transport = self._find_transport(request.url.scheme, proxy)
        if proxy is None:
            return transport.handle_request(request)
        _thread.reset()
        host = request.url.netloc.decode("ascii")
        try:
            response = transport.handle_request(request)
        except Exception as error:  # socksio raises others than httpx
            if not (_thread.is_at_proxy or isinstance(error, httpx.ProxyError)):
                raise
            if _thread.stream:
                # httpcore leaves it open if the proxy is not a SOCKS proxy, or rejects the request.
                _thread.stream.close()
            problem = ProxyProblem(
                proxy=proxy, host=host, reason=_describe(error), is_connected=_thread.stream is not None
            )
            raise ProxyFailure(problem) from error
        finally:
            _thread.reset()
        if request.url.scheme == "http" and not proxy.is_socks:
            # The answer may be that of the proxy itself.
            response.extensions["proxy"] = proxy
            if response.status_code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
                response.close()
                raise ProxyFailure(ProxyProblem(proxy=proxy, host=host, reason="407"))
        return response

    def _find_transport(self, scheme: str, proxy: ProxyServer | None) -> httpx.BaseTransport:
        with self._lock:
            if (scheme, proxy) not in self._transports:
                self._transports[scheme, proxy] = self._create_transport(scheme, proxy)
            return self._transports[scheme, proxy]

    def _create_transport(self, scheme: str, proxy: ProxyServer | None) -> GuardedTransport:
        needs_tls = scheme == "https" or (proxy is not None and proxy.scheme == "https")
        context = self._certificates.context if needs_tls else None
        if proxy is None:
            return GuardedTransport(self._backend, context, self._max_connections)
        return GuardedTransport(
            ProxyBackend(proxy, opens_tunnels=scheme == "https"),
            context,
            self._max_connections,
            _to_httpcore(proxy, context),
        )

    def _reject_private_host(self, request: httpx.Request) -> None:
        """Raise httpx.ConnectError for a host that resolves to a private address and is not trusted."""
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        if self._is_trusted(host, port):
            return
        lookup = self._lookups.setdefault(host, HostLookup(host, port))
        for address in lookup.wait_for_addresses(_LOOKUP_TIMEOUT):
            if not is_public_address(address) and not address.startswith(_PLACEHOLDER_PREFIXES):
                cause = PrivateAddressError(f"{host} is {address}, a private address")
                raise httpx.ConnectError(str(cause)) from cause

    def close(self) -> None:
        """Close all connections."""
        for transport in self._transports.values():
            transport.close()
        self._backend.close()


class _Stage(threading.local):
    """The progress of this thread with a connection through a proxy."""

    #: True from the connection to the proxy until the proxy has connected to the server.
    is_at_proxy = False
    #: The connection to the proxy; None if there is none.
    stream: ProxyStream | None = None

    def reset(self) -> None:
        self.is_at_proxy, self.stream = False, None


_thread = _Stage()


class ProxyBackend(GuardedBackend):
    """Opens connections to a proxy, which may have any address, and notes how far they have come."""

    def __init__(self, proxy: ProxyServer, *, opens_tunnels: bool) -> None:
        super().__init__(lambda _host, _port: True)
        self._proxy = proxy
        self._opens_tunnels = opens_tunnels

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a connection to the proxy."""
        _thread.is_at_proxy, _thread.stream = True, None
        stream = super().connect_tcp(host, port, timeout, local_address, socket_options)
        handshakes = int(self._proxy.scheme == "https")
        if not (handshakes or self._opens_tunnels or self._proxy.is_socks):
            _thread.is_at_proxy = False
        _thread.stream = ProxyStream(stream, handshakes, timeout)
        return _thread.stream


class ProxyStream(CancellableStream):
    """A connection to a proxy; ``handshakes``: the number of TLS handshakes that are those of the proxy.

    ``timeout``: the time limit in seconds where httpcore sets none, which is when it talks to a SOCKS proxy.
    """

    def __init__(self, inner: httpcore.NetworkStream, handshakes: int, timeout: float | None) -> None:
        super().__init__(inner)
        self._handshakes = handshakes
        self._timeout = timeout

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return up to ``max_bytes`` bytes."""
        return super().read(max_bytes, self._timeout if timeout is None else timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write ``buffer`` within the time limit."""
        super().write(buffer, self._timeout if timeout is None else timeout)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return this connection with TLS: first with the proxy, if that has TLS, then with the server."""
        if self._handshakes:
            stream = super().start_tls(ssl_context, server_hostname, timeout)
            return ProxyStream(stream, self._handshakes - 1, self._timeout)
        _thread.is_at_proxy = False
        return super().start_tls(ssl_context, server_hostname, timeout)


def _describe(error: BaseException) -> str:
    """Return the reason of a failure at a proxy in a clause."""
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for cause in reversed(causes):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its TLS certificate is not trusted ({cause.verify_message})"
            case OSError() if cause.strerror:
                return str(cause.strerror)
    if isinstance(error, httpx.TimeoutException):
        return "timed out"
    text = str(error) if isinstance(error, httpx.HTTPError) else "it does not speak SOCKS 5"
    return text.removeprefix("Proxy Server could not connect: ").rstrip(".") or type(error).__name__


def _to_httpcore(proxy: ProxyServer, context: ssl.SSLContext | None) -> httpcore.Proxy:
    return httpcore.Proxy(
        url=httpcore.URL(
            scheme=proxy.scheme.encode(), host=proxy.host.encode(), port=proxy.port, target=b"/"
        ),
        auth=(proxy.username.encode(), proxy.password.encode()) if proxy.has_login else None,
        ssl_context=context if proxy.scheme == "https" else None,
    )


class HostLookup:
    """A lookup of a host's addresses in a thread, with a limited wait."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._addresses: list[str] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def wait_for_addresses(self, timeout: float) -> list[str]:
        """Return the addresses, or an empty list if they are not known within ``timeout`` seconds.

        The system's resolver has no time limit: behind some firewalls it blocks for half a minute.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._resolve, name="lookup", daemon=True)
                self._thread.start()
                self._thread.join(timeout)
        return list(self._addresses)

    def _resolve(self) -> None:
        with contextlib.suppress(OSError, UnicodeError):
            address_infos = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._addresses = [str(info[4][0]) for info in address_infos]
