"""Parse the records of a ZIP and account for every byte of the file, without decompressing anything.

The standard library's zipfile is not used, because it silently ignores whatever it does not need, and the
differences between readers are exactly what must be detected.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.formatting import format_count, format_verb
from wheel_uploader.facts.archive import zip_local_headers
from wheel_uploader.facts.archive.zip_structures import (
    ZIP64_SENTINEL_16,
    ZIP64_SENTINEL_32,
    ZipEntry,
    ZipStructure,
    check_extra_fields,
    decode_member_name,
    read_at,
)

#: The most members that an end record without ZIP64 can count; no wheel needs more.
MAX_ZIP_MEMBERS = 65_535
#: Maximum size of the central directory in bytes: 65,535 records with names of 200 bytes.
MAX_DIRECTORY_SIZE = 16 << 20
#: Estimated bytes of memory for a member, without its name.
_MEMORY_PER_MEMBER = 1000
#: The newest version of the format that readers support, times ten.
_NEWEST_VERSION = 63

_END_RECORD = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64_RECORD = struct.Struct("<4sQ2H2L4Q")
_CENTRAL_RECORD = struct.Struct("<4s6H3L5H2L")


class UnreadableZip(Exception):
    """The file is not a ZIP or is incomplete; ``str()`` gives the reason in one clause."""


class _End(NamedTuple):
    """The end record with resolved ZIP64 values and absolute offsets."""

    directory: int
    directory_size: int
    members: int
    #: Number of bytes before the archive, which must be added to every offset in it.
    shift: int


def read_zip_structure(stream: BinaryIO, size: int, budget: Budget | None = None) -> ZipStructure:
    """Read the records of the ZIP of ``size`` bytes in ``stream``; report problems as anomalies.

    Raises OSError, and BudgetExceeded if ``budget`` is used up.
    """
    structure = ZipStructure(budget=budget or Budget())
    try:
        with structure.budget.exempt_cpu_time():
            end = _read_end_record(stream, size, structure)
            entries = _read_directory(stream, end, structure)
            structure.entries = zip_local_headers.locate_member_data(
                stream, entries, end.directory, structure
            )
    except UnreadableZip as error:
        structure.add_anomaly("unreadable", str(error))
    return structure


def read_directory(stream: BinaryIO, size: int) -> ZipStructure:
    """Read the central directory alone, which is at the end; the entries have no offsets of their data.

    For a file of which only parts are at hand. Report problems as anomalies. Raises what the stream raises.
    """
    structure = ZipStructure()
    try:
        structure.entries = _read_directory(stream, _read_end_record(stream, size, structure), structure)
    except UnreadableZip as error:
        structure.add_anomaly("unreadable", str(error))
    return structure


def locate_entry(stream: BinaryIO, entry: ZipEntry) -> ZipEntry:
    """Return ``entry`` with the offset of its data, from its local header; -1 if it must not be read."""
    return zip_local_headers.locate_entry(stream, entry, ZipStructure())


# --- the end record --------------------------------------------------------------------------------


def _read_end_record(stream: BinaryIO, size: int, structure: ZipStructure) -> _End:
    tail_start = max(0, size - _END_RECORD.size - ZIP64_SENTINEL_16)
    tail = read_at(stream, tail_start, size - tail_start)
    position = _find_end(tail, tail_start, size, structure)
    _, disk, first_disk, disk_entries, count, directory_size, directory, comment = _END_RECORD.unpack_from(
        tail, position - tail_start
    )
    trailing = size - position - _END_RECORD.size - comment
    if trailing < 0:
        raise UnreadableZip("it is truncated within the comment of its end record")
    if trailing:
        follow = f"{format_count(trailing, 'byte')} {format_verb(trailing, 'follow')}"
        structure.add_anomaly("trailing-bytes", f"{follow} the end of the archive")
    start = position
    if (
        position >= _END64_LOCATOR.size + _END64_RECORD.size
        and read_at(stream, position - _END64_LOCATOR.size, 4) == b"PK\x06\x07"
    ):
        start = position - _END64_LOCATOR.size - _END64_RECORD.size
        disk_entries, count, directory_size, directory = _read_end64_record(
            stream, start, (disk_entries, count, directory_size, directory), structure
        )
    if disk or first_disk or disk_entries != count:
        structure.add_anomaly("headers-disagree", "the end record describes an archive in several parts")
    if count > MAX_ZIP_MEMBERS or directory_size > MAX_DIRECTORY_SIZE:
        raise UnreadableZip(
            f"it declares too much: {format_count(count, 'member')} and a central directory of "
            f"{format_count(directory_size, 'byte')}"
        )
    shift = start - directory_size - directory
    if shift < 0:
        raise UnreadableZip(
            "its central directory is outside the file: it is truncated, or corrupt at its end"
        )
    if shift:
        precede = f"{format_count(shift, 'byte')} {format_verb(shift, 'precede')}"
        structure.add_anomaly("foreign-bytes", f"{precede} the archive or its end record")
    return _End(start - directory_size, directory_size, count, shift)


def _find_end(tail: bytes, tail_start: int, size: int, structure: ZipStructure) -> int:
    """Return the absolute offset of the end record, which readers search for in different ways."""
    candidates = []
    offset = tail.find(_END_SIGNATURE)
    while offset >= 0:
        if offset + _END_RECORD.size <= len(tail):
            candidates.append(offset)
        offset = tail.find(_END_SIGNATURE, offset + 1)
    if not candidates:
        raise UnreadableZip("it has no end record: it is truncated, or not a ZIP")
    complete = [
        offset
        for offset in candidates
        if tail_start + offset + _END_RECORD.size + _comment_length(tail, offset) == size
    ]
    if not complete:
        return tail_start + candidates[-1]
    # zipfile stops even at a signature that no record follows.
    if len(complete) > 1 or tail.rfind(_END_SIGNATURE) >= complete[-1] + _END_RECORD.size:
        structure.add_anomaly(
            "headers-disagree", "it has two end records, and readers may use either of them"
        )
    return tail_start + complete[-1]


def _comment_length(tail: bytes, offset: int) -> int:
    return int.from_bytes(tail[offset + 20 : offset + 22], "little")


def _read_end64_record(
    stream: BinaryIO, start: int, values32: tuple[int, int, int, int], structure: ZipStructure
) -> tuple[int, int, int, int]:
    """Return the values of the ZIP64 records before the end record.

    These are the number of entries on this disk and in total, and the size and offset of the central
    directory.
    """
    signature, length, _, _, disk, first_disk, *values = _END64_RECORD.unpack(
        read_at(stream, start, _END64_RECORD.size)
    )
    _, locator_disk, offset, disks = _END64_LOCATOR.unpack(
        read_at(stream, start + _END64_RECORD.size, _END64_LOCATOR.size)
    )
    disk_entries, count, directory_size, directory = values
    if signature != b"PK\x06\x06" or length != _END64_RECORD.size - 12:
        raise UnreadableZip("its ZIP64 end record is misplaced or contains additional data")
    sentinels = (ZIP64_SENTINEL_16, ZIP64_SENTINEL_16, ZIP64_SENTINEL_32, ZIP64_SENTINEL_32)
    if any(
        value32 not in {value, sentinel}
        for value32, value, sentinel in zip(values32, values, sentinels, strict=True)
    ):
        structure.add_anomaly("headers-disagree", "the end record and the ZIP64 end record differ")
    if disk or first_disk or locator_disk or disks > 1 or offset > start:
        structure.add_anomaly("malformed-extra", "the ZIP64 records describe an archive in several parts")
    return disk_entries, count, directory_size, directory


# --- the central directory -------------------------------------------------------------------------


def _read_directory(stream: BinaryIO, end: _End, structure: ZipStructure) -> list[ZipEntry]:
    data = read_at(stream, end.directory, end.directory_size)
    entries: list[ZipEntry] = []
    offset = 0
    while offset < len(data):
        if len(entries) == MAX_ZIP_MEMBERS:
            raise UnreadableZip(f"its central directory has more than {MAX_ZIP_MEMBERS} records")
        if data[offset : offset + 4] != b"PK\x01\x02" or offset + _CENTRAL_RECORD.size > len(data):
            raise UnreadableZip(f"its central directory is corrupt at record {len(entries) + 1}")
        entry, length = _read_central(data, offset, end.shift, structure)
        structure.budget.count_items("members")
        structure.budget.reserve_memory(_MEMORY_PER_MEMBER + 3 * len(entry.raw_name))
        entries.append(entry)
        offset += length
        if offset > len(data):
            raise UnreadableZip(f"record {len(entries)} extends beyond the end of its central directory")
    if len(entries) != end.members:
        structure.add_anomaly(
            "headers-disagree",
            f"the end record counts {format_count(end.members, 'member')}, "
            f"but the central directory lists {len(entries)}",
        )
    return entries


def _read_central(data: bytes, offset: int, shift: int, structure: ZipStructure) -> tuple[ZipEntry, int]:
    _, _, needed, flags, method, _, _, crc, compressed_size, size, *remaining_fields = (
        _CENTRAL_RECORD.unpack_from(data, offset)
    )
    name_length, extra_length, comment_length, disk, _, external, header = remaining_fields
    start = offset + _CENTRAL_RECORD.size
    raw_name = data[start : start + name_length]
    name = decode_member_name(raw_name, flags, structure)
    in_zip64 = (size == ZIP64_SENTINEL_32, compressed_size == ZIP64_SENTINEL_32, header == ZIP64_SENTINEL_32)
    if extra_length or any(in_zip64):
        extra = data[start + name_length : start + name_length + extra_length]
        values = check_extra_fields(
            extra,
            in_zip64,
            raw_name,
            name,
            structure,
            place="directory",
            declared_sizes=() if any(in_zip64) else (size, compressed_size),
        )
        size, compressed_size, header = (
            next(values, value) if is_in_zip64 else value
            for value, is_in_zip64 in zip((size, compressed_size, header), in_zip64, strict=True)
        )
    if comment_length:
        structure.add_anomaly(
            "member-comment", f"its record has a comment of {format_count(comment_length, 'byte')}", name
        )
    if needed & 0xFF > _NEWEST_VERSION:
        structure.add_anomaly(
            "compression-method", f"it requires version {needed & 0xFF} of the ZIP format", name
        )
    if disk:
        structure.add_anomaly("headers-disagree", "its record places it in another part of the archive", name)
    entry = ZipEntry(
        name, raw_name, flags, method, crc, compressed_size, size, external >> 16, header + shift
    )
    return entry, _CENTRAL_RECORD.size + name_length + extra_length + comment_length
