"""The raw walk over a ZIP: every record read by its own struct, and each byte of the file accounted for.

Nothing is unpacked here. The standard library's zipfile is not used: it takes what it finds and is silent
about the rest, and what differs between readers is just what has to be seen.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

from wheel_uploader.archive import ziplocal
from wheel_uploader.archive.ziprecords import FULL16, FULL32, Entry, Walk, check_extra, decode_name, read_at
from wheel_uploader.budget import Budget

#: What an end record without ZIP64 can count; no wheel needs more.
MAX_MEMBERS = 65_535
#: Bytes of the central directory: 65,535 records with names of 200 bytes.
MAX_DIRECTORY = 16 << 20
#: Bytes of memory for a member, without its name.
_MEMBER = 1000
#: The newest version of the format, times ten, that readers know.
_NEWEST = 63

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")


class Unreadable(Exception):
    """These bytes are no ZIP, or not all of one; ``str()`` says why in one clause."""


class _End(NamedTuple):
    """The end record, with ZIP64 values resolved and offsets made absolute."""

    directory: int
    directory_size: int
    members: int
    #: Bytes that stand before the archive: what every offset in it has to be moved by.
    shift: int


def walk(stream: BinaryIO, size: int, budget: Budget | None = None) -> Walk:
    """Read the records of the ``size`` bytes of ``stream``; faults are facts.

    Raises OSError, and Exhausted when ``budget`` does not last.
    """
    found = Walk(budget=budget or Budget())
    try:
        with found.budget.framing():
            end = _read_end(stream, size, found)
            entries = _read_directory(stream, end, found)
            found.entries = ziplocal.read(stream, entries, end.directory, found)
    except Unreadable as error:
        found.note("unreadable", str(error))
    return found


# --- the end record --------------------------------------------------------------------------------


def _read_end(stream: BinaryIO, size: int, found: Walk) -> _End:
    tail_start = max(0, size - _END.size - FULL16)
    tail = read_at(stream, tail_start, size - tail_start)
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
        and read_at(stream, position - _LOCATOR.size, 4) == b"PK\x06\x07"
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
    # Even a signature without a record behind it makes zipfile stop.
    if len(exact) > 1 or tail.rfind(_END_SIGNATURE) >= exact[-1] + _END.size:
        found.note("headers-disagree", "it has two end records, and readers may take either")
    return tail_start + exact[-1]


def _comment_length(tail: bytes, at: int) -> int:
    return int.from_bytes(tail[at + 20 : at + 22], "little")


def _read_end64(
    stream: BinaryIO, start: int, plain: tuple[int, int, int, int], found: Walk
) -> tuple[int, int, int, int]:
    """Entries here, entries, directory size and offset from the ZIP64 records before the end record."""
    signature, length, _, _, disk, first_disk, *values = _END64.unpack(read_at(stream, start, _END64.size))
    _, locator_disk, offset, disks = _LOCATOR.unpack(read_at(stream, start + _END64.size, _LOCATOR.size))
    here, count, directory_size, directory = values
    if signature != b"PK\x06\x06" or length != _END64.size - 12:
        raise Unreadable("its ZIP64 end record is not where it has to be, or has data of its own")
    full = (FULL16, FULL16, FULL32, FULL32)
    if any(old not in {new, most} for old, new, most in zip(plain, values, full, strict=True)):
        found.note("headers-disagree", "the end record and its ZIP64 twin say different things")
    if disk or first_disk or locator_disk or disks > 1 or offset > start:
        found.note("malformed-extra", "the ZIP64 records speak of an archive in several parts")
    return here, count, directory_size, directory


# --- the central directory -------------------------------------------------------------------------


def _read_directory(stream: BinaryIO, end: _End, found: Walk) -> list[Entry]:
    data = read_at(stream, end.directory, end.directory_size)
    entries: list[Entry] = []
    at = 0
    while at < len(data):
        if len(entries) == MAX_MEMBERS:
            raise Unreadable(f"its directory has more than {MAX_MEMBERS} records")
        if data[at : at + 4] != b"PK\x01\x02" or at + _CENTRAL.size > len(data):
            raise Unreadable(f"its directory is damaged at record {len(entries) + 1}")
        entry, length = _read_central(data, at, end.shift, found)
        found.budget.spend("members")
        found.budget.keep(_MEMBER + 3 * len(entry.raw_name))
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
    _, _, needed, flags, method, _, _, crc, compressed_size, size, *rest = _CENTRAL.unpack_from(data, at)
    name_length, extra_length, comment_length, disk, _, external, header = rest
    start = at + _CENTRAL.size
    raw_name = data[start : start + name_length]
    name = decode_name(raw_name, flags, found)
    full = (size == FULL32, compressed_size == FULL32, header == FULL32)
    if extra_length or any(full):
        extra = data[start + name_length : start + name_length + extra_length]
        values = check_extra(extra, full, raw_name, name, found, place="directory")
        size, compressed_size, header = (
            next(values, old) if is_full else old
            for old, is_full in zip((size, compressed_size, header), full, strict=True)
        )
    if comment_length:
        found.note("member-comment", f"its record carries a comment of {comment_length} bytes", name)
    if needed & 0xFF > _NEWEST:
        found.note("compression-method", f"it asks for version {needed & 0xFF} of the ZIP format", name)
    if disk:
        found.note("headers-disagree", "its record says that it lies in another part of the archive", name)
    entry = Entry(name, raw_name, flags, method, crc, compressed_size, size, external >> 16, header + shift)
    return entry, _CENTRAL.size + name_length + extra_length + comment_length
