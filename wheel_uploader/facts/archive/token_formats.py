"""Formats of API tokens that can be verified without their service: checksums and structures."""

from __future__ import annotations

import base64
import binascii
import re

_BASE62 = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH = 6
#: The beginning of a macaroon: version 2, then the fields location and identifier with their lengths.
_MACAROON = re.compile(rb"\x02\x01[\x04-\x40]([a-z0-9.-]{4,64})\x02[\x08-\x7f]")
#: Characters of base64 that are decoded; enough for the longest host name above.
_DECODED_LENGTH = 100


def has_base62_checksum(value: bytes) -> bool:
    """Return whether the last six characters are the CRC-32 of the others, as in tokens of GitHub and npm."""
    checksum = binascii.crc32(value[:-_CHECKSUM_LENGTH])
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        checksum, digit = divmod(checksum, len(_BASE62))
        digits.append(_BASE62[digit])
    return value[-_CHECKSUM_LENGTH:] == bytes(reversed(digits))


def continues_macaroon(value: bytes) -> bool:
    """Return whether the text after ``pypi-AgE`` continues the base64 of a macaroon, as in tokens of PyPI.

    Only the beginning, with the host name of the index, is decoded: a truncated token may still be real.
    """
    text = (b"AgE" + value)[:_DECODED_LENGTH]
    match = _MACAROON.match(base64.urlsafe_b64decode(text[: len(text) // 4 * 4]))
    return match is not None and match.string[2] == len(match[1])
