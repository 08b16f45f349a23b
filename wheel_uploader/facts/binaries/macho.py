"""Read facts about each slice of a Mach-O file from the load commands that dyld uses.

macholib reads load commands too, and tests compare the results. It is not a dependency because it reads only
from files, takes about a third of the time of decompressing the wheel, and has no limits for corrupt input.
Layouts: mach-o/loader.h, mach-o/fat.h and mach-o/nlist.h of macOS.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wheel_uploader.core.models import BinaryKind, BinarySlice
from wheel_uploader.facts.binaries import export_trie, module_names
from wheel_uploader.facts.binaries.byte_view import MAX_SYMBOL_LENGTH, ByteView, MalformedBinary, NotRetained

MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
FAT_MAGICS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")

#: A Java class begins like a universal file, but has 45 or more where that has the number of slices.
MAX_SLICES = 42
MAX_COMMANDS = 4096
MAX_NEEDED = 256

_FAT = struct.Struct(">4sI")
_FAT_ARCH, _FAT_ARCH_64 = struct.Struct(">iiIII"), struct.Struct(">iiQQII")
_WIDE = 0x0100_0000
_ARCH_NAMES = {7: "i386", 7 | _WIDE: "x86_64", 12: "arm", 12 | _WIDE: "arm64", 18: "ppc", 18 | _WIDE: "ppc64"}
_OBJECT, _EXECUTE, _DYLIB, _BUNDLE = 1, 2, 6, 8
_BINARY_KINDS = {_EXECUTE: BinaryKind.EXECUTABLE, _DYLIB: BinaryKind.LIBRARY, _BUNDLE: BinaryKind.LIBRARY}

_SEGMENT, _SEGMENT_64, _SYMTAB, _DYSYMTAB = 0x1, 0x19, 0x2, 0xB
#: Load, re-export, load lazily, load upward. A weak library, below, may be missing.
_LOAD_DYLIB = frozenset({0xC, 0x8000_001F, 0x20, 0x8000_0023})
_ID_DYLIB, _RPATH = 0xD, 0x8000_001C
_CODE_SIGNATURE = 0x1D
#: The export trie is part of the information for dyld, or has its own command.
_DYLD_INFO, _EXPORTS_TRIE = frozenset({0x22, 0x8000_0022}), 0x8000_0033
#: Bits of a symbol's type: exported; any of those that tell where it is defined.
_EXTERNAL, _DEFINED = 0x01, 0x0E
_VERSION_MIN_MACOSX, _BUILD_VERSION = 0x24, 0x32
_LOAD_WEAK = 0x8000_0018
_MACOS = 1
_WEAK_REFERENCE = 0x40
#: In a two-level namespace a symbol names its library; these ordinals mean any library, and the executable.
_TWO_LEVELS = 0x80
_FROM_ANYWHERE = (0xFE, 0xFF)
_PYTHON = re.compile(r"(?:.*/)?(?:libpython3[^/]*|Python3?)\Z")


def is_universal(view: ByteView) -> bool:
    """Return whether this is a universal file and not a Java class."""
    return view.size >= _FAT.size and view.unpack(_FAT, 0)[1] <= MAX_SLICES


def read_macho(view: ByteView, *, symbols: bool, functions: Sequence[str] = ()) -> tuple[BinarySlice, ...]:
    """Return the facts about every slice, with the symbols of Python's C API if ``symbols``.

    ``functions`` are the names by which Python would load it as a module. Raises MalformedBinary and
    NotRetained.
    """
    return tuple(
        _read_slice(view.subview(offset, size), symbols=symbols, functions=functions)
        for offset, size in _slices(view)
    )


def find_needed_ranges(head: ByteView) -> list[tuple[int, int]]:
    """Return the parts (offset, length) of a very large file that are needed besides its two ends."""
    return [(offset, min(size, 1 << 20)) for offset, size in _slices(head)]


def find_linked_ranges(view: ByteView) -> list[tuple[int, int]]:
    """Return the parts (offset, length) of a very large file to which its load commands refer."""
    ranges = []
    for start, size in _slices(view):
        commands = _read_commands(view.subview(start, size)).commands
        parts = [commands.exports, (0, 0)]
        if commands.symtab:
            table, count, strings, length = commands.symtab
            parts = [commands.exports, (table, count * 16), (strings, length)]
        ranges += [(start + offset, length) for offset, length in parts if length]
    return ranges


def _slices(view: ByteView) -> list[tuple[int, int]]:
    magic = bytes(view.get_bytes(0, 4))
    if magic not in FAT_MAGICS:
        return [(0, view.size)]
    form = _FAT_ARCH_64 if magic == FAT_MAGICS[1] else _FAT_ARCH
    count = view.unpack(_FAT, 0)[1]
    rows = [view.unpack(form, _FAT.size + index * form.size) for index in range(count)]
    slices = [(row[2], row[3]) for row in rows]
    _require_disjoint([(0, _FAT.size + count * form.size), *slices], "its slices overlap")
    return slices


def _require_disjoint(parts: list[tuple[int, int]], problem: str) -> None:
    """Raise MalformedBinary if two of ``parts`` (offset, length) overlap."""
    end = 0
    for offset, length in sorted(part for part in parts if part[1]):
        if offset < end:
            raise MalformedBinary(problem)
        end = offset + length


@dataclass(slots=True)
class _Commands:
    """The contents of the load commands of a slice."""

    needed: list[str] = field(default_factory=list)
    #: All libraries, including weak ones, because symbols refer to them by number.
    libraries: list[str] = field(default_factory=list)
    rpaths: list[str] = field(default_factory=list)
    name: str = ""
    minos: tuple[int, int] | None = None
    debug: bool = False
    #: Offset and number of symbols, offset and size of strings; index and number of undefined symbols, and of
    #: those that others may use.
    symtab: tuple[int, int, int, int] | None = None
    undefined: tuple[int, int] = (0, 0)
    defined: tuple[int, int] = (0, 0)
    #: Offset and size of the export trie.
    exports: tuple[int, int] = (0, 0)
    is_signed: bool = False


class _Headers(NamedTuple):
    """The fields of the header of a slice that are needed, and the contents of its load commands."""

    order: str
    cpu: int
    kind: int
    flags: int
    #: The size of the header and the load commands.
    size: int
    commands: _Commands


def _read_commands(view: ByteView) -> _Headers:
    magic = bytes(view.get_bytes(0, 4))
    if magic not in MAGICS:
        raise MalformedBinary("a slice of it is not Mach-O")
    order = "<" if magic in MAGICS[:2] else ">"
    is_64_bit = magic in (MAGICS[0], MAGICS[2])
    _, cpu, _, kind, count, size, flags = view.unpack(struct.Struct(order + "IiiIIII"), 0)
    start = 32 if is_64_bit else 28
    if count > MAX_COMMANDS:
        raise MalformedBinary(f"it has {count} load commands")
    view.budget.count_items("slices")
    commands = _Commands()
    for command, body in _iter_commands(view, order, start, start + size, count):
        _parse_command(commands, command, body, order, view.size)
    return _Headers(order, cpu, kind, flags, start + size, commands)


def _read_slice(view: ByteView, *, symbols: bool, functions: Sequence[str]) -> BinarySlice:
    order, cpu, kind, flags, headers, commands = _read_commands(view)
    libraries = commands.libraries if flags & _TWO_LEVELS else None
    return BinarySlice(
        arch=_ARCH_NAMES.get(cpu, f"Mach-O processor {cpu}"),
        kind=_BINARY_KINDS.get(kind, BinaryKind.OBJECT),
        needed_libraries=tuple(dict.fromkeys(commands.needed[:MAX_NEEDED])),
        library_name=commands.name,
        rpaths=tuple(dict.fromkeys(commands.rpaths[:MAX_NEEDED])),
        min_macos=commands.minos,
        python_imports=_python_symbols(view, commands, order, libraries, headers) if symbols else (),
        has_debug_info=commands.debug and kind != _OBJECT,
        module_functions=_module_functions(view, commands, order, functions),
        has_code_signature=commands.is_signed,
    )


def _iter_commands(
    view: ByteView, order: str, offset: int, end: int, count: int
) -> Iterator[tuple[int, ByteView]]:
    form = struct.Struct(order + "II")
    for _ in range(count):
        command, size = view.unpack(form, offset)
        if size < form.size or offset + size > end:
            raise MalformedBinary("its load commands have invalid sizes")
        view.budget.count_items("load commands")
        yield command, view.subview(offset, size)
        offset += size


def _parse_command(commands: _Commands, command: int, body: ByteView, order: str, size: int) -> None:
    words = struct.Struct(order + "I")

    def read_word(field_offset: int) -> int:
        return int(body.unpack(words, field_offset)[0])

    if command in _LOAD_DYLIB or command == _LOAD_WEAK:
        commands.libraries.append(body.read_string(read_word(8)))
        if command != _LOAD_WEAK:
            commands.needed.append(commands.libraries[-1])
    elif command == _ID_DYLIB:
        commands.name = body.read_string(read_word(8))
    elif command == _RPATH:
        commands.rpaths.append(body.read_string(read_word(8)))
    elif command == _VERSION_MIN_MACOSX:
        commands.minos = _decode_version(read_word(8))
    elif command == _BUILD_VERSION and read_word(8) == _MACOS:
        commands.minos = _decode_version(read_word(12))
    elif command == _SYMTAB:
        commands.symtab = (read_word(8), read_word(12), read_word(16), read_word(20))
    elif command == _DYSYMTAB:
        commands.undefined = (read_word(24), read_word(28))
        commands.defined = (read_word(16), read_word(20))
    elif command == _CODE_SIGNATURE:
        commands.is_signed = True
    elif command in _DYLD_INFO:
        commands.exports = (read_word(40), read_word(44))
    elif command == _EXPORTS_TRIE:
        commands.exports = (read_word(8), read_word(12))
    elif command in {_SEGMENT, _SEGMENT_64}:
        form = struct.Struct(order + ("16sQQQQ" if command == _SEGMENT_64 else "16sIIII"))
        name, _, _, offset, length = body.unpack(form, 8)
        commands.debug |= name.rstrip(b"\0") == b"__DWARF"
        if offset + length > size:
            raise MalformedBinary(f"it is truncated: a segment ends at byte {offset + length} of {size}")


def _decode_version(number: int) -> tuple[int, int]:
    return number >> 16, number >> 8 & 0xFF


def _python_symbols(
    view: ByteView, commands: _Commands, order: str, libraries: list[str] | None, headers: int
) -> tuple[str, ...]:
    """Return the undefined symbols with the prefixes of Python's C API, without the underscore of C names.

    ``headers`` is the size of the headers before the tables. With ``libraries``, leave out symbols that come
    from one of these, unless it is Python itself.
    """
    if commands.symtab is None:
        return ()
    form = _symbol_form(view, order)
    table, total, strings, length = commands.symtab
    first, count = commands.undefined
    _require_disjoint([(0, headers), (table, total * form.size), (strings, length)], "its tables overlap")
    rows = view.get_bytes(table + first * form.size, count * form.size)
    view.budget.count_items("symbols", count)
    names = []
    for name_offset, _, _, description, _ in form.iter_unpack(rows):
        prefix = bytes(
            view.get_bytes(strings + name_offset, min(4, max(0, view.size - strings - name_offset)))
        )
        if not prefix.startswith((b"_Py", b"__Py")) or description & _WEAK_REFERENCE:
            continue
        if libraries is None or _is_python_symbol(description >> 8, libraries):
            names.append(
                view.budget.intern_name(view.read_string(strings + name_offset, MAX_SYMBOL_LENGTH)[1:])
            )
    return tuple(dict.fromkeys(names))


def _symbol_form(view: ByteView, order: str) -> struct.Struct:
    return struct.Struct(
        order + ("IBBHQ" if bytes(view.get_bytes(0, 4)) in (MAGICS[0], MAGICS[2]) else "IBBHI")
    )


def _module_functions(
    view: ByteView, commands: _Commands, order: str, functions: Sequence[str]
) -> tuple[str, ...] | None:
    """Return those of ``functions`` that the slice exports, or else the ones for other names."""
    if not functions:
        return ()
    try:
        if commands.exports[1]:
            trie = view.subview(*commands.exports)
            own = tuple(name for name in functions if export_trie.contains(trie, f"_{name}".encode("ascii")))
            return (
                own
                or tuple(export_trie.iter_names(trie, b"_Py", module_names.is_module_function))[
                    : module_names.MAX_OTHER_FUNCTIONS
                ]
            )
        exported = list(_iter_functions(view, commands, order))
    except (NotRetained, MalformedBinary):
        return None
    return tuple(name for name in functions if name in exported) or tuple(
        exported[: module_names.MAX_OTHER_FUNCTIONS]
    )


def _iter_functions(view: ByteView, commands: _Commands, order: str) -> Iterator[str]:
    """Yield the names of exported functions by which Python loads a module, from the symbol table."""
    if commands.symtab is None:
        return
    form = _symbol_form(view, order)
    table, _, strings, _ = commands.symtab
    first, count = commands.defined
    rows = view.get_bytes(table + first * form.size, count * form.size)
    view.budget.count_items("symbols", count)
    for name_offset, kind, *_ in form.iter_unpack(rows):
        if kind & _EXTERNAL and kind & _DEFINED:
            name = view.read_string(strings + name_offset, MAX_SYMBOL_LENGTH).removeprefix("_")
            if module_names.is_module_function(name.encode("utf-8", "replace")):
                yield name


def _is_python_symbol(ordinal: int, libraries: list[str]) -> bool:
    if ordinal in _FROM_ANYWHERE:
        return True
    return 0 < ordinal <= len(libraries) and bool(_PYTHON.match(libraries[ordinal - 1]))
