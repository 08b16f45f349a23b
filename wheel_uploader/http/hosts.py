"""Which hosts and links may be asked: rules for URLs that a staging place made up. Asks nothing itself."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

#: What servers and proxies take; a longer link is an attack, or a mistake.
MAX_URL = 8000

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Letters of any script, for a name may be international; nothing that parsers of URLs disagree about.
_HOST = re.compile(r"[\w.-]+\Z|[0-9A-Fa-f:.]+\Z")

#: Places that are known to answer with links or redirects to a storage host of their own.
_KNOWN_PAIRS = (
    (("anaconda.org", ".anaconda.org"), (".anaconda.org", "binstar-cio-packages-prod.s3.amazonaws.com")),
    (
        ("github.com", "api.github.com"),
        ("github.com", "objects.githubusercontent.com", "release-assets.githubusercontent.com"),
    ),
    # Artifacts of Actions lie in containers whose accounts are numbered.
    (("api.github.com",), (".blob.core.windows.net",)),
)
#: A bucket's host, in whichever region.
_BUCKET = re.compile(r"(.+)\.s3(?:[.-](?!website)[a-z0-9-]+)*\.amazonaws\.com\Z")


class NotAUrl(ValueError):
    """Not an absolute http or https URL with a sensible host; ``str()`` says why in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What credentials and permissions are bound to: scheme, host and port."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; a default port counts as the same, so that http may become https."""
        return self.host, 0 if self.port == _DEFAULT_PORTS[self.scheme] else self.port


def place_of(url: str) -> Place:
    """Where ``url`` leads. Raises NotAUrl."""
    if len(url) > MAX_URL:
        raise NotAUrl(f"it is longer than {MAX_URL} characters")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise NotAUrl(f"it is not a URL ({error})") from None
    if scheme not in _DEFAULT_PORTS:
        raise NotAUrl(f"its scheme is {scheme or 'missing'}, not https")
    if not _HOST.match(host):
        raise NotAUrl("it has no host" if not host else "its host is not a host's name")
    if port == 0:
        raise NotAUrl("its port is 0")
    return Place(scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme])


def split_credentials(url: str) -> tuple[str, str, str]:
    """``url`` without user info, the user name and the password, still percent-encoded."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), username, password


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine by its name alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _literal(host)
    return address is not None and address.is_loopback


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet: not private, loopback, link-local, reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        # 64:ff9b::/96 stands for the IPv4 address in its last four bytes (RFC 6052).
        if ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class BoundHeaders:
    """Headers, such as a token, for one place and the beginning of a path: no redirect takes them along."""

    def __init__(self) -> None:
        self._bound: dict[tuple[Place, str], Mapping[str, str]] = {}

    def add(self, below: str, headers: Mapping[str, str]) -> None:
        self._bound[place_of(below), urlsplit(below).path] = headers

    def of(self, url: str) -> dict[str, str]:
        """Those of ``url``; of one header that is bound twice, the one that was bound last."""
        place, path = place_of(url), urlsplit(url).path
        found: dict[str, str] = {}
        for (bound_to, start), headers in self._bound.items():
            if bound_to == place and path.startswith(start):
                found |= headers
        return found


class Rules:
    """What the person allowed: by typing a URL, by ``--allow-host``, by ``--allow-insecure-host``."""

    def __init__(
        self,
        *,
        typed: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        allow_insecure_hosts: Iterable[str] = (),
    ) -> None:
        # A source may be a path, which is no business of this module.
        self._typed = {place.address for place in map(_place_or_none, typed) if place}
        self._insecure = {host.lower() for host in allow_insecure_hosts}
        self._allowed = {host.lower() for host in allow_hosts} | self._insecure
        self._trusted = {host for host, _ in self._typed} | {_without_port(host) for host in self._allowed}

    def trusts(self, host: str) -> bool:
        """Whether the person named ``host``: then it may be this machine, or one of a private network."""
        return host.lower().rstrip(".") in self._trusted

    def refuse_url(self, url: str) -> str:
        """Why ``url`` must not be asked, whoever wants it (one clause); empty when it may."""
        try:
            place = place_of(url)
        except NotAUrl as error:
            return str(error)
        if "@" in urlsplit(url).netloc:
            return "it carries credentials"
        if place.scheme == "http" and not self._may_be_http(place):
            return f"it is http, not https (--allow-insecure-host {place.host} permits it)"
        address = _literal(place.host)
        if address is not None and not is_public(place.host) and not self.trusts(place.host):
            return f"{place.host} is a private address (--allow-host {place.host} permits it)"
        return ""

    def refuse_link(self, url: str, *, listed_at: str, pinned: bool) -> str:
        """Why a link that ``listed_at`` offered must not be followed (one clause); empty when it may.

        ``pinned``: the listing gave a sha256 for what is behind the link, so the host cannot matter.
        """
        reason = self.refuse_url(url)
        if reason:
            return reason
        place = place_of(url)
        listed = _place_or_none(listed_at)
        if (
            pinned
            or place.address in self._typed
            or self._is_allowed(place)
            or (listed is not None and (listed.address == place.address or _known_pair(listed, place)))
        ):
            return ""
        other = "host" if listed is None or listed.host != place.host else "port"
        shown = place.host if other == "host" else f"{place.host}:{place.port}"
        return f"it is on another {other}, {shown} (--allow-host {shown} permits it)"

    def _is_allowed(self, place: Place) -> bool:
        return place.host in self._allowed or f"{place.host}:{place.port}" in self._allowed

    def _may_be_http(self, place: Place) -> bool:
        insecure = place.host in self._insecure or f"{place.host}:{place.port}" in self._insecure
        return insecure or (is_loopback(place.host) and self.trusts(place.host))


def _place_or_none(url: str) -> Place | None:
    try:
        return place_of(url)
    except NotAUrl:
        return None


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") and name.count(":") == 0 else host


def _known_pair(listed: Place, place: Place) -> bool:
    return any(
        any(_matches(listed.host, pattern) for pattern in asked)
        and any(_matches(place.host, pattern) for pattern in storage)
        for asked, storage in _KNOWN_PAIRS
    ) or _same_bucket(listed.host, place.host)


def _same_bucket(one: str, other: str) -> bool:
    """Whether both are hosts of one bucket: S3 sends us on to the region that it is in."""
    buckets = [found[1] for found in map(_BUCKET.match, (one, other)) if found]
    return len(buckets) == 2 and buckets[0] == buckets[1]


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern) if pattern.startswith(".") else host == pattern
