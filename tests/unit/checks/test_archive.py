"""Faults of the ZIP format: each is planted in a good wheel, and exactly one check reports it."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from tests.support.zips import (
    DIST_INFO,
    RawMember,
    check_ids,
    content,
    deflate,
    extra,
    findings,
    raw_members,
    raw_zip,
    zip64,
)
from tools.testing.wheels import record_line, wheel_bytes, wheel_members
from wheel_uploader.core.models import CheckProfile, Severity

INIT = b"dipy/__init__.py"


def change_member(at: int = 0, **fields: object) -> bytes:
    """Return a good wheel with these ``fields`` of member ``at`` replaced."""
    members = raw_members()
    for key, value in fields.items():
        setattr(members[at], key, value)
    return raw_zip(members)


def add_member(name: str, data: bytes = b"x", **fields: object) -> bytes:
    """Return a good wheel with one more member, listed in RECORD; ``fields`` are those of RawMember."""
    members = raw_members(files={name: data})
    member = next(member for member in members if member.name == name.encode())
    for key, value in fields.items():
        setattr(member, key, value)
    return raw_zip(members)


def add_data_descriptor(*, signed: bool = True, wide: bool = False, lie: int = 0, early: int = 0) -> bytes:
    """Return a wheel with a data descriptor after its first member."""
    members = raw_members()
    data = members[0].data
    sizes = (zlib.crc32(data), len(deflate(data)), len(data) + lie)
    members[0].flags = 8
    members[0].local = {"crc": 0, "packed_size": 0, "size": early}
    members[0].after = (b"PK\x07\x08" if signed else b"") + struct.pack("<L2Q" if wide else "<3L", *sizes)
    return raw_zip(members)


def write_unseekable() -> bytes:
    """Return a wheel as zipfile writes it to a stream that is not seekable."""

    class Unseekable(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.written += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in wheel_members().items():
            archive.writestr(name, data)
    return stream.written


def duplicate_member(name: str) -> bytes:
    members = raw_members()
    twice = next(member for member in members if member.name.decode() == name)
    return raw_zip([*members, RawMember(twice.name, twice.data)])


def add_zip64_end(members: list[RawMember], **fields: int) -> bytes:
    """Return a good wheel with ZIP64 end records; ``fields`` replace some of their values."""
    plain = raw_zip(members)
    count, size, offset = struct.unpack_from("<H2L", plain, len(plain) - 12)
    values = {"length": 44, "count": count, "size": size, "offset": offset, "disks": 1, **fields}
    record = struct.pack(
        "<4sQ2H2L4Q",
        b"PK\x06\x06",
        values["length"],
        45,
        45,
        0,
        0,
        values["count"],
        values["count"],
        values["size"],
        values["offset"],
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + size, values["disks"])
    return raw_zip(members, end64=record + locator)


def make_two_directories() -> bytes:
    """Return a ZIP with two central directories; the second is the comment in the first one's end record."""
    good = raw_zip(raw_members())
    start = struct.unpack_from("<L", good, len(good) - 6)[0]
    directory, end = good[start:-22], good[-22:]
    other = directory.replace(b"__init__.py", b"__main__.py")
    comment = other + end[:16] + struct.pack("<LH", len(good), 0)
    return good[:-2] + struct.pack("<H", len(comment)) + comment


def overrun_directory() -> bytes:
    """Return a ZIP whose last central directory record has a name longer than the directory."""
    data = bytearray(raw_zip(raw_members()))
    struct.pack_into("<H", data, data.rfind(b"PK\x01\x02") + 28, 500)
    return bytes(data)


FAULTS = {
    "an empty file": (b"", "archive/unreadable"),
    "an HTML page": (b"<!DOCTYPE html><html>Log in</html>", "archive/unreadable"),
    "an XML error": (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "archive/unreadable"),
    "a JSON error": (b'{"message": "not found"}', "archive/unreadable"),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "archive/unreadable"),
    "noise": (b"\x00\x01\x02" * 100, "archive/unreadable"),
    "only the first half": (wheel_bytes()[: len(wheel_bytes()) // 2], "archive/unreadable"),
    "the last byte missing": (wheel_bytes()[:-1], "archive/unreadable"),
    "only the second half": (wheel_bytes()[len(wheel_bytes()) // 2 :], "archive/unreadable"),
    "a truncated comment": (raw_zip(raw_members(), comment=b"hello")[:-1], "archive/unreadable"),
    "a damaged directory": (wheel_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"), "archive/unreadable"),
    "a record that overruns the directory": (overrun_directory(), "archive/unreadable"),
    "a million members": (raw_zip([], end={"count": 65535, "size": 17 << 20}), "archive/unreadable"),
    "a wrong CRC in both headers": (change_member(both={"crc": 1}), "archive/bad-crc"),
    "a flipped bit": (change_member(packed=b"\xff" + deflate(raw_members()[0].data)[1:]), "archive/bad-crc"),
    "a truncated stream": (change_member(packed=deflate(raw_members()[0].data)[:-3]), "archive/bad-crc"),
    "a stream that ends early": (
        change_member(both={"size": len(raw_members()[0].data) + 1}),
        "archive/bad-crc",
    ),
    "different names": (change_member(local={"name": b"dipy/__main__.py"}), "archive/headers-disagree"),
    "different methods": (change_member(local={"method": 0}), "archive/headers-disagree"),
    "different sizes": (change_member(local={"size": 7}), "archive/headers-disagree"),
    "different CRCs": (change_member(local={"crc": 7}), "archive/headers-disagree"),
    "different flags": (change_member(local={"flags": 0x800}), "archive/headers-disagree"),
    "another disk": (change_member(central={"disk": 1}), "archive/headers-disagree"),
    "no local header": (change_member(central={"header": 5}), "archive/headers-disagree"),
    "two members at one offset": (change_member(at=1, central={"header": 0}), "archive/headers-disagree"),
    "stored in two sizes": (change_member(method=0, both={"size": 3}), "archive/headers-disagree"),
    "a member that overlaps the directory": (
        change_member(at=3, both={"packed_size": 9999}),
        "archive/headers-disagree",
    ),
    "several disks": (raw_zip(raw_members(), end={"disk": 1}), "archive/headers-disagree"),
    "a wrong count": (raw_zip(raw_members(), end={"count": 3}), "archive/headers-disagree"),
    "two different counts": (raw_zip(raw_members(), end={"here": 3}), "archive/headers-disagree"),
    "two end records": (make_two_directories(), "archive/headers-disagree"),
    "an end record in the comment": (
        raw_zip(raw_members(), comment=wheel_bytes()[-22:] + b"."),
        "archive/headers-disagree",
    ),
    "the name of an end record in the comment": (
        raw_zip(raw_members(), comment=b"PK\x05\x06."),
        "archive/headers-disagree",
    ),
    "a local file missing from the directory": (
        raw_zip(raw_members(), behind_members=raw_zip([RawMember(b"evil.py", b"1")])[:40]),
        "archive/headers-disagree",
    ),
    "a ZIP64 end record that disagrees": (add_zip64_end(raw_members(), count=3), "archive/headers-disagree"),
    "a ZIP64 end record with data": (add_zip64_end(raw_members(), length=50), "archive/unreadable"),
    "several ZIP64 disks": (add_zip64_end(raw_members(), disks=2), "archive/malformed-extra"),
    "one name twice": (duplicate_member("dipy/__init__.py"), "archive/duplicate-member"),
    "WHEEL twice": (duplicate_member(f"{DIST_INFO}/WHEEL"), "archive/duplicate-member"),
    "a file that is a directory": (add_member("dipy/__init__.py/x"), "archive/duplicate-member"),
    "a descriptor": (add_data_descriptor(), "archive/data-descriptor"),
    "a descriptor without signature": (add_data_descriptor(signed=False), "archive/data-descriptor"),
    "a wide descriptor": (add_data_descriptor(wide=True), "archive/data-descriptor"),
    "a stream that is not seekable": (write_unseekable(), "archive/data-descriptor"),
    "a descriptor with a wrong size": (add_data_descriptor(lie=1), "archive/data-descriptor"),
    "a descriptor and a wrong size in the header": (add_data_descriptor(early=7), "archive/data-descriptor"),
    "leading bytes": (b"#!/bin/sh\n" + wheel_bytes(), "archive/foreign-bytes"),
    "leading bytes included in the offsets": (
        raw_zip(raw_members(), before=b"hello"),
        "archive/foreign-bytes",
    ),
    "bytes between members": (change_member(after=b"hidden"), "archive/foreign-bytes"),
    "bytes before the directory": (raw_zip(raw_members(), behind_members=b"hidden"), "archive/foreign-bytes"),
    "trailing bytes": (wheel_bytes() + b"more", "archive/foreign-bytes"),
    "a comment": (change_member(central={"comment": b"hello"}), "archive/member-comment"),
    "a truncated extra field": (change_member(central={"extra": b"\x01\x00\x08"}), "archive/malformed-extra"),
    "an extra field twice": (
        change_member(
            local={"extra": zip64(len(raw_members()[0].data), len(deflate(raw_members()[0].data))) * 2}
        ),
        "archive/malformed-extra",
    ),
    "an unnecessary ZIP64 field": (change_member(central={"extra": zip64(5)}), "archive/malformed-extra"),
    "different sizes in a ZIP64 field": (
        change_member(local={"extra": zip64(len(raw_members()[0].data), 5)}),
        "archive/malformed-extra",
    ),
    "only one size in a ZIP64 field": (
        change_member(local={"extra": zip64(len(raw_members()[0].data))}),
        "archive/malformed-extra",
    ),
    "no ZIP64 field": (change_member(local={"size": 0xFFFFFFFF}), "archive/malformed-extra"),
    "a future version": (change_member(central={"needed": 99}), "archive/compression-method"),
    "patched data": (add_member("dipy/a.txt", flags=0x20), "archive/compression-method"),
    "bzip2": (add_member("dipy/a.txt", method=12), "archive/compression-method"),
    "encrypted": (add_member("dipy/a.txt", flags=1), "archive/encrypted"),
    "strongly encrypted": (add_member("dipy/a.txt", flags=0x41), "archive/encrypted"),
    "a parent directory": (add_member("dipy/../../x"), "archive/unsafe-path"),
    "an absolute path": (add_member("/etc/passwd"), "archive/unsafe-path"),
    "a drive": (add_member("C:/x"), "archive/unsafe-path"),
    "a backslash": (add_member("dipy\\x.py"), "archive/unsafe-path"),
    "a dot": (add_member("dipy/./x.py"), "archive/unsafe-path"),
    "an empty part": (add_member("dipy//x.py"), "archive/unsafe-path"),
    "a symbolic link": (add_member("dipy/a.so", b"b.so", mode=0o120777), "archive/symlink"),
    "a named pipe": (add_member("dipy/a", mode=0o010644), "archive/symlink"),
    "a directory with bytes": (add_member("dipy/a/", b"hello"), "archive/directory-with-data"),
    "a directory without slash": (add_member("dipy/a", b"", mode=0o040755), "archive/directory-with-data"),
    "a control character": (add_member("dipy/a\x1b[31m.py"), "archive/bad-member-name"),
    "a zero byte": (add_member("dipy/a.py\0.txt"), "archive/bad-member-name"),
    "not UTF-8": (add_member("dipy/x", both={"name": b"dipy/\xff\xfe.py"}), "archive/bad-member-name"),
    "UTF-8 without its flag": (add_member("dipy/ä"), "archive/bad-member-name"),
    "a second name": (
        change_member(central={"extra": extra(0x7075, b"\1" + bytes(4) + b"dipy/other.py")}),
        "archive/bad-member-name",
    ),
    "a stream longer than declared": (
        add_member("dipy/x", b"good", packed=deflate(b"good, and evil")),
        "archive/hidden-deflate-data",
    ),
    "bytes after a stream": (
        add_member("dipy/x", b"good", packed=deflate(b"good") + b"evil"),
        "archive/hidden-deflate-data",
    ),
    "names that differ only in case": (add_member("dipy/__INIT__.py"), "archive/case-collision"),
    "a Windows device name": (add_member("dipy/aux.py"), "archive/unportable-path"),
    "a long path": (add_member("dipy/" + "x" * 200), "archive/unportable-path"),
    "a name that is not ASCII": (add_member("dipy/ä", flags=0x800), "archive/unportable-path"),
}

#: Other checks that necessarily report the same fault.
ALSO_REPORTED = {
    "no local header": {"archive/foreign-bytes"},
    "a descriptor with a wrong size": {"archive/headers-disagree"},
    "a descriptor and a wrong size in the header": {"archive/headers-disagree"},
    # One of the two directories is not read.
    "two end records": {"archive/foreign-bytes", "record/absent-file", "record/unlisted-file"},
    "no ZIP64 field": {"archive/headers-disagree"},
    "a parent directory": {"record/unsafe-path"},
    "an absolute path": {"record/unsafe-path"},
    "a drive": {"record/unsafe-path", "archive/unportable-path"},
    # The decoded name is not the one in RECORD.
    "not UTF-8": {"record/absent-file", "record/unlisted-file", "archive/unportable-path"},
    "UTF-8 without its flag": {"record/absent-file", "record/unlisted-file", "archive/unportable-path"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, expected = FAULTS[fault]
    assert check_ids(findings(data)) == {expected} | ALSO_REPORTED.get(fault, set())


@pytest.mark.parametrize(
    "data",
    [
        wheel_bytes(),
        raw_zip(raw_members()),
        raw_zip(raw_members(), comment=b"a comment is allowed"),
        add_zip64_end(raw_members()),
        change_member(
            local={
                "size": 0xFFFFFFFF,
                "packed_size": 0xFFFFFFFF,
                "extra": zip64(len(raw_members()[0].data), len(deflate(raw_members()[0].data))),
            }
        ),
        change_member(both={"size": 0xFFFFFFFF, "packed_size": 0xFFFFFFFF})
        and change_member(central={"size": 0xFFFFFFFF, "extra": zip64(len(raw_members()[0].data))}),
        # Bazel writes protobuf's wheels like this: the sizes are repeated in a ZIP64 field.
        change_member(
            local={"extra": zip64(len(raw_members()[0].data), len(deflate(raw_members()[0].data)))}
        ),
        change_member(local={"extra": extra(0x5455, b"\1" + bytes(4))}),
        change_member(central={"extra": extra(0x7075, b"\1" + bytes(4) + INIT)}),
        change_member(method=0),
        add_member("dipy/data/", b"", mode=0o040755),
        add_member("dipy/nothing", b""),
        add_member("dipy/large.bin", bytes(range(256)) * 8192),
        add_member("dipy/inner.whl", wheel_bytes(), method=0),
    ],
    ids=range(14),
)
def test_accepts_a_good_wheel(data: bytes) -> None:
    assert findings(data) == ()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None


def test_reports_pypi_rules_as_notes_for_other_indexes() -> None:
    assert {finding.severity for finding in findings(write_unseekable())} == {Severity.ERROR}
    assert {finding.severity for finding in findings(write_unseekable(), profile=CheckProfile.ANY)} == {
        Severity.NOTE
    }


def make_bomb(name: str, size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join([packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]) + packer.flush()
    sizes = {"size": size, "packed_size": len(packed)}
    return raw_zip([*raw_members(), RawMember(name.encode(), b"", packed=packed, both=sizes)])


def test_does_not_unpack_a_bomb() -> None:
    contents = content(make_bomb("dipy/zeros", 128 << 20))
    assert contents.members[-1].sha256 == ""  # type: ignore[union-attr]
    assert set(contents.retained_members) == {
        f"{DIST_INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD")
    }
    assert "archive/bomb" in check_ids(findings(make_bomb("dipy/zeros", 128 << 20)))


def test_stops_unpacking_a_bomb_that_declares_a_small_size() -> None:
    members = raw_members(files={"dipy/x": b"good"})
    members[1].packed = deflate(bytes(64 << 20))
    assert check_ids(findings(raw_zip(members))) == {"archive/hidden-deflate-data"}


def test_does_not_unpack_overlapping_members_repeatedly() -> None:
    payload = deflate(bytes(1 << 20))
    sizes = {"size": 1 << 20, "packed_size": len(payload)}
    first = RawMember(b"dipy/0", b"", packed=payload, both=sizes)
    others = [
        RawMember(b"dipy/%d" % n, b"", packed=b"", both=sizes, central={"header": 0}) for n in range(1, 1000)
    ]
    reported = findings(raw_zip([first, *others]))
    assert {"archive/bomb", "archive/headers-disagree"} <= check_ids(reported)


def test_does_not_keep_huge_metadata() -> None:
    big = "x" * (3 << 20)
    data = raw_zip(raw_members(metadata=f"Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n\n{big}"))
    assert content(data).pkginfo_metadata is None
    assert "archive/bomb" in check_ids(findings(data))


def test_reports_a_repeated_fault_at_most_fifty_times() -> None:
    members = raw_members()
    listed = "".join(record_line(f"dipy/{n}", b"") for n in range(1000))
    members[-1] = RawMember(members[-1].name, members[-1].data + listed.encode())
    reported = findings(raw_zip(members))
    assert check_ids(reported) == {"record/absent-file"}
    assert len(reported) == 51
    assert reported[-1].message == "and 950 more findings of this check"


def test_escapes_member_names_for_the_terminal() -> None:
    reported = findings(add_member("dipy/a\x1b[31m::error::.py"))
    assert {finding.member for finding in reported} == {"dipy/a\\x1b[31m: :error::.py"}
