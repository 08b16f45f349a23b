"""Read the members of a ZIP, each once: declared and actual sizes and hashes, and the bytes to keep."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import BinaryIO

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.formatting import format_size
from wheel_uploader.core.models import ArchiveAnomaly, TextFact, WheelMember
from wheel_uploader.facts import member_cache as facts_member_cache
from wheel_uploader.facts.archive import (
    decompress,
    entry_points,
    installed_paths,
    pkginfo_metadata,
    record,
    text_scanner,
    zip_central_directory,
)
from wheel_uploader.facts.archive.decompress import DecompressedMember
from wheel_uploader.facts.archive.python_source import NO_FACTS, SourceFacts
from wheel_uploader.facts.archive.zip_structures import ZipEntry, ZipStructure
from wheel_uploader.facts.binaries.collector import BinaryCollector
from wheel_uploader.facts.binaries.module_names import parse_module_path
from wheel_uploader.facts.member_cache import CachedMember, InProgress, MemberCache

#: PyPI's rule for decompression bombs: more than this many unpacked bytes, and a ratio above 50 to 1.
BOMB_SIZE = 64 << 20
BOMB_RATIO = 50
#: Largest size of a member that is kept, by the last part of its name, and for others below .dist-info.
MAX_RETAINED_SIZES = {"METADATA": 2 << 20, "PKG-INFO": 2 << 20, "RECORD": 16 << 20}
MAX_RETAINED_SIZE_OTHERS = 64 << 10
#: Bytes kept of all members of one archive.
MAX_RETAINED_TOTAL = 24 << 20
_ENTRY_POINTS = ".dist-info/entry_points.txt"
#: Bytes of Python sources that are retained to be parsed, of those that may not parse.
MAX_RETAINED_SOURCES = 2 << 20


class ZipContent:
    """The members, anomalies and retained bytes of one ZIP while it is being read."""

    def __init__(
        self,
        walk: ZipStructure,
        collector: BinaryCollector | None,
        member_cache: MemberCache | None,
        *,
        scans: bool,
    ) -> None:
        self.entries = walk.entries
        self.anomalies = walk.anomalies
        self.add_anomaly = walk.add_anomaly
        self.budget = walk.budget
        #: Receives every member to find compiled code.
        self.binary_collector = collector
        self.member_cache = member_cache
        #: False if the members are only compared with their CRC and RECORD.
        self.scans = scans
        self.members: list[WheelMember] = []
        self.retained_members: dict[str, bytes] = {}
        #: Path to hashlib name, for the rows of RECORD that do not use sha256.
        self.record_algorithms: dict[str, str] = {}
        self.text_facts: list[TextFact] = []
        self.sources: dict[str, bytes] = {}
        #: Bytes of Python sources that may still be retained to be parsed.
        self.free_source_size = MAX_RETAINED_SOURCES
        self.scan_depth = text_scanner.choose_depth(_measure_sources(self.entries))

    def sort_by_rank(self, ranks: Mapping[str, int], *, after: int) -> None:
        """Sort the anomalies from index ``after`` on, and compiled code, by the ``ranks`` of members."""
        self.anomalies[after:] = sorted(self.anomalies[after:], key=lambda fact: ranks[fact.member or ""])
        if self.binary_collector:
            self.binary_collector.sort_by_rank(ranks)


def read_zip(
    stream: BinaryIO,
    size: int,
    budget: Budget,
    collector: BinaryCollector | None = None,
    member_cache: MemberCache | None = None,
    *,
    scans: bool = True,
) -> ZipContent:
    """Read every member of the ZIP of ``size`` bytes. Raises BudgetExceeded if ``budget`` is used up.

    ``scans``: look for facts in the contents, in addition to sizes and hashes.
    """
    contents = ZipContent(
        zip_central_directory.read_zip_structure(stream, size, budget), collector, member_cache, scans=scans
    )
    if not contents.entries:
        stream.seek(0)
        if description := describe_non_archive(stream.read(512), size):
            contents.anomalies[:] = [ArchiveAnomaly(kind="unreadable", message=description)]
    total = sum(entry.size for entry in contents.entries)
    skips_members = is_decompression_bomb(total, size)
    if skips_members:
        contents.add_anomaly(
            "bomb", f"{format_size(size)} unpack to {format_size(total)}, so its members were not read"
        )
    retained_names = _select_retained(contents)
    members: dict[int, WheelMember] = {}
    # Read first what says how the other members are read; then in file order, for sequential reads.
    read_order = sorted(
        range(len(contents.entries)),
        key=lambda index: (
            _reading_rank(contents.entries[index].name),
            contents.entries[index].data_offset,
        ),
    )
    fact_count = len(contents.anomalies)
    deferred: list[int] = []
    for index in read_order:
        entry = contents.entries[index]
        keep = entry.name in retained_names
        try:
            members[index] = _read_member(stream, entry, contents, keep=keep, skip=skips_members and not keep)
        except InProgress:
            deferred.append(index)
        if (
            keep
            and entry.name.endswith(".dist-info/RECORD")
            and (data := contents.retained_members.get(entry.name))
        ):
            rows = record.parse_record(data).rows
            contents.record_algorithms = {
                path: row.algorithm
                for row in rows
                if row.algorithm != "sha256" and row.digest
                for path in (row.path, row.path.replace("\\", "/"))
            }
        if keep and entry.name.endswith(_ENTRY_POINTS):
            retained_names |= _select_scripts(contents, entry.name)
    for index in deferred:
        members[index] = _read_member(
            stream, contents.entries[index], contents, keep=False, skip=False, wait=True
        )
    budget.set_member(None)
    if deferred:
        contents.sort_by_rank(
            {contents.entries[index].name: rank for rank, index in enumerate(read_order)}, after=fact_count
        )
    contents.members = [members[index] for index in range(len(contents.entries))]
    return contents


def _reading_rank(name: str) -> int:
    """Return 0 for RECORD, which says which hashes are needed, 1 for entry points, and 2 for all others."""
    return 0 if name.endswith(".dist-info/RECORD") else 1 if name.endswith(_ENTRY_POINTS) else 2


def _select_scripts(contents: ZipContent, entry_points_path: str) -> set[str]:
    """Return the sources of the modules that have the functions of scripts."""
    data = contents.retained_members.get(entry_points_path, b"")
    sources = entry_points.list_script_sources(data)
    return {
        entry.name
        for entry in contents.entries
        if entry.size <= MAX_RETAINED_SIZE_OTHERS and installed_paths.get_site_path(entry.name) in sources
    }


def _measure_sources(entries: Iterable[ZipEntry]) -> int:
    """Return the size of all Python modules, in bytes."""
    return sum(entry.size for entry in entries if entry.name.endswith(".py"))


def _select_retained(contents: ZipContent) -> set[str]:
    """Return the names of the members whose bytes are kept: small ones that a check or pkginfo reads."""
    retained_names: set[str] = set()
    retained_size = 0
    for entry in contents.entries:
        directory, _, inner_path = entry.name.partition("/")
        basename = entry.name.rpartition("/")[2]
        if not (
            (directory.endswith(".dist-info") and inner_path)
            or pkginfo_metadata.is_metadata_candidate(entry.name)
            or installed_paths.is_read_by_checks(entry.name)
        ):
            continue
        if entry.size <= min(
            MAX_RETAINED_SIZES.get(basename, MAX_RETAINED_SIZE_OTHERS), MAX_RETAINED_TOTAL - retained_size
        ):
            retained_names.add(entry.name)
            retained_size += entry.size
        elif basename in {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} and inner_path == basename:
            contents.add_anomaly(
                "too-big", f"it has {format_size(entry.size)}, more than any reader should accept", entry.name
            )
    return retained_names


def _read_member(
    stream: BinaryIO, entry: ZipEntry, contents: ZipContent, *, keep: bool, skip: bool, wait: bool = False
) -> WheelMember:
    """Read one member. Raises InProgress if another thread is reading the same one, unless ``wait``."""
    contents.budget.set_member(entry.name)
    # The cost of opening any member, whatever its contents.
    contents.budget.count_work(4)
    if entry.data_offset < 0 or skip:
        return _as_member(entry, None)
    algorithm = contents.record_algorithms.get(entry.name, "")
    collector = contents.binary_collector
    if contents.member_cache is None or keep or algorithm or _is_for_one_python(entry.name):
        return _unpack_member(stream, entry, contents, algorithm, keep=keep).member
    contents.budget.start_unpacking()
    key = facts_member_cache.compute_member_key(
        stream, entry, symbols=collector.symbols if collector else None
    )
    contents.budget.stop_unpacking()
    cached = contents.member_cache.get_or_claim(key, wait=wait)
    if cached and cached.scan_depth not in {None, contents.scan_depth}:
        return _unpack_member(stream, entry, contents, algorithm, keep=keep).member
    if cached:
        _add_text_facts(cached.text_facts, cached.source, entry, contents)
        if cached.binary and collector:
            collector.add_cached(cached.binary)
            for resource, amount in cached.budget_costs.items():
                contents.budget.count_items(resource, amount)
        return cached.member
    facts_before = len(contents.anomalies)
    try:
        cached = _unpack_member(stream, entry, contents, algorithm, keep=keep)
        return cached.member
    finally:
        # Do not cache unread compiled code: reading it may have failed because of earlier members.
        if cached and (
            len(contents.anomalies) > facts_before or (cached.binary and cached.binary.unread_reason)
        ):
            cached = None
        contents.member_cache.release(key, cached)


def _is_for_one_python(name: str) -> bool:
    """Return whether a member is a compiled module that no wheel for another Python contains."""
    path = parse_module_path(name)
    return path is not None and path.tag.startswith(("cpython-", "cp", "pypy", "graalpy"))


def _unpack_member(
    stream: BinaryIO, entry: ZipEntry, contents: ZipContent, algorithm: str, *, keep: bool
) -> CachedMember:
    unpacked = binary = None
    consumers: list[Callable[[bytes], None]] = []
    scanner = None
    if contents.scans:
        is_wheel = contents.binary_collector is not None
        scanner = text_scanner.TextScanner(
            entry.name, entry.size, contents.budget, contents.scan_depth, finds_obfuscation=is_wheel
        )
        consumers.append(scanner.feed)
    if contents.binary_collector:
        consumers.append(contents.binary_collector.begin_member(entry.name, entry.size))
    try:
        unpacked = decompress.decompress_member(
            stream, entry, keep=keep, algorithm=algorithm, consumers=consumers, budget=contents.budget
        )
    except decompress.CorruptMember as error:
        contents.add_anomaly(error.kind, str(error), entry.name)
    if scanner:
        scanner.finish(unpacked.crc if unpacked else None)
        if scanner.obfuscation_tool:
            contents.add_anomaly("obfuscated", f"it was encrypted by {scanner.obfuscation_tool}", entry.name)
    if unpacked and unpacked.crc != entry.crc:
        contents.add_anomaly(
            "bad-crc", f"its CRC is {unpacked.crc:08x}, but its record has {entry.crc:08x}", entry.name
        )
    costs: dict[str, int] = {}
    if unpacked and contents.binary_collector:
        if receive := contents.binary_collector.find_missing_parts():
            _read_again(stream, entry, receive, contents.budget)
        binary, costs = contents.binary_collector.end_member_with_costs()
    if unpacked and unpacked.data is not None:
        contents.budget.reserve_memory(len(unpacked.data))
        contents.retained_members[entry.name] = unpacked.data
    if scanner is None:
        return CachedMember(_as_member(entry, unpacked), binary)
    if unpacked:
        _add_text_facts(scanner.facts, scanner.source, entry, contents)
    member = _as_member(entry, unpacked, scanner.source_facts)
    return CachedMember(member, binary, costs, scanner.facts, scanner.source, contents.scan_depth)


def _add_text_facts(
    facts: tuple[TextFact, ...], source: bytes | None, entry: ZipEntry, contents: ZipContent
) -> None:
    if facts:
        contents.budget.count_items("remarks", len(facts))
        contents.text_facts += facts
    if source is None or len(source) > contents.free_source_size:
        return
    contents.free_source_size -= len(source)
    contents.budget.reserve_memory(len(source))
    contents.sources[entry.name] = source


def _read_again(stream: BinaryIO, entry: ZipEntry, receive: Callable[[bytes], None], budget: Budget) -> None:
    """Pass the chunks of the member of ``entry`` to ``receive``. What is wrong with them is known already."""
    budget.start_unpacking()
    try:
        with contextlib.suppress(decompress.CorruptMember):
            for chunk in decompress.iter_member_chunks(stream, entry):
                receive(chunk)
    finally:
        budget.stop_unpacking()


def _as_member(
    entry: ZipEntry, unpacked: DecompressedMember | None, source: SourceFacts = NO_FACTS
) -> WheelMember:
    return WheelMember(
        name=entry.name,
        raw_name=entry.raw_name,
        size=entry.size,
        compressed_size=entry.compressed_size,
        actual_size=unpacked.size if unpacked else 0,
        crc=entry.crc,
        actual_crc=unpacked.crc if unpacked else 0,
        sha256=unpacked.sha256 if unpacked else "",
        compression_method=entry.method,
        flags=entry.flags,
        mode=entry.mode,
        first_bytes=unpacked.head if unpacked else b"",
        other_digest=unpacked.other_digest if unpacked else "",
        text_crc=source.text_crc,
        declared_version=source.version,
    )


def is_decompression_bomb(unpacked: int, packed: int) -> bool:
    """Return whether PyPI treats an archive of these sizes, in bytes, as a decompression bomb."""
    return unpacked > BOMB_SIZE and unpacked > BOMB_RATIO * packed


def describe_non_archive(head: bytes, size: int) -> str:
    """Return what a file that is not an archive contains, judged by its first bytes; empty if unknown."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if size == 0:
        return "the file is empty"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is an HTML page, such as a login or error page, saved under this name"
    if start.startswith(b"<"):
        return "it is an XML document, such as a storage server's error response, saved under this name"
    if start.startswith(b"{"):
        return "it is JSON, such as a server's error response, saved under this name"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file that it points to"
    return ""
