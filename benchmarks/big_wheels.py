"""Wheels of any size for the benchmarks, written in one pass and with holes where the bytes are zeros."""

from __future__ import annotations

import base64
import hashlib
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tests import binaries, wheels

PIECE = 1 << 20
_FULL = 0xFFFFFFFF
#: 1980-01-01.
_DATE = 0x21

STORED, DEFLATED, NATIVE = "stored", "deflated", "native"
KINDS = (STORED, DEFLATED, NATIVE)


class _Written(NamedTuple):
    """One member, as its record in the directory needs it."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    header: int


def make(folder: Path, size: int, kind: str = STORED, tag: str = "") -> Path:
    """A good wheel of dipy 1.11.0 whose one large member has about ``size`` bytes unpacked.

    ``stored``: zeros, as they are, which are holes in the file; ``deflated``: text that packs to about a
    third; ``native``: an ELF library that is all padding, deflated to about a third.
    """
    tag = tag or (
        "cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64" if kind == NATIVE else "py3-none-any"
    )
    member = f"dipy/core{'.cpython-312-x86_64-linux-gnu.so' if kind == NATIVE else '.bin'}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheels.wheel_filename("dipy", "1.11.0", tag)
    small = wheels.wheel_members(tag=tag)
    with path.open("wb") as file:
        digest, length, large = _large(file, member, size, kind)
        encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        record = f"{member},sha256={encoded},{length}\n".encode()
        small["dipy-1.11.0.dist-info/RECORD"] = record + small["dipy-1.11.0.dist-info/RECORD"]
        written = [large, *(_small(file, name, data) for name, data in small.items())]
        _directory(file, written)
    return path


def _pieces(size: int, kind: str) -> Iterator[tuple[bytes, bytes]]:
    """Each piece of the large member, unpacked and packed."""
    if kind == STORED:
        for start in range(0, size, PIECE):
            piece = bytes(min(PIECE, size - start))
            yield piece, piece
        return
    # A full flush forgets what came before, so that one packed piece can be written again and again.
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    if kind == NATIVE:
        head = binaries.extension("manylinux_2_17_x86_64")[1]
        yield head, packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    chance = random.Random(1)
    words = [chance.randbytes(6).hex() for _ in range(4000)]
    text = " ".join(chance.choice(words) for _ in range(PIECE // 13 + 1)).encode()[:PIECE]
    packed = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(max(1, size // PIECE)):
        yield text, packed
    yield b"", packer.flush()


def _large(out: IO[bytes], name: str, size: int, kind: str) -> tuple[bytes, int, _Written]:
    """Write the large member; its sha256 and size, and what the directory needs."""
    method = 0 if kind == STORED else 8
    start = out.tell() + _header_length(name, wide=True)
    sha256, crc, length, packed = hashlib.sha256(), 0, 0, 0
    for plain, coded in _pieces(size, kind):
        sha256.update(plain)
        crc = zlib.crc32(plain, crc)
        out.seek(start + packed)
        if kind != STORED:
            out.write(coded)
        length, packed = length + len(plain), packed + len(coded)
    out.seek(start - _header_length(name, wide=True))
    large = _Written(name, method, crc, packed, length, out.tell())
    out.write(_header(large, wide=True))
    out.truncate(start + packed)
    out.seek(start + packed)
    return sha256.digest(), length, large


def _small(out: IO[bytes], name: str, data: bytes) -> _Written:
    written = _Written(name, 0, zlib.crc32(data), len(data), len(data), out.tell())
    out.write(_header(written, wide=False) + data)
    return written


# --- records of the ZIP ------------------------------------------------------------------------------


def _header_length(name: str, *, wide: bool) -> int:
    return 30 + len(name.encode()) + (20 if wide else 0)


def _header(member: _Written, *, wide: bool) -> bytes:
    name = member.name.encode()
    extra = struct.pack("<HHQQ", 1, 16, member.size, member.packed) if wide else b""
    sizes = (_FULL, _FULL) if wide else (member.packed, member.size)
    fields = (45 if wide else 20, 0, member.method, 0, _DATE, member.crc, *sizes, len(name), len(extra))
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + extra


def _directory(out: IO[bytes], members: list[_Written]) -> None:
    start = out.tell()
    for member in members:
        large = (member.size, member.packed, member.header)
        wide = [value for value in large if value >= _FULL]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        size, packed, header = (min(value, _FULL) for value in large)
        name = member.name.encode()
        made = (0x300 | 45, 45, 0, member.method, 0, _DATE, member.crc, packed, size)
        where = (len(name), len(extra), 0, 0, 0, 0o100644 << 16, header)
        out.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", *made, *where) + name + extra)
    count, size = len(members), out.tell() - start
    if start >= _FULL:
        end = out.tell()
        values = (44, 0x300 | 45, 45, 0, 0, count, count, size, start)
        out.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", *values))
        out.write(struct.pack("<4sLQL", b"PK\6\7", 0, end, 1))
    out.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, min(start, _FULL), 0))
