"""Which proxy a request goes through, for reading and for uploads alike.

``HTTPS_PROXY`` or ``HTTP_PROXY`` for the scheme of the URL, else ``ALL_PROXY``; none for what ``NO_PROXY``
lists: ``*``, a domain (with its subdomains), an address, a network (``10.0.0.0/8``), each also with a port.
"""

from __future__ import annotations

import functools
import importlib.util
import ipaddress
import re
import urllib.request
from collections.abc import Mapping

from wheel_uploader.core.errors import UsageError
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.redaction import register_basic_auth, sanitize, sanitize_url
from wheel_uploader.core.urls import parse_port, quote, urlsplit
from wheel_uploader.http.host_policy import Origin, parse_origin
from wheel_uploader.http.hostnames import InvalidHost, canonicalize_host
from wheel_uploader.http.httpx_import import httpx

#: Packages that SOCKS needs, for httpx and for requests.
_SOCKS_MODULES = ("socksio", "socks")
_INSTALL_SOCKS = "python -m pip install 'wheel-uploader[socks]'"
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5h": 1080}
#: All mean the same here: the proxy resolves names, so that no lookup reveals them. Desktops set "socks".
_SOCKS_SCHEME = re.compile(r"(?i:socks5?h?)://")
_CHECK_PROXY_HINT = (
    "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY: the schemes are http, https and socks5, the port is a "
    "number from 1 to 65535, and a password must be percent-encoded."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyServer:
    """A proxy, and the login for it; ``str()`` is its URL without the login."""

    #: http, https or socks5h.
    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""

    @property
    def is_socks(self) -> bool:
        """True for a SOCKS proxy."""
        return self.scheme == "socks5h"

    @property
    def has_login(self) -> bool:
        """True if the URL of the proxy contains a login."""
        return bool(self.username or self.password)

    @property
    def url(self) -> str:
        """Its URL, with the login: not for display."""
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.has_login else ""
        return f"{self.scheme}://{login}{self._authority}"

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        scheme = "socks5" if self.is_socks else self.scheme
        return sanitize(f"{scheme}://{self._authority}", limit=200)


class ProxySettings:
    """The proxies of the environment, or of the system on macOS and Windows, and the exceptions."""

    def __init__(self) -> None:
        """Read the settings. Raises UsageError for an invalid URL of a proxy."""
        #: By scheme of the requested URL, or "all".
        self.servers: Mapping[str, ProxyServer] = {
            scheme: _parse_proxy(url)
            for scheme, url in urllib.request.getproxies().items()
            if scheme in {"http", "https", "all"} and url
        }
        environment = urllib.request.getproxies_environment()
        self._exceptions = ProxyExceptions(environment.get("no", ""))
        self._is_from_environment = bool(environment)

    def find_proxy(self, url: str) -> ProxyServer | None:
        """Return the proxy for ``url``; None to connect directly.

        Raises UsageError if it is a SOCKS proxy and the packages for it are missing.
        """
        origin = parse_origin(url)
        server = self.servers.get(origin.scheme) or self.servers.get("all")
        if server is None or self._is_excepted(origin):
            return None
        if server.is_socks and not all(map(importlib.util.find_spec, _SOCKS_MODULES)):
            raise UsageError(
                f"the proxy {server} needs a package that is not installed",
                hint=f"Install it with {_INSTALL_SOCKS}, or list the host in NO_PROXY.",
            )
        return server

    def _is_excepted(self, origin: Origin) -> bool:
        if self._exceptions.contain(origin.host, origin.port):
            return True
        # The exceptions of the system settings of macOS and Windows.
        return not self._is_from_environment and bool(urllib.request.proxy_bypass(origin.host))


class ProxyExceptions:
    """The hosts that NO_PROXY lists."""

    def __init__(self, no_proxy: str) -> None:
        self._entries = [_Exception.parse(entry) for entry in re.split(r"[,\s]+", no_proxy) if entry]

    def contain(self, host: str, port: int) -> bool:
        """Return whether a canonical host and port are listed; names are not resolved."""
        return any(entry.matches(host, port) for entry in self._entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exception:
    """One entry of NO_PROXY."""

    host: str
    #: None for any port.
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> _Exception:
        """Parse ``HOST``, ``HOST:PORT``, ``ADDRESS/BITS``, ``[IPV6]:PORT`` or ``*``."""
        match = re.fullmatch(r"(\[[^\]]*\](?:/\d+)?|[^:]*)(?::(\d{1,5}))?", entry)
        host, port = (match[1], match[2]) if match else (entry, None)
        return cls(host=_canonicalize_entry(host), port=int(port) if port else None)

    def matches(self, host: str, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.host == "*":
            return True
        address = _parse_address(host)
        if address:
            network = _parse_network(self.host)
            return network is not None and address in network
        return host == self.host or host.endswith(f".{self.host}")


def _canonicalize_entry(host: str) -> str:
    host = host.replace("[", "").replace("]", "").lower()
    if host == "*" or "/" in host:
        return host
    # Alike in all programs: a leading dot does not exclude the domain itself.
    name = host.removeprefix("*").lstrip(".")
    try:
        return canonicalize_host(name)
    except InvalidHost:
        return name


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@functools.lru_cache(maxsize=256)
def _parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _parse_proxy(url: str) -> ProxyServer:
    full_url = url if "://" in url else f"http://{url}"
    try:
        parsed = httpx.Proxy(_SOCKS_SCHEME.sub("socks5h://", full_url, count=1))
        # httpx takes any number for a port, and the system only its last 16 bits.
        if not parsed.url.host or parse_port(urlsplit(full_url.strip())) == 0:
            raise ValueError
    except (ValueError, httpx.InvalidURL):
        # The messages of these exceptions quote a part of the URL, possibly of its password.
        raise UsageError(f"the proxy {sanitize_url(full_url)} is invalid", hint=_CHECK_PROXY_HINT) from None
    username, password = parsed.auth or ("", "")
    if parsed.auth:
        register_basic_auth(username, password)
    return ProxyServer(
        scheme=parsed.url.scheme,
        host=parsed.url.raw_host.decode("ascii"),
        port=parsed.url.port or _DEFAULT_PORTS[parsed.url.scheme],
        username=username,
        password=password,
    )
