"""Is a file whole, and what its source listed: its digests, the source's promise, the archive's own word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wheel_uploader import archive
from wheel_uploader.archive import record
from wheel_uploader.archive.repeats import Repeats
from wheel_uploader.digests import Digests, Promise
from wheel_uploader.display import printable
from wheel_uploader.models import DistName, Inspection, RemoteFile, SdistContent, WheelContent
from wheel_uploader.verified_file import VerifiedFile


class Mismatch(Exception):
    """The bytes are not what was listed, or not whole; ``str()`` says why in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one pass over a file came to; its content is dropped, for those of a whole release are large."""

    inspection: Inspection
    #: Why these are not the whole bytes that somebody built, in sentences; empty when they are.
    damage: tuple[str, ...] = ()
    #: What of the archive itself says that it is whole: ``RECORD``, ``ZIP CRC``, ``gzip CRC``.
    whole_by: str


class Memory(Protocol):
    """What remembers the files that were found whole, by their digest."""

    def recall(self, name: DistName, sha256: str) -> Seen | None: ...

    def keep(self, name: DistName, sha256: str, seen: Seen) -> None: ...


#: Reads the file of this name at this path, as long as it has this sha256.
Read = Callable[[DistName, Path, str], Seen]


def read(
    name: DistName,
    path: Path,
    sha256: str,
    inspect: Callable[[WheelContent | SdistContent], Inspection],
    known: Repeats | None = None,
) -> Seen:
    """Return what is in the file at ``path``. Raises FileError for other bytes than those with ``sha256``.

    ``inspect`` judges what the pass found, also in a damaged file. ``known``: the members that were unpacked
    in this run, which are not unpacked again.
    """
    with VerifiedFile(path, sha256) as file:
        content = archive.read_open(file, file.size, name, known)
    return Seen(inspection=inspect(content), damage=archive.damage(content), whole_by=_whole_by(content))


def look(name: DistName, path: Path, sha256: str, read: Read, memory: Memory | None = None) -> Seen:
    """What is in the file at ``path``, which was found to have ``sha256``: remembered, or ``read``.

    A damaged file is not remembered, for it will be fetched once more.
    """
    if memory and (remembered := memory.recall(name, sha256)):
        return remembered
    seen = read(name, path, sha256)
    if memory and not seen.damage:
        memory.keep(name, sha256, seen)
    return seen


def verified(
    name: DistName,
    path: Path,
    digests: Digests,
    remote: RemoteFile,
    promise: Promise | None,
    inspect: Callable[[DistName, Path, str], Seen],
) -> str:
    """What vouches for the file at ``path``, when size, digest and the archive itself say "whole".

    ``inspect`` gets name, path and sha256, also of a file that will turn out to be damaged. Raises Mismatch.
    """
    if remote.size not in {None, digests.size}:
        raise Mismatch(f"it has {digests.size} bytes, and {remote.size} were listed")
    if promise and not promise.is_met(digests):
        found = digests.hexes[promise.algorithm]
        said = f"is in {promise.given_by}" if promise.given_by else "was listed"
        raise Mismatch(f"its {promise.algorithm} is {found}, and {printable(promise.hex, limit=140)} {said}")
    if not digests.size:
        raise Mismatch("it is empty")
    seen = inspect(name, path, digests.sha256)
    if seen.damage:
        more = f" (and {len(seen.damage) - 1} more)" if len(seen.damage) > 1 else ""
        raise Mismatch(f"{printable(seen.damage[0], limit=300)}{more}")
    return promise.vouches if promise else seen.whole_by


def _whole_by(content: WheelContent | SdistContent) -> str:
    if not content.read_to_its_end:
        return "nothing (it was not read to its end)"
    if isinstance(content, SdistContent) and content.filename.endswith(".gz"):
        return "gzip CRC"
    has_record = isinstance(content, WheelContent) and record.of(content) is not None
    return "RECORD" if has_record else "ZIP CRC"
