"""Cache the results for members that several wheels of a release contain, so that each is decompressed once.

The wheels of a release differ in their compiled code. Everything else, and any library bundled for one
platform, is compressed into each wheel again and decompresses to the same bytes: two thirds of numpy, for
example.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from wheel_uploader.core.models import BinaryFacts, TextFact, WheelMember
from wheel_uploader.facts.archive.text_scanner import ScanDepth
from wheel_uploader.facts.archive.zip_structures import DECLARED_FIELDS, ZipEntry, read_at
from wheel_uploader.facts.binaries.collector import estimate_string_memory

#: Bytes read at a time.
_CHUNK_SIZE = 256 << 10
#: Bytes of memory for the whole cache, and roughly for one cached member with its key.
_MAX_MEMORY = 16 << 20
_MEMORY_PER_MEMBER = 1 << 10

#: The fields of a central directory record, whether symbols are read, and the sha256 of the compressed bytes.
MemberKey = tuple[object, ...]


class CachedMember(NamedTuple):
    """The result for a member that was read to its end without a fact to report."""

    member: WheelMember
    binary: BinaryFacts | None
    #: Amounts that reading its compiled code takes from the budget of a file.
    budget_costs: Mapping[str, int] = MappingProxyType({})
    text_facts: tuple[TextFact, ...] = ()
    #: The contents, if the checks may have to parse them.
    source: bytes | None = None
    #: How thoroughly it was scanned, which depends on the rest of its archive; None if that does not matter.
    scan_depth: ScanDepth | None = None


class InProgress(Exception):
    """Another thread is decompressing the same member."""


class MemberCache:
    """A cache of the members decompressed in this run, shared by all threads."""

    def __init__(self) -> None:
        self._cached: dict[MemberKey, CachedMember] = {}
        self._free_memory = _MAX_MEMORY
        self._claimed: set[MemberKey] = set()
        self._released = threading.Condition()

    def get_or_claim(self, key: MemberKey, *, wait: bool) -> CachedMember | None:
        """Return the cached result for ``key``, or None if the caller must decompress the member itself.

        After None, the caller must call ``release``. If another thread is decompressing the member, wait for
        it if ``wait``, else raise InProgress.
        """
        if cached := self._cached.get(key):
            return cached
        with self._released:
            while key in self._claimed:
                if not wait:
                    raise InProgress
                self._released.wait()
            if cached := self._cached.get(key):
                return cached
            self._claimed.add(key)
        return None

    def release(self, key: MemberKey, result: CachedMember | None) -> None:
        """End a claim on ``key``, and cache ``result`` if there is room for it."""
        with self._released:
            if result:
                size = _MEMORY_PER_MEMBER + 2 * len(result.member.name)
                size += estimate_string_memory(result.binary) if result.binary else 0
                size += len(result.source or b"")
                if size <= self._free_memory:
                    self._free_memory -= size
                    self._cached[key] = result
            self._claimed.discard(key)
            self._released.notify_all()


def compute_member_key(stream: BinaryIO, entry: ZipEntry, *, symbols: bool | None) -> MemberKey:
    """Return the cache key for the member of ``entry``, which does not depend on its offset in the file.

    ``symbols`` is None if nothing but its size and hashes is read.
    """
    digest = hashlib.sha256(read_at(stream, entry.data_offset, min(entry.compressed_size, _CHUNK_SIZE)))
    remaining = entry.compressed_size - _CHUNK_SIZE
    while remaining > 0 and (chunk := stream.read(min(remaining, _CHUNK_SIZE))):
        digest.update(chunk)
        remaining -= len(chunk)
    return (*entry[:DECLARED_FIELDS], symbols, digest.digest())
