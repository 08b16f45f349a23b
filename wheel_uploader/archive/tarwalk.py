"""The tar of an sdist, read as a stream that cannot grow without end, within limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from wheel_uploader.archive import tarheaders
from wheel_uploader.archive.gunzip import Gunzip, Refused
from wheel_uploader.budget import Budget
from wheel_uploader.models import Fact, SdistMember

MAX_MEMBERS = 65_535
_MAX_METADATA = 2 << 20
#: Bytes of memory for a member, without its name.
_MEMBER = 400


@dataclass(slots=True)
class Walk:
    """Members in the tar's order, the bytes of each top-level PKG-INFO, and what is wrong."""

    members: list[SdistMember] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def note(self, kind: str, message: str, member: str | None = None) -> None:
        self.facts.append(Fact(kind=kind, message=message, member=member))


def walk(packed: BinaryIO, *, bomb_size: int, budget: Budget | None = None) -> Walk:
    """Read a gzipped tar; faults are facts. Raises OSError, and Exhausted when ``budget`` does not last.

    ``bomb_size`` is the number of unpacked bytes after which it is not read on.
    """
    found = Walk(budget=budget or Budget())
    packed.seek(0)
    try:
        stream = Gunzip(packed, bomb_size, found.budget)
        last = _read_members(stream, found)
        _judge_the_end(stream, last, found)
    except Refused as error:
        found.note(error.kind, str(error))
    except tarheaders.BadHeader as error:
        found.note("cut" if found.members else "unreadable", f"{error}, and readers stop there")
    return found


def _read_members(stream: Gunzip, found: Walk) -> bytes:
    """Read every member; return the block at which they end."""
    reader = tarheaders.Reader(stream.read, found.budget)
    while True:
        try:
            header = reader.next()
        except tarheaders.EndOfTar:
            return reader.last
        if len(found.members) == MAX_MEMBERS:
            raise Refused("bomb", f"it has more than {MAX_MEMBERS} members")
        found.budget.enter(header.name)
        found.budget.spend("members")
        found.budget.keep(_MEMBER + 4 * (len(header.name) + len(header.link)))
        found.members.append(
            SdistMember(name=header.name, size=header.size, kind=header.kind, link_target=header.link)
        )
        is_metadata = header.name.count("/") == 1 and header.name.endswith("/PKG-INFO")
        if header.kind == "file" and is_metadata:
            _keep(stream, header, found)
        else:
            _skip(stream, tarheaders.rounded(header.stored))


def _skip(stream: Gunzip, size: int) -> None:
    if stream.skip(size) < size:
        raise Refused("cut", "it is cut off within a member")


def _keep(stream: Gunzip, header: tarheaders.Header, found: Walk) -> None:
    padding = tarheaders.rounded(header.size) - header.size
    if header.size > _MAX_METADATA:
        found.note("too-big", f"it has {header.size} bytes, more than any reader should take", header.name)
        _skip(stream, header.size + padding)
        return
    data = stream.read(header.size)
    if len(data) < header.size:
        raise Refused("cut", "it is cut off within a member")
    found.budget.keep(len(data))
    found.kept[header.name] = data
    _skip(stream, padding)


def _judge_the_end(stream: Gunzip, last: bytes, found: Walk) -> None:
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
