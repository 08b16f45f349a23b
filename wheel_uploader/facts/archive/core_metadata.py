"""Read the core metadata of a wheel or an sdist without decompressing the other members of a wheel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

from wheel_uploader.core.models import DistName, WheelName
from wheel_uploader.facts.archive import decompress, tar_reader, zip_central_directory

#: Bytes of a metadata file; the checks reject larger ones.
MAX_CORE_METADATA_SIZE = 2 << 20
_METADATA_MARKER = b"Metadata-Version"


class CoreMetadataNotFound(Exception):
    """No core metadata can be read from the archive; ``str()`` gives the reason in one clause."""


def read_core_metadata(
    stream: BinaryIO, size: int, name: DistName, select_candidates: Callable[[Sequence[str]], Sequence[str]]
) -> bytes:
    """Return the bytes of METADATA or PKG-INFO in the archive of ``size`` bytes in ``stream``.

    ``select_candidates`` selects member names of a wheel, best first. Raises CoreMetadataNotFound.
    """
    if isinstance(name, WheelName):
        return _from_zip(stream, size, select_candidates)
    if name.filename.endswith(".zip"):
        return _from_zip(stream, size, _top_level)
    tar = tar_reader.read_tar(stream, bomb_size=size * _MAX_RATIO + MAX_CORE_METADATA_SIZE)
    for path in _top_level(list(tar.retained_members)):
        if _METADATA_MARKER in tar.retained_members[path]:
            return tar.retained_members[path]
    reasons = [fact.message for fact in tar.anomalies]
    raise CoreMetadataNotFound(reasons[0] if reasons else "it has no PKG-INFO with a Metadata-Version")


#: A ratio of unpacked to packed bytes that no sdist exceeds that passed the checks.
_MAX_RATIO = 1 << 12


def _from_zip(stream: BinaryIO, size: int, candidates: Callable[[Sequence[str]], Sequence[str]]) -> bytes:
    structure = zip_central_directory.read_zip_structure(stream, size)
    entries = {
        entry.name: entry
        for entry in structure.entries
        if entry.data_offset >= 0 and entry.size <= MAX_CORE_METADATA_SIZE
    }
    for path in candidates(list(entries)):
        try:
            data = b"".join(decompress.iter_member_chunks(stream, entries[path]))
        except decompress.CorruptMember as error:
            raise CoreMetadataNotFound(f"{path}: {error}") from None
        if _METADATA_MARKER in data:
            return data
    reasons = [fact.message for fact in structure.anomalies] if not structure.entries else []
    raise CoreMetadataNotFound(reasons[0] if reasons else "it has no metadata file with a Metadata-Version")


def _top_level(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if name.count("/") == 1 and name.endswith("/PKG-INFO"))
