"""The core metadata of a wheel or an sdist, without inflating the other members of a wheel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

from wheel_uploader.archive import inflate, tarwalk, zipwalk
from wheel_uploader.models import DistName, WheelName

#: Bytes of metadata; checks refuse more.
LIMIT = 2 << 20
_MARK = b"Metadata-Version"


class NoMetadata(Exception):
    """The archive has no core metadata that can be read; ``str()`` says why in one clause."""


def read(
    stream: BinaryIO, size: int, name: DistName, candidates: Callable[[Sequence[str]], Sequence[str]]
) -> bytes:
    """Return the bytes of METADATA or PKG-INFO in the archive of ``size`` bytes that ``stream`` holds.

    ``candidates`` chooses among the members of a wheel, the best first. Raises NoMetadata.
    """
    if isinstance(name, WheelName):
        return _from_zip(stream, size, candidates)
    if name.filename.endswith(".zip"):
        return _from_zip(stream, size, _top_level)
    found = tarwalk.walk(stream, bomb_size=size * _RATIO + LIMIT)
    for path in _top_level(list(found.kept)):
        if _MARK in found.kept[path]:
            return found.kept[path]
    reasons = [fact.message for fact in found.facts]
    raise NoMetadata(reasons[0] if reasons else "it has no PKG-INFO with a Metadata-Version")


#: More than a checked sdist can unpack to.
_RATIO = 1 << 12


def _from_zip(stream: BinaryIO, size: int, candidates: Callable[[Sequence[str]], Sequence[str]]) -> bytes:
    walk = zipwalk.walk(stream, size)
    entries = {entry.name: entry for entry in walk.entries if entry.data >= 0 and entry.size <= LIMIT}
    for path in candidates(list(entries)):
        try:
            data = b"".join(inflate.pieces(stream, entries[path]))
        except inflate.Damaged as error:
            raise NoMetadata(f"{path}: {error}") from None
        if _MARK in data:
            return data
    reasons = [fact.message for fact in walk.facts] if not walk.entries else []
    raise NoMetadata(reasons[0] if reasons else "it has no metadata file with a Metadata-Version")


def _top_level(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if name.count("/") == 1 and name.endswith("/PKG-INFO"))
