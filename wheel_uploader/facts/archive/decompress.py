"""Decompress one member of a ZIP, compute its CRC and hashes, and require the stream to end exactly."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import BinaryIO, NamedTuple, Protocol

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.formatting import format_count, format_verb
from wheel_uploader.facts.archive.zip_structures import STORED, ZipEntry

zlib_module: ModuleType = zlib
with contextlib.suppress(ImportError):
    # It accepts and rejects the same streams as zlib in half the time, but not every platform has it. isal is
    # as fast, but accepts some streams that zlib, and therefore every installer, rejects.
    from zlib_ng import zlib_ng

    zlib_module = zlib_ng


class _Decompressor(Protocol):
    """A decompressor of one raw deflate stream, which keeps the input that it has not used yet."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _PortableDecompressor:
    """A decompressor for the zlib of Python 3.11, which lacks ``_ZlibDecompressor``."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        """True after the end of the stream."""
        return self._decompressor.eof

    @property
    def needs_input(self) -> bool:
        """True if all input was used, and the stream has not ended."""
        return not (self._decompressor.eof or self._decompressor.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        """The input after the end of the stream."""
        return self._decompressor.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return the next bytes, at most ``max_length``; pass data only if ``needs_input``."""
        return self._decompressor.decompress(data or self._decompressor.unconsumed_tail, max_length)


def _make_decompressor() -> _Decompressor:
    """Return the fastest decompressor that this Python has."""
    # decompressobj copies the input that is left after each call, which takes a tenth of the time.
    buffering = getattr(zlib_module, "_ZlibDecompressor", None)
    decompressor: _Decompressor = buffering(-zlib.MAX_WBITS) if buffering else _PortableDecompressor()
    return decompressor


#: Bytes read and decompressed at a time. zlib and hashlib release the GIL while they process large chunks.
CHUNK_SIZE = 256 << 10
#: Bytes kept of the beginning of every member.
HEAD_SIZE = 64


class CorruptMember(Exception):
    """The bytes of a member contradict its central directory record; ``kind`` is the kind of the fact."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class DecompressedMember(NamedTuple):
    """The result of decompressing a member to its end."""

    size: int
    crc: int
    sha256: str
    #: ``algorithm=hex`` of the additional hash that was requested, or empty.
    other_digest: str
    head: bytes
    #: All bytes of the member, if the caller asked to keep them.
    data: bytes | None


def decompress_member(
    stream: BinaryIO,
    entry: ZipEntry,
    *,
    keep: bool,
    algorithm: str = "",
    consumers: Sequence[Callable[[bytes], None]] = (),
    budget: Budget | None = None,
) -> DecompressedMember:
    """Decompress the member of ``entry`` and return its size, hashes and, with ``keep``, its bytes.

    The caller must limit the size of a member to keep. ``algorithm`` is the hashlib name of a hash to
    compute in addition to sha256; every chunk is passed to each of ``consumers``, which must do no more than
    copy bytes, since their time counts as unpacking. Raises CorruptMember, after at most one byte more than
    the record declares.
    """
    budget = budget or Budget()
    budget.start_unpacking()
    try:
        return _decompress(stream, entry, keep, algorithm, consumers)
    finally:
        budget.stop_unpacking()


def _decompress(
    stream: BinaryIO,
    entry: ZipEntry,
    keep: bool,
    algorithm: str,
    consumers: Sequence[Callable[[bytes], None]],
) -> DecompressedMember:
    stream.seek(entry.data_offset)
    sha256 = hashlib.sha256()
    second_hash = hashlib.new(algorithm) if algorithm else None
    crc = size = 0
    head = b""
    retained: list[bytes] = []
    for chunk in _read_stored(stream, entry) if entry.method == STORED else _read_deflated(stream, entry):
        crc = zlib_module.crc32(chunk, crc)
        sha256.update(chunk)
        if second_hash:
            second_hash.update(chunk)
        if keep:
            retained.append(chunk)
        for consume in consumers:
            consume(chunk)
        head = head or chunk[:HEAD_SIZE]
        size += len(chunk)
    return DecompressedMember(
        size=size,
        crc=crc,
        sha256=sha256.hexdigest(),
        other_digest=f"{algorithm}={second_hash.hexdigest()}" if second_hash else "",
        head=head,
        data=b"".join(retained) if keep else None,
    )


def iter_member_chunks(stream: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    """Yield the bytes of the member of ``entry``.

    Raises CorruptMember as ``decompress_member`` does, and after the last chunk for a wrong CRC.
    """
    stream.seek(entry.data_offset)
    crc = 0
    for chunk in _read_stored(stream, entry) if entry.method == STORED else _read_deflated(stream, entry):
        crc = zlib_module.crc32(chunk, crc)
        yield chunk
    if crc != entry.crc:
        raise CorruptMember("bad-crc", "its CRC differs from the one in its record")


def _read_stored(stream: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    if entry.compressed_size != entry.size:
        raise CorruptMember(
            "headers-disagree",
            f"it is stored uncompressed in {format_count(entry.compressed_size, 'byte')}, "
            f"but declares {entry.size}",
        )
    remaining = entry.size
    while remaining:
        chunk = stream.read(min(remaining, CHUNK_SIZE))
        if not chunk:
            raise CorruptMember("bad-crc", "its data is truncated")
        remaining -= len(chunk)
        yield chunk


def _read_deflated(stream: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    decompressor = _make_decompressor()
    remaining = entry.compressed_size
    capacity = entry.size
    while not decompressor.eof:
        data = b""
        if decompressor.needs_input and remaining:
            data = stream.read(min(remaining, CHUNK_SIZE))
            remaining = remaining - len(data) if data else 0
        try:
            # One byte more than the declared size is enough to show that the size is wrong.
            chunk = decompressor.decompress(data, min(capacity + 1, 4 * CHUNK_SIZE))
        except zlib_module.error as error:
            raise CorruptMember("bad-crc", f"it cannot be decompressed ({error})") from None
        if len(chunk) > capacity:
            raise CorruptMember(
                "hidden-deflate-data",
                f"it unpacks to more than the {format_count(entry.size, 'byte')} that it declares",
            )
        capacity -= len(chunk)
        if chunk:
            yield chunk
        elif decompressor.needs_input and not remaining:
            raise CorruptMember("bad-crc", "its compressed data ends before the end-of-stream marker")
    if extra := len(decompressor.unused_data) + remaining:
        follow = f"{format_count(extra, 'byte')} {format_verb(extra, 'follow')}"
        raise CorruptMember("hidden-deflate-data", f"{follow} the end of its compressed stream")
    if capacity:
        raise CorruptMember(
            "bad-crc", f"it unpacks to {format_count(entry.size - capacity, 'byte')}, not {entry.size}"
        )
