"""One pass over a wheel or an sdist: whatever the bytes are, facts come out, and each member is read once.

A wheel's ZIP is walked by zipwalk and read by zipmembers, an sdist's tar is read by tarwalk; what pkginfo
makes of the metadata is asked in pkginfo_reader.
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

#: Bytes read at once: a ZIP has thousands of small members, and each read lets another thread run first.
_BUFFER = 128 << 10

__all__ = ["damage", "is_bomb", "over_budget", "read", "read_sdist", "read_wheel"]

#: Facts that say that these are not the bytes that somebody built.
_DAMAGE = frozenset({"unreadable", "bad-crc", "hidden-deflate-data", "trailing-bytes", "cut"})
#: Sentences of ``damage`` before the rest is only counted.
_MOST = 20


def read(path: Path, name: DistName, known: Repeats | None = None) -> WheelContent | SdistContent:
    """What is in the file at ``path``, which is to be judged as ``name``.

    ``known``: the members that were unpacked in this run, which are not unpacked again.

    Any bytes at all give a content, with what is wrong with them as facts. Raises StorageError when the file
    cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            return read_open(stream, os.fstat(stream.fileno()).st_size, name, known)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{printable(str(path))} cannot be read: {reason}") from error


def read_open(
    file: io.RawIOBase, size: int, name: DistName, known: Repeats | None = None
) -> WheelContent | SdistContent:
    """Return what is in an open file of ``size`` bytes, as ``read`` does; it stays open."""
    stream = io.BufferedReader(file, _BUFFER)
    try:
        if isinstance(name, WheelName):
            return read_wheel(stream, size, name, known)
        return read_sdist(stream, size, name)
    finally:
        stream.detach()


def damage(content: WheelContent | SdistContent) -> tuple[str, ...]:
    """Why these are not the whole bytes that somebody built, in sentences; empty when they are."""
    sentences = _damage(content)
    told = [printable(sentence) for sentence in itertools.islice(sentences, _MOST)]
    if more := sum(1 for _ in sentences):
        told.append(f"and {more} more")
    return tuple(told)


def _damage(content: WheelContent | SdistContent) -> Iterator[str]:
    if not content.read_to_its_end:
        return  # Nobody knows.
    for fact in content.facts:
        if fact.kind in _DAMAGE:
            yield f"{fact.member}: {fact.message}" if fact.member else fact.message
    if isinstance(content, WheelContent) and (listed := record.of(content)):
        yield from (f"{path}: RECORD lists it, and it is absent" for path in record.absent(content, listed))
        for path, sentence in (*record.wrong_sizes(content, listed), *record.wrong_hashes(content, listed)):
            yield f"{path}: {sentence}"


# --- wheels ----------------------------------------------------------------------------------------


def read_wheel(stream: BinaryIO, size: int, name: WheelName, known: Repeats | None = None) -> WheelContent:
    """What is in the ZIP of ``size`` bytes that ``stream`` holds."""
    # What is taken of Python's C API matters where the stable ABI is promised.
    budget = Budget()
    natives = Natives(symbols=any(abi.startswith("abi3") for abi in name.abis), budget=budget)
    try:
        with budget.working():
            unpacked = unzip(stream, size, budget, natives, known)
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
    """Return the fact that a file was not read to its end."""
    return Fact(kind=OVER_BUDGET, message=str(error), member=error.member or budget.member)


# --- sdists ----------------------------------------------------------------------------------------


def read_sdist(stream: BinaryIO, size: int, name: SdistName) -> SdistContent:
    """What is in the sdist, a gzipped tar or an old ZIP, of ``size`` bytes that ``stream`` holds."""
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
        if not members and (not_a_tar := what_it_is(head, size)):
            facts = (Fact(kind="unreadable", message=not_a_tar),)
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
