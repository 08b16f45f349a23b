"""ZIPs written record by record, so that any field of any header can be wrong."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Unpack

from tools.testing.wheels import Parts, wheel_filename, wheel_members
from wheel_uploader import checks
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, Finding, SdistContent, WheelContent, WheelName
from wheel_uploader.facts.archive import reader as archive_reader
from wheel_uploader.facts.member_cache import MemberCache

WHEEL = "dipy-1.11.0-py3-none-any.whl"
SDIST = "dipy-1.11.0.tar.gz"
DIST_INFO = "dipy-1.11.0.dist-info"
#: Families of checks on the files of a package, which have separate tests.
ABOUT_CODE = ("content/", "native/")


@dataclass
class RawMember:
    """A member; ``local`` and ``central`` replace fields of its two headers.

    Fields: name, flags, method, crc, packed_size, size, extra; central has comment, disk, mode, header too.
    """

    name: bytes
    data: bytes
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    packed: bytes | None = None
    #: Bytes after the member's data, such as a data descriptor or garbage.
    after: bytes = b""
    both: Mapping[str, object] = field(default_factory=dict)
    local: Mapping[str, object] = field(default_factory=dict)
    central: Mapping[str, object] = field(default_factory=dict)

    def header(self, special: Mapping[str, object]) -> dict[str, object]:
        packed = deflate(self.data) if self.method == 8 else self.data
        self.packed = packed if self.packed is None else self.packed
        plain: dict[str, object] = {
            "name": self.name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.data),
            "packed_size": len(self.packed),
            "size": len(self.data),
            "extra": b"",
            "comment": b"",
            "disk": 0,
            "mode": self.mode,
        }
        return {**plain, **self.both, **special}


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def raw_zip(
    members: Sequence[RawMember],
    *,
    before: bytes = b"",
    behind_members: bytes = b"",
    behind: bytes = b"",
    comment: bytes = b"",
    shifted: bool = False,
    end: Mapping[str, int] | None = None,
    end64: bytes = b"",
) -> bytes:
    """Return a ZIP. Offsets count ``before`` unless ``shifted``; ``end`` replaces fields at its end."""
    body = io.BytesIO()
    body.write(before)
    base = len(before) if shifted else 0
    records: list[bytes] = []
    for member in members:
        header = member.header(member.local)
        offset = body.tell() - base
        body.write(_local(header) + (member.packed or b"") + member.after)
        header = member.header(member.central)
        records.append(_central(header, offset))
    directory = b"".join(records)
    body.write(behind_members)
    start = body.tell() - base
    fields = {"disk": 0, "count": len(members), "size": len(directory), "offset": start, **(end or {})}
    body.write(directory + end64)
    body.write(
        struct.pack(
            "<4s4H2LH",
            b"PK\x05\x06",
            fields["disk"],
            fields["disk"],
            fields.get("here", fields["count"]),
            fields["count"],
            fields["size"],
            fields["offset"],
            len(comment),
        )
    )
    body.write(comment + behind)
    return body.getvalue()


def _local(header: Mapping[str, object]) -> bytes:
    name, extra = header["name"], header["extra"]
    assert isinstance(name, bytes)
    assert isinstance(extra, bytes)
    fixed = ("flags", "method", "crc", "packed_size", "size")
    flags, method, crc, packed_size, size = (header[key] for key in fixed)
    return (
        struct.pack(
            "<4s5H3L2H",
            b"PK\x03\x04",
            20,
            flags,
            method,
            0,
            33,
            crc,
            packed_size,
            size,
            len(name),
            len(extra),
        )
        + name
        + extra
    )


def _central(header: Mapping[str, object], offset: int) -> bytes:
    name, extra, comment, mode = header["name"], header["extra"], header["comment"], header["mode"]
    assert isinstance(name, bytes)
    assert isinstance(extra, bytes)
    assert isinstance(comment, bytes)
    assert isinstance(mode, int)
    return (
        struct.pack(
            "<4s6H3L5H2L",
            b"PK\x01\x02",
            (3 << 8) | 20,
            header.get("needed", 20),
            header["flags"],
            header["method"],
            0,
            33,
            header["crc"],
            header["packed_size"],
            header["size"],
            len(name),
            len(extra),
            len(comment),
            header["disk"],
            0,
            mode << 16,
            header.get("header", offset),
        )
        + name
        + extra
        + comment
    )


def zip64(*values: int) -> bytes:
    """Return a ZIP64 extra field with these values."""
    return extra(1, struct.pack(f"<{len(values)}Q", *values))


def extra(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def raw_members(**parts: Unpack[Parts]) -> list[RawMember]:
    """Return the members of a good wheel, for a test to change."""
    return [RawMember(name.encode(), data) for name, data in wheel_members(**parts).items()]


def content(
    data: bytes,
    filename: str = WHEEL,
    member_cache: MemberCache | None = None,
    *,
    integrity_only: bool = False,
) -> WheelContent | SdistContent:
    name = filenames.parse_filename(filename)
    if isinstance(name, WheelName):
        stream = io.BytesIO(data)
        return archive_reader.read_wheel(stream, len(data), name, member_cache, integrity_only=integrity_only)
    return archive_reader.read_sdist(io.BytesIO(data), len(data), name)


def findings(
    data: bytes, filename: str = WHEEL, profile: CheckProfile = CheckProfile.PYPI
) -> tuple[Finding, ...]:
    """Return the findings of all checks except those on code, because these wheels have no native code."""
    found = checks.check_contents([content(data, filename)], profile=profile)
    return tuple(finding for finding in found if not finding.check.startswith(ABOUT_CODE))


def check_ids(found: Iterable[Finding]) -> set[str]:
    return {finding.check for finding in found}


def filename_with_tag(tag: str) -> str:
    return wheel_filename("dipy", "1.11.0", tag)
