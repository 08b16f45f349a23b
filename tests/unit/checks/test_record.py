"""RECORD: each fault is planted alone, and exactly one check reports it."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.support.zips import DIST_INFO, check_ids, content, findings
from tools.testing.wheels import record_line, wheel_bytes, wheel_members, zip_bytes
from wheel_uploader.facts.archive import record

RECORD = f"{DIST_INFO}/RECORD"
LINES = wheel_members()[RECORD].decode()
INIT = wheel_members()["dipy/__init__.py"]
FIRST = LINES.splitlines(keepends=True)[0]


def replace_record(text: str | bytes) -> bytes:
    members = wheel_members()
    members[RECORD] = text.encode() if isinstance(text, str) else text
    return zip_bytes(members)


def replace_first_line(line: str) -> bytes:
    """Return a good wheel whose RECORD has ``line`` for its first file."""
    return replace_record(LINES.replace(FIRST, line))


def hash_line(algorithm: str, data: bytes = INIT) -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).rstrip(b"=").decode()
    return f"dipy/__init__.py,{algorithm}={digest},{len(data)}\n"


FAULTS = {
    "no RECORD": (wheel_bytes(without=(RECORD,)), "record/missing"),
    "two columns": (replace_record(LINES + "dipy/__init__.py,\n"), "record/malformed"),
    "no path": (replace_record(LINES + ",sha256=x,3\n"), "record/malformed"),
    "a duplicate path": (replace_record(LINES + FIRST), "record/malformed"),
    "not UTF-8": (replace_record(b"\xff" + LINES.encode()), "record/malformed"),
    "an open quote": (replace_record(LINES + '"dipy'), "record/malformed"),
    "a size in words": (replace_first_line(FIRST.replace(",23", ",many")), "record/malformed"),
    "not base64": (replace_first_line("dipy/__init__.py,sha256=***,23\n"), "record/malformed"),
    "a digest that is too short": (
        replace_first_line("dipy/__init__.py,sha256=abcd,23\n"),
        "record/malformed",
    ),
    "a digest of one letter": (replace_first_line("dipy/__init__.py,sha256=a,23\n"), "record/malformed"),
    "a blank line": (replace_record(LINES + "\n"), "record/blank-line"),
    "a byte order mark": (replace_record(f"\ufeff{LINES}"), "record/malformed"),
    "padding": (replace_first_line(FIRST.replace(",23", "=,23")), "record/untidy"),
    "no size": (replace_first_line(FIRST.replace(",23", ",")), "record/untidy"),
    "a hash of RECORD itself": (
        replace_record(LINES.replace(f"{RECORD},,\n", record_line(RECORD, b"x"))),
        "record/untidy",
    ),
    "a file that is not listed": (replace_first_line(""), "record/unlisted-file"),
    "RECORD not listed": (replace_record(LINES.replace(f"{RECORD},,\n", "")), "record/unlisted-file"),
    "a missing file": (wheel_bytes(without=("dipy/__init__.py",)), "record/absent-file"),
    "a wrong hash": (replace_first_line(record_line("dipy/__init__.py", b"x" * 23)), "record/hash-mismatch"),
    "a wrong sha512": (replace_first_line(hash_line("sha512", b"x" * 23)), "record/hash-mismatch"),
    "a wrong size": (replace_first_line(FIRST.replace(",23", ",24")), "record/size-mismatch"),
    "no hash": (replace_first_line("dipy/__init__.py,,\n"), "record/no-hash"),
    "md5": (replace_first_line(hash_line("md5")), "record/weak-hash"),
    "sha224": (replace_first_line(hash_line("sha224")), "record/weak-hash"),
    "an unknown algorithm": (replace_first_line("dipy/__init__.py,crc32=abc,23\n"), "record/weak-hash"),
    "a parent directory": (replace_record(LINES + record_line("../x", b"")), "record/unsafe-path"),
    "an absolute path": (replace_record(LINES + record_line("/x", b"")), "record/unsafe-path"),
    "a signature": (
        zip_bytes({**wheel_members(), RECORD: (LINES + f"{RECORD}.jws,,\n").encode(), f"{RECORD}.jws": b""}),
        "record/signature-listed",
    ),
}

#: Other checks that necessarily report the same fault.
ALSO_REPORTED = {
    # Without rows, no file is listed.
    "not UTF-8": {"record/unlisted-file"},
    # A path outside the wheel is never a member of it.
    "a parent directory": {"record/absent-file"},
    "an absolute path": {"record/absent-file"},
    "a signature": {"record/signature-file"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_reports_only_the_planted_fault(fault: str) -> None:
    data, expected = FAULTS[fault]
    assert check_ids(findings(data)) == {expected} | ALSO_REPORTED.get(fault, set())


@pytest.mark.parametrize(
    "data",
    [
        replace_first_line(hash_line("sha512")),
        replace_first_line(hash_line("sha384")),
        replace_first_line(hash_line("blake2b")),
        replace_record(LINES.replace("\n", "\r\n")),
        replace_record(LINES.replace("dipy/__init__.py,", '"dipy/__init__.py",')),
        replace_record(LINES.replace("/", "\\")),
        replace_first_line(hash_line("sha512").replace("/", "\\", 1)),
    ],
    ids=range(7),
)
def test_accepts_a_good_record(data: bytes) -> None:
    assert findings(data) == ()


def test_reports_only_that_a_signature_protects_nobody() -> None:
    signed = zip_bytes({**wheel_members(), f"{RECORD}.p7s": b""})
    assert {finding.check for finding in findings(signed)} == {"record/signature-file"}


def test_names_the_member_of_a_mismatch() -> None:
    [finding] = findings(FAULTS["a wrong size"][0])
    assert (finding.member, finding.message) == ("dipy/__init__.py", "it has 23 bytes, but RECORD lists 24")


def test_reads_a_digest_with_any_padding() -> None:
    wheel = content(FAULTS["padding"][0])
    listed = record.find_record(wheel)  # type: ignore[arg-type]
    assert listed is not None
    assert listed.rows[0].digest == hashlib.sha256(INIT).hexdigest()
