"""Read the tar of an sdist as a stream, with limits on its size and contents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from wheel_uploader.archive import tarheaders
from wheel_uploader.archive.gunzip import Gunzip, Refused
from wheel_uploader.budget import Budget
from wheel_uploader.models import Fact, SdistMember

MAX_MEMBERS = 65_535
_MAX_METADATA_SIZE = 2 << 20
#: Estimated bytes of memory for a member, without its name.
_MEMORY_PER_MEMBER = 400


@dataclass(slots=True)
class Walk:
    """The members of a tar in order, the bytes of each top-level PKG-INFO, and facts about problems."""

    members: list[SdistMember] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    def note(self, kind: str, message: str, member: str | None = None) -> None:
        """Add a fact."""
        self.facts.append(Fact(kind=kind, message=message, member=member))


def walk(packed: BinaryIO, *, bomb_size: int, budget: Budget | None = None) -> Walk:
    """Read a gzipped tar; report problems as facts.

    Reading stops after ``bomb_size`` unpacked bytes. Raises OSError, and Exhausted if ``budget`` is used up.
    """
    tar = Walk(budget=budget or Budget())
    packed.seek(0)
    try:
        stream = Gunzip(packed, bomb_size, tar.budget)
        last_block = _read_members(stream, tar)
        _check_end(stream, last_block, tar)
    except Refused as error:
        tar.note(error.kind, str(error))
    except tarheaders.BadHeader as error:
        tar.note("cut" if tar.members else "unreadable", f"{error}, so readers stop at that point")
    return tar


def _read_members(stream: Gunzip, tar: Walk) -> bytes:
    """Read all members; return the block that ends them."""
    reader = tarheaders.Reader(stream.read, tar.budget)
    while True:
        try:
            header = reader.next()
        except tarheaders.EndOfTar:
            return reader.last_block
        if len(tar.members) == MAX_MEMBERS:
            raise Refused("bomb", f"it has more than {MAX_MEMBERS} members")
        tar.budget.enter(header.name)
        tar.budget.spend("members")
        tar.budget.keep(_MEMORY_PER_MEMBER + 4 * (len(header.name) + len(header.link_target)))
        tar.members.append(
            SdistMember(name=header.name, size=header.size, kind=header.kind, link_target=header.link_target)
        )
        is_metadata = header.name.count("/") == 1 and header.name.endswith("/PKG-INFO")
        if header.kind == "file" and is_metadata:
            _read_metadata(stream, header, tar)
        else:
            _skip(stream, tarheaders.rounded(header.stored_size))


def _skip(stream: Gunzip, size: int) -> None:
    if stream.skip(size) < size:
        raise Refused("cut", "it is truncated within a member")


def _read_metadata(stream: Gunzip, header: tarheaders.Header, tar: Walk) -> None:
    padding = tarheaders.rounded(header.size) - header.size
    if header.size > _MAX_METADATA_SIZE:
        tar.note("too-big", f"it has {header.size} bytes, more than any reader should accept", header.name)
        _skip(stream, header.size + padding)
        return
    data = stream.read(header.size)
    if len(data) < header.size:
        raise Refused("cut", "it is truncated within a member")
    tar.budget.keep(len(data))
    tar.kept[header.name] = data
    _skip(stream, padding)


def _check_end(stream: Gunzip, last_block: bytes, tar: Walk) -> None:
    """Add a fact unless the tar ends as it must, with two blocks of zeros and only zeros after them."""
    count, has_data = stream.rest()
    if not tar.members and len(last_block) < tarheaders.BLOCK:
        tar.note("unreadable", "it does not contain a tar archive")
    elif last_block.strip(b"\0"):
        tar.note("cut", "it is truncated within a header")
    elif has_data:
        tar.note("foreign-bytes", "data follows the end of its tar archive")
    elif len(last_block) < tarheaders.BLOCK or count < tarheaders.BLOCK:
        tar.note("cut", "it is truncated: the end-of-archive blocks are missing")
