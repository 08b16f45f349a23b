"""Read a wheel or an sdist in one pass that reads each member once and returns facts for any input.

zipwalk parses the structure of a wheel's ZIP and zipmembers reads its members; tarwalk reads the tar of an
sdist; pkginfo_reader runs pkginfo on the metadata.
"""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wheel_uploader.archive import pkginfo_reader, record, tarwalk
from wheel_uploader.archive.repeats import Repeats
from wheel_uploader.archive.zipmembers import BOMB_RATIO, BOMB_SIZE, is_bomb, unzip, what_it_is
from wheel_uploader.budget import OVER_BUDGET, Budget, Exhausted
from wheel_uploader.display import printable
from wheel_uploader.errors import StorageError
from wheel_uploader.models import (
    DistName,
    Fact,
    Member,
    SdistContent,
    SdistMember,
    SdistName,
    WheelContent,
    WheelName,
)
from wheel_uploader.native.collect import Natives

#: Bytes of the read buffer: a ZIP has thousands of small members, and every read releases the GIL.
_BUFFER_SIZE = 128 << 10

__all__ = ["damage", "is_bomb", "over_budget", "read", "read_sdist", "read_wheel"]

#: Kinds of facts that mean that the archive is damaged or was changed after it was built.
_DAMAGE_KINDS = frozenset({"unreadable", "bad-crc", "hidden-deflate-data", "trailing-bytes", "cut"})
#: Messages that ``damage`` returns; the rest is only counted.
_MAX_DAMAGE_MESSAGES = 20


def read(path: Path, name: DistName, member_cache: Repeats | None = None) -> WheelContent | SdistContent:
    """Return the contents of the file at ``path``, read as the kind of file that ``name`` says.

    Members that are in ``member_cache`` are not decompressed again.

    Any bytes are accepted, and problems are reported as facts. Raises StorageError if the file cannot be
    read.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            return read_open(stream, os.fstat(stream.fileno()).st_size, name, member_cache)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{printable(str(path))} cannot be read: {reason}") from error


def read_open(
    file: io.RawIOBase, size: int, name: DistName, member_cache: Repeats | None = None
) -> WheelContent | SdistContent:
    """Return the contents of an open file of ``size`` bytes, as ``read`` does; leave the file open."""
    stream = io.BufferedReader(file, _BUFFER_SIZE)
    try:
        if isinstance(name, WheelName):
            return read_wheel(stream, size, name, member_cache)
        return read_sdist(stream, size, name)
    finally:
        stream.detach()


def damage(content: WheelContent | SdistContent) -> tuple[str, ...]:
    """Return messages that say how the archive is damaged; empty if it is intact."""
    remaining = _damage(content)
    messages = [printable(message) for message in itertools.islice(remaining, _MAX_DAMAGE_MESSAGES)]
    if more := sum(1 for _ in remaining):
        messages.append(f"and {more} more")
    return tuple(messages)


def _damage(content: WheelContent | SdistContent) -> Iterator[str]:
    if not content.read_to_its_end:
        return  # The rest is unread, and would be mistaken for damage.
    for fact in content.facts:
        if fact.kind in _DAMAGE_KINDS:
            yield f"{fact.member}: {fact.message}" if fact.member else fact.message
    if isinstance(content, WheelContent) and (parsed_record := record.of(content)):
        yield from (
            f"{path}: it is listed in RECORD but missing" for path in record.absent(content, parsed_record)
        )
        wrong_sizes = record.wrong_sizes(content, parsed_record)
        for path, message in (*wrong_sizes, *record.wrong_hashes(content, parsed_record)):
            yield f"{path}: {message}"


# --- wheels ----------------------------------------------------------------------------------------


def read_wheel(
    stream: BinaryIO, size: int, name: WheelName, member_cache: Repeats | None = None
) -> WheelContent:
    """Return the contents of the wheel of ``size`` bytes in ``stream``."""
    # Symbols of Python's C API are read only for abi3 wheels, which promise the stable ABI.
    budget = Budget()
    natives = Natives(symbols=any(abi.startswith("abi3") for abi in name.abis), budget=budget)
    try:
        with budget.working():
            unpacked = unzip(stream, size, budget, natives, member_cache)
            budget.check_time()
            read_by_pkginfo = pkginfo_reader.read(
                pkginfo_reader.source((member.name for member in unpacked.members), unpacked.kept),
                unpacked.kept,
            )
    except Exhausted as error:
        return WheelContent(name=name, size=size, facts=(over_budget(error, budget),), budget=budget)
    return WheelContent(
        name=name,
        size=size,
        unpacked_size=sum(member.size for member in unpacked.members),
        members=tuple(unpacked.members),
        facts=tuple(unpacked.facts),
        kept=unpacked.kept,
        pkginfo=read_by_pkginfo.fields,
        pkginfo_remarks=read_by_pkginfo.remarks,
        pkginfo_source=read_by_pkginfo.source,
        natives=natives.facts,
        budget=budget,
    )


def over_budget(error: Exhausted, budget: Budget) -> Fact:
    """Return the fact that a file was not read to its end because it exceeds its budget."""
    return Fact(kind=OVER_BUDGET, message=str(error), member=error.member or budget.member)


# --- sdists ----------------------------------------------------------------------------------------


def read_sdist(stream: BinaryIO, size: int, name: SdistName) -> SdistContent:
    """Return the contents of the sdist (a gzipped tar or a ZIP) of ``size`` bytes in ``stream``."""
    budget = Budget()
    try:
        with budget.working():
            return _read_sdist(stream, size, name, budget)
    except Exhausted as error:
        fact = over_budget(error, budget)
        return SdistContent(name=name, size=size, facts=(fact,), budget=budget)


def _read_sdist(stream: BinaryIO, size: int, name: SdistName, budget: Budget) -> SdistContent:
    if name.filename.endswith(".zip"):
        unpacked = unzip(stream, size, budget)
        members = tuple(_as_sdist_member(member) for member in unpacked.members)
        facts, kept = tuple(unpacked.facts), unpacked.kept
    else:
        head = stream.read(512)
        tar = tarwalk.walk(stream, bomb_size=max(BOMB_SIZE, BOMB_RATIO * size), budget=budget)
        members, facts, kept = tuple(tar.members), tuple(tar.facts), tar.kept
        if not members and (description := what_it_is(head, size)):
            facts = (Fact(kind="unreadable", message=description),)
    read_by_pkginfo = pkginfo_reader.read(
        pkginfo_reader.source((member.name for member in members), kept, "PKG-INFO"), kept
    )
    return SdistContent(
        name=name,
        size=size,
        unpacked_size=sum(member.size for member in members),
        members=members,
        facts=facts,
        kept=kept,
        pkginfo=read_by_pkginfo.fields,
        pkginfo_remarks=read_by_pkginfo.remarks,
        pkginfo_source=read_by_pkginfo.source,
        budget=budget,
    )


def _as_sdist_member(member: Member) -> SdistMember:
    kind = "symlink" if member.mode & 0o170000 == 0o120000 else "directory" if member.is_directory else "file"
    return SdistMember(name=member.name.rstrip("/"), size=member.size, kind=kind)
