"""Members that lie in several wheels of a release, byte for byte: each is unpacked once.

The wheels of a release differ in their compiled code; the rest, and a bundled library for one platform, is
packed into each of them anew, and comes out as the same bytes. Of numpy that is two thirds.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

from wheel_uploader.archive.ziprecords import SAID, Entry, read_at
from wheel_uploader.models import Member, NativeFacts
from wheel_uploader.native.collect import text_length

#: Bytes read at a time.
_CHUNK = 256 << 10
#: Bytes of memory for all of them, and about how many one takes with its key.
_ROOM = 16 << 20
_EACH = 1 << 10

#: All that a record says of a member, what was looked for in it, and the sha256 of its packed bytes.
Key = tuple[object, ...]


class Known(NamedTuple):
    """What came of a member that could be read to its end, and of which there is nothing to be told."""

    member: Member
    native: NativeFacts | None
    #: What the compiled code in it takes of a file's budget.
    costs: Mapping[str, int] = MappingProxyType({})


class Busy(Exception):
    """Another thread is unpacking this very member."""


class Repeats:
    """The members that were unpacked in this run, for all of its threads."""

    def __init__(self) -> None:
        self._known: dict[Key, Known] = {}
        self._room = _ROOM
        self._claimed: set[Key] = set()
        self._released = threading.Condition()

    def claim(self, key: Key, *, patient: bool) -> Known | None:
        """What came of the very same bytes under the very same record; None: the caller is to unpack them.

        Whoever gets None has to ``release`` it. Raises Busy when another thread has it, unless ``patient``.
        """
        if known := self._known.get(key):
            return known
        with self._released:
            while key in self._claimed:
                if not patient:
                    raise Busy
                self._released.wait()
            if known := self._known.get(key):
                return known
            self._claimed.add(key)
        return None

    def release(self, key: Key, known: Known | None) -> None:
        """It was unpacked; ``known`` is remembered while there is room."""
        with self._released:
            if known:
                size = _EACH + 2 * len(known.member.name)
                size += text_length(known.native) if known.native else 0
                if size <= self._room:
                    self._room -= size
                    self._known[key] = known
            self._claimed.discard(key)
            self._released.notify_all()


def key(stream: BinaryIO, entry: Entry, *, symbols: bool) -> Key:
    """What tells the member of ``entry`` from every other; where it lies in the file is no part of it."""
    digest = hashlib.sha256(read_at(stream, entry.data, min(entry.compressed_size, _CHUNK)))
    left = entry.compressed_size - _CHUNK
    while left > 0 and (piece := stream.read(min(left, _CHUNK))):
        digest.update(piece)
        left -= len(piece)
    return (*entry[:SAID], symbols, digest.digest())
