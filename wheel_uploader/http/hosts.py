"""Which hosts and links may be asked: rules for URLs that a staging place made up. Asks nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from wheel_uploader.http.hostnames import NotAHost, address_of, bucket_of, canonical, is_loopback, is_private
from wheel_uploader.urls import SplitResult, port_of, urlsplit, urlunsplit

#: What servers and proxies take; a longer link is an attack, or a mistake.
MAX_URL = 8000

_DEFAULT_PORTS = {"http": 80, "https": 443}
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

    def check_reading(self, host: str, port: int | None) -> None:
        """Raise NotAUrl unless another reader of the URL found the same host and port: httpx asks those."""
        try:
            same = canonical(host) == self.host and (port or _DEFAULT_PORTS[self.scheme]) == self.port
        except NotAHost:
            same = False
        if not same:
            raise NotAUrl("its host can be read in two ways")


def place_of(url: str) -> Place:
    """Return where ``url`` leads. Raises NotAUrl."""
    if len(url) > MAX_URL:
        raise NotAUrl(f"it is longer than {MAX_URL} characters")
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), _host_in(parts), port_of(parts)
    except ValueError as error:
        raise NotAUrl(str(error)) from None
    if scheme not in _DEFAULT_PORTS:
        raise NotAUrl(f"its scheme is {scheme or 'missing'}, not https")
    try:
        host = canonical(host)
    except NotAHost as error:
        raise NotAUrl(str(error)) from None
    if port == 0:
        raise NotAUrl("its port is 0")
    return Place(scheme=scheme, host=host, port=port or _DEFAULT_PORTS[scheme])


def _host_in(parts: SplitResult) -> str:
    """Return the host of a URL. Brackets are judged here: patch releases of Python differ about them."""
    host = parts.hostname or ""
    netloc = parts.netloc.rpartition("@")[2]
    if "[" in netloc or "]" in netloc:
        before, _, rest = netloc.partition("[")
        inside, _, after = rest.partition("]")
        if before or ":" not in inside or (after and not after.startswith(":")):
            raise ValueError("it is not a URL (its brackets are not around an IPv6 address)")
    return host


def split_credentials(url: str) -> tuple[str, str, str]:
    """``url`` without user info, the user name and the password, still percent-encoded."""
    parts = urlsplit(url)
    userinfo, _, host = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), username, password


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
    """What the user allowed: by typing a URL, by ``--allow-host``, by ``--allow-insecure-host``."""

    def __init__(
        self,
        *,
        typed: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        allow_insecure_hosts: Iterable[str] = (),
    ) -> None:
        # A source may be a path, which is no business of this module.
        self._typed = {place.address for place in map(_place_or_none, typed) if place}
        self._insecure = set(map(_host_and_port, allow_insecure_hosts))
        self._allowed = set(map(_host_and_port, allow_hosts)) | self._insecure

    def trusts(self, host: str, port: int | None = None) -> bool:
        """Return whether the user named ``host``, and ``port`` if it is given.

        Only then may it be this machine, or one of a private network.
        """
        try:
            host = canonical(host)
        except NotAHost:
            return False
        if port is None:
            return any(host == named for named, _ in self._typed | self._allowed)
        typed = {(host, port)} | ({(host, 0)} if port in _DEFAULT_PORTS.values() else set())
        return bool(typed & self._typed or {(host, None), (host, port)} & self._allowed)

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
        if is_private(place.host) and not self.trusts(place.host):
            what = "a private address" if address_of(place.host) else "a name of a private network"
            return f"{place.host} is {what} (--allow-host {place.host} permits it)"
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
            place.address in self._typed
            or self._is_allowed(place)
            or (listed is not None and (listed.address == place.address or _known_pair(listed, place)))
            # Another port of a private host is another service, which the user did not name.
            or (pinned and not is_private(place.host))
        ):
            return ""
        other = "host" if listed is None or listed.host != place.host else "port"
        shown = place.host if other == "host" else f"{place.host}:{place.port}"
        return f"it is on another {other}, {shown} (--allow-host {shown} permits it)"

    def _is_allowed(self, place: Place) -> bool:
        return _named(place, self._allowed)

    def _may_be_http(self, place: Place) -> bool:
        return _named(place, self._insecure) or (is_loopback(place.host) and self.trusts(place.host))


def _named(place: Place, hosts: Collection[tuple[str, int | None]]) -> bool:
    return (place.host, None) in hosts or (place.host, place.port) in hosts


def _place_or_none(url: str) -> Place | None:
    try:
        return place_of(url)
    except NotAUrl:
        return None


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Return what ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or ``IPV6`` names; None is every port."""
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (
        colon and port.isascii() and port.isdigit() and len(port) <= 5 and (bracketed or ":" not in host)
    ):
        host, port = text.strip(), ""
    try:
        host = canonical(host.removeprefix("[").removesuffix("]"))
    except NotAHost:
        host = host.lower()
    return host, int(port) if port else None


def _known_pair(listed: Place, place: Place) -> bool:
    return any(
        any(_matches(listed.host, pattern) for pattern in asked)
        and any(_matches(place.host, pattern) for pattern in storage)
        for asked, storage in _KNOWN_PAIRS
    ) or _same_bucket(listed.host, place.host)


def _same_bucket(one: str, other: str) -> bool:
    """Return whether both are hosts of one bucket: S3 redirects to the region that holds it."""
    # A bucket of the same name in China is somebody else's.
    same_partition = one.endswith(".cn") == other.endswith(".cn")
    return bool(bucket_of(one)) and bucket_of(one) == bucket_of(other) and same_partition


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern) if pattern.startswith(".") else host == pattern
