"""The transport for httpx: connects directly, or through the proxy that the environment names."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.redaction import register_basic_auth, sanitize_url
from wheel_uploader.http.hostnames import is_public_address
from wheel_uploader.http.httpx_import import httpcore, httpx
from wheel_uploader.http.transport import GuardedBackend, GuardedTransport, PrivateAddressError

_CHECK_PROXY_HINT = (
    "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; a password in a URL must be percent-encoded."
)

#: Longest wait in seconds for the local lookup of a host that is requested through a proxy.
_LOOKUP_TIMEOUT = 2.0
#: Addresses that the resolvers of some proxies return instead of the real ones (198.18.0.0/15).
_PLACEHOLDER_PREFIXES = ("198.18.", "198.19.")


class ProxyRouter(httpx.BaseTransport):
    """Sends each request directly, or through the proxy that the environment names for it.

    A proxy resolves names itself. A host that the user did not name is also looked up locally, and is not
    requested if it resolves to a private address.
    """

    def __init__(
        self,
        is_trusted: Callable[[str, int], bool],
        context: ssl.SSLContext,
        max_connections: int,
        preconnect: Mapping[str, int] | None = None,
    ) -> None:
        self._proxies = {
            scheme: _parse_proxy(url)
            for scheme, url in urllib.request.getproxies().items()
            if scheme in {"http", "https", "all"} and url
        }
        proxy_hosts = {proxy.url.host.decode() for proxy in self._proxies.values()}
        self._backend = GuardedBackend(is_trusted, preconnect)
        self._direct = GuardedTransport(self._backend, context, max_connections)
        proxy_backend = GuardedBackend(lambda host, port: host in proxy_hosts or is_trusted(host, port))
        self._is_trusted = is_trusted
        self._lookups: dict[str, HostLookup] = {}
        self._proxied = {
            scheme: GuardedTransport(proxy_backend, context, max_connections, proxy)
            for scheme, proxy in self._proxies.items()
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request directly or through its proxy."""
        transport = self._proxied.get(request.url.scheme) or self._proxied.get("all")
        if transport is None or urllib.request.proxy_bypass(request.url.host):
            transport = self._direct
        else:
            self._reject_private_host(request)
        return transport.handle_request(request)

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
        for transport in (self._direct, *self._proxied.values()):
            transport.close()
        self._backend.close()


def _parse_proxy(url: str) -> httpcore.Proxy:
    url = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        # The messages of these exceptions quote a part of the URL, possibly of its password.
        raise UsageError(f"the proxy {sanitize_url(url)} is invalid", hint=_CHECK_PROXY_HINT) from None
    if parsed.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise UsageError(
            f"the proxy {sanitize_url(url)} needs a package that is not installed",
            hint="Install it: python -m pip install httpx[socks]",
        )
    if parsed.auth:
        register_basic_auth(*parsed.auth)
    return httpcore.Proxy(
        url=httpcore.URL(
            scheme=parsed.url.raw_scheme,
            host=parsed.url.raw_host,
            port=parsed.url.port,
            target=parsed.url.raw_path,
        ),
        auth=parsed.raw_auth,
        ssl_context=parsed.ssl_context,
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
