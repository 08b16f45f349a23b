"""Read the core metadata of a wheel or an sdist without decompressing the other members of a wheel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

from wheel_uploader.archive import inflate, tarwalk, zipwalk
from wheel_uploader.models import DistName, WheelName

#: Bytes of a metadata file; the checks reject larger ones.
LIMIT = 2 << 20
_METADATA_MARKER = b"Metadata-Version"


class NoMetadata(Exception):
    """No core metadata can be read from the archive; ``str()`` gives the reason in one clause."""


def read(
    stream: BinaryIO, size: int, name: DistName, candidates: Callable[[Sequence[str]], Sequence[str]]
) -> bytes:
    """Return the bytes of METADATA or PKG-INFO in the archive of ``size`` bytes in ``stream``.

    ``candidates`` selects member names of a wheel, best first. Raises NoMetadata.
    """
    if isinstance(name, WheelName):
        return _from_zip(stream, size, candidates)
    if name.filename.endswith(".zip"):
        return _from_zip(stream, size, _top_level)
    tar = tarwalk.walk(stream, bomb_size=size * _MAX_RATIO + LIMIT)
    for path in _top_level(list(tar.kept)):
        if _METADATA_MARKER in tar.kept[path]:
            return tar.kept[path]
    reasons = [fact.message for fact in tar.facts]
    raise NoMetadata(reasons[0] if reasons else "it has no PKG-INFO with a Metadata-Version")


#: A ratio of unpacked to packed bytes that no sdist exceeds that passed the checks.
_MAX_RATIO = 1 << 12


def _from_zip(stream: BinaryIO, size: int, candidates: Callable[[Sequence[str]], Sequence[str]]) -> bytes:
    structure = zipwalk.walk(stream, size)
    entries = {entry.name: entry for entry in structure.entries if entry.data >= 0 and entry.size <= LIMIT}
    for path in candidates(list(entries)):
        try:
            data = b"".join(inflate.pieces(stream, entries[path]))
        except inflate.Damaged as error:
            raise NoMetadata(f"{path}: {error}") from None
        if _METADATA_MARKER in data:
            return data
    reasons = [fact.message for fact in structure.facts] if not structure.entries else []
    raise NoMetadata(reasons[0] if reasons else "it has no metadata file with a Metadata-Version")


def _top_level(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if name.count("/") == 1 and name.endswith("/PKG-INFO"))
