"""What both tables of a ZIP have in common: members, flags, names and extra fields, judged when read."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from wheel_uploader.budget import Budget
from wheel_uploader.models import Fact

STORED, DEFLATED = 0, 8
#: Flags: encryption (plain, strong, masked headers), sizes behind the bytes, a patch, a name in UTF-8.
ENCRYPTED = 0x0001 | 0x0040 | 0x2000
DESCRIPTOR = 0x0008
PATCHED = 0x0020
UTF8 = 0x0800
#: What a field holds whose true value is in a ZIP64 record.
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF

#: Bytes of memory for a fact, without its text.
FACT = 400

_ZIP64, _UNICODE_PATH = 0x0001, 0x7075


class Entry(NamedTuple):
    """One record of the central directory, and where the member's bytes are."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    mode: int
    #: Absolute offset of the local header.
    header: int
    #: Absolute offset of the (compressed) bytes; -1 where they must not be read.
    data: int = -1


#: The fields of an Entry that the record says, whatever the place in the file.
SAID = Entry._fields.index("header")


@dataclass(slots=True)
class Walk:
    """What the walk found: the members in the directory's order, and what is wrong with the framing."""

    entries: list[Entry] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)

    def note(self, kind: str, message: str, member: str | None = None) -> None:
        self.budget.spend("remarks")
        self.budget.keep(FACT + len(message))
        self.facts.append(Fact(kind=kind, message=message, member=member))


def read_at(stream: BinaryIO, offset: int, count: int) -> bytes:
    """``count`` bytes from ``offset`` on, or what there is of them."""
    stream.seek(offset)
    data = stream.read(count)
    # A stream without a buffer may give less than there is.
    while 0 < len(data) < count and (more := stream.read(count - len(data))):
        data += more
    return data


def decode_name(raw: bytes, flags: int, found: Walk) -> str:
    """The name as zipfile has it: UTF-8 with the flag, else code page 437."""
    if raw.isascii():
        return raw.decode("ascii")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("cp437")
        found.note("bad-member-name", "its name is not UTF-8", name)
        return name
    if not flags & UTF8:
        found.note("bad-member-name", "its name is not ASCII and not marked as UTF-8: readers differ", name)
        return raw.decode("cp437")
    return name


def check_extra(
    extra: bytes,
    full: Sequence[bool],
    raw_name: bytes,
    name: str,
    found: Walk,
    *,
    place: str,
    told: tuple[int, ...] = (),
) -> Iterator[int]:
    """Judge the extra fields of one header; the 64-bit values that they hold for its full fields.

    ``told`` are the sizes that the header has itself: a ZIP64 field may say them again, as Bazel's do.
    """
    values: Iterator[int] = iter(())
    seen: set[int] = set()
    at = 0
    while at < len(extra):
        found.budget.spend("extra fields")
        kind, length = struct.unpack_from("<HH", extra, at) if at + 4 <= len(extra) else (0, FULL16)
        body = extra[at + 4 : at + 4 + length]
        if len(body) < length:
            found.note("malformed-extra", f"the extra fields of its {place} record are cut off", name)
            break
        if kind in seen:
            found.note("malformed-extra", f"extra field 0x{kind:04x} is twice in its {place} record", name)
            break
        if kind == _ZIP64:
            numbers = tuple(number for (number,) in struct.iter_unpack("<Q", body[: length // 8 * 8]))
            values = iter(numbers)
            # A local header has both sizes or none; the directory has just the fields that are full.
            says_again = numbers == told and length == 8 * len(told)
            if length != 8 * sum(full) and not says_again:
                found.note("malformed-extra", f"the ZIP64 field of its {place} record is odd", name)
        elif kind == _UNICODE_PATH and body[5:] != raw_name:
            found.note("bad-member-name", f"its {place} record gives it a second name", name)
        seen.add(kind)
        at += 4 + length
    if any(full) and _ZIP64 not in seen:
        found.note("malformed-extra", f"its {place} record lacks the ZIP64 field that it points to", name)
    return values
