"""Host names and IP addresses compared by labels and by value, never by a pattern. Asks nothing itself."""

from __future__ import annotations

import ipaddress
import string

#: Characters of a whole name and of one label (RFC 1035).
MAX_NAME = 253
MAX_LABEL = 63

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = frozenset(string.ascii_lowercase + string.digits + "-_")
_IPV4_BITS = 32
#: Suffixes that no public name server answers for (RFC 6761, 6762, 7686, 8375, and those ICANN reserves).
_PRIVATE_SUFFIXES = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"}
    | {"home.arpa", "onion", "alt"}
)
# Listed here because ``is_global`` differs between patch releases of Python.
_NOT_PUBLIC_4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
            *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
#: Stands for the IPv4 address in its last four bytes (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class NotAHost(ValueError):
    """Neither a host name nor an IP address; ``str()`` gives the reason in one clause."""


def canonical(host: str) -> str:
    """Return ``host`` as it is compared: lower case, ASCII, no trailing dot, addresses in one spelling.

    ``0x7f.1`` and ``2130706433`` are 127.0.0.1, as they are for the C library. Raises NotAHost.
    """
    # Before anything else: whatever looks at the name takes a bounded time.
    if len(host) > MAX_NAME + 1:
        raise NotAHost(f"its host is longer than {MAX_NAME} characters")
    host = host.lower()
    if ":" in host:
        return _ipv6(host)
    if not host.isascii():
        host = _ascii(host)
    host = host.removesuffix(".")
    if not host:
        raise NotAHost("it has no host")
    labels = host.split(".")
    if len(host) > MAX_NAME or not all(1 <= len(label) <= MAX_LABEL for label in labels):
        raise NotAHost(f"its host is not a host's name (at most {MAX_LABEL} characters between dots)")
    if not all(_LABEL.issuperset(label) for label in labels):
        raise NotAHost("its host is not a host's name")
    return _ipv4(labels) if _is_number(labels[-1]) else host


def _ascii(host: str) -> str:
    import idna

    try:
        # As httpx encodes the name that it asks for.
        return idna.encode(host).decode("ascii")
    except UnicodeError:
        raise NotAHost("its host is not a host's name") from None


def _ipv6(host: str) -> str:
    try:
        # A zone (``%eth0``) is a name of this machine's own, and no business of a URL.
        address = ipaddress.IPv6Address("" if "%" in host else host)
    except ValueError:
        raise NotAHost("its host is not a host's name") from None
    return str(address.ipv4_mapped or address)


def _is_number(label: str) -> bool:
    digits = label.removeprefix("0x")
    return label.isdigit() or (digits != label and set(digits) <= set(string.hexdigits))


def _ipv4(labels: list[str]) -> str:
    """Return the address that ``inet_aton`` reads: up to four numbers, the last one fills what is left."""
    try:
        *first, last = (int(label, _base(label)) if label != "0x" else 0 for label in labels)
        number = last
        for place, value in enumerate(first, start=1):
            if value > 255:
                raise ValueError
            number += value << (_IPV4_BITS - 8 * place)
        if len(labels) > 4 or last >= 1 << (_IPV4_BITS - 8 * len(first)):
            raise ValueError
        return str(ipaddress.IPv4Address(number))
    except ValueError:
        raise NotAHost("its host is not an IP address, and no host's name ends with a number") from None


def _base(label: str) -> int:
    if label.startswith("0x"):
        return 16
    return 8 if label.startswith("0") and label != "0" else 10


def address_of(host: str) -> Address | None:
    """Return the IP address that ``host`` is (canonical, or as a resolver gives it); None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _embedded(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def is_public(address: str) -> bool:
    """Return whether an IP address is on the open internet: not private, loopback, link-local, reserved."""
    ip = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    return ip in _PUBLIC_6 and not any(ip in network for network in _NOT_PUBLIC_6)


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine by its name alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = address_of(host)
    return address is not None and _embedded(address).is_loopback


def is_private(host: str) -> bool:
    """Return whether a canonical host is private by what it says: an address, or a name without a domain."""
    if address_of(host):
        return not is_public(host)
    labels = host.split(".")
    return len(labels) == 1 or bool({labels[-1], ".".join(labels[-2:])} & _PRIVATE_SUFFIXES)


def bucket_of(host: str) -> str | None:
    """Return the bucket in a host of S3 in any region, "" in S3's own host; None in any other host.

    ``NAME.s3.amazonaws.com``, ``NAME.s3-REGION...``, ``NAME.s3.dualstack.REGION...``; the hosts of
    websites in buckets (``s3-website``) are other servers.
    """
    labels = host.split(".")
    if labels[-1:] == ["cn"]:
        labels.pop()
    if labels[-2:] != ["amazonaws", "com"]:
        return None
    labels = labels[:-2]
    # The last one: a bucket's own name may have dots, and "s3" between them.
    places = [place for place, label in enumerate(labels) if label == "s3" or label.startswith("s3-")]
    if not places:
        return None
    service, region = labels[places[-1]], labels[places[-1] + 1 :]
    if region[:1] == ["dualstack"]:
        region = region[1:]
    website = service.startswith("s3-website") or any(label.startswith("website") for label in region)
    return None if website or len(region) > 1 else ".".join(labels[: places[-1]])
