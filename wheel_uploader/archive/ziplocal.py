"""The local headers of a ZIP against its directory, and every byte between them accounted for."""

from __future__ import annotations

import struct
from typing import BinaryIO

from wheel_uploader.archive.ziprecords import (
    DEFLATED,
    DESCRIPTOR,
    ENCRYPTED,
    FULL32,
    PATCHED,
    STORED,
    UTF8,
    Entry,
    Walk,
    check_extra,
    read_at,
)

_LOCAL = struct.Struct("<4s5H3L2H")
#: Bytes of extra fields that are read with the header at once.
_USUAL_EXTRA = 64
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


def read(stream: BinaryIO, entries: list[Entry], end: int, found: Walk) -> list[Entry]:
    """``entries`` with the offsets of their bytes; every byte before ``end`` has to belong to one of them."""
    order = sorted(range(len(entries)), key=lambda index: entries[index].header)
    position = 0
    for rank, index in enumerate(order):
        entry = entries[index]
        found.budget.enter(entry.name)
        found.budget.tick(2)
        if entry.header < position:
            found.note("headers-disagree", "its bytes overlap those of another member", entry.name)
            continue
        _note_gap(stream, position, min(entry.header, end), found)
        following = entries[order[rank + 1]].header if rank + 1 < len(order) else end
        data = _read_local(stream, entry, end, found)
        if data < 0:
            # Where this member ends nobody knows: what lies before the next is not judged.
            position = following
            continue
        if _can_be_read(entry, found):
            entries[index] = Entry(*entry[:-1], data)
        position = data + entry.compressed_size
        if entry.flags & DESCRIPTOR:
            position += _descriptor_length(stream, entry, position, min(following, end), found)
    _note_gap(stream, position, end, found)
    found.budget.enter(None)
    return entries


def _note_gap(stream: BinaryIO, start: int, end: int, found: Walk) -> None:
    if start >= end:
        return
    head = read_at(stream, start, min(end - start, _LOCAL.size + 200))
    if head.startswith(_LOCAL_SIGNATURE) and len(head) >= _LOCAL.size:
        length = _LOCAL.unpack_from(head)[9]
        name = head[_LOCAL.size : _LOCAL.size + length].decode("utf-8", "replace")
        found.note("headers-disagree", f"a local file at byte {start} is not in the directory", name)
    else:
        found.note("foreign-bytes", f"{end - start} bytes from byte {start} on belong to no member")


def _read_local(stream: BinaryIO, entry: Entry, end: int, found: Walk) -> int:
    """The offset of the member's bytes, or -1 when they are not where the directory says."""
    guess = _LOCAL.size + len(entry.raw_name) + _USUAL_EXTRA
    head = read_at(stream, entry.header, guess) if entry.header + _LOCAL.size <= end else b""
    if not head.startswith(_LOCAL_SIGNATURE):
        found.note("headers-disagree", "there is no local header where the directory says", entry.name)
        return -1
    _, _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = _LOCAL.unpack_from(
        head
    )
    variable = head[_LOCAL.size : _LOCAL.size + name_length + extra_length]
    if len(variable) < name_length + extra_length:
        variable = read_at(stream, entry.header + _LOCAL.size, name_length + extra_length)
    if variable[:name_length] != entry.raw_name:
        other = variable[:name_length].decode("utf-8", "replace")
        found.note("headers-disagree", f"its local header calls it '{other}'", entry.name)
    full = (size == FULL32 or compressed_size == FULL32,) * 2
    if extra_length or full[0]:
        extra = variable[name_length:]
        told = (size, compressed_size)
        values = check_extra(extra, full, entry.raw_name, entry.name, found, place="local", told=told)
        if full[0]:
            size, compressed_size = next(values, size), next(values, compressed_size)
    _compare(entry, flags, (method, crc, compressed_size, size), found)
    data: int = entry.header + _LOCAL.size + name_length + extra_length
    if data + entry.compressed_size > end:
        found.note("headers-disagree", "its bytes reach into the directory", entry.name)
        return -1
    return data


def _can_be_read(entry: Entry, found: Walk) -> bool:
    if entry.flags & ENCRYPTED:
        found.note("encrypted", "it is encrypted", entry.name)
    elif entry.flags & PATCHED:
        found.note("compression-method", "it is a patch to another file", entry.name)
    elif entry.method not in {STORED, DEFLATED}:
        found.note("compression-method", f"it is compressed by method {entry.method}", entry.name)
    else:
        return True
    return False


def _compare(entry: Entry, flags: int, told: tuple[int, ...], found: Walk) -> None:
    """``told`` by the local header: method, CRC, compressed size, size."""
    wanted = (entry.method, entry.crc, entry.compressed_size, entry.size)
    if (flags ^ entry.flags) & (ENCRYPTED | DESCRIPTOR | UTF8):
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
    after = read_at(stream, start, min(24, room))
    sizes = (entry.crc, entry.compressed_size, entry.size)
    bodies = [struct.pack("<L2Q", *sizes)]
    if max(sizes) <= FULL32:
        bodies.append(struct.pack("<3L", *sizes))
    if room > len(after) or after not in {
        sign + body for sign in (_DESCRIPTOR_SIGNATURE, b"") for body in bodies
    }:
        found.note(
            "headers-disagree", "the descriptor behind its bytes is not that of the directory", entry.name
        )
    return len(after)
