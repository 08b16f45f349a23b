"""The facts of a wheel that are compared: metadata, entry points and members. The rest is not read."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import field
from typing import BinaryIO

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import WheelName
from wheel_uploader.facts.archive import decompress, pkginfo_metadata, zip_central_directory
from wheel_uploader.facts.archive.zip_structures import ZipEntry

#: Largest METADATA and entry_points.txt that are read, in bytes.
MAX_METADATA_SIZE = 2 << 20
_MAX_ENTRY_POINTS_SIZE = 64 << 10


class UnreadableWheel(Exception):
    """The wheel cannot be read; ``str()`` gives the reason in one clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelFacts:
    """The facts about one wheel; None where they are not known."""

    #: Values by header in lower case.
    metadata: Mapping[str, tuple[str, ...]] | None = None
    #: Path to bytes, of all members that are files.
    members: Mapping[str, int] | None = None
    #: Lines such as ``console_scripts: demo = demo:main``.
    entry_points: tuple[str, ...] = field(default=())


def parse_metadata(data: bytes) -> Mapping[str, tuple[str, ...]] | None:
    """Return the fields of a METADATA file by header in lower case; None if it cannot be parsed."""
    return pkginfo_metadata.read_pkginfo_metadata("METADATA", {"METADATA": data}).fields


def read_wheel_facts(
    stream: BinaryIO, size: int, name: WheelName, *, metadata: bytes | None = None
) -> WheelFacts:
    """Return the facts about the wheel of ``size`` bytes in ``stream``; ``metadata`` is used if it is known.

    Raises UnreadableWheel, and what reading the stream raises.
    """
    structure = zip_central_directory.read_directory(stream, size)
    if not structure.entries:
        raise UnreadableWheel(next((fact.message for fact in structure.anomalies), "it has no members"))
    entries = {entry.name: entry for entry in structure.entries}
    folder = f"{name.raw_project}-{name.raw_version}.dist-info"
    if metadata is None:
        metadata = _read_member(stream, entries.get(f"{folder}/METADATA"), MAX_METADATA_SIZE)
    points = _read_member(stream, entries.get(f"{folder}/entry_points.txt"), _MAX_ENTRY_POINTS_SIZE)
    return WheelFacts(
        metadata=parse_metadata(metadata) if metadata else None,
        members={path: entry.size for path, entry in entries.items() if not path.endswith("/")},
        entry_points=_parse_entry_points(points) if points else (),
    )


def _read_member(stream: BinaryIO, entry: ZipEntry | None, limit: int) -> bytes | None:
    """Return the bytes of a member; None if it is absent, too large or damaged."""
    if entry is None or max(entry.size, entry.compressed_size) > limit:
        return None
    located = zip_central_directory.locate_entry(stream, entry)
    if located.data_offset < 0:
        return None
    try:
        return b"".join(decompress.iter_member_chunks(stream, located))
    except decompress.CorruptMember:
        return None


def _parse_entry_points(data: bytes) -> tuple[str, ...]:
    """Return the entry points as lines; none if they cannot be parsed, which a check reports for ours."""
    text = data.decode("utf-8", "replace")
    if max(map(len, text.splitlines()), default=0) > _MAX_LINE:
        return ()
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return ()
    return tuple(
        sorted(
            f"{group}: {key} = {value}"
            for group in parser.sections()
            for key, value in parser.items(group, raw=True)
        )
    )


#: Characters of a line, for which the time of the parser grows with the square of its length.
_MAX_LINE = 1000
