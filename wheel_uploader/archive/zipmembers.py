"""Read the members of a ZIP, each once: declared and actual sizes and hashes, and the bytes to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

from wheel_uploader.archive import inflate, obfuscation, pkginfo_reader, record, repeats, zipwalk
from wheel_uploader.archive.inflate import Unpacked
from wheel_uploader.archive.repeats import Busy, Known, Repeats
from wheel_uploader.archive.ziprecords import Entry, Walk
from wheel_uploader.budget import Budget
from wheel_uploader.display import human_size
from wheel_uploader.models import Fact, Member
from wheel_uploader.native.collect import Natives

#: PyPI's rule for decompression bombs: more than this many unpacked bytes, and a ratio above 50 to 1.
BOMB_SIZE = 64 << 20
BOMB_RATIO = 50
#: Largest size of a member that is kept, by the last part of its name, and for others below .dist-info.
KEEP = {"METADATA": 2 << 20, "PKG-INFO": 2 << 20, "RECORD": 16 << 20}
KEEP_OTHERS = 64 << 10
#: Bytes kept of all members of one archive.
KEEP_ALL = 24 << 20


class Unzipped:
    """The members, facts and kept bytes of one ZIP while it is being read."""

    def __init__(self, walk: Walk, collector: Natives | None, member_cache: Repeats | None) -> None:
        self.entries = walk.entries
        self.facts = walk.facts
        self.note = walk.note
        self.budget = walk.budget
        #: Receives every member to find compiled code.
        self.natives = collector
        self.known = member_cache
        self.members: list[Member] = []
        self.kept: dict[str, bytes] = {}
        #: Path to hashlib name, for the rows of RECORD that do not use sha256.
        self.algorithms: dict[str, str] = {}

    def sort(self, ranks: Mapping[str, int], *, after: int) -> None:
        """Sort the facts from index ``after`` on, and compiled code, by the ``ranks`` of their members."""
        self.facts[after:] = sorted(self.facts[after:], key=lambda fact: ranks[fact.member or ""])
        if self.natives:
            self.natives.sort(ranks)


def unzip(
    stream: BinaryIO,
    size: int,
    budget: Budget,
    collector: Natives | None = None,
    member_cache: Repeats | None = None,
) -> Unzipped:
    """Read every member of the ZIP of ``size`` bytes. Raises Exhausted if ``budget`` is used up."""
    contents = Unzipped(zipwalk.walk(stream, size, budget), collector, member_cache)
    if not contents.entries:
        stream.seek(0)
        if description := what_it_is(stream.read(512), size):
            contents.facts[:] = [Fact(kind="unreadable", message=description)]
    total = sum(entry.size for entry in contents.entries)
    skips_members = is_bomb(total, size)
    if skips_members:
        contents.note(
            "bomb", f"{human_size(size)} unpack to {human_size(total)}, so its members were not read"
        )
    retained_names = _select_retained(contents)
    members: dict[int, Member] = {}
    # Read RECORD first, because it says which hashes are needed; then in file order, for sequential reads.
    read_order = sorted(
        range(len(contents.entries)),
        key=lambda index: (
            not contents.entries[index].name.endswith(".dist-info/RECORD"),
            contents.entries[index].data,
        ),
    )
    fact_count = len(contents.facts)
    deferred: list[int] = []
    for index in read_order:
        entry = contents.entries[index]
        keep = entry.name in retained_names
        try:
            members[index] = _read_member(stream, entry, contents, keep=keep, skip=skips_members and not keep)
        except Busy:
            deferred.append(index)
        if keep and entry.name.endswith(".dist-info/RECORD") and (data := contents.kept.get(entry.name)):
            rows = record.parse(data).rows
            contents.algorithms = {
                row.path: row.algorithm for row in rows if row.algorithm != "sha256" and row.digest
            }
    for index in deferred:
        members[index] = _read_member(
            stream, contents.entries[index], contents, keep=False, skip=False, wait=True
        )
    budget.enter(None)
    if deferred:
        contents.sort(
            {contents.entries[index].name: rank for rank, index in enumerate(read_order)}, after=fact_count
        )
    contents.members = [members[index] for index in range(len(contents.entries))]
    return contents


def _select_retained(contents: Unzipped) -> set[str]:
    """Return the names of the members whose bytes are kept: small ones that a check or pkginfo reads."""
    retained_names: set[str] = set()
    retained_size = 0
    for entry in contents.entries:
        directory, _, inner_path = entry.name.partition("/")
        basename = entry.name.rpartition("/")[2]
        if not (directory.endswith(".dist-info") and inner_path) and not pkginfo_reader.may_read(entry.name):
            continue
        if entry.size <= min(KEEP.get(basename, KEEP_OTHERS), KEEP_ALL - retained_size):
            retained_names.add(entry.name)
            retained_size += entry.size
        elif basename in {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} and inner_path == basename:
            contents.note(
                "too-big", f"it has {human_size(entry.size)}, more than any reader should accept", entry.name
            )
    return retained_names


def _read_member(
    stream: BinaryIO, entry: Entry, contents: Unzipped, *, keep: bool, skip: bool, wait: bool = False
) -> Member:
    """Read one member. Raises Busy if another thread is reading the same one, unless it may ``wait``."""
    contents.budget.enter(entry.name)
    # The cost of opening any member, whatever its contents.
    contents.budget.tick(4)
    if entry.data < 0 or skip:
        return _as_member(entry, None)
    algorithm = contents.algorithms.get(entry.name, "")
    if not (contents.known and contents.natives) or keep or algorithm:
        return _unpack_member(stream, entry, contents, algorithm, keep=keep).member
    contents.budget.start_unpacking()
    key = repeats.key(stream, entry, symbols=contents.natives.symbols)
    contents.budget.stop_unpacking()
    cached = contents.known.claim(key, patient=wait)
    if cached:
        if cached.native:
            contents.natives.again(cached.native)
            for resource, amount in cached.costs.items():
                contents.budget.spend(resource, amount)
        return cached.member
    facts_before = len(contents.facts)
    try:
        cached = _unpack_member(stream, entry, contents, algorithm, keep=keep)
        return cached.member
    finally:
        # Do not cache unread compiled code: reading it may have failed because of earlier members.
        if cached and (len(contents.facts) > facts_before or (cached.native and cached.native.unread)):
            cached = None
        contents.known.release(key, cached)


def _unpack_member(
    stream: BinaryIO, entry: Entry, contents: Unzipped, algorithm: str, *, keep: bool
) -> Known:
    unpacked = binary = None
    detector = obfuscation.Marks()
    consumers: list[Callable[[bytes], None]] = []
    if contents.natives:
        consumers.append(contents.natives.begin(entry.name, entry.size))
        if obfuscation.may_be_encrypted(entry.name, entry.size):
            consumers.append(detector.feed)
    try:
        unpacked = inflate.unpack(
            stream, entry, keep=keep, algorithm=algorithm, consumers=consumers, budget=contents.budget
        )
    except inflate.Damaged as error:
        contents.note(error.kind, str(error), entry.name)
    if detector.tool:
        contents.note("obfuscated", f"it was encrypted by {detector.tool}", entry.name)
    if unpacked and unpacked.crc != entry.crc:
        contents.note(
            "bad-crc", f"its CRC is {unpacked.crc:08x}, but its record has {entry.crc:08x}", entry.name
        )
    costs: dict[str, int] = {}
    if unpacked and contents.natives:
        binary, costs = contents.natives.end_and_cost()
    if unpacked and unpacked.data is not None:
        contents.budget.keep(len(unpacked.data))
        contents.kept[entry.name] = unpacked.data
    return Known(_as_member(entry, unpacked), binary, costs)


def _as_member(entry: Entry, unpacked: Unpacked | None) -> Member:
    return Member(
        name=entry.name,
        raw_name=entry.raw_name,
        size=entry.size,
        compressed_size=entry.compressed_size,
        actual_size=unpacked.size if unpacked else 0,
        crc=entry.crc,
        actual_crc=unpacked.crc if unpacked else 0,
        sha256=unpacked.sha256 if unpacked else "",
        method=entry.method,
        flags=entry.flags,
        mode=entry.mode,
        head=unpacked.head if unpacked else b"",
        other_digest=unpacked.other_digest if unpacked else "",
    )


def is_bomb(unpacked: int, packed: int) -> bool:
    """Return whether PyPI treats an archive of these sizes, in bytes, as a decompression bomb."""
    return unpacked > BOMB_SIZE and unpacked > BOMB_RATIO * packed


def what_it_is(head: bytes, size: int) -> str:
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
