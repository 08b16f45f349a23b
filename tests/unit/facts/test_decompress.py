"""Both decompression libraries accept the same streams, with the same results and errors."""

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

#: Bytes per read, so that a stream ends at every position of a chunk.
CHUNK_SIZES = (1, 7, 64, decompress.CHUNK_SIZE)


def decompress_with(
    codec: ModuleType, packed: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[object, ...]:
    monkeypatch.setattr(decompress, "zlib_module", codec)
    try:
        result = decompress.decompress_member(
            io.BytesIO(packed),
            ZipEntry("a", b"a", 0, 8, 0, len(packed), size, 0, 0, data_offset=0),
            keep=True,
        )
    except decompress.CorruptMember as error:
        # The libraries describe a damaged block differently; the other messages are our own.
        return error.kind, "" if "decompressed" in str(error) else str(error)
    return result.size, result.crc, result.sha256, result.data


def random_stream(rng: random.Random) -> tuple[bytes, int]:
    """Return a stream and its declared size: valid, truncated, extended, corrupt, or of the wrong size."""
    text = rng.choice([rng.randbytes(rng.randrange(400)), b"wheel " * rng.randrange(500)])
    packer = zlib.compressobj(rng.randrange(10), zlib.DEFLATED, -15, 9, rng.randrange(5))
    packed = bytearray(packer.compress(text))
    if rng.random() < 0.3:
        packed += packer.flush(zlib.Z_FULL_FLUSH)
    packed += packer.flush()
    match rng.randrange(6):
        case 0:
            packed += rng.randbytes(rng.randrange(1, 40))
        case 1:
            del packed[rng.randrange(len(packed)) :]
        case 2:
            return bytes(packed), max(0, len(text) + rng.choice([-1, 1]))
        case 3 | 4:
            packed[rng.randrange(min(len(packed), rng.choice([4, 80])))] ^= 1 << rng.randrange(8)
        case _:
            pass
    return bytes(packed), len(text)


def test_both_libraries_agree_on_every_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(6)
    kinds = set()
    for number in range(3000):
        packed, size = random_stream(rng)
        monkeypatch.setattr(decompress, "CHUNK_SIZE", CHUNK_SIZES[number % len(CHUNK_SIZES)])
        expected = decompress_with(zlib, packed, size, monkeypatch)
        assert decompress_with(zlib_ng.zlib_ng, packed, size, monkeypatch) == expected, (packed, size)
        kinds.add(expected[0] if isinstance(expected[0], str) else "whole")
    assert kinds == {"whole", "bad-crc", "hidden-deflate-data"}


@pytest.mark.parametrize("is_installed", [True, False])
def test_uses_the_faster_library_if_it_is_installed(is_installed: bool) -> None:
    hidden = "" if is_installed else "sys.modules['zlib_ng'] = None;"
    script = (
        f"import sys; {hidden} from wheel_uploader.facts.archive import decompress; "
        "print(decompress.zlib_module.__name__)"
    )
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == ("zlib_ng.zlib_ng" if is_installed else "zlib")
