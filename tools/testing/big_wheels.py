"""Writes wheels of any size for the benchmarks, in one pass and as sparse files where the bytes are zeros."""

from __future__ import annotations

import base64
import hashlib
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tools.testing import binaries, wheels

CHUNK_SIZE = 1 << 20
_ZIP64_SENTINEL = 0xFFFFFFFF
#: 1980-01-01 in the DOS format.
_DOS_DATE = 0x21

STORED, DEFLATED, NATIVE = "stored", "deflated", "native"
KINDS = (STORED, DEFLATED, NATIVE)


class _WrittenMember(NamedTuple):
    """A written member, with the fields that its central directory record needs."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    header: int


def make(folder: Path, size: int, kind: str = STORED, tag: str = "") -> Path:
    """Write a valid wheel of dipy 1.11.0 with one large member of about ``size`` bytes; return its path.

    ``stored``: uncompressed zeros, which are holes in the file; ``deflated``: text that compresses to about a
    third; ``native``: an ELF library that consists of padding, deflated to about a third.
    """
    tag = tag or (
        "cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64" if kind == NATIVE else "py3-none-any"
    )
    member = f"dipy/core{'.cpython-312-x86_64-linux-gnu.so' if kind == NATIVE else '.bin'}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheels.wheel_filename("dipy", "1.11.0", tag)
    small_members = wheels.wheel_members(tag=tag)
    with path.open("wb") as file:
        digest, length, large_member = _write_large_member(file, member, size, kind)
        encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        record = f"{member},sha256={encoded},{length}\n".encode()
        small_members["dipy-1.11.0.dist-info/RECORD"] = record + small_members["dipy-1.11.0.dist-info/RECORD"]
        written = [
            large_member,
            *(_write_small_member(file, name, data) for name, data in small_members.items()),
        ]
        _write_central_directory(file, written)
    return path


def _generate_chunks(size: int, kind: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield each chunk of the large member, uncompressed and compressed."""
    if kind == STORED:
        for start in range(0, size, CHUNK_SIZE):
            chunk = bytes(min(CHUNK_SIZE, size - start))
            yield chunk, chunk
        return
    # A full flush resets the compressor, so that one compressed chunk can be written repeatedly.
    compressor = zlib.compressobj(1, zlib.DEFLATED, -15)
    if kind == NATIVE:
        head = binaries.extension("manylinux_2_17_x86_64")[1]
        yield head, compressor.compress(head) + compressor.flush(zlib.Z_FULL_FLUSH)
    random_source = random.Random(1)
    words = [random_source.randbytes(6).hex() for _ in range(4000)]
    text = " ".join(random_source.choice(words) for _ in range(CHUNK_SIZE // 13 + 1)).encode()[:CHUNK_SIZE]
    packed = compressor.compress(text) + compressor.flush(zlib.Z_FULL_FLUSH)
    for _ in range(max(1, size // CHUNK_SIZE)):
        yield text, packed
    yield b"", compressor.flush()


def _write_large_member(out: IO[bytes], name: str, size: int, kind: str) -> tuple[bytes, int, _WrittenMember]:
    """Write the large member; return its SHA-256, its size, and its fields for the central directory."""
    method = 0 if kind == STORED else 8
    start = out.tell() + _get_header_length(name, zip64=True)
    sha256, crc, length, packed_length = hashlib.sha256(), 0, 0, 0
    for plain, compressed in _generate_chunks(size, kind):
        sha256.update(plain)
        crc = zlib.crc32(plain, crc)
        out.seek(start + packed_length)
        if kind != STORED:
            out.write(compressed)
        length, packed_length = length + len(plain), packed_length + len(compressed)
    out.seek(start - _get_header_length(name, zip64=True))
    member = _WrittenMember(name, method, crc, packed_length, length, out.tell())
    out.write(_build_local_header(member, zip64=True))
    out.truncate(start + packed_length)
    out.seek(start + packed_length)
    return sha256.digest(), length, member


def _write_small_member(out: IO[bytes], name: str, data: bytes) -> _WrittenMember:
    member = _WrittenMember(name, 0, zlib.crc32(data), len(data), len(data), out.tell())
    out.write(_build_local_header(member, zip64=False) + data)
    return member


# --- ZIP structures ----------------------------------------------------------------------------------


def _get_header_length(name: str, *, zip64: bool) -> int:
    return 30 + len(name.encode()) + (20 if zip64 else 0)


def _build_local_header(member: _WrittenMember, *, zip64: bool) -> bytes:
    name = member.name.encode()
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.packed) if zip64 else b""
    sizes = (_ZIP64_SENTINEL, _ZIP64_SENTINEL) if zip64 else (member.packed, member.size)
    fields = (45 if zip64 else 20, 0, member.method, 0, _DOS_DATE, member.crc, *sizes, len(name), len(extra))
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + extra


def _write_central_directory(out: IO[bytes], members: list[_WrittenMember]) -> None:
    start = out.tell()
    for member in members:
        fields = (member.size, member.packed, member.header)
        zip64_values = [value for value in fields if value >= _ZIP64_SENTINEL]
        extra = (
            struct.pack(f"<HH{len(zip64_values)}Q", 1, 8 * len(zip64_values), *zip64_values)
            if zip64_values
            else b""
        )
        size, packed, header = (min(value, _ZIP64_SENTINEL) for value in fields)
        name = member.name.encode()
        fixed_fields = (0x300 | 45, 45, 0, member.method, 0, _DOS_DATE, member.crc, packed, size)
        variable_fields = (len(name), len(extra), 0, 0, 0, 0o100644 << 16, header)
        out.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", *fixed_fields, *variable_fields) + name + extra)
    count, size = len(members), out.tell() - start
    if start >= _ZIP64_SENTINEL:
        end = out.tell()
        values = (44, 0x300 | 45, 45, 0, 0, count, count, size, start)
        out.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", *values))
        out.write(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
    out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, min(start, _ZIP64_SENTINEL), 0))
