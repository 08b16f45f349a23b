"""RECORD: each fault planted alone, and named by just one check."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.support.wheels import record_line, wheel_bytes, wheel_members, zip_bytes
from tests.support.zips import DIST_INFO, check_ids, content, findings
from wheel_uploader.facts.archive import record

RECORD = f"{DIST_INFO}/RECORD"
LINES = wheel_members()[RECORD].decode()
INIT = wheel_members()["dipy/__init__.py"]
FIRST = LINES.splitlines(keepends=True)[0]


def with_record(text: str | bytes) -> bytes:
    members = wheel_members()
    members[RECORD] = text.encode() if isinstance(text, str) else text
    return zip_bytes(members)


def with_first(line: str) -> bytes:
    """A good wheel whose RECORD has ``line`` for its first file."""
    return with_record(LINES.replace(FIRST, line))


def hashed(algorithm: str, data: bytes = INIT) -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    return f"dipy/__init__.py,{algorithm}={digest},{len(data)}\n"


FAULTS = {
    "no RECORD": (wheel_bytes(without=(RECORD,)), "record/missing"),
    "two columns": (with_record(LINES + "dipy/__init__.py,\n"), "record/malformed"),
    "no path": (with_record(LINES + ",sha256=x,3\n"), "record/malformed"),
    "one path twice": (with_record(LINES + FIRST), "record/malformed"),
    "no UTF-8": (with_record(b"\xff" + LINES.encode()), "record/malformed"),
    "an open quote": (with_record(LINES + '"dipy'), "record/malformed"),
    "a size in words": (with_first(FIRST.replace(",23", ",many")), "record/malformed"),
    "no base64": (with_first("dipy/__init__.py,sha256=***,23\n"), "record/malformed"),
    "a digest that is too short": (with_first("dipy/__init__.py,sha256=abcd,23\n"), "record/malformed"),
    "a digest of one letter": (with_first("dipy/__init__.py,sha256=a,23\n"), "record/malformed"),
    "a blank line": (with_record(LINES + "\n"), "record/untidy"),
    "padding": (with_first(FIRST.replace(",23", "=,23")), "record/untidy"),
    "no size": (with_first(FIRST.replace(",23", ",")), "record/untidy"),
    "a hash of its own": (
        with_record(LINES.replace(f"{RECORD},,\n", record_line(RECORD, b"x"))),
        "record/untidy",
    ),
    "a file that is not listed": (with_first(""), "record/unlisted-file"),
    "RECORD not listed": (with_record(LINES.replace(f"{RECORD},,\n", "")), "record/unlisted-file"),
    "a file that is not there": (wheel_bytes(without=("dipy/__init__.py",)), "record/absent-file"),
    "another hash": (with_first(record_line("dipy/__init__.py", b"x" * 23)), "record/hash-mismatch"),
    "another sha512": (with_first(hashed("sha512", b"x" * 23)), "record/hash-mismatch"),
    "another size": (with_first(FIRST.replace(",23", ",24")), "record/size-mismatch"),
    "no hash": (with_first("dipy/__init__.py,,\n"), "record/no-hash"),
    "md5": (with_first(hashed("md5")), "record/weak-hash"),
    "sha224": (with_first(hashed("sha224")), "record/weak-hash"),
    "an unknown algorithm": (with_first("dipy/__init__.py,crc32=abc,23\n"), "record/weak-hash"),
    "upwards": (with_record(LINES + record_line("../x", b"")), "record/unsafe-path"),
    "absolute": (with_record(LINES + record_line("/x", b"")), "record/unsafe-path"),
    "a signature": (
        zip_bytes({**wheel_members(), RECORD: (LINES + f"{RECORD}.jws,,\n").encode(), f"{RECORD}.jws": b""}),
        "record/signature-listed",
    ),
}

#: What a planted fault cannot help but trip as well.
BESIDES = {
    # Without rows, no file is listed.
    "no UTF-8": {"record/unlisted-file"},
    # Nothing outside of the wheel is in it.
    "upwards": {"record/absent-file"},
    "absolute": {"record/absent-file"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    data, wanted = FAULTS[fault]
    assert check_ids(findings(data)) == {wanted} | BESIDES.get(fault, set())


@pytest.mark.parametrize(
    "data",
    [
        with_first(hashed("sha512")),
        with_first(hashed("sha384")),
        with_first(hashed("blake2b")),
        with_record(LINES.replace("\n", "\r\n")),
        with_record(LINES.replace("dipy/__init__.py,", '"dipy/__init__.py",')),
        zip_bytes({**wheel_members(), f"{RECORD}.p7s": b""}),
    ],
    ids=range(6),
)
def test_a_good_record_has_no_finding(data: bytes) -> None:
    assert findings(data) == ()


def test_a_mismatch_names_the_member() -> None:
    [found] = findings(FAULTS["another size"][0])
    assert (found.member, found.message) == ("dipy/__init__.py", "it has 23 bytes, but RECORD lists 24")


def test_a_digest_is_read_whatever_its_padding() -> None:
    wheel = content(FAULTS["padding"][0])
    listed = record.find_record(wheel)  # type: ignore[arg-type]
    assert listed is not None
    assert listed.rows[0].digest == hashlib.sha256(INIT).hexdigest()
