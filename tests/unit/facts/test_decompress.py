"""The two libraries that may inflate take and refuse the same streams, and find the same in them."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import zlib
from types import ModuleType

import pytest
import zlib_ng.zlib_ng

from wheel_uploader.facts.archive import decompress
from wheel_uploader.facts.archive.zip_structures import ZipEntry

#: Bytes read at a time: the end of a stream then falls on every place in a piece.
PIECES = (1, 7, 64, decompress.CHUNK_SIZE)


def outcome(
    codec: ModuleType, packed: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[object, ...]:
    monkeypatch.setattr(decompress, "zlib_module", codec)
    try:
        found = decompress.decompress_member(
            io.BytesIO(packed),
            ZipEntry("a", b"a", 0, 8, 0, len(packed), size, 0, 0, data_offset=0),
            keep=True,
        )
    except decompress.CorruptMember as error:
        # What each says of a damaged block differs; where streams end is said by us.
        return error.kind, "" if "decompressed" in str(error) else str(error)
    return found.size, found.crc, found.sha256, found.data


def streams(chance: random.Random) -> tuple[bytes, int]:
    """A stream and a declared size: good, cut, with a tail, with bits turned, or of the wrong size."""
    text = chance.choice([chance.randbytes(chance.randrange(400)), b"wheel " * chance.randrange(500)])
    packer = zlib.compressobj(chance.randrange(10), zlib.DEFLATED, -15, 9, chance.randrange(5))
    packed = bytearray(packer.compress(text))
    if chance.random() < 0.3:
        packed += packer.flush(zlib.Z_FULL_FLUSH)
    packed += packer.flush()
    match chance.randrange(6):
        case 0:
            packed += chance.randbytes(chance.randrange(1, 40))
        case 1:
            del packed[chance.randrange(len(packed)) :]
        case 2:
            return bytes(packed), max(0, len(text) + chance.choice([-1, 1]))
        case 3 | 4:
            packed[chance.randrange(min(len(packed), chance.choice([4, 80])))] ^= 1 << chance.randrange(8)
        case _:
            pass
    return bytes(packed), len(text)


def test_both_libraries_agree_on_every_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(6)
    kinds = set()
    for number in range(3000):
        packed, size = streams(chance)
        monkeypatch.setattr(decompress, "CHUNK_SIZE", PIECES[number % len(PIECES)])
        theirs = outcome(zlib, packed, size, monkeypatch)
        assert outcome(zlib_ng.zlib_ng, packed, size, monkeypatch) == theirs, (packed, size)
        kinds.add(theirs[0] if isinstance(theirs[0], str) else "whole")
    assert kinds == {"whole", "bad-crc", "hidden-deflate-data"}


@pytest.mark.parametrize("there", [True, False])
def test_the_faster_one_is_taken_where_it_is_installed(there: bool) -> None:
    hidden = "" if there else "sys.modules['zlib_ng'] = None;"
    script = (
        f"import sys; {hidden} from wheel_uploader.facts.archive import decompress; "
        "print(decompress.zlib_module.__name__)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ("zlib_ng.zlib_ng" if there else "zlib")
