"""requests and urllib3 with the certificates and proxies that httpx uses for reading.

Uploads use ``NetworkAdapter``. Libraries that make their own sessions (twine for trusted publishing, id,
sigstore, tuf) use it inside ``libraries_follow_network``.
"""

from __future__ import annotations

import base64
import contextlib
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

from wheel_uploader.core.urls import urlsplit
from wheel_uploader.http.certificates import TrustedCertificates
from wheel_uploader.http.proxy_errors import ProxyProblem
from wheel_uploader.http.proxy_settings import ProxyServer, ProxySettings


class Network:
    """The certificates to trust and the proxies, read from the environment once."""

    def __init__(self, verify: bool | str = True) -> None:
        """Read the settings; ``verify``: True, or the file of ``--cert``. Raises UsageError."""
        self.certificates = TrustedCertificates(verify)
        self.proxies = ProxySettings()


class ProxyRequestError(OSError):
    """A proxy prevented a request: it is not running, or rejected the request."""

    def __init__(self, problem: ProxyProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class NetworkAdapter(HTTPAdapter):
    """Sends requests with the certificates and through the proxies of a ``Network``.

    The environment, as requests itself would read it, has no effect.
    """

    def __init__(self, network: Network, **settings: Any) -> None:
        self.network = network
        super().__init__(**settings)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request. Raises RequestException, and UsageError if packages for a proxy are missing."""
        proxy = self.network.proxies.find_proxy(request.url or "")
        proxies = {urlsplit(request.url or "").scheme: proxy.url} if proxy else {}
        return super().send(request, *args, **{**kwargs, "proxies": proxies, "verify": True})

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> HTTPConnectionPool:
        """Return a pool whose connections say what a proxy did."""
        pool = super().get_connection_with_tls_context(request, *args, **kwargs)
        proxy = self.network.proxies.find_proxy(request.url or "")
        if proxy and not issubclass(pool.ConnectionCls, _ProxiedConnection):
            pool.ConnectionCls = _proxied_class(pool.ConnectionCls, proxy, urlsplit(request.url or "").netloc)
        return pool

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a connection depends on."""
        host, settings = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            settings["ssl_context"] = self.network.certificates.context
        return host, settings

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Set the client certificate of a pool, and no further certificates to trust."""
        super().cert_verify(conn, url, verify, cert)
        conn.ca_certs = conn.ca_cert_dir = None

    def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
        """Return the pools for a proxy."""
        return super().proxy_manager_for(proxy, **settings, **_proxy_tls(self.network, proxy))

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the header with the login for a proxy; requests would encode it as Latin-1."""
        return _proxy_headers(self.network, proxy)


def _proxy_tls(network: Network, url: str) -> dict[str, ssl.SSLContext]:
    return {"proxy_ssl_context": network.certificates.context} if url.startswith("https:") else {}


def _proxy_headers(network: Network, url: str) -> dict[str, str]:
    server = next(server for server in network.proxies.servers.values() if server.url == url)
    if not server.has_login:
        return {}
    login = base64.b64encode(f"{server.username}:{server.password}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {login}"}


# --- what a proxy did ------------------------------------------------------------------------------


class _ProxiedConnection:
    """The mark of connections through a proxy."""


def _proxied_class(connection_class: type[Any], proxy: ProxyServer, host: str) -> type[Any]:
    """Return a subclass of ``connection_class`` that raises ProxyRequestError for failures of the proxy."""

    class Proxied(connection_class, _ProxiedConnection):  # type: ignore[misc]
        is_at_server = False

        def connect(self) -> None:
            self.is_at_server = False
            try:
                super().connect()
            except Exception as error:
                if self.is_at_server or isinstance(error, ProxyRequestError):
                    raise
                raise ProxyRequestError(_explain(error, proxy, host)) from error

        def _new_conn(self) -> Any:
            connected = super()._new_conn()
            self.is_at_server = proxy.is_socks
            return connected

        def _tunnel(self) -> None:
            super()._tunnel()
            self.is_at_server = True

    return Proxied


def _explain(error: Exception, proxy: ProxyServer, host: str) -> ProxyProblem:
    chain = list(iter_causes(error))
    # The name is that of an exception of PySocks.
    dead = "ProxyConnectionError" if proxy.is_socks else "NewConnectionError ConnectTimeoutError"
    return ProxyProblem(
        proxy=proxy,
        host=host,
        reason=_reason(chain),
        is_connected=not any(type(part).__name__ in dead.split() for part in chain),
    )


def _reason(chain: list[BaseException]) -> str:
    """Return the reason of a failure at a proxy in a clause, without addresses of objects."""
    for part in reversed(chain):
        if isinstance(part, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not trusted ({part.verify_message})"
        # Not isinstance: a connection that is refused raises a subclass.
        if isinstance(part, TimeoutError) or type(part) is urllib3.exceptions.ConnectTimeoutError:
            return "timed out"
        if isinstance(part, OSError) and part.strerror:
            return str(part.strerror)
    # "0x05: Connection refused" is what PySocks says.
    words = str(getattr(chain[-1], "msg", "") or chain[-1]).split(": ", 1)
    return (words[-1] if words[0].startswith("0x") else ": ".join(words)).rstrip(".") or type(
        chain[-1]
    ).__name__


def iter_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that it wraps, in all the ways that requests and urllib3 use."""
    queue, seen = [error], set()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
        queue += [other for other in inner if isinstance(other, BaseException)]


def find_proxy_problem(error: BaseException) -> ProxyProblem | None:
    """Return what a proxy did, if that is why a request failed."""
    return next((part.problem for part in iter_causes(error) if isinstance(part, ProxyRequestError)), None)


# --- libraries that make their own sessions --------------------------------------------------------


class _Active(threading.local):
    """The configuration that the libraries follow in this thread."""

    network: Network | None = None
    session_network: Network | None = None


#: The metadata server of a machine in Google's cloud, where id gets an identity; no proxy reaches it.
_METADATA_HOST = "metadata.google.internal"

_active = _Active()
_lock = threading.Lock()
_users = 0
_original_get_adapter = requests.Session.get_adapter
_original_urlopen = urllib3.PoolManager.urlopen


@contextlib.contextmanager
def libraries_follow_network(network: Network, sessions: Network | None = None) -> Iterator[None]:
    """Return a context in which requests and urllib3 follow ``network``, whoever calls them in this thread.

    ``sessions``: another configuration for the sessions of requests. Two methods are replaced as long as any
    thread is in such a context; other threads notice nothing.
    """
    previous = _active.network, _active.session_network
    _active.network, _active.session_network = network, sessions or network
    _replace_methods(+1)
    try:
        yield
    finally:
        _replace_methods(-1)
        _active.network, _active.session_network = previous


def _replace_methods(change: int) -> None:
    global _users  # noqa: PLW0603 (the methods are global, too)
    with _lock:
        _users += change
        # Not an assignment, which mypy rejects for methods.
        for owner, name, replacement, original in _REPLACEMENTS:
            setattr(owner, name, replacement if _users else original)


def _get_adapter(session: requests.Session, url: str) -> Any:
    network = _active.session_network
    adapter = _original_get_adapter(session, url)
    if network is None or type(adapter) is not HTTPAdapter:
        return adapter
    for prefix, mounted in list(session.adapters.items()):
        if mounted is adapter:
            session.mount(prefix, NetworkAdapter(network, max_retries=adapter.max_retries))
    return _original_get_adapter(session, url)


def _urlopen(manager: urllib3.PoolManager, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
    network = _active.network
    if network is not None:
        manager = _manager_for(network, url)
    return _original_urlopen(manager, method, url, *args, **kwargs)


def _manager_for(network: Network, url: str) -> urllib3.PoolManager:
    """Return a pool manager for one request."""
    adapter = NetworkAdapter(network)
    is_metadata = urlsplit(url).hostname == _METADATA_HOST
    proxy = None if is_metadata else network.proxies.find_proxy(url)
    manager: urllib3.PoolManager = adapter.proxy_manager_for(proxy.url) if proxy else adapter.poolmanager
    if url.lower().startswith("https:"):
        manager.connection_pool_kw["ssl_context"] = network.certificates.context
    if proxy:
        host = urlsplit(url).netloc
        classes: dict[str, Any] = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {
            scheme: type(
                pool.__name__, (pool,), {"ConnectionCls": _proxied_class(pool.ConnectionCls, proxy, host)}
            )
            for scheme, pool in classes.items()
        }
    return manager


_REPLACEMENTS: tuple[tuple[type, str, Any, Any], ...] = (
    (requests.Session, "get_adapter", _get_adapter, _original_get_adapter),
    (urllib3.PoolManager, "urlopen", _urlopen, _original_urlopen),
)
