"""What a Mach-O file says of itself, slice by slice, from the load commands that dyld goes by.

macholib reads load commands as well, and tests compare; it is no dependency because it reads from files
alone, takes about a third of the time that unpacking the wheel did, and has no limits against damaged input.
Layouts: mach-o/loader.h, mach-o/fat.h and mach-o/nlist.h of macOS.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from wheel_uploader.models import NativeKind, NativeSlice
from wheel_uploader.native.view import MAX_SYMBOL, Malformed, View

MAGICS = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
FAT_MAGICS = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")

#: Java classes begin as a universal file does; what is the number of slices there is 45 or more in them.
MAX_SLICES = 42
MAX_COMMANDS = 4096
MAX_NEEDED = 256

_FAT = struct.Struct(">4sI")
_FAT_ARCH, _FAT_ARCH_64 = struct.Struct(">iiIII"), struct.Struct(">iiQQII")
_WIDE = 0x0100_0000
_ARCHES = {7: "i386", 7 | _WIDE: "x86_64", 12: "arm", 12 | _WIDE: "arm64", 18: "ppc", 18 | _WIDE: "ppc64"}
_OBJECT, _EXECUTE, _DYLIB, _BUNDLE = 1, 2, 6, 8
_KINDS = {_EXECUTE: NativeKind.EXECUTABLE, _DYLIB: NativeKind.LIBRARY, _BUNDLE: NativeKind.LIBRARY}

_SEGMENT, _SEGMENT_64, _SYMTAB, _DYSYMTAB = 0x1, 0x19, 0x2, 0xB
#: Load, re-export, load lazily, load upward; a weak one may be absent.
_LOAD_DYLIB = frozenset({0xC, 0x8000_001F, 0x20, 0x8000_0023})
_ID_DYLIB, _RPATH = 0xD, 0x8000_001C
_VERSION_MIN_MACOSX, _BUILD_VERSION = 0x24, 0x32
_LOAD_WEAK = 0x8000_0018
_MACOS = 1
_WEAK_REFERENCE = 0x40
#: With two levels a symbol names the library that it is from; these stand for any, and for the program.
_TWO_LEVELS = 0x80
_FROM_ANYWHERE = (0xFE, 0xFF)
_PYTHON = re.compile(r"(?:.*/)?(?:libpython3[^/]*|Python3?)\Z")


def is_fat(view: View) -> bool:
    """Whether this is a universal file, and not a Java class."""
    return view.size >= _FAT.size and view.unpack(_FAT, 0)[1] <= MAX_SLICES


def read(view: View, *, symbols: bool) -> tuple[NativeSlice, ...]:
    """The facts of every slice; ``symbols`` asks for those of Python's C API as well.

    Raises Malformed and NotKept.
    """
    return tuple(_read(view.part(offset, size), symbols=symbols) for offset, size in _slices(view))


def wanted(head: View) -> list[tuple[int, int]]:
    """Which parts (offset, length) of a very large file are needed besides its beginning and its end."""
    return [(offset, min(size, 1 << 20)) for offset, size in _slices(head)]


def _slices(view: View) -> list[tuple[int, int]]:
    magic = bytes(view.take(0, 4))
    if magic not in FAT_MAGICS:
        return [(0, view.size)]
    form = _FAT_ARCH_64 if magic == FAT_MAGICS[1] else _FAT_ARCH
    count = view.unpack(_FAT, 0)[1]
    rows = [view.unpack(form, _FAT.size + index * form.size) for index in range(count)]
    slices = [(row[2], row[3]) for row in rows]
    _no_overlap([(0, _FAT.size + count * form.size), *slices], "its slices overlap")
    return slices


def _no_overlap(parts: list[tuple[int, int]], problem: str) -> None:
    """Raise Malformed when two of ``parts`` (offset, length) share a byte."""
    end = 0
    for offset, length in sorted(part for part in parts if part[1]):
        if offset < end:
            raise Malformed(problem)
        end = offset + length


@dataclass(slots=True)
class _Commands:
    """What the load commands say, as they are read."""

    needed: list[str] = field(default_factory=list)
    #: Those as well that may be absent, for symbols count through all of them.
    libraries: list[str] = field(default_factory=list)
    rpaths: list[str] = field(default_factory=list)
    name: str = ""
    minos: tuple[int, int] | None = None
    debug: bool = False
    #: Offset and number of symbols, offset and bytes of strings; the first undefined symbol and their number.
    symtab: tuple[int, int, int, int] | None = None
    undefined: tuple[int, int] = (0, 0)


def _read(view: View, *, symbols: bool) -> NativeSlice:
    magic = bytes(view.take(0, 4))
    if magic not in MAGICS:
        raise Malformed("a slice of it is not Mach-O")
    order = "<" if magic in MAGICS[:2] else ">"
    wide = magic in (MAGICS[0], MAGICS[2])
    _, cpu, _, kind, count, size, flags = view.unpack(struct.Struct(order + "IiiIIII"), 0)
    start = 32 if wide else 28
    if count > MAX_COMMANDS:
        raise Malformed(f"it has {count} load commands")
    view.budget.spend("slices")
    found = _Commands()
    for command, body in _commands(view, order, start, start + size, count):
        _take_in(found, command, body, order, view.size)
    libraries = found.libraries if flags & _TWO_LEVELS else None
    return NativeSlice(
        arch=_ARCHES.get(cpu, f"Mach-O processor {cpu}"),
        kind=_KINDS.get(kind, NativeKind.OBJECT),
        needed=tuple(dict.fromkeys(found.needed[:MAX_NEEDED])),
        name=found.name,
        rpaths=tuple(dict.fromkeys(found.rpaths[:MAX_NEEDED])),
        minos=found.minos,
        python_symbols=_python_symbols(view, found, order, libraries, start + size) if symbols else (),
        debug=found.debug and kind != _OBJECT,
    )


def _commands(view: View, order: str, at: int, end: int, count: int) -> Iterator[tuple[int, View]]:
    form = struct.Struct(order + "II")
    for _ in range(count):
        command, size = view.unpack(form, at)
        if size < form.size or at + size > end:
            raise Malformed("its load commands do not add up")
        view.budget.spend("load commands")
        yield command, view.part(at, size)
        at += size


def _take_in(found: _Commands, command: int, body: View, order: str, size: int) -> None:
    words = struct.Struct(order + "I")

    def word(at: int) -> int:
        return int(body.unpack(words, at)[0])

    if command in _LOAD_DYLIB or command == _LOAD_WEAK:
        found.libraries.append(body.text(word(8)))
        if command != _LOAD_WEAK:
            found.needed.append(found.libraries[-1])
    elif command == _ID_DYLIB:
        found.name = body.text(word(8))
    elif command == _RPATH:
        found.rpaths.append(body.text(word(8)))
    elif command == _VERSION_MIN_MACOSX:
        found.minos = _version(word(8))
    elif command == _BUILD_VERSION and word(8) == _MACOS:
        found.minos = _version(word(12))
    elif command == _SYMTAB:
        found.symtab = (word(8), word(12), word(16), word(20))
    elif command == _DYSYMTAB:
        found.undefined = (word(24), word(28))
    elif command in {_SEGMENT, _SEGMENT_64}:
        form = struct.Struct(order + ("16sQQQQ" if command == _SEGMENT_64 else "16sIIII"))
        name, _, _, offset, length = body.unpack(form, 8)
        found.debug |= name.rstrip(b"\0") == b"__DWARF"
        if offset + length > size:
            raise Malformed(f"it is cut off: a segment ends at byte {offset + length}, and it has {size}")


def _version(number: int) -> tuple[int, int]:
    return number >> 16, number >> 8 & 0xFF


def _python_symbols(
    view: View, found: _Commands, order: str, libraries: list[str] | None, headers: int
) -> tuple[str, ...]:
    """The undefined symbols that begin as those of Python's C API do, without the underscore of C names.

    ``headers`` is the size of what is before the tables. With ``libraries`` only those that are not said to
    be from one of them, unless that is Python itself.
    """
    if found.symtab is None:
        return ()
    form = struct.Struct(order + ("IBBHQ" if bytes(view.take(0, 4)) in (MAGICS[0], MAGICS[2]) else "IBBHI"))
    table, total, strings, length = found.symtab
    first, count = found.undefined
    _no_overlap([(0, headers), (table, total * form.size), (strings, length)], "its tables overlap")
    rows = view.take(table + first * form.size, count * form.size)
    view.budget.spend("symbols", count)
    names = []
    for at, _, _, description, _ in form.iter_unpack(rows):
        start = bytes(view.take(strings + at, min(4, max(0, view.size - strings - at))))
        if not start.startswith((b"_Py", b"__Py")) or description & _WEAK_REFERENCE:
            continue
        if libraries is None or _is_pythons(description >> 8, libraries):
            names.append(view.budget.name(view.text(strings + at, MAX_SYMBOL)[1:]))
    return tuple(dict.fromkeys(names))


def _is_pythons(ordinal: int, libraries: list[str]) -> bool:
    if ordinal in _FROM_ANYWHERE:
        return True
    return 0 < ordinal <= len(libraries) and bool(_PYTHON.match(libraries[ordinal - 1]))
