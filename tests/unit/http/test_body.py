"""Bodies: bombs cost nothing, cut ones are noticed, text is found whatever is declared."""

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


def gunzipped(*pieces: bytes) -> bytes:
    return b"".join(http_body.decompress_body(pieces, "gzip", "staging"))


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_plain_body_stays_as_it_is(coding: str) -> None:
    assert list(http_body.decompress_body([b"a", b"b"], coding, "staging")) == [b"a", b"b"]


@pytest.mark.parametrize("coding", ["gzip", "GZip", "x-gzip"])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_gzip_is_unpacked_however_it_is_cut_into_pieces(coding: str, size: int) -> None:
    packed = gzip.compress(BODY) + gzip.compress(b"more")
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert b"".join(http_body.decompress_body(pieces, coding, "staging")) == BODY + b"more"


@given(st.binary(max_size=2_000), st.integers(1, 70_000))
@example(b"\0" * 65536, 65536)
@example(b"\0" * 131072, 100)
def test_every_gzip_comes_back(data: bytes, size: int) -> None:
    packed = gzip.compress(data)
    assert gunzipped(*(packed[start : start + size] for start in range(0, len(packed), size))) == data


def test_nothing_unpacks_to_nothing() -> None:
    assert gunzipped() == b""
    assert gunzipped(b"") == b""


def test_a_cut_gzip_is_cut() -> None:
    packed = gzip.compress(BODY)
    for length in (1, 9, 30, len(packed) - 1):
        with pytest.raises(TransportError, match="staging was cut short"):
            gunzipped(packed[:length])


@pytest.mark.parametrize(
    "junk", [b"<html>", zlib.compress(b"x"), gzip.compress(b"x", mtime=0) + b"junk", b"\x1f\x8b" * 20]
)
def test_what_is_no_gzip_is_said(junk: bytes) -> None:
    with pytest.raises(ListingError, match="staging returned invalid gzip data"):
        gunzipped(junk)


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, gzip", "gzip\x1b[2J"])
def test_other_codings_were_not_asked_for(coding: str) -> None:
    with pytest.raises(ListingError, match="returned a Content-Encoding that was not requested") as caught:
        list(http_body.decompress_body([b"x"], coding, "staging"))
    assert "\x1b" not in str(caught.value)


def test_a_bomb_is_given_up_at_the_limit() -> None:
    # 64 KiB that stand for 64 MiB.
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


def test_the_limit_itself_is_allowed() -> None:
    assert list(http_body.limit_size([b"ab", b"c"], "staging", 3)) == [b"ab", b"c"]
    with pytest.raises(ListingError):
        list(http_body.limit_size([b"ab", b"cd"], "staging", 3))


def test_the_start_asks_for_no_more_than_it_needs() -> None:
    pieces = iter([b"ab", b"cd", b"ef"])
    assert http_body.read_prefix(pieces, 3) == b"abcd"
    assert list(pieces) == [b"ef"]
    assert http_body.read_prefix([b"ab"], 3) == b"ab"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_text_is_found(charset: str) -> None:
    assert http_body.decode_text("\xfcber".encode(charset)) == "\xfcber"


@given(st.binary())
@example(b"\xff\xfe\x00")
def test_any_bytes_have_a_text(body: bytes) -> None:
    assert isinstance(http_body.decode_text(body), str)
    assert "\n" not in http_body.make_excerpt(body, "text/html")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
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
def test_an_error_is_quoted_in_one_harmless_line(body: bytes, kind: str, said: str) -> None:
    assert http_body.make_excerpt(body, kind) == said
