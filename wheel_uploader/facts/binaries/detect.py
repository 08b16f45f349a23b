"""Read facts about compiled code from its headers, for any input and on any host platform."""

from __future__ import annotations

import re

from wheel_uploader.core.models import BinaryFacts, BinaryFormat, BinaryKind, BinarySlice
from wheel_uploader.facts.binaries import elf, macho, pe
from wheel_uploader.facts.binaries.byte_view import ByteView, MalformedBinary, NotRetained
from wheel_uploader.facts.binaries.module_names import find_module_functions

#: Names of compiled code: extension modules and shared libraries, including ``libx.so.1.2``.
BINARY_NAME = re.compile(r"\.(?:so(?:\.[0-9]+)*|pyd|dll|dylib)\Z", re.IGNORECASE)
_EXECUTABLE_NAME = re.compile(r"\.exe\Z", re.IGNORECASE)
_WASM = b"\0asm"
#: A text file that tells the GNU linker where to find a library: not compiled code, but not an error.
_LINKER_SCRIPT = re.compile(rb"/\* GNU ld script|(?:INPUT|GROUP|OUTPUT_FORMAT)\s*\(")
_LFS_POINTER = b"version https://git-lfs"


def read_binary(
    member: str, data: bytes | bytearray | memoryview, *, symbols: bool = False
) -> BinaryFacts | None:
    """Return facts about the compiled code in ``data``; None if neither its bytes nor its name suggest any.

    With ``symbols``, also read which symbols of Python's C API it uses.
    """
    return read_binary_view(member, ByteView.from_bytes(data), symbols=symbols)


def read_binary_view(member: str, view: ByteView, *, symbols: bool = False) -> BinaryFacts | None:
    """Return facts as ``read_binary`` does, from a view that may have retained only parts of the member."""
    has_binary_name = BINARY_NAME.search(member) is not None
    kind = detect_format(view, has_binary_name=has_binary_name or _EXECUTABLE_NAME.search(member) is not None)
    if kind is None:
        problem = _describe_content(view) if has_binary_name else ""
        return BinaryFacts(member=member, problem=problem) if problem else None
    slices: tuple[BinarySlice, ...] = ()
    problem = unread = ""
    try:
        slices = _read_slices(kind, view, symbols=symbols, functions=find_module_functions(member))
    except MalformedBinary as error:
        problem = str(error)
    except NotRetained:
        unread = f"it has {view.size >> 20} MB, and its tables are not where they usually are"
    return BinaryFacts(member=member, format=kind, slices=slices, problem=problem, unread_reason=unread)


def detect_format(view: ByteView, *, has_binary_name: bool) -> BinaryFormat | None:
    """Return the format that the first bytes identify, or None.

    ``has_binary_name`` tells whether the name of the member is one of compiled code.
    """
    head = bytes(view.get_bytes(0, min(4, view.size)))
    if head == elf.MAGIC:
        return BinaryFormat.ELF
    if head in macho.MAGICS or (head in macho.FAT_MAGICS and macho.is_universal(view)):
        return BinaryFormat.MACHO
    # Text may begin with "MZ" as well, and a .wasm file is data of a web page unless it is named as a module.
    if head.startswith(pe.MAGIC) and (has_binary_name or pe.is_pe(view)):
        return BinaryFormat.PE
    if head == _WASM and has_binary_name:
        return BinaryFormat.WASM
    return None


def _read_slices(
    kind: BinaryFormat, view: ByteView, *, symbols: bool, functions: tuple[str, ...]
) -> tuple[BinarySlice, ...]:
    match kind:
        case BinaryFormat.ELF:
            return (elf.read_elf(view, symbols=symbols, functions=functions),)
        case BinaryFormat.MACHO:
            return macho.read_macho(view, symbols=symbols, functions=functions)
        case BinaryFormat.PE:
            return (pe.read_pe(view, symbols=symbols, functions=functions),)
        case BinaryFormat.WASM:
            return (BinarySlice(arch="wasm32", kind=BinaryKind.LIBRARY),)


def _describe_content(view: ByteView) -> str:
    """Return what a file contains that is compiled code only by name; empty if that is not an error."""
    head = bytes(view.get_bytes(0, min(512, view.size)))
    if not head:
        return "it is empty"
    if head.startswith(_LFS_POINTER):
        return "it is a Git LFS pointer, not the file that it points to"
    if _LINKER_SCRIPT.search(head):
        return ""
    if not any(head):
        return "it begins with zeros"
    text = head[:64].decode("ascii", "replace")
    if text.isascii() and text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return f"it is text: '{' '.join(text.split())[:40]}'"
    return f"its first bytes are {head[:4].hex(' ')}"
