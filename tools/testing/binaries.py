"""Tiny ELF, Mach-O and PE files, written table by table with the contents that a test asks for."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

# --- ELF -------------------------------------------------------------------------------------------

ELF_MACHINES = {
    "i686": 3,
    "ppc64": 21,
    "ppc64le": 21,
    "s390x": 22,
    "armv7l": 40,
    "x86_64": 62,
    "aarch64": 183,
    "riscv64": 243,
    "loongarch64": 258,
}
_BASE = 0x1000


class _Strings:
    """A string table that returns the offset of each added string."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")

    def add(self, text: str) -> int:
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def elf(
    arch: str = "x86_64",
    *,
    kind: int = 3,
    needed: Sequence[str] = ("libc.so.6",),
    soname: str = "",
    rpath: str = "",
    runpath: str = "",
    versions: Mapping[str, Sequence[str]] | None = None,
    interpreter: str = "",
    pie: bool = False,
    undefined: Sequence[str] = (),
    weak: Sequence[str] = (),
    defined: Sequence[str] = (),
    isa: int = 0,
    debug: bool = False,
    sections: bool = True,
    gnu_hash: bool = False,
    stack: int | None = 6,
) -> bytes:
    """Return an ELF file of type ``kind`` (3: shared library) with all tables of a loader, but no code.

    ``stack`` are the flags of its stack (4: read, 2: write, 1: execute); None leaves the header out.
    """
    wide = arch not in {"i686", "armv7l"}
    order = ">" if arch in {"ppc64", "s390x"} else "<"
    strings = _Strings()
    body = bytearray(b"\0" * 0x400)  # headers go there in the end
    where: dict[str, tuple[int, int]] = {}

    def put(name: str, data: bytes) -> int:
        body.extend(b"\0" * (-len(body) % 16))
        where[name] = (len(body), len(data))
        body.extend(data)
        return _BASE + where[name][0]

    tags: list[tuple[int, int]] = [(1, strings.add(library)) for library in needed]
    tags += [(tag, strings.add(text)) for tag, text in ((14, soname), (15, rpath), (29, runpath)) if text]
    if pie:
        tags.append((0x6FFFFFFB, 0x08000000))
    symbols = [(0, 0, 0)]
    symbols += [(strings.add(name), 0x10, 0) for name in undefined]
    symbols += [(strings.add(name), 0x20, 0) for name in weak]
    symbols += [(strings.add(name), 0x12, 1) for name in defined]
    form = order + ("IBBHQQ" if wide else "IIIBBH")
    rows = [
        struct.pack(form, *((name, info, 0, section, 0, 0) if wide else (name, 0, 0, info, 0, section)))
        for name, info, section in symbols
    ]
    tags.append((6, put("dynsym", b"".join(rows))))
    if gnu_hash:
        first = 1 + len(undefined) + len(weak)
        table = struct.pack(order + "4I", 1, first, 1, 0) + b"\xff" * (8 if wide else 4)
        hashes = [gnu_hash_of(name) & ~1 | (name == defined[-1]) for name in defined]
        table += struct.pack(order + f"{1 + len(hashes)}I", first if hashes else 0, *hashes)
        tags.append((0x6FFFFEF5, put("hash", table)))
    else:
        tags.append((4, put("hash", struct.pack(order + "2I", 1, len(symbols)))))
    if versions:
        tags.append((0x6FFFFFFE, put("versions", _verneed(order, strings, versions))))
    if isa:
        note = struct.pack(order + "3I4s3I", 4, 16, 5, b"GNU", 0xC0008002, 4, isa) + b"\0" * 4
        put("property", note)
    if interpreter:
        put("interp", interpreter.encode() + b"\0")
    tags.append((5, put("dynstr", bytes(strings.data))))
    put("dynamic", b"".join(struct.pack(order + ("QQ" if wide else "II"), *tag) for tag in [*tags, (0, 0)]))
    headers = (
        _sections(order, wide, where, put, debug=debug, libraries=len(versions or ())) if sections else b""
    )
    sections_at = len(body) + -len(body) % 16
    body.extend(b"\0" * (sections_at - len(body)) + headers)
    segments = _segments(order, wide, where, len(body), stack)
    ehdr, phdr, shdr = (64, 56, 64) if wide else (52, 32, 40)
    ident = struct.pack("4s5B7x", b"\x7fELF", 2 if wide else 1, 1 if order == "<" else 2, 1, 0, 0)
    rest = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(kind, ELF_MACHINES[arch], 1, 0, ehdr, sections_at if sections else 0, 0, ehdr),
        *(phdr, len(segments) // phdr, shdr if sections else 0, len(headers) // shdr),
        len(headers) // shdr - 1 if sections else 0,
    )
    head = ident + rest + segments
    assert len(head) <= 0x400
    body[: len(head)] = head
    return bytes(body)


def _verneed(order: str, strings: _Strings, versions: Mapping[str, Sequence[str]]) -> bytes:
    out = b""
    for index, (library, names) in enumerate(versions.items()):
        size = 16 + 16 * len(names)
        following = size if index < len(versions) - 1 else 0
        out += struct.pack(order + "2H3I", 1, len(names), strings.add(library), 16, following)
        for number, name in enumerate(names):
            next_at = 16 if number < len(names) - 1 else 0
            out += struct.pack(order + "I2H2I", 0, 0, 2 + number, strings.add(name), next_at)
    return out


def gnu_hash_of(name: str) -> int:
    """Return the hash of a symbol's name in .gnu.hash."""
    value = 5381
    for byte in name.encode():
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _segments(
    order: str, wide: bool, where: Mapping[str, tuple[int, int]], size: int, stack: int | None
) -> bytes:
    kinds = [(1, 4, 0, size)]
    for kind, name in ((2, "dynamic"), (3, "interp"), (0x6474E553, "property")):
        if name in where:
            kinds.append((kind, 4, *where[name]))
    if stack is not None:
        kinds.append((0x6474E551, stack, 0, 0))
    if wide:
        return b"".join(
            struct.pack(order + "2I6Q", kind, flags, at, _BASE + at, _BASE + at, length, length, 8)
            for kind, flags, at, length in kinds
        )
    return b"".join(
        struct.pack(order + "8I", kind, at, _BASE + at, _BASE + at, length, length, flags, 4)
        for kind, flags, at, length in kinds
    )


def _sections(
    order: str,
    wide: bool,
    where: Mapping[str, tuple[int, int]],
    put: Callable[[str, bytes], int],
    *,
    debug: bool,
    libraries: int,
) -> bytes:
    names = _Strings()
    rows = [(0, 0, 0, 0, 0, 0)]
    links = {"dynsym": (11, 2), "dynstr": (3, 0), "versions": (0x6FFFFFFE, 2), "dynamic": (6, 2)}
    for name in ("dynsym", "dynstr", "versions", "dynamic"):
        if name in where:
            label = {"versions": ".gnu.version_r"}.get(name, f".{name}")
            kind, link = links[name]
            # Readers that use sections take the number of libraries from here.
            rows.append((names.add(label), kind, *where[name], link, libraries if name == "versions" else 1))
    if debug:
        put("debug", b"\0" * 16)
        rows.append((names.add(".debug_info"), 1, *where["debug"], 0, 0))
    name_offset = names.add(".shstrtab")
    put("names", bytes(names.data))
    rows.append((name_offset, 3, *where["names"], 0, 0))
    entry_sizes = {11: 24 if wide else 16, 6: 16 if wide else 8}
    return b"".join(
        struct.pack(
            order + ("IIQQQQIIQQ" if wide else "10I"),
            *(name, kind, 0, _BASE + at if kind else 0, at, size, link, info, 8, entry_sizes.get(kind, 0)),
        )
        for name, kind, at, size, link, info in rows
    )


# --- Mach-O ----------------------------------------------------------------------------------------

MACHO_CPUS = {"i386": 7, "x86_64": 0x01000007, "arm64": 0x0100000C}
OBJECT, EXECUTE, DYLIB, BUNDLE, DSYM = 1, 2, 6, 8, 10


def macho(
    arch: str = "arm64",
    *,
    kind: int = BUNDLE,
    needed: Sequence[str] = ("/usr/lib/libSystem.B.dylib",),
    weak: Sequence[str] = (),
    name: str = "",
    rpaths: Sequence[str] = (),
    minos: tuple[int, int] | None = (11, 0),
    old_minos: bool = False,
    undefined: Sequence[str] = (),
    weak_undefined: Sequence[str] = (),
    undefined_of: Mapping[int, Sequence[str]] | None = None,
    defined: Sequence[str] = (),
    trie: str = "",
    debug: bool = False,
    signed: bool = True,
) -> bytes:
    """Return a Mach-O file of one slice; symbols are named as in C, without Mach-O's underscore.

    ``undefined_of`` maps the number of a library (from 1; 0xFE is any) to its symbols: a two-level namespace.
    ``defined`` are in the symbol table, or in a separate export trie (``trie`` is ``command``) or in the
    information for dyld (``info``).
    """
    wide = arch != "i386"
    commands = [_dylib(0xC, library) for library in needed]
    commands += [_dylib(0x80000018, library) for library in weak]
    commands += [_dylib(0xD, name)] if name else []
    commands += [_text(struct.pack("<III", 0x8000001C, 0, 12), rpath) for rpath in rpaths]
    if minos:
        version = minos[0] << 16 | minos[1] << 8
        if old_minos:
            commands.append(struct.pack("<4I", 0x24, 16, version, version))
        else:
            commands.append(struct.pack("<6I", 0x32, 24, 1, version, version, 0))
    strings = _Strings()
    exported = [] if trie else [(strings.add(f"_{symbol}"), 0) for symbol in defined]
    exports = _trie([f"_{symbol}" for symbol in defined]) if trie else b""
    rows = [(strings.add(f"_{symbol}"), 0) for symbol in undefined]
    rows += [(strings.add(f"_{symbol}"), 0x40) for symbol in weak_undefined]
    rows += [
        (strings.add(f"_{symbol}"), library << 8)
        for library, names in (undefined_of or {}).items()
        for symbol in names
    ]
    flags = 0x80 if undefined_of else 0
    linked = {"command": 16, "info": 48}.get(trie, 0) + (16 if signed else 0)
    table = b"".join(
        struct.pack("<IBBHQ" if wide else "<IBBHI", at, kind, 0, description, 0)
        for symbols, kind in ((exported, 0x0F), (rows, 1))
        for at, description in symbols
    )
    segment = struct.calcsize("<II16sQQQQiiII" if wide else "<II16sIIIIiiII")
    labels = ["__TEXT", *(["__DWARF"] if debug else [])]
    header = 32 if wide else 28
    size = sum(map(len, commands)) + segment * len(labels) + 24 + 80 + linked
    end = header + size + len(table) + len(strings.data) + len(exports)
    for label in labels:
        command = 0x19 if wide else 0x1
        form = "<II16sQQQQiiII" if wide else "<II16sIIIIiiII"
        length = end if label == "__TEXT" else 0
        commands.append(struct.pack(form, command, segment, label.encode(), 0, 0, 0, length, 5, 5, 0, 0))
    at = header + size
    count = len(exported) + len(rows)
    commands.append(struct.pack("<6I", 2, 24, at, count, at + len(table), len(strings.data)))
    indices = (0, 0, 0, len(exported), len(exported), len(rows))
    commands.append(struct.pack("<20I", 0xB, 80, *indices, *([0] * 12)))
    exports_at = end - len(exports)
    if trie == "command":
        commands.append(struct.pack("<4I", 0x80000033, 16, exports_at, len(exports)))
    elif trie:
        commands.append(struct.pack("<12I", 0x80000022, 48, *([0] * 8), exports_at, len(exports)))
    if signed:
        commands.append(struct.pack("<4I", 0x1D, 16, end, 0))
    magic = 0xFEEDFACF if wide else 0xFEEDFACE
    start = struct.pack("<IiiIIII", magic, MACHO_CPUS[arch], 0, kind, len(commands), size, flags)
    body = table + bytes(strings.data) + exports
    return start + (b"\0" * 4 if wide else b"") + b"".join(commands) + body


def _count_equal(left: str, right: str) -> int:
    """Return the number of characters that both texts begin with."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(left), len(right)))


def _trie(names: Sequence[str]) -> bytes:
    """Return an export trie with a node for each name below one node for what all of them begin with."""
    common = min(names)[: _count_equal(min(names), max(names))] if len(names) > 1 else ""
    leaf = b"\2\0\0\0"
    branch_at = 0 if not common else 2 + len(common) + 1 + 1
    head = b"" if not common else b"\0\1" + common.encode() + b"\0" + bytes([branch_at])
    edges = [name.removeprefix(common).encode() + b"\0" for name in names]
    # Each offset takes two bytes, so that all sizes are known.
    leaves_at = len(head) + 2 + sum(len(edge) + 2 for edge in edges)
    branch = b"\0" + bytes([len(names)])
    for index, edge in enumerate(edges):
        at = leaves_at + len(leaf) * index
        branch += edge + bytes([at & 0x7F | 0x80, at >> 7])
    return head + branch + leaf * len(names)


def _dylib(command: int, library: str) -> bytes:
    return _text(struct.pack("<6I", command, 0, 24, 2, 0x10000, 0x10000), library)


def _text(fixed: bytes, text: str) -> bytes:
    body = fixed + text.encode() + b"\0"
    body += b"\0" * (-len(body) % 8)
    return body[:4] + struct.pack("<I", len(body)) + body[8:]


def fat(*slices: tuple[str, bytes], wide: bool = False) -> bytes:
    """Return a universal file of (arch, Mach-O) slices."""
    out = struct.pack(">II", 0xCAFEBABF if wide else 0xCAFEBABE, len(slices))
    row = struct.Struct(">iiQQII" if wide else ">iiIII")
    at = 4096
    body = b""
    for arch, data in slices:
        fields = [MACHO_CPUS[arch], 0, at + len(body), len(data), 12]
        out += row.pack(*fields, 0) if wide else row.pack(*fields)
        body += data + b"\0" * (-len(data) % 4096)
    return out + b"\0" * (at - len(out)) + body


# --- PE --------------------------------------------------------------------------------------------

PE_MACHINES = {"x86": 0x14C, "x86_64": 0x8664, "arm64": 0xAA64}


def pe(
    arch: str = "x86_64",
    *,
    needed: Iterable[str] = ("KERNEL32.dll",),
    delayed: Sequence[str] = (),
    symbols: Mapping[str, Sequence[str]] | None = None,
    exports: Sequence[str] = (),
    dll: bool = True,
    managed: bool = False,
    debug: bool = False,
    old_delay: bool = False,
) -> bytes:
    """Return a DLL or program; ``symbols`` maps each needed DLL to the symbols imported from it."""
    wide = arch != "x86"
    base = 0x1_8000_0000 if wide else 0x1000_0000
    address, offset = 0x1000, 0x400
    word = struct.Struct("<Q" if wide else "<I")
    taken = {**dict.fromkeys(needed, ()), **(symbols or {})}
    data = bytearray(20 * (len(taken) + 1) + 32 * (len(delayed) + 1))

    def put(piece: bytes) -> int:
        data.extend(b"\0" * (-len(data) % 8))
        at = address + len(data)
        data.extend(piece)
        return at

    for index, (library, names) in enumerate(taken.items()):
        entries = [put(b"\0\0" + name.encode() + b"\0") for name in names]
        by_number = 1 << (word.size * 8 - 1) | 7
        table = put(b"".join(word.pack(entry) for entry in [*entries, by_number, 0]))
        struct.pack_into("<5I", data, 20 * index, table, 0, 0, put(library.encode() + b"\0"), table)
    delay_at = 20 * (len(taken) + 1)
    for index, library in enumerate(delayed):
        table = put(word.pack(1 << (word.size * 8 - 1) | 7) + word.pack(0))
        fields = [put(library.encode() + b"\0"), 0, table, table]
        moved = [field + base if field and old_delay else field for field in fields]
        struct.pack_into("<5I", data, delay_at + 32 * index, 0 if old_delay else 1, *moved)
    directories = [(0, 0)] * 16
    directories[1] = (address, delay_at)
    if exports:
        exported = [put(name.encode() + b"\0") for name in sorted(exports)]
        table = put(struct.pack(f"<{len(exported)}I", *exported))
        counts = (1, len(exported), len(exported))
        directories[0] = (put(struct.pack("<10I", 0, 0, 0, 0, *counts, table, table, table)), 40)
    if delayed:
        directories[13] = (address + delay_at, 32 * len(delayed))
    if managed:
        directories[14] = (address, 72)
    data.extend(b"\0" * (-len(data) % 0x200))
    size = 112 + 128 if wide else 96 + 128
    optional = bytearray(size)
    struct.pack_into("<H", optional, 0, 0x20B if wide else 0x10B)
    struct.pack_into("<Q" if wide else "<I", optional, 24 if wide else 28, base)
    struct.pack_into("<II", optional, 32, 0x1000, 0x200)
    struct.pack_into("<II", optional, 56, 0x3000, 0x400)
    struct.pack_into("<I", optional, size - 132, 16)
    for index, directory in enumerate(directories):
        struct.pack_into("<II", optional, size - 128 + 8 * index, *directory)
    rows = [(b".rdata", len(data), address, len(data), offset)]
    strings = b""
    if debug:
        rows.append((b"/4", 0, 0x9000, 0, 0))
        strings = struct.pack("<I", 16) + b".debug_info\0"
    flags = 0x22 | (0x2000 if dll else 0)
    symbols_at = offset + len(data) if debug else 0
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += struct.pack("<4sHHIIIHH", b"PE\0\0", PE_MACHINES[arch], len(rows), 0, symbols_at, 0, size, flags)
    head += bytes(optional)
    head += b"".join(struct.pack("<8sIIIIIIHHI", *row, 0, 0, 0, 0, 0) for row in rows)
    return head.ljust(offset, b"\0") + bytes(data) + strings


# --- any -------------------------------------------------------------------------------------------


def extension(platform: str) -> tuple[str, bytes]:
    """Return the suffix and the bytes of an extension module for a platform tag other than ``any``."""
    if platform.startswith("win"):
        arch = {"win32": "x86", "win_arm64": "arm64"}.get(platform, "x86_64")
        return ".pyd", pe(arch, needed=("KERNEL32.dll", "VCRUNTIME140.dll"))
    if platform.startswith(("macosx", "ios")):
        arm = macho("arm64", minos=(11, 0))
        intel = macho("x86_64", minos=(10, 9))
        if platform.endswith("universal2"):
            return ".so", fat(("x86_64", intel), ("arm64", arm))
        return ".so", intel if platform.endswith(("x86_64", "intel")) else arm
    if platform.endswith("wasm32"):
        return ".so", b"\0asm\1\0\0\0"
    arch = next((arch for arch in sorted(ELF_MACHINES, key=len)[::-1] if platform.endswith(arch)), "x86_64")
    libc = f"libc.musl-{arch}.so.1" if platform.startswith("musllinux") else "libc.so.6"
    return ".so", elf(arch, needed=(libc,))
