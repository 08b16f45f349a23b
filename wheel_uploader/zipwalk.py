"""The raw walk over a ZIP: every record read by its own struct, and each byte of the file accounted for.

Nothing is unpacked here. The standard library's zipfile is not used: it takes what it finds and is silent
about the rest, and what differs between readers is just what has to be seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from wheel_uploader.models import Fact

#: What an end record without ZIP64 can count; no wheel needs more.
MAX_MEMBERS = 65_535
#: Bytes of the central directory: 65,535 records with names of 200 bytes.
MAX_DIRECTORY = 16 << 20

STORED, DEFLATED = 0, 8
ENCRYPTED = 0x0001
DESCRIPTOR = 0x0008
UTF8 = 0x0800
#: Strong encryption, and masked header values: both only with encryption.
_ENCRYPTED_BITS = ENCRYPTED | 0x0040 | 0x2000

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


class Unreadable(Exception):
    """These bytes are no ZIP, or not all of one; ``str()`` says why in one clause."""


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


@dataclass(slots=True)
class Walk:
    """What the walk found: the members in the directory's order, and what is wrong with the framing."""

    entries: list[Entry] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def note(self, kind: str, message: str, member: str | None = None) -> None:
        self.facts.append(Fact(kind=kind, message=message, member=member))


class _End(NamedTuple):
    """The end record, with ZIP64 values resolved and offsets made absolute."""

    directory: int
    directory_size: int
    members: int
    #: Bytes that stand before the archive: what every offset in it has to be moved by.
    shift: int


def walk(stream: BinaryIO, size: int) -> Walk:
    """Read the records of the ``size`` bytes of ``stream``. Never raises but OSError: faults are facts."""
    found = Walk()
    try:
        end = _read_end(stream, size, found)
        entries = _read_directory(stream, end, found)
    except Unreadable as error:
        found.note("unreadable", str(error))
        return found
    found.entries = _read_local_headers(stream, entries, end.directory, found)
    return found


def _read(stream: BinaryIO, offset: int, count: int) -> bytes:
    stream.seek(offset)
    return stream.read(count)


# --- the end record --------------------------------------------------------------------------------


def _read_end(stream: BinaryIO, size: int, found: Walk) -> _End:
    tail_start = max(0, size - _END.size - _FULL16)
    tail = _read(stream, tail_start, size - tail_start)
    position = _find_end(tail, tail_start, size, found)
    _, disk, first_disk, here, count, directory_size, directory, comment = _END.unpack_from(
        tail, position - tail_start
    )
    trailing = size - position - _END.size - comment
    if trailing < 0:
        raise Unreadable("it is cut off in the comment of its end record")
    if trailing:
        found.note("trailing-bytes", f"{trailing} bytes follow the end of the archive")
    start = position
    if (
        position >= _LOCATOR.size + _END64.size
        and _read(stream, position - _LOCATOR.size, 4) == b"PK\x06\x07"
    ):
        start = position - _LOCATOR.size - _END64.size
        here, count, directory_size, directory = _read_end64(
            stream, start, (here, count, directory_size, directory), found
        )
    if disk or first_disk or here != count:
        found.note("headers-disagree", "the end record speaks of an archive in several parts")
    if count > MAX_MEMBERS or directory_size > MAX_DIRECTORY:
        raise Unreadable(f"it declares {count} members, and a directory of {directory_size} bytes: too many")
    shift = start - directory_size - directory
    if shift < 0:
        raise Unreadable("its directory lies outside of it: it is cut off, or damaged at its end")
    if shift:
        found.note("foreign-bytes", f"{shift} bytes stand before the archive, or before its end record")
    return _End(start - directory_size, directory_size, count, shift)


def _find_end(tail: bytes, tail_start: int, size: int, found: Walk) -> int:
    """The absolute offset of the one end record; readers look for it in different ways."""
    candidates = []
    at = tail.find(_END_SIGNATURE)
    while at >= 0:
        if at + _END.size <= len(tail):
            candidates.append(at)
        at = tail.find(_END_SIGNATURE, at + 1)
    if not candidates:
        raise Unreadable("it has no end record: it is cut off, or no ZIP at all")
    exact = [at for at in candidates if tail_start + at + _END.size + _comment_length(tail, at) == size]
    if not exact:
        return tail_start + candidates[-1]
    if len(exact) > 1 or candidates[-1] > exact[-1]:
        found.note("headers-disagree", "it has two end records, and readers may take either")
    return tail_start + exact[-1]


def _comment_length(tail: bytes, at: int) -> int:
    return int.from_bytes(tail[at + 20 : at + 22], "little")


def _read_end64(
    stream: BinaryIO, start: int, plain: tuple[int, int, int, int], found: Walk
) -> tuple[int, int, int, int]:
    """Entries here, entries, directory size and offset from the ZIP64 records before the end record."""
    signature, length, _, _, disk, first_disk, *values = _END64.unpack(_read(stream, start, _END64.size))
    _, locator_disk, offset, disks = _LOCATOR.unpack(_read(stream, start + _END64.size, _LOCATOR.size))
    here, count, directory_size, directory = values
    if signature != b"PK\x06\x06" or length != _END64.size - 12:
        raise Unreadable("its ZIP64 end record is not where it has to be, or has data of its own")
    full = (_FULL16, _FULL16, _FULL32, _FULL32)
    if any(old not in {new, most} for old, new, most in zip(plain, values, full, strict=True)):
        found.note("headers-disagree", "the end record and its ZIP64 twin say different things")
    if disk or first_disk or locator_disk or disks > 1 or offset > start:
        found.note("malformed-extra", "the ZIP64 records speak of an archive in several parts")
    return here, count, directory_size, directory


# --- the central directory -------------------------------------------------------------------------


def _read_directory(stream: BinaryIO, end: _End, found: Walk) -> list[Entry]:
    data = _read(stream, end.directory, end.directory_size)
    entries: list[Entry] = []
    at = 0
    while at < len(data):
        if len(entries) == MAX_MEMBERS:
            raise Unreadable(f"its directory has more than {MAX_MEMBERS} records")
        if data[at : at + 4] != b"PK\x01\x02" or at + _CENTRAL.size > len(data):
            raise Unreadable(f"its directory is damaged at record {len(entries) + 1}")
        entry, length = _read_central(data, at, end.shift, found)
        entries.append(entry)
        at += length
        if at > len(data):
            raise Unreadable(f"record {len(entries)} of its directory goes beyond the directory's end")
    if len(entries) != end.members:
        found.note(
            "headers-disagree",
            f"the end record counts {end.members} members, the directory lists {len(entries)}",
        )
    return entries


def _read_central(data: bytes, at: int, shift: int, found: Walk) -> tuple[Entry, int]:
    _, _, _, flags, method, _, _, crc, compressed_size, size, *rest = _CENTRAL.unpack_from(data, at)
    name_length, extra_length, comment_length, disk, _, external, header = rest
    start = at + _CENTRAL.size
    raw_name = data[start : start + name_length]
    name = _decode_name(raw_name, flags, found)
    if extra_length:
        extra = data[start + name_length : start + name_length + extra_length]
        full = (size == _FULL32, compressed_size == _FULL32, header == _FULL32)
        values = _check_extra(extra, full, raw_name, name, found, place="directory")
        size, compressed_size, header = (
            next(values, old) if is_full else old
            for old, is_full in zip((size, compressed_size, header), full, strict=True)
        )
    if comment_length:
        found.note("member-comment", f"its record carries a comment of {comment_length} bytes", name)
    if disk:
        found.note("headers-disagree", "its record says that it lies in another part of the archive", name)
    entry = Entry(name, raw_name, flags, method, crc, compressed_size, size, external >> 16, header + shift)
    return entry, _CENTRAL.size + name_length + extra_length + comment_length


def _decode_name(raw: bytes, flags: int, found: Walk) -> str:
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


def _check_extra(
    extra: bytes, full: Sequence[bool], raw_name: bytes, name: str, found: Walk, *, place: str
) -> Iterator[int]:
    """Judge the extra fields of one header; the 64-bit values that they hold for its full fields."""
    values: Iterator[int] = iter(())
    seen: set[int] = set()
    at = 0
    while at < len(extra):
        kind, length = struct.unpack_from("<HH", extra, at) if at + 4 <= len(extra) else (0, _FULL16)
        body = extra[at + 4 : at + 4 + length]
        if len(body) < length:
            found.note("malformed-extra", f"the extra fields of its {place} record are cut off", name)
            break
        if kind in seen:
            found.note("malformed-extra", f"extra field 0x{kind:04x} is twice in its {place} record", name)
        elif kind == _ZIP64:
            values = iter([number for (number,) in struct.iter_unpack("<Q", body[: length // 8 * 8])])
            # A local header has both sizes or none; the directory has just the fields that are full.
            if length != 8 * sum(full):
                found.note("malformed-extra", f"the ZIP64 field of its {place} record is odd", name)
        elif kind == _UNICODE_PATH and body[5:] != raw_name:
            found.note("bad-member-name", f"its {place} record gives it a second name", name)
        seen.add(kind)
        at += 4 + length
    if any(full) and _ZIP64 not in seen:
        found.note("malformed-extra", f"its {place} record lacks the ZIP64 field that it points to", name)
    return values


# --- local headers, and what lies between ----------------------------------------------------------


def _read_local_headers(stream: BinaryIO, entries: list[Entry], end: int, found: Walk) -> list[Entry]:
    """``entries`` with the offsets of their bytes; every byte before ``end`` has to belong to one of them."""
    order = sorted(range(len(entries)), key=lambda index: entries[index].header)
    position = 0
    for rank, index in enumerate(order):
        entry = entries[index]
        if entry.header < position:
            found.note("headers-disagree", "its bytes overlap those of another member", entry.name)
            continue
        _note_gap(stream, position, min(entry.header, end), found)
        following = entries[order[rank + 1]].header if rank + 1 < len(order) else end
        data = _read_local(stream, entry, end, found)
        if data < 0:
            position = max(position, min(entry.header + _LOCAL.size, following))
            continue
        entries[index] = entry._replace(data=data)
        position = data + entry.compressed_size
        if entry.flags & DESCRIPTOR:
            position += _descriptor_length(stream, entry, position, min(following, end), found)
    _note_gap(stream, position, end, found)
    return entries


def _note_gap(stream: BinaryIO, start: int, end: int, found: Walk) -> None:
    if start >= end:
        return
    head = _read(stream, start, min(end - start, _LOCAL.size + 200))
    if head.startswith(_LOCAL_SIGNATURE) and len(head) >= _LOCAL.size:
        length = _LOCAL.unpack_from(head)[9]
        name = head[_LOCAL.size : _LOCAL.size + length].decode("utf-8", "replace")
        found.note("headers-disagree", f"a local file at byte {start} is not in the directory", name)
    else:
        found.note("foreign-bytes", f"{end - start} bytes from byte {start} on belong to no member")


def _read_local(stream: BinaryIO, entry: Entry, end: int, found: Walk) -> int:
    """The offset of the member's bytes, or -1 when there is no sense in reading them."""
    fixed = _read(stream, entry.header, _LOCAL.size) if entry.header + _LOCAL.size <= end else b""
    if not fixed.startswith(_LOCAL_SIGNATURE):
        found.note("headers-disagree", "there is no local header where the directory says", entry.name)
        return -1
    _, _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = _LOCAL.unpack(fixed)
    variable = stream.read(name_length + extra_length)
    if variable[:name_length] != entry.raw_name:
        other = variable[:name_length].decode("utf-8", "replace")
        found.note("headers-disagree", f"its local header calls it '{other}'", entry.name)
    if extra_length:
        full = (size == _FULL32 or compressed_size == _FULL32,) * 2
        extra = variable[name_length:]
        values = _check_extra(extra, full, entry.raw_name, entry.name, found, place="local")
        if full[0]:
            size, compressed_size = next(values, size), next(values, compressed_size)
    _compare(entry, flags, (method, crc, compressed_size, size), found)
    data: int = entry.header + _LOCAL.size + name_length + extra_length
    if data + entry.compressed_size > end:
        found.note("headers-disagree", "its bytes reach into the directory", entry.name)
        return -1
    if entry.flags & _ENCRYPTED_BITS:
        found.note("encrypted", "it is encrypted", entry.name)
        return -1
    if entry.method not in {STORED, DEFLATED}:
        found.note("compression-method", f"it is compressed by method {entry.method}", entry.name)
        return -1
    return data


def _compare(entry: Entry, flags: int, told: tuple[int, ...], found: Walk) -> None:
    """``told`` by the local header: method, CRC, compressed size, size."""
    wanted = (entry.method, entry.crc, entry.compressed_size, entry.size)
    if (flags ^ entry.flags) & (_ENCRYPTED_BITS | DESCRIPTOR | UTF8):
        found.note("headers-disagree", "its two headers differ in their flags", entry.name)
    elif told[0] != wanted[0]:
        found.note("headers-disagree", "its two headers differ in the compression method", entry.name)
    elif flags & DESCRIPTOR:
        # The local header is written before the sizes are known: nothing, or the truth.
        if any(own not in {0, other} for own, other in zip(told, wanted, strict=True)):
            found.note("headers-disagree", "its local header has sizes of its own", entry.name)
    elif told != wanted:
        found.note("headers-disagree", "its two headers differ in CRC or sizes", entry.name)


def _descriptor_length(stream: BinaryIO, entry: Entry, start: int, end: int, found: Walk) -> int:
    """The bytes of the data descriptor at ``start``, which has to end where the next header begins."""
    found.note(
        "data-descriptor", "its sizes stand behind its bytes, as in a ZIP written to a pipe", entry.name
    )
    room = max(0, end - start)
    after = _read(stream, start, min(24, room))
    sizes = (entry.crc, entry.compressed_size, entry.size)
    bodies = [struct.pack("<L2Q", *sizes)]
    if max(sizes) <= _FULL32:
        bodies.append(struct.pack("<3L", *sizes))
    if room > len(after) or after not in {
        sign + body for sign in (_DESCRIPTOR_SIGNATURE, b"") for body in bodies
    }:
        found.note(
            "headers-disagree", "the descriptor behind its bytes is not that of the directory", entry.name
        )
    return len(after)
