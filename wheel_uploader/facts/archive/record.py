"""Parse the RECORD of a wheel and compare its rows with the members of the ZIP."""

from __future__ import annotations

import base64
import binascii
import csv
import functools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wheel_uploader.core import bounds
from wheel_uploader.core.budget import COUNT_LIMITS, BudgetExceeded
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import WheelContent, WheelMember
from wheel_uploader.core.string_cache import cached_for_short_strings

#: Hashes at least as strong as sha256, as the wheel specification requires; every Python has them all.
STRONG_ALGORITHMS = frozenset(
    {"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"}
)
#: Signatures of RECORD, which cannot be listed in it because they are created after it.
_SIGNATURE_PATH = re.compile(r"[^/]+\.dist-info/RECORD\.(?:jws|p7s)\Z")
_DIGEST_LENGTHS = {"sha384": 48, "sha512": 64, "sha3_384": 48, "sha3_512": 64, "blake2b": 64}
_DIGEST = re.compile(r"[A-Za-z0-9_-]+(=*)\Z")


#: Limit on the rows of a RECORD, which lists each member once.
MAX_RECORD_ROWS = COUNT_LIMITS["RECORD rows"]
_BYTE_ORDER_MARK = "\ufeff"
#: Characters other than "\r" that end a line for installers, which use ``str.splitlines``.
_LINE_ENDS = "\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"


class RecordRow(NamedTuple):
    """One line of RECORD; the hash and size are empty if the line does not give them."""

    path: str
    algorithm: str = ""
    #: Hexadecimal; empty if the field is not a digest of this algorithm.
    digest: str = ""
    size: int | None = None


class RecordProblem(NamedTuple):
    """A malformed line; ``is_harmless`` if every installer reads it as intended."""

    message: str
    is_harmless: bool = False
    is_blank_line: bool = False


class ParsedRecord(NamedTuple):
    """The rows of a RECORD and the problems in its text."""

    rows: tuple[RecordRow, ...]
    problems: tuple[RecordProblem, ...]
    has_backslashes: bool = False


def find_dist_info(content: WheelContent) -> str:
    """Return the name of the ``.dist-info`` directory that matches the file name, else of the only one.

    Empty if there is none, or if there are several and no name matches.
    """
    if (cached := content.derived.get("dist-info")) is not None:
        return str(cached)
    found = content.derived["dist-info"] = _find_dist_info(content)
    return found


def _find_dist_info(content: WheelContent) -> str:
    expected = f"{content.name.raw_project}-{content.name.raw_version}.dist-info"
    directories = list_dist_infos(content.members)
    if expected in directories:
        return expected
    return directories[0] if len(directories) == 1 else ""


def list_dist_infos(members: Iterable[WheelMember]) -> list[str]:
    """Return the names of all ``.dist-info`` directories at the top of a wheel, sorted."""
    inside = (member.name for member in members if ".dist-info/" in member.name)
    return sorted({first for path in inside if (first := path.partition("/")[0]).endswith(".dist-info")})


def find_record(content: WheelContent) -> ParsedRecord | None:
    """Return the parsed RECORD of ``content``; None if it has no RECORD or its bytes were not kept."""
    data = content.retained_members.get(f"{find_dist_info(content)}/RECORD")
    if data is None:
        return None
    parsed = parse_record(data)
    return _replace_backslashes(content, parsed) if parsed.has_backslashes else parsed


def _replace_backslashes(content: WheelContent, parsed: ParsedRecord) -> ParsedRecord:
    """Return ``parsed`` with "/" in all paths except those of members with a backslash in their name.

    A wheel built on Windows may use the separator of Windows, which PEP 376 allows and PyPI replaces.
    """
    names = {member.name for member in content.members if "\\" in member.name}
    rows = (
        row if row.path in names else row._replace(path=row.path.replace("\\", "/")) for row in parsed.rows
    )
    return parsed._replace(rows=tuple(rows))


@functools.lru_cache(maxsize=2)
def parse_record(data: bytes) -> ParsedRecord:
    """Parse the bytes of a RECORD. Raises BudgetExceeded if it has more than MAX_RECORD_ROWS rows."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return ParsedRecord((), (RecordProblem(f"it is not UTF-8 (byte {error.start + 1})"),))
    rows: list[RecordRow] = []
    problems: list[RecordProblem] = []
    paths: set[str] = set()
    if text.startswith(_BYTE_ORDER_MARK):
        problems.append(
            RecordProblem("it begins with a byte order mark, which becomes part of the first path")
        )
        text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        if sum(map(text.count, _LINE_ENDS)) + text.count("\r") - text.count("\r\n") > MAX_RECORD_ROWS:
            raise BudgetExceeded(f"it has more than {MAX_RECORD_ROWS:,} rows")
        for number, fields in enumerate(csv.reader(text.splitlines(keepends=True), strict=True), start=1):
            if not fields:
                problems.append(
                    RecordProblem(f"line {number} is blank", is_harmless=True, is_blank_line=True)
                )
                continue
            if len(fields) != 3 or not fields[0]:
                problems.append(
                    RecordProblem(f"line {number} does not have the three fields path, hash and size")
                )
                continue
            row = _parse_row(number, fields, problems)
            if row.path in paths:
                problems.append(RecordProblem(f"line {number} lists '{row.path}' again"))
            paths.add(row.path)
            rows.append(row)
    except csv.Error:
        problems.append(RecordProblem(f"it is not valid CSV from line {len(rows) + len(problems) + 1} on"))
    return ParsedRecord(tuple(rows), tuple(problems), has_backslashes="\\" in text)


def _parse_row(number: int, fields: list[str], problems: list[RecordProblem]) -> RecordRow:
    path, hash_field, size_field = fields
    size = None
    if size_field:
        size = bounds.parse_whole_number(size_field, bounds.MAX_FILE_SIZE)
    if size_field and size is None:
        problems.append(RecordProblem(f"line {number} has an invalid size '{size_field}'"))
    elif hash_field and not size_field:
        problems.append(RecordProblem(f"line {number} has a hash but no size", is_harmless=True))
    if not hash_field:
        return RecordRow(path, size=size)
    algorithm, digest, problem = _parse_hash(hash_field)
    if problem:
        problems.append(problem._replace(message=f"line {number} {problem.message}"))
    return RecordRow(path, algorithm, digest, size)


@cached_for_short_strings
def _parse_hash(hash_field: str) -> tuple[str, str, RecordProblem | None]:
    """Return the algorithm, the hex digest, and the problem with them if there is one."""
    algorithm, equals, encoded = hash_field.partition("=")
    digest = (
        _decode_digest(encoded, _DIGEST_LENGTHS.get(algorithm, 32)) if algorithm in STRONG_ALGORITHMS else ""
    )
    match = _DIGEST.match(encoded)
    problem = None
    if not equals or (algorithm in STRONG_ALGORITHMS and not digest):
        problem = RecordProblem(f"has no {algorithm} digest in URL-safe base64")
    elif match and match[1]:
        problem = RecordProblem("has a digest with padding ('=')", is_harmless=True)
    return algorithm, digest, problem


def _decode_digest(encoded: str, length: int) -> str:
    """Return the digest as hex; empty if ``encoded`` is not URL-safe base64 of ``length`` bytes."""
    if not _DIGEST.match(encoded):
        return ""
    unpadded = encoded.rstrip("=")
    try:
        digest = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == length else ""


def is_record_signature(path: str) -> bool:
    """Return whether ``path`` is a signature of RECORD, which RECORD itself need not list."""
    return bool(_SIGNATURE_PATH.match(path))


# --- against the members ---------------------------------------------------------------------------


def iter_missing_members(content: WheelContent, record: ParsedRecord) -> Iterator[str]:
    """Yield the paths that RECORD lists and the ZIP does not contain."""
    present = {member.name for member in content.members}
    yield from (row.path for row in record.rows if row.path not in present)


def iter_unlisted_members(content: WheelContent, record: ParsedRecord) -> Iterator[str]:
    """Yield the names of the files in the ZIP that RECORD does not list."""
    listed = {row.path for row in record.rows}
    for member in content.members:
        if not member.is_directory and member.name not in listed and not is_record_signature(member.name):
            yield member.name


def iter_size_mismatches(content: WheelContent, record: ParsedRecord) -> Iterator[tuple[str, str]]:
    """Yield (path, message) for each member whose size differs from RECORD."""
    for row, member in _rows_with_members(content, record):
        if row.size is not None and row.size != member.actual_size:
            yield row.path, f"it has {format_count(member.actual_size, 'byte')}, but RECORD lists {row.size}"


def iter_hash_mismatches(content: WheelContent, record: ParsedRecord) -> Iterator[tuple[str, str]]:
    """Yield (path, message) for each member whose hash differs from RECORD."""
    for row, member in _rows_with_members(content, record):
        if not row.digest:
            continue
        other_algorithm, _, other_digest = member.other_digest.partition("=")
        if row.algorithm == "sha256":
            actual = member.sha256
        else:
            actual = other_digest if row.algorithm == other_algorithm else ""
        if actual and actual != row.digest:
            yield row.path, f"its {row.algorithm} is {actual[:16]}..., but RECORD lists {row.digest[:16]}..."


def _rows_with_members(
    content: WheelContent, record: ParsedRecord
) -> Iterator[tuple[RecordRow, WheelMember]]:
    """Yield each row together with its member, if the bytes of that member could be read."""
    members = {member.name: member for member in content.members}
    record_path = f"{find_dist_info(content)}/RECORD"
    for row in record.rows:
        if row.path != record_path and (member := members.get(row.path)) and member.sha256:
            yield row, member
