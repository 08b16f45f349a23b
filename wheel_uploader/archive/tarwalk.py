"""The tar of an sdist, read as a stream that cannot grow without end: the one home of tarfile and gzip."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import IO, BinaryIO, cast

from wheel_uploader.models import Fact, SdistMember

MAX_MEMBERS = 65_535
#: Bytes of one header (long names, pax records); tarfile would take gigabytes.
_MAX_HEADER = 1 << 20
_MAX_METADATA = 2 << 20
_CHUNK = 256 << 10
_BLOCK = tarfile.BLOCKSIZE


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


class _Stream(io.RawIOBase):
    """The unpacked bytes for tarfile: forwards only, in reads of bounded size, up to a limit."""

    def __init__(self, packed: BinaryIO, limit: int) -> None:
        super().__init__()
        self._gzip = gzip.GzipFile(fileobj=packed, mode="rb")
        self._limit = limit
        self._left_of_limit = limit
        #: What tarfile read last: the header at which it stopped.
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _MAX_METADATA:
            raise _Refused("cut", "a header asks for more bytes than any sdist needs")
        self.last = self._gzip.read(size)
        self._count(len(self.last))
        return self.last

    def _count(self, length: int) -> None:
        self._left_of_limit -= length
        if self._left_of_limit < 0:
            raise _Refused("bomb", f"it unpacks to more than {self._limit} bytes, 50 times its own size")

    def tell(self) -> int:
        return self._gzip.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = self._gzip.tell()
        if whence != io.SEEK_SET or offset < position:
            raise _Refused("cut", "a header points backwards")
        while position < offset:
            piece = self._gzip.read(min(_CHUNK, offset - position))
            if not piece:
                break
            self._count(len(piece))
            position += len(piece)
        return position

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
        _read_members(stream, found)
        _judge_the_end(stream, found)
    except _Refused as error:
        found.note(error.kind, str(error))
    except gzip.BadGzipFile as error:
        kind = "trailing-bytes" if found.members and packed.tell() else "unreadable"
        found.note(kind, f"it is no gzip file, or goes on after its end ({error})")
    except (EOFError, zlib.error) as error:
        found.note("cut" if found.members else "unreadable", f"it is cut off or damaged ({error})")
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        found.note("cut" if found.members else "unreadable", f"its tar cannot be read ({error})")
    return found


def _read_members(stream: _Stream, found: Walk) -> None:
    with tarfile.TarFile(fileobj=stream, mode="r", errorlevel=2) as tar:
        while (info := tar.next()) is not None:
            if len(found.members) == MAX_MEMBERS:
                raise _Refused("bomb", f"it has more than {MAX_MEMBERS} members")
            # tarfile remembers every member; nothing here asks for one again.
            tar.members.clear()  # type: ignore[attr-defined]
            found.members.append(
                SdistMember(name=info.name, size=info.size, kind=_kind(info), link_target=info.linkname)
            )
            if (
                info.isreg()
                and not info.issparse()
                and info.name.count("/") == 1
                and info.name.endswith("/PKG-INFO")
            ):
                _keep(tar, info, found)


def _keep(tar: tarfile.TarFile, info: tarfile.TarInfo, found: Walk) -> None:
    if info.size > _MAX_METADATA:
        found.note("too-big", f"it has {info.size} bytes, more than any reader should take", info.name)
        return
    # None is for what is no file, and this is one.
    found.kept[info.name] = cast(IO[bytes], tar.extractfile(info)).read()


def _kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "sparse"
    if info.isreg():
        return "file"
    if info.isdir():
        return "directory"
    if info.issym():
        return "symlink"
    return "hardlink" if info.islnk() else "other"


def _judge_the_end(stream: _Stream, found: Walk) -> None:
    """A tar ends with two blocks of zeros, and zeros after them; tarfile is silent about anything else."""
    last = stream.last
    count, foreign = stream.rest()
    if last.strip(b"\0"):
        found.note("cut", "it has a damaged header, and readers stop there")
    elif foreign:
        found.note("foreign-bytes", "there is something behind the end of its tar")
    elif len(last) < _BLOCK or count < _BLOCK:
        found.note("cut", "it is cut off: the blocks that end a tar are missing")
