"""Response bodies: decompression, size limits and text encodings."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wheel_uploader.core.errors import ListingError, TransportError
from wheel_uploader.http import body as http_body

BODY = b"<a href=x>x</a>" * 10_000


def gunzip(*pieces: bytes) -> bytes:
    return b"".join(http_body.decompress_body(pieces, "gzip", "staging"))


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_plain_body_is_unchanged(coding: str) -> None:
    assert list(http_body.decompress_body([b"a", b"b"], coding, "staging")) == [b"a", b"b"]


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_decompresses_gzip_in_pieces_of_any_size(coding: str, size: int) -> None:
    packed = gzip.compress(BODY) + gzip.compress(b"more")
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert b"".join(http_body.decompress_body(pieces, coding, "staging")) == BODY + b"more"


@given(st.binary(max_size=2_000), st.integers(1, 70_000))
@example(b"\0" * 65536, 65536)
@example(b"\0" * 131072, 100)
def test_decompresses_any_gzip_data(data: bytes, size: int) -> None:
    packed = gzip.compress(data)
    assert gunzip(*(packed[start : start + size] for start in range(0, len(packed), size))) == data


def test_empty_body_decompresses_to_nothing() -> None:
    assert gunzip() == b""
    assert gunzip(b"") == b""


def test_rejects_truncated_gzip() -> None:
    packed = gzip.compress(BODY)
    for length in (1, 9, 30, len(packed) - 1):
        with pytest.raises(TransportError, match="staging was cut short"):
            gunzip(packed[:length])


@pytest.mark.parametrize(
    "junk", [b"<html>", zlib.compress(b"x"), gzip.compress(b"x", mtime=0) + b"junk", b"\x1f\x8b" * 20]
)
def test_rejects_invalid_gzip(junk: bytes) -> None:
    with pytest.raises(ListingError, match="staging returned invalid gzip data"):
        gunzip(junk)


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, gzip", "gzip\x1b[2J"])
def test_rejects_other_content_codings(coding: str) -> None:
    with pytest.raises(ListingError, match="returned a Content-Encoding that was not requested") as caught:
        list(http_body.decompress_body([b"x"], coding, "staging"))
    assert "\x1b" not in str(caught.value)


def test_stops_reading_a_bomb_at_the_size_limit() -> None:
    # 64 KiB that decompress to 64 MiB.
    layer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(layer.compress(bytes(2**20)) for _ in range(64)) + layer.flush()
    assert len(bomb) < 2**17
    tracemalloc.start()
    size = 0
    with pytest.raises(ListingError, match="more than 32 MiB"):
        for piece in http_body.limit_size(http_body.decompress_body([bomb], "gzip", "staging"), "staging"):
            size += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size <= http_body.MAX_BODY_SIZE
    assert peak < 8 * 2**20


def test_accepts_a_body_of_exactly_the_size_limit() -> None:
    assert list(http_body.limit_size([b"ab", b"c"], "staging", 3)) == [b"ab", b"c"]
    with pytest.raises(ListingError):
        list(http_body.limit_size([b"ab", b"cd"], "staging", 3))


def test_prefix_reads_only_the_chunks_it_needs() -> None:
    pieces = iter([b"ab", b"cd", b"ef"])
    assert http_body.read_prefix(pieces, 3) == b"abcd"
    assert list(pieces) == [b"ef"]
    assert http_body.read_prefix([b"ab"], 3) == b"ab"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_detects_the_text_encoding(charset: str) -> None:
    assert http_body.decode_text("\xfcber".encode(charset)) == "\xfcber"


@given(st.binary())
@example(b"\xff\xfe\x00")
def test_decodes_any_bytes(body: bytes) -> None:
    assert isinstance(http_body.decode_text(body), str)
    assert "\n" not in http_body.make_excerpt(body, "text/html")


@pytest.mark.parametrize(
    ("body", "content_type", "excerpt"),
    [
        (b"No  such\nthing ", "text/plain", "No such thing"),
        (b'{"detail": "no"}', "application/json", '{"detail": "no"}'),
        (b"<html><title>404 Not Found</title><body>x</body>", "text/html", "404 Not Found"),
        (b"<?xml?><Error><Code>NoSuchKey</Code><Key>k</Key></Error>", "application/xml", "NoSuchKey"),
        (b"<p>nothing", "text/html", ""),
        (b"\x89PNG", "image/png", ""),
        (b"\x1b[2J::error::x", "text/plain", "\\x1b[2J: :error::x"),
        (b"x" * 5000, "text/plain", "x" * 200 + "..."),
    ],
)
def test_excerpt_is_one_harmless_line(body: bytes, content_type: str, excerpt: str) -> None:
    assert http_body.make_excerpt(body, content_type) == excerpt
