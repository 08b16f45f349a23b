"""Functions for response bodies: decompress, limit and decode them, and quote them in errors. No I/O."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterable, Iterator

from wheel_uploader.core import html_text
from wheel_uploader.core.errors import ListingError, TransportError
from wheel_uploader.core.redaction import sanitize

#: Largest page in bytes, compressed and decompressed: 32 kB of gzip can expand to this.
MAX_BODY_SIZE = 32 * 1024 * 1024

_PIECE_BYTES = 64 * 1024
_EXCERPT_CHARACTERS = 200


def decompress_body(pieces: Iterable[bytes], content_encoding: str, url: str) -> Iterator[bytes]:
    """Yield the decompressed body in pieces of bounded size, whatever the compression ratio.

    ``content_encoding`` is the Content-Encoding; ``url`` is for messages. Raises ListingError if the body
    cannot be decompressed, TransportError if it is truncated.
    """
    content_encoding = content_encoding.strip().lower()
    if content_encoding in {"", "identity"}:
        yield from pieces
    elif content_encoding in {"gzip", "x-gzip"}:
        try:
            yield from _decompress_gzip(pieces, url)
        except zlib.error:
            raise ListingError(f"{url} returned invalid gzip data") from None
    else:
        raise ListingError(
            f"{url} returned a Content-Encoding that was not requested "
            f"({sanitize(content_encoding, limit=40)})"
        )


def _decompress_gzip(pieces: Iterable[bytes], url: str) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(wbits=31)
    has_data = False
    for piece in pieces:
        has_data = has_data or bool(piece)
        compressed = piece
        while True:
            plain = decompressor.decompress(compressed, _PIECE_BYTES)
            if plain:
                yield plain
            compressed = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
            if decompressor.eof and compressed:
                # A gzip may have several members (RFC 1952, 2.2).
                decompressor = zlib.decompressobj(wbits=31)
            elif not compressed and len(plain) < _PIECE_BYTES:
                break
    if has_data and not decompressor.eof:
        raise TransportError(f"{url} was cut short")


def limit_size(pieces: Iterable[bytes], url: str, limit: int = MAX_BODY_SIZE) -> Iterator[bytes]:
    """Yield the pieces. Raises ListingError once they exceed ``limit`` bytes."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            error = ListingError(
                f"{url} returned more than {limit // 2**20} MiB",
                hint="A listing is smaller: pass the URL of the directory or project that has the files.",
            ).as_permanent()
            error.is_too_large = True
            raise error
        yield piece


def join_pieces(pieces: Iterable[bytes]) -> bytes:
    """Return the concatenated pieces; joining a list of them would take twice the memory."""
    body = io.BytesIO()
    for piece in pieces:
        body.write(piece)
    return body.getvalue()


def read_prefix(pieces: Iterable[bytes], size: int) -> bytes:
    """Return the first pieces, concatenated, up to the one that reaches ``size`` bytes; read no further."""
    taken: list[bytes] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= size:
            break
    return b"".join(taken)


def decode_text(body: bytes) -> str:
    """Return the text of a page: UTF-16 if it starts with that byte order mark, else UTF-8, else Latin-1.

    The declared charset is ignored: Apache declares ISO-8859-1 for UTF-8 pages, and the relevant parts of
    a listing are ASCII in all of these encodings.
    """
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", errors="replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def make_excerpt(body: bytes, content_type: str) -> str:
    """Return the body of an error as one printable line; empty if it is not text."""
    if not (content_type.startswith("text/") or content_type.endswith(("json", "xml"))):
        return ""
    text = decode_text(body)
    if html_text.is_markup(text):
        text = html_text.extract_headings(text)
    return sanitize(" ".join(text.split()), limit=_EXCERPT_CHARACTERS)
