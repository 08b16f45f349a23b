"""The members of a ZIP, each unpacked once: what is declared, what the bytes are, and what is kept."""

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

#: PyPI's rule for decompression bombs: more than this unpacked, and more than 50 : 1.
BOMB_SIZE = 64 << 20
BOMB_RATIO = 50
#: Bytes kept of one member, by the last part of its name; others below .dist-info have the last figure.
KEEP = {"METADATA": 2 << 20, "PKG-INFO": 2 << 20, "RECORD": 16 << 20}
KEEP_OTHERS = 64 << 10
#: Bytes kept of one archive.
KEEP_ALL = 24 << 20


class Unzipped:
    """Members, facts and kept bytes of one ZIP, as they are read."""

    def __init__(self, walk: Walk, natives: Natives | None, known: Repeats | None) -> None:
        self.entries = walk.entries
        self.facts = walk.facts
        self.note = walk.note
        self.budget = walk.budget
        #: What looks at every member for compiled code.
        self.natives = natives
        self.known = known
        self.members: list[Member] = []
        self.kept: dict[str, bytes] = {}
        #: Path to hashlib name, where RECORD does not use sha256.
        self.algorithms: dict[str, str] = {}

    def sort(self, ranks: Mapping[str, int], *, after: int) -> None:
        """As if the members had been read in the order of their ``ranks``: facts from ``after`` on."""
        self.facts[after:] = sorted(self.facts[after:], key=lambda fact: ranks[fact.member or ""])
        if self.natives:
            self.natives.sort(ranks)


def unzip(
    stream: BinaryIO,
    size: int,
    budget: Budget,
    natives: Natives | None = None,
    known: Repeats | None = None,
) -> Unzipped:
    """Read every member of the ZIP of ``size`` bytes. Raises Exhausted when ``budget`` does not last."""
    found = Unzipped(zipwalk.walk(stream, size, budget), natives, known)
    if not found.entries:
        stream.seek(0)
        if not_a_zip := what_it_is(stream.read(512), size):
            found.facts[:] = [Fact(kind="unreadable", message=not_a_zip)]
    total = sum(entry.size for entry in found.entries)
    bomb = is_bomb(total, size)
    if bomb:
        found.note("bomb", f"{human_size(size)} unpack to {human_size(total)}: its members were not read")
    wanted = _wanted(found)
    read: dict[int, Member] = {}
    # RECORD first: it says which hashes are needed. Then in the order of the file, which disks like.
    order = sorted(
        range(len(found.entries)),
        key=lambda at: (not found.entries[at].name.endswith(".dist-info/RECORD"), found.entries[at].data),
    )
    told = len(found.facts)
    later: list[int] = []
    for at in order:
        entry = found.entries[at]
        keep = entry.name in wanted
        try:
            read[at] = _read_member(stream, entry, found, keep=keep, skip=bomb and not keep)
        except Busy:
            later.append(at)
        if keep and entry.name.endswith(".dist-info/RECORD") and (data := found.kept.get(entry.name)):
            rows = record.parse(data).rows
            found.algorithms = {
                row.path: row.algorithm for row in rows if row.algorithm != "sha256" and row.digest
            }
    for at in later:
        read[at] = _read_member(stream, found.entries[at], found, keep=False, skip=False, patient=True)
    budget.enter(None)
    if later:
        found.sort({found.entries[at].name: rank for rank, at in enumerate(order)}, after=told)
    found.members = [read[at] for at in range(len(found.entries))]
    return found


def _wanted(found: Unzipped) -> set[str]:
    """The names of the members whose bytes are kept: small, and such as a check or pkginfo reads."""
    wanted: set[str] = set()
    total = 0
    for entry in found.entries:
        top, _, rest = entry.name.partition("/")
        last = entry.name.rpartition("/")[2]
        if not (top.endswith(".dist-info") and rest) and not pkginfo_reader.may_read(entry.name):
            continue
        if entry.size <= min(KEEP.get(last, KEEP_OTHERS), KEEP_ALL - total):
            wanted.add(entry.name)
            total += entry.size
        elif last in {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} and rest == last:
            found.note(
                "too-big", f"it has {human_size(entry.size)}, more than any reader should take", entry.name
            )
    return wanted


def _read_member(
    stream: BinaryIO, entry: Entry, found: Unzipped, *, keep: bool, skip: bool, patient: bool = False
) -> Member:
    """Read one; raises Busy when another thread has the same at hand, unless ``patient``."""
    found.budget.enter(entry.name)
    # What opening any member takes, whatever is in it.
    found.budget.tick(4)
    if entry.data < 0 or skip:
        return _as_member(entry, None)
    algorithm = found.algorithms.get(entry.name, "")
    if not (found.known and found.natives) or keep or algorithm:
        return _unpack_member(stream, entry, found, algorithm, keep=keep).member
    found.budget.start_unpacking()
    key = repeats.key(stream, entry, symbols=found.natives.symbols)
    found.budget.stop_unpacking()
    known = found.known.claim(key, patient=patient)
    if known:
        if known.native:
            found.natives.again(known.native)
            for what, count in known.costs.items():
                found.budget.spend(what, count)
        return known.member
    told_before = len(found.facts)
    try:
        known = _unpack_member(stream, entry, found, algorithm, keep=keep)
        return known.member
    finally:
        # What code could not be read may be due to all that was read before.
        if known and (len(found.facts) > told_before or (known.native and known.native.unread)):
            known = None
        found.known.release(key, known)


def _unpack_member(stream: BinaryIO, entry: Entry, found: Unzipped, algorithm: str, *, keep: bool) -> Known:
    unpacked = native = None
    marks = obfuscation.Marks()
    feeds: list[Callable[[bytes], None]] = []
    if found.natives:
        feeds.append(found.natives.begin(entry.name, entry.size))
        if obfuscation.may_be_encrypted(entry.name, entry.size):
            feeds.append(marks.feed)
    try:
        unpacked = inflate.unpack(
            stream, entry, keep=keep, algorithm=algorithm, feeds=feeds, budget=found.budget
        )
    except inflate.Damaged as error:
        found.note(error.kind, str(error), entry.name)
    if marks.tool:
        found.note("obfuscated", f"it was encrypted by {marks.tool}", entry.name)
    if unpacked and unpacked.crc != entry.crc:
        found.note("bad-crc", f"its CRC is {unpacked.crc:08x}, its record says {entry.crc:08x}", entry.name)
    costs: dict[str, int] = {}
    if unpacked and found.natives:
        native, costs = found.natives.end_and_cost()
    if unpacked and unpacked.data is not None:
        found.budget.keep(len(unpacked.data))
        found.kept[entry.name] = unpacked.data
    return Known(_as_member(entry, unpacked), native, costs)


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
    return unpacked > BOMB_SIZE and unpacked > BOMB_RATIO * packed


def what_it_is(head: bytes, size: int) -> str:
    """What a file that is no archive is, as far as its first bytes show; empty when they show nothing."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if size == 0:
        return "the file is empty"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is an HTML page, such as a login or an error page, that was saved under this name"
    if start.startswith(b"<"):
        return "it is an XML document, such as a storage server's error, that was saved under this name"
    if start.startswith(b"{"):
        return "it is JSON, such as a server's error, that was saved under this name"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file that it points to"
    return ""
