"""The ZIP's own faults: each planted in the bytes, each named by just one check."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from tests.support.wheels import record_line, wheel_bytes, wheel_members
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
from wheel_uploader.core.models import CheckProfile, Severity

INIT = b"dipy/__init__.py"


def spoiled(at: int = 0, **fields: object) -> bytes:
    """A good wheel whose member ``at`` has other ``fields``."""
    members = raw_members()
    for key, value in fields.items():
        setattr(members[at], key, value)
    return raw_zip(members)


def with_member(name: str, data: bytes = b"x", **fields: object) -> bytes:
    """A good wheel with one more member, which RECORD lists; ``fields`` are those of Raw."""
    members = raw_members(files={name: data})
    member = next(member for member in members if member.name == name.encode())
    for key, value in fields.items():
        setattr(member, key, value)
    return raw_zip(members)


def descriptor(*, signed: bool = True, wide: bool = False, lie: int = 0, early: int = 0) -> bytes:
    """A wheel whose first member has its sizes behind it."""
    members = raw_members()
    data = members[0].data
    sizes = (zlib.crc32(data), len(deflate(data)), len(data) + lie)
    members[0].flags = 8
    members[0].local = {"crc": 0, "packed_size": 0, "size": early}
    members[0].after = (b"PK\x07\x08" if signed else b"") + struct.pack("<L2Q" if wide else "<3L", *sizes)
    return raw_zip(members)


def piped() -> bytes:
    """A wheel as zipfile writes it to a stream that cannot seek."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.written += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in wheel_members().items():
            archive.writestr(name, data)
    return pipe.written


def doubled(name: str) -> bytes:
    members = raw_members()
    twice = next(member for member in members if member.name.decode() == name)
    return raw_zip([*members, RawMember(twice.name, twice.data)])


def end64(members: list[RawMember], **fields: int) -> bytes:
    """A good wheel with ZIP64 end records, of which ``fields`` replace some."""
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


def two_ends() -> bytes:
    """Two directories, each with its end record: the first takes the second for its comment."""
    good = raw_zip(raw_members())
    start = struct.unpack_from("<L", good, len(good) - 6)[0]
    directory, end = good[start:-22], good[-22:]
    other = directory.replace(b"__init__.py", b"__main__.py")
    comment = other + end[:16] + struct.pack("<LH", len(good), 0)
    return good[:-2] + struct.pack("<H", len(comment)) + comment


def over_the_end() -> bytes:
    """A directory whose last record has a name that is longer than the directory."""
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
    "the first half": (wheel_bytes()[: len(wheel_bytes()) // 2], "archive/unreadable"),
    "all but a byte": (wheel_bytes()[:-1], "archive/unreadable"),
    "the second half": (wheel_bytes()[len(wheel_bytes()) // 2 :], "archive/unreadable"),
    "a cut comment": (raw_zip(raw_members(), comment=b"hello")[:-1], "archive/unreadable"),
    "a damaged directory": (wheel_bytes().replace(b"PK\x01\x02", b"PK\x01\x03"), "archive/unreadable"),
    "a directory record over the end": (over_the_end(), "archive/unreadable"),
    "a million members": (raw_zip([], end={"count": 65535, "size": 17 << 20}), "archive/unreadable"),
    "a wrong CRC in both headers": (spoiled(both={"crc": 1}), "archive/bad-crc"),
    "a flipped bit": (spoiled(packed=b"\xff" + deflate(raw_members()[0].data)[1:]), "archive/bad-crc"),
    "a cut stream": (spoiled(packed=deflate(raw_members()[0].data)[:-3]), "archive/bad-crc"),
    "a stream that ends early": (
        spoiled(both={"size": len(raw_members()[0].data) + 1}),
        "archive/bad-crc",
    ),
    "other names": (spoiled(local={"name": b"dipy/__main__.py"}), "archive/headers-disagree"),
    "other methods": (spoiled(local={"method": 0}), "archive/headers-disagree"),
    "other sizes": (spoiled(local={"size": 7}), "archive/headers-disagree"),
    "other CRCs": (spoiled(local={"crc": 7}), "archive/headers-disagree"),
    "other flags": (spoiled(local={"flags": 0x800}), "archive/headers-disagree"),
    "another part of the archive": (spoiled(central={"disk": 1}), "archive/headers-disagree"),
    "no local header": (spoiled(central={"header": 5}), "archive/headers-disagree"),
    "two members at one place": (spoiled(at=1, central={"header": 0}), "archive/headers-disagree"),
    "stored in two sizes": (spoiled(method=0, both={"size": 3}), "archive/headers-disagree"),
    "bytes in the directory": (
        spoiled(at=3, both={"packed_size": 9999}),
        "archive/headers-disagree",
    ),
    "several parts": (raw_zip(raw_members(), end={"disk": 1}), "archive/headers-disagree"),
    "another count": (raw_zip(raw_members(), end={"count": 3}), "archive/headers-disagree"),
    "two counts": (raw_zip(raw_members(), end={"here": 3}), "archive/headers-disagree"),
    "two end records": (two_ends(), "archive/headers-disagree"),
    "an end record in the comment": (
        raw_zip(raw_members(), comment=wheel_bytes()[-22:] + b"."),
        "archive/headers-disagree",
    ),
    "the name of an end record in the comment": (
        raw_zip(raw_members(), comment=b"PK\x05\x06."),
        "archive/headers-disagree",
    ),
    "a local file that is not listed": (
        raw_zip(raw_members(), behind_members=raw_zip([RawMember(b"evil.py", b"1")])[:40]),
        "archive/headers-disagree",
    ),
    "a ZIP64 end record of its own": (end64(raw_members(), count=3), "archive/headers-disagree"),
    "a ZIP64 end record with data": (end64(raw_members(), length=50), "archive/unreadable"),
    "several ZIP64 parts": (end64(raw_members(), disks=2), "archive/malformed-extra"),
    "one name twice": (doubled("dipy/__init__.py"), "archive/duplicate-member"),
    "WHEEL twice": (doubled(f"{DIST_INFO}/WHEEL"), "archive/duplicate-member"),
    "a file that is a directory": (with_member("dipy/__init__.py/x"), "archive/duplicate-member"),
    "a descriptor": (descriptor(), "archive/data-descriptor"),
    "a descriptor without signature": (descriptor(signed=False), "archive/data-descriptor"),
    "a wide descriptor": (descriptor(wide=True), "archive/data-descriptor"),
    "a pipe": (piped(), "archive/data-descriptor"),
    "a descriptor that lies": (descriptor(lie=1), "archive/data-descriptor"),
    "a descriptor and sizes of its own": (descriptor(early=7), "archive/data-descriptor"),
    "bytes before": (b"#!/bin/sh\n" + wheel_bytes(), "archive/foreign-bytes"),
    "bytes before that offsets count": (raw_zip(raw_members(), before=b"hello"), "archive/foreign-bytes"),
    "bytes between": (spoiled(after=b"hidden"), "archive/foreign-bytes"),
    "bytes before the directory": (raw_zip(raw_members(), behind_members=b"hidden"), "archive/foreign-bytes"),
    "bytes behind": (wheel_bytes() + b"more", "archive/foreign-bytes"),
    "a comment": (spoiled(central={"comment": b"hello"}), "archive/member-comment"),
    "a cut extra field": (spoiled(central={"extra": b"\x01\x00\x08"}), "archive/malformed-extra"),
    "an extra field twice": (
        spoiled(local={"extra": extra(9, b"a") * 2}),
        "archive/malformed-extra",
    ),
    "a ZIP64 field that is not needed": (spoiled(central={"extra": zip64(5)}), "archive/malformed-extra"),
    "other sizes in a ZIP64 field": (
        spoiled(local={"extra": zip64(len(raw_members()[0].data), 5)}),
        "archive/malformed-extra",
    ),
    "one size in a ZIP64 field": (
        spoiled(local={"extra": zip64(len(raw_members()[0].data))}),
        "archive/malformed-extra",
    ),
    "no ZIP64 field": (spoiled(local={"size": 0xFFFFFFFF}), "archive/malformed-extra"),
    "a version to come": (spoiled(central={"needed": 99}), "archive/compression-method"),
    "a patch": (with_member("dipy/a.txt", flags=0x20), "archive/compression-method"),
    "bzip2": (with_member("dipy/a.txt", method=12), "archive/compression-method"),
    "encrypted": (with_member("dipy/a.txt", flags=1), "archive/encrypted"),
    "strongly encrypted": (with_member("dipy/a.txt", flags=0x41), "archive/encrypted"),
    "upwards": (with_member("dipy/../../x"), "archive/unsafe-path"),
    "absolute": (with_member("/etc/passwd"), "archive/unsafe-path"),
    "a drive": (with_member("C:/x"), "archive/unsafe-path"),
    "a backslash": (with_member("dipy\\x.py"), "archive/unsafe-path"),
    "a dot": (with_member("dipy/./x.py"), "archive/unsafe-path"),
    "an empty part": (with_member("dipy//x.py"), "archive/unsafe-path"),
    "a link": (with_member("dipy/a.so", b"b.so", mode=0o120777), "archive/symlink"),
    "a pipe as member": (with_member("dipy/a", mode=0o010644), "archive/symlink"),
    "a directory with bytes": (with_member("dipy/a/", b"hello"), "archive/directory-with-data"),
    "a directory without slash": (with_member("dipy/a", b"", mode=0o040755), "archive/directory-with-data"),
    "a control character": (with_member("dipy/a\x1b[31m.py"), "archive/bad-member-name"),
    "a zero byte": (with_member("dipy/a.py\0.txt"), "archive/bad-member-name"),
    "no UTF-8": (with_member("dipy/x", both={"name": b"dipy/\xff\xfe.py"}), "archive/bad-member-name"),
    "UTF-8 without flag": (with_member("dipy/ä"), "archive/bad-member-name"),
    "a second name": (
        spoiled(central={"extra": extra(0x7075, b"\1" + bytes(4) + b"dipy/other.py")}),
        "archive/bad-member-name",
    ),
    "a stream that goes on": (
        with_member("dipy/x", b"good", packed=deflate(b"good, and evil")),
        "archive/hidden-deflate-data",
    ),
    "bytes behind a stream": (
        with_member("dipy/x", b"good", packed=deflate(b"good") + b"evil"),
        "archive/hidden-deflate-data",
    ),
    "two cases": (with_member("dipy/__INIT__.py"), "archive/case-collision"),
    "a device": (with_member("dipy/aux.py"), "archive/unportable-path"),
    "a long path": (with_member("dipy/" + "x" * 200), "archive/unportable-path"),
    "a name that is not ASCII": (with_member("dipy/ä", flags=0x800), "archive/unportable-path"),
}

#: What a planted fault cannot help but trip as well.
BESIDES = {
    "no local header": {"archive/foreign-bytes"},
    "a descriptor that lies": {"archive/headers-disagree"},
    "a descriptor and sizes of its own": {"archive/headers-disagree"},
    # The directory that is not read.
    "two end records": {"archive/foreign-bytes", "record/absent-file", "record/unlisted-file"},
    "no ZIP64 field": {"archive/headers-disagree"},
    "upwards": {"record/unsafe-path"},
    "absolute": {"record/unsafe-path"},
    "a drive": {"record/unsafe-path", "archive/unportable-path"},
    # Two names are two members for RECORD.
    "no UTF-8": {"record/absent-file", "record/unlisted-file", "archive/unportable-path"},
    "UTF-8 without flag": {"record/absent-file", "record/unlisted-file", "archive/unportable-path"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    data, wanted = FAULTS[fault]
    assert check_ids(findings(data)) == {wanted} | BESIDES.get(fault, set())


@pytest.mark.parametrize(
    "data",
    [
        wheel_bytes(),
        raw_zip(raw_members()),
        raw_zip(raw_members(), comment=b"an archive's comment is no fault"),
        end64(raw_members()),
        spoiled(
            local={
                "size": 0xFFFFFFFF,
                "packed_size": 0xFFFFFFFF,
                "extra": zip64(len(raw_members()[0].data), len(deflate(raw_members()[0].data))),
            }
        ),
        spoiled(both={"size": 0xFFFFFFFF, "packed_size": 0xFFFFFFFF})
        and spoiled(central={"size": 0xFFFFFFFF, "extra": zip64(len(raw_members()[0].data))}),
        # As Bazel writes protobuf's wheels: the sizes once more.
        spoiled(local={"extra": zip64(len(raw_members()[0].data), len(deflate(raw_members()[0].data)))}),
        spoiled(local={"extra": extra(0x5455, b"\1" + bytes(4))}),
        spoiled(central={"extra": extra(0x7075, b"\1" + bytes(4) + INIT)}),
        spoiled(method=0),
        with_member("dipy/data/", b"", mode=0o040755),
        with_member("dipy/nothing", b""),
        with_member("dipy/large.bin", bytes(range(256)) * 8192),
        with_member("dipy/inner.whl", wheel_bytes(), method=0),
    ],
    ids=range(14),
)
def test_a_good_wheel_has_no_finding(data: bytes) -> None:
    assert findings(data) == ()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None


def test_rules_of_pypi_are_notes_elsewhere() -> None:
    assert {finding.severity for finding in findings(piped())} == {Severity.ERROR}
    assert {finding.severity for finding in findings(piped(), profile=CheckProfile.ANY)} == {Severity.NOTE}


def bomb(name: str, size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join([packer.compress(bytes(1 << 20)) for _ in range(size >> 20)]) + packer.flush()
    sizes = {"size": size, "packed_size": len(packed)}
    return raw_zip([*raw_members(), RawMember(name.encode(), b"", packed=packed, both=sizes)])


def test_a_bomb_is_not_unpacked() -> None:
    found = content(bomb("dipy/zeros", 128 << 20))
    assert found.members[-1].sha256 == ""  # type: ignore[union-attr]
    assert set(found.retained_members) == {f"{DIST_INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    assert "archive/bomb" in check_ids(findings(bomb("dipy/zeros", 128 << 20)))


def test_a_bomb_that_declares_little_is_stopped_at_once() -> None:
    members = raw_members(files={"dipy/x": b"good"})
    members[1].packed = deflate(bytes(64 << 20))
    assert check_ids(findings(raw_zip(members))) == {"archive/hidden-deflate-data"}


def test_overlapping_members_are_not_unpacked_again_and_again() -> None:
    payload = deflate(bytes(1 << 20))
    sizes = {"size": 1 << 20, "packed_size": len(payload)}
    first = RawMember(b"dipy/0", b"", packed=payload, both=sizes)
    others = [
        RawMember(b"dipy/%d" % n, b"", packed=b"", both=sizes, central={"header": 0}) for n in range(1, 1000)
    ]
    found = findings(raw_zip([first, *others]))
    assert {"archive/bomb", "archive/headers-disagree"} <= check_ids(found)


def test_huge_metadata_is_not_kept() -> None:
    big = "x" * (3 << 20)
    data = raw_zip(raw_members(metadata=f"Metadata-Version: 2.1\nName: dipy\nVersion: 1.11.0\n\n{big}"))
    assert content(data).pkginfo_metadata is None
    assert "archive/bomb" in check_ids(findings(data))


def test_a_fault_that_is_there_a_thousand_times_is_told_fifty_times() -> None:
    members = raw_members()
    listed = "".join(record_line(f"dipy/{n}", b"") for n in range(1000))
    members[-1] = RawMember(members[-1].name, members[-1].data + listed.encode())
    found = findings(raw_zip(members))
    assert check_ids(found) == {"record/absent-file"}
    assert len(found) == 51
    assert found[-1].message == "and 950 more findings of this check"


def test_what_stands_in_the_archive_is_harmless_on_a_terminal() -> None:
    found = findings(with_member("dipy/a\x1b[31m::error::.py"))
    assert {finding.member for finding in found} == {"dipy/a\\x1b[31m: :error::.py"}
