"""Read facts about an ELF file from the tables that the Linux loader uses.

pyelftools reads the same tables, and tests compare the results. It is not a dependency because it takes about
half as long as decompressing the wheel, needs section headers for information that the loader finds without
them, and raises a dozen different exceptions for corrupt input. Layouts: the System V ABI, chapters 4 and 5,
and the Linux extensions to gABI.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import BinaryKind, BinarySlice
from wheel_uploader.facts.binaries import module_names
from wheel_uploader.facts.binaries.byte_view import MAX_SYMBOL_LENGTH, ByteView, MalformedBinary, NotRetained

MAGIC = b"\x7fELF"

#: Limits on the lengths of tables, which a hostile file chooses freely; real files stay far below them.
MAX_SEGMENTS = 512
MAX_SECTIONS = 20_000
MAX_DYNAMIC = 4096
MAX_NEEDED = 256
MAX_VERSIONS = 1024

_MACHINE_NAMES = {
    3: "i686",
    20: "ppc",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
_PPC64, _S390 = 21, 22
_RELOCATABLE, _EXECUTABLE, _SHARED, _CORE = 1, 2, 3, 4
_LOAD, _DYNAMIC, _INTERP, _PROPERTY, _STACK = 1, 2, 3, 0x6474E553, 0x6474E551
_EXECUTABLE_FLAG = 1
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_GNU_HASH, _FLAGS_1, _VERNEED = 0x6FFFFEF5, 0x6FFFFFFB, 0x6FFFFFFE
_PIE = 0x0800_0000
_NOBITS, _DYNSYM = 8, 11
_WEAK = 2
#: Bytes of an entry of .gnu.version_r; both kinds have the same size.
_VERSION_SIZE = 16
#: Tables that the dynamic section names, those first that name the libraries, and the largest parts of them
#: that are needed. Only the size of the string table is stored.
_TABLES = {_VERNEED: 64 << 10, _STRTAB: 40 << 20, _GNU_HASH: 8 << 20, _HASH: 8 << 20, _SYMTAB: 16 << 20}
_X86_ISA_NEEDED = 0xC000_8002
_ISA_LEVELS = ((8, "x86-64-v4"), (4, "x86-64-v3"), (2, "x86-64-v2"))


class _Layout(NamedTuple):
    """The structures for one class (32 or 64 bits) and byte order."""

    header: struct.Struct
    segment: struct.Struct
    section: struct.Struct
    dynamic: struct.Struct
    symbol: struct.Struct
    word: struct.Struct
    #: The two structures of .gnu.version_r: for a library, and for one of its versions.
    needed: struct.Struct
    needed_version: struct.Struct
    is_64_bit: bool


def _make_layout(order: str, is_64_bit: bool) -> _Layout:
    forms = ("HHIQQQIHHHHHH", "IIQQQQQQ", "IIQQQQIIQQ", "QQ", "IBBHQQ")
    if not is_64_bit:
        forms = ("HHIIIIIHHHHHH", "IIIIIIII", "IIIIIIIIII", "II", "IIIBBH")
    header, segment, section, dynamic, symbol = (struct.Struct(order + form) for form in forms)
    word, needed, version = (struct.Struct(order + form) for form in ("I", "HHIII", "IHHII"))
    return _Layout(header, segment, section, dynamic, symbol, word, needed, version, is_64_bit)


_LAYOUTS = {
    (bits, order): _make_layout("<" if order == 1 else ">", bits == 2) for bits in (1, 2) for order in (1, 2)
}


class _Segment(NamedTuple):
    kind: int
    flags: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class _Elf:
    """A file and its parsed headers."""

    view: ByteView
    layout: _Layout
    kind: int
    machine: int
    segments: tuple[_Segment, ...]
    #: The offset and number of the section headers, and the index of the one with the section names.
    sections_offset: int
    section_count: int
    names_index: int

    def offset_of(self, address: int) -> int:
        """Return the offset in the file of the byte that is loaded at ``address``."""
        for kind, _, offset, start, size in self.segments:
            if kind == _LOAD and start <= address < start + size:
                return offset + address - start
        raise MalformedBinary(f"nothing is loaded at address {address:#x}")

    def first_segment(self, kind: int) -> _Segment | None:
        return next((segment for segment in self.segments if segment.kind == kind), None)

    def sections(self) -> Iterator[tuple[int, ...]]:
        """Return the section headers as they are in both classes: name, kind, and at 4 and 5 offset and size.

        A library has 30 of them, and each is looked at three times, so they are not converted.
        """
        if not self.sections_offset:
            return iter(())
        count, form = min(self.section_count, MAX_SECTIONS), self.layout.section
        rows = self.view.get_bytes(self.sections_offset, count * form.size)
        self.view.budget.count_items("sections", count)
        return form.iter_unpack(rows)


def read_elf(view: ByteView, *, symbols: bool, functions: Sequence[str] = ()) -> BinarySlice:
    """Return the facts, with the symbols of Python's C API if ``symbols``.

    ``functions`` are the names by which Python would load it as a module. Raises MalformedBinary and
    NotRetained.
    """
    elf = _parse_headers(view)
    view.budget.count_items("slices")
    dynamic = _read_dynamic(elf)
    strings = elf.offset_of(dynamic[_STRTAB][0]) if _STRTAB in dynamic else -1
    interpreter = elf.first_segment(_INTERP)

    def read_strings(tag: int) -> tuple[str, ...]:
        if tag in dynamic and strings < 0:
            raise MalformedBinary("it has names of libraries but no string table")
        return tuple(
            dict.fromkeys(view.read_string(strings + offset) for offset in dynamic.get(tag, ())[:MAX_NEEDED])
        )

    rpaths = read_strings(_RUNPATH) or read_strings(_RPATH)
    imported, exported = (
        _python_symbols(elf, dynamic, strings) if symbols and _SYMTAB in dynamic else ((), ())
    )
    is_pie = bool(dynamic.get(_FLAGS_1, (0,))[0] & _PIE)
    stack = elf.first_segment(_STACK)
    return BinarySlice(
        arch=_arch(elf),
        kind=_kind(elf.kind, is_pie),
        needed_libraries=read_strings(_NEEDED),
        library_name=next(iter(read_strings(_SONAME)), ""),
        rpaths=tuple(part for rpath in rpaths for part in rpath.split(":") if part)[:MAX_NEEDED],
        has_runpath=_RUNPATH in dynamic,
        symbol_versions=tuple(dict.fromkeys(_read_versions(elf, dynamic, strings))),
        interpreter=view.read_string(interpreter.offset) if interpreter else "",
        python_imports=imported,
        python_exports=exported,
        isa_level=_isa_level(elf),
        has_debug_info=_has_debug(elf),
        module_functions=_module_functions(elf, dynamic, strings, functions),
        executable_stack=stack is not None and bool(stack.flags & _EXECUTABLE_FLAG),
        unspecified_stack=stack is None,
    )


def find_needed_ranges(head: ByteView) -> list[tuple[int, int]]:
    """Return the parts (offset, length) of a very large file that are needed besides its two ends."""
    elf = _parse_headers(head, complete=False)
    dynamic = [(segment.offset, segment.size) for segment in elf.segments if segment.kind == _DYNAMIC]
    # patchelf moves the section headers away from the end.
    sections = min(elf.section_count, MAX_SECTIONS) * elf.layout.section.size
    return [*dynamic, (elf.sections_offset, sections)]


def find_dynamic_ranges(view: ByteView) -> list[tuple[int, int]]:
    """Return the parts (offset, length) that the dynamic section of a very large file names.

    The sizes of some tables are not stored; such parts end where the next one begins.
    """
    elf = _parse_headers(view)
    dynamic = _read_dynamic(elf)
    starts = {tag: elf.offset_of(dynamic[tag][0]) for tag in _TABLES if tag in dynamic}
    ends = sorted({*starts.values(), view.size})
    ranges = []
    for tag, start in starts.items():
        following = ends[min(bisect.bisect_right(ends, start), len(ends) - 1)]
        size = dynamic.get(_STRSZ, [0])[0] if tag == _STRTAB else 0
        ranges.append((start, min(size or following - start, _TABLES[tag])))
    return ranges


def _parse_headers(view: ByteView, *, complete: bool = True) -> _Elf:
    ident = view.get_bytes(0, 16)
    layout = _LAYOUTS.get((ident[4], ident[5]))
    if layout is None:
        raise MalformedBinary("its ELF class or byte order is invalid")
    fields = view.unpack(layout.header, 16)
    kind, machine, _, _, segments_offset, sections_offset = fields[:6]
    segment_size, count, section_size, sections, names = fields[8:]
    if kind not in {_RELOCATABLE, _EXECUTABLE, _SHARED, _CORE}:
        raise MalformedBinary(f"its type is unknown ({kind})")
    if count > MAX_SEGMENTS or (count and segment_size != layout.segment.size):
        raise MalformedBinary("its program headers are invalid")
    if sections and section_size != layout.section.size:
        raise MalformedBinary("its section headers have an invalid size")
    table = view.get_bytes(segments_offset, count * layout.segment.size)
    segments = []
    for row in layout.segment.iter_unpack(table):
        flags, offset, address, size = (
            (row[1], row[2], row[3], row[5]) if layout.is_64_bit else (row[6], row[1], row[2], row[4])
        )
        segments.append(_Segment(row[0], flags, offset, address, size))
        if complete and row[0] == _LOAD and offset + size > view.size:
            raise MalformedBinary(f"it is truncated: a segment ends at byte {offset + size} of {view.size}")
    if complete and sections_offset and sections_offset + sections * section_size > view.size:
        raise MalformedBinary(
            f"it is truncated: its section headers are at byte {sections_offset} of {view.size}"
        )
    return _Elf(view, layout, kind, machine, tuple(segments), sections_offset, sections, names)


def _arch(elf: _Elf) -> str:
    if elf.machine == _PPC64:
        return "ppc64le" if elf.layout.word.format.startswith("<") else "ppc64"
    if elf.machine == 62 and not elf.layout.is_64_bit:
        return "x32"
    return _MACHINE_NAMES.get(elf.machine, f"ELF machine {elf.machine}")


def _kind(kind: int, is_pie: bool) -> BinaryKind:
    if kind == _EXECUTABLE or is_pie:
        return BinaryKind.EXECUTABLE
    return BinaryKind.LIBRARY if kind == _SHARED else BinaryKind.OBJECT


def _read_dynamic(elf: _Elf) -> dict[int, list[int]]:
    """Return the values of each tag of the dynamic section, in order."""
    values: dict[int, list[int]] = {}
    segment = elf.first_segment(_DYNAMIC)
    # Separate debug files have the program headers of the file they belong to, but not its bytes.
    if segment is None or not segment.size or elf.kind == _RELOCATABLE or _is_debug_file(elf, segment):
        return values
    form = elf.layout.dynamic
    size = min(segment.size // form.size, MAX_DYNAMIC) * form.size
    for tag, value in form.iter_unpack(elf.view.get_bytes(segment.offset, size)):
        if not tag:
            break
        elf.view.budget.count_items("dynamic tags")
        values.setdefault(tag, []).append(value)
    return values


def _is_debug_file(elf: _Elf, dynamic: _Segment) -> bool:
    return any(
        kind == _NOBITS and offset == dynamic.offset and size == dynamic.size
        for _, kind, _, _, offset, size, *_ in elf.sections()
    )


def _read_versions(elf: _Elf, dynamic: dict[int, list[int]], strings: int) -> Iterator[tuple[str, str]]:
    """Yield (library, version) for each symbol version that the file needs (.gnu.version_r)."""
    if _VERNEED not in dynamic or strings < 0:
        return
    needed, version = elf.layout.needed, elf.layout.needed_version
    offset = elf.offset_of(dynamic[_VERNEED][0])
    remaining = MAX_VERSIONS
    while remaining > 0:
        _, count, file, first, next_offset = elf.view.unpack(needed, offset)
        elf.view.budget.count_items("symbol versions")
        library = elf.view.read_string(strings + file)
        entry = offset + first
        for _ in range(min(count, remaining)):
            elf.view.budget.count_items("symbol versions")
            *_, name, next_entry = elf.view.unpack(version, entry)
            yield library, elf.view.read_string(strings + name)
            entry += next_entry
            if not next_entry:
                break
            if next_entry < _VERSION_SIZE:
                raise MalformedBinary("the entries of its symbol versions overlap")
        remaining -= max(1, count)
        offset += next_offset
        if not next_offset:
            return
        if next_offset < _VERSION_SIZE:
            raise MalformedBinary("the entries of its symbol versions overlap")


def _python_symbols(
    elf: _Elf, dynamic: dict[int, list[int]], strings: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the undefined and defined symbols of Python's C API, judged by their prefix.

    Weak undefined symbols are left out, because the file loads without them.
    """
    form = elf.layout.symbol
    table = elf.offset_of(dynamic[_SYMTAB][0])
    count = min(_symbol_count(elf, dynamic, table), (elf.view.size - table) // form.size)
    elf.view.budget.count_items("symbols", count)
    undefined: dict[str, None] = {}
    defined: dict[str, None] = {}
    for row in form.iter_unpack(elf.view.get_bytes(table, count * form.size)):
        info, section = (row[1], row[3]) if elf.layout.is_64_bit else (row[3], row[5])
        if not row[0] or (not section and info >> 4 == _WEAK):
            continue
        prefix = bytes(elf.view.get_bytes(strings + row[0], 3))
        if prefix.startswith((b"Py", b"_Py")):
            (defined if section else undefined)[elf.view.read_string(strings + row[0], MAX_SYMBOL_LENGTH)] = (
                None
            )
    return tuple(undefined), tuple(name for name in defined if not name.startswith("PyInit_"))


def _module_functions(
    elf: _Elf, dynamic: dict[int, list[int]], strings: int, functions: Sequence[str]
) -> tuple[str, ...] | None:
    """Return those of ``functions`` that the file exports, or else the ones for other names."""
    if not functions or _SYMTAB not in dynamic or strings < 0:
        return ()
    try:
        if _GNU_HASH in dynamic:
            # As the loader does it, which takes the same time for any number of symbols.
            names = [name.encode("ascii") for name in functions]
            found = [name for name in names if _exports(elf, dynamic, strings, name)]
            if found:
                return tuple(name.decode("ascii") for name in found)
        exported = [name.decode("ascii", "replace") for name in _iter_functions(elf, dynamic, strings)]
    except (NotRetained, MalformedBinary):
        return None
    own = tuple(name for name in functions if name in exported)
    return own or tuple(exported[: module_names.MAX_OTHER_FUNCTIONS])


def _exports(elf: _Elf, dynamic: dict[int, list[int]], strings: int, name: bytes) -> bool:
    """Return whether the GNU hash table leads to a defined symbol of this name."""
    view, word = elf.view, elf.layout.word
    table = elf.offset_of(dynamic[_GNU_HASH][0])
    bucket_count, first, bloom_size, _ = view.unpack(struct.Struct(word.format[0] + "4I"), table)
    if not bucket_count:
        return False
    buckets = table + 16 + bloom_size * (8 if elf.layout.is_64_bit else 4)
    chains = buckets + bucket_count * word.size
    wanted = _gnu_hash(name)
    index = view.unpack(word, buckets + wanted % bucket_count * word.size)[0]
    symbols = elf.offset_of(dynamic[_SYMTAB][0])
    while index >= first:
        view.budget.count_items("symbols")
        value = view.unpack(word, chains + (index - first) * word.size)[0]
        if value | 1 == wanted | 1:
            row = view.unpack(elf.layout.symbol, symbols + index * elf.layout.symbol.size)
            section = row[3] if elf.layout.is_64_bit else row[5]
            if section and _has_name(view, strings + row[0], name):
                return True
        if value & 1:
            break
        index += 1
    return False


def _has_name(view: ByteView, offset: int, name: bytes) -> bool:
    return offset + len(name) < view.size and bytes(view.get_bytes(offset, len(name) + 1)) == name + b"\0"


def _gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFF_FFFF
    return value


def _iter_functions(elf: _Elf, dynamic: dict[int, list[int]], strings: int) -> Iterator[bytes]:
    """Yield the names of exported functions by which Python loads a module."""
    form = elf.layout.symbol
    table = elf.offset_of(dynamic[_SYMTAB][0])
    count = min(_symbol_count(elf, dynamic, table), (elf.view.size - table) // form.size)
    elf.view.budget.count_items("symbols", count)
    for row in form.iter_unpack(elf.view.get_bytes(table, count * form.size)):
        section = row[3] if elf.layout.is_64_bit else row[5]
        if section and bytes(elf.view.get_bytes(strings + row[0], 2)) == b"Py":
            name = elf.view.read_string(strings + row[0], MAX_SYMBOL_LENGTH).encode("ascii", "replace")
            if module_names.is_module_function(name):
                yield name


def _symbol_count(elf: _Elf, dynamic: dict[int, list[int]], table: int) -> int:
    """Return the number of dynamic symbols, which is stored in different places."""
    for _, kind, _, _, offset, size, *_ in elf.sections():
        if kind == _DYNSYM and offset == table:
            return size // elf.layout.symbol.size
    word = elf.layout.word
    if _HASH in dynamic and elf.machine != _S390:  # s390 has longer words in this table.
        return int(elf.view.unpack(word, elf.offset_of(dynamic[_HASH][0]) + 4)[0])
    if _GNU_HASH in dynamic:
        # The index of the first symbol in the hash table; undefined symbols come before it.
        return int(elf.view.unpack(word, elf.offset_of(dynamic[_GNU_HASH][0]) + 4)[0])
    return 0


def _isa_level(elf: _Elf) -> str:
    """Return the x86-64 level in the property note if it is above the baseline; else an empty string."""
    segment = elf.first_segment(_PROPERTY)
    if segment is None or elf.machine != 62 or segment.size > 4096:
        return ""
    word, align = elf.layout.word, 8 if elf.layout.is_64_bit else 4
    offset = segment.offset + 16  # Skip the header of the note and "GNU".
    end = segment.offset + segment.size
    while offset + 8 <= end:
        kind, size = elf.view.unpack(word, offset)[0], elf.view.unpack(word, offset + 4)[0]
        if kind == _X86_ISA_NEEDED and size >= 4:
            needed = elf.view.unpack(word, offset + 8)[0]
            return next((level for bit, level in _ISA_LEVELS if needed & bit), "")
        offset += 8 + size + -size % align
    return ""


def _has_debug(elf: _Elf) -> bool:
    sections = list(elf.sections())
    if not 0 <= elf.names_index < len(sections):
        return False
    _, kind, _, _, offset, size, *_ = sections[elf.names_index]
    if kind == _NOBITS:
        return False
    try:
        table = bytes(elf.view.get_bytes(offset, size))
    except NotRetained:
        return False
    if b".debug_" not in table and b".zdebug_" not in table:
        return False
    return any(table.startswith((b".debug_", b".zdebug_"), section[0]) for section in sections if section[0])
