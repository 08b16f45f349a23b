"""The tar of an sdist, read as a stream that cannot grow without end: the one home of gzip."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from wheel_uploader.archive import tarheaders
from wheel_uploader.models import Fact, SdistMember

MAX_MEMBERS = 65_535
_MAX_METADATA = 2 << 20
_CHUNK = 256 << 10


class _Refused(Exception):
    """The tar asks for what no sdist needs; ``kind`` is that of the fact."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(slots=True)
class Walk:
    """Members in the tar's order, the bytes of each top-level PKG-INFO, and what is wrong."""

    members: list[SdistMember] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)

    def note(self, kind: str, message: str, member: str | None = None) -> None:
        self.facts.append(Fact(kind=kind, message=message, member=member))


class _Stream:
    """The unpacked bytes: forwards only, in reads of bounded size, up to a limit."""

    def __init__(self, packed: BinaryIO, limit: int) -> None:
        self._gzip = gzip.GzipFile(fileobj=packed, mode="rb")
        self._limit = limit
        self._left_of_limit = limit

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer at the end only."""
        data = self._gzip.read(size)
        self._count(len(data))
        return data

    def skip(self, size: int) -> None:
        while size:
            piece = self._gzip.read(min(_CHUNK, size))
            if not piece:
                raise _Refused("cut", "it is cut off within a member")
            self._count(len(piece))
            size -= len(piece)

    def _count(self, length: int) -> None:
        self._left_of_limit -= length
        if self._left_of_limit < 0:
            raise _Refused("bomb", f"it unpacks to more than {self._limit} bytes, 50 times its own size")

    def rest(self) -> tuple[int, bool]:
        """Read to the end, where gzip checks its CRC: how many bytes, and whether any was not zero."""
        count, foreign = 0, False
        while piece := self._gzip.read(_CHUNK):
            self._count(len(piece))
            count += len(piece)
            foreign = foreign or piece.count(0) != len(piece)
        return count, foreign


def walk(packed: BinaryIO, *, bomb_size: int) -> Walk:
    """Read a gzipped tar. Never raises but OSError of the disk: faults are facts.

    ``bomb_size`` is the number of unpacked bytes after which it is not read on.
    """
    found = Walk()
    packed.seek(0)
    stream = _Stream(packed, bomb_size)
    try:
        last = _read_members(stream, found)
        _judge_the_end(stream, last, found)
    except _Refused as error:
        found.note(error.kind, str(error))
    except tarheaders.BadHeader as error:
        found.note("cut" if found.members else "unreadable", f"{error}, and readers stop there")
    except gzip.BadGzipFile:
        kind = "trailing-bytes" if found.members and packed.tell() else "unreadable"
        found.note(kind, "it is no gzip file, or goes on after its end")
    except (EOFError, zlib.error):
        found.note("cut" if found.members else "unreadable", "it is cut off or damaged")
    return found


def _read_members(stream: _Stream, found: Walk) -> bytes:
    """Read every member; return the block at which they end."""
    reader = tarheaders.Reader(stream.read)
    while True:
        try:
            header = reader.next()
        except tarheaders.EndOfTar:
            return reader.last
        if len(found.members) == MAX_MEMBERS:
            raise _Refused("bomb", f"it has more than {MAX_MEMBERS} members")
        found.members.append(
            SdistMember(name=header.name, size=header.size, kind=header.kind, link_target=header.link)
        )
        is_metadata = header.name.count("/") == 1 and header.name.endswith("/PKG-INFO")
        if header.kind == "file" and is_metadata:
            _keep(stream, header, found)
        else:
            stream.skip(tarheaders.rounded(header.stored))


def _keep(stream: _Stream, header: tarheaders.Header, found: Walk) -> None:
    padding = tarheaders.rounded(header.size) - header.size
    if header.size > _MAX_METADATA:
        found.note("too-big", f"it has {header.size} bytes, more than any reader should take", header.name)
        stream.skip(header.size + padding)
        return
    data = stream.read(header.size)
    if len(data) < header.size:
        raise _Refused("cut", "it is cut off within a member")
    found.kept[header.name] = data
    stream.skip(padding)


def _judge_the_end(stream: _Stream, last: bytes, found: Walk) -> None:
    """Note whatever is not the end of a tar: two blocks of zeros, and zeros after them."""
    count, foreign = stream.rest()
    if not found.members and len(last) < tarheaders.BLOCK:
        found.note("unreadable", "there is no tar in it")
    elif last.strip(b"\0"):
        found.note("cut", "it is cut off within a header")
    elif foreign:
        found.note("foreign-bytes", "there is something behind the end of its tar")
    elif len(last) < tarheaders.BLOCK or count < tarheaders.BLOCK:
        found.note("cut", "it is cut off: the blocks that end a tar are missing")
