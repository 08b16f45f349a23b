"""Read facts about a PE file (.dll, .pyd, .exe) from the tables that the Windows loader uses.

pefile reads the same tables, and tests compare the results. It is not a dependency because it takes longer
than decompressing the wheel. Layouts: the PE format of Microsoft's documentation.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import BinaryKind, BinarySlice
from wheel_uploader.facts.binaries import module_names
from wheel_uploader.facts.binaries.byte_view import MAX_SYMBOL_LENGTH, ByteView, MalformedBinary, NotRetained

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
#: Number of names, (addresses of) functions and names.
_EXPORT = struct.Struct("<24x3I")
_WORD, _LONG = struct.Struct("<I"), struct.Struct("<Q")
#: Indices of the data directories.
_EXPORTS, _IMPORTS, _DELAYED, _CLR = 0, 1, 13, 14
_BY_RVA = 1
_PYTHON = re.compile(r"python3\d*t?(?:_d)?\.dll\Z", re.IGNORECASE)


class _Section(NamedTuple):
    name: bytes
    address: int
    #: Size in memory, and size in the file at ``offset``.
    extent: int
    size: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Pe:
    """A file and its parsed headers."""

    view: ByteView
    machine: int
    is_dll: bool
    is_64_bit: bool
    image_base: int
    #: (address, size) of each data directory.
    directories: tuple[tuple[int, int], ...]
    sections: tuple[_Section, ...]
    #: The sections sorted by address, and their addresses.
    by_address: tuple[_Section, ...]
    starts: tuple[int, ...]
    #: Offset of the string table with long section names; 0 if there is none.
    strings: int

    def offset_of(self, address: int) -> int:
        """Return the offset in the file of the byte that is loaded at ``address``."""
        # The last section that begins at or before it, because no loader accepts overlapping sections.
        index = bisect.bisect_right(self.starts, address) - 1
        if index >= 0:
            section = self.by_address[index]
            if address - section.address < section.size:
                return section.offset + address - section.address
        raise MalformedBinary(f"nothing is loaded at address {address:#x}")

    def directory(self, number: int) -> int:
        return self.directories[number][0] if number < len(self.directories) else 0


def is_pe(view: ByteView) -> bool:
    """Return whether a PE header follows the MS-DOS header, whose magic number may also begin a text."""
    if view.size < 0x40:
        return False
    offset = view.unpack(_WORD, 0x3C)[0]
    return bool(offset + 4 <= view.size and bytes(view.get_bytes(offset, 4)) == b"PE\0\0")


def read_pe(view: ByteView, *, symbols: bool, functions: Sequence[str] = ()) -> BinarySlice:
    """Return the facts, with the symbols of Python's C API if ``symbols``.

    ``functions`` are the names by which Python would load it as a module. Raises MalformedBinary and
    NotRetained.
    """
    pe = _parse_headers(view)
    view.budget.count_items("slices")
    view.budget.count_items("sections", len(pe.sections))
    imports = list(_iter_imports(pe))
    names = [name for name, _ in imports]
    return BinarySlice(
        arch=_MACHINES.get(pe.machine, f"PE machine {pe.machine:#x}"),
        kind=_kind(pe),
        needed_libraries=tuple(dict.fromkeys((*names, *_iter_delayed_imports(pe)))),
        python_imports=tuple(dict.fromkeys(_python_symbols(pe, imports))) if symbols else (),
        has_debug_info=any(_section_name(pe, section).startswith(".debug_") for section in pe.sections),
        module_functions=_module_functions(pe, functions),
    )


def find_needed_ranges(head: ByteView) -> list[tuple[int, int]]:
    """Return the parts (offset, length) of a very large file that are needed besides its two ends."""
    pe = _parse_headers(head, complete=False)
    starts = [pe.offset_of(address) for number in (_IMPORTS, _DELAYED) if (address := pe.directory(number))]
    # The names are near the table; whether before or after it depends on the linker.
    ranges = [(max(0, start - (2 << 20)), 4 << 20) for start in starts]
    if address := pe.directory(_EXPORTS):
        ranges.append((pe.offset_of(address), min(pe.directories[_EXPORTS][1], 4 << 20)))
    return ranges


def find_imported_ranges(view: ByteView) -> list[tuple[int, int]]:
    """Return the parts (offset, length) of a very large file to which its import and export tables refer."""
    pe = _parse_headers(view)
    ranges = []
    for directory, form, name_field in ((_IMPORTS, _IMPORT, 3), (_DELAYED, _DELAY, 1)):
        if not (address := pe.directory(directory)):
            continue
        offset = pe.offset_of(address)
        ranges.append((offset, MAX_NEEDED * form.size))
        for index in range(MAX_NEEDED):
            row = view.unpack(form, offset + index * form.size)
            if not row[name_field]:
                break
            is_absolute = directory == _DELAYED and not row[0] & _BY_RVA
            ranges.append((pe.offset_of(row[name_field] - (pe.image_base if is_absolute else 0)), 1024))
            if directory == _IMPORTS and (row[0] or row[4]):
                ranges.append((pe.offset_of(row[0] or row[4]), 64 << 10))
    if address := pe.directory(_EXPORTS):
        ranges.append((pe.offset_of(address), min(pe.directories[_EXPORTS][1], 16 << 20)))
    return ranges


def _parse_headers(view: ByteView, *, complete: bool = True) -> _Pe:
    offset = view.unpack(_WORD, 0x3C)[0]
    signature, machine, count, _, symbols_offset, symbol_count, size, flags = view.unpack(_COFF, offset)
    if signature != b"PE\0\0":
        raise MalformedBinary("it has no PE header")
    if count > MAX_SECTIONS:
        raise MalformedBinary(f"it has {count} sections")
    optional = view.subview(offset + _COFF.size, size)
    magic = bytes(optional.get_bytes(0, 2))
    if magic not in {b"\x0b\x01", b"\x0b\x02"}:
        raise MalformedBinary("its optional header is of an unknown kind")
    is_64_bit = magic == b"\x0b\x02"
    directories_offset = 112 if is_64_bit else 96
    declared_count = optional.unpack(_WORD, directories_offset - 4)[0]
    max_count = (optional.size - directories_offset) // _DIRECTORY.size
    table = optional.get_bytes(directories_offset, min(declared_count, max_count, 16) * _DIRECTORY.size)
    sections = []
    for row in _SECTION.iter_unpack(view.get_bytes(offset + _COFF.size + size, count * _SECTION.size)):
        name, extent, address, length, section_offset = row[:5]
        sections.append(_Section(name.rstrip(b"\0"), address, extent, length, section_offset))
        if complete and length and section_offset + length > view.size:
            raise MalformedBinary(
                f"it is truncated: a section ends at byte {section_offset + length} of {view.size}"
            )
    by_address = sorted(sections, key=lambda section: (section.address, max(section.extent, section.size)))
    return _Pe(
        view=view,
        machine=machine,
        is_dll=bool(flags & _DLL),
        is_64_bit=is_64_bit,
        image_base=optional.unpack(_LONG, 24)[0] if is_64_bit else optional.unpack(_WORD, 28)[0],
        directories=tuple(_DIRECTORY.iter_unpack(table)),
        sections=tuple(sections),
        by_address=tuple(by_address),
        starts=tuple(section.address for section in by_address),
        strings=symbols_offset + 18 * symbol_count if symbols_offset else 0,
    )


def _kind(pe: _Pe) -> BinaryKind:
    if pe.directory(_CLR):
        return BinaryKind.MANAGED
    return BinaryKind.LIBRARY if pe.is_dll else BinaryKind.EXECUTABLE


def _iter_imports(pe: _Pe) -> Iterator[tuple[str, int]]:
    """Yield (library, address) for each import: a needed library, and its table of imported symbols."""
    if not (address := pe.directory(_IMPORTS)):
        return
    offset = pe.offset_of(address)
    for index in range(MAX_NEEDED):
        pe.view.budget.count_items("import tables")
        lookup, _, _, name, bound = pe.view.unpack(_IMPORT, offset + index * _IMPORT.size)
        if not name:
            return
        yield pe.view.read_string(pe.offset_of(name)), lookup or bound


def _iter_delayed_imports(pe: _Pe) -> Iterator[str]:
    """Yield each library that is loaded when one of its functions is first called."""
    if not (address := pe.directory(_DELAYED)):
        return
    offset = pe.offset_of(address)
    for index in range(MAX_NEEDED):
        pe.view.budget.count_items("import tables")
        attributes, name, *_ = pe.view.unpack(_DELAY, offset + index * _DELAY.size)
        if not name:
            return
        # Compilers before 2002 wrote absolute addresses instead of offsets from the image base.
        yield pe.view.read_string(pe.offset_of(name if attributes & _BY_RVA else name - pe.image_base))


def _python_symbols(pe: _Pe, imports: list[tuple[str, int]]) -> Iterator[str]:
    form = _LONG if pe.is_64_bit else _WORD
    ordinal_flag = 1 << (form.size * 8 - 1)
    ranges: list[range] = []
    for library, table in imports:
        if not _PYTHON.match(library):
            continue
        start = pe.offset_of(table)
        end = start
        for end in range(start, start + MAX_IMPORTS * form.size, form.size):
            pe.view.budget.count_items("symbols")
            entry = pe.view.unpack(form, end)[0]
            if not entry:
                break
            if not entry & ordinal_flag:
                yield pe.view.read_string(pe.offset_of(entry) + 2, MAX_SYMBOL_LENGTH)
        if any(start <= earlier[-1] and earlier[0] <= end for earlier in ranges):
            raise MalformedBinary("its import tables overlap")
        ranges.append(range(start, end + 1))


def _module_functions(pe: _Pe, functions: Sequence[str]) -> tuple[str, ...] | None:
    """Return those of ``functions`` that the file exports, or else the ones for other names."""
    if not functions or not (address := pe.directory(_EXPORTS)):
        return ()
    try:
        count, _, names = pe.view.unpack(_EXPORT, pe.offset_of(address))
        table = pe.offset_of(names) if count else 0
        if table + count * _WORD.size > pe.view.size:
            raise MalformedBinary("its export table is truncated")
        own = tuple(name for name in functions if _has_export(pe, table, count, name.encode("ascii")))
        return own or tuple(_iter_other_functions(pe, table, count))
    except (NotRetained, MalformedBinary):
        return None


def _find_export(pe: _Pe, table: int, count: int, name: bytes) -> int:
    """Return the index of the first exported name that is not less than ``name``; the names are sorted."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if _export_name(pe, table, middle) < name:
            low = middle + 1
        else:
            high = middle
    return low


def _export_name(pe: _Pe, table: int, index: int) -> bytes:
    pe.view.budget.count_items("symbols")
    offset = pe.offset_of(pe.view.unpack(_WORD, table + index * _WORD.size)[0])
    return pe.view.read_string(offset, MAX_SYMBOL_LENGTH).encode("utf-8", "replace")


def _has_export(pe: _Pe, table: int, count: int, name: bytes) -> bool:
    index = _find_export(pe, table, count, name)
    return index < count and _export_name(pe, table, index) == name


def _iter_other_functions(pe: _Pe, table: int, count: int) -> Iterator[str]:
    for prefix in module_names.FUNCTION_PREFIXES:
        start = _find_export(pe, table, count, prefix.encode("ascii"))
        for index in range(start, min(count, start + module_names.MAX_OTHER_FUNCTIONS)):
            name = _export_name(pe, table, index)
            if not (name.startswith(prefix.encode("ascii")) and module_names.is_module_function(name)):
                break
            yield name.decode("utf-8", "replace")


def _section_name(pe: _Pe, section: _Section) -> str:
    """Return the name of a section; one longer than 8 bytes (``/123``) is in the string table."""
    if pe.strings and section.name.startswith(b"/") and section.name[1:].isdigit():
        try:
            return pe.view.read_string(pe.strings + int(section.name[1:]), 64)
        except MalformedBinary:
            return ""
    return section.name.decode("latin-1")
