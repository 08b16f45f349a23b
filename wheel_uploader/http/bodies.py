"""The body of an answer: unpacked in small pieces, counted, decoded to text, quoted in an error. Pure."""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterable, Iterator

from wheel_uploader import markup
from wheel_uploader.display import printable
from wheel_uploader.errors import ListingError, TransportError

#: Bytes that a page may have, as sent and unpacked: a gzip of 32 kB can stand for all of them.
MAX_BODY = 32 * 1024 * 1024

_PIECE = 64 * 1024
_QUOTED = 200


def unpacked(pieces: Iterable[bytes], coding: str, where: str) -> Iterator[bytes]:
    """The body without its Content-Encoding, in pieces of a bounded size, whatever the ratio.

    ``where`` is the URL for messages. Raises ListingError when it cannot be unpacked, TransportError when
    it ends too early.
    """
    coding = coding.strip().lower()
    if coding in {"", "identity"}:
        yield from pieces
    elif coding in {"gzip", "x-gzip"}:
        try:
            yield from _gunzipped(pieces, where)
        except zlib.error:
            raise ListingError(f"{where} answered with a gzip that cannot be unpacked") from None
    else:
        raise ListingError(
            f"{where} answered in a coding that was not asked for ({printable(coding, limit=40)})"
        )


def _gunzipped(pieces: Iterable[bytes], where: str) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    begun = False
    for piece in pieces:
        begun = begun or bool(piece)
        packed = piece
        while True:
            plain = unpacker.decompress(packed, _PIECE)
            if plain:
                yield plain
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if unpacker.eof and packed:
                # A gzip may have several members (RFC 1952, 2.2).
                unpacker = zlib.decompressobj(wbits=31)
            elif not packed and len(plain) < _PIECE:
                break
    if begun and not unpacker.eof:
        raise TransportError(f"{where} was cut short")


def limited(pieces: Iterable[bytes], where: str, limit: int = MAX_BODY) -> Iterator[bytes]:
    """The pieces, as long as they are no more than ``limit`` bytes. Raises ListingError."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise ListingError(
                f"{where} answered with more than {limit // 2**20} MiB",
                hint="A listing is smaller: give the URL of the one directory, or of the one project.",
            )
        yield piece


def joined(pieces: Iterable[bytes]) -> bytes:
    """Return all pieces as one; a list of them would double the memory while it is joined."""
    body = io.BytesIO()
    for piece in pieces:
        body.write(piece)
    return body.getvalue()


def start(pieces: Iterable[bytes], size: int) -> bytes:
    """The first pieces, until they are ``size`` bytes or more; no more is asked of the iterator."""
    taken: list[bytes] = []
    length = 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length >= size:
            break
    return b"".join(taken)


def decoded(body: bytes) -> str:
    """The text of a page: UTF-16 where it says so itself, else UTF-8, else Latin-1.

    The declared charset is not asked: Apache declares ISO-8859-1 for pages in UTF-8, and what matters in
    a listing is ASCII in all of them.
    """
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", errors="replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def excerpt(body: bytes, content_type: str) -> str:
    """What the body of an error says, in one harmless line; empty when it is not text."""
    if not (content_type.startswith("text/") or content_type.endswith(("json", "xml"))):
        return ""
    text = decoded(body)
    if markup.is_markup(text):
        text = markup.headings(text)
    return printable(" ".join(text.split()), limit=_QUOTED)
