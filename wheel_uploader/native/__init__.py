"""What compiled code says of itself: bytes in, facts out, whatever the bytes are and on any host."""

from __future__ import annotations

import re

from wheel_uploader.models import NativeFacts, NativeFormat, NativeKind, NativeSlice
from wheel_uploader.native import elf, macho, pe
from wheel_uploader.native.view import Malformed, NotKept, View

#: Names that promise compiled code: extension modules, and libraries, also as ``libx.so.1.2``.
CODE_NAME = re.compile(r"\.(?:so(?:\.[0-9]+)*|pyd|dll|dylib)\Z", re.IGNORECASE)
_EXECUTABLE_NAME = re.compile(r"\.exe\Z", re.IGNORECASE)
_WASM = b"\0asm"
#: With -l and a script of text the linker of GNU finds a library: no code, and no fault.
_LINKER_SCRIPT = re.compile(rb"/\* GNU ld script|(?:INPUT|GROUP|OUTPUT_FORMAT)\s*\(")
_LFS = b"version https://git-lfs"


def read(member: str, data: bytes | bytearray | memoryview, *, symbols: bool = False) -> NativeFacts | None:
    """What ``data`` says of itself; None when it is not compiled code and is not called so.

    ``symbols`` asks for what it takes of Python's C API as well.
    """
    return read_view(member, View.whole(data), symbols=symbols)


def read_view(member: str, view: View, *, symbols: bool = False) -> NativeFacts | None:
    """As ``read``, of bytes that are not all there."""
    named = CODE_NAME.search(member) is not None
    kind = format_of(view, named=named or _EXECUTABLE_NAME.search(member) is not None)
    if kind is None:
        problem = _what_it_is(view) if named else ""
        return NativeFacts(member=member, problem=problem) if problem else None
    slices: tuple[NativeSlice, ...] = ()
    problem = unread = ""
    try:
        slices = _slices(kind, view, symbols=symbols)
    except Malformed as error:
        problem = str(error)
    except NotKept:
        unread = f"it has {view.size >> 20} MB, and what is needed of it is not where it usually is"
    return NativeFacts(member=member, format=kind, slices=slices, problem=problem, unread=unread)


def format_of(view: View, *, named: bool) -> NativeFormat | None:
    """The format that the first bytes show; ``named`` says that the name promises compiled code."""
    head = bytes(view.take(0, min(4, view.size)))
    if head == elf.MAGIC:
        return NativeFormat.ELF
    if head in macho.MAGICS or (head in macho.FAT_MAGICS and macho.is_fat(view)):
        return NativeFormat.MACHO
    # "MZ" may begin a text as well, and .wasm files are data of a page unless they are named as a module.
    if head.startswith(pe.MAGIC) and (named or pe.is_pe(view)):
        return NativeFormat.PE
    if head == _WASM and named:
        return NativeFormat.WASM
    return None


def _slices(kind: NativeFormat, view: View, *, symbols: bool) -> tuple[NativeSlice, ...]:
    match kind:
        case NativeFormat.ELF:
            return (elf.read(view, symbols=symbols),)
        case NativeFormat.MACHO:
            return macho.read(view, symbols=symbols)
        case NativeFormat.PE:
            return (pe.read(view, symbols=symbols),)
        case NativeFormat.WASM:
            return (NativeSlice(arch="wasm32", kind=NativeKind.LIBRARY),)


def _what_it_is(view: View) -> str:
    """What a file is that only its name makes compiled code; empty for what may be called so."""
    head = bytes(view.take(0, min(512, view.size)))
    if not head:
        return "it is empty"
    if head.startswith(_LFS):
        return "it is a Git LFS pointer, not the file that it points to"
    if _LINKER_SCRIPT.search(head):
        return ""
    if not any(head):
        return "it begins with zeros"
    text = head[:64].decode("ascii", "replace")
    if text.isascii() and text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        return f"it is text: '{' '.join(text.split())[:40]}'"
    return f"its first bytes are {head[:4].hex(' ')}"
