"""Headers of a tar, read alike on every Python: ustar, its GNU extensions, and pax (POSIX.1-2001).

``tarfile`` changes in what it accepts from one patch release to the next: one skips malformed pax records,
another ends the archive at them, and negative sizes loop, raise or pass. Whatever such readers disagree about
is an error here; everything else is read as they all read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wheel_uploader.budget import Budget

BLOCK = 512
#: Bytes of one extended header.
MAX_EXTENDED = 1 << 20
#: Bytes of a long name.
MAX_NAME = 64 << 10
#: Blocks with more of the map of a sparse file: 21 pieces each.
_MOST_MAPS = 4096
#: Extended headers of one member: a long name, a long link, and pax records of it and of all that follow.
_MOST_EXTENDED = 16

_LONG_NAME, _LONG_LINK, _SPARSE = b"L", b"K", b"S"
_PAX, _SOLARIS_PAX, _GLOBAL_PAX = b"x", b"X", b"g"
_REGULAR = frozenset({b"0", b"\0", b"7", _SPARSE})
#: Types that tarfile knows and that have no data behind the header, whatever their size says.
_WITHOUT_DATA = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_KINDS = {b"5": "directory", b"2": "symlink", b"1": "hardlink"}

_OCTAL = re.compile(rb"(-?)([0-7]{0,24})\Z")
_RECORD = re.compile(rb"([0-9]{1,20}) ")
_DECIMAL = re.compile(r"[0-9]{1,20}\Z")

#: Keys of pax records that say something of a member that is asked here.
_SPARSE_KEY = b"GNU.sparse."
_KNOWN = frozenset({b"path", b"linkpath", b"size", b"GNU.sparse.name"})

Read = Callable[[int], bytes]


class BadHeader(Exception):
    """Not a header, or one that readers do not agree about; ``str()`` says which in one clause."""


class EndOfTar(Exception):
    """No header here: the stream ends, or its next block is empty."""


@dataclass(slots=True)
class Header:
    """A member as all headers before it say it is."""

    name: str
    #: ``file``, ``directory``, ``symlink``, ``hardlink``, ``sparse`` or ``other``.
    kind: str
    size: int
    link: str
    #: Whether data is stored behind the header, and how many bytes of it before padding.
    has_data: bool
    stored: int


@dataclass(frozen=True, slots=True)
class _Block:
    """The fields of one header block that count here."""

    name: str
    type: bytes
    size: int
    link: str
    #: An old GNU sparse header has more blocks behind it, and says the size when unpacked.
    is_extended: bool = False
    real_size: int = 0


class Reader:
    """Members in order; keeps what a global pax header says of all that follow."""

    def __init__(self, read: Read, budget: Budget) -> None:
        """Read from ``read``, which returns fewer bytes than it is asked for at the end only."""
        self._read = read
        self._budget = budget
        self._global: dict[str, str] = {}
        #: The block that was read last.
        self.last = b""

    def next(self) -> Header:
        """Return the next member, and stop behind its headers. Raises EndOfTar, BadHeader."""
        extended: list[Callable[[Header], None]] = []
        block = self._block()
        while block.type in {_LONG_NAME, _LONG_LINK, _PAX, _SOLARIS_PAX, _GLOBAL_PAX}:
            if len(extended) == _MOST_EXTENDED:
                raise BadHeader(f"a member has more than {_MOST_EXTENDED} extended headers")
            extended.append(self._extension(block))
            try:
                block = self._block()
            except EndOfTar:
                raise BadHeader("it ends behind an extended header") from None
        header = self._member(block)
        _apply(self._global, header)
        # The header that comes first counts most.
        for change in reversed(extended):
            change(header)
        if header.kind == "directory":
            header.name = header.name.rstrip("/")
        return header

    def _block(self) -> _Block:
        self.last = data = self._read(BLOCK)
        if len(data) < BLOCK or not data.strip(b"\0"):
            raise EndOfTar
        return _parse(data)

    def _extension(self, block: _Block) -> Callable[[Header], None]:
        """Read the data of an extended header; return what it does to the member."""
        self._budget.spend("extended headers")
        if block.size > (MAX_NAME if block.type in {_LONG_NAME, _LONG_LINK} else MAX_EXTENDED):
            raise BadHeader("a header asks for more bytes than any sdist needs")
        data = self._read(rounded(block.size))
        if len(data) < rounded(block.size):
            raise BadHeader("it ends within an extended header")
        if block.type == _LONG_NAME:
            return lambda header: setattr(header, "name", _text(data))
        if block.type == _LONG_LINK:
            return lambda header: setattr(header, "link", _text(data))
        records = _pax_records(data, self._budget)
        if block.type == _GLOBAL_PAX:
            if any(key == "size" or key.startswith("GNU.sparse.") for key in records):
                raise BadHeader("a global header gives a size")
            self._global |= records
            return lambda _: None
        known = self._global | records
        return lambda header: _apply(known, header)

    def _member(self, block: _Block) -> Header:
        is_extended = block.is_extended
        maps = 0
        while is_extended:
            data = self._read(BLOCK)
            maps += 1
            if len(data) < BLOCK:
                raise BadHeader("it ends within a sparse header")
            if maps > _MOST_MAPS:
                raise BadHeader("a sparse header has more parts than any sdist needs")
            is_extended = bool(data[504])
        is_sparse = block.type == _SPARSE
        kind = (
            "sparse" if is_sparse else "file" if block.type in _REGULAR else _KINDS.get(block.type, "other")
        )
        return Header(
            name=block.name,
            kind=kind,
            size=block.real_size if is_sparse else block.size,
            link=block.link,
            has_data=block.type not in _WITHOUT_DATA,
            stored=0 if block.type in _WITHOUT_DATA else block.size,
        )


def _parse(data: bytes) -> _Block:
    # Old programs summed signed characters.
    rest = data[:148] + b" " * 8 + data[156:]
    unsigned = sum(rest)
    if _number(data[148:156]) not in {unsigned, unsigned - 256 * sum(byte > 127 for byte in rest)}:
        raise BadHeader("a header has a wrong checksum")
    for start, stop in ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345)):
        _number(data[start:stop])
    name, type_, prefix = _text(data[:100]), data[156:157], _text(data[345:500])
    size = _number(data[124:136])
    if size < 0:
        raise BadHeader("a header has a negative size")
    if type_ == b"\0" and name.endswith("/"):
        type_ = b"5"
    if type_ == _SPARSE:
        real_size = _number(data[483:495])
        return _Block(name, type_, size, _text(data[157:257]), bool(data[482]), max(0, real_size))
    if prefix and type_ not in {_LONG_NAME, _LONG_LINK}:
        name = f"{prefix}/{name}"
    return _Block(name, type_, size, _text(data[157:257]))


def _number(field: bytes) -> int:
    """Return a number in octal digits, or in the base 256 of GNU tar."""
    if field[0] in {0o200, 0o377}:
        number = int.from_bytes(field[1:], "big")
        return number if field[0] == 0o200 else number - 256 ** (len(field) - 1)
    match = _OCTAL.match(field.partition(b"\0")[0].strip())
    if not match:
        raise BadHeader("a header has a field that is not a number")
    number = int(match[2] or b"0", 8)
    return -number if match[1] else number


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def rounded(size: int) -> int:
    """Return ``size`` in bytes, rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def _pax_records(data: bytes, budget: Budget) -> dict[str, str]:
    """Return those records of a pax header that count here; a length counts the whole record.

    Of a map of a sparse file only one record is returned, however many there are.
    """
    records: dict[str, str] = {}
    at = 0
    while at < len(data) and data[at]:
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != ord("\n"):
            raise BadHeader("a pax header is malformed")
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if not key or not equals:
            raise BadHeader("a pax header is malformed")
        budget.tick()
        if key in _KNOWN or key.startswith(_SPARSE_KEY):
            name = key if key in _KNOWN else _SPARSE_KEY
            records[name.decode("ascii")] = value.decode("utf-8", "surrogateescape")
        at = end
    return records


def _apply(records: Mapping[str, str], header: Header) -> None:
    if "path" in records:
        header.name = records["path"].rstrip("/")
    if "linkpath" in records:
        header.link = records["linkpath"]
    if "size" in records:
        if not _DECIMAL.match(records["size"]):
            raise BadHeader("a pax header has a size that is not a number")
        header.size = int(records["size"])
        header.stored = header.size if header.has_data else 0
    if any(key.startswith("GNU.sparse.") for key in records):
        header.kind = "sparse"
        header.name = records.get("GNU.sparse.name", header.name)
