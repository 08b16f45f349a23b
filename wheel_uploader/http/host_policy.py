"""The policy for hosts and links: which URLs from an untrusted listing may be fetched. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.urls import SplitResult, parse_port, urlsplit, urlunsplit
from wheel_uploader.http.hostnames import (
    InvalidHost,
    canonicalize_host,
    is_loopback_host,
    is_private_host,
    parse_address,
    parse_s3_bucket,
)

#: Longest URL, in characters, that servers and proxies accept; a longer link is an attack or a mistake.
MAX_URL_LENGTH = 8000

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Pairs of hosts: services that are known to link or redirect to their storage hosts.
_STORAGE_HOSTS = (
    (("anaconda.org", ".anaconda.org"), (".anaconda.org", "binstar-cio-packages-prod.s3.amazonaws.com")),
    (
        ("github.com", "api.github.com"),
        ("github.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com"),
    ),
    # GitHub Actions stores artifacts in numbered storage accounts.
    (("api.github.com",), (".blob.core.windows.net",)),
)


_PERMITTING_OPTION = re.compile(r"\((--allow-[a-z-]{1,20} [^\s()]{1,300}) permits it\)\Z")


def find_permitting_option(rejection: str) -> str:
    """Return the option, with its value, that permits what ``link_rejection`` rejects; empty if none does."""
    match = _PERMITTING_OPTION.search(rejection)
    return match[1] if match else ""


class InvalidUrl(ValueError):
    """Not an absolute http or https URL with a valid host; ``str()`` gives the reason in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The scheme, host and port to which credentials and permissions are bound."""

    scheme: str
    host: str
    port: int

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Host and port; a default port counts as the same, so that http may become https."""
        return self.host, 0 if self.port == _DEFAULT_PORTS[self.scheme] else self.port

    def check_parsed_host(self, host: str, port: int | None) -> None:
        """Raise InvalidUrl unless ``host`` and ``port``, as parsed by httpx, are those of this origin."""
        try:
            same = canonicalize_host(host) == self.host and (port or _DEFAULT_PORTS[self.scheme]) == self.port
        except InvalidHost:
            same = False
        if not same:
            raise InvalidUrl("its host is ambiguous")


def parse_origin(url: str) -> Origin:
    """Return the origin of ``url``. Raises InvalidUrl."""
    if len(url) > MAX_URL_LENGTH:
        raise InvalidUrl(f"it is longer than {MAX_URL_LENGTH} characters")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), _split_host(parts), parse_port(parts)
    except ValueError as error:
        raise InvalidUrl(str(error)) from None
    if scheme not in _DEFAULT_PORTS:
        raise InvalidUrl(f"its scheme is {scheme or 'missing'}, not https")
    try:
        host = canonicalize_host(host)
    except InvalidHost as error:
        raise InvalidUrl(str(error)) from None
    if port == 0:
        raise InvalidUrl("its port is 0")
    return Origin(scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme])


def _split_host(parts: SplitResult) -> str:
    """Return the host of a URL; check its brackets, because patch releases of Python differ on them."""
    host = parts.hostname or ""
    netloc = parts.netloc.rpartition("@")[2]
    if "[" in netloc or "]" in netloc:
        before, _, rest = netloc.partition("[")
        inside, _, after = rest.partition("]")
        if before or ":" not in inside or (after and not after.startswith(":")):
            raise ValueError("it is not a URL (its brackets do not enclose an IPv6 address)")
    return host


def split_credentials(url: str) -> tuple[str, str, str]:
    """Return ``url`` without user info, and the user name and password, still percent-encoded."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), username, password


class ScopedHeaders:
    """Headers, such as a token, bound to an origin and a path prefix, so that redirects cannot leak them."""

    def __init__(self) -> None:
        self._headers_by_scope: dict[tuple[Origin, str], Mapping[str, str]] = {}

    def add(self, url_prefix: str, headers: Mapping[str, str]) -> None:
        """Bind ``headers`` to the origin of ``url_prefix`` and to paths that start with its path."""
        self._headers_by_scope[parse_origin(url_prefix), urlsplit(url_prefix).path] = headers

    def headers_for(self, url: str) -> dict[str, str]:
        """Return the headers for ``url``; if a header is bound twice, the last binding wins."""
        origin, path = parse_origin(url), urlsplit(url).path
        matching: dict[str, str] = {}
        # A copy, because another thread may bind headers meanwhile.
        for (bound_origin, path_prefix), headers in tuple(self._headers_by_scope.items()):
            if bound_origin == origin and path.startswith(path_prefix):
                matching |= headers
        return matching


class HostPolicy:
    """The hosts that the user allowed with a URL, ``--allow-host`` or ``--allow-insecure-host``."""

    def __init__(
        self,
        *,
        user_urls: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        allow_insecure_hosts: Iterable[str] = (),
    ) -> None:
        # A source may also be a path, which has no host.
        self._user_authorities = {
            origin.host_and_port for origin in map(_parse_origin_or_none, user_urls) if origin
        }
        self._insecure_hosts = set(map(_parse_host_and_port, allow_insecure_hosts))
        self._allowed_hosts = set(map(_parse_host_and_port, allow_hosts)) | self._insecure_hosts

    def is_trusted(self, host: str, port: int | None = None) -> bool:
        """Return whether the user named ``host`` (and ``port``, if given), so that it may be private."""
        try:
            host = canonicalize_host(host)
        except InvalidHost:
            return False
        if port is None:
            return any(host == known_host for known_host, _ in self._user_authorities | self._allowed_hosts)
        authorities = {(host, port)} | ({(host, 0)} if port in _DEFAULT_PORTS.values() else set())
        return bool(
            authorities & self._user_authorities or {(host, None), (host, port)} & self._allowed_hosts
        )

    def url_rejection(self, url: str) -> str:
        """Return in one clause why ``url`` must never be fetched; empty if it may be."""
        try:
            origin = parse_origin(url)
        except InvalidUrl as error:
            return str(error)
        if "@" in urlsplit(url).netloc:
            return "it contains credentials"
        if origin.scheme == "http" and not self._allows_http(origin):
            return f"it is http, not https (--allow-insecure-host {origin.host} permits it)"
        if is_private_host(origin.host) and not self.is_trusted(origin.host):
            kind = "a private address" if parse_address(origin.host) else "a private host name"
            return f"{origin.host} is {kind} (--allow-host {origin.host} permits it)"
        return ""

    def link_rejection(self, url: str, *, listing_url: str, has_trusted_digest: bool) -> str:
        """Return in one clause why a link on the page ``listing_url`` must not be followed; else "".

        ``has_trusted_digest``: the listing gave a sha256 for the linked file, so it may be on any public
        host.
        """
        reason = self.url_rejection(url)
        if reason:
            return reason
        origin = parse_origin(url)
        listing_origin = _parse_origin_or_none(listing_url)
        if (
            origin.host_and_port in self._user_authorities
            or self._is_allowed_host(origin)
            or (
                listing_origin is not None
                and (
                    listing_origin.host_and_port == origin.host_and_port
                    or _is_known_storage(listing_origin, origin)
                )
            )
            # A different port of a private host is a different service, which the user did not name.
            or (has_trusted_digest and not is_private_host(origin.host))
        ):
            return ""
        difference = "host" if listing_origin is None or listing_origin.host != origin.host else "port"
        shown_host = origin.host if difference == "host" else f"{origin.host}:{origin.port}"
        return f"it is on another {difference}, {shown_host} (--allow-host {shown_host} permits it)"

    def _is_allowed_host(self, origin: Origin) -> bool:
        return _matches_any(origin, self._allowed_hosts)

    def _allows_http(self, origin: Origin) -> bool:
        return _matches_any(origin, self._insecure_hosts) or (
            is_loopback_host(origin.host) and self.is_trusted(origin.host)
        )


def _matches_any(origin: Origin, hosts: Collection[tuple[str, int | None]]) -> bool:
    return (origin.host, None) in hosts or (origin.host, origin.port) in hosts


def _parse_origin_or_none(url: str) -> Origin | None:
    try:
        return parse_origin(url)
    except InvalidUrl:
        return None


def _parse_host_and_port(host_and_port: str) -> tuple[str, int | None]:
    """Return the host and port in ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or ``IPV6``; None: any port."""
    host, colon, port = host_and_port.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (
        colon and port.isascii() and port.isdigit() and len(port) <= 5 and (bracketed or ":" not in host)
    ):
        host, port = host_and_port.strip(), ""
    try:
        host = canonicalize_host(host.removeprefix("[").removesuffix("]"))
    except InvalidHost:
        host = host.lower()
    return host, int(port) if port else None


def _is_known_storage(listing_origin: Origin, origin: Origin) -> bool:
    return any(
        any(_matches_pattern(listing_origin.host, pattern) for pattern in listing_hosts)
        and any(_matches_pattern(origin.host, pattern) for pattern in storage_hosts)
        for listing_hosts, storage_hosts in _STORAGE_HOSTS
    ) or _is_same_bucket(listing_origin.host, origin.host)


def _is_same_bucket(one: str, other: str) -> bool:
    """Return whether both hosts serve the same bucket: S3 redirects to the region that stores it."""
    # Bucket names in China are a separate namespace.
    same_partition = one.endswith(".cn") == other.endswith(".cn")
    return bool(parse_s3_bucket(one)) and parse_s3_bucket(one) == parse_s3_bucket(other) and same_partition


def _matches_pattern(host: str, pattern: str) -> bool:
    return host.endswith(pattern) if pattern.startswith(".") else host == pattern
