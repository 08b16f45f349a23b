"""Compare the local headers of a ZIP with its central directory, and account for every byte between them."""

from __future__ import annotations

import struct
from typing import BinaryIO

from wheel_uploader.core.formatting import format_count, format_verb
from wheel_uploader.facts.archive.zip_structures import (
    DATA_DESCRIPTOR,
    DEFLATED,
    ENCRYPTED,
    PATCH_DATA,
    STORED,
    UTF8_NAME,
    ZIP64_SENTINEL_32,
    ZipEntry,
    ZipStructure,
    check_extra_fields,
    read_at,
)

_LOCAL = struct.Struct("<4s5H3L2H")
#: Bytes of extra fields that are read together with the header.
_USUAL_EXTRA = 64
#: The largest name and extra fields of a header.
_MAX_HEADER_SIZE = 2 * 0xFFFF
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


def locate_member_data(
    stream: BinaryIO, entries: list[ZipEntry], end: int, structure: ZipStructure
) -> list[ZipEntry]:
    """Return ``entries`` with the offsets of their data; report bytes before ``end`` that belong to none."""
    order = sorted(range(len(entries)), key=lambda index: entries[index].header_offset)
    position = 0
    for position_in_file, index in enumerate(order):
        entry = entries[index]
        structure.budget.set_member(entry.name)
        structure.budget.count_work(2)
        if entry.header_offset < position:
            structure.add_anomaly("headers-disagree", "its bytes overlap those of another member", entry.name)
            continue
        _report_gap(stream, position, min(entry.header_offset, end), structure)
        next_start = (
            entries[order[position_in_file + 1]].header_offset if position_in_file + 1 < len(order) else end
        )
        data_offset = _read_local_header(stream, entry, end, structure)
        if data_offset < 0:
            # The end of this member is unknown, so the bytes before the next one are not checked.
            position = next_start
            continue
        if _check_readable(entry, structure):
            entries[index] = ZipEntry(*entry[:-1], data_offset)
        position = data_offset + entry.compressed_size
        if entry.flags & DATA_DESCRIPTOR:
            position += _descriptor_length(stream, entry, position, min(next_start, end), structure)
    _report_gap(stream, position, end, structure)
    structure.budget.set_member(None)
    return entries


def locate_entry(stream: BinaryIO, entry: ZipEntry, structure: ZipStructure) -> ZipEntry:
    """Return ``entry`` with the offset of its data, which is -1 if the member cannot be read."""
    end = entry.header_offset + _LOCAL.size + entry.compressed_size + _MAX_HEADER_SIZE
    offset = _read_local_header(stream, entry, end, structure)
    return ZipEntry(*entry[:-1], offset) if _check_readable(entry, structure) else entry


def _report_gap(stream: BinaryIO, start: int, end: int, structure: ZipStructure) -> None:
    if start >= end:
        return
    head = read_at(stream, start, min(end - start, _LOCAL.size + 200))
    if head.startswith(_LOCAL_SIGNATURE) and len(head) >= _LOCAL.size:
        length = _LOCAL.unpack_from(head)[9]
        name = head[_LOCAL.size : _LOCAL.size + length].decode("utf-8", "replace")
        structure.add_anomaly(
            "headers-disagree", f"the local header at byte {start} is not in the central directory", name
        )
    else:
        structure.add_anomaly(
            "foreign-bytes",
            f"{format_count(end - start, 'byte')} at offset {start} "
            f"{format_verb(end - start, 'do')} not belong to any member",
        )


def _read_local_header(stream: BinaryIO, entry: ZipEntry, end: int, structure: ZipStructure) -> int:
    """Return the offset of the member's data, or -1 if it is not where the central directory says."""
    guessed_length = _LOCAL.size + len(entry.raw_name) + _USUAL_EXTRA
    head = (
        read_at(stream, entry.header_offset, guessed_length)
        if entry.header_offset + _LOCAL.size <= end
        else b""
    )
    if not head.startswith(_LOCAL_SIGNATURE):
        structure.add_anomaly(
            "headers-disagree", "there is no local header at the offset in the central directory", entry.name
        )
        return -1
    _, _, flags, method, _, _, crc, compressed_size, size, name_length, extra_length = _LOCAL.unpack_from(
        head
    )
    variable = head[_LOCAL.size : _LOCAL.size + name_length + extra_length]
    if len(variable) < name_length + extra_length:
        variable = read_at(stream, entry.header_offset + _LOCAL.size, name_length + extra_length)
    if variable[:name_length] != entry.raw_name:
        local_name = variable[:name_length].decode("utf-8", "replace")
        structure.add_anomaly("headers-disagree", f"its local header names it '{local_name}'", entry.name)
    in_zip64 = (size == ZIP64_SENTINEL_32 or compressed_size == ZIP64_SENTINEL_32,) * 2
    if extra_length or in_zip64[0]:
        extra = variable[name_length:]
        declared_sizes = (size, compressed_size)
        values = check_extra_fields(
            extra,
            in_zip64,
            entry.raw_name,
            entry.name,
            structure,
            place="local",
            declared_sizes=declared_sizes,
        )
        if in_zip64[0]:
            size, compressed_size = next(values, size), next(values, compressed_size)
    _compare_headers(entry, flags, (method, crc, compressed_size, size), structure)
    data_offset: int = entry.header_offset + _LOCAL.size + name_length + extra_length
    if data_offset + entry.compressed_size > end:
        structure.add_anomaly("headers-disagree", "its data extends into the central directory", entry.name)
        return -1
    return data_offset


def _check_readable(entry: ZipEntry, structure: ZipStructure) -> bool:
    if entry.flags & ENCRYPTED:
        structure.add_anomaly("encrypted", "it is encrypted", entry.name)
    elif entry.flags & PATCH_DATA:
        structure.add_anomaly("compression-method", "it is a patch to another file", entry.name)
    elif entry.method not in {STORED, DEFLATED}:
        structure.add_anomaly("compression-method", f"it uses compression method {entry.method}", entry.name)
    else:
        return True
    return False


def _compare_headers(entry: ZipEntry, flags: int, local: tuple[int, ...], structure: ZipStructure) -> None:
    """Compare the local header (method, CRC, compressed size, size) with the central directory."""
    central = (entry.method, entry.crc, entry.compressed_size, entry.size)
    if (flags ^ entry.flags) & (ENCRYPTED | DATA_DESCRIPTOR | UTF8_NAME):
        structure.add_anomaly("headers-disagree", "its two headers differ in their flags", entry.name)
    elif local[0] != central[0]:
        structure.add_anomaly(
            "headers-disagree", "its two headers differ in the compression method", entry.name
        )
    elif flags & DATA_DESCRIPTOR:
        # The local header is written before the sizes are known, so they must be zero or correct.
        if any(
            local_value not in {0, central_value}
            for local_value, central_value in zip(local, central, strict=True)
        ):
            structure.add_anomaly("headers-disagree", "its local header has different sizes", entry.name)
    elif local != central:
        structure.add_anomaly("headers-disagree", "its two headers differ in CRC or sizes", entry.name)


def _descriptor_length(
    stream: BinaryIO, entry: ZipEntry, start: int, end: int, structure: ZipStructure
) -> int:
    """Return the size of the data descriptor at ``start``, which must end where the next header begins."""
    structure.add_anomaly(
        "data-descriptor", "its sizes follow its data, as in a ZIP written to a pipe", entry.name
    )
    available = max(0, end - start)
    descriptor = read_at(stream, start, min(24, available))
    sizes = (entry.crc, entry.compressed_size, entry.size)
    bodies = [struct.pack("<L2Q", *sizes)]
    if max(sizes) <= ZIP64_SENTINEL_32:
        bodies.append(struct.pack("<3L", *sizes))
    if available > len(descriptor) or descriptor not in {
        signature + body for signature in (_DESCRIPTOR_SIGNATURE, b"") for body in bodies
    }:
        structure.add_anomaly(
            "headers-disagree",
            "its data descriptor differs from the central directory",
            entry.name,
        )
    return len(descriptor)
