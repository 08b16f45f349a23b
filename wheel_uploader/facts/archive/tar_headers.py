"""Read tar headers the same way on every Python: ustar, its GNU extensions, and pax (POSIX.1-2001).

``tarfile`` accepts different input from one patch release to the next: one release skips malformed pax
records, another ends the archive at them, and negative sizes loop, raise or pass. Anything on which such
readers disagree is an error here; everything else is read as they all read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from wheel_uploader.core.budget import Budget
from wheel_uploader.core.lazy_dataclass import dataclass

BLOCK_SIZE = 512
#: Maximum size of an extended header in bytes.
MAX_EXTENDED_HEADER_SIZE = 1 << 20
#: Maximum size of a long name in bytes.
MAX_LONG_NAME_SIZE = 64 << 10
#: Continuation blocks for the map of a sparse file, with 21 parts each.
_MAX_SPARSE_BLOCKS = 4096
#: Extended headers of one member: a long name, a long link, its own and global pax records.
_MAX_EXTENDED_HEADERS = 16

_LONG_NAME, _LONG_LINK, _SPARSE = b"L", b"K", b"S"
_PAX, _SOLARIS_PAX, _GLOBAL_PAX = b"x", b"X", b"g"
_REGULAR_TYPES = frozenset({b"0", b"\0", b"7", _SPARSE})
#: Types known to tarfile that have no data after the header, whatever size the header gives.
_TYPES_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_KIND_OF_TYPE = {b"5": "directory", b"2": "symlink", b"1": "hardlink"}

_OCTAL = re.compile(rb"(-?)([0-7]{0,24})\Z")
_RECORD_LENGTH = re.compile(rb"([0-9]{1,20}) ")
_DECIMAL = re.compile(r"[0-9]{1,20}\Z")

#: Keys of the pax records that change a member as it is read here.
_SPARSE_KEY = b"GNU.sparse."
_RELEVANT_KEYS = frozenset({b"path", b"linkpath", b"size", b"GNU.sparse.name"})

ReadFunction = Callable[[int], bytes]


class InvalidTarHeader(Exception):
    """A header that is invalid, or on which readers disagree; ``str()`` gives the reason in one clause."""


class EndOfTar(Exception):
    """The end of the archive: the stream ends, or its next block is empty."""


@dataclass(slots=True)
class TarHeader:
    """A member as described by all headers that apply to it."""

    name: str
    #: ``file``, ``directory``, ``symlink``, ``hardlink``, ``sparse`` or ``other``.
    kind: str
    size: int
    link_target: str
    #: True if data is stored after the header.
    has_data: bool
    #: Bytes of that data without padding.
    stored_size: int


@dataclass(frozen=True, slots=True)
class _Block:
    """The relevant fields of one header block."""

    name: str
    type: bytes
    size: int
    link_target: str
    #: An old GNU sparse header has continuation blocks, and gives the unpacked size.
    is_extended: bool = False
    real_size: int = 0


class TarHeaderReader:
    """A reader of members in order, which applies global pax headers to the members that follow."""

    def __init__(self, read: ReadFunction, budget: Budget) -> None:
        """Read from ``read``, which returns fewer bytes than requested only at the end."""
        self._read = read
        self._budget = budget
        self._global: dict[str, str] = {}
        #: The last block that was read.
        self.last_block = b""

    def read_header(self) -> TarHeader:
        """Return the next member, and stop after its headers. Raises EndOfTar and InvalidTarHeader."""
        extended: list[Callable[[TarHeader], None]] = []
        block = self._read_block()
        while block.type in {_LONG_NAME, _LONG_LINK, _PAX, _SOLARIS_PAX, _GLOBAL_PAX}:
            if len(extended) == _MAX_EXTENDED_HEADERS:
                raise InvalidTarHeader(f"a member has more than {_MAX_EXTENDED_HEADERS} extended headers")
            extended.append(self._read_extension(block))
            try:
                block = self._read_block()
            except EndOfTar:
                raise InvalidTarHeader("it ends after an extended header") from None
        header = self._read_member(block)
        _apply_records(self._global, header)
        # Apply them in reverse order, because the first header takes precedence.
        for apply_header in reversed(extended):
            apply_header(header)
        if header.kind == "directory":
            header.name = header.name.rstrip("/")
        return header

    def _read_block(self) -> _Block:
        self.last_block = data = self._read(BLOCK_SIZE)
        if len(data) < BLOCK_SIZE or not data.strip(b"\0"):
            raise EndOfTar
        return _parse_block(data)

    def _read_extension(self, block: _Block) -> Callable[[TarHeader], None]:
        """Read the data of an extended header; return a function that applies it to the member."""
        self._budget.count_items("extended headers")
        if block.size > (
            MAX_LONG_NAME_SIZE if block.type in {_LONG_NAME, _LONG_LINK} else MAX_EXTENDED_HEADER_SIZE
        ):
            raise InvalidTarHeader("an extended header is larger than any sdist needs")
        data = self._read(round_up_to_block(block.size))
        if len(data) < round_up_to_block(block.size):
            raise InvalidTarHeader("it ends within an extended header")
        if block.type == _LONG_NAME:
            return lambda header: setattr(header, "name", _decode_text(data))
        if block.type == _LONG_LINK:
            return lambda header: setattr(header, "link_target", _decode_text(data))
        records = _parse_pax_records(data, self._budget)
        if block.type == _GLOBAL_PAX:
            if any(key == "size" or key.startswith("GNU.sparse.") for key in records):
                raise InvalidTarHeader("a global header sets a size")
            self._global |= records
            return lambda _: None
        merged = self._global | records
        return lambda header: _apply_records(merged, header)

    def _read_member(self, block: _Block) -> TarHeader:
        is_extended = block.is_extended
        block_count = 0
        while is_extended:
            data = self._read(BLOCK_SIZE)
            block_count += 1
            if len(data) < BLOCK_SIZE:
                raise InvalidTarHeader("it ends within a sparse header")
            if block_count > _MAX_SPARSE_BLOCKS:
                raise InvalidTarHeader("a sparse header has more parts than any sdist needs")
            is_extended = bool(data[504])
        is_sparse = block.type == _SPARSE
        kind = (
            "sparse"
            if is_sparse
            else "file"
            if block.type in _REGULAR_TYPES
            else _KIND_OF_TYPE.get(block.type, "other")
        )
        return TarHeader(
            name=block.name,
            kind=kind,
            size=block.real_size if is_sparse else block.size,
            link_target=block.link_target,
            has_data=block.type not in _TYPES_WITHOUT_DATA,
            stored_size=0 if block.type in _TYPES_WITHOUT_DATA else block.size,
        )


def _parse_block(data: bytes) -> _Block:
    # Some old programs summed signed characters.
    summed = data[:148] + b" " * 8 + data[156:]
    unsigned = sum(summed)
    if _parse_number(data[148:156]) not in {unsigned, unsigned - 256 * sum(byte > 127 for byte in summed)}:
        raise InvalidTarHeader("a header has a wrong checksum")
    for start, stop in ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345)):
        _parse_number(data[start:stop])
    name, type_, prefix = _decode_text(data[:100]), data[156:157], _decode_text(data[345:500])
    size = _parse_number(data[124:136])
    if size < 0:
        raise InvalidTarHeader("a header has a negative size")
    if type_ == b"\0" and name.endswith("/"):
        type_ = b"5"
    if type_ == _SPARSE:
        real_size = _parse_number(data[483:495])
        return _Block(name, type_, size, _decode_text(data[157:257]), bool(data[482]), max(0, real_size))
    if prefix and type_ not in {_LONG_NAME, _LONG_LINK}:
        name = f"{prefix}/{name}"
    return _Block(name, type_, size, _decode_text(data[157:257]))


def _parse_number(field: bytes) -> int:
    """Return the number in a field of octal digits, or in GNU tar's base-256 encoding."""
    if field[0] in {0o200, 0o377}:
        number = int.from_bytes(field[1:], "big")
        return number if field[0] == 0o200 else number - 256 ** (len(field) - 1)
    match = _OCTAL.match(field.partition(b"\0")[0].strip())
    if not match:
        raise InvalidTarHeader("a header has a field that is not a number")
    number = int(match[2] or b"0", 8)
    return -number if match[1] else number


def _decode_text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def round_up_to_block(size: int) -> int:
    """Return ``size``, in bytes, rounded up to a multiple of the block size."""
    return -(-size // BLOCK_SIZE) * BLOCK_SIZE


def _parse_pax_records(data: bytes, budget: Budget) -> dict[str, str]:
    """Return the relevant records of a pax header, in which each length counts the whole record.

    The records of a sparse file's map are returned as a single record, however many there are.
    """
    records: dict[str, str] = {}
    offset = 0
    while offset < len(data) and data[offset]:
        match = _RECORD_LENGTH.match(data, offset)
        end = offset + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != ord("\n"):
            raise InvalidTarHeader("a pax header is malformed")
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if not key or not equals:
            raise InvalidTarHeader("a pax header is malformed")
        budget.count_work()
        if key in _RELEVANT_KEYS or key.startswith(_SPARSE_KEY):
            name = key if key in _RELEVANT_KEYS else _SPARSE_KEY
            records[name.decode("ascii")] = value.decode("utf-8", "surrogateescape")
        offset = end
    return records


def _apply_records(records: Mapping[str, str], header: TarHeader) -> None:
    if "path" in records:
        header.name = records["path"].rstrip("/")
    if "linkpath" in records:
        header.link_target = records["linkpath"]
    if "size" in records:
        if not _DECIMAL.match(records["size"]):
            raise InvalidTarHeader("a pax header has a size that is not a number")
        header.size = int(records["size"])
        header.stored_size = header.size if header.has_data else 0
    if any(key.startswith("GNU.sparse.") for key in records):
        header.kind = "sparse"
        header.name = records.get("GNU.sparse.name", header.name)
