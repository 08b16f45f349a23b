"""One member's bytes, once: a stream that must end exactly, with CRC and hashes taken on the way."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import BinaryIO

from wheel_uploader.archive.ziprecords import STORED, Entry
from wheel_uploader.budget import Budget

codec: ModuleType = zlib
with contextlib.suppress(ImportError):
    # It takes and refuses the same streams in half the time; not every platform has it. isal, which is as
    # fast, takes some that zlib refuses, and so every installer.
    from zlib_ng import zlib_ng

    codec = zlib_ng

#: Bytes read, and unpacked, at a time. zlib and hashlib let other threads run during large pieces.
CHUNK = 256 << 10
#: Bytes that cost less to look at than a look at the clock.
_SMALL = 8 << 10
#: Bytes of a member's beginning that are kept of all members.
HEAD = 64


class Damaged(Exception):
    """The bytes of a member are not what its record promises; ``kind`` is that of the fact."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What a member's bytes are, when they could be unpacked to their end."""

    size: int
    crc: int
    sha256: str
    #: ``algorithm=hex`` of the other hash asked for, or empty.
    other_digest: str
    head: bytes
    #: The whole bytes, when they were to be kept.
    data: bytes | None


def unpack(
    stream: BinaryIO,
    entry: Entry,
    *,
    keep: bool,
    algorithm: str = "",
    feeds: Sequence[Callable[[bytes], None]] = (),
    budget: Budget | None = None,
) -> Unpacked:
    """Read the member of ``entry``; ``keep`` its bytes (the caller has looked at the size).

    ``algorithm`` is a hashlib name to be computed besides sha256; ``feeds`` get every piece. Raises
    Damaged, after at most one byte more than the record declares.
    """
    budget = budget or Budget()
    budget.start_unpacking()
    try:
        return _unpack(stream, entry, keep, algorithm, feeds, budget)
    finally:
        budget.stop_unpacking()


def _unpack(
    stream: BinaryIO,
    entry: Entry,
    keep: bool,
    algorithm: str,
    feeds: Sequence[Callable[[bytes], None]],
    budget: Budget,
) -> Unpacked:
    stream.seek(entry.data)
    sha256 = hashlib.sha256()
    other = hashlib.new(algorithm) if algorithm else None
    crc = size = 0
    head = b""
    kept: list[bytes] = []
    for piece in _stored(stream, entry) if entry.method == STORED else _inflated(stream, entry):
        crc = codec.crc32(piece, crc)
        sha256.update(piece)
        if other:
            other.update(piece)
        if keep:
            kept.append(piece)
        if len(piece) > _SMALL:
            budget.stop_unpacking()
            for feed in feeds:
                feed(piece)
            budget.start_unpacking()
        else:
            for feed in feeds:
                feed(piece)
        head = head or piece[:HEAD]
        size += len(piece)
    return Unpacked(
        size=size,
        crc=crc,
        sha256=sha256.hexdigest(),
        other_digest=f"{algorithm}={other.hexdigest()}" if other else "",
        head=head,
        data=b"".join(kept) if keep else None,
    )


def pieces(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The bytes of the member of ``entry``. Raises Damaged as ``unpack``, and at the end for a wrong CRC."""
    stream.seek(entry.data)
    crc = 0
    for piece in _stored(stream, entry) if entry.method == STORED else _inflated(stream, entry):
        crc = codec.crc32(piece, crc)
        yield piece
    if crc != entry.crc:
        raise Damaged("bad-crc", "its CRC is not the one that its record promises")


def _stored(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    if entry.compressed_size != entry.size:
        raise Damaged(
            "headers-disagree",
            f"it is stored as it is, in {entry.compressed_size} bytes, but has {entry.size}",
        )
    left = entry.size
    while left:
        piece = stream.read(min(left, CHUNK))
        if not piece:
            raise Damaged("bad-crc", "its bytes are cut off")
        left -= len(piece)
        yield piece


def _inflated(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    decoder = codec.decompressobj(-zlib.MAX_WBITS)
    left = entry.compressed_size
    room = entry.size
    waiting = b""
    while not decoder.eof:
        if not waiting and left:
            waiting = stream.read(min(left, CHUNK))
            left = left - len(waiting) if waiting else 0
        try:
            # One byte more than is declared is enough to know that there is more.
            piece = decoder.decompress(waiting, min(room + 1, 4 * CHUNK))
        except codec.error as error:
            raise Damaged("bad-crc", f"it cannot be unpacked ({error})") from None
        waiting = decoder.unconsumed_tail
        if len(piece) > room:
            raise Damaged(
                "hidden-deflate-data", f"it unpacks to more than the {entry.size} bytes that it declares"
            )
        room -= len(piece)
        if piece:
            yield piece
        elif not (waiting or left or decoder.eof):
            raise Damaged("bad-crc", "its compressed bytes end before their end mark")
    if rest := len(decoder.unused_data) + left:
        raise Damaged("hidden-deflate-data", f"{rest} bytes follow the end of its compressed stream")
    if room:
        raise Damaged("bad-crc", f"it unpacks to {entry.size - room} bytes, not {entry.size}")
