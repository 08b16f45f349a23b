"""What a PE file (.dll, .pyd, .exe) says of itself, from the tables that the loader of Windows goes by.

pefile reads these tables as well, and tests compare; it is no dependency because it takes longer than
unpacking the wheel did. Layouts: the PE format of Microsoft's documentation.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from wheel_uploader.models import NativeKind, NativeSlice
from wheel_uploader.native.view import MAX_SYMBOL, Malformed, View

MAGIC = b"MZ"

MAX_SECTIONS = 1024
MAX_NEEDED = 256
MAX_IMPORTS = 20_000

_MACHINES = {0x14C: "x86", 0x8664: "x86_64", 0xAA64: "arm64", 0x1C0: "arm", 0x1C4: "arm"}
_DLL = 0x2000
_COFF = struct.Struct("<4sHHIIIHH")
_SECTION = struct.Struct("<8sIIIIIIHHI")
_DIRECTORY = struct.Struct("<II")
_IMPORT = struct.Struct("<IIIII")
_DELAY = struct.Struct("<8I")
_WORD, _LONG = struct.Struct("<I"), struct.Struct("<Q")
#: Numbers of the data directories.
_IMPORTS, _DELAYED, _CLR = 1, 13, 14
_BY_RVA = 1
_PYTHON = re.compile(r"python3\d*t?(?:_d)?\.dll\Z", re.IGNORECASE)


class _Section(NamedTuple):
    name: bytes
    address: int
    #: Bytes in memory, and in the file at ``offset``.
    extent: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Pe:
    """The headers of a file, and the file."""

    view: View
    machine: int
    is_dll: bool
    wide: bool
    base: int
    #: (address, size) of each data directory.
    directories: tuple[tuple[int, int], ...]
    sections: tuple[_Section, ...]
    #: The same by address, and where each begins.
    by_address: tuple[_Section, ...]
    starts: tuple[int, ...]
    #: Where the strings for long section names are; 0 without.
    strings: int

    def offset_of(self, address: int) -> int:
        """Where in the file the byte is that is loaded at ``address``."""
        # The last one that begins there or before; no loader takes sections that overlap.
        index = bisect.bisect_right(self.starts, address) - 1
        if index >= 0:
            section = self.by_address[index]
            if address - section.address < section.size:
                return section.offset + address - section.address
        raise Malformed(f"nothing is loaded at address {address:#x}")

    def directory(self, number: int) -> int:
        return self.directories[number][0] if number < len(self.directories) else 0


def is_pe(view: View) -> bool:
    """Whether a PE header follows the one of MS-DOS, which many a text could begin with."""
    if view.size < 0x40:
        return False
    at = view.unpack(_WORD, 0x3C)[0]
    return bool(at + 4 <= view.size and bytes(view.take(at, 4)) == b"PE\0\0")


def read(view: View, *, symbols: bool) -> NativeSlice:
    """The facts; ``symbols`` asks for those of Python's C API as well. Raises Malformed and NotKept."""
    pe = _headers(view)
    view.budget.spend("slices")
    view.budget.spend("sections", len(pe.sections))
    imports = list(_imports(pe))
    names = [name for name, _ in imports]
    return NativeSlice(
        arch=_MACHINES.get(pe.machine, f"PE machine {pe.machine:#x}"),
        kind=_kind(pe),
        needed=tuple(dict.fromkeys((*names, *_delayed(pe)))),
        python_symbols=tuple(dict.fromkeys(_python_symbols(pe, imports))) if symbols else (),
        debug=any(_section_name(pe, section).startswith(".debug_") for section in pe.sections),
    )


def wanted(head: View) -> list[tuple[int, int]]:
    """Which parts (offset, length) of a very large file are needed besides its beginning and its end."""
    pe = _headers(head, whole=False)
    starts = [pe.offset_of(address) for number in (_IMPORTS, _DELAYED) if (address := pe.directory(number))]
    # The names stand near the table, before or behind it, as the linker likes.
    return [(max(0, start - (2 << 20)), 4 << 20) for start in starts]


def _headers(view: View, *, whole: bool = True) -> _Pe:
    at = view.unpack(_WORD, 0x3C)[0]
    signature, machine, count, _, symbols_at, symbols, size, flags = view.unpack(_COFF, at)
    if signature != b"PE\0\0":
        raise Malformed("it has no PE header")
    if count > MAX_SECTIONS:
        raise Malformed(f"it has {count} sections")
    optional = view.part(at + _COFF.size, size)
    magic = bytes(optional.take(0, 2))
    if magic not in {b"\x0b\x01", b"\x0b\x02"}:
        raise Malformed("its optional header is of no known kind")
    wide = magic == b"\x0b\x02"
    directories_at = 112 if wide else 96
    listed = optional.unpack(_WORD, directories_at - 4)[0]
    room = (optional.size - directories_at) // _DIRECTORY.size
    table = optional.take(directories_at, min(listed, room, 16) * _DIRECTORY.size)
    sections = []
    for row in _SECTION.iter_unpack(view.take(at + _COFF.size + size, count * _SECTION.size)):
        name, extent, address, length, offset = row[:5]
        sections.append(_Section(name.rstrip(b"\0"), address, extent, length, offset))
        if whole and length and offset + length > view.size:
            raise Malformed(
                f"it is cut off: a section ends at byte {offset + length}, and it has {view.size}"
            )
    by_address = sorted(sections, key=lambda section: (section.address, max(section.extent, section.size)))
    return _Pe(
        view=view,
        machine=machine,
        is_dll=bool(flags & _DLL),
        wide=wide,
        base=optional.unpack(_LONG, 24)[0] if wide else optional.unpack(_WORD, 28)[0],
        directories=tuple(_DIRECTORY.iter_unpack(table)),
        sections=tuple(sections),
        by_address=tuple(by_address),
        starts=tuple(section.address for section in by_address),
        strings=symbols_at + 18 * symbols if symbols_at else 0,
    )


def _kind(pe: _Pe) -> NativeKind:
    if pe.directory(_CLR):
        return NativeKind.MANAGED
    return NativeKind.LIBRARY if pe.is_dll else NativeKind.EXECUTABLE


def _imports(pe: _Pe) -> Iterator[tuple[str, int]]:
    """Each library that has to be there, and the address of the table of what is taken from it."""
    if not (address := pe.directory(_IMPORTS)):
        return
    at = pe.offset_of(address)
    for index in range(MAX_NEEDED):
        pe.view.budget.spend("import tables")
        lookup, _, _, name, bound = pe.view.unpack(_IMPORT, at + index * _IMPORT.size)
        if not name:
            return
        yield pe.view.text(pe.offset_of(name)), lookup or bound


def _delayed(pe: _Pe) -> Iterator[str]:
    """Each library that is loaded when something of it is called for the first time."""
    if not (address := pe.directory(_DELAYED)):
        return
    at = pe.offset_of(address)
    for index in range(MAX_NEEDED):
        pe.view.budget.spend("import tables")
        attributes, name, *_ = pe.view.unpack(_DELAY, at + index * _DELAY.size)
        if not name:
            return
        # Compilers before 2002 wrote addresses, not offsets from where the file is loaded.
        yield pe.view.text(pe.offset_of(name if attributes & _BY_RVA else name - pe.base))


def _python_symbols(pe: _Pe, imports: list[tuple[str, int]]) -> Iterator[str]:
    form = _LONG if pe.wide else _WORD
    by_number = 1 << (form.size * 8 - 1)
    seen: list[range] = []
    for library, table in imports:
        if not _PYTHON.match(library):
            continue
        at = pe.offset_of(table)
        end = at
        for end in range(at, at + MAX_IMPORTS * form.size, form.size):
            pe.view.budget.spend("symbols")
            entry = pe.view.unpack(form, end)[0]
            if not entry:
                break
            if not entry & by_number:
                yield pe.view.text(pe.offset_of(entry) + 2, MAX_SYMBOL)
        if any(at <= other[-1] and other[0] <= end for other in seen):
            raise Malformed("its import tables overlap")
        seen.append(range(at, end + 1))


def _section_name(pe: _Pe, section: _Section) -> str:
    """The name, which stands elsewhere when it is longer than 8 bytes: ``/123``."""
    if pe.strings and section.name.startswith(b"/") and section.name[1:].isdigit():
        try:
            return pe.view.text(pe.strings + int(section.name[1:]), 64)
        except Malformed:
            return ""
    return section.name.decode("latin-1")
