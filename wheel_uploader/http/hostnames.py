"""Canonicalization and classification of host names and IP addresses, by label and value. No I/O."""

from __future__ import annotations

import ipaddress
import string

#: Limits in characters for a whole name and for one label (RFC 1035).
MAX_HOST_LENGTH = 253
MAX_LABEL_LENGTH = 63

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + "-_")
_IPV4_BITS = 32
#: Suffixes without public name servers (RFC 6761, 6762, 7686, 8375, and those that ICANN reserves).
_PRIVATE_SUFFIXES = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"}
    | {"home.arpa", "onion", "alt"}
)
# Listed here because ``is_global`` differs between patch releases of Python.
_NON_PUBLIC_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
            *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        ),
    )
)
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NON_PUBLIC_IPV6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
#: The last four bytes of an address with this prefix are an IPv4 address (RFC 6052).
_NAT64_PREFIX = ipaddress.IPv6Network("64:ff9b::/96")


class InvalidHost(ValueError):
    """Not a host name or IP address; ``str()`` gives the reason in one clause."""


def canonicalize_host(host: str) -> str:
    """Return ``host`` in canonical form: lower case, ASCII, no trailing dot, one spelling of an address.

    ``0x7f.1`` and ``2130706433`` are 127.0.0.1, as in the C library. Raises InvalidHost.
    """
    # Checked first, so that all further processing takes bounded time.
    if len(host) > MAX_HOST_LENGTH + 1:
        raise InvalidHost(f"its host is longer than {MAX_HOST_LENGTH} characters")
    host = host.lower()
    if ":" in host:
        return _canonicalize_ipv6(host)
    if not host.isascii():
        host = _encode_idna(host)
    host = host.removesuffix(".")
    if not host:
        raise InvalidHost("it has no host")
    labels = host.split(".")
    if len(host) > MAX_HOST_LENGTH or not all(1 <= len(label) <= MAX_LABEL_LENGTH for label in labels):
        raise InvalidHost(
            f"its host is not a valid host name (at most {MAX_LABEL_LENGTH} characters between dots)"
        )
    if not all(_LABEL_CHARACTERS.issuperset(label) for label in labels):
        raise InvalidHost("its host is not a valid host name")
    return _canonicalize_ipv4(labels) if _is_number(labels[-1]) else host


def _encode_idna(host: str) -> str:
    import idna

    try:
        # Like httpx, so that the checked name is the one that is requested.
        return idna.encode(host).decode("ascii")
    except UnicodeError:
        raise InvalidHost("its host is not a valid host name") from None


def _canonicalize_ipv6(host: str) -> str:
    try:
        # A zone (``%eth0``) is local to this machine and not allowed in a URL.
        address = ipaddress.IPv6Address("" if "%" in host else host)
    except ValueError:
        raise InvalidHost("its host is not a valid host name") from None
    return str(address.ipv4_mapped or address)


def _is_number(label: str) -> bool:
    digits = label.removeprefix("0x")
    return label.isdigit() or (digits != label and set(digits) <= set(string.hexdigits))


def _canonicalize_ipv4(labels: list[str]) -> str:
    """Return the address as ``inet_aton`` parses it: up to four numbers, the last for all remaining bytes."""
    try:
        *first, last = (int(label, _number_base(label)) if label != "0x" else 0 for label in labels)
        number = last
        for octet_index, value in enumerate(first, start=1):
            if value > 255:
                raise ValueError
            number += value << (_IPV4_BITS - 8 * octet_index)
        if len(labels) > 4 or last >= 1 << (_IPV4_BITS - 8 * len(first)):
            raise ValueError
        return str(ipaddress.IPv4Address(number))
    except ValueError:
        raise InvalidHost("its host is not an IP address, and a host name cannot end with a number") from None


def _number_base(label: str) -> int:
    if label.startswith("0x"):
        return 16
    return 8 if label.startswith("0") and label != "0" else 10


def parse_address(host: str) -> Address | None:
    """Return ``host`` (canonical, or from a resolver) as an IP address; None if it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _extract_ipv4(address: Address) -> Address:
    """Return the IPv4 address embedded in an IPv6 address, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64_PREFIX:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def is_public_address(address: str) -> bool:
    """Return whether an IP address is public: not private, loopback, link-local or reserved."""
    ip = _extract_ipv4(ipaddress.ip_address(address.partition("%")[0]))
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _NON_PUBLIC_IPV4)
    return ip in _PUBLIC_IPV6 and not any(ip in network for network in _NON_PUBLIC_IPV6)


def is_loopback_host(host: str) -> bool:
    """Return whether the name or address ``host`` always means this machine; nothing is resolved."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = parse_address(host)
    return address is not None and _extract_ipv4(address).is_loopback


def is_private_host(host: str) -> bool:
    """Return whether a canonical host is a private address or a private name; nothing is resolved.

    A private name has a single label or a reserved suffix.
    """
    if parse_address(host):
        return not is_public_address(host)
    labels = host.split(".")
    return len(labels) == 1 or bool({labels[-1], ".".join(labels[-2:])} & _PRIVATE_SUFFIXES)


def parse_s3_bucket(host: str) -> str | None:
    """Return the bucket named in an S3 host of any region, "" for the S3 endpoint, None for other hosts.

    The forms are ``NAME.s3.amazonaws.com``, ``NAME.s3-REGION...`` and ``NAME.s3.dualstack.REGION...``.
    Website endpoints of buckets (``s3-website``) are different servers and give None.
    """
    labels = host.split(".")
    if labels[-1:] == ["cn"]:
        labels.pop()
    if labels[-2:] != ["amazonaws", "com"]:
        return None
    labels = labels[:-2]
    # Use the last match: the name of a bucket may contain dots, and "s3" between them.
    positions = [
        position for position, label in enumerate(labels) if label == "s3" or label.startswith("s3-")
    ]
    if not positions:
        return None
    service, region = labels[positions[-1]], labels[positions[-1] + 1 :]
    if region[:1] == ["dualstack"]:
        region = region[1:]
    website = service.startswith("s3-website") or any(label.startswith("website") for label in region)
    return None if website or len(region) > 1 else ".".join(labels[: positions[-1]])
