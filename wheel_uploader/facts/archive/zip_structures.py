"""Entries, flags, names and extra fields, which the central directory and local headers of a ZIP share."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import ArchiveAnomaly

STORED, DEFLATED = 0, 8
#: Flags: encryption (traditional, strong, masked headers), data descriptor, patch data, name in UTF-8.
ENCRYPTED = 0x0001 | 0x0040 | 0x2000
DATA_DESCRIPTOR = 0x0008
PATCH_DATA = 0x0020
UTF8_NAME = 0x0800
#: Values of 16- and 32-bit fields whose actual value is in a ZIP64 record.
ZIP64_SENTINEL_16, ZIP64_SENTINEL_32 = 0xFFFF, 0xFFFFFFFF

#: Estimated bytes of memory for a fact, without its text.
MEMORY_PER_ANOMALY = 400

_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
#: Extra fields that readers interpret; PyPI rejects a second one of these kinds only.
_UNIQUE_KINDS = frozenset({_ZIP64, _UNICODE_PATH})


class ZipEntry(NamedTuple):
    """One record of the central directory, and the offset of the member's data."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    mode: int
    #: Absolute offset of the local header.
    header_offset: int
    #: Absolute offset of the (compressed) data; -1 if it must not be read.
    data_offset: int = -1


#: The number of fields of a ZipEntry that do not depend on its position in the file.
DECLARED_FIELDS = ZipEntry._fields.index("header_offset")


@dataclass(slots=True)
class ZipStructure:
    """The entries of a ZIP in directory order, and anomalies of its structure."""

    entries: list[ZipEntry] = field(default_factory=list)
    anomalies: list[ArchiveAnomaly] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)

    def add_anomaly(self, kind: str, message: str, member: str | None = None) -> None:
        """Add a fact."""
        self.budget.count_items("remarks")
        self.budget.reserve_memory(MEMORY_PER_ANOMALY + len(message))
        self.anomalies.append(ArchiveAnomaly(kind=kind, message=message, member=member))


def read_at(stream: BinaryIO, offset: int, count: int) -> bytes:
    """Return ``count`` bytes at ``offset``, or fewer at the end of the stream."""
    stream.seek(offset)
    data = stream.read(count)
    # An unbuffered stream may return fewer bytes than are available.
    while 0 < len(data) < count and (more := stream.read(count - len(data))):
        data += more
    return data


def decode_member_name(raw: bytes, flags: int, structure: ZipStructure) -> str:
    """Return the name as zipfile decodes it: UTF-8 if the flag is set, else code page 437."""
    if raw.isascii():
        return raw.decode("ascii")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("cp437")
        structure.add_anomaly("bad-member-name", "its name is not UTF-8", name)
        return name
    if not flags & UTF8_NAME:
        structure.add_anomaly(
            "bad-member-name",
            "its name is not ASCII and not marked as UTF-8, so readers decode it differently",
            name,
        )
        return raw.decode("cp437")
    return name


def check_extra_fields(
    extra: bytes,
    in_zip64: Sequence[bool],
    raw_name: bytes,
    name: str,
    structure: ZipStructure,
    *,
    place: str,
    declared_sizes: tuple[int, ...] = (),
) -> Iterator[int]:
    """Check the extra fields of one header; return the 64-bit values of its fields that are ``in_zip64``.

    ``declared_sizes`` are the sizes in the header itself, which a ZIP64 field may repeat, as Bazel's do.
    """
    values: Iterator[int] = iter(())
    seen_kinds: set[int] = set()
    offset = 0
    while offset < len(extra):
        structure.budget.count_items("extra fields")
        kind, length = (
            struct.unpack_from("<HH", extra, offset) if offset + 4 <= len(extra) else (0, ZIP64_SENTINEL_16)
        )
        body = extra[offset + 4 : offset + 4 + length]
        if len(body) < length:
            structure.add_anomaly(
                "malformed-extra", f"the extra fields of its {place} record are truncated", name
            )
            break
        if kind in seen_kinds and kind in _UNIQUE_KINDS:
            structure.add_anomaly(
                "malformed-extra", f"extra field 0x{kind:04x} occurs twice in its {place} record", name
            )
            break
        if kind == _ZIP64:
            numbers = tuple(number for (number,) in struct.iter_unpack("<Q", body[: length // 8 * 8]))
            values = iter(numbers)
            # A local header has both sizes or none; the central directory has only the fields that need it.
            is_repetition = numbers == declared_sizes and length == 8 * len(declared_sizes)
            if length != 8 * sum(in_zip64) and not is_repetition:
                structure.add_anomaly(
                    "malformed-extra", f"the ZIP64 field of its {place} record is malformed", name
                )
        elif kind == _UNICODE_PATH and body[5:] != raw_name:
            structure.add_anomaly("bad-member-name", f"its {place} record gives it a second name", name)
        seen_kinds.add(kind)
        offset += 4 + length
    if any(in_zip64) and _ZIP64 not in seen_kinds:
        structure.add_anomaly(
            "malformed-extra", f"its {place} record refers to a ZIP64 field that is missing", name
        )
    return values
