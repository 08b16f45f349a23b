"""RECORD of a wheel: its rows parsed, and compared with the members that the ZIP really holds."""

from __future__ import annotations

import base64
import binascii
import csv
import functools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wheel_uploader import bounded
from wheel_uploader.budget import LIMITS, Exhausted
from wheel_uploader.memo import remembers
from wheel_uploader.models import Member, WheelContent

#: At least sha256, as the wheel specification wants it; all are in every Python.
STRONG = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"})
#: Signatures of RECORD cannot be listed in it, for they are made after it.
_SIGNATURE = re.compile(r"[^/]+\.dist-info/RECORD\.(?:jws|p7s)\Z")
_LENGTHS = {"sha384": 48, "sha512": 64, "sha3_384": 48, "sha3_512": 64, "blake2b": 64}
_DIGEST = re.compile(r"[A-Za-z0-9_-]+(=*)\Z")


#: Lines of a RECORD: it lists each member once, and signatures.
MAX_ROWS = LIMITS["RECORD rows"]
#: What ends a line for installers, which read with str.splitlines, besides "\r".
_LINE_ENDS = "\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"


class Row(NamedTuple):
    """One line of RECORD; hash and size are empty where it gives none."""

    path: str
    algorithm: str = ""
    #: Hex, or empty when what stands there is no digest of this algorithm.
    digest: str = ""
    size: int | None = None


class Problem(NamedTuple):
    """A line that is not as it has to be; ``harmless`` when every installer reads it as it is meant."""

    message: str
    harmless: bool = False


class Record(NamedTuple):
    """All rows, and what is wrong with the text."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def dist_info_of(content: WheelContent) -> str:
    """The ``.dist-info`` directory, without a slash: the one that the file name wants, else the only one.

    Empty when there is none, or none that is clearly meant.
    """
    wanted = f"{content.name.raw_project}-{content.name.raw_version}.dist-info"
    there = dist_infos(content.members)
    if wanted in there:
        return wanted
    return there[0] if len(there) == 1 else ""


def dist_infos(members: Iterable[Member]) -> list[str]:
    """Every ``.dist-info`` directory at the top of a wheel, sorted."""
    inside = (member.name for member in members if ".dist-info/" in member.name)
    return sorted({top for path in inside if (top := path.partition("/")[0]).endswith(".dist-info")})


def of(content: WheelContent) -> Record | None:
    """The RECORD of ``content``; None when it has none, or one that is no text."""
    data = content.kept.get(f"{dist_info_of(content)}/RECORD")
    return None if data is None else parse(data)


@functools.lru_cache(maxsize=2)
def parse(data: bytes) -> Record:
    """Read the bytes of a RECORD. Raises Exhausted when it has more rows than any wheel has members."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Record((), (Problem(f"it is not UTF-8 (byte {error.start + 1})"),))
    rows: list[Row] = []
    problems: list[Problem] = []
    paths: set[str] = set()
    try:
        if sum(map(text.count, _LINE_ENDS)) + text.count("\r") - text.count("\r\n") > MAX_ROWS:
            raise Exhausted(f"it has more than {MAX_ROWS:,} rows")
        for number, fields in enumerate(csv.reader(text.splitlines(keepends=True), strict=True), start=1):
            if not fields:
                problems.append(Problem(f"line {number} is blank", harmless=True))
                continue
            if len(fields) != 3 or not fields[0]:
                problems.append(Problem(f"line {number} is not path, hash and size"))
                continue
            row = _row(number, fields, problems)
            if row.path in paths:
                problems.append(Problem(f"line {number} lists '{row.path}' again"))
            paths.add(row.path)
            rows.append(row)
    except csv.Error:
        problems.append(Problem(f"it cannot be read as CSV from line {len(rows) + len(problems) + 1} on"))
    return Record(tuple(rows), tuple(problems))


def _row(number: int, fields: list[str], problems: list[Problem]) -> Row:
    path, stated, stated_size = fields
    size = None
    if stated_size:
        size = bounded.whole_number(stated_size, bounded.MAX_SIZE)
    if stated_size and size is None:
        problems.append(Problem(f"line {number} has '{stated_size}' for a size"))
    elif stated and not stated_size:
        problems.append(Problem(f"line {number} has a hash but no size", harmless=True))
    if not stated:
        return Row(path, size=size)
    algorithm, digest, problem = _read_hash(stated)
    if problem:
        problems.append(problem._replace(message=f"line {number} {problem.message}"))
    return Row(path, algorithm, digest, size)


@remembers
def _read_hash(stated: str) -> tuple[str, str, Problem | None]:
    """Algorithm and hex digest, and what is wrong with them."""
    algorithm, equals, encoded = stated.partition("=")
    digest = _hex(encoded, _LENGTHS.get(algorithm, 32)) if algorithm in STRONG else ""
    match = _DIGEST.match(encoded)
    problem = None
    if not equals or (algorithm in STRONG and not digest):
        problem = Problem(f"has no {algorithm} digest in URL-safe base64")
    elif match and match[1]:
        problem = Problem("has a digest with padding ('=')", harmless=True)
    return algorithm, digest, problem


def _hex(encoded: str, length: int) -> str:
    """The digest as hex; empty when ``encoded`` is not URL-safe base64 of ``length`` bytes."""
    if not _DIGEST.match(encoded):
        return ""
    bare = encoded.rstrip("=")
    try:
        digest = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == length else ""


def is_signature(path: str) -> bool:
    return bool(_SIGNATURE.match(path))


# --- against the members ---------------------------------------------------------------------------


def absent(content: WheelContent, record: Record) -> Iterator[str]:
    """Paths that RECORD lists and the ZIP does not have."""
    there = {member.name for member in content.members}
    yield from (row.path for row in record.rows if row.path not in there)


def unlisted(content: WheelContent, record: Record) -> Iterator[str]:
    """Files of the ZIP that RECORD does not list."""
    listed = {row.path for row in record.rows}
    for member in content.members:
        if not member.is_directory and member.name not in listed and not is_signature(member.name):
            yield member.name


def wrong_sizes(content: WheelContent, record: Record) -> Iterator[tuple[str, str]]:
    """(path, sentence) for each member whose size is not the one in RECORD."""
    for row, member in _pairs(content, record):
        if row.size is not None and row.size != member.actual_size:
            yield row.path, f"it has {member.actual_size} bytes, RECORD says {row.size}"


def wrong_hashes(content: WheelContent, record: Record) -> Iterator[tuple[str, str]]:
    """(path, sentence) for each member whose bytes are not those that RECORD was made from."""
    for row, member in _pairs(content, record):
        if not row.digest:
            continue
        other = member.other_digest.partition("=")
        ours = member.sha256 if row.algorithm == "sha256" else other[2] if other[0] == row.algorithm else ""
        if ours and ours != row.digest:
            yield row.path, f"its {row.algorithm} is {ours[:16]}..., RECORD says {row.digest[:16]}..."


def _pairs(content: WheelContent, record: Record) -> Iterator[tuple[Row, Member]]:
    """Rows with the member that each is about, where that member's bytes could be read."""
    members = {member.name: member for member in content.members}
    own = f"{dist_info_of(content)}/RECORD"
    for row in record.rows:
        if row.path != own and (member := members.get(row.path)) and member.sha256:
            yield row, member
