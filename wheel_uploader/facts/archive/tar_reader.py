"""Read the tar of an sdist as a stream, with limits on its size and contents."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import BinaryIO

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.models import ArchiveAnomaly, SdistMember, TextFact
from wheel_uploader.facts.archive import obfuscation, python_source, tar_headers, text_scanner
from wheel_uploader.facts.archive.decompress import zlib_module
from wheel_uploader.facts.archive.gunzip import GzipReader, InvalidArchive

MAX_TAR_MEMBERS = 65_535
_MAX_METADATA_SIZE = 2 << 20
#: Bytes of a source file that are read at once.
_CHUNK_SIZE = 256 << 10
#: Estimated bytes of memory for a member, without its name.
_MEMORY_PER_MEMBER = 400
#: Bytes of the largest pyproject.toml that is retained.
_MAX_SETTINGS_SIZE = 64 << 10


@dataclass(slots=True)
class TarContent:
    """The members of a tar in order, the bytes of the files that checks parse, and the anomalies."""

    members: list[SdistMember] = field(default_factory=list)
    anomalies: list[ArchiveAnomaly] = field(default_factory=list)
    retained_members: dict[str, bytes] = field(default_factory=dict)
    text_facts: list[TextFact] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)

    def add_anomaly(self, kind: str, message: str, member: str | None = None) -> None:
        """Add a fact."""
        self.anomalies.append(ArchiveAnomaly(kind=kind, message=message, member=member))


def read_tar(packed: BinaryIO, *, bomb_size: int, budget: Budget | None = None) -> TarContent:
    """Read a gzipped tar; report problems as anomalies.

    Reading stops after ``bomb_size`` unpacked bytes. Raises OSError, and BudgetExceeded if ``budget`` is
    used up.
    """
    tar = TarContent(budget=budget or Budget())
    packed.seek(0)
    try:
        stream = GzipReader(packed, bomb_size, tar.budget)
        last_block = _read_members(stream, tar)
        _check_end(stream, last_block, tar)
    except InvalidArchive as error:
        tar.add_anomaly(error.kind, str(error))
    except tar_headers.InvalidTarHeader as error:
        tar.add_anomaly("cut" if tar.members else "unreadable", f"{error}, so readers stop at that point")
    return tar


def _read_members(stream: GzipReader, tar: TarContent) -> bytes:
    """Read all members; return the block that ends them."""
    reader = tar_headers.TarHeaderReader(stream.read, tar.budget)
    while True:
        try:
            header = reader.read_header()
        except tar_headers.EndOfTar:
            return reader.last_block
        if len(tar.members) == MAX_TAR_MEMBERS:
            raise InvalidArchive("bomb", f"it has more than {MAX_TAR_MEMBERS} members")
        tar.budget.set_member(header.name)
        tar.budget.count_items("members")
        tar.budget.reserve_memory(_MEMORY_PER_MEMBER + 4 * (len(header.name) + len(header.link_target)))
        tar.members.append(
            SdistMember(name=header.name, size=header.size, kind=header.kind, link_target=header.link_target)
        )
        is_metadata = header.name.count("/") == 1 and header.name.endswith("/PKG-INFO")
        if header.kind == "file" and is_metadata:
            _read_metadata(stream, header, tar)
        elif header.kind == "file" and header.size == header.stored_size and _is_read(header):
            _read_text(stream, header, tar)
        else:
            _skip(stream, tar_headers.round_up_to_block(header.stored_size))


def _skip(stream: GzipReader, size: int) -> None:
    if stream.skip(size) < size:
        raise InvalidArchive("cut", "it is truncated within a member")


def _is_read(header: tar_headers.TarHeader) -> bool:
    return _is_source(header) or header.size <= text_scanner.MAX_SCANNED_SIZE


def _is_source(header: tar_headers.TarHeader) -> bool:
    return python_source.is_python_source(header.name) or obfuscation.is_scanned_by_pypi(
        header.name, header.size
    )


def _is_build_settings(header: tar_headers.TarHeader) -> bool:
    is_at_top = header.name.count("/") == 1 and header.name.endswith("/pyproject.toml")
    return is_at_top and header.size <= _MAX_SETTINGS_SIZE


def _read_text(stream: GzipReader, header: tar_headers.TarHeader, tar: TarContent) -> None:
    """Read a file that may be text, and add the facts about it."""
    depth = text_scanner.ScanDepth.NO_STATEMENTS
    scanner = text_scanner.TextScanner(header.name, header.size, tar.budget, depth)
    is_source = _is_source(header)
    is_retained = _is_build_settings(header)
    crc, remaining = 0, header.size
    while remaining:
        chunk = stream.read(min(remaining, _CHUNK_SIZE))
        if not chunk:
            raise InvalidArchive("cut", "it is truncated within a member")
        scanner.feed(chunk)
        if is_source:
            crc = zlib_module.crc32(chunk, crc)
        if is_retained:
            tar.retained_members[header.name] = tar.retained_members.get(header.name, b"") + chunk
        remaining -= len(chunk)
    _skip(stream, tar_headers.round_up_to_block(header.size) - header.size)
    scanner.finish(crc)
    if is_source:
        source = scanner.source_facts
        tar.members[-1] = dataclasses.replace(
            tar.members[-1], text_crc=source.text_crc, declared_version=source.version
        )
    if scanner.obfuscation_tool:
        tar.add_anomaly("obfuscated", f"it was encrypted by {scanner.obfuscation_tool}", header.name)
    tar.budget.count_items("remarks", len(scanner.facts))
    tar.text_facts += scanner.facts


def _read_metadata(stream: GzipReader, header: tar_headers.TarHeader, tar: TarContent) -> None:
    padding = tar_headers.round_up_to_block(header.size) - header.size
    if header.size > _MAX_METADATA_SIZE:
        tar.add_anomaly(
            "too-big", f"it has {header.size} bytes, more than any reader should accept", header.name
        )
        _skip(stream, header.size + padding)
        return
    data = stream.read(header.size)
    if len(data) < header.size:
        raise InvalidArchive("cut", "it is truncated within a member")
    tar.budget.reserve_memory(len(data))
    tar.retained_members[header.name] = data
    _skip(stream, padding)


def _check_end(stream: GzipReader, last_block: bytes, tar: TarContent) -> None:
    """Add a fact unless the tar ends as it must, with two blocks of zeros and only zeros after them."""
    count, has_data = stream.read_to_end()
    if not tar.members and len(last_block) < tar_headers.BLOCK_SIZE:
        tar.add_anomaly("unreadable", "it does not contain a tar archive")
    elif last_block.strip(b"\0"):
        tar.add_anomaly("cut", "it is truncated within a header")
    elif has_data:
        tar.add_anomaly("foreign-bytes", "data follows the end of its tar archive")
    elif len(last_block) < tar_headers.BLOCK_SIZE or count < tar_headers.BLOCK_SIZE:
        tar.add_anomaly("cut", "it is truncated: the end-of-archive blocks are missing")
