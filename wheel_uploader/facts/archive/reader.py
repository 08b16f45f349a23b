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

from wheel_uploader.core.budget import OVER_BUDGET, Budget, BudgetExceeded
from wheel_uploader.core.errors import StorageError
from wheel_uploader.core.models import (
    ArchiveAnomaly,
    DistName,
    SdistContent,
    SdistMember,
    SdistName,
    WheelContent,
    WheelMember,
    WheelName,
)
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.facts.archive import library_loading, pkginfo_metadata, record, tar_reader
from wheel_uploader.facts.archive.zip_members import (
    BOMB_RATIO,
    BOMB_SIZE,
    describe_non_archive,
    is_decompression_bomb,
    read_zip,
)
from wheel_uploader.facts.binaries.collector import BinaryCollector
from wheel_uploader.facts.member_cache import MemberCache

#: Bytes of the read buffer: a ZIP has thousands of small members, and every read releases the GIL.
_BUFFER_SIZE = 32 << 10

__all__ = [
    "describe_damage",
    "is_decompression_bomb",
    "make_over_budget_anomaly",
    "read_archive",
    "read_sdist",
    "read_wheel",
]

#: Kinds of anomalies that mean that the archive is damaged or was changed after it was built.
_DAMAGE_KINDS = frozenset({"unreadable", "bad-crc", "hidden-deflate-data", "trailing-bytes", "cut"})
#: Messages that ``describe_damage`` returns; the rest is only counted.
_MAX_DAMAGE_MESSAGES = 20


def read_archive(
    path: Path, name: DistName, member_cache: MemberCache | None = None
) -> WheelContent | SdistContent:
    """Return the contents of the file at ``path``, read as the kind of file that ``name`` says.

    Members that are in ``member_cache`` are not decompressed again.

    Any bytes are accepted, and problems are reported as facts. Raises StorageError if the file cannot be
    read.
    """
    try:
        with path.open("rb", buffering=0) as stream:
            return read_archive_stream(stream, os.fstat(stream.fileno()).st_size, name, member_cache)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"{sanitize(str(path))} cannot be read: {reason}") from error


def read_archive_stream(
    file: io.RawIOBase,
    size: int,
    name: DistName,
    member_cache: MemberCache | None = None,
    *,
    integrity_only: bool = False,
) -> WheelContent | SdistContent:
    """Return the contents of an open file of ``size`` bytes, as ``read_archive`` does; leave it open.

    ``integrity_only``: read of a wheel only what ``describe_damage`` needs.
    """
    stream = io.BufferedReader(file, _BUFFER_SIZE)
    try:
        if isinstance(name, WheelName):
            return read_wheel(stream, size, name, member_cache, integrity_only=integrity_only)
        return read_sdist(stream, size, name)
    finally:
        stream.detach()


def describe_damage(content: WheelContent | SdistContent) -> tuple[str, ...]:
    """Return messages that say how the archive is damaged; empty if it is intact."""
    remaining = _damage(content)
    messages = [sanitize(message) for message in itertools.islice(remaining, _MAX_DAMAGE_MESSAGES)]
    if more := sum(1 for _ in remaining):
        messages.append(f"and {more} more")
    return tuple(messages)


def _damage(content: WheelContent | SdistContent) -> Iterator[str]:
    if not content.is_fully_read:
        return  # The rest is unread, and would be mistaken for damage.
    for fact in content.anomalies:
        if fact.kind in _DAMAGE_KINDS:
            yield f"{fact.member}: {fact.message}" if fact.member else fact.message
    if isinstance(content, WheelContent) and (parsed_record := record.find_record(content)):
        yield from (
            f"{path}: it is listed in RECORD but missing"
            for path in record.iter_missing_members(content, parsed_record)
        )
        wrong_sizes = record.iter_size_mismatches(content, parsed_record)
        for path, message in (*wrong_sizes, *record.iter_hash_mismatches(content, parsed_record)):
            yield f"{path}: {message}"


# --- wheels ----------------------------------------------------------------------------------------


def read_wheel(
    stream: BinaryIO,
    size: int,
    name: WheelName,
    member_cache: MemberCache | None = None,
    *,
    integrity_only: bool = False,
) -> WheelContent:
    """Return the contents of the wheel of ``size`` bytes in ``stream``.

    ``integrity_only``: without compiled code, text and metadata, which only the checks need.
    """
    budget = Budget()
    try:
        with budget.measure_cpu_time():
            if integrity_only:
                unpacked = read_zip(stream, size, budget, member_cache=member_cache, scans=False)
                return WheelContent(
                    name=name,
                    size=size,
                    members=tuple(unpacked.members),
                    anomalies=tuple(unpacked.anomalies),
                    retained_members=unpacked.retained_members,
                    budget=budget,
                )
            # Symbols of Python's C API are read only for abi3 wheels, which promise the stable ABI.
            has_stable_abi = any(abi.startswith("abi3") for abi in name.abis)
            natives = BinaryCollector(symbols=has_stable_abi, budget=budget)
            unpacked = read_zip(stream, size, budget, natives, member_cache)
            loads_libraries = library_loading.loads_libraries(
                stream, unpacked.entries, natives.binaries, budget
            )
            budget.check_time()
            read_by_pkginfo = pkginfo_metadata.read_pkginfo_metadata(
                pkginfo_metadata.select_metadata_member(
                    (member.name for member in unpacked.members), unpacked.retained_members
                ),
                unpacked.retained_members,
            )
    except BudgetExceeded as error:
        return WheelContent(
            name=name, size=size, anomalies=(make_over_budget_anomaly(error, budget),), budget=budget
        )
    return WheelContent(
        name=name,
        size=size,
        unpacked_size=sum(member.size for member in unpacked.members),
        members=tuple(unpacked.members),
        anomalies=tuple(unpacked.anomalies),
        retained_members=unpacked.retained_members,
        pkginfo_metadata=read_by_pkginfo.fields,
        pkginfo_warnings=read_by_pkginfo.remarks,
        pkginfo_source=read_by_pkginfo.source,
        binaries=natives.binaries,
        loads_libraries=loads_libraries,
        text_facts=tuple(sorted(unpacked.text_facts)),
        sources=unpacked.sources,
        budget=budget,
    )


def make_over_budget_anomaly(error: BudgetExceeded, budget: Budget) -> ArchiveAnomaly:
    """Return the fact that a file was not read to its end because it exceeds its budget."""
    return ArchiveAnomaly(kind=OVER_BUDGET, message=str(error), member=error.member or budget.member)


# --- sdists ----------------------------------------------------------------------------------------


def read_sdist(stream: BinaryIO, size: int, name: SdistName) -> SdistContent:
    """Return the contents of the sdist (a gzipped tar or a ZIP) of ``size`` bytes in ``stream``."""
    budget = Budget()
    try:
        with budget.measure_cpu_time():
            return _read_sdist(stream, size, name, budget)
    except BudgetExceeded as error:
        fact = make_over_budget_anomaly(error, budget)
        return SdistContent(name=name, size=size, anomalies=(fact,), budget=budget)


def _read_sdist(stream: BinaryIO, size: int, name: SdistName, budget: Budget) -> SdistContent:
    if name.filename.endswith(".zip"):
        unpacked = read_zip(stream, size, budget)
        members = tuple(_as_sdist_member(member) for member in unpacked.members)
        facts, kept = tuple(unpacked.anomalies), unpacked.retained_members
        text_facts = unpacked.text_facts
    else:
        head = stream.read(512)
        tar = tar_reader.read_tar(stream, bomb_size=max(BOMB_SIZE, BOMB_RATIO * size), budget=budget)
        members, facts, kept = tuple(tar.members), tuple(tar.anomalies), tar.retained_members
        text_facts = tar.text_facts
        if not members and (description := describe_non_archive(head, size)):
            facts = (ArchiveAnomaly(kind="unreadable", message=description),)
    read_by_pkginfo = pkginfo_metadata.read_pkginfo_metadata(
        pkginfo_metadata.select_metadata_member((member.name for member in members), kept, "PKG-INFO"), kept
    )
    return SdistContent(
        name=name,
        size=size,
        unpacked_size=sum(member.size for member in members),
        members=members,
        anomalies=facts,
        retained_members=kept,
        pkginfo_metadata=read_by_pkginfo.fields,
        pkginfo_warnings=read_by_pkginfo.remarks,
        pkginfo_source=read_by_pkginfo.source,
        text_facts=tuple(sorted(text_facts)),
        budget=budget,
    )


def _as_sdist_member(member: WheelMember) -> SdistMember:
    kind = "symlink" if member.mode & 0o170000 == 0o120000 else "directory" if member.is_directory else "file"
    return SdistMember(
        name=member.name.rstrip("/"),
        size=member.size,
        kind=kind,
        text_crc=member.text_crc,
        declared_version=member.declared_version,
    )
